# SPDX-License-Identifier: Apache-2.0

"""Tests of what of the catalog is there for a project."""

import sqlite3
import types

import testtools

from ironic_ext import catalog
from ironic_ext.catalog import view
from tests.unit.catalog import database


class ViewTestCase(testtools.TestCase):

    def setUp(self):
        super().setUp()
        found = [database.config('mine', project='p'),
                 database.config('theirs', project='q'),
                 database.config('operators'),
                 database.config('common', project='q', shared=True)]
        self.configs = {one.metadata.name: one for one in found}

    def seen(self, project):
        lookup = view.View(types.SimpleNamespace(
            config=self.configs.get, iso=None), project)
        return {name for name in (*self.configs, 'none')
                if lookup.config(name)}

    def test_a_project_has_its_own_and_what_is_shared(self):
        self.assertEqual({'mine', 'common'}, self.seen('p'))
        self.assertEqual({'theirs', 'common'}, self.seen('q'))
        self.assertEqual({'common'}, self.seen('r'))

    def test_the_operator_has_everything(self):
        self.assertEqual(set(self.configs), self.seen(''))


class StoredTestCase(database.CatalogTestCase):

    def test_pages_have_what_is_there_for_a_project(self):
        for name, facts in (('a', {'project': 'p'}), ('b', {'project': 'q'}),
                            ('c', {'shared': True}), ('d', {})):
            self.catalog.create(database.config(name, **facts))
        for project, names in (('p', 'ac'), ('q', 'bc'), ('', 'abcd')):
            page = self.catalog.page(catalog.BootConfig, project=project)
            self.assertEqual(list(names), [
                item.metadata.name for item in page.items])

    def test_a_page_ends_with_what_is_there_and_tells_no_other_name(self):
        for name in ('a', 'secret', 'z'):
            self.catalog.create(database.config(
                name, shared=name != 'secret'))
        page = self.catalog.page(catalog.BootConfig, project='p', limit=1)
        rest = self.catalog.page(catalog.BootConfig, project='p',
                                 after=page.following)
        self.assertEqual(['z'], [one.metadata.name for one in rest.items])

    def test_who_had_it_is_told_that_it_went(self):
        made = self.catalog.create(database.config('a', shared=True))
        self.catalog.replace(database.config('a', project='p'))
        found = self.catalog.changes(1)
        self.assertEqual(
            [('DELETED', 2, True), ('ADDED', 3, False)],
            [(one.type, one.revision, one.document['spec']['shared'])
             for one in found.changes])
        now = self.catalog.get(catalog.BootConfig, 'a')
        self.assertEqual(made.metadata.uid, now.metadata.uid)
        self.assertEqual('3', now.metadata.resource_version)
        self.assertEqual(3, self.catalog.revision())

    def test_what_an_older_release_wrote_is_everybodys(self):
        self.catalog.create(database.config('a', project='p'))
        with sqlite3.connect(self.folder / 'db/catalog.sqlite') as older:
            older.execute(
                'insert into ext_catalog_resource (kind, name, uid, revision,'
                ' created_at, labels, spec, shown, status) select kind, "old",'
                ' uid, revision, created_at, labels,'
                ' \'{"format":"plain","data":{"a":"b"}}\','
                ' \'{"format":"plain","data":{"a":"b"}}\', status'
                ' from ext_catalog_resource')
        found = self.catalog.get(catalog.BootConfig, 'old')
        self.assertEqual((True, True, ''), (
            found.spec.shared, found.spec.any_iso, found.spec.project))

    def test_a_file_is_not_had_by_its_name(self):
        self.catalog.create(database.iso('a', iso_file='x.iso'))
        self.assertRaises(catalog.ConflictError, self.catalog.create,
                          database.iso('b', iso_file='x.iso'), own_file=True)
        self.catalog.create(database.iso('b', iso_file='x.iso'))
