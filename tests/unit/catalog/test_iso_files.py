# SPDX-License-Identifier: Apache-2.0

"""Uploads that break off and go on, and files that were put there."""

import contextlib
import hashlib
import os
import pathlib
import tempfile
import threading
import time

import testtools

from ironic_ext import catalog
from ironic_ext.catalog import iso_files

CONTENT = bytes(range(256)) * 1000
DIGEST = 'sha256:' + hashlib.sha256(CONTENT).hexdigest()
SHA512 = 'sha512:' + hashlib.sha512(CONTENT).hexdigest()


def pieces(data=CONTENT, size=1000):
    """Yield data as a server gets it."""
    for start in range(0, len(data), size):
        yield data[start:start + size]


def cut(data, error=ConnectionResetError):
    """Yield data, then fail as a connection does."""
    yield from pieces(data)
    raise error('reset')


def receive(isos, name, chunks, judge, **values):
    """Store an upload."""
    upload = isos.begin_upload(name, **values)
    with contextlib.closing(upload):
        for chunk in chunks:
            upload.write(chunk)
        return upload.finish(judge, values.get('checksum', ''))


class IsoFilesTestCase(testtools.TestCase):

    def setUp(self):
        super().setUp()
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = pathlib.Path(folder.name) / 'isos'
        self.isos = self._open()
        self.judged = []

    def _open(self, max_size=1 << 20):
        return iso_files.IsoDirectory(str(self.root), max_size)

    def _judge(self, path):
        self.judged.append(pathlib.Path(path).read_bytes())
        return 'good'

    def _receive(self, chunks=None, **values):
        return receive(self.isos, 'a.iso', chunks or pieces(), self._judge,
                       **values)

    def _files(self):
        return sorted(path.name for path in self.root.iterdir())

    def test_an_upload_appears_whole_and_read_only(self):
        got = self._receive(total=len(CONTENT), checksum=DIGEST)
        path = self.root / 'a.iso'
        self.assertEqual(iso_files.IsoFile(
            str(path), len(CONTENT), DIGEST, 'good'), got)
        self.assertEqual(CONTENT, path.read_bytes())
        self.assertEqual(0o444, path.stat().st_mode & 0o777)
        self.assertEqual(['a.iso'], self.isos.names())
        self.assertEqual([CONTENT], self.judged)

    def test_an_upload_that_broke_off_goes_on(self):
        self.assertRaises(ConnectionResetError, self._receive,
                          cut(CONTENT[:100000]), total=len(CONTENT))
        self.assertEqual(([], []), (self.isos.names(), self.judged))
        later = self._open()
        self.assertEqual(100000, later.received('a.iso'))
        got = receive(later, 'a.iso', pieces(CONTENT[100000:]), self._judge,
                      offset=100000, total=len(CONTENT), checksum=SHA512)
        self.assertEqual(DIGEST, got.digest)

    def test_an_upload_comes_in_parts(self):
        half = len(CONTENT) // 2
        self.assertIsNone(self._receive(pieces(CONTENT[:half]),
                                        total=len(CONTENT)))
        self.assertIsNotNone(self._receive(
            pieces(CONTENT[half:]), offset=half, total=len(CONTENT)))

    def test_an_upload_goes_on_where_it_stopped_only(self):
        self._receive(pieces(CONTENT[:5000]), total=len(CONTENT))
        error = self.assertRaises(catalog.ConflictError, self._receive,
                                  offset=4000)
        self.assertIn('has 5000 bytes', str(error))
        self.assertEqual(5000, self.isos.received('a.iso'))

    def test_an_upload_from_the_start_begins_anew(self):
        self._receive(pieces(b'x' * 5000), total=len(CONTENT))
        self.assertEqual(DIGEST, self._receive(total=len(CONTENT)).digest)

    def test_a_wrong_checksum_leaves_nothing(self):
        for checksum in (f'sha256:{"0" * 64}', f'sha512:{"0" * 128}',
                         'https://x/SHA256SUMS'):
            error = self.assertRaises(catalog.InvalidError, self._receive,
                                      checksum=checksum)
            self.assertIn('checksum', str(error))
            self.assertEqual([], self._files())

    def test_what_the_judge_refuses_leaves_nothing(self):
        def refuse(path):
            raise KeyError('no ISO')

        self.assertRaises(KeyError, receive, self.isos, 'a.iso', pieces(),
                          refuse)
        self.assertEqual([], self._files())

    def test_too_much_is_refused_and_removed(self):
        small = self._open(max_size=5000)
        for values in ({}, {'total': 5001}):
            error = self.assertRaises(
                catalog.InvalidError, receive, small, 'a.iso', pieces(),
                self._judge, **values)
            self.assertIn('[ext_catalog]max_iso_size', str(error))
        self.assertRaises(catalog.InvalidError, self._receive, total=5000)
        self.assertEqual([], self._files())

    def test_a_file_that_is_there_is_not_replaced(self):
        self._receive()
        self.assertRaises(catalog.ConflictError, self._receive)

    def test_a_file_that_comes_meanwhile_is_not_replaced(self):
        def judge(path):
            (self.root / 'a.iso').write_bytes(b'theirs')

        self.assertRaises(catalog.ConflictError, receive, self.isos, 'a.iso',
                          pieces(), judge)
        self.assertEqual(b'theirs', (self.root / 'a.iso').read_bytes())

    def test_two_uploads_of_one_iso_do_not_mix(self):
        started, go_on = threading.Event(), threading.Event()

        def slow():
            yield CONTENT[:1000]
            started.set()
            go_on.wait(30)
            yield CONTENT[1000:]

        results = []
        first = threading.Thread(target=lambda: results.append(
            self._receive(slow())))
        first.start()
        self.addCleanup(first.join)
        self.addCleanup(go_on.set)
        started.wait(30)
        other = self._open()
        error = self.assertRaises(
            catalog.ConflictError, receive, other, 'a.iso', pieces(b'x'),
            self._judge)
        self.assertIn('by somebody else', str(error))
        self.assertRaises(catalog.ConflictError, other.discard, 'a.iso')
        go_on.set()
        first.join()
        self.assertEqual(DIGEST, results[0].digest)

    def test_a_full_disk_is_told_and_freed(self):
        if not os.path.exists('/dev/full'):
            self.skipTest('/dev/full is missing')

        self._receive(pieces(CONTENT[:5000]), total=len(CONTENT))
        with open('/dev/full', 'wb', buffering=0) as full:
            upload = iso_files.Upload(self.isos, 'a.iso', full, {}, None,
                                      contextlib.ExitStack())
            error = self.assertRaises(catalog.CatalogError, upload.write,
                                      CONTENT)
        self.assertIn('is full', str(error))
        self.assertEqual([], self._files())

    def test_names_do_not_leave_the_directory(self):
        for name in ('../a.iso', '/etc/passwd', '.a.iso', '..', '', 'a/b'):
            self.assertRaises(catalog.InvalidError, self.isos.path, name)

    def test_files_that_were_put_there_are_found(self):
        self.root.mkdir()
        (self.root / 'b.iso').write_bytes(CONTENT)
        (self.root / 'B.ISO').write_bytes(b'x')
        (self.root / 'note.txt').write_bytes(b'x')
        (self.root / '.hidden.iso').write_bytes(b'x')
        (self.root / 'a b.iso').write_bytes(b'x')
        (self.root / 'folder.iso').mkdir()
        (self.root / 'link.iso').symlink_to('/etc/passwd')
        self.assertEqual(['B.ISO', 'b.iso'], self.isos.names())
        self.assertEqual(DIGEST, self.isos.find('b.iso', SHA512).digest)
        self.assertIsNone(self.isos.find('c.iso'))
        self.assertRaises(catalog.InvalidError, self.isos.find, 'b.iso',
                          f'sha512:{"0" * 128}')
        for name in ('link.iso', 'folder.iso'):
            self.assertRaises(catalog.CatalogError, self.isos.find, name)

    def test_a_pipe_does_not_block(self):
        self.root.mkdir()
        os.mkfifo(self.root / 'a.iso')
        self.assertRaises(catalog.ConflictError, self.isos.find, 'a.iso')

    def test_an_uploads_digest_is_remembered_while_it_is_untouched(self):
        self._receive()
        path = self.root / 'a.iso'
        times = path.stat()
        path.write_bytes(bytes(len(CONTENT)))
        os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
        # A change that nobody can see shows that nothing was read.
        self.assertEqual(DIGEST, self.isos.find('a.iso').digest)
        path.write_bytes(b'changed')
        self.assertNotEqual(DIGEST, self.isos.find('a.iso').digest)

    def test_uploads_are_removed_and_others_files_stay(self):
        self._receive()
        (self.root / 'b.iso').write_bytes(CONTENT)
        self.assertTrue(self.isos.remove('a.iso'))
        self.assertFalse(self.isos.remove('b.iso'))
        self.assertFalse(self.isos.remove('c.iso'))
        self.assertEqual(['b.iso'], self._files())

    def test_uploads_that_nobody_goes_on_with_end(self):
        self._receive(pieces(CONTENT[:5000]), total=len(CONTENT))
        self.assertEqual([], self.isos.purge(3600))
        old = time.time() - 7200
        os.utime(self.root / 'a.iso.part', (old, old))
        self.assertEqual(['a.iso'], self.isos.purge(3600))
        self.assertEqual(0, self.isos.received('a.iso'))

    def test_a_directory_that_cannot_be_used_is_told(self):
        self.root.write_bytes(b'')
        for call in (self._receive, self.isos.names,
                     lambda: self.isos.find('a.iso')):
            error = self.assertRaises(catalog.CatalogError, call)
            self.assertIn('[ext_catalog]iso_dir', str(error))
