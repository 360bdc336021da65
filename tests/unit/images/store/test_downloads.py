# SPDX-License-Identifier: Apache-2.0

"""Downloads of the image store: resumed, and shared by all who ask."""

import json
import os
import threading
import unittest.mock

import fixtures

from ironic_ext.images import errors
from ironic_ext.images import settings as image_settings
from ironic_ext.images.store import image_store
from tests.unit.images import fake_service
from tests.unit.images.store import base

CONTENT = base.CONTENT
SHA256 = base.SHA256
HREF = base.HREF


class ResumeTestCase(base.StoreTestCase):

    def test_a_broken_download_resumes(self):
        self.source.put(HREF, CONTENT, etag='"1"', cut=700000)
        self.failure(errors.ImageError)
        self.assertEqual([], self.objects())
        self.assertEqual(CONTENT, self.fetch(checksum=SHA256))
        self.assertEqual(len(CONTENT), self.source.sent)
        self.assertEqual(3, len(self.files()), self.files())

    def test_a_download_that_broke_at_several_places_resumes(self):
        self.source.put(HREF, CONTENT, etag='"1"', cut=400000, reverse=True)
        self.source.pages[HREF].cut = None
        store = self.new_store()
        real = image_store.downloads.partial.PartialFile.write

        def write(target, offset, data):
            if self.source.sent > 500000:
                raise errors.ImageError('broke off')
            real(target, offset, data)

        with unittest.mock.patch.object(
                image_store.downloads.partial.PartialFile, 'write', write):
            self.failure(errors.ImageError)
        self.assertEqual(CONTENT, self.fetch(checksum=SHA256, store=store))
        self.assertEqual(len(CONTENT), self.source.sent)

    def test_an_image_that_changed_meanwhile_starts_over(self):
        self.source.put(HREF, CONTENT, etag='"1"', cut=700000)
        self.failure(errors.ImageError)
        other = CONTENT[::-1]
        self.source.put(HREF, other, etag='"2"')
        self.assertEqual(other, self.fetch())

    def test_what_no_strong_validator_stands_for_starts_over(self):
        for etag in ('', 'W/"1"'):
            self.source.put(HREF, CONTENT, etag=etag, cut=700000)
            self.failure(errors.ImageError)
            self.assertNothingKept()

    def state(self):
        (path,) = (self.root / 'partial').glob('*.state')
        return path

    def test_a_damaged_state_starts_over(self):
        for damage in ('', '{}\n', '[]\n0 5\n', 'null\n', None, '5 3\n',
                       '0 %d\n' % (1 << 40), '-4 5\n', 'x 1\n', '7\n'):
            self.source.put(HREF, CONTENT, etag='"1"', cut=700000)
            self.failure(errors.ImageError)
            head, newline, _rest = self.state().read_text().partition('\n')
            if damage is None:
                self.state().unlink()
            elif damage[:1] in ('', '{', '[', 'n'):
                self.state().write_text(damage)
            else:
                self.state().write_text(head + newline + damage)
            self.source.sent = 0
            self.assertEqual(CONTENT, self.fetch(), damage)
            self.assertEqual(len(CONTENT), self.source.sent)
            self.store.prune(older_than=0)

    def test_a_line_that_was_not_finished_does_not_count(self):
        self.source.put(HREF, CONTENT, etag='"1"', cut=700000)
        self.failure(errors.ImageError)
        with self.state().open('a') as file:
            file.write('0 %d' % len(CONTENT))
        self.assertEqual(CONTENT, self.fetch(checksum=SHA256))

    def cut_power(self):
        self.source.put(HREF, CONTENT, etag='"1"', cut=700000)
        self.failure(errors.ImageError)
        head, *lines = self.state().read_text().split('\n')
        facts = {**json.loads(head), 'boot': 'another'}
        self.state().write_text('\n'.join([json.dumps(facts), *lines]))
        self.source.sent = 0

    def test_after_a_power_cut_nothing_is_resumed_that_nobody_judges(self):
        self.cut_power()
        self.assertEqual(CONTENT, self.fetch())
        self.assertEqual(len(CONTENT), self.source.sent)

    def test_after_a_power_cut_a_checksum_lets_a_download_resume(self):
        self.cut_power()
        self.assertEqual(CONTENT, self.fetch(checksum=SHA256))
        self.assertLess(self.source.sent, len(CONTENT))

    def test_bytes_that_a_power_cut_spoilt_are_downloaded_again(self):
        self.cut_power()
        (path,) = (path for path in (self.root / 'partial').iterdir()
                   if path.suffix != '.state')
        with path.open('r+b') as spoilt:
            spoilt.write(bytes(4096))
        self.assertEqual(CONTENT, self.fetch(checksum=SHA256))

    def test_after_a_failure_that_stays_nothing_is_left(self):
        self.source.put(HREF, CONTENT, etag='"1"', cut=700000)
        self.failure(errors.ImageError)
        self.source.put(HREF, CONTENT, etag='"1"')
        self.failure(errors.ChecksumError, checksum='0' * 64)
        self.assertNothingKept()


class ConcurrencyTestCase(base.StoreTestCase):

    def test_concurrent_requests_share_one_download(self):
        gate = threading.Event()
        self.source.put(HREF, CONTENT, gate=gate)
        results, seen = [], []
        threads = [threading.Thread(target=lambda: results.append(
            self.fetch(observer=seen.append))) for _number in range(20)]
        for thread in threads:
            thread.start()
        self.source.asked.wait(10)
        gate.set()
        for thread in threads:
            thread.join()
        self.assertEqual([CONTENT] * 20, results)
        self.assertEqual(1, self.source.calls['fetch'])
        self.assertEqual([], os.listdir(self.root / 'locks'))

    def test_who_waits_sees_how_far_the_other_download_is(self):
        half, gate = threading.Event(), threading.Event()

        class Slow(fake_service.FakeService):
            def fetch(self, href, target, known=None):
                target.begin(self.pages[href].version)
                target.write(0, CONTENT[:600000])
                half.set()
                gate.wait(30)
                target.write(600000, CONTENT[600000:])
                return self.pages[href].version

        self.source = Slow()
        self.source.put(HREF, CONTENT)
        self.useFixture(fixtures.MockPatch(
            'ironic_ext.images.store.download_lock._TELL_SECONDS', 0.02))
        seen = []

        def observe(progress):
            seen.append(progress)
            gate.set()

        first = threading.Thread(target=self.fetch)
        first.start()
        half.wait(10)
        self.assertEqual(CONTENT, self.fetch(observer=observe))
        first.join()
        self.assertEqual([('waiting', 600000, len(CONTENT))],
                         [(p.phase, p.received, p.size) for p in seen[:1]])
        self.assertEqual('done', seen[-1].phase)

    def test_a_request_after_the_download_asks_the_source_again(self):
        self.source.put(HREF, CONTENT, etag='"1"')
        self.fetch()
        self.fetch()
        self.assertEqual(2, self.source.calls['fetch'])

    def test_whoever_waited_for_a_download_that_failed_tries_himself(self):
        gate = threading.Event()
        self.source.put(HREF, CONTENT, etag='"1"', gate=gate, cut=0)
        results = []

        def request():
            try:
                results.append(self.fetch())
            except errors.ImageError as exc:
                results.append(str(exc))

        threads = [threading.Thread(target=request) for _number in range(2)]
        threads[0].start()
        self.source.asked.wait(10)
        threads[1].start()
        gate.set()
        for thread in threads:
            thread.join()
        self.assertEqual({False, True},
                         {result == CONTENT for result in results})

    def test_waiting_for_another_download_has_an_end(self):
        gate = threading.Event()
        self.source.put(HREF, CONTENT, gate=gate)
        thread = threading.Thread(target=self.fetch)
        thread.start()
        self.addCleanup(thread.join)
        self.addCleanup(gate.set)
        self.source.asked.wait(10)
        error = self.assertRaises(errors.ImageError, self.fetch,
                                  store=self.new_store(lock_timeout=0))
        self.assertIn('another download', str(error))

    def test_credentials_of_one_do_not_answer_another_who_waited(self):
        gate = threading.Event()
        self.source.put(HREF, CONTENT, gate=gate, etag='"1"')
        thread = threading.Thread(target=self.fetch)
        thread.start()
        self.source.asked.wait(10)
        other = self.new_store(settings=image_settings.Settings(
            access=image_settings.Access(token='t')))
        second = threading.Thread(target=self.fetch,
                                  kwargs={'store': other})
        second.start()
        gate.set()
        thread.join()
        second.join()
        self.assertEqual(2, self.source.calls['fetch'])
        self.assertEqual(1, self.source.calls['download'])
