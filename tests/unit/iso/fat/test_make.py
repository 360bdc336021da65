# SPDX-License-Identifier: Apache-2.0

"""FAT volumes of some files; fsck.fat judges them in the functional tests."""

import testtools

from ironic_ext import iso
from ironic_ext.iso.fat import make
from ironic_ext.iso.fat import volume


class MakeTest(testtools.TestCase):

    def read(self, data: bytes) -> volume.FatVolume:
        return volume.FatVolume(
            lambda start, length: data[start:start + length], len(data))

    def test_what_is_put_in_is_there(self) -> None:
        files = {'/openstack/latest/meta_data.json': b'{}',
                 '/openstack/latest/user_data': b'x' * 5000,
                 '/openstack/content/0000': b''}
        for factor in (1, 100, 2000):
            files['/openstack/latest/user_data'] = b'x' * 5000 * factor
            made = make.make(files, 'config-2')
            self.assertEqual(0, len(made) % 2048)
            found = self.read(made)
            for path, content in files.items():
                self.assertEqual(content, found.read_file(path), path)
            self.assertEqual(12, found.geometry.bits)

    def test_many_files_have_room(self) -> None:
        files = {f'/a/{number}/a name of some length': b'y' * number
                 for number in range(600)}
        found = self.read(make.make(files, 'x'))
        self.assertEqual(b'y' * 599,
                         found.read_file('/a/599/a name of some length'))

    def test_the_same_files_are_the_same_volume(self) -> None:
        self.assertEqual(make.make({'/a': b'1'}, 'x'),
                         make.make({'/a': b'1'}, 'x'))

    def test_too_much_is_refused(self) -> None:
        self.assertIn('not put into a partition', str(self.assertRaises(
            iso.InjectionError, make.make,
            {'/a': bytes(make.MAX_BYTES + 1)}, 'x')))
        self.assertIn('too many', str(self.assertRaises(
            iso.InjectionError, make.make,
            {f'/{number}/a': b'' for number in range(3000)}, 'x')))
