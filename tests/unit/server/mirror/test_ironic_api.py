# SPDX-License-Identifier: Apache-2.0

"""Ironic's API: what its configuration lacks, and what a login sees."""

import os
import unittest.mock

import fixtures
from keystoneauth1 import adapter
from keystoneauth1 import exceptions
from keystoneauth1 import noauth
from keystoneauth1 import session
from oslo_config import cfg
import testtools

from ironic_ext.server import errors
from ironic_ext.server.mirror import ironic_api


def conf(**options):
    """Return a configuration with these options of [ext_ironic]."""
    made = cfg.ConfigOpts()
    ironic_api.register_opts(made)
    made([])
    for name, value in options.items():
        made.set_override(name, value, group=ironic_api.GROUP)
    return made


class _Auth:
    """A login by Keystone."""

    def __init__(self, system_scoped):
        self.access = unittest.mock.Mock(system_scoped=system_scoped)

    def get_access(self, _session):
        if isinstance(self.access.system_scoped, Exception):
            raise self.access.system_scoped
        return self.access


class ConnectTestCase(testtools.TestCase):

    def test_a_section_that_says_nothing_is_told_what_to_say(self):
        error = self.assertRaises(ValueError, ironic_api.connect, conf())
        for word in ('[ext_ironic]', 'auth_type = none', 'endpoint_override',
                     'http_basic', 'auth_url', 'system_scope = all'):
            self.assertIn(word, str(error))

    def loaded(self, text):
        path = os.path.join(self.useFixture(fixtures.TempDir()).path, 'c')
        with open(path, 'w') as file:
            file.write(f'[ext_ironic]\n{text}\n')
        made = cfg.ConfigOpts()
        ironic_api.register_opts(made)
        made(['--config-file', path])
        return made

    def test_a_login_without_a_place_is_told_what_to_say(self):
        for text in ('auth_type = none',
                     'auth_type = http_basic\nusername = u\npassword = p'):
            error = self.assertRaises(ValueError, ironic_api.connect,
                                      self.loaded(text))
            self.assertIn('does not say where Ironic is', str(error))
        for name in ('endpoint', 'endpoint_override'):
            ironic_api.connect(self.loaded(
                f'auth_type = none\n{name} = http://127.0.0.1:1'))

    def test_a_place_that_is_no_url_is_refused(self):
        for name in ('endpoint', 'endpoint_override'):
            error = self.assertRaises(ValueError, ironic_api.connect,
                                      self.loaded('auth_type = none\n'
                                                  f'{name} = 127.0.0.1:1'))
            self.assertIn('must be a URL', str(error))

    def test_a_password_without_a_user_is_told_what_to_say(self):
        text = 'auth_type = http_basic\nendpoint = http://127.0.0.1:1\n'
        for more in ('', 'username = u', 'password = p'):
            error = self.assertRaises(ValueError, ironic_api.connect,
                                      self.loaded(text + more))
            self.assertIn('set username and password', str(error))
        ironic_api.connect(self.loaded(
            text + 'username = u\npassword = p'))

    def test_an_endpoint_is_enough(self):
        ironic_api.connect(conf(endpoint_override='http://127.0.0.1:1'))

    def _api(self, auth):
        return ironic_api.IronicApi(unittest.mock.Mock(
            session=session.Session(auth=auth)))

    def test_only_a_login_of_a_project_is_narrow(self):
        self.assertFalse(self._api(None).is_narrow())
        self.assertFalse(self._api(_Auth(True)).is_narrow())
        self.assertTrue(self._api(_Auth(False)).is_narrow())

    def test_a_keystone_that_is_away_is_an_error_of_ironic(self):
        self.assertRaises(errors.IronicError, self._api(_Auth(
            exceptions.ConnectFailure())).is_narrow)


class UnansweredTestCase(testtools.TestCase):
    """Who it is that does not answer."""

    def test_keystone_is_told_from_ironic(self):
        client = unittest.mock.Mock()
        for exc, said in (
                (exceptions.DiscoveryFailure('secret'),
                 'Keystone does not answer: look at [ext_ironic]auth_url'),
                (exceptions.Unauthorized('secret'),
                 'Keystone refuses the login of [ext_ironic]'),
                (exceptions.EndpointNotFound('secret'),
                 'Keystone\'s catalog has no Ironic: look at '
                 '[ext_ironic]region_name and valid_interfaces, or set '
                 'endpoint_override'),
                (exceptions.ConnectFailure('secret'),
                 'Ironic\'s API does not answer: ConnectFailure')):
            client.request.side_effect = exc
            found = self.assertRaises(errors.IronicError, next,
                                      ironic_api.IronicApi(client).nodes())
            self.assertEqual(said, str(found))


class PublicUrlTestCase(testtools.TestCase):
    """The endpoint for people, as Keystone's catalog has it."""

    def _public_url(self, **methods):
        auth = unittest.mock.Mock(**methods)
        client = adapter.Adapter(session.Session(auth=auth),
                                 service_type='baremetal', region_name='one',
                                 interface='internal')
        return auth, ironic_api.IronicApi(client)

    def test_it_is_that_of_the_public_in_the_region(self):
        auth, api = self._public_url(
            **{'get_endpoint.return_value': 'https://ironic.example.com'})
        self.assertEqual('https://ironic.example.com', api.public_url())
        asked = auth.get_endpoint.call_args.kwargs
        self.assertEqual(('public', 'one', 'baremetal'), (
            asked['interface'], asked['region_name'],
            asked['service_type']))

    def test_a_catalog_without_it_has_none(self):
        for said in (None, ''):
            self.assertEqual('', self._public_url(
                **{'get_endpoint.return_value': said})[1].public_url())

    def test_without_keystone_there_is_none(self):
        client = adapter.Adapter(session.Session(auth=noauth.NoAuth(
            endpoint='http://127.0.0.1:6385')))
        self.assertEqual('', ironic_api.IronicApi(client).public_url())

    def test_a_keystone_that_is_away_is_an_error_of_ironic(self):
        _auth, api = self._public_url(
            **{'get_endpoint.side_effect': exceptions.ConnectFailure()})
        self.assertRaises(errors.IronicError, api.public_url)
