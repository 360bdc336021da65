# SPDX-License-Identifier: Apache-2.0

"""The registry client with servers that fail, lie, or want secrets."""

import datetime
import json
import pathlib
import ssl
import threading

import fixtures
import trustme

from ironic_ext.bootc import errors
from ironic_ext.bootc import registry_session
from ironic_ext.bootc import request
from lab import process
from tests import fault_server
from tests.functional import test_bootc_registry
from tests import oci_images

MANIFEST = '/v2/os/manifests/latest'
SECRET = 'me:SecretWord'
BASIC = 'Basic bWU6U2VjcmV0V29yZA=='


class StrangersTestCase(test_bootc_registry.LookUpTestCase):

    def setUp(self):
        super().setUp()
        self.authority = trustme.CA()
        self.trust = request.Trust(
            ca=self.authority.cert_pem.bytes().decode())
        self.server = self.serve()
        self.host = self.server.url.removeprefix('https://')
        self.image = oci_images.image()
        self.publish(self.server)

    def serve(self, tls=True, certificate=None):
        context = None
        if tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            (certificate or self.authority.issue_cert(
                '127.0.0.1')).configure_cert(context)
        serving = fault_server.serving(context)
        server = serving.__enter__()
        self.addCleanup(serving.__exit__, None, None, None)
        return server

    def publish(self, server, **facts):
        server.add(MANIFEST, self.image.content, kind=self.image.media_type,
                   **facts)
        for digest, content in self.image.blobs.items():
            server.add(f'/v2/os/blobs/{digest}', content, **facts)

    def manifest(self):
        return self.server.resources[MANIFEST]

    def config_path(self):
        digest = json.loads(self.image.content)['config']['digest']
        return f'/v2/os/blobs/{digest}'

    def find(self, **given):
        return self.look_up(self.host, **{'trust': self.trust, **given})

    def fail(self, kind, **given):
        return self.refused(kind, self.host, **{'trust': self.trust, **given})

    def challenge(self, value):
        """Answer 401 to whoever has no token."""
        def apply(reply, resource):
            last = self.server.requests[-1]
            if 'Authorization' not in last.headers:
                fault_server.status(401, WWW_Authenticate=value)(reply,
                                                                 resource)
        self.manifest().always = apply


class CertificateTestCase(StrangersTestCase):

    def certified(self, *names, **given):
        """Have the server come with another certificate."""
        server = self.serve(
            certificate=self.authority.issue_cert(*names, **given))
        self.host = server.url.removeprefix('https://')

    def test_a_certificate_that_has_expired_is_told(self):
        self.certified('127.0.0.1', not_after=datetime.datetime(
            2020, 1, 1, tzinfo=datetime.UTC))
        self.assertIn('has expired', self.fail(errors.CertificateError))

    def test_a_certificate_for_another_name_is_told(self):
        for name in ('other.test', '192.0.2.1'):
            self.certified(name)
            self.assertIn('does not name this IP address',
                          self.fail(errors.CertificateError))


class RedirectTestCase(StrangersTestCase):

    def test_a_redirect_is_followed_without_the_credentials(self):
        other = self.serve()
        self.publish(other)
        for resource in self.server.resources.values():
            resource.authorization = BASIC
        blob = self.config_path()
        self.server.resources[blob].faults = [
            fault_server.redirect(other.url + blob)]
        self.find(secret=SECRET)
        self.assertEqual(BASIC, self.server.requests[-1].headers.get(
            'Authorization'))
        (got,) = other.requests
        self.assertNotIn('Authorization', got.headers)

    def test_a_redirect_at_home_keeps_the_credentials(self):
        self.server.add('/elsewhere', self.image.content,
                        authorization=BASIC)
        self.manifest().authorization = BASIC
        self.manifest().always = None
        self.manifest().faults = [None, fault_server.redirect('/elsewhere')]
        self.find(secret=SECRET)
        self.assertIn('/elsewhere',
                      [asked.path for asked in self.server.requests])

    def test_a_redirect_must_not_leave_https(self):
        other = self.serve(tls=False)
        for target in (other.url + MANIFEST, 'file:///etc/passwd',
                       'ftp://127.0.0.1/', 'https://[x', 'https://:80/'):
            self.manifest().faults = [fault_server.redirect(target)]
            self.assertIn('https://', self.fail(errors.RegistryError))
        self.assertEqual([], other.requests)

    def test_redirects_come_to_an_end(self):
        self.manifest().always = fault_server.redirect(MANIFEST)
        self.assertIn('redirects in a loop', self.fail(errors.RegistryError))
        self.manifest().always = fault_server.redirect('/step/0')
        for number in range(9):
            self.server.add(f'/step/{number}').always = (
                fault_server.redirect(f'/step/{number + 1}'))
        self.server.requests.clear()
        self.assertIn('redirects more than', self.fail(errors.RegistryError))
        self.assertLess(len(self.server.requests), 10)


class TokenTestCase(StrangersTestCase):

    def token(self, body, secret=None, url=None):
        self.server.add('/token').always = fault_server.status(200, body)
        realm = url or f'{self.server.url}/token?a=b'
        self.challenge(f'Bearer realm="{realm}",service="s x",'
                       'scope="repository:other:push"')
        return secret

    def test_a_token_is_asked_for_this_repository_alone(self):
        for name in ('token', 'access_token'):
            self.server.requests.clear()
            self.token(json.dumps({name: 'a.b-c'}).encode())
            self.find()
            (asked,) = [asked.path for asked in self.server.requests
                        if asked.path.startswith('/token')]
            self.assertEqual('/token?a=b&scope=repository%3Aos%3Apull'
                             '&service=s+x', asked)
            self.assertEqual(
                'Bearer a.b-c',
                self.server.requests[-1].headers.get('Authorization'))

    def test_a_token_server_without_tls_gets_no_password(self):
        other = self.serve(tls=False)
        self.token(b'{"token": "x"}', url=f'{other.url}/token')
        self.assertIn('sends for tokens to', self.fail(
            errors.RegistryError, secret=SECRET))
        self.assertEqual([], other.requests)

    def test_a_token_that_is_none_is_refused(self):
        for body in (b'', b'{}', b'[]', b'{"token": 5}', b'{"token": ""}',
                     b'{"token": "a b"}', b'{"token": "a\\r\\nX: y"}'):
            self.server.resources.pop('/token', None)
            self.token(body)
            self.assertIn('gives no token', self.fail(errors.RegistryError))

    def test_a_challenge_that_makes_no_sense_is_no_more_than_a_refusal(self):
        for value in ('', 'Bearer', 'Digest realm="x"', 'Basic', 'x' * 5000,
                      'Bearer realm="', 'Bearer realm=javascript:x'):
            self.challenge(value)
            self.fail(errors.RegistryError)

    def test_a_token_is_asked_for_wherever_it_stands_among_challenges(self):
        self.token(b'{"token": "abc"}')
        bearer = f'Bearer realm="{self.server.url}/token",service="s"'
        for value in (f'{bearer}, Basic realm="x"',
                      f'Basic realm="x", {bearer}',
                      f'Negotiate, {bearer}'):
            self.challenge(value)
            for secret in (None, SECRET):
                self.find(secret=secret)
                self.assertEqual(
                    'Bearer abc',
                    self.server.requests[-1].headers.get('Authorization'))

    def test_a_password_is_shown_behind_a_scheme_that_nobody_knows(self):
        self.challenge('Negotiate, Basic realm="x"')
        self.find(secret=SECRET)
        self.assertIn(BASIC, [asked.headers.get('Authorization')
                              for asked in self.server.requests])

    def test_a_password_is_not_shown_to_who_wants_a_token(self):
        self.challenge('Basic realm="x"')
        self.fail(errors.UnauthorisedError, secret='identity.token')
        for asked in self.server.requests:
            self.assertNotIn('Authorization', asked.headers)


class AnswerTestCase(StrangersTestCase):

    def test_an_answer_without_an_end_is_given_up(self):
        self.manifest().always = fault_server.endless()
        self.assertIn(str(registry_session.MAX_BODY),
                      self.fail(errors.RegistryError))

    def test_an_answer_that_stalls_is_given_up(self):
        for fault in (fault_server.stall(10),
                      fault_server.trickle(0.2)):
            self.manifest().always = fault
            self.assertIn('does not answer in 1 seconds', self.fail(
                errors.RegistryTimeoutError, timeout=1))

    def test_a_connection_that_says_nothing_is_given_up(self):
        self.manifest().gate = threading.Event()
        self.addCleanup(self.manifest().gate.set)
        self.fail(errors.RegistryTimeoutError, timeout=1)

    def test_an_answer_that_breaks_off_is_no_image(self):
        self.manifest().always = fault_server.cut(20)
        self.fail(errors.RegistryError)

    def test_a_registry_that_is_overloaded_is_asked_again(self):
        self.manifest().faults = [fault_server.status(503)] * 2
        self.find()
        self.manifest().always = fault_server.status(503)
        self.assertIn('try again later', self.fail(errors.RegistryError))

    def test_a_registry_that_asks_to_wait_is_left(self):
        self.manifest().always = fault_server.status(
            429, Retry_After='3600')
        message = self.fail(errors.RegistryError)
        self.assertIn('too often', message)
        self.assertIn('in 3600 seconds', message)
        self.assertEqual(1, len(self.server.requests))

    def test_a_registry_that_says_when_is_asked_again_then(self):
        self.manifest().faults = [fault_server.status(429, Retry_After='1'),
                                  fault_server.status(429, Retry_After='0')]
        self.find()
        self.manifest().always = fault_server.status(429, Retry_After='0')
        self.server.requests.clear()
        self.fail(errors.RegistryError)
        self.assertLess(len(self.server.requests), 6)

    def test_what_is_no_registry_is_told(self):
        self.manifest().always = fault_server.page()
        self.fail(errors.RegistryError)
        self.manifest().always = fault_server.compressed()
        self.fail(errors.RegistryError)

    def test_an_error_of_a_registry_is_known_by_its_code(self):
        self.manifest().always = fault_server.status(
            400, b'{"errors": [{"code": "DENIED"}, 5]}')
        self.fail(errors.UnauthorisedError)
        for body in (b'{"errors": 5}', b'{"errors": [[]]}', b'[' * 99999):
            self.manifest().always = fault_server.status(400, body)
            self.assertIn('400', self.fail(errors.RegistryError))

    def test_nobody_at_the_port_is_told(self):
        self.server.socket.close()
        self.assertIn('cannot be reached', self.fail(errors.RegistryError))

    def test_a_name_that_is_nobodys_is_told(self):
        self.assertIn('r.invalid cannot be reached', self.refused(
            errors.RegistryError, 'r.invalid'))


class ProxyTestCase(StrangersTestCase):

    def proxy(self, *lines):
        proxy = Tinyproxy(pathlib.Path(
            self.useFixture(fixtures.TempDir()).path), lines)
        proxy.start()
        self.addCleanup(proxy.stop)
        return proxy

    def trusted(self, url, no_proxy=None):
        return request.Trust(ca=self.trust.ca, proxy=url, no_proxy=no_proxy)

    def test_a_registry_is_asked_through_the_proxy(self):
        proxy = self.proxy('BasicAuth me SecretWord')
        self.find(trust=self.trusted(
            f'http://me:SecretWord@127.0.0.1:{proxy.port}'))
        self.assertIn(f'CONNECT {self.host}', proxy.log_path.read_text())

    def test_a_proxy_that_refuses_is_told(self):
        proxy = self.proxy('BasicAuth me OtherWord')
        self.assertIn('proxy', self.fail(
            errors.RegistryError, trust=self.trusted(
                f'http://me:SecretWord@127.0.0.1:{proxy.port}')))

    def test_a_host_can_be_reached_without_the_proxy(self):
        self.find(trust=self.trusted('http://127.0.0.1:1',
                                     '.test,127.0.0.1'))

    def test_nobody_else_names_a_proxy(self):
        for name in ('HTTPS_PROXY', 'https_proxy', 'ALL_PROXY'):
            self.useFixture(fixtures.EnvironmentVariable(
                name, 'http://127.0.0.1:1'))
        self.find()


class Tinyproxy(process.Service):
    """A real proxy."""

    def __init__(self, directory, lines):
        super().__init__('tinyproxy', directory)
        self.port = process.free_port()
        self._lines = lines

    def command(self):
        config = self.directory / 'tinyproxy.conf'
        config.write_text('\n'.join([
            f'Port {self.port}', 'Listen 127.0.0.1', 'LogLevel Connect',
            *self._lines, '']))
        return ['/usr/bin/tinyproxy', '-d', '-c', str(config)]

    def is_ready(self):
        return process.http_answers(f'http://127.0.0.1:{self.port}/')
