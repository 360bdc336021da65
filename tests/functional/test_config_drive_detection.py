# SPDX-License-Identifier: Apache-2.0

"""cloud-init's own detector finds the config drive of a customised ISO.

Debian's unchanged ds-identify runs with a root of its own, on what blkid
says of the image and on the kernel arguments that its boot loader gives.
"""

import os
import pathlib
import subprocess
import tempfile

import testtools

from ironic_ext.drivers.boot import config_medium
from ironic_ext.drivers.images import customised
from ironic_ext import iso
from ironic_ext.node import boot_plan
from lab import boot_iso
from tests import isos

_CACHE = pathlib.Path(__file__).resolve().parents[2] / '.cache'
_SOURCES = 'datasource_list: [NoCloud, ConfigDrive, OpenStack, None]\n'
_BLKID = """\
#!/bin/sh
echo DEVNAME=/dev/{device}
/usr/sbin/blkid -p -o export {options} {image} | grep -v ^DEVNAME=
echo
"""


class DetectionTestCase(testtools.TestCase):

    def setUp(self):
        super().setUp()
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.detector = boot_iso.unpacked(_CACHE, 'cloud-init') / (
            'usr/lib/cloud-init/ds-identify')

    def identify(self, image, arguments, device='sr0', options=''):
        """Return what cloud-init would be configured with.

        :param device: as the machine names what blkid is asked about.
        """
        root = self.folder / 'root'
        for name in ('etc/cloud', 'proc', 'run', 'bin', 'sys/class/dmi/id'):
            (root / name).mkdir(parents=True, exist_ok=True)
        (root / 'etc/cloud/cloud.cfg').write_text(_SOURCES)
        (root / 'proc/cmdline').write_text(arguments)
        blkid = _BLKID.format(image=image, device=device, options=options)
        for name, text in (('blkid', blkid),
                           ('systemd-detect-virt', '#!/bin/sh\necho kvm\n')):
            program = root / 'bin' / name
            program.write_text(text)
            program.chmod(0o755)
        subprocess.run(
            [self.detector, '--force'], check=False, capture_output=True,
            env={'PATH_ROOT': str(root),
                 'PATH': f'{root}/bin:{os.environ["PATH"]}'})
        found = root / 'run/cloud-init/cloud.cfg'
        return found.read_text() if found.exists() else ''

    def made(self, kind, plan):
        image = self.folder / 'node.iso'
        with iso.IsoImage.open(isos.shared(kind)) as base:
            customised_image, _notes = customised.inject(base, plan)
            with customised_image:
                customised_image.write(image)
        with iso.IsoImage.open(image) as opened:
            return image, [' '.join(entry.arguments)
                           for config in iso.inspect(opened).configs
                           for entry in config.entries]

    def test_each_entry_has_cloud_init_find_the_drive(self):
        plan = boot_plan.BootPlan('file:///live.iso', None, iso.Injection(
            files={'/openstack/latest/meta_data.json': b'{}'}))
        for kind in ('hybrid', 'isolinux_bios'):
            image, lines = self.made(kind, plan)
            self.assertNotEqual([], lines)
            for line in lines:
                self.assertIn('ConfigDrive', self.identify(image, line),
                              f'{kind}: {line}')

    def test_without_the_argument_it_finds_nothing(self):
        plan = boot_plan.BootPlan('file:///live.iso', None, iso.Injection(
            append_args='a=1'))
        image, lines = self.made('hybrid', plan)
        self.assertNotIn('ConfigDrive', self.identify(image, lines[0]))

    def test_a_disk_has_a_partition_of_that_label(self):
        plan = boot_plan.BootPlan('file:///live.iso', None, iso.Injection(
            files={'/openstack/latest/meta_data.json': b'{}',
                   '/ec2/latest/user-data': b'x', '/etc/other': b'y'}))
        for kind in ('hybrid', 'isolinux_bios', 'lorax_like', 'ubuntu_like'):
            image, _lines = self.made(kind, plan)
            places = subprocess.run(
                ['partx', '--show', '--noheadings', '--bytes', '--output',
                 'START,SIZE', image], check=True, capture_output=True,
                text=True).stdout.splitlines()
            start, size = map(int, places[-1].split())
            options = f'--offset {512 * start} --size {size}'
            self.assertIn('ConfigDrive', self.identify(
                image, '', 'sda3', options), kind)
            volume = self.folder / 'volume'
            with image.open('rb') as source:
                source.seek(512 * start)
                volume.write_bytes(source.read(size))
            subprocess.run(['fsck.fat', '-n', volume], check=True,
                           capture_output=True)
            listed = subprocess.run(
                ['mdir', '-/', '-b', '-i', volume, '::'], check=True,
                capture_output=True, text=True).stdout.split()
            self.assertEqual({'::/openstack/latest/meta_data.json',
                              '::/ec2/latest/user-data'}, {
                name for name in listed if not name.endswith('/')}, kind)

    def test_a_drive_of_its_own_needs_no_word(self):
        image = self.folder / 'drive.iso'
        image.write_bytes(config_medium.built({
            '/openstack/latest/meta_data.json': b'{}'}))
        for device in ('sr1', 'sdb'):
            self.assertIn('ConfigDrive', self.identify(image, '', device))

    def test_what_boots_from_no_disk_has_no_partition(self):
        plan = boot_plan.BootPlan('file:///live.iso', None, iso.Injection(
            files={'/openstack/latest/meta_data.json': b'{}'}))
        image, _lines = self.made('grub_bios', plan)
        with iso.IsoImage.open(image) as opened:
            self.assertEqual((), opened.tables.partitions)
