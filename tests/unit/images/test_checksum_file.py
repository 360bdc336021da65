# SPDX-License-Identifier: Apache-2.0

"""Tests for reading checksum files as people and distributions write them."""

import shutil
import subprocess
import tempfile

import testtools

from ironic_ext.images import checksum_file
from ironic_ext.images import errors

ONE = 'ab' * 32
TWO = '12' * 32
LONG = 'cd' * 64
MD5 = 'ef' * 16
HREF = 'http://server/images/disk.iso?token=secret'


class ChecksumFileTestCase(testtools.TestCase):

    def find(self, text, href=HREF, **given):
        return checksum_file.find(text, href, **given).digest

    def refusal(self, text, href=HREF, **given):
        error = self.assertRaises(errors.ChecksumError, checksum_file.find,
                                  text, href, **given)
        self.assertNotIn('secret', str(error))
        return str(error)

    def test_lines_of_every_style_are_read(self):
        for line in (f'{ONE}  disk.iso', f'{ONE} *disk.iso',
                     f'{ONE}\tdisk.iso', f'{ONE.upper()}  disk.iso',
                     f'{ONE}  ./images/disk.iso', f'{ONE}  /srv/disk.iso',
                     f'SHA256 (disk.iso) = {ONE}',
                     f'SHA256 (./disk.iso) = {ONE.upper()}',
                     f'SHA256(disk.iso)= {ONE}',
                     f'SHA2-256(disk.iso)= {ONE}'):
            with self.subTest(line):
                self.assertEqual(ONE, self.find(
                    f'# made today\n{TWO}  xdisk.iso\r\n{line}\r\n'
                    f'{TWO}  disk.iso.sig\n{TWO}  disk.isox\n'
                    f'SHA256 (xdisk.iso) = {TWO}\n'))

    def test_a_signature_beside_it_is_no_checksum_file(self):
        armored = ('-----BEGIN PGP SIGNATURE-----\n\niQIzBAABCgAdFiEE\n'
                   '=abcd\n-----END PGP SIGNATURE-----\n')
        binary = b'\x89\x02\x33\x04\x00\x01\x0a'.decode('utf-8', 'replace')
        for name, text in (
                ('SHA256SUMS.gpg', armored), ('SHA256SUMS.sign', armored),
                ('SHA256SUMS.sig', binary + f'{ONE}  disk.iso\n'),
                ('SHA256SUMS.minisig', 'untrusted comment: x\nRUQf6LRCGA9i\n'),
                ('SHA256SUMS.asc', '-----BEGIN PGP MESSAGE-----\n\nowEB\n')):
            message = self.refusal(text, source=f'http://u:secret@x/{name}')
            self.assertIn('is a signature', message)
            self.assertIn('is signed, "SHA256SUMS"', message)
        self.assertIn('is a signature', self.refusal(armored, source=HREF))

    def test_a_clear_signed_file_may_be_called_a_signature(self):
        self.assertEqual(ONE, self.find(
            '-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\n'
            f'{ONE}  disk.iso\n-----BEGIN PGP SIGNATURE-----\n\niQIzBAA\n',
            source='http://x/SHA256SUMS.asc'))

    def test_the_checksum_of_a_signature_is_not_the_images(self):
        for name in ('disk.iso.sig', 'disk.iso.gpg', 'disk.iso.asc'):
            self.refusal(f'{ONE}  {name}\n')
        # One line alone, in a file that has the name of a neighbour.
        self.refusal(f'{ONE}  disk.iso.sig\n',
                     source='http://x/disk.iso.sig.sha256')

    def test_a_name_is_a_name_and_no_pattern(self):
        for name in ('diskxiso', 'disk_iso', '*.iso', 'Disk.iso'):
            self.refusal(f'{ONE}  {name}\n{ONE}  y\n')
        self.assertEqual(ONE, self.find(
            f'{TWO}  a+b(1).iso.asc\n{ONE}  a+b(1).iso\n',
            'http://server/a+b(1).iso'))
        self.assertEqual(ONE, self.find(
            f'SHA256 (a (1).iso) = {ONE}', 'http://server/a%20(1).iso'))

    def test_spaces_and_other_alphabets_are_part_of_a_name(self):
        self.assertEqual(ONE, self.find(
            f'{ONE}  ein ö.iso', 'http://server/ein%20%C3%B6.iso'))

    def test_escaped_names_are_understood(self):
        self.assertEqual(ONE, self.find(
            f'\\{ONE}  a\\nb\\\\c.iso', 'file:///srv/a%0Ab%5Cc.iso'))
        self.assertEqual(ONE, self.find(
            f'{ONE}  a\\nb.iso', 'file:///srv/a%5Cnb.iso'))

    def test_what_the_tools_write_is_found_again(self):
        name = 'odd \\ \n name (1) = *.iso'
        with tempfile.TemporaryDirectory() as folder:
            with open(f'{folder}/{name}', 'wb') as file:
                file.write(b'content')
            for command in (('sha256sum',), ('sha512sum', '--binary'),
                            ('sha384sum', '--tag'), ('shasum', '-a', '256'),
                            ('openssl', 'dgst', '-sha256')):
                if shutil.which(command[0]) is None:
                    continue
                text = subprocess.run(
                    [*command, name], cwd=folder, check=True,
                    capture_output=True, text=True).stdout
                if command[0] == 'openssl' and '\n name' in text:
                    continue  # it does not escape anything
                with self.subTest(command):
                    found = checksum_file.find(
                        text + f'{TWO}  other\n',
                        'file:///srv/odd%20%5C%20%0A%20name%20(1)%20%3D%20'
                        '*.iso')
                    self.assertIn(found.digest, text)

    def test_a_file_with_nothing_but_a_digest_is_for_any_image(self):
        for text in (ONE, f'{ONE}\n', f'\n# sum\n{ONE}\n', f'{ONE}  -\n'):
            with self.subTest(text):
                self.assertEqual(ONE, self.find(text))

    def test_a_bare_digest_may_name_its_algorithm(self):
        self.assertEqual(ONE, self.find(f'sha256:{ONE}\n'))
        self.assertEqual(ONE, self.find(f'\ufeff{ONE.upper()}\r\n'))

    def test_a_heading_names_the_algorithm_of_the_lines_below(self):
        # As Gentoo and CoreOS have it; BLAKE2b is as long as SHA-512.
        other = '34' * 64
        text = (f'# BLAKE2B HASH\n{other}  disk.iso\n'
                f'# SHA512 HASH\n{LONG}  disk.iso\n'
                f'{TWO * 2}  disk.iso.CONTENTS.gz\n')
        self.assertEqual(LONG, self.find(text))
        self.assertIn('no sha256 or sha512 line', self.refusal(
            f'# BLAKE2B HASH\n{other}  disk.iso\n'))
        self.assertEqual(LONG, self.find(
            '-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA512\n\n' + text
            + '-----BEGIN PGP SIGNATURE-----\n'))

    def test_a_file_named_after_the_image_may_call_it_otherwise(self):
        # SUSE's "Current" is an alias of a build.
        line = f'{ONE}  disk-Build7.iso\n'
        for end in ('sha256', 'sha256sum', 'SHA256'):
            self.assertEqual(ONE, self.find(
                line, source=f'https://server/images/disk.iso.{end}?x=y'))
        for source in ('https://server/images/SHA256SUMS',
                       'https://server/images/other.iso.sha256'):
            self.refusal(line, source=source)
        self.refusal(f'{line}{TWO}  second.iso\n',
                     source='https://server/disk.iso.sha256')

    def test_of_two_bare_digests_neither_counts(self):
        self.refusal(f'{ONE}\n{TWO}\n')

    def test_one_line_for_another_image_does_not_count(self):
        self.assertIn('"disk.iso"', self.refusal(f'{ONE}  other.iso\n'))

    def test_the_directory_decides_between_equal_names(self):
        text = (f'{TWO}  amd64/disk.iso\n{ONE}  arm64/disk.iso\n'
                f'{LONG[:64]}  old/arm64/disk.iso\n')
        self.assertEqual(TWO, self.find(
            text, 'http://server/images/amd64/disk.iso'))
        self.assertEqual(ONE, self.find(
            text, 'http://server/images/arm64/disk.iso'))
        self.assertEqual(LONG[:64], self.find(
            text, 'http://server/old/arm64/disk.iso'))
        self.assertIn('3 different', self.refusal(text))

    def test_lines_that_contradict_each_other_are_an_error(self):
        self.assertIn('2 different', self.refusal(
            f'{ONE}  disk.iso\n{TWO}  disk.iso\n'))
        self.assertEqual(ONE, self.find(
            f'{ONE}  disk.iso\n{ONE.upper()} *disk.iso\n'))

    def test_the_strongest_algorithm_is_taken(self):
        text = (f'MD5 (disk.iso) = {MD5}\nSHA1 (disk.iso) = {"a" * 40}\n'
                f'SHA256 (disk.iso) = {ONE}\nSHA512 (disk.iso) = {LONG}\n')
        self.assertEqual(LONG, self.find(text, allow_md5=True))

    def test_a_tag_that_does_not_fit_its_digest_is_ignored(self):
        self.refusal(f'SHA512 (disk.iso) = {ONE}\n'
                     f'BLAKE2b (disk.iso) = {LONG}\n')

    def test_md5_counts_only_where_it_is_allowed(self):
        for text in (f'{MD5}  disk.iso\n', f'MD5 (disk.iso) = {MD5}\n'):
            self.assertIn('MD5', self.refusal(text))
            self.assertEqual(MD5, self.find(text, allow_md5=True))
        self.assertRaises(errors.ChecksumError, self.find, MD5)

    def test_a_clear_signed_file_is_read(self):
        signed = (f'-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\n'
                  f'# disk.iso: 1024 bytes\n'
                  f'SHA256 (disk.iso) = {ONE}\n- -----\n'
                  f'-----BEGIN PGP SIGNATURE-----\n\n'
                  f'{TWO}  disk.iso\n-----END PGP SIGNATURE-----\n')
        self.assertEqual(ONE, self.find(signed))

    def test_what_stands_around_a_signed_text_does_not_count(self):
        self.assertEqual(ONE, self.find(
            f'{TWO}  disk.iso\n-----BEGIN PGP SIGNED MESSAGE-----\n\n'
            f'{ONE}  disk.iso\n-----BEGIN PGP SIGNATURE-----\n'))

    def test_nonsense_is_read_in_no_time(self):
        for text in ('', '\0' * 1000, 'SHA256 (' + ')' * 1_000_000,
                     'SHA256 (' + ') ' * 4000 + '= x',
                     '\n'.join(['SHA256 (' + ') = ' * 2000] * 100),
                     f'{ONE} {" " * 8000}\n' * 100, 'f' * 4_000_000):
            self.refusal(text)

    def test_an_href_without_a_name_finds_nothing(self):
        self.refusal(f'{ONE}  \n{ONE}  /\n{TWO}  x', 'http://server/')
