# SPDX-License-Identifier: Apache-2.0

"""The firmware's boot entry of an installed system."""

from unittest import mock

from ironic_python_agent import config  # noqa: F401
from ironic_python_agent import errors
import testtools

from ironic_python_agent_ext.bootc import boot_entry
from ironic_python_agent_ext.bootc import verify

_UUID = '69e481bf-bae2-8649-9b2b-6a860e793128'
_PATH = f'HD(2,GPT,{_UUID},0x1000,0x100000)/File(\\EFI\\fedora\\shim.efi)'
_LAYOUT = verify.Layout(
    'gpt', (verify.Partition(2, '/dev/sda2', 512, True, 'vfat'),))


class LeadsToTest(testtools.TestCase):

    def test_an_entry_names_the_partition_it_is_on(self):
        self.assertTrue(boot_entry.leads_to(_PATH, _UUID.upper()))

    def test_entries_of_other_disks_and_of_networks_do_not_count(self):
        self.assertFalse(boot_entry.leads_to(
            _PATH.replace('69e4', '0000'), _UUID))
        self.assertFalse(boot_entry.leads_to(
            'PciRoot(0x0)/Pci(0x2,0x0)/MAC(525400123456,1)', _UUID))


class EnsureTest(testtools.TestCase):

    def setUp(self):
        super().setUp()
        self.manage = self.patched('efi_utils.manage_uefi', True)
        self.records = self.patched('efi_utils.get_boot_records', [])
        self.patched('utils.execute', (f'{_UUID}\n', ''))

    def patched(self, name, result):
        patcher = mock.patch(f'ironic_python_agent.{name}', autospec=True,
                             return_value=result)
        self.addCleanup(patcher.stop)
        return patcher.start()

    def test_a_missing_entry_is_made(self):
        self.records.return_value = [('0001', 'PXE', 'VenHw', 'MAC(52)')]
        self.assertTrue(boot_entry.ensure('/dev/sda', _LAYOUT))
        self.manage.assert_called_once_with('/dev/sda')

    def test_an_entry_that_the_image_made_is_left_alone(self):
        self.records.return_value = [('0001', 'Fedora', 'HD', _PATH)]
        self.assertFalse(boot_entry.ensure('/dev/sda', _LAYOUT))
        self.manage.assert_not_called()

    def test_a_disk_without_an_esp_has_no_entry(self):
        self.assertFalse(boot_entry.ensure('/dev/sda', verify.Layout('gpt')))
        self.manage.assert_not_called()

    def test_a_firmware_that_keeps_nothing_does_not_fail_the_install(self):
        self.manage.side_effect = errors.CommandExecutionError('no space')
        self.assertFalse(boot_entry.ensure('/dev/sda', _LAYOUT))

    def test_a_ramdisk_without_efibootmgr_does_not_fail_the_install(self):
        self.records.side_effect = FileNotFoundError('efibootmgr')
        self.assertFalse(boot_entry.ensure('/dev/sda', _LAYOUT))
