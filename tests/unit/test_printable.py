# SPDX-License-Identifier: Apache-2.0

"""What a terminal must not be given as it is."""

import testtools

from ironic_ext import printable


class PrintableTestCase(testtools.TestCase):

    def test_what_a_terminal_would_obey_is_escaped(self):
        self.assertEqual('a\\x1b[2Jb\\n', printable.escaped(
            'a\x1b[2Jb\n'))

    def test_letters_of_any_script_stay(self):
        self.assertEqual('café 漢字', printable.escaped('café 漢字'))

    def test_bytes_that_are_no_text_are_escaped(self):
        name = b'\xff'.decode('utf-8', 'surrogateescape')
        self.assertEqual('\\udcff', printable.escaped(name))
