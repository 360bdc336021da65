# SPDX-License-Identifier: Apache-2.0

"""Media servers on several hosts: one database, an image store for each."""

import os
import pathlib
import subprocess
import tempfile
import urllib.error
import urllib.request

import fixtures
from oslo_config import cfg
import testtools

from ironic_ext import conf as options
from ironic_ext.images import configured
from ironic_ext import iso
from ironic_ext.iso import segments
from ironic_ext.media import delivery
from ironic_ext.media import medium as media
from ironic_ext.media import publish
from ironic_ext.media import records
from lab import media_server
from lab import process
from tests import fault_server
from tests.functional import database_servers
from tests import isos

NODE = '1be26c0b-03f2-4d2e-ae87-c02d7f33c123'
_EXTRA = """
[ext_images]
cache_dir = {directory}/other-store
stall_timeout = 15

[ext_media]
connection = {connection}
"""


def get(url, first=None, last=None):
    """Return (status, body) of an answer, of a range if one is given."""
    request = urllib.request.Request(url)
    if first is not None:
        request.add_header('Range', f'bytes={first}-{last}')
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as exc:
        with exc:
            return exc.code, exc.read()


class _StallOnce:
    """The download gets stuck once; what is read beside it does not."""

    def __init__(self):
        self._stuck = False

    def __call__(self, reply, resource):
        if not self._stuck and len(memoryview(reply.body)) > 2 << 20:
            self._stuck = True
            reply.stall = 1 << 20


class _Web(fixtures.Fixture):

    def _setUp(self):
        serving = fault_server.serving()
        self.server = serving.__enter__()
        self.addCleanup(serving.__exit__, None, None, None)


class Hosts(testtools.TestCase):
    """A conductor with the base, and a media server elsewhere without."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.database = database_servers.shared(database_servers.PostgreSQL)
        # Of the size that makes a download last.
        cls.base = (isos.shared('hybrid').read_bytes()
                    + os.urandom(20 << 20))

    def setUp(self):
        super().setUp()
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.directory = pathlib.Path(folder.name)
        self.web = self.useFixture(_Web()).server
        self.resource = self.web.add('/live.iso', self.base)
        self.connection = self.database.database()
        self.server = media_server.MediaServer(
            'media-server', self.directory, self.directory,
            extra=_EXTRA.format(directory=self.directory,
                                connection=self.connection))
        self.records = records.MediaRecords(self.connection)
        self.addCleanup(self.records.close)
        self.prepare_database()
        self.addCleanup(self.server.stop)
        self.server.start()
        self.conductor = self.store('store')

    def prepare_database(self):
        """Make the tables."""
        self.records.upgrade()

    def store(self, name):
        """Return the image store of one of the hosts."""
        conf = cfg.ConfigOpts()
        options.register_opts(conf)
        configured.register_ironic_opts(conf)
        conf([])
        conf.set_override('cache_dir', str(self.directory / name),
                          'ext_images')
        conf.set_override('min_free_space', 0, 'ext_images')
        return configured.store_from(conf, configured.settings_from(conf))

    def deliver(self, fenced=False):
        """Make a stream as a conductor does; return it and its bytes.

        :param fenced: whether an owner of nodes chose the base.
        """
        href = self.web.url + '/live.iso'
        deliveries = delivery.Deliveries(
            NODE, 'node-7',
            delivery.Settings(media.Kind.STREAM, self.server.url),
            publish.MediaStore('', ''), lambda: self.records,
            lambda: self.conductor)
        medium = deliveries.new(media.Purpose.INSTANCE)
        with self.conductor.lease(href) as base:
            self.digest = base.digest
            with iso.IsoImage.open(base.path) as image, iso.inject(
                    image, iso.Injection(append_args='node=seven',
                                         files={'/x': b'x'})) as customised:
                path = self.directory / 'customised.iso'
                customised.write(path)
                delivered = deliveries.deliver(
                    medium, customised, media.Origin(
                        base.digest, base.size, base.href, href,
                        base.version.strong_etag or '', fenced))
        return delivered, path.read_bytes()

    def has_base(self):
        with self.store('other-store').open(self.digest) as image:
            return image is not None


class ReplicaTestCase(Hosts):

    def test_what_is_asked_for_comes_at_once_while_the_base_is_fetched(self):
        delivered, wanted = self.deliver()
        self.resource.always = _StallOnce()
        middle = len(wanted) // 2
        self.assertEqual(
            (206, wanted[middle:middle + 5000]),
            get(delivered.url, middle, middle + 4999))
        # Beside the download, which is stuck for as long as it may be.
        self.assertFalse(self.has_base())
        # Then it goes on, and what is read later is here.
        process.await_condition(self.has_base, 'the base to be fetched',
                                timeout=90)

        def is_here():
            before = len(self.web.requests)
            self.assertEqual((200, wanted), get(delivered.url))
            return before == len(self.web.requests)

        # Whoever serves hears of it a moment later.
        process.await_condition(is_here, 'the base to be read', timeout=30)

    def test_an_image_of_literals_alone_needs_no_base_anywhere(self):
        content = self.base[:1 << 20]
        deliveries = delivery.Deliveries(
            NODE, 'node-7',
            delivery.Settings(media.Kind.STREAM, self.server.url),
            publish.MediaStore('', ''), lambda: self.records,
            lambda: self.conductor)
        nothing = self.directory / 'nothing'
        nothing.touch()
        with iso.SegmentMap(nothing, segments.sparse(
                segments.Literal(content))) as image:
            delivered = deliveries.deliver(
                deliveries.new(media.Purpose.DATA), image,
                media.Origin('sha256:' + '0' * 64, 0, 'some files'))
        self.assertEqual((200, content), get(delivered.url))
        self.assertEqual((206, content[70000:80000]),
                         get(delivered.url, 70000, 79999))

    def test_an_owners_url_does_not_lead_to_loopback_here_either(self):
        # Where the name had another address when the conductor asked.
        delivered, _wanted = self.deliver(fenced=True)
        before = len(self.web.requests)
        self.assertEqual(503, get(delivered.url, 0, 99)[0])
        self.assertEqual(before, len(self.web.requests))
        self.assertFalse(self.has_base())

    def test_a_source_that_promises_nothing_is_waited_for(self):
        self.resource.etag = None
        delivered, wanted = self.deliver()
        self.assertEqual((206, wanted[70000:80000]),
                         get(delivered.url, 70000, 79999))
        self.assertTrue(self.has_base())
        self.assertEqual((200, wanted), get(delivered.url))

    def test_a_base_that_was_replaced_at_its_source_is_not_served(self):
        delivered, _wanted = self.deliver()
        self.resource.content = bytes(len(self.base))
        self.resource.etag = '"v2"'
        status, body = get(delivered.url, 0, 4999)
        self.assertEqual(503, status)
        self.assertNotIn(bytes(100), body)
        self.assertFalse(self.has_base())

    def test_a_replacement_that_hides_behind_its_old_tag_is_not_kept(self):
        self.resource.etag = None
        delivered, _wanted = self.deliver()
        self.resource.content = bytes(len(self.base))
        self.assertEqual(503, get(delivered.url, 0, 4999)[0])
        self.assertFalse(self.has_base())

    def test_a_stream_that_was_revoked_ends_here_too(self):
        delivered, wanted = self.deliver()
        self.assertEqual((200, wanted), get(delivered.url))
        self.records.revoke(delivered.medium.id)
        process.await_condition(lambda: self._is_gone(delivered.url),
                                'the stream to end', timeout=10,
                                interval=0.05)

    def _is_gone(self, url):
        try:
            return get(url, 0, 99)[0] == 410
        except ConnectionError:
            # It ended in the middle of this answer.
            return False


class UpgradeTestCase(Hosts):
    """The tables made by an operator."""

    def prepare_database(self):
        command = [media_server.PROGRAM, '--config-file', self.server.config]
        refused = subprocess.run(command, capture_output=True, text=True)
        self.assertEqual(1, refused.returncode)
        self.assertIn('ironic-media-server --upgrade', refused.stderr)
        subprocess.run([*command, '--upgrade'], check=True)

    def test_the_server_works_after_its_command_made_the_tables(self):
        delivered, wanted = self.deliver()
        self.assertEqual((200, wanted), get(delivered.url))
