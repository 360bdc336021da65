# SPDX-License-Identifier: Apache-2.0

"""Opening databases."""

import concurrent.futures
import pathlib

import fixtures
import sqlalchemy
import testtools

from ironic_ext.catalog import database as catalog
from ironic_ext.media import database as media
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
