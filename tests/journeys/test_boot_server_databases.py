# SPDX-License-Identifier: Apache-2.0

"""Several boot servers on one database: PostgreSQL, MariaDB, SQLite."""

import pathlib
import subprocess

import fixtures
import testtools

from lab import process
from tests import boot_server
from tests.functional import database_servers
from tests import ironic_stand_in

CONFIGS = '/api/v1/bootconfigs'
#: Seconds: more than any step needs on a busy machine.
PATIENCE = 60


class _TwoServers:
    """What two servers tell of one catalog."""

    upgrades = True

    def setUp(self):
        super().setUp()
        self.ironic = self.useFixture(ironic_stand_in.IronicStandIn())
        self.ironic.known.add('server1', '52:54:00:00:00:01')
        database = self.database()
        if self.upgrades:
            made = boot_server.Process(
                self.useFixture(_Folder()).path, self.ironic.url,
                database=database)
            subprocess.run(made.command('--upgrade'), check=True,
                           capture_output=True, env=made.environment())
        self.one, self.other = (
            self.useFixture(boot_server.BootServer(
                self.ironic.url, database=database)).process
            for _number in range(2))

    def call(self, server, method, path, body=None, code=200, **headers):
        found = server.call(method, path, body, **headers)
        self.assertEqual(code, found.code, found.data)
        return found

    def test_what_one_server_stores_the_other_serves_and_tells(self):
        with self.other.watch(CONFIGS) as watch:
            made = self.call(self.one, 'POST', CONFIGS, {
                'metadata': {'name': 'Ä'.encode().hex()}, 'spec': {
                    'format': 'kickstart',
                    'data': {'ks.cfg': 'text # Grüße 🙂\n'}}}, 201).json
            name = made['metadata']['name']
            event = watch.until(
                lambda event: event['type'] == 'ADDED'
                and event['object']['metadata']['name'] == name)
            self.assertNotIn('text', str(event))
            version = event['object']['metadata']['resourceVersion']
        host = '/api/v1/namespaces/default/baremetalhosts/server1'
        self.call(self.other, 'PATCH', host,
                  {'spec': {'bootConfigRef': name}})
        # The first one learns of it from Ironic.
        process.await_condition(
            lambda: self.one.call(
                'GET', '/api/v1/bootconfig?mac=52:54:00:00:00:01'
            ).text == 'text # Grüße 🙂\n', 'the config', timeout=PATIENCE)
        self.call(self.one, 'PATCH', f'{CONFIGS}/{name}',
                  {'spec': {'data': {'ks.cfg': 'reboot\n'}}})
        process.await_condition(
            lambda: self.other.call(
                'GET', '/api/v1/bootconfig?mac=52:54:00:00:00:01'
            ).text == 'reboot\n', 'the change', timeout=PATIENCE)
        self.call(self.other, 'DELETE', f'{CONFIGS}/{name}', code=409)
        # A watch that was interrupted goes on, at whichever server.
        with self.one.watch(CONFIGS, resourceVersion=version) as watch:
            event = watch.until(lambda event: event['type'] != 'BOOKMARK')
            self.assertEqual(('MODIFIED', name), (
                event['type'], event['object']['metadata']['name']))


class _Folder(fixtures.TempDir):
    def _setUp(self):
        super()._setUp()
        self.path = pathlib.Path(self.path)


class SQLiteTestCase(_TwoServers, testtools.TestCase):
    """Two processes on one file."""

    upgrades = False

    def database(self):
        return f'sqlite:///{self.useFixture(_Folder()).path}/catalog.sqlite'


class PostgreSQLTestCase(_TwoServers, testtools.TestCase):
    """PostgreSQL."""

    def database(self):
        return database_servers.shared(database_servers.PostgreSQL).database()


class MariaDBTestCase(_TwoServers, testtools.TestCase):
    """MariaDB."""

    def database(self):
        return database_servers.shared(database_servers.MariaDB).database()
