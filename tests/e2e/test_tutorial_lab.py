# SPDX-License-Identifier: Apache-2.0

"""What the tutorials begin with in a kept lab is all that they take.

Their texts are run with that, and nothing else; what they end with is read
from the consoles of the machines.
"""

from lab import process
from lab.tutorials import folders
from lab.tutorials import installer
from tests import tutorial_folders


class TutorialLabTestCase(tutorial_folders.TutorialFoldersTestCase):

    def test_machines_are_installed_and_boot_from_their_disks(self):
        said = self.follow('kickstart-many')
        machines = folders.MACHINES['kickstart-many']
        self.assertEqual(len(machines), said.count('would change spec.'))
        for name in machines:
            console = self.await_console('kickstart-many', name,
                                         installer.INSTALLED)
            self.assertIn(f'--hostname={name}', console)
        name = machines[0]
        # One that has reported still runs: switching it on would do nothing.
        process.await_condition(
            lambda: not self.lab.machines[name].is_on(),
            f'{name} to switch itself off', timeout=self.patience)
        self.run_in('kickstart-many',
                    f'openstack baremetal node power on {name}')
        self.await_console('kickstart-many', name,
                           f'{name} {installer.BOOTED}')
        self.assertIn('the ISO: first read', self.run_in(
            'kickstart-many',
            f'openstack baremetal host boot history {name}'))

    def test_a_running_machine_sees_its_seed_come_and_go(self):
        self.await_console('cloud-init-disk', 'server-7',
                           'lab: this is a live system now')
        self.follow('cloud-init-disk')
        console = self.await_console(
            'cloud-init-disk', 'server-7', 'lab: the drives are empty')
        self.assertIn('labelled cidata:', console)
        self.assertIn('Rack 7, unit 12', console)
