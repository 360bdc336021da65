# SPDX-License-Identifier: Apache-2.0

"""Tests of redirects, credentials, proxies and TLS files of image URLs."""

from http import server as http_server
import os
import threading
import traceback
from unittest import mock

import fixtures
from oslotest import base
import requests

from ironic_ext.images import errors
from ironic_ext.images.http import access as http_access
from ironic_ext.images.http import service as http
from ironic_ext.images import settings as image_settings
from tests import fault_server as faults
from tests import memory_target

PAIR = 'Basic dTpw'
ACCESS = image_settings.Access(username='u', password='p', proxies={})


def service(access=ACCESS, **facts):
    return http.HttpImageService(image_settings.Settings(
        access=access, retries=0, retry_interval=0.01, stall_timeout=10,
        **facts))


class ServersTestCase(base.BaseTestCase):

    def setUp(self):
        super().setUp()
        self.server = self.start()
        self.url = f'{self.server.url}/a.iso'

    def start(self):
        context = faults.serving()
        server = context.__enter__()
        self.addCleanup(context.__exit__, None, None, None)
        return server

    def fetch(self, href=None, **facts):
        target = memory_target.MemoryTarget()
        service(**facts).fetch(href or self.url, target)
        return bytes(target.content)

    def refusal(self, kind, href=None, **facts):
        return str(self.assertRaises(kind, self.fetch, href, **facts))


class RedirectTestCase(ServersTestCase):

    def test_a_redirect_is_followed(self):
        for code in (301, 302, 303, 307, 308):
            with self.subTest(code=code):
                self.server.resources.clear()
                self.server.add('/a.iso', always=faults.redirect(
                    '/b.iso', code))
                self.server.add('/b.iso', b'content')
                self.assertEqual(b'content', self.fetch())

    def test_a_loop_is_named(self):
        self.server.add('/a.iso', always=faults.redirect('/b.iso'))
        self.server.add('/b.iso', always=faults.redirect('/a.iso?sig=s3cr'))
        self.server.resources['/a.iso'].always = faults.redirect('/b.iso')
        text = self.refusal(errors.ImageError)
        self.assertIn(f'in a loop: {self.server.url}/b.iso -> ', text)
        self.assertNotIn('s3cr', text)

    def test_redirects_do_not_go_on_for_ever(self):
        def further(reply, resource):
            count = len(self.server.requests)
            self.server.add(f'/{count}', always=further)
            faults.redirect(f'/{count}')(reply, resource)
        self.server.add('/a.iso', always=further)
        self.assertIn('more than 10 times', self.refusal(errors.ImageError))
        self.assertEqual(11, len(self.server.requests))

    def test_a_redirect_leads_to_web_servers_only(self):
        for where in ('file:///etc/shadow', 'ftp://host/x', 'gopher:x',
                      'http://[x/', 'http://h:99999/', 'https://'):
            with self.subTest(where=where):
                self.server.resources.clear()
                self.server.add('/a.iso', always=faults.redirect(where))
                self.assertIn('redirects to',
                              self.refusal(errors.HrefError))

    def test_a_redirect_without_a_place_is_an_answer(self):
        self.server.add('/a.iso', always=faults.status(302))
        self.assertIn('answered 302', self.refusal(errors.ImageError))

    def test_the_body_of_a_redirect_is_not_read_for_ever(self):
        self.server.add('/a.iso', always=faults.both(
            faults.endless(),
            lambda reply, resource: setattr(reply, 'status', 302),
            faults.header('Location', '/b.iso')))
        self.server.add('/b.iso', b'content')
        self.assertEqual(b'content', self.fetch())

    def test_parts_come_from_where_the_first_one_came(self):
        mirrors = iter(('/one', '/two'))
        content = bytes(range(256)) * 10000
        self.server.add('/a.iso', always=lambda reply, resource:
                        faults.redirect(next(mirrors))(reply, resource))
        self.server.add('/one', content, etag='"1"')
        self.server.add('/two', content, etag='"2"')
        self.assertEqual(content, self.fetch())
        self.assertNotIn('/two', [r.path for r in self.server.requests])

    def test_a_place_that_expired_is_looked_up_anew(self):
        content = bytes(range(256)) * 10000
        self.server.add('/a.iso', always=faults.redirect('/signed'))
        self.server.add('/signed', content,
                        faults=[None, faults.status(403)])
        self.assertEqual(content, self.fetch())
        self.assertEqual(
            ['/a.iso', '/signed', '/signed', '/a.iso', '/signed'],
            [r.path for r in self.server.requests])


class CredentialsTestCase(ServersTestCase):

    def seen(self, server=None):
        return [r.headers.get('Authorization')
                for r in (server or self.server).requests]

    def test_a_user_has_a_password(self):
        self.server.add('/a.iso', b'x', authorization=PAIR)
        self.assertEqual(b'x', self.fetch())

    def test_a_token_is_a_bearer_one(self):
        self.server.add('/a.iso', b'x', authorization='Bearer t0k')
        self.assertEqual(b'x', self.fetch(access=image_settings.Access(
            token='t0k', proxies={})))

    def test_a_token_of_two_lines_is_refused_unseen(self):
        text = self.refusal(errors.ImageAccessError,
                            access=image_settings.Access(token='t0k\nx'))
        self.assertNotIn('t0k', text)

    def test_a_url_may_have_its_own(self):
        self.server.add('/a.iso', b'x', authorization='Basic bWU6YUBi')
        href = self.url.replace('://', '://me:a%40b@')
        self.assertEqual(b'x', self.fetch(href))

    def test_letters_of_any_alphabet_can_be_sent(self):
        self.server.add('/a.iso', b'x',
                        authorization='Basic w7w60L/QsNGA0L7Qu9GM')
        self.assertEqual(b'x', self.fetch(access=image_settings.Access(
            username='ü', password='пароль', proxies={})))

    def test_the_operator_s_own_serve_where_the_node_has_none(self):
        self.server.add('/a.iso', b'x', authorization=PAIR)
        asked = []

        def default(href):
            asked.append(href)
            return 'u', 'p'
        self.assertEqual(b'x', self.fetch(
            access=image_settings.Access(proxies={}),
            default_access=default))
        self.assertEqual([self.url], asked)

    def test_the_same_origin_gets_them_after_a_redirect(self):
        self.server.add('/a.iso', always=faults.redirect('/b.iso'))
        self.server.add('/b.iso', b'x', authorization=PAIR)
        self.assertEqual(b'x', self.fetch())

    def test_another_origin_never_gets_them(self):
        other = self.start()
        other.add('/b.iso', b'x')
        self.server.add('/a.iso', always=faults.redirect(
            f'{other.url}/b.iso'))
        for href in (self.url, self.url.replace('://', '://u:p@')):
            self.assertEqual(b'x', self.fetch(href))
        self.assertEqual({PAIR}, set(self.seen()))
        self.assertEqual({None}, set(self.seen(other)))

    def test_another_origin_that_wants_some_is_named(self):
        other = self.start()
        other.add('/b.iso', b'x', authorization=PAIR)
        self.server.add('/a.iso', always=faults.redirect(
            f'{other.url}/b.iso'))
        self.assertIn('(redirected to 127.0.0.1): it wants credentials',
                      self.refusal(errors.ImageAccessError))

    def test_those_in_a_redirect_are_not_used(self):
        self.server.add('/a.iso', always=faults.redirect(
            self.server.url.replace('://', '://x:y@') + '/b.iso'))
        self.server.add('/b.iso', b'x')
        self.fetch(access=image_settings.Access(proxies={}))
        self.assertEqual({None}, set(self.seen()))

    def test_netrc_is_not_read(self):
        home = self.useFixture(fixtures.TempDir()).path
        with open(os.path.join(home, '.netrc'), 'w') as file:
            file.write('machine 127.0.0.1 login u password p\n')
        self.useFixture(fixtures.EnvironmentVariable('HOME', home))
        self.server.add('/a.iso', b'x')
        self.fetch(access=image_settings.Access(proxies={}))
        self.assertEqual({None}, set(self.seen()))

    def test_cookies_are_not_kept(self):
        self.server.add('/a.iso', bytes(3 << 20),
                        headers={'Set-Cookie': 'id=1'})
        self.fetch()
        self.assertEqual({None}, {
            r.headers.get('Cookie') for r in self.server.requests})

    def test_a_redirect_to_itself_that_sets_a_cookie_is_no_loop(self):
        other = self.start()
        other.add('/b.iso', b'x')
        self.server.add('/a.iso', faults=[
            faults.redirect(self.url, Set_Cookie='visited=1; Path=/'),
            faults.redirect(f'{other.url}/b.iso')])
        self.fetch()
        cookies = [request.headers.get('Cookie')
                   for request in self.server.requests]
        self.assertEqual([None, 'visited=1'], cookies[:2])

    def test_a_server_with_a_new_cookie_each_time_is_left(self):
        self.server.add('/a.iso', faults=[
            faults.redirect(self.url, Set_Cookie=f'visited={number}')
            for number in range(99)])
        self.assertIn('redirects more than 10 times',
                      self.refusal(errors.ImageError))
        self.assertEqual(11, len(self.server.requests))

    def test_wrong_ones_are_told_from_missing_ones(self):
        self.server.add('/a.iso', b'x', authorization='Basic x')
        self.assertIn('does not accept these credentials',
                      self.refusal(errors.ImageAccessError))

    def test_no_message_or_traceback_shows_a_secret(self):
        href = self.url.replace('://', '://me:s3cr3t@') + '?sig=s3cr3t'
        for fault in (faults.status(404), faults.status(401),
                      faults.status(503), faults.cut(0), faults.page(),
                      faults.redirect('file:///x?s3cr3t'),
                      faults.redirect('?sig=s3cr3t&x')):
            self.server.resources.clear()
            self.server.add('/a.iso', b'content', always=fault)
            try:
                self.fetch(href)
            except errors.ImageError:
                self.assertNotIn('s3cr3t', traceback.format_exc())
            else:
                self.fail('it was fetched')

    def test_settings_show_no_secret(self):
        found = repr(image_settings.Access(
            username='u', password='s3cr3t', token='s3cr3t',
            proxies={'http': 'http://u:s3cr3t@proxy'}))
        self.assertNotIn('s3cr3t', found)
        self.assertNotIn('s3cr3t', repr(http_access.Location.parse(
            'http://u:s3cr3t@host/?s3cr3t')))


class _Proxy(http_server.BaseHTTPRequestHandler):

    def do_GET(self):
        self.server.asked.append(
            (self.path, self.headers.get('Proxy-Authorization')))
        if self.server.status == 200:
            body = b'by proxy'
        else:
            body = b''
        self.send_response(self.server.status)
        self.send_header('Content-Length', str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_CONNECT = do_GET

    def log_message(self, format, *args):
        pass


class ProxyTestCase(ServersTestCase):

    def setUp(self):
        super().setUp()
        self.proxy = http_server.HTTPServer(('127.0.0.1', 0), _Proxy)
        self.proxy.asked, self.proxy.status = [], 200
        thread = threading.Thread(target=self.proxy.serve_forever,
                                  kwargs={'poll_interval': 0.01})
        thread.start()
        self.addCleanup(self.proxy.server_close)
        self.addCleanup(thread.join)
        self.addCleanup(self.proxy.shutdown)
        self.proxy_url = f'http://me:s3cr3t@127.0.0.1:{self.proxy.server_port}'
        for name in list(os.environ):
            if name.lower().endswith('_proxy'):
                self.useFixture(fixtures.EnvironmentVariable(name))

    def test_a_given_proxy_is_used(self):
        content = self.fetch('http://image.test/a.iso', access=(
            image_settings.Access(proxies={'http': self.proxy_url})))
        self.assertEqual(b'by proxy', content)
        self.assertEqual([('http://image.test/a.iso',
                           'Basic bWU6czNjcjN0')], self.proxy.asked)

    def test_the_proxy_of_the_environment_is_used(self):
        self.useFixture(fixtures.EnvironmentVariable(
            'http_proxy', self.proxy_url))
        access = image_settings.Access()
        self.assertEqual(b'by proxy', self.fetch(
            'http://image.test/a.iso', access=access))

    def test_no_proxy_is_honoured(self):
        self.server.add('/a.iso', b'x')
        self.useFixture(fixtures.EnvironmentVariable(
            'http_proxy', self.proxy_url))
        self.useFixture(fixtures.EnvironmentVariable(
            'no_proxy', '127.0.0.1'))
        self.assertEqual(b'x', self.fetch(access=image_settings.Access()))
        self.assertEqual(b'x', self.fetch(access=image_settings.Access(
            proxies={'http': self.proxy_url, 'no_proxy': '127.0.0.1'})))

    def test_no_proxies_at_all_can_be_had(self):
        self.server.add('/a.iso', b'x')
        self.useFixture(fixtures.EnvironmentVariable(
            'http_proxy', self.proxy_url))
        self.assertEqual(b'x', self.fetch(
            access=image_settings.Access(proxies={})))

    def test_a_proxy_that_refuses_is_named_without_its_password(self):
        self.proxy.status = 407
        for scheme in ('http', 'https'):
            text = self.refusal(
                errors.ImageAccessError, f'{scheme}://image.test/a.iso',
                access=image_settings.Access(
                    proxies={scheme: self.proxy_url}))
            self.assertIn('the proxy wants other credentials', text)
            self.assertNotIn('s3cr3t', text)

    def test_a_proxy_that_is_down_is_named_without_its_password(self):
        with faults.serving() as server:
            port = server.server_port
        text = self.refusal(
            errors.ImageError, 'http://image.test/a.iso',
            access=image_settings.Access(
                proxies={'http': f'http://me:s3cr3t@127.0.0.1:{port}'}))
        self.assertIn('refused by the proxy', text)
        self.assertNotIn('s3cr3t', text)


class HrefTestCase(base.BaseTestCase):

    def test_what_is_no_url_of_a_web_server_is_refused(self):
        for href in ('http://', 'http:///x', 'ftp://h/x', 'http://h:0x/',
                     'http://h:99999/', 'http://[::1/x', 'x'):
            with self.subTest(href=href):
                self.assertRaises(errors.HrefError, service().stat, href)

    def test_a_host_that_nobody_knows_is_named(self):
        failure = self.assertRaises(
            errors.ImageError, service().stat,
            'http://no-such-host.invalid/a.iso?s3cr3t')
        self.assertNotIn('s3cr3t', str(failure))

    def test_an_origin_is_scheme_host_and_port(self):
        def origin(href):
            return http_access.Location.parse(href).origin
        self.assertEqual(origin('http://Host/a'), origin('http://host:80/'))
        self.assertNotEqual(origin('http://h/'), origin('https://h/'))
        self.assertNotEqual(origin('http://h/'), origin('http://h:81/'))
        self.assertNotEqual(origin('http://h/'), origin('http://h.x/'))

    def test_requests_never_sees_a_password_or_fragment(self):
        self.assertEqual(
            'http://[::1]:8080/a?b=c', http_access.Location.parse(
                'http://u:p@[::1]:8080/a?b=c#d').url)


class TrustTestCase(base.BaseTestCase):

    def setUp(self):
        super().setUp()
        for name in ('REQUESTS_CA_BUNDLE', 'CURL_CA_BUNDLE'):
            self.useFixture(fixtures.EnvironmentVariable(name))

    def bundle(self, access):
        trust = http_access.Trust(access)
        with open(trust.verify) as file:
            return trust, file.read()

    def test_without_more_it_is_what_was_asked_for(self):
        for verify in (True, False, '/a/path'):
            self.assertEqual(verify, http_access.Trust(
                image_settings.Access(verify=verify)).verify)

    def test_the_environment_may_name_a_bundle(self):
        with mock.patch.dict(os.environ, REQUESTS_CA_BUNDLE='/a/bundle'):
            self.assertEqual('/a/bundle', http_access.Trust(
                image_settings.Access()).verify)

    def test_insecure_stays_insecure_with_a_ca(self):
        self.assertIs(False, http_access.Trust(image_settings.Access(
            verify=False, ca='x')).verify)

    def test_a_ca_comes_beside_the_others(self):
        with open(requests.certs.where()) as file:
            usual = file.read()
        one = usual[usual.index('-----BEGIN'):]
        one = one[:one.index('-----END') + 25]
        trust, text = self.bundle(image_settings.Access(ca=one))
        self.assertTrue(text.startswith(usual))
        self.assertTrue(text.endswith(one))
        self.assertTrue(os.readlink(trust.verify).startswith('/memfd:'))

    def test_a_bundle_goes_with_its_user(self):
        with open(requests.certs.where()) as file:
            usual = file.read()
        trust, _text = self.bundle(image_settings.Access(ca=usual))
        path = trust.verify
        del trust
        self.assertFalse(os.path.lexists(path) and os.readlink(
            path).startswith('/memfd:ca-bundle'))

    def test_a_ca_that_is_none_is_refused(self):
        for text in ('no certificate', 'ü', '-----BEGIN CERTIFICATE-----\n'):
            failure = self.assertRaises(
                errors.ImageError, http_access.Trust,
                image_settings.Access(ca=text))
            self.assertIn('not PEM', str(failure))

    def test_a_bundle_that_is_missing_is_named(self):
        with open(requests.certs.where()) as file:
            usual = file.read()
        failure = self.assertRaises(
            errors.ImageError, http_access.Trust,
            image_settings.Access(verify='/no/such', ca=usual))
        self.assertIn('/no/such', str(failure))
