# SPDX-License-Identifier: Apache-2.0

"""Tests for the command of the boot server."""

import logging

import fixtures
import testtools

from ironic_ext.cli import boot_server


class LogTestCase(testtools.TestCase):

    def test_a_keystone_that_is_away_does_not_fill_the_log(self):
        folder = self.useFixture(fixtures.TempDir()).path
        open(f'{folder}/ironic.conf', 'w').close()
        logger = logging.getLogger('keystoneauth.identity.generic.base')
        for name in ('keystoneauth', 'keystoneauth.identity'):
            parent = logging.getLogger(name)
            self.addCleanup(parent.setLevel, parent.level)
        boot_server.load(['--config-file', f'{folder}/ironic.conf'])
        self.assertFalse(logger.isEnabledFor(logging.WARNING))
        self.assertTrue(logger.isEnabledFor(logging.ERROR))


class OpenDoorTestCase(testtools.TestCase):

    def said(self, **options):
        folder = self.useFixture(fixtures.TempDir()).path
        path = f'{folder}/ironic.conf'
        with open(path, 'w') as file:
            file.write('[ext_server]\n' + ''.join(
                f'{name} = {value}\n' for name, value in options.items()))
        conf = boot_server.load(['--config-file', path])
        log = self.useFixture(fixtures.FakeLogger('ironic_ext'))
        boot_server.warn_of_open_door(conf)
        return log.output

    def test_an_open_door_is_said_to_be_open(self):
        for address in ('0.0.0.0', '::', '192.0.2.1'):
            said = self.said(auth_strategy='noauth', host_ip=address)
            self.assertIn('noauth', said)
            self.assertIn(address, said)

    def test_a_door_that_is_closed_is_not(self):
        for address in ('127.0.0.1', '::1'):
            self.assertEqual('', self.said(auth_strategy='noauth',
                                           host_ip=address))
        for strategy in ('http_basic', 'keystone'):
            self.assertEqual('', self.said(auth_strategy=strategy))
