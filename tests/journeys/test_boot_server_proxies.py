# SPDX-License-Identifier: Apache-2.0

"""The boot server behind proxies that share connections among clients."""

import contextlib
import pathlib
import re
import shutil
import socket
import tempfile

import testtools

from lab import process
from tests import ambiguous_requests
from tests import boot_server
from tests import ironic_stand_in

_NGINX = """\
daemon off;
master_process off;
pid {directory}/nginx.pid;
error_log stderr;
events {{ worker_connections 256; }}
http {{
    log_format request 'request $status "$request"';
    access_log /dev/stderr request;
    client_body_temp_path {directory}/body;
    proxy_temp_path {directory}/proxy;
    fastcgi_temp_path {directory}/fastcgi;
    uwsgi_temp_path {directory}/uwsgi;
    scgi_temp_path {directory}/scgi;
    ignore_invalid_headers off;
    underscores_in_headers on;
    upstream server {{ server 127.0.0.1:{server}; keepalive 4; }}
    server {{
        listen 127.0.0.1:{port};
        location / {{
            proxy_pass http://server;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_request_buffering off;
        }}
    }}
}}
"""
_HAPROXY = """\
global
    maxconn 100
    log stderr format raw local0
defaults
    mode http
    log global
    log-format "request %ST %{{+Q}}r"
    timeout connect 10s
    timeout client 60s
    timeout server 60s
    option accept-invalid-http-request
frontend clients
    bind 127.0.0.1:{port}
    default_backend servers
backend servers
    http-reuse always
    server one 127.0.0.1:{server}
"""
_SMUGGLED = ambiguous_requests.SMUGGLED
_CHUNKED = b'%x\r\n' % len(_SMUGGLED) + _SMUGGLED + b'\r\n0\r\n\r\n'
#: Bodies that nobody wants, with a request in them.
_UNWANTED = {
    f'a body of {method} {path}, {kind}':
    f'{method} {path} HTTP/1.1\r\nHost: a\r\n{header}\r\n\r\n'.encode() + body
    for method, path in (('POST', '/nowhere'), ('PUT', '/healthz'),
                         ('GET', '/ipxe'), ('DELETE', '/'))
    for kind, header, body in (
        ('of a length', f'Content-Length: {len(_SMUGGLED)}', _SMUGGLED),
        ('in chunks', 'Transfer-Encoding: chunked', _CHUNKED))}
_CODE = re.compile(rb'HTTP/1\.1 (\d{3}) ')


class _Proxy(process.Service):
    """A proxy that lets through what it can."""

    def __init__(self, name: str, directory: pathlib.Path, config: str,
                 server: int) -> None:
        super().__init__(name, directory)
        self.port = process.free_port()
        self.path = directory / f'{name}.conf'
        self.path.write_text(config.format(
            directory=directory, port=self.port, server=server))

    def is_ready(self) -> bool:
        """It passes on."""
        return process.http_answers(f'http://127.0.0.1:{self.port}/healthz')

    def read(self) -> int:
        """Return how many requests it has read, but for those of others."""
        return sum(line.startswith('request ') and '/ipxe?mac=' not in line
                   for line in self.log_path.read_text().splitlines())


class _Nginx(_Proxy):
    def command(self) -> list[str]:
        """Return the command line."""
        return ['nginx', '-e', 'stderr', '-p', str(self.directory), '-c',
                str(self.path)]


class _Haproxy(_Proxy):
    def command(self) -> list[str]:
        """Return the command line."""
        return ['haproxy', '-db', '-f', str(self.path)]


class ProxyTestCase(testtools.TestCase):
    """What one client does is nothing to the others."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        ironic = ironic_stand_in.IronicStandIn()
        ironic.setUp()
        cls.addClassCleanup(ironic.cleanUp)
        # Who asks for what is not there has to wait after some times.
        ironic.known.fill(1024)
        fixture = boot_server.BootServer(ironic.url)
        fixture.setUp()
        cls.addClassCleanup(fixture.cleanUp)
        cls.server = fixture.process
        cls.directory = pathlib.Path(cls.enterClassContext(
            tempfile.TemporaryDirectory()))
        cls.count = 0

    def proxy(self, kind, name, config):
        if shutil.which(name) is None:
            self.skipTest(f'{name} is missing')
        made = kind(name, self.directory, config, self.server.port)
        self.addCleanup(made.stop)
        made.start()
        return made

    def send(self, port, data):
        """Return all that comes to what is sent, until nothing does."""
        found = b''
        with socket.create_connection(('127.0.0.1', port), 60) as client:
            client.sendall(data)
            # The proxy keeps a good one, and waits for the rest of another.
            client.settimeout(0.3)
            with contextlib.suppress(TimeoutError, ConnectionError):
                while more := client.recv(1 << 16):
                    found += more
        return found

    def require_own_answers(self, port, why):
        """Other clients get what they ask for, each of them."""
        for _number in range(4):
            ProxyTestCase.count += 1
            mac = f'52:54:00:00:{self.count >> 8:02x}:{self.count & 255:02x}'
            with socket.create_connection(('127.0.0.1', port), 60) as client:
                client.sendall(f'GET /ipxe?mac={mac} HTTP/1.1\r\nHost: a\r\n'
                               'Connection: close\r\n\r\n'.encode())
                found = b''
                while more := client.recv(1 << 16):
                    found += more
            self.assertEqual([b'200'], _CODE.findall(found), (why, found))
            self.assertIn(f'ISO of server{self.count:05} ', found.decode(),
                          why)

    def judge(self, proxy):
        port = proxy.port
        for name, request in {**ambiguous_requests.AMBIGUOUS,
                              **_UNWANTED}.items():
            # Several connections to the server are there to be shared.
            self.require_own_answers(port, name)
            read = proxy.read()
            found = self.send(port, request)
            answers = len(_CODE.findall(found))
            # Some are two requests to the proxy, which it parts, answers
            # itself or sends on in a form that is not ambiguous. There is no
            # more than an answer to each that it has read, which it tells a
            # moment later; a third would be of what the server alone saw.
            self.assertLessEqual(answers, 2, (name, found))
            process.await_condition(
                lambda read=read, answers=answers:
                    proxy.read() >= read + answers,
                f'the proxy to have read {answers} requests of {name}',
                timeout=30)
            self.require_own_answers(port, name)

    def test_straight(self):
        for name, request in {**ambiguous_requests.AMBIGUOUS,
                              **_UNWANTED}.items():
            found = self.send(self.server.port, request)
            self.assertLessEqual(len(_CODE.findall(found)), 1, (name, found))
        self.require_own_answers(self.server.port, 'all')

    def test_behind_nginx(self):
        self.judge(self.proxy(_Nginx, 'nginx', _NGINX))

    def test_behind_haproxy_that_shares_connections(self):
        self.judge(self.proxy(_Haproxy, 'haproxy', _HAPROXY))
