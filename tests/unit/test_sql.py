# Licensed under the Apache License, Version 2.0 (the "License"); you may
# not use this file except in compliance with the License. You may obtain
# a copy of the License at
#
#      http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS, WITHOUT
# WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the
# License for the specific language governing permissions and limitations
# under the License.

"""Opening databases."""

import concurrent.futures
import pathlib

import fixtures
import sqlalchemy
import testtools

from ironic_ext.catalog import database as catalogue
from ironic_ext.media import database as media
from ironic_ext import sql


class ConnectTestCase(testtools.TestCase):
    """What several threads do at once."""

    def test_databases_that_are_opened_at_once_get_their_own_tables(self):
        folder = pathlib.Path(self.useFixture(fixtures.TempDir()).path)

        def tables(number):
            schema = (catalogue, media)[number % 2].SCHEMA
            engine = sql.connect(f'sqlite:///{folder}/{number}', schema)
            try:
                return (set(sqlalchemy.inspect(engine).get_table_names())
                        == {*schema.metadata.tables, schema.version_table})
            finally:
                engine.dispose()

        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            self.assertEqual({True}, set(pool.map(tables, range(16))))
