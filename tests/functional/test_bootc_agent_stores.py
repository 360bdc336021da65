# SPDX-License-Identifier: Apache-2.0

"""Where images lie while they are installed: real memory and disks."""

from ironic_ext.bootc import request
from tests.functional import bootc_agent


class StoresTest(bootc_agent.BootcAgentTestCase):

    def assert_store(self, name, kind, **arguments):
        self.assert_deployed(self.deploy(
            self.push(), store=request.Store(kind, **arguments)))
        self.assertIn(f'The image lies on {name}', self.log())

    def test_memory(self):
        self.assert_store('tmpfs', 'auto')

    def test_compressed_memory(self):
        self.assert_store('zram', 'zram')

    def test_a_disk_that_the_operator_names(self):
        self.assert_store('disk', 'disk', device=self.scratch.path)

    def test_a_blank_disk(self):
        self.assert_store('disk', 'disk')

    def test_a_disk_with_content_is_not_taken_for_a_blank_one(self):
        with self.scratch_disk_with_content():
            command = self.deploy(self.push(), store=request.Store('disk'))
        self.assert_failed('StoreError', 'is to lie on a disk', command)

    def test_the_end_of_the_disk_that_is_installed_to(self):
        drive, image = bootc_agent.config_drive('hello')
        with self.scratch_disk_with_content():
            command = self.deploy(
                self.push(), configdrive=drive,
                store=request.Store('disk', allow_target_disk=True))
        self.assert_deployed(command)
        self.assertIn('The image lies on target', self.log())
        with open(self.disk.partition(3), 'rb') as partition:
            self.assertEqual(image, partition.read(len(image)))
