# SPDX-License-Identifier: Apache-2.0

"""Origins of URLs, where a redirect leads, and when it has gone too far."""

import testtools

from ironic_ext.web import redirects


class RedirectsTest(testtools.TestCase):

    def test_an_origin_is_scheme_host_and_port(self) -> None:
        self.assertEqual(('https', 'h.test', 443),
                         redirects.origin('HTTPS://me:word@H.test/x'))
        self.assertEqual(('http', '::1', 8080),
                         redirects.origin('http://[::1]:8080'))
        for url in ('ftp://h/', 'https://', 'https://:80/', '/x', ''):
            self.assertIsNone(redirects.origin(url))
        for url in ('http://[x', 'http://h:99999/'):
            self.assertRaises(ValueError, redirects.origin, url)

    def test_a_place_is_relative_to_who_names_it(self) -> None:
        self.assertEqual('http://h/b', redirects.target('http://h/a', 'b'))
        self.assertEqual('http://h/ü', redirects.target(
            'http://h/a', '/ü'.encode().decode('latin-1')))

    def test_a_trail_ends_where_it_comes_back_or_is_too_long(self) -> None:
        trail = redirects.Trail('http://h/0', 2)
        trail.goes_on('http://h/1')
        loop = self.assertRaises(redirects.LoopError, trail.goes_on,
                                 'http://h/1')
        self.assertEqual(['http://h/1', 'http://h/1'], loop.circle)
        trail.goes_on('http://h/2')
        self.assertRaises(redirects.TooManyError, trail.goes_on,
                          'http://h/3')
