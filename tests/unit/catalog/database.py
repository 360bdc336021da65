# SPDX-License-Identifier: Apache-2.0

"""A catalog for a test, and resources to put into it."""

import pathlib
import tempfile

import testtools

from ironic_ext import catalog
from ironic_ext.catalog import store

IGNITION = '{"ignition": {"version": "3.4.0"}}'


def config(name='coreos-builder', labels=None, **spec):
    """Return a BootConfig."""
    return catalog.BootConfig(
        catalog.Metadata(name, labels or {}), catalog.BootConfigSpec(**{
            'format': 'ignition', 'data': {'config.ign': IGNITION}, **spec}))


def iso(name='coreos-live', labels=None, **spec):
    """Return an ISCSICdrom."""
    return catalog.ISCSICdrom(
        catalog.Metadata(name, labels or {}), catalog.ISCSICdromSpec(**{
            'iso_file': f'{name}.iso', **spec}))


class CatalogTestCase(testtools.TestCase):
    """A test with a catalog in an SQLite file."""

    def setUp(self):
        super().setUp()
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.connection = f'sqlite:///{self.folder}/db/catalog.sqlite'
        self.catalog = self.open()

    def open(self, **values):
        """Open the database as another process does."""
        opened = store.Catalog(self.connection, **values)
        self.addCleanup(opened.close)
        return opened
