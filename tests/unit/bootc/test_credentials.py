# SPDX-License-Identifier: Apache-2.0

"""Tests for the secret of a registry, in the forms that people have."""

import base64
import json

import testtools

from ironic_ext.bootc import credentials
from ironic_ext.bootc import errors
from ironic_ext.bootc import reference

HOST = 'r.test:5000'
IMAGE = reference.Reference.parse(f'{HOST}/team/os:1')


def encoded(text):
    return base64.b64encode(text.encode()).decode()


class CredentialTestCase(testtools.TestCase):

    def login(self, secret, image=IMAGE):
        return credentials.Credential.parse(secret, HOST).for_image(image)

    def refused(self, secret):
        message = str(self.assertRaises(
            errors.CredentialError, credentials.Credential.parse, secret,
            HOST))
        self.assertNotIn('SecretWord', message)
        return message

    def test_user_and_password_come_in_many_forms(self):
        auths = {'auths': {HOST: {'auth': encoded('me:SecretWord:x')}}}
        plain = {'auths': {HOST: {'username': 'me',
                                  'password': 'SecretWord:x'}}}
        for secret in ('me:SecretWord:x', ' me:SecretWord:x\n',
                       encoded('me:SecretWord:x'), auths, json.dumps(auths),
                       encoded(json.dumps(auths)), json.dumps(plain)):
            self.assertEqual(
                credentials.Login('me', 'SecretWord:x'), self.login(secret))

    def test_a_token_is_an_identity_token(self):
        token = 'eyJhbGciOi.J9-_x.y'
        for secret in (token, f'Bearer {token}', f'bearer  {token}',
                       {'auths': {HOST: {'identitytoken': token}}},
                       {'auths': {HOST: {'auth': encoded('0000:'),
                                         'identitytoken': token}}}):
            self.assertEqual(token, self.login(secret).identity_token)

    def test_an_opaque_secret_that_is_base64_of_anything_is_a_token(self):
        secret = base64.b64encode(b'\xff\xfe:\x00').decode()
        self.assertEqual(secret, self.login(secret).identity_token)

    def test_what_podman_reads_is_what_was_meant(self):
        found = credentials.Credential.parse('me:SecretWord', HOST)
        self.assertEqual(
            {'auths': {HOST: {'auth': encoded('me:SecretWord')}}},
            found.to_dict())
        found = credentials.Credential.parse('tok.en', HOST)
        self.assertEqual(
            {'auths': {HOST: {'auth': encoded('<token>:'),
                              'identitytoken': 'tok.en'}}}, found.to_dict())

    def test_what_was_read_can_be_sent_and_read_again(self):
        for secret in ('me:SecretWord', 'tok.en', {'auths': {
                'a.test/x': {'auth': encoded('a:b')},
                'b.test': {'identitytoken': 'tok'}}}):
            found = credentials.Credential.parse(secret, HOST)
            self.assertEqual(found, credentials.Credential.parse(
                json.loads(json.dumps(found.to_dict())), 'other.test'))

    def test_the_longest_name_that_fits_is_taken(self):
        secret = {'auths': {
            HOST: {'auth': encoded('all:x')},
            f'{HOST}/team': {'auth': encoded('team:x')},
            f'{HOST}/te': {'auth': encoded('wrong:x')},
            f'{HOST}/team/os/deeper': {'auth': encoded('deep:x')}}}
        self.assertEqual('team', self.login(secret).username)

    def test_the_secret_of_a_registry_is_for_no_other(self):
        other = reference.Reference.parse('evil.test/team/os')
        self.assertIsNone(self.login('me:SecretWord', other))
        self.assertIsNone(self.login({'auths': {'x.test': {
            'auth': encoded('a:b')}}}))

    def test_names_of_docker_hub_are_one(self):
        image = reference.Reference.parse('docker.io/debian')
        for name in ('https://index.docker.io/v1/', 'docker.io',
                     'registry-1.docker.io', 'https://docker.io'):
            self.assertEqual('me', self.login({'auths': {
                name: {'auth': encoded('me:x')}}}, image).username)

    def test_what_a_helper_of_docker_keeps_is_left_out(self):
        found = credentials.Credential.parse(
            {'auths': {HOST: {}, 'a.test': {'auth': encoded('a:b')},
                       'b.test': 5}, 'credsStore': 'desktop'}, HOST)
        self.assertEqual(['a.test'], [*found.logins])

    def test_only_what_images_need_is_sent_on(self):
        found = credentials.Credential.parse({'auths': {
            HOST: {'auth': encoded('a:b')},
            'c.test': {'auth': encoded('c:d')}}}, HOST)
        self.assertEqual([HOST], [*found.narrowed([IMAGE]).logins])
        self.assertIsNone(found.narrowed(
            [reference.Reference.parse('e.test/x')]))

    def test_what_has_none_of_the_forms_is_refused_and_not_shown(self):
        for secret in (None, 5, '', '  ', 'two SecretWords', ':SecretWord',
                       'SecretWord:', '{"auths": "SecretWord"}',
                       '{"SecretWord"', '{"a": "SecretWord"}', {'a': 1},
                       'SecretWörd', 'Secret\x07Word', 'x' * 300000,
                       encoded('{"SecretWord'), ['SecretWord']):
            self.refused(secret)

    def test_nothing_shows_a_secret_by_accident(self):
        found = credentials.Credential.parse('me:SecretWord', HOST)
        self.assertNotIn('SecretWord', repr(found))
        self.assertNotIn('SecretWord', repr(found.for_image(IMAGE)))
