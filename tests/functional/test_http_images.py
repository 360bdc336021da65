# SPDX-License-Identifier: Apache-2.0

"""Tests of image downloads with nginx, TLS of a private CA and a proxy."""

import datetime
import os
import pathlib
import random
import ssl
import threading

import fixtures
from oslotest import base
import requests
from requests import adapters
import trustme

from ironic_ext.images import errors
from ironic_ext.images.http import service as http
from ironic_ext.images import settings as image_settings
from lab import process
from tests import memory_target

CONTENT = random.Random(7).randbytes(6 << 20)

_NGINX = """\
daemon off;
{user}
pid {directory}/nginx.pid;
error_log stderr;
worker_processes 1;
events {{ worker_connections 64; }}
http {{
    log_format short '$request_method $uri $status $http_range '
                     '[$http_authorization] [$ssl_client_s_dn]';
    access_log {directory}/access.log short;
    client_body_temp_path {directory}/body;
    proxy_temp_path {directory}/proxy;
    fastcgi_temp_path {directory}/fastcgi;
    uwsgi_temp_path {directory}/uwsgi;
    scgi_temp_path {directory}/scgi;
    root {directory}/www;
    ssl_protocols TLSv1.2 TLSv1.3;
    ssl_certificate {directory}/server.pem;
    ssl_certificate_key {directory}/server.key;
    ssl_client_certificate {directory}/ca.pem;
    server {{
        listen 127.0.0.1:{http};
        location /slow/ {{ alias {directory}/www/; limit_rate 4m; }}
        location /whole/ {{ alias {directory}/www/; max_ranges 0; }}
        location /private/ {{
            alias {directory}/www/;
            auth_basic private;
            auth_basic_user_file {directory}/users;
        }}
        location /to-tls/ {{ return 302 https://localhost:{tls}/; }}
    }}
    server {{
        listen 127.0.0.1:{tls} ssl;
        ssl_protocols TLSv1.2;
        ssl_verify_client optional;
        location /to-other/ {{ return 302 https://localhost:{strict}/; }}
    }}
    server {{
        listen 127.0.0.1:{strict} ssl;
        ssl_verify_client on;
        location /to-other/ {{ return 302 https://localhost:{tls}/a.iso; }}
    }}
    server {{
        listen 127.0.0.1:{expired} ssl;
        ssl_certificate {directory}/expired.pem;
        ssl_certificate_key {directory}/expired.key;
    }}
    server {{
        listen 127.0.0.1:{other} ssl;
        ssl_certificate {directory}/other.pem;
        ssl_certificate_key {directory}/other.key;
    }}
}}
"""

_TINYPROXY = """\
Port {port}
Listen 127.0.0.1
BasicAuth me s3cr3t
LogFile "{directory}/proxy.log"
LogLevel Connect
MaxClients 20
Timeout 60
"""


class Nginx(process.Service):
    """nginx with plain, TLS and client-certificate servers.

    :ivar ports: by name: http, tls, strict, expired, other.
    """

    def __init__(self, directory: pathlib.Path) -> None:
        super().__init__('nginx', directory)
        self.ports = {name: process.free_port() for name in (
            'http', 'tls', 'strict', 'expired', 'other')}
        self._config = directory / 'nginx.conf'
        self._config.write_text(_NGINX.format(
            directory=directory, **self.ports,
            user='user root;' if os.geteuid() == 0 else ''))

    def command(self):
        """See process.Service."""
        return ['/usr/sbin/nginx', '-e', 'stderr', '-p', str(self.directory),
                '-c', str(self._config)]

    def is_ready(self):
        """See process.Service."""
        return process.http_answers(self.url('http', ''))

    def url(self, server: str, path: str) -> str:
        """Return the URL of a path on one of the servers."""
        scheme = 'http' if server == 'http' else 'https'
        return f'{scheme}://localhost:{self.ports[server]}/{path}'

    def lines(self) -> list[str]:
        """Return what the access log says."""
        return (self.directory / 'access.log').read_text().splitlines()


class Tinyproxy(process.Service):
    """A proxy that wants a user."""

    def __init__(self, directory: pathlib.Path) -> None:
        super().__init__('tinyproxy', directory)
        self.port = process.free_port()
        self._config = directory / 'tinyproxy.conf'
        self._config.write_text(_TINYPROXY.format(
            directory=directory, port=self.port))

    def command(self):
        """See process.Service."""
        return ['/usr/bin/tinyproxy', '-d', '-c', str(self._config)]

    def is_ready(self):
        """See process.Service."""
        return process.http_answers(f'http://127.0.0.1:{self.port}')

    @property
    def url(self) -> str:
        """The URL with user and password."""
        return f'http://me:s3cr3t@127.0.0.1:{self.port}'


class ServerTestCase(base.BaseTestCase):

    def setUp(self):
        super().setUp()
        for name in ('http_proxy', 'https_proxy', 'all_proxy', 'no_proxy'):
            for spelling in (name, name.upper()):
                self.useFixture(fixtures.EnvironmentVariable(spelling))
        for name in ('REQUESTS_CA_BUNDLE', 'CURL_CA_BUNDLE'):
            self.useFixture(fixtures.EnvironmentVariable(name))
        self.folder = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        self.folder.chmod(0o755)
        self._write_files()
        self.nginx = Nginx(self.folder)
        self.nginx.start()
        self.addCleanup(self.nginx.stop)
        self.target = memory_target.MemoryTarget()

    def _write_files(self):
        web = self.folder / 'www'
        web.mkdir()
        (web / 'a.iso').write_bytes(CONTENT)
        (self.folder / 'users').write_text('u:{PLAIN}p\n')
        self.authority = trustme.CA()
        self.ca = self.authority.cert_pem.bytes().decode()
        (self.folder / 'ca.pem').write_text(self.ca)
        now = datetime.datetime.now(datetime.timezone.utc)
        for name, cert in (
                ('server', self.authority.issue_cert('localhost')),
                ('other', self.authority.issue_cert('other.test')),
                ('client', self.authority.issue_cert('node@client.test')),
                ('expired', self.authority.issue_cert(
                    'localhost', not_before=now - datetime.timedelta(9),
                    not_after=now - datetime.timedelta(1)))):
            chain = b''.join(pem.bytes() for pem in cert.cert_chain_pems)
            (self.folder / f'{name}.pem').write_bytes(chain)
            key = self.folder / f'{name}.key'
            key.write_bytes(cert.private_key_pem.bytes())
            key.chmod(0o600)

    def service(self, access=None, **facts):
        return http.HttpImageService(image_settings.Settings(**{
            'access': access or image_settings.Access(ca=self.ca),
            'retries': 3, 'retry_interval': 0.1, 'connect_timeout': 10,
            'stall_timeout': 10, **facts}))

    def fetch(self, server='http', path='a.iso', access=None, **facts):
        self.target = memory_target.MemoryTarget()
        return self.service(access, **facts).fetch(
            self.nginx.url(server, path), self.target)

    def assertFetched(self, *args, **facts):
        self.fetch(*args, **facts)
        self.assertEqual([], self.target.missing())
        if self.target.content != CONTENT:  # megabytes are no message
            self.fail('the content differs')

    def assertRefused(self, kind, text, *args, **facts):
        failure = self.assertRaises(kind, self.fetch, *args, **facts)
        self.assertIn(text, str(failure))
        self.assertNotIn('\n', str(failure))
        self.assertNotIn('s3cr3t', str(failure))


class PlainTestCase(ServerTestCase):

    def test_an_image_comes_with_or_without_ranges(self):
        self.assertFetched()
        self.assertFetched(path='whole/a.iso')

    def test_an_image_is_known_the_second_time(self):
        service = self.service()
        url = self.nginx.url('http', 'a.iso')
        version = service.stat(url)
        self.assertEqual(len(CONTENT), version.size)
        self.assertIsNone(service.fetch(url, self.target, version))
        process.await_condition(
            lambda: any(line.split()[2] == '304'
                        for line in self.nginx.lines()),
            'nginx to tell of a 304', timeout=60)

    def test_parts_are_those_of_one_version(self):
        service = self.service()
        url = self.nginx.url('http', 'a.iso')
        version = service.stat(url)
        self.assertEqual(CONTENT[70_000:170_000], service.read_range(
            url, 70_000, 100_000, version))
        self.assertEqual(b'', service.read_range(
            url, len(CONTENT), 10, version))
        (self.folder / 'www/a.iso').write_bytes(CONTENT[::-1] + b'.')
        self.assertRaises(errors.ImageChangedError, service.read_range,
                          url, 0, 10, version)

    def test_a_download_outlives_a_restart_of_the_server(self):
        begun = threading.Event()

        class Target(memory_target.MemoryTarget):
            def write(self, offset, data):
                super().write(offset, data)
                if offset > len(CONTENT) // 2:
                    begun.set()

        self.target = Target()
        service = self.service(retries=20, retry_ceiling=0.5)
        url = self.nginx.url('http', 'slow/a.iso')
        thread = threading.Thread(
            target=lambda: service.fetch(url, self.target))
        thread.start()
        self.addCleanup(thread.join)
        self.assertTrue(begun.wait(30))
        self.nginx.kill()
        self.nginx.start()
        thread.join()
        self.assertEqual([], self.target.missing())
        self.assertEqual(len(CONTENT), self.target.written)
        if self.target.content != CONTENT:
            self.fail('the content differs')
        # The request that was killed has no line in the log. Whoever looks
        # whether nginx has started may have the last one, and a line comes
        # when the client may have had the last byte already.
        process.await_condition(
            lambda: any(start > len(CONTENT) // 2 for start in self.starts()),
            'nginx to tell of a request for the rest', timeout=60)

    def starts(self) -> list[int]:
        """Return where the parts began that nginx was asked for."""
        asked = [line.split()[3] for line in self.nginx.lines()]
        return [int(part.removeprefix('bytes=').split('-')[0])
                for part in asked if part.startswith('bytes=')]

    def test_a_password_opens_what_is_private(self):
        self.assertFetched(path='private/a.iso', access=(
            image_settings.Access(username='u', password='p')))
        self.assertRefused(errors.ImageAccessError, 'it wants credentials',
                           path='private/a.iso')
        self.assertRefused(
            errors.ImageAccessError, 'does not accept these credentials',
            path='private/a.iso',
            access=image_settings.Access(username='u', password='s3cr3t'))

    def test_a_missing_image_is_told(self):
        self.assertRefused(errors.ImageNotFoundError, 'check the URL',
                           path='b.iso')


class TlsTestCase(ServerTestCase):

    def test_a_private_ca_can_be_added(self):
        self.assertFetched('tls')
        self.assertFetched('tls', access=image_settings.Access(
            verify=str(self.folder / 'ca.pem')))

    def test_a_ca_that_nobody_trusts_is_named(self):
        self.assertRefused(errors.ImageError, 'a CA that is not trusted',
                           'tls', access=image_settings.Access())

    def test_whoever_asks_for_it_gets_no_verification(self):
        self.assertFetched('tls', access=image_settings.Access(verify=False))

    def test_an_expired_certificate_is_named(self):
        self.assertRefused(errors.ImageError, 'has expired', 'expired')

    def test_a_certificate_of_another_host_is_named(self):
        self.assertRefused(errors.ImageError, 'for another host name',
                           'other')

    def test_a_server_may_want_a_client_certificate(self):
        access = image_settings.Access(
            ca=self.ca, client_cert=str(self.folder / 'client.pem'),
            client_key=str(self.folder / 'client.key'))
        self.assertFetched('strict', access=access)
        self.assertRefused(errors.ImageAccessError,
                           'wants a client certificate', 'strict')

    def test_a_client_certificate_is_for_its_origin_only(self):
        access = image_settings.Access(
            ca=self.ca, client_cert=str(self.folder / 'client.pem'),
            client_key=str(self.folder / 'client.key'),
            username='u', password='p')
        self.assertFetched('strict', 'to-other/', access=access)
        found = [line.split(' ', 4)[1::3] for line in self.nginx.lines()
                 if 'bytes=' in line]
        self.assertEqual(('/to-other/', '/a.iso'), (found[0][0], found[1][0]))
        self.assertEqual(1, sum('[-] [-]' not in who for _path, who in found))
        self.assertNotIn('[-]', found[0][1])

    def test_a_key_that_does_not_fit_is_named(self):
        self.assertRefused(
            errors.ImageAccessError, 'do not belong together', 'strict',
            access=image_settings.Access(
                ca=self.ca, client_cert=str(self.folder / 'client.pem'),
                client_key=str(self.folder / 'other.key')))

    def test_a_missing_tls_file_is_named(self):
        for access in (
                image_settings.Access(verify='/no/such'),
                image_settings.Access(client_cert='/no/such')):
            self.assertRefused(errors.ImageError,
                               'a TLS file cannot be read', 'tls',
                               access=access)

    def test_plain_http_behind_https_is_named(self):
        url = self.nginx.url('http', 'a.iso').replace('http:', 'https:')
        failure = self.assertRaises(errors.ImageError,
                                    self.service().stat, url)
        self.assertIn('does not speak TLS', str(failure))

    def test_the_session_says_which_tls_will_do(self):
        class Newest(adapters.HTTPAdapter):
            def init_poolmanager(self, *args, **facts):
                # As Ironic makes it for [DEFAULT]webserver_tls_*.
                context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
                context.check_hostname = False
                context.verify_mode = ssl.CERT_NONE
                context.minimum_version = ssl.TLSVersion.TLSv1_3
                super().init_poolmanager(*args, ssl_context=context,
                                         **facts)

        def session():
            made = requests.Session()
            made.mount('https://', Newest())
            return made
        self.assertRefused(errors.ImageError, 'TLS version', 'tls',
                           session=session)
        self.assertFetched('strict', session=session, access=(
            image_settings.Access(
                ca=self.ca, client_cert=str(self.folder / 'client.pem'),
                client_key=str(self.folder / 'client.key'))))
        self.assertFetched('expired', session=session, access=(
            image_settings.Access(verify=False)))
        self.assertRefused(errors.ImageError, 'a CA that is not trusted',
                           'strict', session=session,
                           access=image_settings.Access())
        self.assertRefused(errors.ImageError, 'for another host name',
                           'other', session=session)


class ProxyTestCase(ServerTestCase):

    def setUp(self):
        super().setUp()
        self.proxy = Tinyproxy(self.folder)
        self.proxy.start()
        self.addCleanup(self.proxy.stop)

    def access(self, url=None, **facts):
        url = url or self.proxy.url
        return image_settings.Access(
            ca=self.ca, proxies={'http': url, 'https': url}, **facts)

    def passed(self):
        text = (self.folder / 'proxy.log').read_text()
        return text.count('Established connection to host')

    def test_an_image_comes_through_a_proxy(self):
        self.assertFetched(access=self.access())
        before = self.passed()
        self.assertGreater(before, 0)
        self.assertFetched('tls', access=self.access())
        self.assertGreater(self.passed(), before)

    def test_the_proxy_of_the_environment_is_used(self):
        self.useFixture(fixtures.EnvironmentVariable(
            'http_proxy', self.proxy.url))
        self.assertFetched()
        self.assertGreater(self.passed(), 0)

    def test_no_proxy_is_honoured(self):
        self.useFixture(fixtures.EnvironmentVariable(
            'http_proxy', self.proxy.url))
        self.useFixture(fixtures.EnvironmentVariable(
            'no_proxy', 'example.org,localhost'))
        self.assertFetched()
        self.assertEqual(0, self.passed())

    def test_a_wrong_password_is_told_unseen(self):
        wrong = self.proxy.url.replace('s3cr3t', 's3cr3t-not')
        none = self.proxy.url.replace('me:s3cr3t@', '')
        for server, url in (('tls', wrong), ('tls', none), ('http', none)):
            self.assertRefused(
                errors.ImageAccessError, 'the proxy wants other credentials',
                server, access=self.access(url))
