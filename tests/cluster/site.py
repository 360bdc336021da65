# SPDX-License-Identifier: Apache-2.0

"""A site: engines, hosts and BMCs, each of which can be killed by its name.

Everything is below one directory and on loopback, and gone afterwards.
"""

import collections
import collections.abc
import concurrent.futures
import contextlib
import dataclasses
import hashlib
import json
import os
import pathlib
import shutil
import subprocess
import tempfile
import threading
import typing
import urllib.error
import urllib.request

from lab import process
from tests.cluster import bmcs
from tests.cluster import clocks
from tests.cluster import engines
from tests.cluster import hosts
from tests import isos

_DATABASES = ('ironic', 'ext_media', 'ext_catalog')
_API_VERSION = '1.93'


@dataclasses.dataclass(frozen=True)
class Size:
    """How large a site is.

    :ivar moody: how many of the BMCs fail some requests.
    :ivar payload: bytes that the base image has beside what boots.
    :ivar skew: seconds that the clocks of the second host of each kind are
        ahead.
    :ivar rabbitmq: whether messages go by it; else by JSON-RPC.
    """

    nodes: int = 100
    conductors: int = 3
    media_servers: int = 2
    boot_servers: int = 2
    moody: int = 4
    payload: int = 8 << 20
    rabbitmq: bool = True
    skew: int = 0


class Site:
    """A context manager: up on entry, gone on exit.

    :ivar services: name -> process, in the order in which they start.
    """

    def __init__(self, size: Size, seed: int) -> None:
        engines.require(size.rabbitmq)
        self.size = size
        self.seed = seed
        self.services: dict[str, process.Service] = {}
        self._stack = contextlib.ExitStack()
        # Children are told when the thread dies that has started them: these
        # live as long as the site.
        self._pool = concurrent.futures.ThreadPoolExecutor(32)
        self._starting: dict[str, threading.Lock] = collections.defaultdict(
            threading.Lock)

    def __enter__(self) -> 'Site':
        with contextlib.ExitStack() as stack:
            stack.callback(self._pool.shutdown)
            self.directory = pathlib.Path(tempfile.mkdtemp(
                prefix='cluster-'))
            stack.callback(shutil.rmtree, self.directory,
                           ignore_errors=True)
            self.directory.chmod(0o755)
            self._make(stack)
            self._start(stack)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_exception: object) -> None:
        self._stack.close()

    def _folder(self, name: str) -> pathlib.Path:
        folder = self.directory / name
        folder.mkdir()
        return folder

    def _make(self, stack: contextlib.ExitStack) -> None:
        size = self.size
        images = self._folder('images')
        built = isos.hybrid(images, payload=size.payload)
        self.base = built.rename(images / 'base.iso')
        self.checksum = ('sha256:' + hashlib.sha256(
            self.base.read_bytes()).hexdigest())
        conductors = [f'c{number + 1}' for number in range(size.conductors)]
        self.database = engines.MariaDB(self._folder('db'))
        self.services['mariadb'] = self.database
        rabbit = None
        if size.rabbitmq:
            rabbit = engines.RabbitMQ(self._folder('mq'))
            stack.callback(rabbit.end_names)
            self.services['rabbitmq'] = rabbit
        self.web = engines.Web(self._folder('web'), {
            'images': images, **{name: self.directory / name / 'http'
                                 for name in conductors}})
        self.services['nginx'] = self.web
        ports = {kind: [process.free_port() for _number in range(count)]
                 for kind, count in (('media', size.media_servers),
                                     ('boot', size.boot_servers))}
        self.balancer = engines.Balancer(self._folder('lb'), ports)
        self.services['haproxy'] = self.balancer
        self.addresses = hosts.Addresses(
            self.directory,
            {name: self.database.url(name) for name in _DATABASES},
            rabbit.port if rabbit else 0, process.free_port(),
            f'http://127.0.0.1:{self.balancer.ports["media"]}',
            f'http://127.0.0.1:{self.balancer.ports["boot"]}', self.web.url)
        self.shared = self.addresses.write(size.skew)
        self.services['api'] = hosts.api(self.addresses, self.shared)
        for name in conductors:
            self.services[name] = hosts.conductor(
                name, self.addresses, self.shared)
        for kind, make in (('media', hosts.media_server),
                           ('boot', hosts.boot_server)):
            for number, port in enumerate(ports[kind], 1):
                name = f'{kind[0]}{number}'
                self.services[name] = make(name, port, self.addresses)
        if size.skew:
            ahead = clocks.environment(clocks.build(self.directory),
                                       size.skew)
            for name, service in self.services.items():
                if name.endswith('2') and isinstance(service, hosts.Host):
                    service.extra_environment = dict(ahead)
        self.bmcs = bmcs.Bmcs(self._folder('bmc'), size.nodes, size.moody,
                              self.seed)

    def _start(self, stack: contextlib.ExitStack) -> None:
        stack.callback(self.bmcs.stop)
        for service in self.services.values():
            stack.callback(service.stop)
        self._at_once([self.bmcs.start, *(
            self.services[name].start for name in (
                'mariadb', 'rabbitmq', 'nginx', 'haproxy')
            if name in self.services)])
        self.database.create(*_DATABASES)
        self.upgrade()
        # Boot servers are ready when Ironic answers.
        for names in (('api', *self.named('c'), *self.named('m')),
                      self.named('b')):
            self._at_once([self.services[name].start for name in names])

    def _at_once(self, work: collections.abc.Iterable[
            collections.abc.Callable[[], None]]) -> None:
        for started in [self._pool.submit(each) for each in work]:
            started.result()

    def upgrade(self) -> None:
        """Make or change the tables of all databases.

        By the programs that the hosts start with next.
        """
        self.change_tables('upgrade')
        for name in ('m1', 'b1'):
            service = self.services[name]
            assert isinstance(service, hosts.Host)
            self._command(*service.command('--upgrade'),
                          env=service.environment())

    def change_tables(self, command: str, environment:
                      collections.abc.Mapping[str, str] | None = None
                      ) -> None:
        """Have Ironic's tables changed by a command of ironic-dbsync.

        :param environment: that differs from this one's.
        :raises: LabError
        """
        self._command(
            hosts.program('ironic-dbsync'), '--config-file',
            str(self.shared), command,
            env={**os.environ, **(environment or {})})

    @staticmethod
    def _command(*words: str, env: collections.abc.Mapping[str, str] | None
                 = None) -> None:
        done = subprocess.run(words, stdin=subprocess.DEVNULL, env=env,
                              capture_output=True, text=True)
        if done.returncode:
            raise process.LabError(
                f'{" ".join(words)} ended with {done.returncode}: '
                f'{done.stderr[-2000:]}')

    def named(self, letter: str) -> list[str]:
        """Return the hosts of a kind: c, m or b."""
        return [name for name in self.services
                if name[0] == letter and name[1:].isdigit()]

    def kill(self, name: str) -> None:
        """End a process by SIGKILL, and what it has started."""
        with self._starting[name]:
            self.services[name].kill()

    def start(self, name: str) -> None:
        """Start what was killed or stopped, if nobody else did."""
        with self._starting[name]:
            if self.services[name].pid is None:
                self._pool.submit(self.services[name].start).result()

    def restart(self, name: str) -> None:
        """Stop a process as an operator does, and start it."""
        with self._starting[name]:
            self.services[name].stop()
            self._pool.submit(self.services[name].start).result()

    def restart_conductor(self, address: str) -> None:
        """Restart the conductor that Ironic knows by a name."""
        for name in self.named('c'):
            if self.addresses.of(name) == address:
                self.restart(name)

    def keep_logs(self, folder: pathlib.Path) -> None:
        """Copy what all hosts and engines have logged."""
        folder.mkdir(parents=True, exist_ok=True)
        for path in self.directory.rglob('*.log'):
            name = '-'.join(path.relative_to(self.directory).parts)
            shutil.copyfile(path, folder / name)

    def unhandled(self) -> list[str]:
        """Return what servers of the suite have ended with unforeseen."""
        return [f'{name}: {line}'
                for name in (*self.named('m'), *self.named('b'))
                for line in self.services[name].log_path.read_text(
                    errors='replace').splitlines()
                if 'Unhandled error' in line]

    # Ironic's API

    def call(self, method: str, path: str, body: object = None
             ) -> typing.Any:
        """Send a request to Ironic's API; return its answer.

        :raises: OSError, ValueError when there is no good answer.
        """
        request = urllib.request.Request(
            self.addresses.api_url + path, method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={'X-OpenStack-Ironic-API-Version': _API_VERSION,
                     'Content-Type': 'application/json'})
        with urllib.request.urlopen(request, timeout=90) as answer:
            text = answer.read()
        return json.loads(text) if text else None

    def nodes(self) -> list[typing.Any]:
        """Return all nodes as Ironic shows them.

        :raises: OSError, ValueError
        """
        shown: list[typing.Any] = self.call(
            'GET', '/v1/nodes/detail?limit=1000')['nodes']
        return shown

    def persist(self, method: str, path: str, body: object = None, *,
                timeout: float = 300,
                done: collections.abc.Container[int] = ()) -> typing.Any:
        """Send a request until it is answered, whatever is down.

        :param done: codes of errors that are as good as an answer.
        :raises: LabError for what is refused for good, or too late.
        """
        last = ''

        def answered() -> tuple[typing.Any] | None:
            nonlocal last
            try:
                return (self.call(method, path, body),)
            except urllib.error.HTTPError as exc:
                with exc:
                    last = f'{exc.code}: {exc.read().decode()[:500]}'
                if exc.code in done:
                    return (None,)
                if exc.code in (400, 404, 406):
                    raise process.LabError(
                        f'{method} {path}: {last}') from exc
            except (OSError, ValueError) as exc:
                last = str(exc)
            return None

        try:
            return process.await_condition(
                answered, f'{method} {path}', timeout=timeout,
                interval=0.5)[0]
        except process.LabError as exc:
            raise process.LabError(f'{exc}; the last answer: {last}'
                                   ) from exc
