# SPDX-License-Identifier: Apache-2.0

"""Who is asked: boot servers of two commits, and nginx; plain, or by TLS."""

import contextlib
import http.client
import os
import pathlib
import ssl
import sys
import tempfile

import trustme

from lab import process
from tests import boot_server
from tests import isos

_NGINX = """\
daemon off;
master_process off;
pid {directory}/nginx.pid;
error_log stderr;
events {{ worker_connections 4096; }}
http {{
    access_log off;
    keepalive_requests 1000000;
    client_body_temp_path {directory}/body;
    proxy_temp_path {directory}/proxy;
    fastcgi_temp_path {directory}/fastcgi;
    uwsgi_temp_path {directory}/uwsgi;
    scgi_temp_path {directory}/scgi;
    server {{
        listen 127.0.0.1:{port} {tls};
        location / {{ return 200 "{text}"; }}
    }}
}}
"""
#: Of ten hosts, this one has a config that is a template.
TEMPLATE = 9


class Ironic(process.Service):
    """The stand-in for Ironic as a process of its own."""

    start_timeout = 120.0

    def __init__(self, directory: pathlib.Path, nodes: int) -> None:
        super().__init__('ironic-stand-in', directory)
        self.port = process.free_port()
        self.url = f'http://127.0.0.1:{self.port}'
        self._nodes = nodes

    def command(self) -> list[str]:
        """Return the command line."""
        root = pathlib.Path(__file__).parents[2]
        return [sys.executable, '-c', (
            f'import sys; sys.path.insert(0, {str(root)!r}); '
            f'sys.argv = ["", "{self.port}", "{self._nodes}"]; '
            'from tests import ironic_stand_in; ironic_stand_in.main()')]

    def is_ready(self) -> bool:
        """It answers."""
        return process.http_answers(self.url + '/v1/ports?limit=1')


class Certificate:
    """A certificate of 127.0.0.1, and whom it is from."""

    def __init__(self, directory: pathlib.Path) -> None:
        authority = trustme.CA()
        self.authority = directory / 'authority.pem'
        authority.cert_pem.write_to_path(str(self.authority))
        self.path = directory / 'server.pem'
        authority.issue_cert('127.0.0.1').private_key_and_cert_chain_pem \
            .write_to_path(str(self.path))


class Server(boot_server.Process):
    """A boot server with a catalog.

    :ivar authority: file of the authority of its certificate; '' for a
        server without TLS.
    """

    start_timeout = 180.0

    def __init__(self, directory: pathlib.Path, ironic: str,
                 programs: pathlib.Path, certificate: Certificate | None,
                 resync: float) -> None:
        """Take the directory where ``ironic-boot-server`` is.

        :param resync: seconds between two looks at all of Ironic.
        """
        self._programs = programs
        self.authority = ''
        options = 'auth_strategy = noauth'
        if certificate is not None:
            self.authority = str(certificate.authority)
            options += f'\nuse_ssl = true\ncert_file = {certificate.path}'
        super().__init__(directory, ironic, options=options, resync=resync,
                         poll=2.0)

    def command(self, *arguments: str) -> list[str]:
        """Return the command line."""
        return [str(self._programs / 'ironic-boot-server'),
                *super().command(*arguments)[1:]]

    def is_ready(self) -> bool:
        """It serves, and knows Ironic's nodes."""
        with contextlib.suppress(OSError):
            return self.call('GET', '/healthz').code == 200
        return False

    def connection(self, source: str = '') -> http.client.HTTPConnection:
        """Return a new connection to the server."""
        if not self.authority:
            return super().connection(source)
        return http.client.HTTPSConnection(
            self.host, self.port, timeout=60, context=trusting(
                self.authority))

    def fill(self, configs: int) -> None:
        """Make the catalog that the nodes refer to."""
        for number in range(configs):
            self._make('bootconfigs', f'config{number:04}', _config(
                number % 10 == TEMPLATE))
        with tempfile.TemporaryDirectory() as folder:
            image = isos.isolinux_bios(pathlib.Path(folder)).read_bytes()
        for number in range(10):
            name = f'iso{number}'
            self._make('iscsi-cdroms', name, {
                'isoFile': f'{name}.iso', 'bootConfigs': [
                    f'config{config:04}' for config in range(configs)
                    if config % 10 == number]})
            path = f'/api/v1/iscsi-cdroms/{name}'
            required(self.call('PUT', f'{path}/upload', image,
                               Content_Type='application/octet-stream'), 200)
            # So that its machines get what they boot.
            required(self.call('PATCH', f'{path}/status', {'status': {
                'targetIQN': f'iqn.2000-02.com.example:{name}',
                'portalIP': '192.0.2.1'}}), 200)

    def _make(self, kind: str, name: str, spec: dict[str, object]) -> None:
        required(self.call('POST', f'/api/v1/{kind}', {
            'metadata': {'name': name}, 'spec': spec}), 201)

    def resident(self) -> int:
        """Return the bytes of memory that it has."""
        status = pathlib.Path(f'/proc/{self.pid}/status').read_text()
        return int(status.partition('VmRSS:')[2].split()[0]) << 10


class Nginx(process.Service):
    """nginx that answers a text as long as a config, from its memory."""

    program = '/usr/sbin/nginx'

    def __init__(self, directory: pathlib.Path,
                 certificate: Certificate | None) -> None:
        super().__init__('nginx', directory)
        self.host, self.port = '127.0.0.1', process.free_port()
        self.authority, tls = '', ''
        if certificate is not None:
            self.authority = str(certificate.authority)
            tls = (f'ssl; ssl_certificate {certificate.path}; '
                   f'ssl_certificate_key {certificate.path}')
        self._config = directory / 'nginx.conf'
        self._config.write_text(_NGINX.format(
            directory=directory, port=self.port, text='x' * 500, tls=tls))

    def command(self) -> list[str]:
        """Return the command line."""
        return [self.program, '-e', 'stderr', '-p', str(self.directory),
                '-c', str(self._config)]

    def is_ready(self) -> bool:
        """It listens."""
        with contextlib.suppress(OSError):
            connection = http.client.HTTPConnection(self.host, self.port)
            connection.connect()
            connection.close()
            return True
        return False


def trusting(authority: str) -> ssl.SSLContext:
    """Return what speaks TLS with whom an authority knows."""
    return ssl.create_default_context(cafile=authority)


def required(answer: boot_server.Answer, code: int) -> None:
    """Require the status of an answer.

    :raises: SystemExit
    """
    if answer.code != code:
        raise SystemExit(f'{answer.code}: {answer.data!r}')


def programs() -> pathlib.Path:
    """Return where the programs of this commit are."""
    return pathlib.Path(sys.executable).parent


def has_nginx() -> bool:
    """Tell whether there is something to compare with."""
    return os.path.exists(Nginx.program)


def _config(is_template: bool) -> dict[str, object]:
    users = [f'{{"name": "user{number}"}}' for number in range(20)]
    if is_template:
        users[0] = '{"name": "{{ name }}"}'
    return {'format': 'ignition', 'template': is_template, 'data': {
        'config.ign': '{"ignition": {"version": "3.4.0"}, "passwd": '
                      f'{{"users": [{", ".join(users)}]}}}}'}}
