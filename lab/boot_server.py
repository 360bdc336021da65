# SPDX-License-Identifier: Apache-2.0

"""``ironic-boot-server`` as a process."""

import dataclasses
import http.client
import json
import os
import pathlib
import sys
import typing
import urllib.parse

from lab import process

#: What conductors and boot servers have to agree on.
SHARED_CONFIG = """\
[ext_catalog]
connection = {database}
iso_dir = {directory}/isos

[ext_server]
public_url = {public_url}
token_key_file = {directory}/key
{identity}
"""

_CONFIG = SHARED_CONFIG + """\
host_ip = {host}
port = {port}
poll_interval = {poll}
resync_interval = {resync}
hosts_file = {hosts_file}
{options}

[ext_ironic]
auth_type = none
endpoint_override = {ironic}

[ext_images]
cache_dir = {directory}/cache
min_free_space = 0

[ext_state]
dir = {directory}/state
{extra}
"""


@dataclasses.dataclass(frozen=True)
class Answer:
    """An answer of the server."""

    code: int
    headers: typing.Any
    data: bytes

    @property
    def json(self) -> typing.Any:
        """The body, read as JSON."""
        return json.loads(self.data)

    @property
    def text(self) -> str:
        """The body as a text."""
        return self.data.decode()


class Process(process.Service):
    """The server as a child process.

    :param ironic: URL of Ironic's API, known by ``configure`` at last.
    :param public_url: has ``{port}`` in place of the port.
    :param identity: how machines are known, '' for the default.
    :param keeps_hosts: whether a start begins with what was known before.

    :ivar shared_config: for a conductor that boots with this catalog and
        makes tokens that this server takes.
    """

    def __init__(self, directory: pathlib.Path, ironic: str = '', *,
                 database: str = '', options: str = 'auth_strategy = noauth',
                 extra: str = '', host: str = '127.0.0.1',
                 resync: float = 2.0, poll: float = 0.5,
                 public_url: str = 'http://127.0.0.1:{port}',
                 identity: str = '', keeps_hosts: bool = False,
                 prefix: typing.Sequence[str] = (),
                 outlives: bool = False) -> None:
        super().__init__('boot-server', directory, outlives=outlives)
        self.host = host
        self.port = process.free_port()
        self.url = f'http://{host}:{self.port}'
        self._prefix = prefix
        self._config = directory / 'boot-server.conf'
        self._settings = {
            'host': host, 'port': self.port, 'directory': directory,
            'resync': resync, 'poll': poll, 'options': options,
            'extra': extra, 'public_url': public_url.format(port=self.port),
            'hosts_file': directory / 'hosts.sqlite' if keeps_hosts else '',
            'identity': f'machine_identity = {identity}' if identity else '',
            'database': database or f'sqlite:///{directory}/catalog.sqlite'}
        self.shared_config = SHARED_CONFIG.format(**self._settings)
        self.configure(ironic)

    def configure(self, ironic: str) -> None:
        """Write the configuration file, before the start."""
        self._config.write_text(_CONFIG.format(
            ironic=ironic, **self._settings))

    def command(self, *arguments: str) -> list[str]:
        """Return the command line."""
        return [*self._prefix, str(pathlib.Path(
            sys.executable).parent / 'ironic-boot-server'),
            '--config-file', str(self._config), *arguments]

    def environment(self) -> dict[str, str]:
        """Return the environment."""
        return {**os.environ, 'PYTHONUNBUFFERED': '1'}

    def is_ready(self) -> bool:
        """It serves, and knows Ironic's nodes."""
        return process.http_answers(self.url) and (
            self.call('GET', '/readyz').code == 200)

    def connection(self, source: str = '') -> http.client.HTTPConnection:
        """Return a new connection to the server.

        :param source: address that it comes from.
        """
        return http.client.HTTPConnection(
            self.host, self.port, timeout=60,
            source_address=(source, 0) if source else None)

    def call(self, method: str, path: str, body: typing.Any = None, *,
             source: str = '', **headers: str) -> Answer:
        """Send a request and return the answer.

        :param body: bytes as they are, anything else as JSON.
        :param headers: with "_" for "-".
        """
        sent = {key.replace('_', '-'): value
                for key, value in headers.items()}
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
            sent.setdefault('Content-Type', 'application/json')
        connection = self.connection(source)
        try:
            connection.request(method, path, body, sent)
            answer = connection.getresponse()
            return Answer(answer.status, answer.headers, answer.read())
        finally:
            connection.close()

    def watch(self, path: str, **query: str) -> 'Watch':
        """Begin a watch of a list."""
        return Watch(self, path + '?' + urllib.parse.urlencode(
            {'watch': 'true', **query}))


class Watch:
    """A watch: a context manager and iterator of its events."""

    def __init__(self, server: Process, path: str) -> None:
        self._connection = server.connection()
        self._connection.request('GET', path)
        self.answer = self._connection.getresponse()

    def __enter__(self) -> 'Watch':
        return self

    def __exit__(self, *_exception: object) -> None:
        # Before the connection: else it reads to an end that is not there.
        self.answer.close()
        self._connection.close()

    def __iter__(self) -> typing.Iterator[dict[str, typing.Any]]:
        while line := self.answer.readline():
            yield json.loads(line)

    def until(self, wanted: typing.Callable[[dict[str, typing.Any]], bool]
              ) -> dict[str, typing.Any]:
        """Return the first event that is wanted."""
        for event in self:
            if wanted(event):
                return event
        raise AssertionError('the watch ended')
