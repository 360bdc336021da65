# SPDX-License-Identifier: Apache-2.0

"""The catalog on real database servers, shared by real processes."""

import dataclasses
import tempfile

from alembic import autogenerate
from alembic.runtime import migration
import sqlalchemy
import testtools

from ironic_ext import catalog
from ironic_ext.catalog import database as tables
from ironic_ext.catalog import resources
from ironic_ext.catalog import store
from ironic_ext import sql
from tests.functional import database_servers
from tests.functional import processes
from tests.unit.catalog import database

_PROCESSES = 3
_WRITES = 15
#: What revision 0001 has in its tables, as plain SQL on any database.
_FIRST_RELEASE = (
    "INSERT INTO ext_catalog_resource (kind, name, uid, revision, "
    "created_at, labels, spec, shown, status) VALUES ('BootConfig', 'old', "
    "'f2d9a1de-0000-4000-8000-000000000001', 5, 1700000000.5, "
    "'{\"arch\":\"x86\"}', '{\"data\":{\"config.ign\":\"{}\"},"
    "\"format\":\"ignition\"}', '{\"data\":{\"config.ign\":"
    "\"<redacted: 2 bytes>\"},\"format\":\"ignition\"}', '{}')",
    "INSERT INTO ext_catalog_label (kind, name, label, value) VALUES "
    "('BootConfig', 'old', 'arch', 'x86')",
    'UPDATE ext_catalog_state SET revision = 5')


def _write(connection, number):
    """Be one of several servers that change the same catalog."""
    own = store.Catalog(connection)
    for index in range(_WRITES):
        own.create(database.config(f'c{number}-{index}'))
        _count(own)
    own.close()


def _count(own):
    """Add one to a counter, again until nobody else was faster."""
    while True:
        found = own.get(catalog.BootConfig, 'counter')
        count = str(int(found.spec.data['count']) + 1)
        try:
            own.replace(dataclasses.replace(found, spec=dataclasses.replace(
                found.spec, data={'count': count})))
            return
        except catalog.ConflictError:
            continue


class _Tests:
    """What holds on every database."""

    def test_a_new_database_is_made_by_upgrade_and_only_once(self):
        self.catalog.create(database.config())
        self.catalog.upgrade()
        self.assertEqual(1, self.catalog.revision())

    def test_an_upgrade_keeps_what_is_there(self):
        url = self.empty_database()
        engine = sqlalchemy.create_engine(url,
                                          poolclass=sqlalchemy.NullPool)
        sql.upgrade(engine, tables.SCHEMA, '0001')
        with engine.begin() as connection:
            for statement in _FIRST_RELEASE:
                # Its colons are no parameters.
                connection.exec_driver_sql(statement)
        upgraded = store.Catalog(url)
        self.addCleanup(upgraded.close)
        upgraded.upgrade()
        old = upgraded.get(catalog.BootConfig, 'old')
        self.assertEqual(
            (catalog.BootConfigSpec('ignition', {'config.ign': '{}'},
                                    any_iso=True, shared=True),
             {'arch': 'x86'}, '5', '2023-11-14T22:13:20Z'),
            (old.spec, old.metadata.labels, old.metadata.resource_version,
             old.metadata.creation_timestamp))
        self.assertEqual((resources.redacted(old),), upgraded.page(
            catalog.BootConfig, labels='arch=x86').items)
        self.assertEqual('6', upgraded.replace(dataclasses.replace(
            old, spec=dataclasses.replace(database.config().spec, shared=True)
        )).metadata.resource_version)

    def test_models_and_migrations_agree(self):
        with sqlalchemy.create_engine(
                self.connection,
                poolclass=sqlalchemy.NullPool).connect() as connection:
            context = migration.MigrationContext.configure(
                connection, opts={
                    'compare_type': True,
                    'version_table': tables.SCHEMA.version_table})
            self.assertEqual([], autogenerate.compare_metadata(
                context, tables.METADATA))

    def test_large_configs_and_exact_names_survive(self):
        text = 'h\N{LATIN SMALL LETTER E WITH ACUTE}\N{GRINNING FACE}\n\\'
        data = {'a': text * 70000, 'A': ' x ', 'empty': ''}
        for name in ('a', 'A', 'a.', 'a_', 'a-'):
            self.catalog.create(database.config(name, data=data))
        self.assertEqual(data, self.catalog.get(
            catalog.BootConfig, 'A').spec.data)
        first = self.catalog.page(catalog.BootConfig, limit=2)
        rest = self.catalog.page(catalog.BootConfig, after=first.following)
        self.assertEqual(
            sorted(('a', 'A', 'a.', 'a_', 'a-')),
            [item.metadata.name for item in first.items + rest.items])

    def test_labels_select(self):
        self.catalog.create(database.config('a', {'arch': 'arm'}))
        self.catalog.create(database.config('b', {'arch': 'ARM'}))
        for labels, names in (('arch=arm', ['a']), ('!arch', []),
                              ('arch!=arm', ['b'])):
            self.assertEqual(names, [
                item.metadata.name for item in self.catalog.page(
                    catalog.BootConfig, labels=labels).items])

    def test_processes_that_write_at_once_lose_and_reorder_nothing(self):
        self.catalog.create(database.config('counter', data={'count': '0'}))
        writers = [processes.FRESH.Process(
            target=_write, args=(self.connection, number))
            for number in range(_PROCESSES)]
        for writer in writers:
            writer.start()
            self.addCleanup(writer.kill)
        expected = 1 + 2 * _PROCESSES * _WRITES
        seen: list[store.Change] = []
        since = 0
        while len(seen) < expected and any(
                writer.is_alive() for writer in writers):
            part = self.catalog.changes(since)
            seen += part.changes
            since = part.revision
        for writer in writers:
            writer.join()
            self.assertEqual(0, writer.exitcode)
        seen += self.catalog.changes(since).changes
        self.assertEqual(list(range(1, expected + 1)),
                         [change.revision for change in seen])
        self.assertEqual(str(_PROCESSES * _WRITES), self.catalog.get(
            catalog.BootConfig, 'counter').spec.data['count'])

    def test_a_list_and_the_watch_behind_it_miss_and_repeat_nothing(self):
        self.catalog.create(database.config('counter', data={'count': '0'}))
        writer = processes.FRESH.Process(target=_write,
                                         args=(self.connection, 0))
        writer.start()
        self.addCleanup(writer.kill)
        while writer.is_alive():
            page = self.catalog.page(catalog.BootConfig, limit=1000)
            newest = max(int(item.metadata.resource_version)
                         for item in page.items)
            self.assertEqual(page.revision, newest)
        self.assertEqual(0, writer.exitcode)


class PostgreSQLTestCase(testtools.TestCase, _Tests):

    kind = database_servers.PostgreSQL

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.server = database_servers.shared(cls.kind)

    def setUp(self):
        super().setUp()
        self.connection = self.empty_database()
        self.catalog = store.Catalog(self.connection)
        self.addCleanup(self.catalog.close)
        error = self.assertRaises(catalog.DatabaseError,
                                  self.catalog.revision)
        self.assertIn('[ext_catalog]connection', str(error))
        self.catalog.upgrade()

    def empty_database(self):
        return self.server.database()

    def test_a_server_that_is_gone_is_told(self):
        self.catalog.revision()
        self.catalog.close()
        broken = store.Catalog(self.connection.replace('/tmp/', '/nowhere/'))
        self.addCleanup(broken.close)
        self.assertRaises(catalog.DatabaseError, broken.revision)


class MariaDBTestCase(PostgreSQLTestCase):

    kind = database_servers.MariaDB


class SQLiteTestCase(testtools.TestCase, _Tests):

    def setUp(self):
        super().setUp()
        self.connection = self.empty_database()
        self.catalog = store.Catalog(self.connection)
        self.addCleanup(self.catalog.close)

    def empty_database(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        return f'sqlite:///{folder.name}/catalog.sqlite'
