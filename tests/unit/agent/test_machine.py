# SPDX-License-Identifier: Apache-2.0

"""Facts of the ramdisk, read from /proc and /sys."""

import pathlib

import fixtures
import testtools

from ironic_python_agent_ext.bootc import machine

_MEMINFO = 'MemTotal: 2000000 kB\nMemAvailable:    400000 kB\n'
_ROOT = '1 1 0:2 / / rw - {type} {type} rw\n'


class MachineTest(testtools.TestCase):

    def look(self, files=None, root_type='rootfs'):
        folder = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        for name, content in {
                'proc/meminfo': _MEMINFO,
                'proc/self/mountinfo': _ROOT.format(type=root_type),
                **(files or {})}.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(content)
        return machine.Machine.look(folder)

    def test_memory_is_what_can_still_be_taken(self):
        self.assertEqual(400000 << 10, self.look().memory)

    def test_an_initramfs_is_known_by_its_root(self):
        self.assertTrue(self.look().initramfs)
        self.assertTrue(self.look(root_type='tmpfs').initramfs)
        self.assertFalse(self.look(root_type='overlay').initramfs)

    def test_what_was_mounted_last_is_the_root(self):
        mounts = _ROOT.format(type='rootfs') + _ROOT.format(type='squashfs')
        self.assertFalse(self.look({'proc/self/mountinfo': mounts}
                                   ).initramfs)

    def test_zram_is_there_when_its_disks_can_be_added(self):
        self.assertFalse(self.look().zram)
        found = self.look({
            'sys/class/zram-control/hot_add': '',
            'sys/block/zram0/comp_algorithm': 'lzo [lzo-rle] lz4\n'})
        self.assertTrue(found.zram)
        self.assertEqual(('lzo', 'lzo-rle', 'lz4'), found.compressors)

    def test_the_firmware_and_the_init_are_known(self):
        self.assertFalse(self.look().uefi)
        self.assertTrue(self.look({'sys/firmware/efi/runtime': ''}).uefi)
        self.assertTrue(self.look({'run/systemd/system/x': ''}).systemd)
        self.assertTrue(self.look({'sys/fs/selinux/enforce': '1'}).selinux)

    def test_what_encryption_and_loops_take_is_known(self):
        found = self.look()
        self.assertEqual((False, False, False), (
            found.tpm2, found.device_mapper, found.loop))
        found = self.look({'sys/class/tpmrm/tpmrm0/dev': '',
                           'proc/misc': '236 device-mapper\n'
                                        '237 loop-control\n'})
        self.assertEqual((True, True, True), (
            found.tpm2, found.device_mapper, found.loop))
        # A TPM 1.2 has no such device.
        self.assertFalse(self.look({'sys/class/tpm/tpm0/dev': ''}).tpm2)

    def test_this_machine_can_be_looked_at(self):
        found = machine.Machine.look()
        self.assertGreater(found.memory, 1 << 20)
        self.assertGreater(found.open_files, 100)
