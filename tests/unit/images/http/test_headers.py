# SPDX-License-Identifier: Apache-2.0

"""Tests of what the headers of an HTTP answer are taken for."""

import datetime

from oslotest import base

from ironic_ext.images.http import headers as http_headers
from ironic_ext.images import service

_OLD = 'Thu, 01 Jan 2026 00:00:00 GMT'
_NEW = 'Thu, 01 Jan 2026 00:00:30 GMT'
_LATER = 'Thu, 01 Jan 2026 00:02:00 GMT'


class ContentRangeTestCase(base.BaseTestCase):

    def found(self, text):
        return http_headers.content_range({'Content-Range': text})

    def test_a_span_ends_before_its_end(self):
        found = self.found('bytes 5-9/100')
        self.assertEqual(((5, 10), 100), (found.span, found.size))

    def test_the_size_may_be_open(self):
        self.assertIsNone(self.found('bytes 5-9/*').size)

    def test_the_span_may_be_unsatisfied(self):
        found = self.found('bytes */100')
        self.assertEqual((None, 100), (found.span, found.size))

    def test_what_makes_no_sense_is_none(self):
        for text in ('', 'bytes 9-5/100', 'bytes 5-100/100', 'items 1-2/3',
                     'bytes 1-2', f'bytes 1-{10 ** 19}/*', 'bytes -1-2/3'):
            self.assertIsNone(self.found(text), text)


class ContentLengthTestCase(base.BaseTestCase):

    def test_digits_are_a_length(self):
        self.assertEqual(12, http_headers.content_length(
            {'Content-Length': ' 12 '}))

    def test_anything_else_is_open(self):
        for headers in ({}, {'Content-Length': '-1'},
                        {'Content-Length': '1, 2'},
                        {'Content-Length': '9' * 30},
                        {'Content-Length': '5',
                         'Transfer-Encoding': 'chunked'}):
            self.assertIsNone(http_headers.content_length(headers))


class ValidatorTestCase(base.BaseTestCase):

    def test_a_strong_entity_tag_ties_parts_together(self):
        self.assertEqual('"a"', http_headers.strong_validator(
            {'ETag': '"a"'}))

    def test_a_weak_one_does_not(self):
        self.assertIsNone(http_headers.strong_validator(
            {'ETag': 'W/"a"', 'Last-Modified': _OLD, 'Date': _LATER}))

    def test_a_date_does_once_it_has_settled(self):
        self.assertEqual(_OLD, http_headers.strong_validator(
            {'Last-Modified': _OLD, 'Date': _LATER}))
        self.assertIsNone(http_headers.strong_validator(
            {'Last-Modified': _OLD, 'Date': _NEW}))
        self.assertIsNone(http_headers.strong_validator(
            {'Last-Modified': _OLD}))
        self.assertIsNone(http_headers.strong_validator(
            {'Last-Modified': 'yesterday', 'Date': _LATER}))

    def test_an_entity_tag_is_preferred_as_condition(self):
        self.assertEqual({}, http_headers.condition(None))
        self.assertEqual(
            {'If-None-Match': 'W/"a"'}, http_headers.condition(
                service.ImageVersion(etag='W/"a"', last_modified=_OLD)))
        self.assertEqual(
            {'If-Modified-Since': _OLD}, http_headers.condition(
                service.ImageVersion(last_modified=_OLD)))


class SameTestCase(base.BaseTestCase):

    def assertSame(self, same, one, other):
        self.assertEqual(same, http_headers.same(
            service.ImageVersion(**one), service.ImageVersion(**other)))

    def test_what_only_one_answer_says_is_no_difference(self):
        self.assertSame(True, {'size': 5}, {})
        self.assertSame(True, {'last_modified': _OLD}, {})

    def test_what_both_say_differently_is(self):
        self.assertSame(False, {'size': 5}, {'size': 6})
        self.assertSame(False, {'etag': '"a"'}, {'etag': '"b"'})
        self.assertSame(False, {'last_modified': _OLD},
                        {'last_modified': _NEW})

    def test_an_answer_that_lost_its_entity_tag_is_another_server_s(self):
        self.assertSame(False, {'etag': '"a"'}, {})


class RetryAfterTestCase(base.BaseTestCase):

    def test_seconds_are_seconds(self):
        self.assertEqual(120, http_headers.retry_after(
            {'Retry-After': '120'}))

    def test_a_date_counts_from_the_server_s_clock(self):
        self.assertEqual(30, http_headers.retry_after(
            {'Retry-After': _NEW, 'Date': _OLD}))
        self.assertEqual(0, http_headers.retry_after(
            {'Retry-After': _OLD, 'Date': _NEW}))

    def test_anything_else_is_now(self):
        for text in ('', 'soon', '-5', '1.5'):
            self.assertEqual(0, http_headers.retry_after(
                {'Retry-After': text}))


class VersionTestCase(base.BaseTestCase):

    def test_a_date_is_naive_utc(self):
        version = http_headers.version(
            {'Last-Modified': 'Thu, 01 Jan 2026 01:00:00 +0100'}, 5,
            ranges=True)
        self.assertEqual(datetime.datetime(2026, 1, 1), version.updated_at)

    def test_a_date_that_is_none_is_left_out(self):
        for text in ('', 'yesterday', 'Thu, 99 Jan 2026 00:00:00 GMT'):
            self.assertIsNone(http_headers.version(
                {'Last-Modified': text}, None, ranges=False).updated_at)

    def test_a_server_may_ask_not_to_keep_it(self):
        for text, kept in (('max-age=60', True), ('No-Cache', False),
                           ('private, no-store', False)):
            self.assertEqual(not kept, http_headers.version(
                {'Cache-Control': text}, None, ranges=False).no_cache)
