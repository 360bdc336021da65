# SPDX-License-Identifier: Apache-2.0

"""The tutorials, and the README's first job, run from their own text.

Ironic, the boot server, tgtd, the client and the emulator's Redfish are real;
the machines are not. What they would read is read here.
"""

import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import textwrap
import urllib.request
import zlib

import fixtures
import testtools

import ironic_ext
from ironic_ext import iso
from lab import bare_metal
from lab import boot_server
from lab import process
from lab import tgtd
from tests import file_server
from tests.functional import fake_emulator
from tests.functional import judges
from tests.functional import registry
from tests.functional import warm_client
from tests import isos
from tests import oci_images

_ROOT = pathlib.Path(ironic_ext.__file__).parents[1]
_TUTORIALS = _ROOT / 'doc/source/user/tutorials'
#: As the page of it says.
_MACHINES = 20
_MAC, _OTHER_MAC = '52:54:00:aa:00:08', '52:54:00:aa:00:09'
_PULL_SECRET = 'deployer:SecretWord'
_IRONIC = """
[DEFAULT]
# As the page of installing has it.
enabled_vendor_interfaces = no-vendor,redfish,redfish-ext
[conductor]
# As Ironic has it.
automated_clean = true
[dhcp]
dhcp_provider = none
[pxe]
tftp_root = {directory}/tftp
tftp_master_path = {directory}/tftp-master
[ext_boot]
# No machine restarts here, which would end its boot.
eject_after = 0
look_interval = 1
[ext_bootc]
ca_file = {directory}/registry.pem
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
         'coreos.iso': isos.shared('coreos_like'),
         'debian.iso': isos.shared('hybrid'),
         'ubuntu.iso': isos.shared('ubuntu_like')}


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
            deploy_interfaces='ramdisk,bootc-ext',
            extra=_IRONIC.format(
                directory=directory / 'ironic',
                portal=f'127.0.0.1:{targets.port}',
                number=targets.number) + cls.server.shared_config)
        cls.ironic.create_schema()
        cls.server.configure(cls.ironic.url)
        cls.client = warm_client.WarmClient(directory)
        for service in (*[targets] * cls.serves_iscsi, cls.emulator,
                        cls.client, cls.ironic, cls.server):
            cls.addClassCleanup(service.stop)
            service.start()

    def setUp(self) -> None:
        super().setUp()
        self.folder = pathlib.Path(
            self.useFixture(fixtures.TempDir()).path)
        self.system = self.emulator.new_system()

    def run_tutorial(self, name: str, **environment: str) -> str:
        """Run the text of a tutorial; return what it prints."""
        return self.run_text(_TUTORIALS / f'{name}.sh', **environment)

    def run_text(self, script: pathlib.Path, **environment: str) -> str:
        """Run a script as who reads it would; return what it prints."""
        programs = pathlib.Path(sys.executable).parent
        done = subprocess.run(
            ['bash', str(script)], cwd=self.folder,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, env={
                **os.environ, **self.ironic.client_environment(),
                'PATH': os.pathsep.join((
                    str(self.client.programs), str(programs),
                    os.environ['PATH'])),
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

    def read(self, system: str, path: str) -> bytes:
        """Return a file of what is in a drive, as libarchive reads it."""
        self.medium(system)
        return judges.run('bsdtar', '-x', '-O', '-f',
                          self.folder / f'{system}.iso', path).stdout

    def test_machines_are_installed_by_kickstart_from_one_iso(self):
        (self.folder / 'fedora.iso').write_bytes(
            _ISOS['fedora.iso'].read_bytes())
        systems = [self.emulator.new_system() for _number in range(_MACHINES)]
        (self.folder / 'machines.txt').write_text(''.join(
            f'server{number} {self.emulator.url} {self.path(system)}\n'
            for number, system in enumerate(systems, 1)))
        said = self.run_tutorial('kickstart-many')
        self.assertEqual(_MACHINES, said.count('would change spec.'))
        self.assertIn('network --bootproto=dhcp --hostname=server1\n', said)
        for number, system in enumerate(systems, 1):
            kickstart = self.read(system, 'ks.cfg').decode()
            self.assertIn(f'--hostname=server{number}\n', kickstart)
        # What its last script asks for.
        report = re.search(r"POST '(.+)'", kickstart)[1]
        path = report.partition(self.server.url)[2]
        self.assertIn(self.server.call('POST', path).code, (202, 204))
        process.await_condition(
            lambda: not self.emulator.inserted(systems[-1]),
            'the medium to be out of its drive', timeout=120)
        events = process.await_condition(
            lambda: self.ended(f'server{_MACHINES}'), 'the end of its boot',
            timeout=60)
        self.assertIn('the machine reported that it is installed', events)

    def ended(self, name: str) -> list[str]:
        """Return the events of a host, [] before its boot has ended."""
        found = [event['text'] for event in self.server.call(
            'GET', '/api/v1/namespaces/default/baremetalhosts/'
            f'{name}/history').json['items']]
        return found if 'out of its drive, and read no more' in found else []

    def test_debian_is_installed_by_preseed(self):
        said = self.run_tutorial('debian-preseed',
                                 ISO_URL=f'{self.web.url}/debian.iso')
        self.assertIn('d-i netcfg/get_hostname string server-5\n', said)
        self.assertIn('It will boot ', said)
        packed = _ISOS['debian.iso']
        initrd = judges.run('bsdtar', '-x', '-O', '-f', packed,
                            'install.amd/initrd.gz').stdout
        grown = self.read(self.system, 'install.amd/initrd.gz')
        self.assertTrue(grown.startswith(initrd))
        answers = judges.cpio_files(
            grown[len(initrd):].lstrip(b'\0'))['/preseed.cfg'].decode()
        self.assertIn('d-i netcfg/get_hostname string server-5\n', answers)
        self.assertIn(f"POST '{self.server.url}/api/v1/boot-complete?",
                      answers)
        for config in ('boot/grub/grub.cfg', 'isolinux/txt.cfg'):
            self.assertIn(b'auto=true priority=critical',
                          self.read(self.system, config))

    def test_ubuntu_is_installed_by_autoinstall(self):
        (self.folder / 'id.pub').write_text('ssh-ed25519 AAAA ops@site\n')
        said = self.run_tutorial('ubuntu-autoinstall',
                                 ISO_URL=f'{self.web.url}/ubuntu.iso')
        self.assertIn('It will boot ', said)
        config = self.read(self.system, 'nocloud/user-data').decode()
        self.assertIn('    hostname: "server-6"\n', config)
        self.assertIn('["ssh-ed25519 AAAA ops@site"]', config)
        self.assertIn('password: "$6$', config)
        self.assertIn(f"POST '{self.server.url}/api/v1/boot-complete?", config)
        self.assertIn('instance-id: "', self.read(
            self.system, 'nocloud/meta-data').decode())
        self.assertIn(b"autoinstall 'ds=nocloud;s=/cdrom/nocloud/' ---",
                      self.read(self.system, 'boot/grub/grub.cfg'))

    def test_a_container_is_installed_by_bootc(self):
        user, password = _PULL_SECRET.split(':')
        served = self.useFixture(registry.Registry({user: password}))
        (self.ironic.directory / 'registry.pem').write_text(served.ca)
        served.push('os/fedora', oci_images.image(), '42')
        said = self.run_tutorial(
            'bootc', IMAGE=f'{served.host}/os/fedora:42',
            PULL_SECRET=_PULL_SECRET, MAC=_OTHER_MAC,
            DEPLOY_ISO_URL=f'{self.web.url}/fedora.iso')
        self.assertNotRegex(said, r'\| deploy +\| False')
        self.assertNotIn(password, said)
        # There is no machine that could go on from here.
        process.await_condition(
            lambda: self.ironic.get('/v1/nodes/server-9')['provision_state']
            == 'wait call-back', 'the ramdisk to be waited for', timeout=120)
        self.assertIn(b'ipa-api-url=', self.read(
            self.system, 'EFI/BOOT/grub.cfg'))

    def test_the_first_job_of_the_readme_is_done(self):
        text = (_ROOT / 'README.rst').read_text()
        block = re.search(
            r'^Then, from anywhere::\n\n((?:    .*\n|\n)+)', text,
            re.MULTILINE)[1]
        # What the reader has, too, in the place of what is made up.
        for theirs, ours in (
                ('redfish_address=https://192.0.2.7',
                 f'redfish_address={self.emulator.url} --driver-info '
                 f'redfish_system_id={self.path(self.system)}'),
                ('https://images.example.com/live.iso',
                 f'{self.web.url}/fedora.iso')):
            self.assertEqual(1, block.count(theirs))
            block = block.replace(theirs, ours)
        script = self.folder / 'readme.sh'
        script.write_text('set -e\n' + textwrap.dedent(block))
        self.run_text(script)
        self.assertEqual(b'dc=7', self.read(self.system, 'site.conf'))
        self.assertIn(b'console=ttyS0 role=worker',
                      self.read(self.system, 'EFI/BOOT/grub.cfg'))
        self.assertEqual('node-7', json.loads(self.read(
            self.system, 'openstack/latest/meta_data.json'))['hostname'])

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
        eject = self.folder / 'eject.sh'
        eject.write_text('openstack baremetal node boot media eject worker-1')
        self.assertIn('worker-1: the medium is ejected, and the disk is the '
                      'boot device', self.run_text(eject))
        self.assertEqual({}, self.emulator.inserted(self.system))

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
