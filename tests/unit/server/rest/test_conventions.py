# SPDX-License-Identifier: Apache-2.0

"""Bodies and queries of operators."""

import falcon.testing
import testtools

from ironic_ext.server import errors
from ironic_ext.server.rest import bodies
from ironic_ext.server.rest import conventions


class RequestTestCase(testtools.TestCase):
    """Bodies and queries of strangers."""

    def body(self, data, kind='application/json', limit=9000, length=None):
        environ = falcon.testing.create_environ(
            method='POST', headers={'Content-Type': kind, 'Content-Length':
                                    str(length or len(data))})
        if data is not None:
            environ[bodies.BODY] = data
        return bodies.document(falcon.Request(environ), limit)

    def test_yaml_and_json_are_alike(self):
        self.assertEqual({'a': ['2026-01-01', True]}, self.body(
            b'a: [2026-01-01, true]', 'application/yaml'))
        self.assertEqual({'a': 1}, self.body(b'{"a": 1}'))

    def test_what_no_json_can_be_is_refused(self):
        for data, kind in (
                (b'{"a": NaN}', 'application/json'),
                (b'[' * 5000, 'application/json'),
                (b'[' * 60 + b']' * 60, 'application/json'),
                (b'"\\ud800"', 'application/json'),
                (b'\xff', 'application/json'), (b'', 'application/json'),
                (b'1: 2', 'application/yaml'),
                (b'a: .inf', 'application/yaml'),
                (b'a: !!python/name:os.system x', 'application/yaml'),
                (b'a: &a [1]\nb: *a', 'application/yaml'),
                (b'a: !!binary aGk=', 'application/yaml'),
                (b'a: b: c', 'application/yaml')):
            with self.subTest(data=data[:20]):
                self.assertRaises(errors.BadRequestError, self.body, data,
                                  kind)

    def test_a_large_body_is_refused_before_it_is_read(self):
        self.assertRaises(errors.TooLargeError, self.body, b'{}',
                          length=1 << 30)

    def test_other_types_are_refused(self):
        for kind in ('text/plain', 'application/x-www-form-urlencoded', ''):
            self.assertRaises(errors.MediaTypeError, self.body, b'{}', kind)

    def test_a_body_that_is_not_here_yet_is_wanted(self):
        error = self.assertRaises(bodies.Wanted, self.body, None, length=9)
        self.assertEqual(9000, error.limit)

    def test_queries_are_checked(self):
        for query in ('limit=0', 'limit=x', 'limit=-1', 'limit=1&limit=2',
                      'limit=99999999999', 'limit=\u0663'):
            req = falcon.Request(falcon.testing.create_environ(
                query_string=query))
            self.assertRaises(errors.BadRequestError, conventions.limit, req)
        for token in ('x', 'W10=', 'WzFd', '"'):
            self.assertRaises(errors.BadRequestError,
                              conventions.parse_continued, token, 3)
        self.assertEqual(['a', 'ä'], conventions.parse_continued(
            conventions.continued(['a', 'ä']), 2))
