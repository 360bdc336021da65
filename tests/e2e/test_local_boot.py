# SPDX-License-Identifier: Apache-2.0

"""A machine that is to boot from its disk does, whatever runs before.

iPXE is a boot option of the firmware, as it is where a program on an EFI
system partition was chain-loaded, and the disk is the next one. A BIOS has
it on a CD, and goes on with the disk or does not.
"""

import pathlib
import shutil
import subprocess
import tempfile
import threading

import jinja2
import testtools

import ironic_ext
from ironic_ext.san import ipxe
from tests import guest
from tests import iso_parts

_IPXE = pathlib.Path('/usr/lib/ipxe/ipxe.efi')
_IPXE_CD = pathlib.Path('/usr/lib/ipxe/ipxe.iso')
_FIRST = (pathlib.Path(ironic_ext.__file__).parent
          / 'drivers/boot/boot.ipxe')
#: QEMU's own.
_MAC = '52:54:00:12:34:56'
_SAID = 'THE-DISK-HAS-BOOTED'
#: What a UEFI firmware and a BIOS say that have nothing else to boot.
_NOTHING = ('UiApp', 'No bootable device')
#: Of an MBR: each byte of what follows it goes to the serial port, to the
#: zero at its end; then it halts.
_WRITES = bytes.fromhex('31c08ed8be167cac84c07406baf803eeebf5f4ebfd00')


class LocalBootTestCase(testtools.TestCase):

    def setUp(self):
        super().setUp()
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def console(self, script, *machine):
        """Return what a machine says that iPXE gives a script.

        :param machine: its firmware and drives.
        """
        (self.folder / 'boot.ipxe').write_text(script)
        command = [
            'qemu-system-x86_64', '-accel', 'tcg', '-machine', 'pc',
            '-m', '512', '-display', 'none', '-monitor', 'none',
            '-serial', 'stdio', '-no-reboot', '-snapshot',
            # No ROM: iPXE comes from its drive alone.
            '-netdev', f'user,id=n,tftp={self.folder},bootfile=boot.ipxe',
            '-device', 'e1000,netdev=n,romfile=', *machine]
        text = ''
        with subprocess.Popen(command, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE) as running:
            watchdog = threading.Timer(guest.TIMEOUT, running.kill)
            watchdog.start()
            # A BIOS moves the cursor where others end a line.
            while said := running.stdout.read1(4096):
                text += said.decode(errors='replace')
                # The firmware's menu would wait for ever.
                if any(end in text for end in (_SAID, *_NOTHING)):
                    break
            watchdog.cancel()
            running.kill()
        return text

    def uefi(self, script):
        variables = shutil.copy(guest.OVMF_VARS, self.folder)
        disks = (
            iso_parts.esp_image({'EFI/BOOT/BOOTX64.EFI': _IPXE.read_bytes()},
                                fat=16, size=10 << 20),
            iso_parts.grub_esp('/EFI/BOOT', f'echo {_SAID}\nhalt\n'.encode(),
                               fat=16, size=10 << 20))
        return self.console(
            script,
            '-drive', f'if=pflash,format=raw,file={guest.OVMF_CODE},'
                      'readonly=on',
            '-drive', f'if=pflash,format=raw,file={variables}',
            *(word for index, disk in enumerate(disks) for word in (
                '-drive', f'file={disk},format=raw,if=none,id=d{index}',
                '-device', f'ide-hd,drive=d{index},bootindex={index}')))

    def bios(self, script, goes_on):
        """Boot by a BIOS, which goes on with the disk or does not."""
        disk = self.folder / 'disk.img'
        sector = _WRITES + f'{_SAID}\r\n'.encode()
        disk.write_bytes(sector.ljust(510, b'\0') + b'\x55\xaa'
                         + bytes(1 << 20))
        return self.console(
            script, '-boot', 'strict=on',
            '-drive', f'file={_IPXE_CD},format=raw,if=none,id=cd,'
                      'media=cdrom,readonly=on',
            '-device', 'ide-cd,drive=cd,bootindex=0',
            '-drive', f'file={disk},format=raw,if=none,id=disk',
            '-device', 'ide-hd,drive=disk' + (
                ',bootindex=1' if goes_on else ''),
            # What is written to the screen is written to the serial port.
            '-machine', 'graphics=off')

    def test_a_uefi_firmware_goes_on_with_the_disk(self):
        console = self.uefi(ipxe.local('node-7', {}))
        self.assertIn('node-7 boots from its disk', console)
        self.assertIn(_SAID, console)

    def test_a_script_that_ends_well_would_end_in_the_menu(self):
        self.assertNotIn(_SAID, self.uefi('#!ipxe\nexit 0\n'))

    def test_a_bios_goes_on_with_the_disk(self):
        console = self.bios(ipxe.local('node-7', {}), goes_on=True)
        self.assertIn('node-7 boots from its disk', console)
        self.assertIn(_SAID, console)

    def test_ipxe_starts_the_disk_where_a_bios_does_not(self):
        console = self.bios(ipxe.local('node-7', {'local_boot': 'sanboot'}),
                            goes_on=False)
        self.assertIn('node-7 boots from its disk', console)
        self.assertIn(_SAID, console)

    def test_a_bios_that_does_not_go_on_leaves_the_machine_there(self):
        self.assertNotIn(_SAID, self.bios(ipxe.local('node-7', {}),
                                          goes_on=False))

    def chained(self, properties):
        """Return what machines of Ironic's ipxe run first.

        It chains to the script that a conductor leaves for this one.
        """
        folder = self.folder / 'pxelinux.cfg'
        folder.mkdir()
        (folder / _MAC.replace(':', '-')).write_text(
            ipxe.local('node-7', properties, chained=True))
        return jinja2.Template(_FIRST.read_text()).render(
            ipxe_for_mac_uri='pxelinux.cfg/')

    def test_a_script_of_a_conductor_lets_a_uefi_firmware_go_on(self):
        console = self.uefi(self.chained({}))
        self.assertIn('node-7 boots from its disk', console)
        self.assertIn(_SAID, console)

    def test_a_script_of_a_conductor_starts_the_disk_of_a_bios(self):
        self.assertIn(_SAID, self.bios(
            self.chained({'local_boot': 'sanboot'}), goes_on=False))
