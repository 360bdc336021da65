# SPDX-License-Identifier: Apache-2.0

"""cloud-init, in a Debian live system, finds what was put into the ISO.

Debian's packages are as they are: nobody tells cloud-init where to look but
what is on the medium. The medium is what a BMC's virtual drive is to the
machine: a CD, or a USB stick.
"""

from collections.abc import Mapping
import pathlib
import re
import shutil
import subprocess
import tempfile
import types

import testtools

from ironic_ext.drivers.images import customised
from ironic_ext import iso
from ironic_ext.node import boot_files
from ironic_ext.node import boot_plan
from tests import guest
from tests.live_e2e import live_system
from tests import shelves

_CACHE = pathlib.Path(__file__).resolve().parents[2] / '.cache'
#: Seconds: a machine under TCG takes two minutes when left alone.
_TIMEOUT = 1500
_USER_DATA = """\
#cloud-config
hostname: from-user-data
runcmd:
- [sh, -c, 'echo "USER-DATA $(cloud-id) $(hostname)" > /dev/ttyS0']
- [poweroff, -f]
"""
_LIMITS = boot_files.Limits(file=1 << 20, total=1 << 20, configdrive=1 << 20)
_DRIVES = {
    'cd': ('file={image},format=raw,if=ide,index=0,media=cdrom,readonly=on',),
    'usb': ('file={image},format=raw,if=none,id=stick,readonly=on',
            '-device', 'qemu-xhci', '-device',
            'usb-storage,drive=stick,removable=on')}


class LiveSystemTestCase(testtools.TestCase):

    def setUp(self):
        super().setUp()
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def customised(self, firmware: str, info: Mapping[str, object]
                   ) -> pathlib.Path:
        """Return the ISO as a conductor makes it for a node."""
        node = types.SimpleNamespace(
            uuid='1be26c0b-03f2-4d2e-ae87-c02d7f33c123', name='node-7',
            instance_info={'boot_iso': 'file:///live.iso', **info},
            driver_info={}, driver_internal_info={}, properties={}, extra={})
        plan = boot_plan.for_instance(
            node, limits=_LIMITS, shelf=shelves.MemoryShelf(None),
            default_arguments='', sources=boot_plan.Sources(
                lambda name: None, lambda name: None, ''),
            facts={}, firmware=firmware)
        path = self.folder / 'node.iso'
        with iso.IsoImage.open(live_system.iso(_CACHE)) as base:
            made, _notes = customised.inject(base, plan)
            with made:
                made.write(path)
        return path

    def boot(self, image: pathlib.Path, firmware: str, drive: str) -> str:
        """Boot it, and return what the machine wrote to its console."""
        first, *more = _DRIVES[drive]
        command = [
            'qemu-system-x86_64', '-accel', 'tcg', '-machine', 'pc',
            '-m', '1536', '-display', 'none', '-monitor', 'none',
            '-serial', 'stdio', '-no-reboot', '-net', 'none',
            '-drive', first.format(image=image), *more]
        if firmware == 'uefi':
            variables = shutil.copy(guest.OVMF_VARS, self.folder)
            for part, readonly in ((guest.OVMF_CODE, 'on'),
                                   (variables, 'off')):
                command += ['-drive', f'if=pflash,format=raw,file={part},'
                                      f'readonly={readonly}']
        try:
            return subprocess.run(
                command, stdin=subprocess.DEVNULL, capture_output=True,
                timeout=_TIMEOUT, text=True, errors='replace').stdout
        except subprocess.TimeoutExpired as exc:
            return (exc.stdout or b'').decode(errors='replace')

    def require_user_data(self, source: str, firmware: str, drive: str,
                          **info: object) -> None:
        """See that user data has run, from the source that brought it.

        :param source: as cloud-id calls it.
        """
        console = self.boot(self.customised(firmware, info), firmware, drive)
        found = re.search(r'USER-DATA (\S+) (\S+)', console)
        self.assertIsNotNone(found, f'{firmware}, {drive}: {console[-3000:]}')
        self.assertEqual((source, 'from-user-data'), found.groups())

    def test_a_config_drive(self):
        drive = {'meta_data': {'hostname': 'from-meta-data'},
                 'user_data': _USER_DATA}
        for firmware in ('bios', 'uefi'):
            for medium in _DRIVES:
                self.require_user_data('configdrive', firmware, medium,
                                       configdrive=drive)

    def test_a_boot_config_for_nocloud(self):
        config = {'format': 'cloud-init', 'data': {'user-data': _USER_DATA}}
        self.require_user_data('nocloud', 'bios', 'cd', boot_config=config)
        self.require_user_data('nocloud', 'uefi', 'usb', boot_config=config)
