# SPDX-License-Identifier: Apache-2.0

"""Tests for media that end: revoked, expired, changed, out of reach."""

import contextlib
import dataclasses
import os
import pathlib
import time

import fixtures
import testtools

from ironic_ext.media.stream import contract
from tests.unit.media.stream import worker as stream_worker

TOKEN = stream_worker.TOKEN
LARGE = 16 << 20


class EndTest(testtools.TestCase):

    def setUp(self):
        super().setUp()
        self.path = pathlib.Path(
            self.useFixture(fixtures.TempDir()).path) / 'image.iso'
        self.path.touch()
        os.truncate(self.path, LARGE)
        self.logger = self.useFixture(fixtures.FakeLogger())
        self._start()

    def _start(self, **options):
        self.server = self.useFixture(
            stream_worker.RunningWorker(**options))
        self.media = self.server.surroundings.media
        self.server.serve(self.path)

    def _stream(self):
        """Return a socket in the middle of the image."""
        sock = self.server.connect(1 << 15)
        self.addCleanup(sock.close)
        sock.sendall(f'GET {stream_worker.PATH} HTTP/1.1\r\nHost: x\r\n\r\n'
                     .encode())
        self.assertTrue(sock.recv(100).startswith(b'HTTP/1.1 200'))
        return sock

    def _is_cut(self, sock, when_read=False):
        """Whether the image does not come to its end.

        :param when_read: the server notices only when it sends on.
        """
        if not when_read:
            stream_worker.await_true(
                lambda: self.server.count('cut_total') == 1, 'the cut')
        got = 0
        with contextlib.suppress(ConnectionResetError):
            while part := sock.recv(1 << 20):
                got += len(part)
        self.assertLess(got, LARGE)

    def _status(self):
        return self.server.request(Range='bytes=0-0')[0].status

    def test_a_revoked_token_is_gone_at_once(self):
        self.assertEqual(206, self._status())
        self.media[TOKEN] = contract.RevokedError('medium-1 was revoked')
        began = time.monotonic()
        stream_worker.await_true(lambda: self._status() == 410, 'the end')
        self.assertLess(time.monotonic() - began, 10)

    def test_revocation_ends_a_running_response(self):
        sock = self._stream()
        self.media[TOKEN] = contract.RevokedError('medium-1 was revoked')
        self._is_cut(sock)

    def test_a_medium_that_was_removed_ends_too(self):
        sock = self._stream()
        del self.media[TOKEN]
        self._is_cut(sock)
        self.assertEqual(404, self._status())

    def test_a_medium_admitted_during_a_check_is_not_taken_for_revoked(
            self):
        self._status()                  # from now on there are checks
        find = self.server.surroundings.find
        checks = []

        def slow_find(token):
            found = find(token)
            before = len(checks)
            stream_worker.await_true(lambda: len(checks) > before + 1,
                                     'a check in the meantime')
            return found

        still_valid = self.server.surroundings.still_valid

        def slow_check(medium_ids):
            valid = still_valid(medium_ids)
            checks.append(medium_ids)
            time.sleep(0.1)
            return valid

        self.server.surroundings.find = slow_find
        self.server.surroundings.still_valid = slow_check
        for number in range(5):
            token = 'V' * 22 + str(number)
            self.server.serve(self.path, token, id=f'medium-{number + 2}')
            response, body = self.server.request(f'/{token}')
            self.assertEqual((200, LARGE), (response.status, len(body)))
        self.assertEqual(0, self.server.count('cut_total'))

    def test_other_media_go_on(self):
        self.server.serve(self.path, 'U' * 22, id='medium-2')
        self.server.request('/' + 'U' * 22, Range='bytes=0-0')
        sock = self._stream()
        del self.media['U' * 22]
        stream_worker.await_true(
            lambda: self.server.request(
                '/' + 'U' * 22, Range='bytes=0-0')[0].status == 404,
            'the end of the other')
        self.assertEqual(0, self._rest(sock))

    def _rest(self, sock):
        """Read the rest; return the bytes of it that are missing."""
        left = LARGE - 1000                 # the head and what was read
        while left > 0 and (part := sock.recv(1 << 20)):
            left -= len(part)
        return max(left, 0)

    def test_an_expired_token_is_gone(self):
        self.media[TOKEN] = contract.ExpiredError('medium-1 expired')
        self.assertEqual(410, self._status())
        self.assertIn('medium-1 expired', self.logger.output)

    def test_expiry_ends_a_running_response(self):
        self.media[TOKEN] = dataclasses.replace(
            self.media[TOKEN], expires_at=time.time() + 0.5)
        sock = self._stream()
        stream_worker.await_true(
            lambda: time.time() >= self.media[TOKEN].expires_at, 'the time')
        self.media[TOKEN] = contract.ExpiredError('medium-1 expired')
        self._is_cut(sock)

    def test_a_prolonged_medium_goes_on(self):
        soon = dataclasses.replace(self.media[TOKEN],
                                   expires_at=time.time() + 0.3)
        self.media[TOKEN] = soon
        sock = self._stream()
        self.media[TOKEN] = dataclasses.replace(
            soon, expires_at=time.time() + 3600)
        stream_worker.await_true(
            lambda: time.time() >= soon.expires_at + 0.2, 'the time')
        self.assertEqual(206, self._status())
        self.assertEqual(0, self._rest(sock))

    def test_no_token_is_in_any_log(self):
        self._status()
        self.server.request(f'/{TOKEN}/other.iso')
        self.media[TOKEN] = contract.RevokedError('medium-1 was revoked')
        stream_worker.await_true(lambda: self._status() == 410, 'the end')
        self.server.request('/' + 'W' * 22)
        self.server.stop()
        self.assertIn('medium-1', self.logger.output)
        self.assertNotIn(TOKEN, self.logger.output)
        self.assertNotIn('W' * 22, self.logger.output)

    def test_a_short_outage_of_the_records_ends_nothing(self):
        sock = self._stream()
        self.server.surroundings.failure = contract.UnavailableError('down')
        stream_worker.await_true(
            lambda: self.server.count('catalogue_errors_total') > 2,
            'an outage')
        self.assertEqual(206, self._status())
        self.server.surroundings.failure = None
        self.assertEqual(0, self._rest(sock))

    def test_nobody_new_gets_in_during_an_outage(self):
        self.server.surroundings.failure = contract.UnavailableError('down')
        response, _body = self.server.request()
        self.assertEqual(503, response.status)
        self.assertEqual('5', response.headers['Retry-After'])

    def test_a_long_outage_ends_everything(self):
        self._start(outage_grace=0.2)
        sock = self._stream()
        self.server.surroundings.failure = contract.UnavailableError('down')
        self._is_cut(sock)
        self.assertEqual(503, self._status())
        self.server.surroundings.failure = None
        self.assertEqual(206, self._status())

    def test_an_error_nobody_thought_of_is_no_way_in(self):
        self.server.surroundings.failure = RuntimeError('a bug')
        self.assertEqual(500, self._status())

    def test_a_base_that_changes_ends_its_responses(self):
        for change in (self._rewrite, self._cut_short, self._grow):
            sock = self._stream()
            change()
            self._is_cut(sock, when_read=True)
            self.assertIn('was changed', self.logger.output)
            os.truncate(self.path, LARGE)
            self._start()

    def _rewrite(self):
        with self.path.open('r+b') as stream:
            stream.seek(LARGE // 2)
            stream.write(b'changed')

    def _cut_short(self):
        os.truncate(self.path, LARGE - 1)

    def _grow(self):
        os.truncate(self.path, LARGE + 1)

    def test_a_changed_base_is_opened_anew(self):
        self.assertEqual(206, self._status())
        self._rewrite()
        with contextlib.suppress(ConnectionError):
            self._status()
        self.assertEqual(206, self._status())
        self.assertEqual(2, len(self.server.surroundings.opened))

    def test_a_base_replaced_by_another_file_is_none_of_it(self):
        sock = self._stream()
        new = self.path.with_suffix('.new')
        new.write_bytes(b'another image')
        new.rename(self.path)
        self.assertEqual(0, self._rest(sock))

    def test_another_hard_link_is_no_change(self):
        sock = self._stream()
        os.link(self.path, self.path.with_suffix('.link'))
        self.assertEqual(0, self._rest(sock))

    def test_a_chmod_is_taken_for_a_change(self):
        sock = self._stream()
        self.path.chmod(0o600)
        self._is_cut(sock, when_read=True)

    def test_what_is_read_costs_one_lookup(self):
        for _ in range(30):
            self._status()
        self.assertEqual([TOKEN], self.server.surroundings.lookups)

    def test_a_medium_with_new_content_is_served_anew(self):
        etag = self.server.request(method='HEAD')[0].headers['ETag']
        other = self.path.with_suffix('.other')
        other.write_bytes(b'other content')
        self.media[TOKEN] = contract.RevokedError('replaced')
        stream_worker.await_true(lambda: self._status() == 410, 'the end')
        self.server.serve(other, digest='sha256:dd', base_digest='sha256:dd')
        response, body = self.server.request()
        self.assertEqual(b'other content', body)
        self.assertNotEqual(etag, response.headers['ETag'])
