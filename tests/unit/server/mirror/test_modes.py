# SPDX-License-Identifier: Apache-2.0

"""The boot modes that configs ask for."""

import dataclasses

import testtools

from ironic_ext import catalog
from ironic_ext.node import boot_state
from ironic_ext.server.mirror import modes
from tests.unit.node import test_host as test_hosts
from tests.unit.server.machines import test_configs


class _Away:
    """A catalog whose database does not answer."""

    def __init__(self):
        self.asked = 0

    def config(self, name):
        self.asked += 1
        raise catalog.DatabaseError('it is away')


class ModesTestCase(testtools.TestCase):

    def setUp(self):
        super().setUp()
        self.lookup = test_configs.KnownCatalog(
            self.config('install', 'kickstart'),
            self.config('live', 'ignition'), self.config('odd', 'none'))
        self.modes = modes.Modes(self.lookup)

    def config(self, name, format_):
        found = test_configs.config(name)
        return dataclasses.replace(found, spec=dataclasses.replace(
            found.spec, format=format_))

    def mode(self, config, mode=None, boot=None, **more):
        info = {'boot_iso': 'iso', 'boot_config': config}
        if mode:
            info['ext_boot_mode'] = mode
        host = test_hosts.host(instance_info=info, **more)
        if boot:
            host = dataclasses.replace(host, boot=boot)
        return self.modes.of(host, info).boot_mode

    def test_what_installs_itself_boots_once(self):
        self.assertEqual('once', self.mode('install'))
        self.assertEqual('once', self.mode({
            'format': 'preseed', 'data': {'preseed.cfg': ''}}))

    def test_everything_else_boots_for_ever(self):
        for config in ('live', 'odd', 'missing', '../x', '', {'format': 1},
                       {'format': 'none'}, {}):
            self.assertEqual('forever', self.mode(config), config)

    def test_what_was_said_holds(self):
        self.assertEqual('forever', self.mode('install', 'forever'))
        self.assertEqual('once', self.mode('live', 'once'))

    def test_what_a_conductor_has_prepared_holds_until_its_end(self):
        prepared = boot_state.BootState(begun=3)
        self.assertEqual('forever', self.mode('install', boot=prepared))
        self.assertEqual('once', self.mode('install', boot=dataclasses.
                                           replace(prepared, ended_at=1.0)))

    def test_what_another_project_has_does_not_count(self):
        config = self.config('theirs', 'kickstart')
        self.modes = modes.Modes(test_configs.KnownCatalog(
            dataclasses.replace(config, spec=dataclasses.replace(
                config.spec, project='them'))))
        self.assertEqual('forever', self.mode('theirs', owner='us'))
        self.assertEqual('once', self.mode('theirs', owner='them'))

    def test_those_whose_config_cannot_be_read_are_looked_at_again(self):
        away = _Away()
        self.modes = modes.Modes(away)
        self.assertEqual('forever', self.mode('install'))
        self.assertEqual('forever', self.mode('live'))
        # Nobody waits for it each time.
        self.assertEqual(1, away.asked)
        self.assertEqual({test_hosts.host().uuid}, self.modes.unsure())
        self.assertEqual(set(), self.modes.unsure())
