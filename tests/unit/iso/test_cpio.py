# SPDX-License-Identifier: Apache-2.0

import os
import subprocess
import tempfile

import testtools

from ironic_ext.iso import cpio
from ironic_ext.iso import errors


class ArchiveTestCase(testtools.TestCase):

    def unpack(self, data):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        done = subprocess.run(
            ['cpio', '-idmu', '--no-absolute-filenames', '--quiet'],
            input=data, cwd=folder.name, capture_output=True)
        self.assertEqual((0, b''), (done.returncode, done.stderr))
        return folder.name

    def test_cpio_lists_owner_mode_and_parents(self):
        data = cpio.archive({'/etc/my app/x.conf': b'abc', 'init': b''}, 60)
        done = subprocess.run(
            ['cpio', '-itv', '--quiet', '--numeric-uid-gid'], input=data,
            capture_output=True, check=True,
            env=dict(os.environ, TZ='UTC', LC_ALL='C'))
        lines = [line.split(None, 8) for line in
                 done.stdout.decode().splitlines()]
        self.assertEqual(
            [('drwxr-xr-x', '2', '0', '0', '0', 'etc'),
             ('drwxr-xr-x', '2', '0', '0', '0', 'etc/my app'),
             ('-rw-r--r--', '1', '0', '0', '3', 'etc/my app/x.conf'),
             ('-rw-r--r--', '1', '0', '0', '0', 'init')],
            [tuple(line[:5]) + (line[8],) for line in lines])
        self.assertTrue(all(line[5:8] == ['Jan', '1', '1970']
                            for line in lines))

    def test_cpio_unpacks_what_was_put_in(self):
        files = {'a': b'', 'b/c': b'1', 'b/d': b'22', 'b/e/f': b'x' * 4097,
                 'ü/\u2603': b'333'}
        folder = self.unpack(cpio.archive(files))
        for name, data in files.items():
            with open(os.path.join(folder, name), 'rb') as stream:
                self.assertEqual(data, stream.read())

    def test_an_archive_is_padded_and_the_same_every_time(self):
        first = cpio.archive({'a': b'x', 'b': b'y'})
        self.assertEqual(0, len(first) % 512)
        self.assertEqual(first, cpio.archive({'b': b'y', 'a': b'x'}))

    def test_no_files_are_a_trailer_only(self):
        self.assertIn(b'TRAILER!!!', cpio.archive({}))
        self.assertEqual([], os.listdir(self.unpack(cpio.archive({}))))

    def test_paths_that_lead_elsewhere_are_refused(self):
        for path in ('', '/', '..', '/a/../b', 'a/..', 'a\0b', 'a/', '.',
                     'TRAILER!!!', '\ud800', 'x' * 4096):
            exc = self.assertRaises(errors.InjectionError, cpio.archive,
                                    {path: b''})
            self.assertIn('initrd path', str(exc))

    def test_a_file_cannot_be_a_directory_too(self):
        for files in ({'a': b'', 'a/b': b''}, {'/a': b'', 'a': b''},
                      {'a': b'', 'a-': b'', 'a/b': b''},
                      {'/a/b': b'', 'a': b''}):
            self.assertRaises(errors.InjectionError, cpio.archive, files)

    def test_a_field_that_is_no_number_ends_the_list(self):
        archive = bytearray(cpio.archive({'a': b'1', 'b': b'2'}))
        self.assertEqual(('/a', '/b'), cpio.names(bytes(archive)))
        # A sign, a space and "_" are digits to int(): the size would lead
        # back to where the list has been.
        for field in (b'-0000060', b' 0000001', b'0000_001', b'000000'):
            broken = bytearray(archive)
            for at in (14, 54, 94):
                broken[at:at + 8] = archive[at:at + 8]
                broken[at:at + len(field)] = field
                if len(field) < 8:
                    broken = broken[:at + len(field)]
                self.assertEqual((), cpio.names(bytes(broken)))
