# SPDX-License-Identifier: Apache-2.0

"""Tests for images behind file://, and how they are kept in bounds."""

import datetime
import errno
import hashlib
import io
import os
import pathlib
import socket
import tempfile
import threading
import unittest.mock

import testtools

from ironic_ext.images import errors
from ironic_ext.images import file
from ironic_ext.images.for_ironic import file_target
from ironic_ext.images import settings
from ironic_ext import walls

CONTENT = bytes(range(256)) * 5000
SHA256 = hashlib.sha256(CONTENT).hexdigest()


class FileTestCase(testtools.TestCase):

    def setUp(self):
        super().setUp()
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name).resolve()
        self.images = self.folder / 'images'
        self.images.mkdir()
        self.image = self.images / 'live.iso'
        self.image.write_bytes(CONTENT)
        self.service = self.allow(self.images)

    def allow(self, *paths, deny=(), **options):
        return file.FileImageService(settings.Settings(
            allowed_paths=tuple(map(str, paths)), **options,
            wall=walls.Wall(closed=tuple(map(str, deny)))))

    def read(self, path, service=None):
        fd = (service or self.service).open_fd(f'file://{path}')
        with open(fd, 'rb') as found:
            return found.read()

    def refusal(self, path, kind=errors.HrefError, service=None):
        return str(self.assertRaises(kind, self.read, path, service))

    def target(self):
        found = open(self.folder / 'target', 'w+b')
        self.addCleanup(found.close)
        target = file_target.FileTarget(found, 'live.iso')
        self.addCleanup(target.close)
        return found, target


class PathTestCase(FileTestCase):

    def test_an_image_below_an_allowed_directory_is_read(self):
        (self.images / 'a').mkdir()
        (self.images / 'a' / 'b.iso').write_bytes(b'b')
        self.assertEqual(CONTENT, self.read(self.image))
        self.assertEqual(b'b', self.read(self.images / 'a' / 'b.iso'))

    def test_the_local_host_may_be_named_but_no_other(self):
        fd = self.service.open_fd(f'file://localhost{self.image}')
        os.close(fd)
        self.assertRaises(errors.HrefError, self.service.open_fd,
                          f'file://server{self.image}')

    def test_a_message_never_shows_a_password(self):
        error = self.assertRaises(errors.HrefError, self.service.open_fd,
                                  f'file://me:secret@server{self.image}')
        self.assertNotIn('secret', str(error))

    def test_names_are_percent_encoded(self):
        for name in ('a b?.iso', 'ü#.iso', '%41.iso', b'\xff.iso'.decode(
                'utf-8', 'surrogateescape')):
            with self.subTest(name):
                path = self.images / name
                path.write_bytes(b'here')
                href = path.as_uri()
                with open(self.service.open_fd(href), 'rb') as found:
                    self.assertEqual(b'here', found.read())

    def test_what_looks_like_a_query_is_no_part_of_the_name(self):
        for tail in ('?x', '#x'):
            self.assertIn('%3F', self.refusal(f'{self.image}{tail}'))

    def test_it_is_said_who_misses_an_image(self):
        for options, reader in (({}, 'the conductor'),
                                ({'reader': 'this command'},
                                 'this command')):
            self.assertIn(
                f'/gone.iso does not exist where {reader} runs',
                self.refusal(self.images / 'gone.iso',
                             errors.ImageNotFoundError,
                             self.allow(self.images, **options)))

    def test_a_nul_byte_is_refused(self):
        self.refusal(f'{self.image}%00.txt')

    def test_other_places_are_refused(self):
        (self.folder / 'images2').mkdir()
        (self.folder / 'images2' / 'x').write_bytes(b'')
        for path in ('/etc/passwd', self.folder / 'images2' / 'x',
                     f'{self.images}/../images2/x', 'relative', '/',
                     f'{self.images}/%2e%2e/images2/x'):
            with self.subTest(str(path)):
                self.refusal(path)

    def test_dots_that_stay_inside_are_harmless(self):
        self.assertEqual(CONTENT, self.read(
            f'/{self.images}/./a/../live.iso'))

    def test_an_allowed_directory_may_be_a_link_itself(self):
        link = self.folder / 'link'
        link.symlink_to(self.images)
        service = self.allow(link)
        self.assertEqual(CONTENT, self.read(link / 'live.iso', service))
        self.assertEqual(CONTENT, self.read(self.image, service))

    def test_a_link_below_it_is_refused_wherever_it_leads(self):
        (self.images / 'link.iso').symlink_to(self.image)
        (self.images / 'etc').symlink_to('/etc')
        (self.images / 'loop').symlink_to('loop')
        for name in ('link.iso', 'etc/passwd', 'loop', 'loop/x'):
            with self.subTest(name):
                self.assertIn('symbolic link',
                              self.refusal(self.images / name))

    def test_a_directory_swapped_for_a_link_never_leads_out(self):
        inner = self.images / 'a'
        outside = self.folder / 'outside'
        for folder, content in ((inner, b'inside'), (outside, b'outside')):
            folder.mkdir()
            (folder / 'x.iso').write_bytes(content)
        (self.images / 'evil').symlink_to(outside)
        stop = threading.Event()

        def swap():
            while not stop.is_set():
                os.rename(inner, self.images / 'kept')
                os.rename(self.images / 'evil', inner)
                os.rename(inner, self.images / 'evil')
                os.rename(self.images / 'kept', inner)

        thread = threading.Thread(target=swap)
        thread.start()
        self.addCleanup(thread.join)
        self.addCleanup(stop.set)
        found = set()
        for _ in range(2000):
            try:
                found.add(self.read(inner / 'x.iso'))
            except errors.ImageError:
                found.add(None)
        self.assertIn(b'inside', found)
        self.assertNotIn(b'outside', found)

    def test_a_denied_directory_stays_closed_inside_an_allowed_one(self):
        link = self.folder / 'link'
        link.symlink_to(self.images)
        service = self.allow('/', deny=[link])
        self.refusal(self.image, service=service)
        (self.folder / 'other').write_bytes(b'other')
        self.assertEqual(b'other', self.read(self.folder / 'other', service))

    def test_nothing_is_allowed_unless_something_is(self):
        self.refusal(self.image, service=self.allow())
        self.refusal(self.image, service=self.allow(''))

    def test_what_is_no_regular_file_is_refused_without_waiting(self):
        os.mkfifo(self.images / 'fifo')
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(str(self.images / 'socket'))
        (self.images / 'folder').mkdir()
        for name in ('fifo', 'socket', 'folder', 'folder/'):
            with self.subTest(name):
                self.assertIn('regular file',
                              self.refusal(self.images / name))
        self.assertIn('directory', self.refusal(self.images))
        self.assertIn('regular file', self.refusal(
            '/dev/null', service=self.allow('/dev')))

    def test_a_missing_image_is_not_found(self):
        for name in ('other.iso', 'no/x.iso', 'live.iso/x'):
            with self.subTest(name):
                self.refusal(self.images / name, errors.ImageNotFoundError)
        self.refusal(self.folder / 'gone' / 'x', errors.ImageNotFoundError,
                     self.allow(self.folder / 'gone'))

    def test_a_name_that_is_too_long_is_an_error_like_any_other(self):
        self.refusal(self.images / ('x' * 300), errors.ImageError)
        self.refusal('/'.join([str(self.images)] + ['a'] * 3000),
                     errors.ImageError)

    def test_no_descriptor_stays_open(self):
        (self.images / 'link').symlink_to(self.image)
        before = os.listdir('/proc/self/fd')
        self.read(self.image)
        self.refusal(self.images / 'link')
        self.refusal(self.images / 'a' / 'b', errors.ImageNotFoundError)
        self.assertEqual(before, os.listdir('/proc/self/fd'))


class ReadingTestCase(FileTestCase):

    def test_a_version_names_the_content(self):
        href = self.image.as_uri()
        first = self.service.stat(href)
        self.assertEqual(len(CONTENT), first.size)
        self.assertTrue(first.ranges)
        self.assertIsNotNone(first.strong_etag)
        self.assertEqual(first, self.service.stat(href))
        info = self.image.stat()
        self.image.write_bytes(CONTENT[::-1])
        os.utime(self.image, ns=(info.st_atime_ns, info.st_mtime_ns))
        self.assertFalse(self.service.stat(href).resumes(first))

    def test_the_time_of_change_is_naive_utc(self):
        os.utime(self.image, (0, 86400.5))
        changed = self.service.stat(self.image.as_uri()).updated_at
        self.assertIsNone(changed.tzinfo)
        self.assertEqual('1970-01-02T00:00:00.500000', changed.isoformat())

    def test_fetching_copies_what_the_target_lacks(self):
        found, target = self.target()
        version = self.service.fetch(self.image.as_uri(), target)
        target.finish()
        found.seek(0)
        self.assertEqual(CONTENT, found.read())
        self.assertEqual(version, self.service.stat(self.image.as_uri()))

    def test_a_known_version_is_not_copied_again(self):
        href = self.image.as_uri()
        known = self.service.stat(href)
        _found, target = self.target()
        self.assertIsNone(self.service.fetch(href, target, known))
        self.image.write_bytes(b'new')
        self.assertEqual(3, self.service.fetch(href, target, known).size)

    def test_an_image_that_is_cut_while_it_is_read_is_an_error(self):
        class Cutting(file_target.FileTarget):
            def write(target, offset, data):
                super().write(offset, data)
                self.image.write_bytes(b'short')

        with open(self.folder / 'target', 'w+b') as found:
            self.assertRaises(
                errors.ImageChangedError, self.service.fetch,
                self.image.as_uri(), Cutting(found, 'live.iso'))

    def test_a_part_is_read_of_the_version_asked_for(self):
        href = self.image.as_uri()
        version = self.service.stat(href)
        self.assertEqual(CONTENT[1000:1010],
                         self.service.read_range(href, 1000, 10, version))
        self.assertEqual(b'', self.service.read_range(
            href, len(CONTENT), 10))
        self.assertEqual(CONTENT[-5:], self.service.read_range(
            href, len(CONTENT) - 5, 10))
        self.image.write_bytes(b'new')
        self.assertRaises(errors.ImageChangedError, self.service.read_range,
                          href, 0, 1, version)


class DownloadTestCase(FileTestCase):
    """Ironic's download()."""

    def download(self, path=None, service=None, **kwargs):
        path = path or self.folder / 'copy'
        path.unlink(missing_ok=True)
        service = service or self.service
        with open(path, 'wb') as image_file:
            service.download(self.image.as_uri(), image_file, **kwargs)
        return path

    def test_a_download_is_a_hard_link_on_the_same_file_system(self):
        self.image.chmod(0o640)
        before = self.image.stat()
        copy = self.download()
        self.assertTrue(copy.samefile(self.image))
        after = self.image.stat()
        self.assertEqual((before.st_mode, before.st_mtime_ns, before.st_ino),
                         (after.st_mode, after.st_mtime_ns, after.st_ino))
        self.assertEqual({'copy', 'images'}, set(os.listdir(self.folder)))

    def test_it_is_a_copy_where_links_are_not_permitted(self):
        before = self.image.stat()
        with unittest.mock.patch.object(os, 'link',
                                        side_effect=PermissionError(
                                            errno.EPERM, 'no')):
            copy = self.download()
        self.assertFalse(copy.samefile(self.image))
        self.assertEqual(CONTENT, copy.read_bytes())
        self.assertEqual(before.st_ctime_ns, self.image.stat().st_ctime_ns)
        self.assertEqual({'copy', 'images'}, set(os.listdir(self.folder)))

    def test_it_goes_into_whatever_can_be_written_to(self):
        found = io.BytesIO()
        self.service.download(self.image.as_uri(), found, SHA256)
        self.assertEqual(CONTENT, found.getvalue())
        self.assertEqual(f'sha256:{SHA256}',
                         self.service.transfer_verified_checksum)

    def test_the_checksum_is_verified_however_it_gets_there(self):
        for links in (True, False):
            with self.subTest(links=links), unittest.mock.patch.object(
                    os, 'link', os.link if links else self.refuse):
                self.download(checksum=SHA256.upper(),
                              checksum_algo='SHA256')
                self.assertEqual(f'sha256:{SHA256}',
                                 self.service.transfer_verified_checksum)
                error = self.assertRaises(
                    errors.ChecksumError, self.download,
                    checksum=f'sha256:{"0" * 64}')
                self.assertIn(SHA256, str(error))
                self.assertIsNone(self.service.transfer_verified_checksum)
                self.download()
                self.assertIsNone(self.service.transfer_verified_checksum)

    def refuse(self, *args, **kwargs):
        raise PermissionError(errno.EPERM, 'no')

    def test_a_file_that_the_target_is_linked_to_is_left_alone(self):
        other = self.folder / 'other'
        with open(self.folder / 'copy', 'wb') as image_file:
            os.link(self.folder / 'copy', other)
            self.service.download(self.image.as_uri(), image_file)
        self.assertEqual(CONTENT, (self.folder / 'copy').read_bytes())
        self.assertEqual(b'', other.read_bytes())
        self.assertEqual(1, other.stat().st_nlink)

    def test_ironic_need_not_cache_what_is_here_already(self):
        self.assertEqual(
            {'size': len(CONTENT), 'properties': {}, 'no_cache': True,
             'updated_at': datetime.datetime.fromtimestamp(
                 self.image.stat().st_mtime,
                 datetime.UTC).replace(tzinfo=None)},
            self.service.show(self.image.as_uri()))
