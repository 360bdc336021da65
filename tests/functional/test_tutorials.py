# SPDX-License-Identifier: Apache-2.0

"""The tutorials of the documentation, run from their own text.

Ironic, the boot server, tgtd, the client and the emulator's Redfish are real;
the machines are not. What they would read is read here.
"""

import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import urllib.request
import zlib

import fixtures
import testtools

import ironic_ext
from ironic_ext import iso
from lab import bare_metal
from lab import boot_server
from lab import tgtd
from tests import file_server
from tests.functional import fake_emulator
from tests import isos

_ROOT = pathlib.Path(ironic_ext.__file__).parents[1]
_TUTORIALS = _ROOT / 'doc/source/user/tutorials'
_MAC = '52:54:00:aa:00:08'
_IRONIC = """
[conductor]
# As Ironic has it.
automated_clean = true
[dhcp]
dhcp_provider = none
[pxe]
tftp_root = {directory}/tftp
tftp_master_path = {directory}/tftp-master
[ext_data_image]
reconcile_interval = 1
[ext_images]
cache_dir = {directory}/cache
[ext_media]
delivery = file
[ext_san]
portal = {portal}
export_dir = {directory}/exports
tgt_control_port = {number}
min_free_space = 0
"""
# Here, since Ironic's base of unit tests keeps tests from running commands.
_ISOS = {'fedora.iso': isos.shared('lorax_like'),
         'coreos.iso': isos.shared('coreos_like')}


class TutorialsTestCase(testtools.TestCase):
    """One Ironic and one boot server for all of them."""

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        directory = pathlib.Path(cls.enterClassContext(
            tempfile.TemporaryDirectory(prefix='tutorials-'))).resolve()
        for name in ('http', 'bmc', 'ironic', 'boot'):
            (directory / name).mkdir()
        cls.root = directory / 'http'
        for name, path in _ISOS.items():
            (cls.root / name).write_bytes(path.read_bytes())
        cls.web = file_server.FileServer(cls.root)
        cls.web.setUp()
        cls.addClassCleanup(cls.web.cleanUp)
        # It obeys root alone.
        cls.serves_iscsi = not os.geteuid() and bool(shutil.which('tgtd'))
        targets = tgtd.Tgtd(directory)
        cls.server = boot_server.Process(directory / 'boot')
        cls.emulator = fake_emulator.FakeEmulator(directory / 'bmc')
        cls.ironic = bare_metal.Ironic(
            directory / 'ironic', http_root=cls.root, http_url=cls.web.url,
            images=directory, boot_interfaces='redfish-iso,iso-sanboot',
            extra=_IRONIC.format(
                directory=directory / 'ironic',
                portal=f'127.0.0.1:{targets.port}',
                number=targets.number) + cls.server.shared_config)
        cls.ironic.create_schema()
        cls.server.configure(cls.ironic.url)
        for service in (*[targets] * cls.serves_iscsi, cls.emulator,
                        cls.ironic, cls.server):
            cls.addClassCleanup(service.stop)
            service.start()

    def setUp(self) -> None:
        super().setUp()
        self.folder = pathlib.Path(
            self.useFixture(fixtures.TempDir()).path)
        self.system = self.emulator.new_system()

    def run_tutorial(self, name: str, **environment: str) -> str:
        """Run the text of a tutorial; return what it prints."""
        programs = pathlib.Path(sys.executable).parent
        done = subprocess.run(
            ['bash', str(_TUTORIALS / f'{name}.sh')], cwd=self.folder,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, env={
                **os.environ, **self.ironic.client_environment(),
                'PATH': f'{programs}{os.pathsep}{os.environ["PATH"]}',
                'IRONIC_BOOT_SERVER_URL': self.server.url,
                'BMC': self.emulator.url, 'BMC_USER': 'u',
                'BMC_PASSWORD': 'p', 'SYSTEM': self.path(self.system),
                'TMPDIR': str(self.folder), **environment})
        self.assertEqual(0, done.returncode, done.stdout)
        return done.stdout

    @staticmethod
    def path(system: str) -> str:
        return f'/redfish/v1/Systems/{system}'

    def medium(self, system: str) -> iso.IsoImage:
        """Return what is in the drive of a machine."""
        (url,) = self.emulator.inserted(system).values()
        path = self.folder / f'{system}.iso'
        with urllib.request.urlopen(url, timeout=60) as answer:
            path.write_bytes(answer.read())
        image = iso.IsoImage.open(path)
        self.addCleanup(image.close)
        return image

    def test_coreos_boots_with_ignition(self):
        (self.folder / 'coreos.iso').write_bytes(
            _ISOS['coreos.iso'].read_bytes())
        said = self.run_tutorial('coreos-live',
                                 ISO_URL=f'{self.web.url}/coreos.iso')
        self.assertIn('It will boot ', said)
        config = (self.folder / 'config.ign').read_bytes()
        with iso.IsoImage.open(self.folder / 'try.iso') as tried:
            for image in (tried, self.medium(self.system)):
                # An archive of one file, and zeros behind it.
                area = image.read_file('/images/ignition.img')
                self.assertIn(
                    config, zlib.decompressobj(wbits=31).decompress(area))

    def test_a_running_machine_gets_a_seed_of_cloud_init(self):
        said = self.run_tutorial('cloud-init-disk')
        self.assertIn('attached', said)
        self.assertEqual({}, self.emulator.inserted(self.system))

    def test_an_iso_boots_over_iscsi(self):
        if not self.serves_iscsi:
            self.skipTest('needs root, and tgt')
        said = self.run_tutorial(
            'iscsi', ISO_URL=f'{self.web.url}/fedora.iso', MAC=_MAC,
            IRONIC_CONF=str(self.ironic.directory / 'ironic.conf'))
        targets = re.findall(r'^served .*(iqn\.\S+)', said, re.MULTILINE)
        self.assertEqual(1, len(targets), said)
        self.assertNotIn(targets[0], said.rpartition('STATE')[2])
