# SPDX-License-Identifier: Apache-2.0

"""Tests for the one way in which images are delivered."""

import http.server
import os
import pathlib
import threading
import time
import types

from ironic_ext.images import errors
from ironic_ext.media import delivery
from ironic_ext.media import medium as media
from ironic_ext.media import publish
from ironic_ext.media import records
from ironic_ext.media import tokens
from ironic_ext import walls
from tests.unit.media import database

SERVER = 'http://192.0.2.1:8092'
WEB = 'http://192.0.2.1:8080'
BASE = media.Origin(database.BASE, 900, 'http://x/live.iso',
                    'http://x/live.iso', '"1"')


class Image:
    """A customised image, or its base as it is."""

    def __init__(self, plain=False):
        self.size = 900 if plain else 1000
        self.literal_bytes = 0 if plain else 100
        self.segments = (types.SimpleNamespace(offset=0),)
        self.digest = 'sha256:' + 'd' * 64

    @property
    def overlay(self):
        return types.SimpleNamespace(file_size=7,
                                     pieces=lambda: iter([b'over', b'lay']))

    def write(self, path, *, mode=0o644):
        pathlib.Path(path).write_bytes(b'image')


class Holds:
    """An image store that remembers who holds what."""

    def __init__(self):
        self.held = []
        self.failure = None

    def hold(self, digest, owner):
        self.held.append((digest, owner))

    def release_all(self, owner):
        if self.failure:
            raise self.failure
        self.held = [hold for hold in self.held if hold[1] != owner]


class DeliveryTestCase(database.DatabaseTestCase):

    def setUp(self):
        super().setUp()
        self.holds = Holds()
        self.files = publish.MediaStore(str(self.folder), 'ext')
        self.known = lambda: self.records

    def deliveries(self, kind='stream', **settings):
        return delivery.Deliveries(
            database.NODE, 'node-7',
            delivery.Settings(**{'kind': kind, 'server_url': SERVER,
                                 'http_url': WEB, **settings}),
            self.files, lambda: self.known(), lambda: self.holds)

    def new(self, deliveries):
        return deliveries.new(media.Purpose.INSTANCE)

    def published(self):
        folder = self.folder / 'ext'
        return os.listdir(folder) if folder.exists() else []

    def test_a_stream_is_a_record_and_no_file(self):
        deliveries = self.deliveries(networks=('192.0.2.0/24',))
        medium = self.new(deliveries)
        delivered = deliveries.deliver(medium, Image(), BASE, 60)
        self.assertEqual([], self.published())
        start, token, name = delivered.url.rsplit('/', 2)
        self.assertEqual((SERVER, 'node-7.iso'), (start, name))
        row = self.records.find(token)
        self.assertEqual(
            (medium.id, database.NODE, 'instance', Image().digest, 1000,
             'http://x/live.iso', '"1"', ('192.0.2.0/24',), None),
            (row.id, row.node, row.medium.purpose, row.digest, row.size,
             row.base.href, row.base.etag, row.networks, row.revoked_at))
        self.assertAlmostEqual(time.time() + 60, row.expires_at, delta=30)
        self.assertEqual([b'overlay'], list(self.records.overlay(row.id)))
        self.assertEqual([(BASE.digest, f'media:{medium.id}')],
                         self.holds.held)

    def test_what_is_in_drives_at_a_time_has_names_of_its_own(self):
        # A BMC that is an emulator takes the same name for the same file.
        deliveries = self.deliveries()
        names = [deliveries.deliver(deliveries.new(purpose), Image(),
                                    BASE).url.rpartition('/')[2]
                 for purpose in (media.Purpose.INSTANCE, media.Purpose.DATA,
                                 media.Purpose.DATA,
                                 media.Purpose.CONFIG_DRIVE)]
        self.assertEqual('node-7.iso', names[0])
        self.assertEqual(4, len(set(names)))
        for name in names[1:]:
            self.assertRegex(name, r'^node-7-[0-9a-f]{8}\.iso$')

    def test_a_url_is_recognised_by_its_mark(self):
        for kind in ('stream', 'file'):
            deliveries = self.deliveries(kind)
            delivered = deliveries.deliver(self.new(deliveries), Image(),
                                           BASE)
            mark = delivered.medium.mark
            self.assertTrue(mark in delivered.url
                            or mark in tokens.digests_in(delivered.url), kind)
            self.assertNotIn(delivered.url, repr(delivered))

    def test_an_image_that_is_its_base_needs_no_overlay(self):
        deliveries = self.deliveries()
        medium = self.new(deliveries)
        deliveries.deliver(medium, Image(plain=True), BASE)
        row = self.records.get(medium.id)
        self.assertEqual((0, BASE.digest), (row.overlay_size, row.digest))
        self.assertEqual([], list(self.records.overlay(medium.id)))

    def test_no_image_is_held_for_one_that_is_all_its_own(self):
        deliveries = self.deliveries()
        deliveries.deliver(self.new(deliveries), Image(),
                           media.Origin('sha256:00', 0, 'some files'))
        self.assertEqual([], self.holds.held)

    def test_withdrawing_a_stream_ends_it_and_lets_the_base_go(self):
        deliveries = self.deliveries()
        medium = self.new(deliveries)
        deliveries.deliver(medium, Image(), BASE)
        for _attempt in range(2):
            deliveries.withdraw(medium)
            self.assertEqual(frozenset(), self.records.live([medium.id]))
            self.assertEqual([], self.holds.held)

    def test_a_base_that_cannot_be_released_does_not_keep_a_stream(self):
        deliveries = self.deliveries()
        medium = self.new(deliveries)
        deliveries.deliver(medium, Image(), BASE)
        self.holds.failure = errors.ImageError('store is read-only')
        deliveries.withdraw(medium)
        self.assertEqual(frozenset(), self.records.live([medium.id]))

    def test_withdrawing_what_was_never_delivered_is_no_error(self):
        for kind in ('stream', 'file'):
            deliveries = self.deliveries(kind)
            deliveries.withdraw(self.new(deliveries))

    def test_a_file_is_published_and_withdrawn(self):
        deliveries = self.deliveries('file')
        medium = self.new(deliveries)
        delivered = deliveries.deliver(medium, Image(), BASE, 60)
        name, = self.published()
        self.assertEqual(f'{WEB}/ext/{name}', delivered.url)
        self.assertTrue(name.startswith(medium.id))
        self.assertEqual(delivered, deliveries.find(medium))
        deliveries.withdraw(medium)
        self.assertEqual([], self.published())
        self.assertIsNone(deliveries.find(medium))

    def test_a_stream_that_is_found_again_has_a_new_url_and_end(self):
        deliveries = self.deliveries()
        medium = self.new(deliveries)
        first = deliveries.deliver(medium, Image(), BASE, 60)
        second = deliveries.find(medium, 600)
        self.assertNotEqual(first.url, second.url)
        self.assertIsNone(self.records.find(first.url.split('/')[-2]))
        row = self.records.find(second.url.split('/')[-2])
        self.assertEqual(medium.id, row.id)
        self.assertAlmostEqual(time.time() + 600, row.expires_at, delta=30)

    def test_what_was_withdrawn_is_not_found(self):
        deliveries = self.deliveries()
        medium = self.new(deliveries)
        deliveries.deliver(medium, Image(), BASE)
        deliveries.withdraw(medium)
        self.assertIsNone(deliveries.find(medium))

    def test_a_short_url_is_made_on_demand(self):
        deliveries = self.deliveries(max_url_length=54)
        delivered = deliveries.deliver(self.new(deliveries), Image(), BASE)
        self.assertRegex(delivered.url, r'/[\w-]{22}\.iso$')

    def test_a_server_that_is_not_configured_is_told(self):
        for kind, settings, words in (
                ('stream', {'server_url': None}, '[ext_media]server_url'),
                ('file', {'http_url': None}, '[deploy]http_url'),
                ('auto', {'server_url': None, 'http_url': None},
                 '[deploy]http_url')):
            exc = self.assertRaises(
                delivery.DeliveryError, self.new,
                self.deliveries(kind, **settings))
            self.assertIn(words, str(exc))

    def test_a_database_that_fails_is_told(self):
        def broken():
            raise records.RecordsError('no database')
        self.known = broken
        deliveries = self.deliveries()
        medium = self.new(deliveries)
        self.assertRaises(delivery.DeliveryError, deliveries.deliver,
                          medium, Image(), BASE)
        self.assertRaises(delivery.DeliveryError, deliveries.withdraw,
                          medium)

    def test_auto_publishes_files_without_a_media_server(self):
        for settings in ({'server_url': None},
                         {'server_url': 'http://127.0.0.1:9'}):
            self.assertEqual('file', self.new(
                self.deliveries('auto', **settings)).kind)

    def test_auto_does_not_ask_where_there_is_no_choice(self):
        self.assertEqual('stream', self.new(self.deliveries(
            'auto', server_url='http://127.0.0.1:9', http_url=None)).kind)

    def test_a_nodes_own_server_is_not_asked_behind_the_fence(self):
        url = self.healthy()
        for fence, kind in ((walls.Fence(), 'stream'),
                            (walls.Fence(loopback=False), 'file')):
            # A URL of its own, since answers are remembered.
            self.assertEqual(kind, self.new(self.deliveries(
                'auto', server_url=f'{url}/{kind}', fence=fence)).kind)
        self.assertEqual(['/stream/healthz'], self.paths)

    def test_auto_streams_where_the_server_is_healthy(self):
        url = self.healthy()
        for _attempt in range(3):
            self.assertEqual('stream', self.new(self.deliveries(
                'auto', server_url='http://192.0.2.99:1',
                health_url=url)).kind)
        # The answer is remembered for some seconds.
        self.assertEqual(['/healthz'], self.paths)

    def healthy(self):
        """Have a server that answers; return its URL."""
        self.paths = paths = []

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                paths.append(self.path)
                self.send_response(200)
                self.end_headers()

            def log_message(self, *args):
                pass

        server = http.server.HTTPServer(('127.0.0.1', 0), Handler)
        self.addCleanup(server.server_close)
        thread = threading.Thread(target=server.serve_forever,
                                  kwargs={'poll_interval': 0.01})
        thread.start()
        self.addCleanup(thread.join)
        self.addCleanup(server.shutdown)
        return f'http://127.0.0.1:{server.server_port}'
