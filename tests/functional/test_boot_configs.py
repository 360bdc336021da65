# SPDX-License-Identifier: Apache-2.0

"""Machines boot with a boot config: what of it reaches the kernel's side."""

import pathlib

import fixtures
import testtools

from ironic_ext import catalog
from ironic_ext import config_formats
from ironic_ext import iso
from lab import boot_iso
from tests import guest
from tests import isos

CACHE = pathlib.Path(__file__).parents[2] / '.cache'
#: Reports as guest.py reads it: where configs of all formats may be.
_INIT = """\
#!/bin/busybox sh
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t devtmpfs devtmpfs /dev
echo 1 > /proc/sys/kernel/printk
for module in $(cat /modules.order); do
    insmod /modules/$module
done
for attempt in $(seq 50); do
    [ -b /dev/sr0 ] && break
    sleep 0.2
done
report() {
    sha256sum $(find "$@" -type f 2>/dev/null | sort) /dev/null |
    while read -r sum path; do
        echo "GUEST-FILE $device $sum  - $path"
    done
}
{
    echo
    echo "GUEST-CMDLINE $(cat /proc/cmdline)"
    device=initrd
    report /config.ign /usr/lib/ignition /preseed.cfg
    device=sr0
    mount -t iso9660 -o ro /dev/sr0 /mnt
    cd /mnt && report ks.cfg nocloud preseed
    echo GUEST-END
} > /dev/ttyS0
poweroff -f
"""
_MODULES = ('ata_piix', 'sr_mod', 'isofs')
_IGNITION = '{"ignition": {"version": "3.4.0"}}'


class BootConfigTest(testtools.TestCase):

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        folder = fixtures.TempDir()
        folder.setUp()
        cls.addClassCleanup(folder.cleanUp)
        kernel = boot_iso.unpacked_kernel(CACHE)
        cls.initrd = pathlib.Path(folder.path) / 'initrd.img'
        cls.initrd.write_bytes(boot_iso.make_initrd(kernel, _INIT, _MODULES))
        cls.kernel, = (kernel / 'boot').glob('vmlinuz-*')

    def _boot(self, kind: str, firmware: str, name: str,
              data: dict[str, str], **spec: object
              ) -> tuple[guest.Report, config_formats.Config]:
        """Return the machine's report, and the config that it was given."""
        folder = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        base = isos.KINDS[kind].build(folder, kernel=self.kernel,
                                      initrd=self.initrd)
        config = config_formats.resolve(
            catalog.BootConfigSpec(name, data, **spec),
            {'node': {'name': 'server1'}})
        with iso.IsoImage.open(base) as image:
            placed = config.place(config_formats.ImageFacts.of(image))
            with iso.inject(image, placed.onto(iso.Injection(
                    append_args='console=ttyS0'))) as customised:
                customised.write(folder / 'customised.iso')
        report = guest.boot(folder / 'customised.iso', firmware, 'cd')
        for word in placed.arguments.split():
            self.assertIn(word, report.arguments)
        return report, config

    def _require(self, report: guest.Report, device: str,
                 files: dict[str, str]) -> None:
        found = {path.lstrip('/'): digest for path, digest in
                 report.files[device].items() if path != '/dev/null'}
        self.assertEqual(guest.sums({
            path: text.encode() for path, text in files.items()}), found)

    def test_a_kernel_unpacks_coreos_ignition_area(self) -> None:
        report, _ = self._boot('coreos_like', 'bios', 'ignition',
                               {'config.ign': _IGNITION})
        self._require(report, 'initrd', {'/config.ign': _IGNITION})

    def test_other_initrds_get_an_ignition_config(self) -> None:
        report, _ = self._boot('grub_bios', 'bios', 'ignition',
                               {'config.ign': _IGNITION})
        self._require(report, 'initrd', {
            '/config.ign': _IGNITION,
            '/usr/lib/ignition/user.ign': _IGNITION})

    def test_a_kickstart_template_is_on_the_iso(self) -> None:
        report, _ = self._boot(
            'lorax_like', 'uefi', 'kickstart',
            {'a': 'network --hostname {{ node.name }}\n'}, template=True)
        self._require(report, 'sr0', {
            'ks.cfg': 'network --hostname server1\n'})

    def test_an_autoinstall_seed_survives_grubs_semicolon(self) -> None:
        report, config = self._boot(
            'ubuntu_like', 'uefi', 'autoinstall',
            {'user-data': '#cloud-config\nautoinstall: {version: 1}\n'})
        self.assertIn('ds=nocloud;s=/cdrom/nocloud/', report.arguments)
        self._require(report, 'sr0', {
            f'nocloud/{path}': text for path, text in config.files.items()})

    def test_a_preseed_file_is_in_the_initrd(self) -> None:
        text = 'd-i debian-installer/locale string en_US\n'
        report, _ = self._boot('isolinux_bios', 'bios', 'preseed',
                               {'preseed.cfg': text})
        self._require(report, 'initrd', {'/preseed.cfg': text})
