# SPDX-License-Identifier: Apache-2.0

"""Tests for how a conductor gets at images of a node."""

import dataclasses
import os
import tempfile
import types
import unittest.mock

from ironic.common import exception
from ironic.common import image_service
from ironic.common import keystone
from ironic.tests import base
from oslo_utils import strutils
import trustme

from ironic_ext.drivers.images import configured as ironic_images
from ironic_ext.images import errors
from ironic_ext.images.http import access as http_access
from tests import ironic_series

AUTHORITY = trustme.CA()
PEM = AUTHORITY.cert_pem.bytes().decode()
KEY = AUTHORITY.private_key_pem.bytes().decode()
HREF = 'http://images.example.com/live.iso?signature=secret'
CERTIFICATE = '-----BEGIN CERTIFICATE-----\n...'


class ImagesTestCase(base.TestCase):

    owner = lessee = None

    def settings(self, user=None, operator=None, **given):
        node = types.SimpleNamespace(instance_info=user or {},
                                     driver_info=operator or {},
                                     owner=self.owner, lessee=self.lessee)
        return ironic_images.settings_for(node, None, **given)

    def refusal(self, user=None, operator=None):
        return str(self.assertRaises(errors.ImageAccessError, self.settings,
                                     user, operator))


class SecretsTestCase(ImagesTestCase):

    def test_ironic_masks_every_secret(self):
        shown = strutils.mask_dict_password(
            dict.fromkeys(ironic_images.SECRET_KEYS, 'hidden'), '***')
        self.assertEqual({'***'}, set(shown.values()))

    def test_secrets_are_not_in_what_is_printed(self):
        for user in ({'image_server_user': 'u',
                      'image_server_password': 'hidden'},
                     {'image_server_token': 'hidden'},
                     {'image_pull_secret': 'u:hidden'}):
            self.assertNotIn('hidden', repr(self.settings(user)))
            self.assertNotIn('hidden', repr(self.settings({}, user)))


class ProjectTestCase(ImagesTestCase):

    def test_an_image_counts_for_who_uses_the_node(self):
        self.config(auth_strategy='keystone')
        self.assertEqual('', self.settings().project)
        self.owner = 'o'
        self.assertEqual('o', self.settings().project)
        self.lessee = 'l'
        self.config(trusted_owners=['o'], group='ext_catalog')
        self.assertEqual('l', self.settings().project)
        self.owner = None
        self.assertEqual('l', self.settings().project)

    def test_an_owner_charges_nobody_else_by_naming_them_a_lessee(self):
        self.config(auth_strategy='keystone')
        self.owner, self.lessee = 'o', 'l'
        self.assertEqual('o', self.settings().project)

    def test_an_image_that_the_operator_chose_counts_for_nobody(self):
        self.config(auth_strategy='keystone')
        self.owner = 'o'
        self.assertEqual('', self.settings(
            reach=ironic_images.Reach.OPERATOR).project)

    def test_without_keystone_all_is_the_operators(self):
        self.config(auth_strategy='noauth')
        self.owner = 'o'
        self.assertEqual('', self.settings().project)


class UserTestCase(ImagesTestCase):

    def login(self, **user):
        access = self.settings(user).access
        return access.username, access.password, access.token

    def test_a_user_gives_a_password_or_a_token(self):
        self.assertEqual(('u', 'p', None), self.login(
            image_server_user='u', image_server_password='p'))
        self.assertEqual(('u', '', None), self.login(image_server_user='u'))
        self.assertEqual((None, None, 't'),
                         self.login(image_server_token='t'))

    def test_a_pull_secret_is_read_as_ironic_reads_it(self):
        self.assertEqual(('u', 'p:q', None),
                         self.login(image_pull_secret='u:p:q'))
        self.assertEqual((None, None, 't'),
                         self.login(image_pull_secret='t'))
        self.assertEqual(('u', 'p', None), self.login(
            image_pull_secret='t', image_server_user='u',
            image_server_password='p'))

    def test_what_makes_no_sense_is_refused(self):
        for user, said in (
                ({'image_server_password': 'p'}, 'no image_server_user'),
                ({'image_server_token': 't', 'image_server_user': 'u'},
                 'one of them'),
                ({'image_server_user': 7}, 'a text'),
                ({'image_server_token': ['t']}, 'a text'),
                ({'image_server_verify_ca': '/etc/ca.pem'}, 'PEM'),
                ({'image_server_client_cert': '/etc/x'}, 'driver_info'),
                ({'image_server_private_key': '/etc/x'}, 'driver_info')):
            with self.subTest(said):
                self.assertIn(said, self.refusal(user))

    def test_nobody_gets_the_operators_credentials_beside_the_users(self):
        self.config(image_server_auth_strategy='http_basic',
                    image_server_user='op', image_server_password='op',
                    group='deploy')
        operator = {'image_server_user': 'op', 'image_server_password': 'op',
                    'image_server_client_cert': '/etc/cert.pem'}
        for user in ({'image_server_user': 'u'},
                     {'image_server_token': 't'},
                     {'image_pull_secret': 's'},
                     # Whoever sets the trust can read what is sent.
                     {'image_server_verify_ca': False},
                     {'image_server_verify_ca': True},
                     {'image_server_ca': CERTIFICATE}):
            with self.subTest(user):
                settings = self.settings(user, operator)
                self.assertIsNone(settings.default_access(HREF))
                self.assertIsNone(settings.access.client_cert)
                self.assertNotEqual('op', settings.access.username)

    def test_what_a_user_says_is_not_for_the_operators_images(self):
        settings = self.settings(
            {'image_server_user': 'u', 'image_server_verify_ca': False,
             'image_server_client_cert': '/etc/x'},
            {'image_server_token': 't'}, user_access=False)
        self.assertIsNone(settings.access.username)
        self.assertTrue(settings.access.verify)
        self.assertEqual(('', 't'), settings.default_access(HREF))


class OperatorTestCase(ImagesTestCase):

    def access(self, **operator):
        return self.settings({}, operator).default_access(HREF)

    def test_an_operator_gives_a_password_or_a_token(self):
        self.assertEqual(('u', 'p'), self.access(
            image_server_user='u', image_server_password='p'))
        self.assertEqual(('', 't'), self.access(image_server_token='t'))
        self.assertEqual(('', 't'), self.access(image_pull_secret='t'))
        self.assertIsNone(self.access())

    def test_a_node_s_own_go_before_those_of_the_service(self):
        self.config(image_server_auth_strategy='http_basic',
                    image_server_user='site', image_server_password='s',
                    group='deploy')
        self.assertEqual(('site', 's'), self.access())
        self.assertEqual(('', 't'), self.access(image_server_token='t'))

    def test_half_of_the_services_credentials_is_an_error(self):
        self.config(image_server_auth_strategy='http_basic',
                    image_server_user='site', group='deploy')
        self.assertRaises(errors.ImageAccessError, self.access)

    def test_credentials_go_to_permitted_hosts_alone(self):
        ironic_series.require_newer('[deploy]image_server_auth_hosts')
        self.config(image_server_auth_strategy='http_basic',
                    image_server_user='site', image_server_password='s',
                    image_server_auth_hosts=['.example.org'], group='deploy')
        self.assertIsNone(self.access())
        self.assertIsNone(self.access(image_server_token='t'))
        self.config(image_server_auth_hosts=['images.example.com'],
                    group='deploy')
        self.assertEqual(('site', 's'), self.access())

    def test_ironic_is_not_shown_a_signed_url(self):
        ironic_series.require_newer('[deploy]image_server_auth_hosts')
        with unittest.mock.patch.object(
                image_service, 'is_host_auth_permitted',
                autospec=True) as judge:
            self.access(image_server_token='t')
        judge.assert_called_once_with('http://images.example.com/live.iso')

    def test_files_of_the_conductor_are_named_by_absolute_paths(self):
        self.config(auth_strategy='noauth')
        path = self.file(f'a note\n{PEM}{KEY}')
        for given in ({'image_server_private_key': self.file(KEY)}, {}):
            access = self.settings({}, {
                'image_server_client_cert': path,
                'image_server_verify_ca': path,
                'image_server_ca': CERTIFICATE, **given}).access
            # Not the path, which may lead elsewhere by then.
            self.assertEqual((PEM, path, CERTIFICATE), (
                access.client_cert, access.verify, access.ca))
            self.assertIn('PRIVATE KEY', access.client_key)
            self.assertNotIn('note', access.client_key)
        for key in ('image_server_client_cert', 'image_server_private_key',
                    'image_server_verify_ca'):
            self.assertIn(key, self.refusal({}, {key: 'relative'}))
        for key in ('image_server_client_cert', 'image_server_verify_ca',
                    'image_server_private_key'):
            self.assertIn(key, self.refusal({}, {
                key: self.file('[database]\nconnection = secret')}))

    def test_a_key_of_the_suite_is_no_key_of_a_node(self):
        self.config(auth_strategy='noauth')
        state = tempfile.TemporaryDirectory()
        self.addCleanup(state.cleanup)
        self.config(dir=state.name, group='ext_state')
        path = os.path.join(state.name, 'tls.key')
        with open(path, 'w') as file:
            file.write(KEY)
        self.assertIn('no file that may be read', self.refusal({}, {
            'image_server_private_key': path}))

    def test_a_certificate_needs_its_key(self):
        self.assertIn('image_server_private_key', self.refusal({}, {
            'image_server_client_cert': PEM}))

    def test_an_owner_gives_pem_and_no_path(self):
        path = self.file(PEM)
        for key in ('image_server_client_cert', 'image_server_private_key',
                    'image_server_verify_ca'):
            self.assertIn(key, self.refusal({}, {key: path}))
        access = self.settings({}, {'image_server_client_cert': PEM,
                                    'image_server_private_key': KEY}).access
        self.assertEqual((PEM, KEY), (access.client_cert, access.client_key))
        self.assertNotIn('BEGIN', repr(dataclasses.replace(
            access, client_cert=None)))
        trust = http_access.Trust(access)
        for name, text in zip(trust.cert, (PEM, KEY), strict=True):
            with open(name) as file:
                self.assertEqual(text, file.read())

    def file(self, text):
        file = tempfile.NamedTemporaryFile('w', suffix='.pem')
        self.addCleanup(file.close)
        file.write(text)
        file.flush()
        return file.name


class ServiceTestCase(ImagesTestCase):

    def test_whom_to_trust_is_said_by_the_nearest(self):
        self.config(webserver_verify_ca='/etc/site.pem')
        for user, operator, expected in (
                ({}, {}, '/etc/site.pem'),
                ({}, {'image_server_verify_ca': 'False'}, False),
                ({'image_server_verify_ca': 'true'},
                 {'image_server_verify_ca': False}, True)):
            self.assertEqual(expected,
                             self.settings(user, operator).access.verify)

    def test_the_configuration_counts_without_a_node(self):
        self.config(retries=7, stall_timeout=8, connection_timeout=9,
                    connections=2, allow_md5=True, group='ext_images')
        self.config(file_url_allowed_paths=['/srv'], group='conductor')
        found = ironic_images.settings_for(None, None)
        self.assertEqual((7, 8, 9, 2, True, ('/srv',)), (
            found.retries, found.stall_timeout, found.connect_timeout,
            found.connections, found.allow_md5, found.allowed_paths))

    def test_the_cache_and_system_directories_are_closed(self):
        self.config(cache_dir='/var/lib/cache', group='ext_images')
        denied = ironic_images.settings_for(None, None).wall.closed
        self.assertIn('/var/lib/cache', denied)
        self.assertIn('/etc', denied)

    def test_ironics_tls_settings_hold(self):
        ironic_series.require_newer('[DEFAULT]webserver_tls_minimum_version')
        self.config(webserver_tls_minimum_version='1.3')
        session = ironic_images.settings_for(None, None).session()
        self.assertIsInstance(session.get_adapter('https://x'),
                              image_service.TLSHTTPAdapter)


class GlanceTestCase(ImagesTestCase):

    def test_glance_that_is_not_set_up_is_told_from_one_that_refuses(self):
        for raised, expected in (
                (exception.ConfigInvalid(error_msg='x'), errors.HrefError),
                (exception.KeystoneUnauthorized(), errors.ImageAccessError),
                (exception.KeystoneFailure('x'), errors.ImageAccessError)):
            with unittest.mock.patch.object(
                    keystone, 'get_auth', autospec=True,
                    side_effect=raised):
                error = self.assertRaises(expected, self.settings().glance)
            self.assertIn('[glance]', str(error))

    def test_images_of_other_projects_are_refused_as_ironic_does_it(self):
        permits = self.settings().glance_permits
        image = types.SimpleNamespace(id='i', visibility='public', owner='o')
        self.assertTrue(permits(image))
        with unittest.mock.patch.object(
                keystone, 'get_auth', autospec=True, return_value=None):
            image.visibility = 'private'
            self.assertFalse(permits(image))
