# SPDX-License-Identifier: Apache-2.0

"""What the engine's errors say of names that are not fit to show."""

import testtools

from ironic_ext import iso


class ErrorsTestCase(testtools.TestCase):

    def test_an_error_is_one_line_whatever_a_file_is_called(self):
        self.assertEqual(
            'EFI/a\\nb\\x1b[31m\\u2028é of the volume is cut',
            str(iso.IsoError(
                'EFI/a\nb\x1b[31m\u2028é of the volume is cut')))

    def test_so_is_each_kind_of_it(self):
        self.assertEqual('no \\r', str(iso.InjectionError('no \r')))
