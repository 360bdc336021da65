# SPDX-License-Identifier: Apache-2.0

"""The catalog in SQLite; test_catalog_databases has the other servers."""

import dataclasses
import sqlite3

import fixtures
import sqlalchemy

from ironic_ext import catalog
from ironic_ext.catalog import resources
from ironic_ext.catalog import selector
from ironic_ext.catalog import store
from tests.unit.catalog import database


class ResourcesTestCase(database.CatalogTestCase):

    def test_what_was_created_is_found_by_another_process(self):
        made = self.catalog.create(database.config(
            labels={'arch': 'x86'}, primary='config.ign', template=True))
        self.assertEqual(made, self.open().get(catalog.BootConfig,
                                               'coreos-builder'))
        self.assertEqual({'arch': 'x86'}, made.metadata.labels)
        self.assertEqual(database.IGNITION, made.spec.data['config.ign'])
        self.assertEqual('1', made.metadata.resource_version)
        self.assertRegex(made.metadata.creation_timestamp,
                         r'^20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ$')
        self.assertEqual(36, len(made.metadata.uid))

    def test_a_name_is_taken_once_per_kind(self):
        self.catalog.create(database.config('a'))
        self.catalog.create(database.config('A'))
        self.catalog.create(database.iso('a'))
        self.assertRaises(catalog.AlreadyExistsError, self.catalog.create,
                          database.config('a'))
        self.assertEqual(3, self.catalog.revision())

    def test_a_new_iso_is_pending_whatever_it_says(self):
        made = self.catalog.create(dataclasses.replace(
            database.iso(), status=catalog.ISCSICdromStatus(phase='Ready')))
        self.assertEqual('Pending', made.status.phase)

    def test_what_is_not_there_is_not_found(self):
        self.assertIsNone(self.catalog.find(catalog.BootConfig, 'a'))
        self.assertRaises(catalog.NotFoundError, self.catalog.get,
                          catalog.BootConfig, 'a')
        self.assertRaises(catalog.NotFoundError, self.catalog.replace,
                          database.config('a'))
        self.assertRaises(catalog.NotFoundError, self.catalog.delete,
                          catalog.BootConfig, 'a')

    def test_of_two_writers_with_one_version_one_wins(self):
        made = self.catalog.create(database.config())
        mine = dataclasses.replace(made, spec=database.config(
            data={'config.ign': 'mine'}).spec)
        theirs = dataclasses.replace(made, spec=database.config(
            data={'config.ign': 'theirs'}).spec)
        self.open().replace(theirs)
        error = self.assertRaises(catalog.ConflictError,
                                  self.catalog.replace, mine)
        self.assertIn('resource version 2, not 1', str(error))
        self.assertEqual('theirs', self.catalog.get(
            catalog.BootConfig, 'coreos-builder').spec.data['config.ign'])

    def test_without_a_version_the_last_writer_wins(self):
        self.catalog.create(database.config())
        changed = self.catalog.replace(database.config(primary='config.ign'))
        self.assertEqual('config.ign', changed.spec.primary)
        self.assertEqual('2', changed.metadata.resource_version)

    def test_the_same_again_is_no_change(self):
        made = self.catalog.create(database.config())
        self.assertEqual(made, self.catalog.replace(made))
        self.assertEqual(1, self.catalog.revision())

    def test_a_new_spec_keeps_an_isos_status_and_the_reverse(self):
        made = self.catalog.create(database.iso())
        status = catalog.ISCSICdromStatus(phase='Ready', iso_size=9, lun=0)
        ready = self.catalog.set_status(made, status)
        changed = self.catalog.replace(dataclasses.replace(
            ready, spec=dataclasses.replace(ready.spec, description='x'),
            status=catalog.ISCSICdromStatus(phase='Error')))
        self.assertEqual(status, changed.status)
        self.assertEqual('x', self.catalog.set_status(
            changed, catalog.ISCSICdromStatus()).spec.description)

    def test_an_iso_from_elsewhere_is_pending_again(self):
        made = self.catalog.create(database.iso())
        ready = self.catalog.set_status(
            made, catalog.ISCSICdromStatus(phase='Ready', lun=1))
        changed = self.catalog.replace(dataclasses.replace(
            ready, spec=database.iso(iso_file='other.iso').spec))
        self.assertEqual(catalog.ISCSICdromStatus(), changed.status)

    def test_a_config_that_an_iso_lists_is_not_deleted(self):
        self.catalog.create(database.config('a'))
        self.catalog.create(database.iso('i', boot_configs=('b', 'a')))
        error = self.assertRaises(
            catalog.InUseError, self.catalog.delete, catalog.BootConfig,
            'a', referrers=['BareMetalHost/server1'])
        self.assertEqual(('BareMetalHost/server1', 'ISCSICdrom/i'),
                         error.referrers)
        self.catalog.delete(catalog.ISCSICdrom, 'i')
        self.catalog.delete(catalog.BootConfig, 'a')
        self.assertIsNone(self.catalog.find(catalog.BootConfig, 'a'))

    def test_a_deletion_can_demand_a_version(self):
        self.catalog.create(database.config())
        self.assertRaises(
            catalog.ConflictError, self.catalog.delete, catalog.BootConfig,
            'coreos-builder', expected='7')
        self.catalog.delete(catalog.BootConfig, 'coreos-builder',
                            expected='1')

    def test_what_an_older_version_accepted_can_still_be_read(self):
        self.catalog.create(database.config())
        with sqlite3.connect(f'{self.folder}/db/catalog.sqlite') as raw:
            raw.execute("UPDATE ext_catalog_resource SET spec = "
                        "'{\"format\": \"X\", \"data\": {\"..\": \"y\"}, "
                        "\"gone\": 1}'")
        raw.close()
        self.assertEqual({'..': 'y'}, self.catalog.get(
            catalog.BootConfig, 'coreos-builder').spec.data)


class ListTestCase(database.CatalogTestCase):

    def _names(self, **values):
        return [item.metadata.name for item in self.catalog.page(
            catalog.BootConfig, **values).items]

    def test_a_list_comes_in_pages_by_name(self):
        for name in 'ecabd':
            self.catalog.create(database.config(name))
        self.catalog.create(database.iso())
        first = self.catalog.page(catalog.BootConfig, limit=2)
        self.catalog.create(database.config('aa'))
        self.catalog.create(database.config('cc'))
        names, page = list(first.items), first
        while page.following:
            page = self.catalog.page(catalog.BootConfig, limit=2,
                                     after=page.following)
            self.assertEqual(6, page.revision)
            names += page.items
        self.assertEqual(['a', 'b', 'c', 'cc', 'd', 'e'],
                         [item.metadata.name for item in names])

    def test_a_list_has_no_secrets(self):
        made = self.catalog.create(database.config(
            data={'config.ign': 'hunter2'}))
        for text, size in (('hunter2', 7), ('changed', 7), ('x', 1)):
            made = self.catalog.replace(dataclasses.replace(
                made, spec=database.config(data={'config.ign': text}).spec))
            item = self.catalog.page(catalog.BootConfig).items[0]
            self.assertEqual({'config.ign': f'<redacted: {size} bytes>'},
                             item.spec.data)
            self.assertEqual(made.metadata, item.metadata)

    def test_a_made_up_token_is_refused(self):
        for token in ('x', 'AAAA', 'WzEsIDJd', '\u00e9', 'W' * 10000):
            self.assertRaises(catalog.InvalidError, self.catalog.page,
                              catalog.BootConfig, after=token)

    def test_labels_select(self):
        self.catalog.create(database.config('a', {'arch': 'arm', 'x/y': ''}))
        self.catalog.create(database.config('b', {'arch': 'x86'}))
        self.catalog.create(database.config('c'))
        for labels, names in (
                ('', 'abc'), ('arch=arm', 'a'), ('arch==x86', 'b'),
                ('arch!=arm', 'bc'), ('arch', 'ab'), ('!arch', 'c'),
                ('arch,x/y', 'a'), ('x/y=', 'a'), ('arch=ARM', ''),
                ('arch=arm, arch=x86', '')):
            self.assertEqual(list(names), self._names(labels=labels), labels)
            terms = selector.parse(labels)
            for item in self.catalog.page(catalog.BootConfig).items:
                self.assertEqual(
                    item.metadata.name in names,
                    all(term.matches(dict(item.metadata.labels))
                        for term in terms), labels)

    def test_changed_labels_select_at_once(self):
        self.catalog.create(database.config('a', {'arch': 'arm'}))
        self.catalog.replace(database.config('a', {'arch': 'x86'}))
        self.assertEqual([], self._names(labels='arch=arm'))
        self.assertEqual(['a'], self._names(labels='arch=x86'))

    def test_a_malformed_selector_is_refused(self):
        for labels in ('a=b=c', '=b', 'a in (b)', '!a=b', 'a,,b', "a='",
                       ','.join('a' * 21)):
            self.assertRaises(catalog.InvalidError, self._names,
                              labels=labels)


class ChangesTestCase(database.CatalogTestCase):

    def test_a_watch_resumes_where_it_was(self):
        page = self.catalog.page(catalog.BootConfig)
        made = self.catalog.create(database.config('a'))
        self.catalog.replace(dataclasses.replace(
            made, spec=database.config(primary='config.ign').spec))
        self.catalog.delete(catalog.BootConfig, 'a')
        found = self.open().changes(page.revision)
        self.assertEqual(
            [('ADDED', '1'), ('MODIFIED', '2'), ('DELETED', '3')],
            [(change.type, change.document['metadata']['resourceVersion'])
             for change in found.changes])
        self.assertEqual((3, True), (found.revision, found.complete))
        self.assertEqual(found.changes[1:],
                         self.catalog.changes(1).changes)
        self.assertEqual((), self.catalog.changes(3).changes)

    def test_a_watch_shows_whole_objects_without_secrets(self):
        self.catalog.create(database.config(
            data={'config.ign': 'hunter2'}))
        document = self.catalog.changes(0).changes[0].document
        self.assertEqual('<redacted: 7 bytes>',
                         document['spec']['data']['config.ign'])
        self.assertEqual('BootConfig', document['kind'])
        with sqlite3.connect(f'{self.folder}/db/catalog.sqlite') as raw:
            log = raw.execute('SELECT * FROM ext_catalog_change').fetchall()
        raw.close()
        self.assertNotIn('hunter2', str(log))

    def test_many_changes_come_in_parts(self):
        for number in range(5):
            self.catalog.create(database.config(f'c{number}'))
        since, names, parts = 0, [], 0
        while True:
            part = self.catalog.changes(since, limit=2)
            names += [change.name for change in part.changes]
            since, parts = part.revision, parts + 1
            if part.complete:
                break
        self.assertEqual(([f'c{n}' for n in range(5)], 3, 5),
                         (names, parts, since))

    def test_what_was_forgotten_is_told(self):
        for number in range(10):
            self.catalog.create(database.config(f'c{number}'))
        self.catalog.compact(keep=3)
        self.assertEqual(3, len(self.catalog.changes(7).changes))
        error = self.assertRaises(catalog.TooOldError,
                                  self.catalog.changes, 6)
        self.assertIn('list the resources again', str(error))

    def test_a_version_of_another_database_is_refused(self):
        self.assertRaises(catalog.TooOldError, self.catalog.changes, 1)

    def test_the_log_stays_short_by_itself(self):
        self.useFixture(fixtures.MonkeyPatch(
            'ironic_ext.catalog.store._COMPACT_EVERY', 5))
        short = self.open(history=10)
        made = short.create(database.config())
        for number in range(19):
            made = short.replace(dataclasses.replace(
                made, spec=database.config(data={
                    'config.ign': str(number)}).spec))
        self.assertRaises(catalog.TooOldError, short.changes, 1)
        last = short.revision()
        self.assertEqual(10, len(short.changes(last - 10).changes))


class DatabaseTestCase(database.CatalogTestCase):

    def test_the_file_is_for_its_owner_alone(self):
        for path in (self.folder / 'db').iterdir():
            self.assertEqual(0o600, path.stat().st_mode & 0o777, path)

    def test_a_database_that_fails_says_which_option_is_wrong(self):
        for connection in ('sqlite://', 'nonsense', 'sqlite:////proc/x/y',
                           'postgresql://joe:hunter2@127.0.0.1:1/x'):
            error = self.assertRaises(
                catalog.DatabaseError,
                lambda: store.Catalog(connection).revision())
            self.assertIn('[ext_catalog]connection', str(error))
            self.assertNotIn('hunter2', str(error))

    def test_models_and_migrations_agree(self):
        from alembic import autogenerate
        from alembic.runtime import migration

        from ironic_ext.catalog import database as tables
        engine = sqlalchemy.create_engine(self.connection)
        self.addCleanup(engine.dispose)
        with engine.connect() as connection:
            context = migration.MigrationContext.configure(
                connection, opts={
                    'compare_type': True,
                    'version_table': tables.SCHEMA.version_table})
            self.assertEqual([], autogenerate.compare_metadata(
                context, tables.METADATA))

    def test_kinds_are_all_storable(self):
        self.assertEqual({'ISCSICdrom', 'BootConfig'}, set(resources.KINDS))
