# SPDX-License-Identifier: Apache-2.0

"""The headers of EFI executables, wherever they begin."""

import struct

import testtools

from ironic_ext.iso.loaders import pe


def executable(start):
    """Return an executable whose headers begin there."""
    head = struct.pack('<4sHH12xHH', b'PE\0\0', 0x8664, 1, 0, 0)
    section = struct.pack('<8sIIII16x', b'.sdmagic', 5, 0, 512, 1024)
    return (b'MZ'.ljust(60, b'\0') + struct.pack('<I', start)).ljust(
        start, b'\0') + head + section


class ExecutableTestCase(testtools.TestCase):

    def parse(self, data):
        self.asked = 0

        def read(offset, length):
            self.asked += length
            return data[offset:offset + length]
        return pe.parse(read)

    def test_the_headers_are_found_near_and_far(self):
        for start in (64, 4000, 4090, 4096, 9000):
            found = self.parse(executable(start))
            self.assertIsNotNone(found, start)
            self.assertEqual('x64', found.machine)
            self.assertEqual({'.sdmagic': (1024, 5)}, found.sections)

    def test_headers_that_are_said_to_be_gigabytes_away_are_none(self):
        for start in (1 << 20, 0xffffffff):
            self.assertIsNone(self.parse(
                (b'MZ'.ljust(60, b'\0') + struct.pack('<I', start))
                .ljust(4096, b'\0')))
            self.assertLessEqual(self.asked, 4096)
