# SPDX-License-Identifier: Apache-2.0

"""Areas for kernel arguments that an old CoreOS image's header names."""

import struct

import testtools

from ironic_ext.iso import errors
from ironic_ext.iso import image as images
from ironic_ext.iso.loaders import argument_areas
from ironic_ext.iso.loaders import ignition_area
from ironic_ext.iso import source as base_source
from tests import iso_cases

_HEADER = 32672


class HeaderTest(testtools.TestCase):

    def setUp(self) -> None:
        super().setUp()
        self.data = bytearray(iso_cases.shared('old_areas').read_bytes())

    def image(self, place: int | None = None, value: int = 0
              ) -> images.IsoImage:
        """The image, with another number at a byte of its header."""
        if place is not None:
            struct.pack_into('<Q', self.data, _HEADER + place, value)
        return images.IsoImage(base_source.ContentSource(
            bytes(self.data), 'old.iso'))

    def test_it_names_areas_and_what_they_held(self) -> None:
        found = argument_areas.locate(self.image())
        assert found is not None
        self.assertEqual(1139, found.size)
        self.assertEqual(['/EFI/fedora/grub.cfg', '/isolinux/isolinux.cfg'],
                         sorted(area.path for area in found.areas))
        self.assertEqual(b'coreos.liveiso=x ignition.firstboot', found.own)

    def test_numbers_that_cannot_be_are_told(self) -> None:
        for place, value, words in (
                (8, 0, 'have 0 bytes'), (8, 1 << 40, 'bytes, in 2 places'),
                (16, 1 << 60, 'outside the image'),
                (24, 40, 'in no boot configuration')):
            data = bytes(self.data)
            error = self.assertRaises(
                errors.CorruptImageError, argument_areas.locate,
                self.image(place, value))
            self.assertIn(words, str(error))
            self.data[:] = data

    def test_an_ignition_area_outside_the_image_is_told(self) -> None:
        for place, value in ((80, 1 << 62), (88, 0), (88, 1 << 62)):
            data = bytes(self.data)
            error = self.assertRaises(
                errors.CorruptImageError, ignition_area.locate,
                self.image(place, value))
            self.assertIn('Ignition', str(error))
            self.data[:] = data

    def test_an_image_without_a_header_has_none(self) -> None:
        self.data[_HEADER:_HEADER + 8] = bytes(8)
        self.assertIsNone(argument_areas.locate(self.image()))
        self.assertFalse(argument_areas.reserved(self.image()))
