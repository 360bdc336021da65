# SPDX-License-Identifier: Apache-2.0

"""Tests for publishing customised images as files."""

import dataclasses
import errno
import grp
import os
import pathlib
import re
import tempfile
import unittest.mock

import testtools

from ironic_ext.media import publish


class Image:
    """An image that writes itself, or fails half way."""

    def __init__(self, content=b'image', error=None):
        self.content = content
        self.error = error

    def write(self, path, *, mode=0o644):
        half = os.path.join(os.path.dirname(path),
                            f'.{os.path.basename(path)}.0a1b.part')
        pathlib.Path(half).write_bytes(self.content)
        if self.error:
            raise self.error
        os.chmod(half, mode)
        os.rename(half, path)


class PublishTestCase(testtools.TestCase):

    def setUp(self):
        super().setUp()
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.store = publish.MediaStore(folder.name, 'ext', 0o640)
        self.folder = pathlib.Path(folder.name, 'ext')
        self.name = publish.MediaName.new()

    def files(self):
        return sorted(os.listdir(self.folder))

    def test_the_image_is_where_the_url_points(self):
        path = self.store.publish(Image(), self.name)
        self.assertEqual(f'http://x:80/y/ext/{os.path.basename(path)}',
                         self.store.url(self.name, 'http://x:80/y/'))
        self.assertEqual(b'image', pathlib.Path(path).read_bytes())

    def test_the_web_server_can_get_at_it(self):
        umask = os.umask(0o077)
        self.addCleanup(os.umask, umask)
        path = self.store.publish(Image(), self.name)
        self.assertEqual(0o711, self.folder.stat().st_mode & 0o777)
        self.assertEqual(0o640, os.stat(path).st_mode & 0o777)

    def test_nobody_lists_a_directory_of_an_earlier_release(self):
        for before, after in ((0o755, 0o711), (0o750, 0o750)):
            self.folder.mkdir(exist_ok=True)
            self.folder.chmod(before)
            self.store.publish(Image(), publish.MediaName.new())
            self.assertEqual(after, self.folder.stat().st_mode & 0o777)

    def test_whose_an_image_is_is_kept_with_it(self):
        others = dataclasses.replace(self.store, site='other')
        theirs = publish.MediaName.new()
        self.assertEqual({}, self.store.owners())
        self.store.publish(Image(), self.name, 'node1')
        others.publish(Image(), theirs, 'node2')
        self.store.publish(Image(), publish.MediaName.new())
        self.store.name_removable(self.name)
        (self.folder / 'notes.iso').write_text('')
        self.assertEqual({self.name.id: 'node1'}, self.store.owners())
        self.assertEqual({theirs.id: 'node2'}, others.owners())

    def test_a_file_system_without_attributes_is_good_enough(self):
        for code in (errno.ENOTSUP, errno.EPERM):
            with unittest.mock.patch(
                    'os.setxattr', side_effect=OSError(code, 'no')):
                self.store.publish(Image(), publish.MediaName.new(), 'node')
        self.assertEqual({}, self.store.owners())

    def test_a_group_reads_what_others_may_not(self):
        group = grp.getgrgid(os.getgid())
        store = dataclasses.replace(self.store, mode=0o644,
                                    group=group.gr_name)
        facts = os.stat(store.publish(Image(), self.name))
        self.assertEqual((0o640, group.gr_gid),
                         (facts.st_mode & 0o777, facts.st_gid))

    def test_a_group_that_cannot_have_it_is_told_and_nothing_is_left(self):
        store = dataclasses.replace(self.store, group='no-such-group')
        error = self.assertRaises(OSError, store.publish, Image(), self.name)
        self.assertIn('[ext_media]publish_group', str(error))
        store = dataclasses.replace(
            self.store, group=grp.getgrgid(os.getgid()).gr_name)
        with unittest.mock.patch.object(os, 'chown',
                                        side_effect=PermissionError(1, 'x')):
            error = self.assertRaises(PermissionError, store.publish,
                                      Image(), self.name)
        self.assertIn('a member of that group', str(error))
        self.assertEqual([], self.files())

    def test_names_end_in_iso_and_are_never_the_same(self):
        names = {publish.MediaName.new().file_name for _n in range(100)}
        self.assertEqual(100, len(names))
        for name in names:
            self.assertTrue(re.fullmatch(
                r'[0-9a-f]{32}-[A-Za-z0-9_-]{22}\.iso', name), name)

    def test_the_secret_does_not_show_in_a_repr(self):
        self.assertNotIn(self.name.secret, repr(self.name))

    def test_a_failed_write_leaves_nothing(self):
        self.assertRaises(OSError, self.store.publish,
                          Image(error=OSError('disk full')), self.name)
        self.assertEqual([], self.files())

    def test_unpublishing_removes_that_image_and_no_other(self):
        other = publish.MediaName.new()
        self.store.publish(Image(), self.name)
        self.store.publish(Image(), other)
        self.assertTrue(self.store.unpublish(self.name.id))
        self.assertEqual([other.file_name], self.files())
        self.assertFalse(self.store.unpublish(self.name.id))

    def test_unpublishing_removes_what_a_killed_writer_left(self):
        self.store.publish(Image(), publish.MediaName.new())
        half = self.folder / f'.{self.name.file_name}.77.part'
        half.write_bytes(b'half')
        self.store.unpublish(self.name.id)
        self.assertFalse(half.exists())

    def test_unpublishing_before_anything_was_published_is_no_error(self):
        self.assertFalse(self.store.unpublish(self.name.id))

    def test_a_published_image_is_found_by_its_id(self):
        self.store.publish(Image(), self.name)
        self.assertEqual(self.name, self.store.find(self.name.id))
        self.assertIsNone(self.store.find(publish.MediaName.new().id))

    def test_an_id_that_is_none_removes_nothing(self):
        self.store.publish(Image(), self.name)
        for media_id in ('', '..', self.name.id[:31], '*' * 32):
            self.assertRaises(ValueError, self.store.unpublish, media_id)
        self.assertEqual(1, len(self.files()))
