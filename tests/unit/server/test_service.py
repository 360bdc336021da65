# SPDX-License-Identifier: Apache-2.0

"""How machines without a token are known, and what is listened to."""

import socket
import sys
from unittest import mock

import fixtures
from oslo_config import cfg
import testtools

from ironic_ext import conf as options
from ironic_ext.server import mirror
from ironic_ext.server.mirror import hints
from ironic_ext.server import service

_MODULE = 'ironic_ext.server.mirror.notifications'


class MachineIdentityTestCase(testtools.TestCase):

    def setUp(self):
        super().setUp()
        self.log = self.useFixture(fixtures.FakeLogger())

    def identity(self, *, has_addresses=False, was_upgraded=False, **given):
        conf = cfg.ConfigOpts()
        options.register_opts(conf)
        conf([], default_config_files=[])
        for name, value in given.items():
            conf.set_override(name, value, group='ext_server')
        try:
            return service.machine_identity(
                conf, has_addresses=has_addresses, was_upgraded=was_upgraded)
        finally:
            # The group is one for all of a process.
            for name in given:
                conf.clear_override(name, group='ext_server')

    def test_a_source_of_addresses_is_used(self):
        for given in ({'dhcp_lease_files': ['/x']}, {'use_neutron': True},
                      {'has_addresses': True}):
            self.assertEqual('address', self.identity(**given))
        self.assertNotIn('Configs go to whoever', self.log.output)

    def test_without_one_a_mac_is_enough_and_that_is_said(self):
        self.assertEqual('mac', self.identity())
        self.assertIn('Configs go to whoever says the MAC', self.log.output)
        self.assertIn('there are no leases', self.log.output)

    def test_an_upgrade_changes_nothing_and_says_so(self):
        self.assertEqual('mac', self.identity(use_neutron=True,
                                              was_upgraded=True))
        self.assertIn('older than the option', self.log.output)

    def test_an_operator_has_the_last_word(self):
        for said in ('address', 'mac', 'token'):
            self.assertEqual(said, self.identity(
                machine_identity=said, was_upgraded=True))
        self.assertNotIn('Configs go to whoever', self.log.output)

    def test_addresses_that_nobody_tells_are_a_warning(self):
        self.identity(machine_identity='address')
        self.assertIn('neither leases', self.log.output)


class NotificationsTestCase(testtools.TestCase):

    def listeners(self, topics):
        conf = cfg.ConfigOpts()
        options.register_opts(conf)
        conf([], default_config_files=[])
        conf.set_override('notification_topics', topics, group='ext_server')
        try:
            return service.notifications(conf, hints.Hints())
        finally:
            conf.clear_override('notification_topics', group='ext_server')

    def test_without_topics_nothing_is_loaded_nor_listened_to(self):
        with mock.patch.dict(sys.modules, {_MODULE: None}):
            self.assertEqual([], self.listeners([]))

    def test_a_library_that_is_missing_is_told_by_its_extra(self):
        # It may have been loaded by another test.
        vars(mirror).pop('notifications', None)
        with mock.patch.dict(sys.modules, {'oslo_messaging': None}):
            sys.modules.pop(_MODULE, None)
            refusal = str(self.assertRaises(
                ValueError, self.listeners, ['boot1']))
        self.assertIn('.[server,notifications]', refusal)


class PublicUrlTestCase(testtools.TestCase):

    def links(self, url):
        conf = cfg.ConfigOpts()
        options.register_opts(conf)
        conf([], default_config_files=[])
        conf.set_override('public_url', url, group='ext_server')
        self.addCleanup(conf.clear_override, 'public_url',
                        group='ext_server')
        return service.links(conf, mock.Mock(), mock.Mock())

    def test_what_is_no_url_is_refused_at_the_start(self):
        for url in ('not-a-url', '192.0.2.1:8093', 'ftp://192.0.2.1',
                    'http://', 'http://[192.0.2.1', 'http://x:port'):
            exc = self.assertRaises(ValueError, self.links, url)
            self.assertIn('[ext_server]public_url must be a URL', str(exc))

    def test_a_url_or_none_is_taken(self):
        for url in ('', 'http://192.0.2.1:8093/', 'https://boot.example',
                    'http://[2001:db8::1]:8093'):
            self.links(url)


class ListenTestCase(testtools.TestCase):

    def test_a_port_that_is_taken_is_named(self):
        with socket.create_server(('127.0.0.1', 0)) as other:
            port = other.getsockname()[1]
            exc = self.assertRaises(OSError, service.listen, '127.0.0.1',
                                    port)
        self.assertEqual(
            f'cannot listen on 127.0.0.1 port {port}: Address already in '
            'use: end what has the port, or set another [ext_server]port',
            str(exc))

    def test_an_address_that_is_not_of_this_host_is_named(self):
        exc = self.assertRaises(OSError, service.listen, '192.0.2.77', 0)
        self.assertEqual(
            'cannot listen on 192.0.2.77 port 0: Cannot assign requested '
            'address: look at [ext_server]host_ip', str(exc))
