# SPDX-License-Identifier: Apache-2.0

"""The records of media on real database servers, shared by processes."""

import os
import pathlib
import tempfile
import time

from alembic import autogenerate
from alembic.runtime import migration
import fixtures
import sqlalchemy
import testtools

from ironic_ext.host_records import database as host_records
from ironic_ext.media import database as tables
from ironic_ext.media import records
from ironic_ext.media import tokens as media_tokens
from ironic_ext import sql
from tests.functional import database_servers
from tests.functional import processes
from tests.unit.media import database

_PROCESSES = 4
_REPORTS = 25
_TOKEN = 'a' * 43
#: What revision 0001 has in its tables, as plain SQL on any database.
_FIRST_RELEASE = (
    "INSERT INTO ext_medium (id, node, purpose, name, image, digest, size, "
    "overlay_size, base_digest, base_size, base_href, base_etag, networks, "
    "created_at) VALUES ('old', 'f2d9a1de-0000-4000-8000-000000000001', "
    "'boot', 'live.iso', 'http://x/live.iso', 'sha256:01', 4096, 3, "
    "'sha256:02', 2048, 'http://x/live.iso', '', '[\"192.0.2.0/24\"]', "
    '1700000000.5)',
    'INSERT INTO ext_medium_token (digest, medium_id) VALUES '
    f"('{media_tokens.digest(_TOKEN)}', 'old')",
    'INSERT INTO ext_medium_reads (medium_id, first_at, sent, requests, '
    "ranges, client, window_sent) VALUES ('old', 1700000001.5, 512, 7, "
    "'[[0,512]]', '192.0.2.9', 0)")


def _report(connection, number):
    """Be one of several replicas that report reads of the same media."""
    own = records.MediaRecords(connection)
    for index in range(_REPORTS):
        start = (index * _PROCESSES + number) * 10
        # In another order in each of them.
        media = (1, 2) if number % 2 else (2, 1)
        own.record_reads([database.report(medium, (start, start + 10))
                          for medium in media])
    own.close()


class _Tests:
    """What holds on every database."""

    def open(self):
        opened = records.MediaRecords(self.connection)
        self.addCleanup(opened.close)
        return opened

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

    def test_a_medium_is_the_same_for_everybody_until_it_is_revoked(self):
        overlay = os.urandom(3 * tables.CHUNK + 17)
        medium = database.medium(
            overlay_size=len(overlay), size=5 << 40, created_at=1700000000.25,
            expires_at=time.time() + 3600.5, networks=('192.0.2.0/24',),
            base_href='http://x/live.iso', base_etag='"1"')
        token = self.records.create(medium, [overlay])
        other = self.open()
        self.assertEqual(medium, other.find(token))
        self.assertEqual(overlay, b''.join(other.overlay(medium.id)))
        self.assertEqual({medium.id}, other.live([medium.id]))

        self.assertTrue(self.records.revoke(medium.id))
        self.assertEqual(frozenset(), other.live([medium.id]))
        self.assertIsNotNone(other.find(token).revoked_at)
        self.assertEqual([], list(other.overlay(medium.id)))
        self.assertFalse(other.revoke(medium.id))
        self.assertIsNone(other.reissue(medium.id, None))

    def test_a_new_token_takes_the_place_of_the_old_one(self):
        medium = database.medium(expires_at=5.0)
        first = self.records.create(medium, None)
        # Nothing but the token changes.
        second = self.records.reissue(medium.id, 5.0)
        other = self.open()
        self.assertIsNone(other.find(first))
        self.assertEqual(medium, other.find(second))

    def test_reports_of_many_replicas_add_up(self):
        for number in (1, 2):
            self.records.create(database.medium(number), None)
        reporters = [processes.FRESH.Process(
            target=_report, args=(self.connection, number))
            for number in range(_PROCESSES)]
        for process in reporters:
            process.start()
        for process in reporters:
            process.join(120)
            self.assertEqual(0, process.exitcode)
        for _medium, reads in self.records.of_node(database.NODE):
            self.assertEqual(_PROCESSES * _REPORTS * 10, reads.sent)
            self.assertEqual(((0, _PROCESSES * _REPORTS * 10),),
                             reads.ranges)

    def test_what_is_over_is_forgotten(self):
        for number in (1, 2):
            self.records.create(database.medium(number), [b'x'])
        self.records.revoke(f'{1:032x}')
        self.assertEqual([f'{1:032x}'],
                         self.records.purge(time.time() + 1))
        self.assertIsNone(self.records.get(f'{1:032x}'))
        self.assertIsNotNone(self.records.get(f'{2:032x}'))

    def test_an_upgrade_keeps_what_is_there(self):
        url = self.empty_database()
        engine = sqlalchemy.create_engine(url,
                                          poolclass=sqlalchemy.NullPool)
        sql.upgrade(engine, tables.SCHEMA, '0001')
        with engine.begin() as connection:
            for statement in _FIRST_RELEASE:
                # Its colons are no parameters.
                connection.exec_driver_sql(statement)
            connection.execute(
                sqlalchemy.text('INSERT INTO ext_medium_overlay (medium_id, '
                                "number, data) VALUES ('old', 0, :data)"),
                {'data': b'\x00\xff!'})
        upgraded = records.MediaRecords(url)
        self.addCleanup(upgraded.close)
        upgraded.upgrade()
        found = upgraded.find(_TOKEN)
        self.assertEqual(
            ('old', 'live.iso', 4096, 'sha256:02', ('192.0.2.0/24',),
             1700000000.5, None),
            (found.id, found.name, found.size, found.base.digest,
             found.networks, found.created_at, found.expires_at))
        self.assertEqual(b'\x00\xff!', b''.join(upgraded.overlay('old')))
        (_medium, reads), = upgraded.of_node(found.node)
        self.assertEqual((512, 7, ((0, 512),)),
                         (reads.sent, reads.requests, reads.ranges))

    def test_upgrading_again_changes_nothing(self):
        token = self.records.create(database.medium(), None)
        self.records.upgrade()
        self.assertIsNotNone(self.records.find(token))


class SQLiteTestCase(_Tests, testtools.TestCase):

    def setUp(self):
        super().setUp()
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self._folder = pathlib.Path(folder.name)
        self.connection = f'sqlite:///{self._folder}/x.sqlite'
        self.records = self.open()

    def empty_database(self):
        return f'sqlite:///{self._folder}/empty.sqlite'


class PostgreSQLTestCase(_Tests, testtools.TestCase):

    kind = database_servers.PostgreSQL
    whoever = 'SELECT pg_backend_pid()'
    cut = 'SELECT pg_terminate_backend({})'

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.server = database_servers.shared(cls.kind)

    def setUp(self):
        super().setUp()
        self.connection = self.server.database()
        self.records = self.open()
        self.records.upgrade()

    def empty_database(self):
        return self.server.database()

    def test_tables_that_are_missing_are_told(self):
        engine = sqlalchemy.create_engine(
            self.connection, poolclass=sqlalchemy.NullPool)
        with engine.begin() as connection:
            tables.METADATA.drop_all(connection)
        error = self.assertRaises(records.RecordsError, self.records.live,
                                  ['0' * 32])
        self.assertIn('ironic-media-server --upgrade', str(error))
        self.assertNotIn('\n', str(error))

    def opened(self):
        """Return an engine, as all of ours are."""
        engine = sql.connect(self.connection, tables.SCHEMA)
        self.addCleanup(engine.dispose)
        return engine

    def test_a_connection_that_is_cut_when_all_is_done_is_not_missed(self):
        engine, other = self.opened(), self.opened()
        mine = []
        stock = engine.dialect.do_rollback

        def roll_back(dbapi_connection):
            stock(dbapi_connection)
            if mine:
                with other.begin() as connection:
                    connection.exec_driver_sql(self.cut.format(mine.pop()))

        self.useFixture(fixtures.MockPatchObject(
            engine.dialect, 'do_rollback', roll_back))
        # More than the pool has.
        for number in range(20):
            kind = (sql.reading, sql.writing)[number % 2]
            with kind(engine).begin() as connection:
                mine.append(connection.exec_driver_sql(
                    self.whoever).scalar_one())
            self.assertEqual([], mine)
        self.assertEqual(0, engine.pool.checkedout())

    def test_what_is_counted_without_sqlalchemy_fails_in_its_words(self):
        counted = sql.Tables(self.connection, host_records.SCHEMA,
                             host_records.STATE.c.serial, LookupError)
        self.addCleanup(counted.close)
        self.assertRaises(LookupError, counted.count)
        counted.upgrade()
        with counted.writing() as (connection, number):
            connection.execute(sqlalchemy.update(host_records.STATE).values(
                serial=number))
        self.assertEqual(1, counted.count())
        other, stock = self.opened(), counted.engine.raw_connection
        cutting = [True]

        def connect():
            found = stock()
            if cutting:
                cursor = found.cursor()
                cursor.execute(self.whoever)
                mine, = cursor.fetchone()
                cursor.close()
                with other.begin() as connection:
                    connection.exec_driver_sql(self.cut.format(mine))
            return found

        self.useFixture(fixtures.MockPatchObject(
            counted.engine, 'raw_connection', connect))
        # More than the pool has.
        for _number in range(20):
            self.assertRaises(LookupError, counted.count)
        self.assertEqual(0, counted.engine.pool.checkedout())
        cutting.clear()
        self.assertEqual(1, counted.count())
        with counted.engine.begin() as connection:
            connection.execute(sqlalchemy.delete(host_records.STATE))
        self.assertRaises(LookupError, counted.count)

    def test_transactions_of_one_connection_have_each_its_isolation(self):
        engine, other = self.opened(), self.opened()
        count = sqlalchemy.select(sqlalchemy.func.count()).select_from(
            tables.TOKEN)
        for number, (kind, sees) in enumerate((
                (sql.reading, 0), (sql.writing, 1), (sql.reading, 0))):
            with kind(engine).begin() as connection:
                before = connection.execute(count).scalar_one()
                with other.begin() as writer:
                    writer.execute(sqlalchemy.insert(tables.TOKEN), {
                        'digest': str(number), 'medium_id': 'x'})
                self.assertEqual(
                    sees, connection.execute(count).scalar_one() - before)


class MariaDBTestCase(PostgreSQLTestCase):

    kind = database_servers.MariaDB
    whoever = 'SELECT CONNECTION_ID()'
    cut = 'KILL {}'
    # That of the transaction that goes on is in no variable.
