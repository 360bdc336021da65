# SPDX-License-Identifier: Apache-2.0

"""The folders of the tutorials in a lab, used as their readers would."""

import pathlib
import subprocess

import testtools

from lab import process
from lab.tutorials import folders

_TEXTS = pathlib.Path(folders.__file__).parents[2].joinpath(
    'doc/source/user/tutorials')


class TutorialFoldersTestCase(testtools.TestCase):
    """One lab for all of a class."""

    #: Seconds, for machines that are much slower than any that was seen.
    patience = 600

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
                timeout=self.patience, interval=0.5)
        except process.LabError as exc:
            self.fail(f'{exc}:\n{path.read_text(errors="replace")[-3000:]}')
