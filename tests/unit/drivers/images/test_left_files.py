# SPDX-License-Identifier: Apache-2.0

"""Files that another conductor has withdrawn."""

import os
import pathlib
import types
import unittest.mock

from ironic.db import api as db_api

from ironic_ext.drivers.images import delivery as media_delivery
from ironic_ext.drivers.images import left_files
from ironic_ext.drivers.records import media as node_media
from ironic_ext.media import medium as media
from ironic_ext.media import publish
from tests.unit.drivers import base


class _Image:

    def write(self, path, *, mode=0o644):
        pathlib.Path(path).write_bytes(b'secret')


class LeftFilesTestCase(base.DriverTestCase):

    def setUp(self):
        super().setUp()
        self.config(http_root=str(self.folder), group='deploy')
        self.medium = media_delivery.announce(
            types.SimpleNamespace(node=self.node), media.Purpose.INSTANCE)
        self.publish(self.medium.id)

    def publish(self, media_id, node=None):
        media_delivery.files().publish(
            _Image(), publish.MediaName.new(media_id), node or self.node.uuid)

    def assertSwept(self, is_gone, media_id=''):
        left_files.sweep()
        self.assertEqual(is_gone, media_delivery.files().find(
            media_id or self.medium.id) is None)

    def test_what_another_conductor_has_ended_goes(self):
        self.assertSwept(False)
        node_media.remove(self.node, self.medium.id)
        self.assertSwept(True)

    def test_what_somebody_works_on_stays(self):
        node_media.remove(self.node, self.medium.id)
        self.node.reservation = 'another'
        self.node.save()
        self.assertSwept(False)
        self.node.reservation = None
        self.node.save()
        self.assertSwept(True)

    def test_what_a_deleted_node_had_goes(self):
        db_api.get_instance().destroy_node(self.node.uuid)
        self.assertSwept(True)

    def test_what_another_ironic_has_is_not_ours_to_judge(self):
        # The same directory, another database.
        other = 'b' * 32
        store = publish.MediaStore(str(self.folder), media_delivery.files(
        ).subdir, site='other')
        store.publish(_Image(), publish.MediaName.new(other), 'unknown')
        unmarked = 'c' * 32
        store.publish(_Image(), publish.MediaName.new(unmarked))
        self.assertSwept(False, other)
        self.assertSwept(False, unmarked)

    def test_the_password_of_the_database_is_in_no_mark(self):
        marks = []
        for user in ('one:secret', 'two:other'):
            self.config(connection=f'mysql+pymysql://{user}@db/ironic',
                        group='database')
            marks.append(media_delivery.files().site)
        self.config(connection='mysql+pymysql://one@db/other',
                    group='database')
        self.assertEqual(marks[0], marks[1])
        self.assertNotEqual(marks[0], media_delivery.files().site)

    def test_a_file_that_stays_is_in_nobodys_way(self):
        node_media.remove(self.node, self.medium.id)
        ids = [self.medium.id, 'd' * 32, 'e' * 32]
        for media_id in ids[1:]:
            self.publish(media_id)
        stuck = next(iter(media_delivery.files().owners()))
        stock = os.unlink

        def unlink(path, *args, **kwargs):
            if stuck in str(path):
                raise PermissionError(1, 'it is immutable')
            stock(path, *args, **kwargs)

        with unittest.mock.patch('os.unlink', unlink):
            left_files.sweep()
        self.assertEqual({stuck}, set(media_delivery.files().owners()))
        self.assertSwept(True, stuck)

    def test_a_directory_that_cannot_be_read_is_tried_again(self):
        self.useFixture(base.fixtures.MockPatch(
            'os.listdir', side_effect=PermissionError('no')))
        left_files.sweep()
        self.assertTrue(os.path.isdir(self.folder))
