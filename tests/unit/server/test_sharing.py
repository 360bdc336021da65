# SPDX-License-Identifier: Apache-2.0

"""Tests of what is said at start of a catalog without projects."""

import fixtures

from ironic_ext.server.mirror import host_index
from ironic_ext.server import sharing
from tests.unit.catalog import database
from tests.unit.node import test_host


class SharingTestCase(database.CatalogTestCase):

    def test_what_nobody_decided_is_told_with_who_uses_it(self):
        log = self.useFixture(fixtures.FakeLogger())
        self.catalog.create(database.config('old', shared=True))
        self.catalog.create(database.config('unused', shared=True))
        self.catalog.create(database.config('decided', shared=True,
                                            project='p'))
        self.catalog.create(database.config('private', project='p'))
        index = host_index.HostIndex()
        index.put(test_host.host(instance_info={
            'boot_iso': 'x', 'boot_config': 'old'}))
        index.loaded.set()
        sharing.warn(self.catalog, index)
        self.assertIn('BootConfig "old" (used by BareMetalHost/default/'
                      'server1)', log.output)
        self.assertIn('"unused" (used by no host)', log.output)
        self.assertNotIn('decided', log.output)
        self.assertNotIn('private', log.output)
