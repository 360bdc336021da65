# SPDX-License-Identifier: Apache-2.0

"""Links to a host elsewhere: which URLs are any, and who gets them."""

import unittest.mock

import falcon
import falcon.testing
import testtools

from ironic_ext.server import errors
from ironic_ext.server.rest import host_links
from ironic_ext.server.rest import policies
from tests.unit.node import test_host as test_hosts


class PublicUrlTestCase(testtools.TestCase):

    def test_a_version_and_a_slash_at_the_end_are_no_part_of_it(self):
        for text in ('https://ironic.example.com:6385',
                     'https://ironic.example.com:6385/',
                     'https://ironic.example.com:6385/v1/'):
            self.assertEqual('https://ironic.example.com:6385',
                             host_links.public_url(text))
        self.assertEqual('https://example.com/baremetal',
                         host_links.public_url(
                             'https://example.com/baremetal/v1'))
        self.assertEqual('', host_links.public_url(None))

    def test_what_no_browser_should_open_is_refused(self):
        for text in ('ftp://ironic.example.com', 'ironic.example.com',
                     'https://admin:secret@ironic.example.com',
                     'javascript:alert(1)', 'https://', 'https://[::1',
                     'https://a.example.com:x', 'https://a b.example.com',
                     'https://a.example.com/\n'):
            error = self.assertRaises(ValueError, host_links.public_url,
                                      text)
            self.assertIn('ironic_public_url', str(error))
            self.assertNotIn('secret', str(error))


class ConsoleTestCase(testtools.TestCase):
    """What Ironic says of a console, as it is told."""

    def test_type_and_url_are_told(self):
        found = {'type': 'socat', 'url': 'tcp://192.0.2.1:8023'}
        self.assertEqual({'enabled': True, **found},
                         host_links.console({**found, 'more': 'no'}))

    def test_what_is_no_console_is_none(self):
        for found in (None, [], 'x'):
            self.assertEqual({'enabled': False}, host_links.console(found))

    def test_drivers_may_say_less(self):
        for found in ({}, {'type': None, 'url': 7}, {'type': '', 'url': ''}):
            self.assertEqual({'enabled': True}, host_links.console(found))

    def test_a_password_in_a_url_is_not_told(self):
        for url in ('https://admin:secret@192.0.2.1/x',
                    '//admin:secret@192.0.2.1/x', 'admin:secret@192.0.2.1/x',
                    'ssh://admin:se@cret@192.0.2.1/x'):
            said = host_links.console({'url': url})['url']
            self.assertNotIn('cret', said)
            self.assertIn('***@192.0.2.1/x', said)
        for url in ('https://192.0.2.1/a@b', 'https://192.0.2.1/?a=b@c'):
            self.assertEqual(url, host_links.console({'url': url})['url'])

    def test_a_url_is_one_line_and_has_an_end(self):
        said = host_links.console({
            'type': 'a\x1b[2J', 'url': 'http://x/\n' + 'y' * 10000})
        self.assertEqual('a\\x1b[2J', said['type'])
        self.assertTrue(said['url'].startswith('http://x/\\n'))
        self.assertEqual(2048, len(said['url']))


class ResourcesTestCase(testtools.TestCase):

    def setUp(self):
        super().setUp()
        self.shared, self.api = unittest.mock.Mock(), unittest.mock.Mock()
        self.host = test_hosts.host()
        self.shared.seen.return_value.host = self.host
        self.shared.now.return_value = self.host
        self.api.public_url.return_value = 'https://ironic.example.com/v1/'
        self.api.has_console.return_value = True

    def ask(self, url=None):
        """Return what is told of the host."""
        app = falcon.App()
        app.add_route('/{namespace}/{name}', host_links.HostLinks(
            self.shared, self.api, url))
        return falcon.testing.TestClient(app).simulate_get('/a/b').json

    def node(self, base):
        return f'{base}/v1/nodes/{self.host.uuid}'

    def test_the_catalogs_public_endpoint_unless_another_is_set(self):
        self.assertEqual({'node': self.node('https://ironic.example.com'),
                          'consoleEnabled': True}, self.ask())
        self.assertEqual(self.node('http://other:6385'),
                         self.ask('http://other:6385')['node'])

    def test_what_cannot_be_known_is_left_out(self):
        self.api.public_url.side_effect = errors.IronicError('away')
        self.api.has_console.side_effect = errors.IronicError('away')
        self.assertEqual({}, self.ask())

    def test_a_catalog_may_have_what_no_browser_should_open(self):
        for url in ('', 'https://admin:secret@ironic.example.com', 'ftp://x'):
            self.api.public_url.return_value = url
            self.assertNotIn('node', self.ask())

    def test_who_may_not_see_consoles_is_told_nothing_of_them(self):
        self.shared.guard.allows.return_value = False
        self.assertEqual(['node'], list(self.ask()))
        self.shared.guard.allows.assert_called_once_with(
            unittest.mock.ANY, policies.CONSOLE, self.host)
        self.assertEqual([], self.api.has_console.mock_calls)

    def test_a_console_is_asked_for_after_its_rule_was_met_by_now(self):
        resource = host_links.HostConsole(self.shared, self.api)
        self.shared.guard.require.side_effect = errors.ForbiddenError('no')
        self.assertRaises(errors.ForbiddenError, resource.on_get,
                          unittest.mock.Mock(), unittest.mock.Mock(),
                          'default', 'server1')
        self.assertEqual([], self.api.console.mock_calls)
