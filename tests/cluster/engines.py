# SPDX-License-Identifier: Apache-2.0

"""What a site stands on: MariaDB, RabbitMQ, HAProxy and nginx, as processes.

Each keeps its data in its own directory, so that it can be killed and
started again, and listens on loopback alone.
"""

import collections.abc
import glob
import os
import pathlib
import pwd
import shutil
import signal
import socket
import subprocess
import unittest

import sqlalchemy

from lab import process

#: program -> package of Debian.
PROGRAMS = {'mariadbd': 'mariadb-server', 'haproxy': 'haproxy',
            'nginx': 'nginx-light'}
_RABBITMQ = '/usr/lib/rabbitmq/bin/rabbitmq-server'
_PATH = os.pathsep.join((os.environ.get('PATH', ''), '/usr/sbin', '/sbin'))
_PASSWORD = 'cluster'


def require(rabbitmq: bool) -> None:
    """Make sure that the programs are there.

    :raises: SkipTest with the packages that are missing.
    """
    missing = [package for program, package in PROGRAMS.items()
               if shutil.which(program, path=_PATH) is None]
    if rabbitmq and not os.path.exists(_RABBITMQ):
        missing.append('rabbitmq-server')
    if missing:
        raise unittest.SkipTest(f'install {", ".join(missing)}')


def program(name: str) -> str:
    """Return the path of a program, which need not be in PATH."""
    found = shutil.which(name, path=_PATH)
    if found is None:
        raise process.LabError(f'{name} is missing')
    return found


def listens(port: int) -> bool:
    """Tell whether a port of loopback takes connections."""
    try:
        with socket.create_connection(('127.0.0.1', port), 1):
            return True
    except OSError:
        return False


def _give(directory: pathlib.Path, user: str) -> pwd.struct_passwd | None:
    """Hand a directory to the user of an engine that refuses to be root."""
    if os.geteuid() != 0:
        return None
    found = pwd.getpwnam(user)
    os.chown(directory, found.pw_uid, found.pw_gid)
    return found


class MariaDB(process.Service):
    """MariaDB, with a user and databases for all services."""

    def __init__(self, directory: pathlib.Path) -> None:
        super().__init__('mariadb', directory)
        self.port = process.free_port()
        self._user = _give(directory, 'nobody')
        done = subprocess.run(
            [program('mariadb-install-db'), '--no-defaults',
             f'--datadir={directory}/data', '--skip-test-db',
             '--auth-root-authentication-method=normal'],
            stdin=subprocess.DEVNULL, capture_output=True, text=True,
            env=self.environment(), cwd=directory,
            preexec_fn=self.prepare_child)
        if done.returncode:
            raise process.LabError('mariadb-install-db failed: '
                                   f'{(done.stdout + done.stderr)[-2000:]}')

    def environment(self) -> dict[str, str]:
        """Return its environment.

        Who starts removes the temporary tables of others where it has its own.
        """
        return {**os.environ, 'TMPDIR': str(self.directory)}

    def prepare_child(self) -> None:
        """It refuses to be root."""
        if self._user:
            process.demote(self._user.pw_uid, self._user.pw_gid)()

    def command(self) -> list[str]:
        """Return the command line."""
        return [program('mariadbd'), '--no-defaults',
                f'--datadir={self.directory}/data',
                f'--socket={self.directory}/s',
                f'--pid-file={self.directory}/pid',
                '--bind-address=127.0.0.1', f'--port={self.port}',
                '--skip-name-resolve', '--max-connections=600',
                '--innodb-buffer-pool-size=128M',
                # What was committed outlives the process, not the host.
                '--innodb-flush-log-at-trx-commit=2']

    def is_ready(self) -> bool:
        """It takes connections, in both ways."""
        return (self.directory / 's').exists() and listens(self.port)

    def create(self, *databases: str) -> None:
        """Make databases, and the user that all services are."""
        self.empty(*databases)
        self._execute("CREATE USER site@'127.0.0.1' IDENTIFIED BY "
                      f"'{_PASSWORD}'",
                      "GRANT ALL ON *.* TO site@'127.0.0.1'")

    def empty(self, *databases: str) -> None:
        """Make databases, in place of those that have the names."""
        # Else their tables would go one by one, by who refers to whom.
        self._execute('SET FOREIGN_KEY_CHECKS = 0', *(
            f'CREATE OR REPLACE DATABASE {name} CHARACTER SET '
            + ('utf8mb3' if name == 'ironic' else 'utf8mb4')
            for name in databases))

    def _execute(self, *statements: str) -> None:
        engine = sqlalchemy.create_engine(
            'mysql+pymysql://root@localhost/mysql?unix_socket='
            f'{self.directory}/s', poolclass=sqlalchemy.NullPool,
            isolation_level='AUTOCOMMIT')
        with engine.connect() as connection:
            for statement in statements:
                connection.execute(sqlalchemy.text(statement))

    def url(self, name: str) -> str:
        """Return the URL of a database for SQLAlchemy."""
        charset = 'utf8mb3' if name == 'ironic' else 'utf8mb4'
        return (f'mysql+pymysql://site:{_PASSWORD}@127.0.0.1:{self.port}/'
                f'{name}?charset={charset}')


class RabbitMQ(process.Service):
    """RabbitMQ with its own name service; nothing listens elsewhere."""

    #: Half a minute on a quiet machine.
    start_timeout = 400.0

    def __init__(self, directory: pathlib.Path) -> None:
        super().__init__('rabbitmq', directory)
        self.port = process.free_port()
        self._ports = (process.free_port(), process.free_port())
        self._user = _give(directory, 'rabbitmq')

    def prepare_child(self) -> None:
        """Become the package's user."""
        if self._user:
            process.demote(self._user.pw_uid, self._user.pw_gid)()

    def command(self) -> list[str]:
        """Return the command line."""
        return [_RABBITMQ]

    def environment(self) -> collections.abc.Mapping[str, str]:
        """Return where it has everything."""
        dist, names = map(str, self._ports)
        folder = str(self.directory)
        return {
            'PATH': _PATH, 'HOME': folder, 'LANG': 'C.UTF-8',
            'RABBITMQ_NODENAME': f'cluster{self.port}@localhost',
            'RABBITMQ_NODE_IP_ADDRESS': '127.0.0.1',
            'RABBITMQ_NODE_PORT': str(self.port),
            'RABBITMQ_MNESIA_BASE': f'{folder}/mnesia',
            'RABBITMQ_LOG_BASE': f'{folder}/log',
            'RABBITMQ_CONF_ENV_FILE': f'{folder}/none.conf',
            'RABBITMQ_CONFIG_FILE': f'{folder}/none',
            'RABBITMQ_ENABLED_PLUGINS_FILE': f'{folder}/plugins',
            'RABBITMQ_DIST_PORT': dist,
            'ERL_EPMD_ADDRESS': '127.0.0.1', 'ERL_EPMD_PORT': names,
            'RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS':
                '-kernel inet_dist_use_interface {127,0,0,1}'}

    def is_ready(self) -> bool:
        """It takes connections."""
        return listens(self.port)

    def end_names(self) -> None:
        """End its name service, which goes on in a session of its own."""
        for path in glob.glob('/proc/[0-9]*/environ'):
            try:
                with open(path, 'rb') as file:
                    ours = f'HOME={self.directory}'.encode() in file.read(
                        1 << 20).split(b'\0')
                if ours:
                    os.kill(int(path.split('/')[2]), signal.SIGKILL)
            except OSError:
                continue


_HAPROXY = """\
global
    maxconn 2000
defaults
    mode tcp
    option redispatch
    retries 3
    timeout connect 5s
    timeout client 120s
    timeout server 120s
    timeout check 5s
"""
_BALANCED = """\
frontend {name}
    bind 127.0.0.1:{port}
    default_backend {name}
backend {name}
    option httpchk GET /healthz
"""


class Balancer(process.Service):
    """HAProxy: by TCP, before what answers /healthz.

    :param ports: name -> ports of the servers.
    :ivar ports: name -> port.
    """

    def __init__(self, directory: pathlib.Path,
                 ports: collections.abc.Mapping[str, list[int]]) -> None:
        super().__init__('haproxy', directory)
        self.ports = {name: process.free_port() for name in ports}
        text = _HAPROXY
        for name, servers in ports.items():
            text += _BALANCED.format(name=name, port=self.ports[name])
            for number, port in enumerate(servers, 1):
                text += (f'    server {name}{number} 127.0.0.1:{port} '
                         'check inter 1s fall 2 rise 1\n')
        self._config = directory / 'haproxy.cfg'
        self._config.write_text(text)

    def command(self) -> list[str]:
        """Return the command line."""
        return [program('haproxy'), '-db', '-f', str(self._config)]

    def is_ready(self) -> bool:
        """It takes connections."""
        return all(map(listens, self.ports.values()))


_NGINX = """\
daemon off;
pid {directory}/nginx.pid;
error_log stderr;
worker_processes 1;
{user}
events {{ worker_connections 1024; }}
http {{
    access_log off;
    client_body_temp_path {directory}/body;
    proxy_temp_path {directory}/proxy;
    fastcgi_temp_path {directory}/fastcgi;
    uwsgi_temp_path {directory}/uwsgi;
    scgi_temp_path {directory}/scgi;
    server {{
        listen 127.0.0.1:{port};
        {locations}
    }}
}}
"""


class Web(process.Service):
    """nginx: the web server of every host, and where base images are.

    :param folders: first part of the path -> folder.
    """

    def __init__(self, directory: pathlib.Path,
                 folders: collections.abc.Mapping[str, pathlib.Path]
                 ) -> None:
        super().__init__('nginx', directory)
        self.port = process.free_port()
        self.url = f'http://127.0.0.1:{self.port}'
        self._config = directory / 'nginx.conf'
        self._config.write_text(_NGINX.format(
            directory=directory, port=self.port,
            user='user root;' if os.geteuid() == 0 else '',
            locations='\n        '.join(
                f'location /{name}/ {{ alias {folder}/; }}'
                for name, folder in folders.items())))

    def command(self) -> list[str]:
        """Return the command line."""
        return [program('nginx'), '-e', 'stderr', '-p', str(self.directory),
                '-c', str(self._config)]

    def is_ready(self) -> bool:
        """It answers."""
        return process.http_answers(self.url)
