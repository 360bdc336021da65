# SPDX-License-Identifier: Apache-2.0

"""A real Keystone on SQLite with Fernet tokens, for functional tests."""

import contextlib
from importlib import metadata
import os
import pathlib
import shutil
import sqlite3
import subprocess
import sys
import tempfile

import fixtures
from keystoneauth1.identity import v3
from keystoneauth1 import session as sessions

from lab import debian_root
from lab import process

_CACHE = pathlib.Path(__file__).parents[2] / '.cache'
_DATABASE = 'keystone.sqlite'
_CONFIG = """\
[DEFAULT]
log_dir = {directory}/logs
[database]
connection = sqlite:///{directory}/{database}
[fernet_tokens]
key_repository = {directory}/keys
[cache]
# Else a request asks the database some hundred times.
enabled = true
backend = dogpile.cache.memory
[identity]
# bcrypt's lowest: passwords are not what is tested.
password_hash_rounds = 4
[oslo_concurrency]
lock_path = {directory}/locks
"""
_SERVE = """\
import socketserver
import sys
from wsgiref import simple_server
from keystone.server import wsgi as keystone
class Server(socketserver.ThreadingMixIn, simple_server.WSGIServer):
    daemon_threads = True
    request_queue_size = 64
    def server_bind(self):
        # Without a look for the name of the address.
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = self.server_address
        self.setup_environ()
class Handler(simple_server.WSGIRequestHandler):
    def address_string(self):
        return self.client_address[0]
with simple_server.make_server(
        '127.0.0.1', int(sys.argv.pop()),
        keystone.initialize_public_application(), Server, Handler) as server:
    server.serve_forever()
"""
#: For the processes of the tests alone.
PASSWORD = 'for-tests-alone'


class Process(process.Service):
    """The service, and what is in it."""

    start_timeout = 180.0

    def __init__(self, directory: pathlib.Path) -> None:
        super().__init__('keystone', directory)
        self.port = process.free_port()
        self.url = f'http://127.0.0.1:{self.port}/v3'
        self.config = directory / 'keystone.conf'
        self.config.write_text(_CONFIG.format(
            directory=directory, database=_DATABASE))
        for name in ('logs', 'keys', 'locks'):
            (directory / name).mkdir(mode=0o700)

    def command(self) -> list[str]:
        """Return the command line."""
        return [sys.executable, '-c', _SERVE, str(self.port)]

    def environment(self) -> dict[str, str]:
        """Return the environment."""
        return {**os.environ, 'OS_KEYSTONE_CONFIG_FILES': str(self.config),
                'OS_KEYSTONE_CONFIG_DIR': str(self.directory)}

    def is_ready(self) -> bool:
        """It answers."""
        return process.http_answers(self.url)

    def prepare(self) -> None:
        """Make the database, the keys and the user ``admin``.

        They are made once for a release of Keystone, and copied.
        """
        versions = [metadata.version(name)
                    for name in ('keystone', 'SQLAlchemy', 'alembic')]
        kept = debian_root.cached(_CACHE, 'keystone', versions, self._make)
        shutil.copytree(kept, self.directory, dirs_exist_ok=True)
        with contextlib.closing(sqlite3.connect(
                self.directory / _DATABASE)) as database, database:
            # There are its own ones alone by now.
            database.execute('UPDATE endpoint SET url = ?', (self.url,))

    def _make(self, directory: pathlib.Path) -> None:
        who = [str(os.geteuid()), str(os.getegid())]
        self._manage('db_sync')
        self._manage('fernet_setup', '--keystone-user', who[0],
                     '--keystone-group', who[1])
        self._manage('bootstrap', '--bootstrap-public-url', self.url,
                     '--bootstrap-admin-url', self.url,
                     '--bootstrap-internal-url', self.url,
                     '--bootstrap-region-id', 'RegionOne')
        for name in (_DATABASE, 'keys'):
            shutil.move(self.directory / name, directory)

    def _manage(self, *arguments: str) -> None:
        result = subprocess.run(
            [str(pathlib.Path(sys.executable).parent / 'keystone-manage'),
             '--config-file', str(self.config), *arguments],
            stdin=subprocess.DEVNULL, capture_output=True, text=True,
            env={**self.environment(), 'OS_BOOTSTRAP_PASSWORD': PASSWORD})
        if result.returncode:
            raise process.LabError(
                f'keystone-manage {arguments[0]} ended with '
                f'{result.returncode}: {result.stderr[-1000:]}')

    def log_tail(self) -> str:
        """Return the ends of the logs."""
        return super().log_tail() + ''.join(
            f'\n--- {path.name}\n{path.read_text()[-3000:]}'
            for path in (self.directory / 'logs').iterdir())

    def session(self, user: str = 'admin', **scope: str) -> sessions.Session:
        """Return a session of a user.

        :param scope: such as ``system_scope='all'``.
        """
        return sessions.Session(v3.Password(
            self.url, username=user, password=PASSWORD,
            user_domain_id='default', project_domain_id=(
                'default' if 'project_name' in scope else None), **scope))

    def token(self, user: str = 'admin', **scope: str) -> str:
        """Return a token; see session()."""
        return self.session(user, **scope).get_token()

    def create(self, kind: str, **fields: object) -> str:
        """Create a resource, such as a ``user``; return its id."""
        return self._admin.post(f'{self.url}/{kind}s', json={
            kind: fields}).json()[kind]['id']

    def add_user(self, name: str, role: str, system: bool = False,
                 project: str = 'admin') -> None:
        """Add a user with a role in a project or the system."""
        user = self.create('user', name=name, password=PASSWORD)
        where = 'system' if system else f'projects/{self.project(project)}'
        self._admin.put(f'{self.url}/{where}/users/{user}/roles/'
                        f'{self._id("role", role)}')

    def add_endpoint(self, kind: str, url: str) -> None:
        """Add a service and its public endpoint."""
        service = self.create('service', name=kind, type=kind)
        self.create('endpoint', service_id=service, interface='public',
                    url=url, region_id='RegionOne')

    def project(self, name: str) -> str:
        """Return the id of a project."""
        return self._id('project', name)

    def remove_role(self, name: str, role: str, project: str) -> None:
        """Take a role in a project from a user."""
        self._admin.delete(
            f'{self.url}/projects/{self.project(project)}/users/'
            f'{self._id("user", name)}/roles/{self._id("role", role)}')

    def _id(self, kind: str, name: str) -> str:
        found, = self._admin.get(
            f'{self.url}/{kind}s?name={name}').json()[f'{kind}s']
        return found['id']

    @property
    def _admin(self) -> sessions.Session:
        return self.session(project_name='admin')


class Keystone(fixtures.Fixture):
    """A process in a directory of its own; see Process."""

    def _setUp(self) -> None:
        folder = tempfile.TemporaryDirectory(prefix='keystone-')
        self.addCleanup(folder.cleanup)
        self.process = Process(pathlib.Path(folder.name))
        self.process.prepare()
        self.addCleanup(self.process.stop)
        self.process.start()
