# SPDX-License-Identifier: Apache-2.0

"""What Neutron says of addresses."""

import unittest.mock

from keystoneauth1 import exceptions
from oslo_config import cfg
import testtools

from ironic_ext import conf as options
from ironic_ext.server import errors
from ironic_ext.server.mirror import ironic_api
from ironic_ext.server.mirror import neutron

IP, MAC, PORT = '192.0.2.5', '52:54:00:00:00:01', 'port-1'


class NeutronAddressesTestCase(testtools.TestCase):
    """Who has an address."""

    def setUp(self):
        super().setUp()
        self.client = unittest.mock.Mock()
        self.bound = {MAC: {PORT}}
        self.addresses = neutron.NeutronAddresses(
            self.client, lambda mac: self.bound.get(mac, ()))
        self.answer([{'id': PORT, 'mac_address': MAC.upper()}])

    def answer(self, ports, code=200):
        self.client.get.return_value.status_code = code
        self.client.get.return_value.json.return_value = {'ports': ports}

    def test_a_port_that_ironic_bound_is_its_machine(self):
        self.assertEqual({MAC}, self.addresses.lessees(IP))
        path, = self.client.get.call_args.args
        self.assertIn('fixed_ips=ip_address%3D192.0.2.5', path)

    def test_a_port_that_somebody_made_with_its_mac_is_not(self):
        self.answer([{'id': 'made-by-a-tenant', 'mac_address': MAC}])
        self.assertEqual({'made-by-a-tenant'}, self.addresses.lessees(IP))

    def test_a_virtual_machine_is_somebody_else(self):
        self.answer([{'id': 'vm', 'mac_address': 'fa:16:3e:00:00:01'}])
        self.assertEqual({'vm'}, self.addresses.lessees(IP))

    def test_an_answer_holds_for_a_moment(self):
        with unittest.mock.patch('time.monotonic') as clock:
            for clock.return_value, count in ((10, 1), (12, 1), (16, 2)):
                self.addresses.lessees(IP)
                self.assertEqual(count, self.client.get.call_count)

    def test_a_neutron_that_fails_is_told_and_asked_again(self):
        self.client.get.side_effect = exceptions.ConnectFailure('x')
        self.assertRaises(errors.UnavailableError, self.addresses.lessees,
                          IP)
        self.client.get.side_effect = None
        for code, ports in ((500, []), (200, None), (200, ['x'])):
            self.answer(ports, code)
            self.assertRaises(errors.UnavailableError,
                              self.addresses.lessees, IP)
        self.answer([])
        self.assertEqual(frozenset(), self.addresses.lessees(IP))


class ConnectTestCase(testtools.TestCase):

    def test_an_endpoint_that_is_no_url_is_refused(self):
        conf = cfg.ConfigOpts()
        options.register_opts(conf)
        ironic_api.register_opts(conf)
        conf([], default_config_files=[])
        self.addCleanup(conf.clear_override, 'neutron_endpoint',
                        group='ext_server')
        for url, good in (('neutron:9696', False),
                          ('http://neutron:9696', True), (None, True)):
            conf.set_override('neutron_endpoint', url, group='ext_server')
            if good:
                neutron.connect(conf, unittest.mock.Mock())
                continue
            exc = self.assertRaises(ValueError, neutron.connect, conf,
                                    unittest.mock.Mock())
            self.assertIn('[ext_server]neutron_endpoint must be', str(exc))
