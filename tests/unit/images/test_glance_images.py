# SPDX-License-Identifier: Apache-2.0

"""Tests for images in Glance, with openstacksdk's proxy made up."""

import dataclasses
import datetime
import hashlib
import io
import typing

import fixtures
from keystoneauth1 import exceptions as ks_exceptions
from openstack import exceptions as sdk_exceptions
from openstack.image.v2 import image as sdk_image
import requests
import testtools

from ironic_ext.images import errors
from ironic_ext.images import glance
from ironic_ext.images import settings

UUID = '7a1b2c3d-0000-4000-8000-123456789abc'
CONTENT = bytes(range(256)) * 4


@dataclasses.dataclass
class Answer:
    """As far as requests.Response is used."""

    status_code: int
    content: bytes = b''
    headers: dict[str, str] = dataclasses.field(default_factory=dict)
    error: Exception | None = None
    closed: bool = False

    def iter_content(self, size: int) -> typing.Iterator[bytes]:
        for start in range(0, len(self.content), 100):
            yield self.content[start:start + 100]
        if self.error:
            raise self.error

    def close(self) -> None:
        self.closed = True

    def __enter__(self) -> 'Answer':
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


class Proxy:
    """openstacksdk's image proxy: ``data`` and ``errors`` go first."""

    def __init__(self) -> None:
        self.image = {
            'id': UUID, 'status': 'active', 'size': len(CONTENT),
            'checksum': hashlib.md5(
                CONTENT, usedforsecurity=False).hexdigest(),
            'os_hash_algo': 'sha512',
            'os_hash_value': hashlib.sha512(CONTENT).hexdigest(),
            'updated_at': '2026-11-21T10:00:00Z', 'kernel_id': 'k',
            'os_secure_boot': 'required', 'ours': 'x'}
        self.errors: list[Exception] = []
        self.answers: list[Answer] = []
        self.given: list[Answer] = []
        self.ranges: list[str | None] = []
        self.asked = 0

    def get_image(self, name: str) -> sdk_image.Image:
        self.asked += 1
        if self.errors:
            raise self.errors.pop(0)
        assert name == UUID
        return sdk_image.Image.existing(**self.image)

    def get(self, url: str, headers: dict[str, str], stream: bool,
            timeout: tuple[float, float]) -> Answer:
        assert url == f'/images/{UUID}/file' and stream
        self.ranges.append(headers.get('Range'))
        if self.answers:
            answer = self.answers.pop(0)
        else:
            first, _, last = headers['Range'].removeprefix(
                'bytes=').partition('-')
            part = CONTENT[int(first):int(last) + 1 if last else None]
            answer = Answer(206, part, {
                'Content-Range': f'bytes {first}-x/{len(CONTENT)}'})
        self.given.append(answer)
        return answer


def _http(status: int) -> Exception:
    answer = requests.Response()
    answer.status_code = status
    kind = {403: sdk_exceptions.ForbiddenException,
            404: sdk_exceptions.NotFoundException}.get(
                status, sdk_exceptions.HttpException)
    return kind(response=answer)


class GlanceTestCase(testtools.TestCase):

    def setUp(self):
        super().setUp()
        self.useFixture(fixtures.FakeLogger())
        self.proxy = Proxy()
        self.service = self.make()

    def make(self, **given):
        return glance.GlanceImageService(settings.Settings(**{
            'glance': lambda: self.proxy, 'retry_interval': 0, 'retries': 2,
            **given}))

    def download(self):
        found = io.BytesIO()
        self.service.download(UUID, found)
        for answer in self.proxy.given:
            self.assertTrue(answer.closed)
        return found.getvalue()

    def failure(self, kind):
        error = self.assertRaises(kind, self.service.stat, UUID)
        self.assertIn(UUID, str(error))
        return str(error)

    def test_properties_have_the_names_of_the_api(self):
        self.assertEqual({'kernel_id': 'k', 'os_secure_boot': 'required',
                          'ours': 'x'}, self.service.stat(UUID).properties)

    def test_times_are_naive_utc(self):
        for text in ('2026-11-21T10:00:00Z', '2026-11-21T12:00:00+02:00',
                     '2026-11-21T10:00:00'):
            self.proxy.image['updated_at'] = text
            self.assertEqual(datetime.datetime(2026, 11, 21, 10),
                             self.service.stat(UUID).updated_at)
        self.proxy.image['updated_at'] = 'once'
        self.assertIsNone(self.service.stat(UUID).updated_at)

    def test_md5_counts_where_the_site_allows_it_and_nothing_is_better(self):
        self.assertEqual('sha512',
                         self.service.stat(UUID).checksum.algorithm)
        self.proxy.image['os_hash_value'] = None
        self.assertIsNone(self.service.stat(UUID).checksum)
        self.service = self.make(allow_md5=True)
        self.assertEqual('md5', self.service.stat(UUID).checksum.algorithm)

    def test_an_image_without_any_hash_is_never_taken_for_known(self):
        self.proxy.image.update(os_hash_value=None, checksum=None)
        version = self.service.stat(UUID)
        self.assertIsNone(version.strong_etag)
        self.assertIsNotNone(self.service.fetch(
            UUID, nowhere(), version))

    def test_a_store_without_ranges_gives_the_whole(self):
        self.proxy.answers = [Answer(400), Answer(200, CONTENT)]
        self.assertEqual(CONTENT, self.download())
        self.assertEqual([f'bytes=0-{len(CONTENT) - 1}', None],
                         self.proxy.ranges)

    def test_a_part_is_cut_out_of_an_answer_that_is_whole(self):
        self.proxy.answers = [Answer(200, CONTENT)]
        self.assertEqual(CONTENT[250:330],
                         self.service.read_range(UUID, 250, 80))
        self.assertTrue(self.proxy.given[0].closed)

    def test_what_broke_off_goes_on_from_there(self):
        self.proxy.answers = [
            Answer(206, CONTENT[:300], {'Content-Range': 'bytes 0-1023/*'},
                   requests.exceptions.ChunkedEncodingError()),
            Answer(206, CONTENT[300:400],
                   {'Content-Range': 'bytes 300-1023/*'})]
        self.assertEqual(CONTENT, self.download())
        self.assertEqual(['bytes=0-1023', 'bytes=300-1023',
                          'bytes=400-1023'], self.proxy.ranges)

    def test_tries_that_bring_something_do_not_count(self):
        # More of them than there are retries.
        self.proxy.answers = [
            Answer(206, CONTENT[i:i + 1],
                   {'Content-Range': f'bytes {i}-1023/*'})
            for i in range(10)]
        self.assertEqual(CONTENT, self.download())

    def test_it_is_given_up_when_nothing_comes(self):
        self.proxy.answers = [Answer(503)] * 10
        error = self.assertRaises(errors.ImageError, self.download)
        self.assertIn('503', str(error))
        self.assertEqual(3, len(self.proxy.ranges))

    def test_another_part_than_asked_for_is_refused(self):
        for value in ('bytes 5-1023/1024', 'nonsense', ''):
            self.proxy.answers = [
                Answer(206, CONTENT, {'Content-Range': value})]
            self.assertRaises(errors.ImageError, self.download)

    def test_answers_have_meanings(self):
        for status, kind in ((401, errors.ImageAccessError),
                             (403, errors.ImageAccessError),
                             (404, errors.ImageNotFoundError),
                             (410, errors.ImageNotFoundError),
                             (409, errors.ImageError)):
            self.proxy.errors = [_http(status)]
            self.failure(kind)
            self.proxy.answers = [Answer(status)]
            self.assertRaises(kind, self.download)
        self.proxy.answers = [Answer(204)]
        self.assertRaises(errors.ImageNotFoundError, self.download)

    def test_what_may_pass_is_tried_again(self):
        self.proxy.errors = [_http(503), ks_exceptions.ConnectFailure()]
        self.service.stat(UUID)
        self.assertEqual(3, self.proxy.asked)

    def test_keystone_is_told_from_glance(self):
        self.proxy.errors = [ks_exceptions.Unauthorized(
            'user ironic in project service')]
        text = self.failure(errors.ImageAccessError)
        self.assertIn('Keystone', text)
        self.assertNotIn('project service', text)
        self.proxy.errors = [ks_exceptions.EndpointNotFound()]
        self.assertIn('EndpointNotFound', self.failure(errors.ImageError))
        self.proxy.errors = [ks_exceptions.SSLError()]
        self.assertIn('[glance] of ironic.conf (cafile',
                      self.failure(errors.ImageError))

    def test_a_command_says_where_its_own_login_is(self):
        self.service = self.make(glance_login='clouds.yaml')
        for problem, kind in (
                (ks_exceptions.Unauthorized(), errors.ImageAccessError),
                (_http(403), errors.ImageAccessError),
                (ks_exceptions.EndpointNotFound(), errors.ImageError),
                (ks_exceptions.SSLError(), errors.ImageError)):
            self.proxy.errors = [problem]
            text = self.failure(kind)
            self.assertIn('clouds.yaml', text)
            self.assertNotIn('[glance]', text)

    def test_what_is_no_uuid_is_no_image(self):
        for href in ('glance://x', 'glance://', f'glance://{UUID}/x',
                     f'glance://{UUID}?x'):
            self.assertRaises(errors.HrefError, self.service.stat, href)
        self.assertRaises(errors.HrefError, self.make(glance=None).stat,
                          UUID)


def nowhere():
    """Return a target that keeps nothing."""
    class Nothing:
        def begin(self, version):
            return [(0, version.size)]

        def write(self, offset, data):
            pass

    return Nothing()
