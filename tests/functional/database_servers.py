# SPDX-License-Identifier: Apache-2.0

"""Real database servers for a test: empty, private, gone afterwards.

Started from the distribution's packages without systemd, as a user who is
not root, reachable only by a Unix socket in their own directory. One of a
kind serves all tests of a process, each of which makes databases of its own.
"""

import atexit
import functools
import glob
import itertools
import os
import pathlib
import pwd
import shutil
import signal
import subprocess
import tempfile
import time

import fixtures
import sqlalchemy

_START = 60     # seconds
_STOP = 30      # seconds
#: Whom servers run as when the tests run as root.
_USER = 'nobody'


class DatabaseServer(fixtures.Fixture):
    """A running server."""

    program = ''
    stop_signal = signal.SIGTERM

    def _setUp(self):
        # A socket's path must be short.
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix='db-', dir='/tmp'))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self._identity = {}
        if os.getuid() == 0:
            user = pwd.getpwnam(_USER)
            os.chown(self.folder, user.pw_uid, user.pw_gid)
            self._identity = {'user': user.pw_uid, 'group': user.pw_gid,
                              'extra_groups': []}
        self._prepare()
        log = (self.folder / 'log').open('wb')
        self.addCleanup(log.close)
        self._server = subprocess.Popen(
            self._command(), cwd=self.folder, stdin=subprocess.DEVNULL,
            stdout=log, stderr=subprocess.STDOUT, env=self._environment(),
            **self._identity)
        self.addCleanup(self._stop)
        self._await()
        self._numbers = itertools.count()

    def _run(self, *command):
        subprocess.run([*map(str, command)], cwd=self.folder, check=True,
                       stdin=subprocess.DEVNULL, capture_output=True,
                       env=self._environment(), **self._identity)

    def _environment(self):
        # MariaDB removes temporary tables of others as it starts.
        return {**os.environ, 'TMPDIR': str(self.folder)}

    def _await(self):
        engine = sqlalchemy.create_engine(
            self._admin_url, poolclass=sqlalchemy.NullPool)
        deadline = time.monotonic() + _START
        while True:
            try:
                engine.connect().close()
                return
            except sqlalchemy.exc.OperationalError as exc:
                if (self._server.poll() is not None
                        or time.monotonic() > deadline):
                    raise RuntimeError(
                        f'{self.program} does not start: '
                        f'{(self.folder / "log").read_text()[-2000:]}'
                    ) from exc
                time.sleep(0.05)

    def database(self):
        """Make an empty database; return its URL for SQLAlchemy."""
        name = f'test{next(self._numbers)}'
        engine = sqlalchemy.create_engine(
            self._admin_url, poolclass=sqlalchemy.NullPool,
            isolation_level='AUTOCOMMIT')
        with engine.connect() as connection:
            connection.execute(sqlalchemy.text(f'CREATE DATABASE {name}'))
        return self._url(name)

    def _stop(self):
        self._server.send_signal(self.stop_signal)
        try:
            self._server.wait(_STOP)
        except subprocess.TimeoutExpired:
            self._server.kill()
            self._server.wait()


class PostgreSQL(DatabaseServer):
    """PostgreSQL of the distribution's version."""

    program = 'postgres'
    # Ends the clients' sessions, see pg_ctl's "fast" mode.
    stop_signal = signal.SIGINT

    @staticmethod
    def _binary(name):
        # Debian keeps the versions apart from each other and from PATH.
        found = shutil.which(name) or max(
            glob.glob(f'/usr/lib/postgresql/*/bin/{name}'), default=None,
            key=lambda path: int(path.split('/')[4].split('.')[0]))
        if found is None:
            raise FileNotFoundError(f'{name} is missing: install postgresql')
        return found

    def _prepare(self):
        self._run(self._binary('initdb'), '--pgdata', self.folder / 'data',
                  '--username', 'test', '--auth', 'trust', '--no-sync',
                  '--locale', 'C.UTF-8', '--encoding', 'UTF8')

    def _command(self):
        return [self._binary('postgres'), '-D', str(self.folder / 'data'),
                '-k', str(self.folder), '-c', 'listen_addresses=',
                '-c', 'fsync=off', '-c', 'shared_buffers=16MB']

    def _url(self, name):
        return f'postgresql+psycopg://test@/{name}?host={self.folder}'

    @property
    def _admin_url(self):
        return self._url('postgres')


class MariaDB(DatabaseServer):
    """MariaDB of the distribution's version."""

    program = 'mariadbd'

    def _prepare(self):
        self._run('mariadb-install-db', '--no-defaults',
                  f'--datadir={self.folder}/data', '--skip-test-db',
                  '--auth-root-authentication-method=normal')

    def _command(self):
        return [shutil.which('mariadbd') or '/usr/sbin/mariadbd',
                '--no-defaults', f'--datadir={self.folder}/data',
                f'--socket={self.folder}/socket',
                f'--pid-file={self.folder}/pid', '--skip-networking',
                '--innodb-buffer-pool-size=16M',
                '--innodb-flush-log-at-trx-commit=0']

    def _url(self, name):
        return (f'mysql+pymysql://root@localhost/{name}?unix_socket='
                f'{self.folder}/socket&charset=utf8mb4')

    @property
    def _admin_url(self):
        return self._url('mysql')


@functools.cache
def shared(kind):
    """Return the running server of a kind; it stops as the process ends.

    :param kind: PostgreSQL or MariaDB.
    """
    server = kind()
    server.setUp()
    atexit.register(server.cleanUp)
    return server
