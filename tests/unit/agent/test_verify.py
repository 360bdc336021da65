# SPDX-License-Identifier: Apache-2.0

"""What a disk must look like after an install."""

from ironic_python_agent import config  # noqa: F401
import testtools

from ironic_ext.bootc import errors
from ironic_python_agent_ext.bootc import preflight
from ironic_python_agent_ext.bootc import verify

_BIOS = verify.Partition(1, '/dev/sda1', 1)
_ESP = verify.Partition(2, '/dev/sda2', 512, True, 'vfat')
_ROOT = verify.Partition(3, '/dev/sda3', 9000, False, 'xfs')
_LUKS = verify.Partition(4, '/dev/sda4', 9000, False, 'crypto_LUKS')
_BOOT = verify.Partition(3, '/dev/sda3', 510, False, 'ext4')


class CheckTest(testtools.TestCase):

    def check(self, *partitions, table='gpt', uefi=True, **given):
        wanted = preflight.Layout(**{
            'block_setup': 'direct', 'filesystem': None, 'composefs': False,
            **given})
        return verify.check('/dev/sda', verify.Layout(table, partitions),
                            wanted, uefi)

    def refused(self, *partitions, **arguments):
        return str(self.assertRaises(errors.VerifyError, self.check,
                                     *partitions, **arguments))

    def test_what_bootc_makes_passes(self):
        for root, found in (
                (_ROOT, self.check(_BIOS, _ESP, _ROOT)),
                (_ROOT, self.check(_BIOS, _ESP, _ROOT, filesystem='xfs')),
                (_LUKS, self.check(_BIOS, _ESP, _BOOT, _LUKS,
                                   block_setup='tpm2-luks'))):
            self.assertEqual(root, found)

    def test_a_disk_without_partitions_is_refused(self):
        self.assertIn('no root partition', self.refused(_ESP))

    def test_a_disk_without_gpt_is_refused(self):
        self.assertIn('no GPT', self.refused(_ESP, _ROOT, table='msdos'))
        self.assertIn('nothing', self.refused(table=''))

    def test_a_machine_of_uefi_needs_an_esp(self):
        self.assertIn('EFI system partition', self.refused(_BIOS, _ROOT))
        self.check(_BIOS, _ROOT, uefi=False)

    def test_an_esp_without_a_file_system_is_refused(self):
        empty = verify.Partition(2, '/dev/sda2', 512, True)
        self.assertIn('/dev/sda2 has no file system',
                      self.refused(_BIOS, empty, _ROOT))

    def test_a_root_of_another_file_system_than_asked_for_is_refused(self):
        self.assertIn('"xfs" on root partition /dev/sda3',
                      self.refused(_ESP, _ROOT, filesystem='btrfs'))

    def test_a_root_that_is_not_encrypted_as_asked_for_is_refused(self):
        self.assertIn('crypto_LUKS', self.refused(
            _ESP, _ROOT, block_setup='tpm2-luks'))

    def test_an_empty_root_is_refused(self):
        empty = verify.Partition(3, '/dev/sda3', 9000)
        self.assertIn('"nothing" on root', self.refused(_ESP, empty))
