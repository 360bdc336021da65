# SPDX-License-Identifier: Apache-2.0

"""A secret left in an installed system, whose links may lead anywhere."""

import json
import os
import pathlib
import subprocess
import tempfile
from unittest import mock

from ironic_python_agent import config  # noqa: F401
import testtools

from ironic_ext.bootc import errors
from ironic_python_agent_ext.bootc import installed_root

_AUTH = {'auths': {'r.test': {'auth': 'bTpw'}}}


class InstalledRootTest(testtools.TestCase):
    """The disk is a directory, which is mounted for real elsewhere."""

    def setUp(self):
        super().setUp()
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = pathlib.Path(folder.name)
        for name, new in (('PLACE', self.root), ('release', lambda: None)):
            patcher = mock.patch.object(installed_root, name, new)
            patcher.start()
            self.addCleanup(patcher.stop)
        patcher = mock.patch.object(installed_root.utils, 'execute',
                                    autospec=True)
        self.execute = patcher.start()
        self.addCleanup(patcher.stop)

    def deployment(self, path='ostree/deploy/default/deploy/a1.0'):
        etc = self.root / path / 'etc'
        etc.mkdir(parents=True)
        return etc

    def write(self):
        installed_root.write_auth('/dev/sda3', 'xfs', _AUTH)

    def test_the_secret_is_where_updates_look_and_for_root_alone(self):
        for path in ('ostree/deploy/os/deploy/0123.0', 'state/deploy/45'):
            etc = self.deployment(path)
            self.write()
            file = etc / 'ostree/auth.json'
            self.assertEqual(_AUTH, json.loads(file.read_text()))
            self.assertEqual(0o600, file.stat().st_mode & 0o777)
            file.unlink()
            subprocess.run(['rm', '-r', etc.parent], check=True)

    def test_another_file_in_its_place_is_replaced_and_not_followed(self):
        etc = self.deployment()
        (self.root / 'victim').write_text('as it was')
        (etc / 'ostree').mkdir()
        os.symlink(self.root / 'victim', etc / 'ostree/auth.json')
        self.write()
        self.assertEqual('as it was', (self.root / 'victim').read_text())
        self.assertFalse((etc / 'ostree/auth.json').is_symlink())

    def test_a_link_in_the_way_is_refused(self):
        etc = self.deployment()
        (self.root / 'outside').mkdir()
        (etc / 'ostree').symlink_to(self.root / 'outside')
        self.assertIn('update_auth', str(
            self.assertRaises(errors.VerifyError, self.write)))
        self.assertEqual([], [*(self.root / 'outside').iterdir()])

    def test_a_disk_without_a_deployment_is_told(self):
        self.assertIn('0 deployments', str(
            self.assertRaises(errors.VerifyError, self.write)))
