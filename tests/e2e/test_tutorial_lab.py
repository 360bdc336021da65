# SPDX-License-Identifier: Apache-2.0

"""What the tutorials begin with in a kept lab is all that they take.

Their texts are run with that, and nothing else; what they end with is read
from the consoles of the machines.
"""

import pathlib
import subprocess

import testtools

from lab import process
from lab.tutorials import folders
from lab.tutorials import installer

_TEXTS = pathlib.Path(folders.__file__).parents[2].joinpath(
    'doc/source/user/tutorials')
#: Seconds, for machines that are much slower than any that was seen.
_PATIENCE = 600


class TutorialLabTestCase(testtools.TestCase):

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.lab = cls.enterClassContext(folders.TutorialLab(
            media_servers=1, with_boot_server=True))
        cls.lab.fill()

    def run_in(self, tutorial: str, command: str) -> str:
        """Run a command in the folder of a tutorial; return what it says."""
        done = subprocess.run(
            ['bash', '-c', f'. ./settings\n{command}'],
            cwd=self.lab.folder / tutorial, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.assertEqual(0, done.returncode, done.stdout)
        return done.stdout

    def follow(self, tutorial: str) -> str:
        """Do what the page of a tutorial says."""
        return self.run_in(tutorial, f'bash {_TEXTS / tutorial}.sh')

    def await_console(self, tutorial: str, machine: str, text: str) -> str:
        """Wait until a machine has said something; return all of it."""
        path = self.lab.folder / tutorial / f'{machine}.console'

        def said() -> str:
            console = (path.read_text(errors='replace') if path.exists()
                       else '')
            return console if text in console else ''

        try:
            return process.await_condition(
                said, f'"{text}" on the console of {machine}',
                timeout=_PATIENCE, interval=0.5)
        except process.LabError as exc:
            self.fail(f'{exc}:\n{path.read_text(errors="replace")[-3000:]}')

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
            f'{name} to switch itself off', timeout=_PATIENCE)
        self.run_in('kickstart-many',
                    f'openstack baremetal node power on {name}')
        self.await_console('kickstart-many', name,
                           f'{name} {installer.BOOTED}')

    def test_a_running_machine_sees_its_seed_come_and_go(self):
        self.await_console('cloud-init-disk', 'server-7',
                           'lab: this is a live system now')
        self.follow('cloud-init-disk')
        console = self.await_console(
            'cloud-init-disk', 'server-7', 'lab: the drives are empty')
        self.assertIn('labelled cidata:', console)
        self.assertIn('Rack 7, unit 12', console)
