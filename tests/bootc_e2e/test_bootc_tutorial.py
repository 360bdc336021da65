# SPDX-License-Identifier: Apache-2.0

"""The tutorial of bootable containers, followed to its end in a kept lab."""

from tests.bootc_e2e import test_bootc_deploy
from tests import tutorial_folders


class TutorialTestCase(tutorial_folders.TutorialFoldersTestCase):

    patience = test_bootc_deploy.DEPLOY_TIMEOUT

    def test_a_machine_becomes_the_container_that_the_page_names(self):
        self.run_in('bootc', './build')
        said = self.follow('bootc')
        self.assertNotRegex(said, r'\| deploy +\| False')
        self.await_console('bootc', 'server-9', 'server-9 login:')
        self.assertEqual('active', self.run_in(
            'bootc', 'openstack baremetal node show server-9 '
            '-f value -c provision_state').strip())
