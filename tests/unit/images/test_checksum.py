# Licensed under the Apache License, Version 2.0 (the "License"); you may
# not use this file except in compliance with the License. You may obtain
# a copy of the License at
#
#      http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS, WITHOUT
# WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the
# License for the specific language governing permissions and limitations
# under the License.

"""Tests for reading checksums."""

import testtools

from ironic_ext import images

SHA256 = 'ab' * 32
SHA512 = 'CD' * 64


class ChecksumTestCase(testtools.TestCase):

    def test_reads_algorithm_and_digest(self):
        self.assertEqual(images.Checksum('sha256', SHA256),
                         images.Checksum.parse(f'sha256:{SHA256}'))

    def test_tells_the_algorithm_of_a_bare_digest_by_its_length(self):
        self.assertEqual('sha512', images.Checksum.parse(SHA512).algorithm)

    def test_takes_digits_and_names_in_any_case(self):
        self.assertEqual(
            images.Checksum('sha512', SHA512.lower()),
            images.Checksum.parse(f' SHA512:{SHA512}\n'))

    def test_refuses_what_is_no_checksum(self):
        for text in ('', 'sha256:', 'sha256:abc', f'md5:{"a" * 32}',
                     'a' * 32, f'sha512:{SHA256}', f'sha256:{"g" * 64}',
                     f'x:sha256:{SHA256}'):
            with self.subTest(text):
                self.assertRaises(images.ChecksumError,
                                  images.Checksum.parse, text)

    def test_finds_its_image_in_lists_of_either_style(self):
        other = '00' * 32
        for line in (f'{SHA256}  disk.iso', f'{SHA256} *disk.iso',
                     f'{SHA256}  ./images/disk.iso',
                     f'SHA256 (disk.iso) = {SHA256.upper()}'):
            with self.subTest(line):
                text = (f'# made today\n{other}  xdisk.iso\n{line}\n'
                        f'{other}  disk.iso.sig\n')
                found = images.Checksum.find(
                    text, 'http://x/images/disk.iso?token=1')
                self.assertEqual(SHA256, found.digest)

    def test_does_not_take_a_file_name_for_a_pattern(self):
        self.assertRaises(images.ChecksumError, images.Checksum.find,
                          f'{SHA256}  diskxiso\n{SHA256}  y\n',
                          'http://x/disk.iso')

    def test_takes_a_file_with_nothing_but_a_digest(self):
        self.assertEqual(SHA256, images.Checksum.find(
            SHA256 + '\n', 'http://x/disk.iso').digest)

    def test_says_so_when_the_list_has_no_such_image(self):
        error = self.assertRaises(
            images.ChecksumError, images.Checksum.find,
            f'{SHA256}  other.iso\n', 'http://x/disk.iso')
        self.assertIn('"disk.iso"', str(error))
