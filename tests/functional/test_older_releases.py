# SPDX-License-Identifier: Apache-2.0

"""Tables of each older release: kept by an upgrade, and used on after it.

Docs have the tables upgraded while servers and conductors of the release
before still run: what those write, the new ones read, and the other way
round. An older release is here what it says to the database: statements with
the columns that its revision has, and no others.
"""

import fixtures
import sqlalchemy
import testtools

from ironic_ext import catalog
from ironic_ext.catalog import database as catalog_tables
from ironic_ext.catalog import store
from ironic_ext import host_records
from ironic_ext.host_records import database as host_tables
from ironic_ext.media import database as media_tables
from ironic_ext.media import records
from ironic_ext.media import tokens
from ironic_ext import sql
from tests.functional import database_servers

_TOKENS = {'before': 'a' * 43, 'after': 'b' * 43}
_CONFIG = '{"data":{"config.ign":"{}"},"format":"ignition"}'


def _medium(name):
    """Return rows of a medium, by their tables, with all columns."""
    return {
        'ext_medium': {
            'id': name, 'node': f'node-{name}', 'purpose': 'instance',
            'name': 'live.iso', 'image': 'http://x/live.iso',
            'digest': 'sha256:01', 'size': 4096, 'overlay_size': 3,
            'base_digest': 'sha256:02', 'base_size': 2048,
            'base_href': 'http://x/live.iso', 'base_etag': '',
            'networks': '["192.0.2.0/24"]', 'created_at': 1700000000.5},
        'ext_medium_token': {
            'digest': tokens.digest(_TOKENS[name]), 'medium_id': name},
        'ext_medium_overlay': {
            'medium_id': name, 'number': 0, 'data': b'\x00\xff!'},
        'ext_medium_reads': {
            'medium_id': name, 'first_at': 1700000001.5, 'sent': 512,
            'requests': 7, 'ranges': '[[0,512]]', 'client': '192.0.2.9',
            'window_sent': 0}}


def _resource(name):
    return {
        'ext_catalog_resource': {
            'kind': 'BootConfig', 'name': name, 'uid': f'uid-{name}',
            'revision': 5, 'created_at': 1700000000.5,
            'labels': '{"arch":"x86"}', 'spec': _CONFIG,
            'shown': '{"data":{"config.ign":"<redacted: 2 bytes>"},'
                     '"format":"ignition"}', 'status': '{}'},
        'ext_catalog_label': {
            'kind': 'BootConfig', 'name': name, 'label': 'arch',
            'value': 'x86'},
        'ext_catalog_change': {
            'revision': 4 if name == 'before' else 5, 'type': 'ADDED',
            'kind': 'BootConfig', 'name': name, 'document': '{}'}}


def _host(name):
    return {'ext_host': {
        'node': name, 'serial': 1 if name == 'before' else 2,
        'generation': 1700000000, 'ended': 1600000000,
        'address': '192.0.2.7', 'script': '#!ipxe\n'}}


class _Release:
    """What a release knows of a database: the tables of its revision."""

    def __init__(self, engine, schema):
        self._engine = engine
        self._metadata = sqlalchemy.MetaData()
        self._metadata.reflect(engine, only=[
            name for name in schema.metadata.tables
            if sqlalchemy.inspect(engine).has_table(name)])

    def write(self, rows):
        """Insert rows, of which it knows not all columns."""
        with self._engine.begin() as connection:
            for name, row in rows.items():
                table = self._metadata.tables[name]
                connection.execute(sqlalchemy.insert(table).values(
                    {key: value for key, value in row.items()
                     if key in table.c}))

    def set(self, name, **values):
        """Change all rows of a table."""
        with self._engine.begin() as connection:
            connection.execute(sqlalchemy.update(
                self._metadata.tables[name]).values(values))

    def rows(self):
        """Return the rows of each table as it sees them."""
        with self._engine.connect() as connection:
            return {name: sorted(map(repr, connection.execute(
                sqlalchemy.select(table))))
                for name, table in self._metadata.tables.items()}


class _Tests:
    """What holds on every database, of every older revision."""

    def releases(self, schema, rows):
        """Give each older release's view of a database that it has filled.

        :returns: of each its revision, its view and the database's URL,
            with the tables of this release.
        """
        older = sorted(path.name.partition('_')[0] for path in (
            schema.migrations / 'versions').glob('[0-9]*_*.py'))[:-1]
        self.assertNotEqual([], older)
        for revision in older:
            url = self.empty_database()
            engine = sqlalchemy.create_engine(
                url, poolclass=sqlalchemy.NullPool)
            sql.upgrade(engine, schema, revision)
            old = _Release(engine, schema)
            old.write(rows)
            before = old.rows()
            sql.upgrade(engine, schema)
            self.assertEqual(schema.head, sql.revision_of(engine, schema))
            self.assertEqual(before, old.rows(), revision)
            yield revision, old, url

    def opened(self, kind, url):
        """Open a database as this release does."""
        opened = kind(url)
        self.addCleanup(opened.close)
        return opened

    def test_media_are_the_same_to_both(self):
        for revision, old, url in self.releases(
                media_tables.SCHEMA, _medium('before')):
            new = self.opened(records.MediaRecords, url)
            old.write(_medium('after'))
            for name, token in _TOKENS.items():
                found = new.find(token)
                self.assertEqual(
                    (name, 4096, 'sha256:02', ('192.0.2.0/24',), False),
                    (found.id, found.size, found.base.digest,
                     found.networks, found.base.fenced), revision)
                self.assertEqual(b'\x00\xff!', b''.join(new.overlay(name)))
                (_stream, reads), = new.of_node(f'node-{name}')
                self.assertEqual((512, ((0, 512),)),
                                 (reads.sent, reads.ranges))
            # What one of them ends is over for the other.
            self.assertTrue(new.revoke('before'))
            old.set('ext_medium', revoked_at=1700000002.5)
            self.assertEqual(frozenset(), new.live(['before', 'after']))

    def test_the_catalog_is_the_same_to_both(self):
        for revision, old, url in self.releases(
                catalog_tables.SCHEMA, _resource('before')):
            new = self.opened(store.Catalog, url)
            old.write(_resource('after'))
            old.set('ext_catalog_state', revision=5)
            page = new.page(catalog.BootConfig, labels='arch=x86')
            self.assertEqual(['after', 'before'], [
                item.metadata.name for item in page.items], revision)
            for name in _TOKENS:
                found = new.get(catalog.BootConfig, name)
                self.assertEqual({'config.ign': '{}'}, found.spec.data)
                # That release has no projects: all is everybody's.
                self.assertTrue(found.spec.shared)
            self.assertEqual([(5, 'ADDED')], [
                (change.revision, change.type)
                for change in new.changes(4).changes])
            new.delete(catalog.BootConfig, 'before')
            self.assertEqual(1, len(old.rows()['ext_catalog_resource']))

    def test_hosts_are_the_same_to_both(self):
        for revision, old, url in self.releases(
                host_tables.SCHEMA, _host('before')):
            new = self.opened(host_records.HostRecords, url)
            old.write(_host('after'))
            old.set('ext_host_state', serial=2)
            script = '' if revision == '0001' else '#!ipxe\n'
            expected = [host_records.Record(
                name, 1700000000, 1600000000, '192.0.2.7', script)
                for name in ('before', 'after')]
            found, serial = new.changes(0)
            self.assertEqual((expected, 2), (sorted(
                found, key=lambda one: one.node, reverse=True), serial))
            # Neither takes away what the other one wrote.
            new.keep_script('before', '#!ipxe\nexit 0\n')
            old.set('ext_host', address='192.0.2.8')
            now = new.of('before')
            self.assertEqual(('192.0.2.8', '#!ipxe\nexit 0\n'),
                             (now.address, now.script))
            history = new.history()
            history.add([host_records.Event('before', 1.5, 'script', 'x')])
            self.assertEqual(1, len(history.of('before')))
            ended = new.end('before', generation=1700000000)
            self.assertIn(str(ended.generation),
                          str(old.rows()['ext_host']))


class SQLiteTestCase(_Tests, testtools.TestCase):

    def empty_database(self):
        return ('sqlite:///' + self.useFixture(fixtures.TempDir()).path
                + '/x.sqlite')


class PostgreSQLTestCase(_Tests, testtools.TestCase):

    kind = database_servers.PostgreSQL

    def empty_database(self):
        return database_servers.shared(self.kind).database()


class MariaDBTestCase(PostgreSQLTestCase):

    kind = database_servers.MariaDB
