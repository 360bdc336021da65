# SPDX-License-Identifier: Apache-2.0

"""Which config fits which ISO, and who keeps what from being deleted."""

import dataclasses

import testtools

from ironic_ext import catalog
from ironic_ext.catalog import rules
from tests.unit.catalog import database


class RulesTestCase(testtools.TestCase):

    def _refused(self, iso, name, **values):
        error = self.assertRaises(
            catalog.InvalidError, rules.require_fit, iso, name,
            **{'config': database.config(name), **values})
        return str(error)

    def test_a_listed_config_fits(self):
        iso = database.iso(boot_configs=('a', 'b'))
        rules.require_fit(iso, 'b', config=database.config('b'))

    def test_a_config_must_exist(self):
        iso = database.iso(boot_configs=('a', 'b'))
        self.assertEqual('spec.bootConfigRef "b" does not exist: create the '
                         'BootConfig first', self._refused(
                             iso, 'b', config=None,
                             field='spec.bootConfigRef'))

    def test_a_config_must_be_listed(self):
        iso = database.iso(boot_configs=('coreos-builder', 'builder-target'))
        self.assertEqual(
            'boot_config "fedora-server" does not fit ISO "coreos-live": it '
            'lists coreos-builder, builder-target',
            self._refused(iso, 'fedora-server'))

    def test_an_iso_without_configs_takes_none(self):
        self.assertIn('takes no config', self._refused(database.iso(), 'a'))

    def test_no_config_always_fits(self):
        rules.require_fit(database.iso(), '', config=None)
        rules.require_fit(None, '', config=None)

    def test_an_iso_by_url_takes_any_config_of_the_operator(self):
        rules.require_fit(None, 'a', config=database.config('a'))
        self._refused(None, 'a', config=None)

    def test_an_owners_iso_takes_their_own_and_what_is_open(self):
        config = database.config('a', shared=True, project='op')
        # The same for a disk, of which nobody gave a URL.
        said = self._refused(None, 'a', config=config, project='t')
        self.assertIn('anyISO', said)
        self.assertNotIn('URL', said)
        rules.require_fit(None, 'a', project='t', config=database.config(
            'a', shared=True, any_iso=True))
        rules.require_fit(None, 'a', project='t', config=database.config(
            'a', project='t'))
        # What the ISO lists is no secret to it.
        rules.require_fit(database.iso(boot_configs=('a',)), 'a',
                          config=config, project='t')

    def test_nobody_keeps_what_is_not_theirs_from_being_deleted(self):
        config = database.config('a', project='p')
        isos = [database.iso('mine', boot_configs=('a',), project='p'),
                database.iso('evil', boot_configs=('a',), project='q'),
                database.iso('op', boot_configs=('a',))]
        self.assertEqual(('ISCSICdrom/mine', 'ISCSICdrom/op'),
                         rules.isos_listing(config, isos))

    def test_only_a_ready_iso_boots(self):
        iso = database.iso()
        for phase, error in (('Pending', ''), ('Uploading', ''),
                             ('Error', 'the disk is full')):
            status = catalog.ISCSICdromStatus(phase=phase, error=error)
            refusal = self.assertRaises(
                catalog.ConflictError, rules.require_bootable,
                dataclasses.replace(iso, status=status))
            self.assertIn(error or phase, str(refusal))
        rules.require_bootable(dataclasses.replace(
            iso, status=catalog.ISCSICdromStatus(phase='Ready')))

    def test_a_long_list_of_users_stays_readable(self):
        error = self.assertRaises(
            catalog.InUseError, rules.require_unused, 'BootConfig', 'a',
            [f'BareMetalHost/{number}' for number in range(1000)])
        self.assertIn('and 990 more', str(error))
        self.assertEqual(1000, len(error.referrers))
