# SPDX-License-Identifier: Apache-2.0

import hashlib
import os
import random
import subprocess
import tempfile

import testtools

from ironic_ext.iso import errors
from ironic_ext.iso import media_check

FIELD = 16 * 2048 + media_check.FIELD_OFFSET


class IsoMd5sumTestCase(testtools.TestCase):

    def setUp(self):
        super().setUp()
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.path = os.path.join(folder.name, 'x.iso')
        tree = os.path.join(folder.name, 'tree')
        os.mkdir(tree)
        with open(os.path.join(tree, 'payload'), 'wb') as stream:
            stream.write(random.Random(1).randbytes(1 << 20))
        subprocess.run(['xorriso', '-as', 'mkisofs', '-quiet', '-R', '-V',
                        'TEST', '-o', self.path, tree], check=True,
                       capture_output=True)

    def implant(self):
        subprocess.run(['implantisomd5', self.path], check=True,
                       capture_output=True)

    def check(self):
        return subprocess.run(['checkisomd5', self.path],
                              capture_output=True,
                              stdin=subprocess.DEVNULL).returncode

    def read(self, offset, length):
        with open(self.path, 'rb') as stream:
            stream.seek(offset)
            return stream.read(length)

    def write(self, offset, data):
        with open(self.path, 'r+b') as stream:
            stream.seek(offset)
            stream.write(data)

    def test_what_implantisomd5_wrote_is_read(self):
        self.implant()
        found = media_check.read(self.read(16 * 2048, 2048))
        self.assertEqual('isomd5sum', found.kind)
        self.assertEqual('15', found.fields['SKIPSECTORS'])
        self.assertEqual('20', found.fields['FRAGMENT COUNT'])
        self.assertEqual(32, len(found.fields['ISO MD5SUM']))

    def test_an_image_without_a_checksum_has_none(self):
        self.assertIsNone(media_check.read(self.read(16 * 2048, 2048)))
        exc = self.assertRaises(
            errors.InjectionError, media_check.reimplanted,
            self.read(0, 17 * 2048), 1000)
        self.assertIn('isomd5sum only', str(exc))

    def test_checkisomd5_passes_a_changed_image_once_reimplanted(self):
        self.implant()
        self.assertEqual(0, self.check())
        self.write(400 * 2048, b'changed')
        self.assertEqual(1, self.check())
        head = self.read(0, 17 * 2048)
        sectors = int.from_bytes(head[16 * 2048 + 80:][:4], 'little')
        field = media_check.reimplanted(head, sectors)
        self.assertEqual(512, len(field))
        self.write(FIELD, field)
        self.assertEqual(0, self.check())
        # It does cover the descriptor.
        self.write(16 * 2048 + 41, b'x')
        self.assertEqual(1, self.check())


class ReadTestCase(testtools.TestCase):

    def pvd(self, field):
        return bytes(883) + field.ljust(512) + bytes(653)

    def test_tagmedia_is_recognised_by_its_digest(self):
        found = media_check.read(self.pvd(
            b'check=1;pad=150;sha256sum=' + b'ab' * 32
            + b';partition=2;signature=x'))
        self.assertEqual('tagmedia', found.kind)
        self.assertEqual({'check': '1', 'pad': '150', 'partition': '2',
                          'sha256sum': 'ab' * 32, 'signature': 'x'},
                         found.fields)

    def test_tagmedia_cannot_be_reimplanted(self):
        head = bytes(16 * 2048) + self.pvd(b'md5sum=' + b'0' * 32)
        exc = self.assertRaises(errors.InjectionError,
                                media_check.reimplanted, head, 100)
        self.assertIn('tagmedia', str(exc))

    def test_other_texts_and_random_bytes_are_no_checksum(self):
        self.assertIsNone(media_check.read(self.pvd(b'MKISOFS;x=1')))
        self.assertIsNone(media_check.read(b''))
        rng = random.Random(9)
        for _turn in range(300):
            self.assertIsNone(media_check.read(rng.randbytes(2048)))


class Md5sumTxtTestCase(testtools.TestCase):

    def test_lines_of_changed_files_follow_their_content(self):
        old = b'0' * 32
        data = (old + b'  ./boot/grub/grub.cfg\n' + old + b'  ./a b\n'
                + old + b' *initrd.gz\r\n' + old + b'  ./keep\n# note\n')
        new = hashlib.md5(b'new').hexdigest().encode()
        self.assertEqual(
            new + b'  ./boot/grub/grub.cfg\n' + new + b'  ./a b\n'
            + old + b'  ./keep\n# note\n',
            media_check.edit_md5sum_txt(data, {
                '/boot/grub/grub.cfg': b'new', 'a b': b'new',
                '/initrd.gz': None, '/unlisted': b''}))

    def test_an_edited_list_satisfies_md5sum(self):
        with tempfile.TemporaryDirectory() as folder:
            for name, content in (('a', b'one'), ('b c', b'two')):
                with open(os.path.join(folder, name), 'wb') as stream:
                    stream.write(content)
            data = subprocess.run(['md5sum', './a', './b c'], cwd=folder,
                                  capture_output=True, check=True).stdout
            with open(os.path.join(folder, 'a'), 'wb') as stream:
                stream.write(b'changed')
            done = subprocess.run(
                ['md5sum', '-c', '--strict', '-'], cwd=folder,
                input=media_check.edit_md5sum_txt(data, {'/a': b'changed'}),
                capture_output=True)
            self.assertEqual(0, done.returncode, done.stdout)

    def test_no_change_and_random_bytes_stay(self):
        rng = random.Random(4)
        for _turn in range(300):
            data = rng.randbytes(200)
            self.assertEqual(data, media_check.edit_md5sum_txt(
                data, {'/x': b''}))
