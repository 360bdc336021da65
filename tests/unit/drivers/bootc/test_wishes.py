# SPDX-License-Identifier: Apache-2.0

"""Tests for a node's words on bootable containers, and ironic.conf's."""

import base64
import json
import os
import types

import fixtures
from ironic.tests import base
import trustme

from ironic_ext.bootc import credentials
from ironic_ext.bootc import errors
from ironic_ext.bootc import request
from ironic_ext.drivers.bootc import wishes as bootc_node
from tests import ironic_series

IMAGE = 'oci://r.test:5000/team/os:1'
HOST = 'r.test:5000'
AUTHORITY = trustme.CA()
PEM = AUTHORITY.cert_pem.bytes().decode()
KEY = '-----BEGIN PUBLIC KEY-----\nMII\n-----END PUBLIC KEY-----\n'


def encoded(text):
    return base64.b64encode(text.encode()).decode()


class NodeTestCase(base.TestCase):

    def setUp(self):
        super().setUp()
        # Tests of owners beside the operator say "keystone".
        self.config(auth_strategy='noauth')

    def wish(self, driver_info=None, step=None, **instance_info):
        return bootc_node.wish_of(types.SimpleNamespace(
            instance_info={'image_source': IMAGE, **instance_info},
            driver_info=driver_info or {}), step)

    def refused(self, *args, **given):
        message = str(self.assertRaises(errors.BootcError, self.wish, *args,
                                        **given))
        self.assertNotIn('SecretWord', message)
        return message

    def file(self, content, name='file'):
        folder = self.useFixture(fixtures.TempDir())
        path = f'{folder.path}/{name}'
        with open(path, 'w', encoding='utf-8') as file:
            file.write(content)
        return path


class OptionsTestCase(NodeTestCase):

    def test_a_node_may_say_nothing_but_the_image(self):
        found = self.wish()
        self.assertEqual('r.test:5000/team/os:1', str(found.image))
        self.assertEqual(request.Trust(), found.trust)
        self.assertEqual(request.SignaturePolicy(), found.policy)
        self.assertEqual(request.Store(), found.store)
        self.assertIsNone(found.credential)

    def test_a_step_goes_before_the_node_option_by_option(self):
        found = self.wish(bootc={'filesystem': 'xfs', 'kargs': 'a'},
                          step={'kargs': 'b'}).options
        self.assertEqual(('xfs', ('b',)), (found.filesystem, found.kargs))

    def test_stock_ironics_own_options_are_known(self):
        key = 'ssh-ed25519 AAAA me'
        found = self.wish(bootc_authorized_keys=key, bootc_tpm2_luks='true'
                          ).options
        self.assertEqual(('tpm2-luks', f'{key}\n'),
                         (found.block_setup, found.authorized_keys))
        found = self.wish(bootc_tpm2_luks=True,
                          bootc={'block_setup': 'direct'}).options
        self.assertEqual('direct', found.block_setup)

    def test_stocks_wish_for_encryption_is_never_lost(self):
        for value in ('on', 't', 'y', 'Yes', 1):
            self.assertEqual('tpm2-luks', self.wish(
                bootc_tpm2_luks=value).options.block_setup)
        for value in ('enabled', 'luks', 2):
            self.assertIn('bootc_tpm2_luks', self.refused(
                bootc_tpm2_luks=value))

    def test_options_that_contradict_each_other_are_refused(self):
        self.assertIn('composefs_backend', self.refused(
            bootc={'uki_addon': 'x'}, step={'bootloader': 'systemd'}))

    def test_a_secret_for_updates_must_be_there_to_be_left(self):
        self.assertIn('image_pull_secret', self.refused(
            bootc={'update_auth': True}))
        found = self.wish(bootc={'update_auth': True,
                                 'target_imgref': 'b.test/x:1'},
                          image_pull_secret=json.dumps({'auths': {
                              host: {'auth': encoded('a:b')} for host in (
                                  HOST, 'b.test', 'c.test')}}))
        self.assertEqual({HOST, 'b.test'}, {*found.credential.logins})

    def test_a_bad_option_of_the_node_is_found_behind_a_good_one(self):
        self.assertIn('filesystem', self.refused(
            bootc={'filesystem': 'zfs'}, step={'filesystem': 'xfs'}))
        self.assertIn('did you mean "kargs"', self.refused(
            bootc={'karg': 'x'}))

    def test_only_allowed_registries_may_be_used(self):
        self.config(allowed_registries=['quay.io', f'{HOST}/team'],
                    group='ext_bootc')
        self.wish()
        self.assertIn('quay.io', self.refused(
            image_source=f'oci://{HOST}/other/os'))

    def test_the_store_is_the_operators_to_choose(self):
        self.config(store='zram', group='ext_bootc')
        self.assertEqual('zram', self.wish().store.kind)
        found = self.wish({'bootc_store': 'disk',
                           'bootc_store_device': '/dev/disk/by-id/x',
                           'bootc_store_target_disk': 'yes'}).store
        self.assertEqual(request.Store('disk', True, '/dev/disk/by-id/x'),
                         found)
        self.assertEqual('zram', self.wish(bootc_store='disk').store.kind)
        for info in ({'bootc_store': 'x'}, {'bootc_store': 5},
                     {'bootc_store_target_disk': 'perhaps'},
                     {'bootc_store_device': '/etc'}):
            self.refused(info)


class TrustTestCase(NodeTestCase):

    def test_certificates_are_given_as_text_or_as_a_file(self):
        path = self.file(PEM)
        for info in ({'bootc_ca': PEM}, {'bootc_ca': path}):
            self.assertEqual(PEM, self.wish(info).trust.ca)
        self.config(ca_file=path, group='ext_bootc')
        self.assertEqual(PEM, self.wish().trust.ca)

    def test_certificates_that_cannot_be_read_are_named(self):
        self.assertIn('bootc_ca', self.refused({'bootc_ca': 'ca.pem'}))
        self.assertIn('driver_info/bootc_ca', self.refused(
            {'bootc_ca': '/nowhere/ca.pem'}))
        self.config(ca_file='/nowhere/ca.pem', group='ext_bootc')
        self.assertIn('[ext_bootc]ca_file', self.refused())

    def test_no_other_file_is_shown_as_certificates(self):
        secret = self.file('[database]\nconnection = SecretWord\n')
        key = self.file(AUTHORITY.private_key_pem.bytes().decode())
        for path in (secret, key, '/proc/self/environ', '/dev/zero',
                     '/etc/passwd', '/tmp'):
            with self.subTest(path):
                self.assertIn('bootc_ca', self.refused(
                    {'bootc_ca': path, 'bootc_insecure': True}))

    def test_what_lies_beside_certificates_stays_here(self):
        path = self.file('SecretWord\n' + PEM +
                         AUTHORITY.private_key_pem.bytes().decode())
        self.assertEqual(PEM, self.wish({'bootc_ca': path}).trust.ca)

    def test_state_of_the_suite_is_behind_a_wall(self):
        path = self.file(PEM)
        self.config(cache_dir=os.path.dirname(path), group='ext_images')
        self.assertIn('bootc_ca', self.refused({'bootc_ca': path}))

    def test_paths_are_not_for_owners_beside_the_operator(self):
        path = self.file(PEM)
        self.config(auth_strategy='keystone')
        self.assertIn('give the PEM itself',
                      self.refused({'bootc_ca': path}))
        self.assertEqual(PEM, self.wish({'bootc_ca': PEM}).trust.ca)
        self.config(ca_file=path, group='ext_bootc')
        self.assertEqual(PEM, self.wish().trust.ca)

    def test_a_proxy_of_a_node_leads_nowhere_inside(self):
        for key in ('bootc_proxy', 'image_https_proxy'):
            for place in ('169.254.169.254', '127.0.0.1:6385'):
                with self.subTest(f'{key} {place}'):
                    self.assertIn('proxy', self.refused(
                        {key: f'http://{place}'}))
        info = {'bootc_proxy': 'http://127.0.0.1:3128'}
        self.assertEqual(info['bootc_proxy'], self.wish(info).trust.proxy)
        self.config(auth_strategy='keystone')
        self.assertIn('this host itself', self.refused(info))
        self.config(proxy=info['bootc_proxy'], group='ext_bootc')
        self.assertEqual(info['bootc_proxy'], self.wish().trust.proxy)

    def test_a_user_cannot_choose_what_is_believed(self):
        found = self.wish(bootc_ca=PEM, bootc_insecure=True,
                          bootc_mirrors='evil.test',
                          bootc_signature_policy='accept',
                          bootc_proxy='http://evil.test')
        self.assertEqual(request.Trust(), found.trust)

    def test_insecure_registries_are_insecure_and_others_are_not(self):
        self.config(insecure_registries=[HOST], group='ext_bootc')
        self.assertTrue(self.wish().trust.insecure)
        self.assertFalse(self.wish(image_source='oci://quay.io/x/y'
                                   ).trust.insecure)
        self.assertTrue(self.wish(
            {'bootc_insecure': 'true'}, image_source='oci://quay.io/x/y'
        ).trust.insecure)
        self.assertIn('bootc_insecure', self.refused(
            {'bootc_insecure': 'perhaps'}))

    def test_mirrors_are_for_one_registry_or_for_all(self):
        self.config(mirrors=[f'{HOST}=a.test:5000/cache', 'quay.io=b.test',
                             'c.test/'], group='ext_bootc')
        self.assertEqual(('a.test:5000/cache', 'c.test'),
                         self.wish().trust.mirrors)
        for value in ('d.test, e.test/x', ['d.test', 'e.test/x']):
            self.assertEqual(('d.test', 'e.test/x'), self.wish(
                {'bootc_mirrors': value}).trust.mirrors)

    def test_what_is_no_mirror_is_refused(self):
        for value in ('https://a.test', 'a b', {'a': 'b'}, [5], 'x=/y'):
            self.assertIn('mirror', self.refused({'bootc_mirrors': value}))

    def test_the_proxy_of_a_node_goes_first(self):
        self.config(proxy='http://u:SecretWord@conf.test:3128',
                    no_proxy='.conf', group='ext_bootc')
        for info, wanted in (
                ({}, 'http://u:SecretWord@conf.test:3128'),
                ({'bootc_proxy': 'http://a.test:1'}, 'http://a.test:1'),
                ({'image_https_proxy': 'https://b.test:2',
                  'image_http_proxy': 'c.test'}, 'https://b.test:2'),
                ({'image_http_proxy': 'c.test:3'}, 'http://c.test:3')):
            self.assertEqual(wanted, self.wish(info).trust.proxy)
        self.assertEqual('.conf', self.wish().trust.no_proxy)
        self.assertEqual('.x', self.wish({'bootc_no_proxy': '.x'}
                                         ).trust.no_proxy)
        self.assertNotIn('SecretWord', repr(self.wish()))

    def test_the_password_of_a_proxy_has_a_key_that_ironic_masks(self):
        found = self.wish({'bootc_proxy': 'http://me@a.test:1',
                           'bootc_proxy_password': 'a/b@c'})
        self.assertEqual('http://me:a%2Fb%40c@a.test:1', found.trust.proxy)
        self.assertIn('bootc_proxy_password', self.refused(
            {'bootc_proxy': 'http://me:SecretWord@a.test'}))
        self.assertIn('no user', self.refused(
            {'bootc_proxy': 'http://a.test',
             'bootc_proxy_password': 'SecretWord'}))

    def test_what_is_no_proxy_is_refused(self):
        for url in ('socks5://a.test', 'http://', 'http://a:x', 5,
                    'http://[a'):
            self.assertIn('prox', self.refused({'bootc_proxy': url}))


class PolicyTestCase(NodeTestCase):

    def test_keys_come_from_files_of_the_conductor(self):
        self.config(signature_policy='sigstore',
                    signature_keys=[self.file(KEY)], group='ext_bootc')
        self.assertEqual(request.SignaturePolicy('sigstore', (KEY,)),
                         self.wish().policy)

    def test_a_node_has_a_policy_of_its_own(self):
        self.config(signature_policy='reject-unknown', group='ext_bootc')
        for keys in (KEY, [KEY]):
            found = self.wish({'bootc_signature_policy': 'sigstore',
                               'bootc_signature_keys': keys,
                               'bootc_signature_scopes': HOST})
            self.assertEqual(
                request.SignaturePolicy('sigstore', (KEY,), (HOST,)),
                found.policy)

    def test_unknown_images_are_rejected_before_they_are_asked_for(self):
        self.config(signature_policy='reject-unknown',
                    signature_scopes=[f'{HOST}/team'], group='ext_bootc')
        self.wish()
        self.assertIn(f'{HOST}/team', self.refused(
            image_source='oci://quay.io/x/y'))
        self.config(signature_scopes=[], group='ext_bootc')
        self.assertIn('knows none', self.refused())

    def test_a_policy_that_cannot_be_is_refused(self):
        for info in ({'bootc_signature_policy': 'x'},
                     {'bootc_signature_policy': 'sigstore'},
                     {'bootc_signature_policy': 'gpg',
                      'bootc_signature_keys': '-----BEGIN PRIVATE KEY'},
                     {'bootc_signature_policy': 'gpg',
                      'bootc_signature_keys': {'a': 'b'}}):
            self.refused(info)


class CredentialTestCase(NodeTestCase):

    def login(self, driver_info=None, image_source=IMAGE, **instance_info):
        found = self.wish(driver_info, image_source=image_source,
                          **instance_info)
        return found.credential and found.credential.for_image(found.image)

    def test_the_secret_of_the_user_goes_first(self):
        self.assertEqual(
            credentials.Login('user', 'x'),
            self.login({'image_pull_secret': 'operator:y'},
                       image_pull_secret='user:x'))
        self.assertEqual(credentials.Login('operator', 'y'),
                         self.login({'image_pull_secret': 'operator:y'}))

    def test_ironics_own_secrets_are_the_last(self):
        self.config(image_server_user='me', image_server_password='p',
                    group='deploy')
        self.assertEqual(credentials.Login('me', 'p'), self.login())
        path = self.file(json.dumps({'auths': {
            HOST: {'auth': encoded('file:x')},
            'quay.io': {'auth': encoded('quay:x')}}}))
        self.config(authentication_config=path, group='oci')
        self.assertEqual(credentials.Login('file', 'x'), self.login())

    def test_only_what_the_image_needs_is_sent_to_the_machine(self):
        secret = {'auths': {HOST: {'auth': encoded('a:b')},
                            'm.test': {'auth': encoded('c:d')},
                            'quay.io': {'auth': encoded('e:f')}}}
        found = self.wish({'image_pull_secret': json.dumps(secret),
                           'bootc_mirrors': 'm.test/cache'})
        self.assertEqual({HOST, 'm.test'}, {*found.credential.logins})

    def test_a_mirror_is_not_shown_the_secret_of_the_registry(self):
        found = self.wish({'bootc_mirrors': 'm.test'},
                          image_pull_secret='me:SecretWord')
        self.assertEqual([HOST], [*found.credential.logins])

    def test_an_operators_secret_goes_to_permitted_hosts_alone(self):
        ironic_series.require_newer('[deploy]image_server_auth_hosts')
        self.config(image_server_auth_hosts=['quay.io'], group='deploy')
        info = {'image_pull_secret': 'operator:SecretWord'}
        self.assertIsNone(self.login(info))
        self.assertIsNotNone(self.login(info, 'oci://quay.io/x/y'))
        self.assertIsNotNone(self.login(info, 'docker://quay.io/x/y'))
        self.assertIsNone(self.login(info, 'docker://evil.test/x/y'))
        # What says itself which registry it is for goes there.
        self.assertIsNotNone(self.login({'image_pull_secret': json.dumps(
            {'auths': {HOST: {'auth': encoded('a:b')}}})}))
        self.assertIsNotNone(self.login(image_pull_secret='user:x'))

    def test_a_secret_of_no_known_form_is_refused(self):
        self.refused(image_pull_secret='two SecretWords')
        self.config(authentication_config='/nowhere', group='oci')
        self.assertIn('[oci]authentication_config', self.refused())
