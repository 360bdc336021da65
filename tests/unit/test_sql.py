# SPDX-License-Identifier: Apache-2.0

"""Opening databases."""

import concurrent.futures
import pathlib
import sys
import unittest.mock

from alembic import config
from alembic import script
import fixtures
import sqlalchemy
import testtools

from ironic_ext.catalog import database as catalog
from ironic_ext.catalog import errors
from ironic_ext.catalog import store
from ironic_ext.host_records import database as host_records
from ironic_ext.media import database as media
from ironic_ext.media import records as media_records
from ironic_ext import sql


class ConnectTestCase(testtools.TestCase):
    """What several threads do at once."""

    def test_databases_that_are_opened_at_once_get_their_own_tables(self):
        folder = pathlib.Path(self.useFixture(fixtures.TempDir()).path)

        def tables(number):
            schema = (catalog, media)[number % 2].SCHEMA
            engine = sql.connect(f'sqlite:///{folder}/{number}', schema)
            try:
                return (set(sqlalchemy.inspect(engine).get_table_names())
                        == {*schema.metadata.tables, schema.version_table})
            finally:
                engine.dispose()

        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            self.assertEqual({True}, set(pool.map(tables, range(16))))


class DriverTestCase(testtools.TestCase):
    """A driver that is not installed."""

    def test_it_is_told_by_the_package_that_brings_it(self):
        for scheme, module, package in (
                ('postgresql+psycopg', 'psycopg', 'psycopg[binary]'),
                ('mysql+pymysql', 'pymysql', 'PyMySQL')):
            with unittest.mock.patch.dict(sys.modules, {module: None}):
                url = f'{scheme}://ironic:secret@192.0.2.1/ironic'
                for error in (
                        self.assertRaises(media_records.RecordsError,
                                          media_records.MediaRecords, url),
                        self.assertRaises(errors.DatabaseError,
                                          store.Catalog, url)):
                    self.assertIn(f'pip install \'{package}\'', str(error))
                    self.assertIn(']connection', str(error))
                    self.assertNotIn('secret', str(error))


class StartTestCase(testtools.TestCase):
    """What a process that starts has to do."""

    def test_the_newest_migration_is_the_one_that_is_told(self):
        for schema in (catalog.SCHEMA, host_records.SCHEMA, media.SCHEMA):
            settings = config.Config()
            settings.set_main_option('script_location',
                                     str(schema.migrations))
            self.assertEqual(
                schema.head, script.ScriptDirectory.from_config(
                    settings).get_current_head(), schema.version_table)

    def test_tables_that_are_current_are_left_alone(self):
        folder = self.useFixture(fixtures.TempDir()).path
        with unittest.mock.patch.object(
                sql, 'upgrade', wraps=sql.upgrade) as upgrade:
            for _start in range(2):
                sql.connect(f'sqlite:///{folder}/x', catalog.SCHEMA).dispose()
        self.assertEqual(1, upgrade.call_count)

    def test_tables_of_an_older_release_are_changed(self):
        url = f'sqlite:///{self.useFixture(fixtures.TempDir()).path}/x'
        older = sqlalchemy.create_engine(url)
        self.addCleanup(older.dispose)
        sql.upgrade(older, catalog.SCHEMA, '0001')
        engine = sql.connect(url, catalog.SCHEMA)
        self.addCleanup(engine.dispose)
        self.assertIn('project', [
            column['name'] for column in sqlalchemy.inspect(
                engine).get_columns('ext_catalog_resource')])
