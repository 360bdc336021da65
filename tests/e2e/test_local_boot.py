# SPDX-License-Identifier: Apache-2.0

"""A machine that is to boot from its disk does, whatever runs before.

iPXE is a boot option of the firmware, as it is where a program on an EFI
system partition was chain-loaded, and the disk is the next one.
"""

import pathlib
import shutil
import subprocess
import tempfile
import threading

import testtools

from ironic_ext.san import ipxe
from tests import guest
from tests import iso_parts

_IPXE = pathlib.Path('/usr/lib/ipxe/ipxe.efi')
_SAID = 'THE-DISK-HAS-BOOTED'


class LocalBootTestCase(testtools.TestCase):

    def setUp(self):
        super().setUp()
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def console(self, script):
        """Return what a UEFI machine says that iPXE gives a script."""
        (self.folder / 'boot.ipxe').write_text(script)
        variables = shutil.copy(guest.OVMF_VARS, self.folder)
        disks = (
            iso_parts.esp_image({'EFI/BOOT/BOOTX64.EFI': _IPXE.read_bytes()},
                                fat=16, size=10 << 20),
            iso_parts.grub_esp('/EFI/BOOT', f'echo {_SAID}\nhalt\n'.encode(),
                               fat=16, size=10 << 20))
        command = [
            'qemu-system-x86_64', '-accel', 'tcg', '-machine', 'pc',
            '-m', '512', '-display', 'none', '-monitor', 'none',
            '-serial', 'stdio', '-no-reboot', '-snapshot',
            '-drive', f'if=pflash,format=raw,file={guest.OVMF_CODE},'
                      'readonly=on',
            '-drive', f'if=pflash,format=raw,file={variables}',
            # No ROM: iPXE comes from the first disk alone.
            '-netdev', f'user,id=n,tftp={self.folder},bootfile=boot.ipxe',
            '-device', 'e1000,netdev=n,romfile=']
        for index, disk in enumerate(disks):
            command += ['-drive',
                        f'file={disk},format=raw,if=none,id=d{index}',
                        '-device', f'ide-hd,drive=d{index},'
                                   f'bootindex={index}']
        text = ''
        with subprocess.Popen(command, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE) as machine:
            watchdog = threading.Timer(guest.TIMEOUT, machine.kill)
            watchdog.start()
            for line in machine.stdout:
                text += line.decode(errors='replace')
                # The firmware's menu would wait for ever.
                if _SAID in text or 'UiApp' in text:
                    break
            watchdog.cancel()
            machine.kill()
        return text

    def test_a_uefi_firmware_goes_on_with_the_disk(self):
        console = self.console(ipxe.local('node-7', {}))
        self.assertIn('node-7 boots from its disk', console)
        self.assertIn(_SAID, console)

    def test_a_script_that_ends_well_would_end_in_the_menu(self):
        self.assertNotIn(_SAID, self.console('#!ipxe\nexit 0\n'))
