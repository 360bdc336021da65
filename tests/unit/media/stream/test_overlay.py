# SPDX-License-Identifier: Apache-2.0

"""Tests for streamed overlays: every byte is that of the written image."""

import http.client
import json
import pathlib
import random

import fixtures
import testtools

from ironic_ext.iso import overlay as overlays
from ironic_ext.iso import segment_map
from ironic_ext.iso import segments
from ironic_ext.media.stream import base as file_base
from ironic_ext.media.stream import contract
from tests import unit
from tests.unit.media.stream import worker

BASE_SIZE = 200000


def random_segments(rng):
    """Return segments of all kinds, many of them tiny."""
    out = []
    for _ in range(rng.randrange(1, 60)):
        length = rng.choice((1, 7, 64, 2048, 30000))
        kind = rng.randrange(3)
        if kind == 0:
            out.append(segments.Literal(rng.randbytes(length)))
        elif kind == 1:
            out.append(segments.Zeros(length * rng.choice((1, 5))))
        else:
            out.append(segments.BaseRange(
                rng.randrange(BASE_SIZE - length), length))
    return out


class _Elsewhere:
    """A base that is on another host, until it is told otherwise."""

    def __init__(self, path):
        self._file = file_base.FileBase(path)
        self.fd = None
        self.reads = 0
        self.closed = False
        self.failure = None

    def arrive(self):
        self.fd = self._file.fd

    def read(self, offset, length):
        self.reads += 1
        if self.failure:
            raise self.failure
        return self._file.read(offset, length)

    def check(self):
        pass

    def close(self):
        self.closed = True
        self._file.close()


class _OverlayTest(testtools.TestCase):

    options: dict = {}

    def setUp(self):
        super().setUp()
        self.useFixture(unit.WithoutSync())
        self.folder = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        self.rng = random.Random(11)
        self.base = self.folder / 'base.iso'
        self.base.write_bytes(self.rng.randbytes(BASE_SIZE))
        self.server = self.useFixture(
            worker.RunningWorker(**self.options))

    def _serve(self, parts, token=worker.TOKEN, **fields):
        """Serve an overlay; return the bytes of the written image."""
        overlay = self.folder / 'node.overlay'
        written = self.folder / 'written.iso'
        with segment_map.SegmentMap(self.base, parts) as image:
            image.save(overlay)
            image.write(written)
            self.server.serve(self.base, token, **{
                'digest': image.digest, 'size': image.size,
                'overlay_path': str(overlay), **fields})
        return written.read_bytes()

    def _reads_as(self, content, token=worker.TOKEN, splits=60):
        """Compare ranges on one connection; then the whole."""
        connection = http.client.HTTPConnection('127.0.0.1',
                                                self.server.port, timeout=20)
        self.addCleanup(connection.close)

        def get(**headers):
            connection.request('GET', f'/{token}.iso', headers=headers)
            response = connection.getresponse()
            return response.status, response.read()

        self.assertEqual((200, content), get())
        for _ in range(splits):
            first = self.rng.randrange(len(content))
            end = min(len(content),
                      first + self.rng.choice((1, 100, 5000, 1 << 20)))
            self.assertEqual((206, content[first:end]),
                             get(Range=f'bytes={first}-{end - 1}'))
        cuts = sorted(self.rng.sample(range(1, len(content)), min(
            20, len(content) - 1)))
        parts = [get(Range=f'bytes={first}-{end - 1}')[1] for first, end
                 in zip([0, *cuts], [*cuts, len(content)])]
        self.assertEqual(content, b''.join(parts))


class OverlayTest(_OverlayTest):

    def test_every_split_is_the_written_image(self):
        for number in range(12):
            parts = random_segments(self.rng)
            token = f'{number:022}'
            content = self._serve(parts, token, id=f'medium-{number}')
            self._reads_as(content, token)

    def test_several_ranges_across_segments(self):
        content = self._serve(random_segments(self.rng))
        _response, body = self.server.request(
            Range='bytes=1-3,0-0,-5', method='GET')
        for part in (content[1:4], content[:1], content[-5:]):
            self.assertIn(b'\r\n\r\n' + part + b'\r\n--', body)

    def test_a_base_that_is_elsewhere_is_read_from_there(self):
        self.server.surroundings.make_base = _Elsewhere
        content = self._serve(random_segments(self.rng))
        self._reads_as(content)
        self.assertGreater(self.server.count('remote_bytes_total'), 0)

    def test_a_base_that_arrives_is_read_here_from_then_on(self):
        self.server.surroundings.make_base = _Elsewhere
        content = self._serve([segments.BaseRange(0, BASE_SIZE)])
        self._reads_as(content)
        base, = self.server.surroundings.opened
        base.arrive()
        before = base.reads
        self._reads_as(content)
        self.assertEqual(before, base.reads)

    def test_a_source_that_fails_ends_the_response(self):
        self.server.surroundings.make_base = _Elsewhere
        self._serve([segments.BaseRange(0, BASE_SIZE)])
        for failure in (contract.BaseMissingError('gone'),
                        contract.BaseChangedError('another'),
                        RuntimeError('a bug')):
            self.server.request(Range='bytes=0-0')
            self.server.surroundings.opened[-1].failure = failure
            self.assertRaises(
                (http.client.IncompleteRead, ConnectionResetError),
                self.server.request)
            self.server.surroundings.opened[-1].failure = None

    def test_one_base_is_opened_once(self):
        content = self._serve([segments.BaseRange(0, 5000)])
        for number in range(20):
            token = f'{number:022}'
            self.server.surroundings.media[token] = (
                self.server.surroundings.media[worker.TOKEN])
            self.assertEqual(content, self.server.request(f'/{token}')[1])
        self.assertEqual(1, len(self.server.surroundings.opened))


class RefusedOverlayTest(_OverlayTest):
    """An overlay that does not fit its record or base serves nothing."""

    def _is_refused(self, status=500):
        response, _body = self.server.request()
        self.assertEqual(status, response.status)

    def test_another_overlay_than_was_published(self):
        self._serve([segments.Literal(b'x' * 100)], digest='sha256:00')
        self._is_refused()

    def test_another_size_than_was_published(self):
        self._serve([segments.Literal(b'x' * 100)], size=99)
        self._is_refused()

    def test_another_base_of_the_same_size(self):
        self._serve([segments.BaseRange(0, 100)])
        self.base.write_bytes(self.rng.randbytes(BASE_SIZE))
        self._is_refused()

    def test_a_base_that_was_cut(self):
        self._serve([segments.BaseRange(0, 100)])
        self.base.write_bytes(self.base.read_bytes()[:70000])
        self._is_refused()

    def test_a_damaged_overlay(self):
        self._serve([segments.Literal(b'x' * 100)])
        overlay = self.folder / 'node.overlay'
        overlay.write_bytes(overlay.read_bytes()[:-1] + b'y')
        self._is_refused(503)

    def test_no_overlay(self):
        self._serve([segments.Literal(b'x' * 100)])
        (self.folder / 'node.overlay').unlink()
        self._is_refused(503)

    def test_a_plain_image_of_another_size(self):
        self.server.serve(self.base, size=5)
        self._is_refused()

    def test_no_base(self):
        self._serve([segments.BaseRange(0, 100)])
        self.base.unlink()
        self._is_refused(503)

    def test_segments_outside_the_base_are_not_served(self):
        # Only who forges the digest in the record as well comes this far.
        self._serve([segments.BaseRange(0, 100)])
        overlay = self.folder / 'node.overlay'
        for offset in (BASE_SIZE - 50, -1):
            magic, _length, rest = overlay.read_bytes().split(b'\n', 2)
            head = json.loads(rest)
            head['segments'] = [['base', 100, offset]]
            text = json.dumps(head, sort_keys=True,
                              separators=(',', ':')).encode()
            overlay.write_bytes(b'%s\n%d\n%s' % (magic, len(text), text))
            opened = overlays.Overlay.parse(overlay.read_bytes())
            self._is_refused_forged(overlay, opened.digest)

    def _is_refused_forged(self, overlay, digest):
        self.server.serve(self.base, digest=digest, size=100,
                          overlay_path=str(overlay))
        self._is_refused(503)
