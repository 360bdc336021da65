# SPDX-License-Identifier: Apache-2.0

"""Tests for reading checksums."""

import testtools

from ironic_ext import images

SHA256 = 'ab' * 32
SHA512 = 'CD' * 64
MD5 = 'ef' * 16


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
        for text in ('', 'sha256:', 'sha256:abc', 'a' * 40,
                     f'sha512:{SHA256}', f'sha256:{"g" * 64}',
                     f'x:sha256:{SHA256}', f'md5:{SHA256}'):
            with self.subTest(text):
                self.assertRaises(images.ChecksumError,
                                  images.Checksum.parse, text)

    def test_refuses_md5_unless_it_is_allowed(self):
        for text in (MD5, f'md5:{MD5}', f'MD5:{MD5.upper()}'):
            with self.subTest(text):
                error = self.assertRaises(images.ChecksumError,
                                          images.Checksum.parse, text)
                self.assertIn('sha256', str(error))
                self.assertEqual(
                    images.Checksum('md5', MD5),
                    images.Checksum.parse(text, allow_md5=True))

    def test_compares_content_in_any_case(self):
        checksum = images.Checksum.parse(SHA256)
        checksum.require(SHA256.upper(), 'disk.iso')
        error = self.assertRaises(images.ChecksumError, checksum.require,
                                  '00' * 32, 'disk.iso')
        self.assertIn('disk.iso', str(error))
        self.assertIn(SHA256, str(error))
