# SPDX-License-Identifier: Apache-2.0

"""Sharing out a disk between bootc's partitions and the config drive."""

import testtools

from ironic_ext.bootc import errors
from ironic_ext.bootc import options
from ironic_python_agent_ext.bootc import partition_budget

MIB = 1 << 20
GIB = 1 << 30
#: The ESP, and what Ironic's agent appends for a config drive.
ESP, COMPOSEFS_ESP, BOOT, CONFIG_DRIVE = 512, 1024, 510, 64


class PartitionBudgetTest(testtools.TestCase):

    def beside_root(self, **given):
        """Return the MiB that a disk of 20 GiB has beside root."""
        disk = 20 * GIB
        return (disk - partition_budget.plan(
            disk, options.Options.parse(given)).root) // MIB

    def test_root_leaves_room_for_the_esp_and_a_config_drive(self):
        self.assertGreaterEqual(self.beside_root(), ESP + CONFIG_DRIVE + 2)

    def test_luks_and_composefs_leave_more_room_than_stocks_768_mib(self):
        luks = self.beside_root(block_setup='tpm2-luks')
        composefs = self.beside_root(composefs_backend=True)
        both = self.beside_root(block_setup='tpm2-luks',
                                composefs_backend=True)
        self.assertGreaterEqual(luks, ESP + BOOT + CONFIG_DRIVE + 2)
        self.assertGreaterEqual(composefs, COMPOSEFS_ESP + CONFIG_DRIVE + 2)
        self.assertGreaterEqual(
            both, COMPOSEFS_ESP + BOOT + CONFIG_DRIVE + 2)

    def test_what_the_image_wants_leaves_as_much_room(self):
        disk, nothing = 20 * GIB, options.Options()
        for given, wanted in (({'block_setup': 'tpm2-luks'},
                               {'encrypted': True}),
                              ({'composefs_backend': True},
                               {'composefs': True})):
            self.assertEqual(
                partition_budget.plan(disk, options.Options.parse(given)),
                partition_budget.plan(disk, nothing, **wanted))
            lost = (partition_budget.plan(disk, nothing).root
                    - partition_budget.plan(disk, nothing, **wanted).root)
            self.assertLessEqual(lost, partition_budget.most(nothing))

    def test_a_disk_is_hardly_wasted(self):
        self.assertLess(self.beside_root(), ESP + CONFIG_DRIVE + 32)

    def test_root_is_as_large_as_asked_for(self):
        budget = partition_budget.plan(
            20 * GIB, options.Options.parse({'root_size': '3G'}))
        self.assertEqual(3 * GIB, budget.root)

    def test_a_root_larger_than_the_disk_is_refused_with_figures(self):
        wanted = options.Options.parse({'root_size': '20G'})
        error = self.assertRaises(
            errors.DiskSizeError, partition_budget.plan, 20 * GIB, wanted)
        self.assertIn('20480 MiB', str(error))
        self.assertIn('room for', str(error))

    def test_a_root_smaller_than_the_image_is_refused(self):
        wanted = options.Options.parse({'root_size': '1G'})
        error = self.assertRaises(
            errors.DiskSizeError, partition_budget.plan, 20 * GIB, wanted,
            2 * GIB)
        self.assertIn('root_size', str(error))

    def test_a_disk_smaller_than_the_image_is_refused(self):
        error = self.assertRaises(
            errors.DiskSizeError, partition_budget.plan, 4 * GIB,
            options.Options(), 4 * GIB)
        self.assertIn('4096 MiB is too small', str(error))

    def test_what_lies_at_the_disks_end_meanwhile_is_kept(self):
        budget = partition_budget.plan(20 * GIB, options.Options(), GIB,
                                       2 * GIB)
        without = partition_budget.plan(20 * GIB, options.Options(), GIB)
        self.assertEqual(2 * GIB, without.root - budget.root)

    def test_spare_room_never_cuts_into_a_root_of_a_wanted_size(self):
        budget = partition_budget.plan(
            20 * GIB, options.Options.parse({'root_size': '18G'}), GIB)
        partition_budget.plan(
            20 * GIB, options.Options.parse({'root_size': '18G'}), GIB,
            budget.spare)
        self.assertRaises(
            errors.DiskSizeError, partition_budget.plan, 20 * GIB,
            options.Options.parse({'root_size': '18G'}), GIB,
            budget.spare + MIB)
