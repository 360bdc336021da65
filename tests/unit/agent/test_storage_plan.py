# SPDX-License-Identifier: Apache-2.0

"""Choosing where an image lies until it is installed."""

import testtools

from ironic_ext.bootc import errors
from ironic_python_agent_ext.bootc import storage_plan as plans

MIB = 1 << 20
GIB = 1 << 30
IMAGE = plans.ImageSize(105 * MIB, 300 * MIB, 200 * MIB)


class StoragePlanTest(testtools.TestCase):

    def kind(self, memory, *, zram=True, image=IMAGE, **hints):
        return plans.plan(memory, image, plans.Hints(**hints), zram,
                          ('lzo', 'lz4', 'zstd')).kind

    def test_plenty_of_memory_is_used_as_it_is(self):
        self.assertEqual(plans.TMPFS, self.kind(8 * GIB))

    def test_little_memory_is_compressed(self):
        self.assertEqual(plans.ZRAM, self.kind(500 * MIB))

    def test_a_large_image_of_several_layers_fits_into_1_2_times_it(self):
        large = plans.ImageSize(340 * MIB, 1024 * MIB, 200 * MIB)
        self.assertEqual(plans.ZRAM, self.kind(int(1.2 * large.unpacked),
                                               image=large))

    def compressor(self, memory, *compressors):
        return plans.plan(memory, IMAGE, zram=True,
                          compressors=compressors).compressor

    def test_the_fastest_compressor_with_which_an_image_fits_is_taken(self):
        known = 'lzo-rle', 'lzo', 'lz4', 'zstd'
        self.assertEqual('lz4', self.compressor(500 * MIB, *known))
        self.assertEqual('zstd', self.compressor(406 * MIB, *known))
        self.assertEqual('lzo-rle', self.compressor(500 * MIB, 'lzo-rle'))
        self.assertIsNone(self.compressor(500 * MIB, '842'))

    def test_layers_take_room_packed_until_the_last_is_unpacked(self):
        self.assertEqual(plans.ZRAM, self.kind(
            356 * MIB, image=plans.ImageSize(60 * MIB, 300 * MIB, MIB)))
        self.assertRaises(
            errors.MemoryShortError, self.kind, 356 * MIB,
            image=plans.ImageSize(70 * MIB, 300 * MIB, MIB))

    def test_what_gzip_makes_less_of_is_compressed_less(self):
        # As an image with firmware was seen to fail by memory that is full.
        image = plans.ImageSize(218 * MIB, 437 * MIB, 191 * MIB)
        error = self.assertRaises(errors.MemoryShortError, self.kind,
                                  611 * MIB, image=image)
        self.assertIn('needs 653 MiB', str(error))
        # Nothing is larger for having been compressed.
        self.assertEqual(1.0, plans.ImageSize(9, 10).ratio('lz4'))

    def test_the_largest_layer_takes_room_a_second_time_for_bootc(self):
        # One layer is the whole image: twice 0.44 of it, and 160 MiB.
        whole = plans.ImageSize(60 * MIB, 300 * MIB, 300 * MIB)
        self.assertEqual(plans.ZRAM, self.kind(425 * MIB, image=whole))
        self.assertRaises(errors.MemoryShortError, self.kind, 423 * MIB,
                          image=whole)
        self.assertEqual(600 * MIB, whole.peak)

    def test_a_layer_of_unknown_size_may_be_the_whole_image(self):
        self.assertEqual(600 * MIB, plans.ImageSize(60 * MIB, 300 * MIB).peak)

    def test_a_store_too_full_for_bootc_is_refused_with_figures(self):
        plans.require_room('os', 110 * MIB, 100 * MIB)
        message = str(self.assertRaises(
            errors.MemoryShortError, plans.require_room, 'os', 109 * MIB,
            100 * MIB))
        self.assertIn('100 MiB', message)
        self.assertIn('109 MiB', message)

    def test_a_compressed_store_never_takes_what_programs_need(self):
        found = plans.plan(500 * MIB, IMAGE, zram=True)
        self.assertLessEqual(found.memory, 500 * MIB - plans.WORKING)
        self.assertGreater(found.size, IMAGE.peak)

    def test_a_scratch_disk_goes_before_compressed_memory(self):
        self.assertEqual(plans.DISK,
                         self.kind(500 * MIB, scratch='/dev/sdb'))

    def test_plenty_of_memory_goes_before_a_scratch_disk(self):
        self.assertEqual(plans.TMPFS, self.kind(8 * GIB, scratch='/dev/sdb'))

    def test_the_target_disk_is_the_last_resort(self):
        self.assertEqual(plans.ZRAM, self.kind(
            500 * MIB, target='/dev/sda', target_room=8 * GIB))
        self.assertEqual(plans.TARGET, self.kind(
            200 * MIB, target='/dev/sda', target_room=8 * GIB))

    def test_the_end_of_the_target_disk_is_left_to_its_partition_table(self):
        size = plans.plan(200 * MIB, IMAGE, plans.Hints(
            target='/dev/sda', target_room=8 * GIB)).size
        for room, kind in ((size + 2 * MIB, plans.TARGET), (size, None)):
            try:
                found = self.kind(200 * MIB, target='/dev/sda',
                                  target_room=room)
            except errors.MemoryShortError:
                found = None
            self.assertEqual(kind, found)

    def test_the_target_disk_is_not_taken_when_root_needs_it(self):
        self.assertRaises(errors.MemoryShortError, self.kind, 200 * MIB,
                          target='/dev/sda', target_room=100 * MIB)

    def test_the_target_disk_is_not_taken_unless_the_operator_says_so(self):
        self.assertRaises(errors.MemoryShortError, self.kind, 200 * MIB,
                          target_room=8 * GIB)

    def test_an_operator_who_wants_a_disk_gets_one(self):
        self.assertEqual(plans.DISK, self.kind(
            8 * GIB, kind='disk', scratch='/dev/sdb'))
        self.assertEqual(plans.TARGET, self.kind(
            8 * GIB, kind='disk', target='/dev/sda', target_room=8 * GIB))
        self.assertRaises(errors.StoreError, self.kind, 8 * GIB, kind='disk')

    def test_an_operator_who_wants_zram_gets_it(self):
        self.assertEqual(plans.ZRAM, self.kind(8 * GIB, kind='zram'))
        self.assertRaises(errors.MemoryShortError, self.kind, 8 * GIB,
                          kind='zram', zram=False)

    def test_an_operator_who_wants_memory_gets_no_compression(self):
        self.assertEqual(plans.TMPFS, self.kind(
            666 * MIB, kind='memory', scratch='/dev/sdb'))
        self.assertRaises(errors.MemoryShortError, self.kind, 656 * MIB,
                          kind='memory')

    def test_too_little_memory_is_refused_with_figures(self):
        error = self.assertRaises(errors.MemoryShortError, self.kind,
                                  250 * MIB)
        self.assertIn('needs 397 MiB', str(error))
        self.assertIn('has 250 MiB', str(error))
        self.assertIn('scratch disk', str(error))

    def test_a_kernel_without_zram_is_named_as_a_cause(self):
        error = self.assertRaises(errors.MemoryShortError, self.kind,
                                  400 * MIB, zram=False)
        self.assertIn('needs 660 MiB', str(error))
        self.assertIn('no zram', str(error))

    def test_the_unpacked_size_is_estimated_when_only_the_packed_is_known(
            self):
        self.assertEqual(300 * MIB, plans.ImageSize(100 * MIB).files)

    def test_an_image_of_unknown_size_gets_most_room(self):
        nothing = plans.ImageSize()
        self.assertEqual(plans.ZRAM, self.kind(GIB, image=nothing))
        self.assertEqual(plans.TMPFS,
                         self.kind(GIB, image=nothing, zram=False))
