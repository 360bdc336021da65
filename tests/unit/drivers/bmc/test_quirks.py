# SPDX-License-Identifier: Apache-2.0

"""Tests for what is worked around in Ironic itself."""

import hashlib
import types
import unittest.mock

from ironic.conductor import utils as manager_utils
from ironic.drivers.modules.redfish import utils as redfish_utils
import testtools

from ironic_ext.drivers.bmc import quirks


class SessionKeyTestCase(testtools.TestCase):

    def setUp(self):
        super().setUp()
        # Some rounds less than Ironic asks for take no time.
        stock = hashlib.pbkdf2_hmac
        for patch in (
                unittest.mock.patch.object(redfish_utils, 'hashlib', hashlib),
                unittest.mock.patch.object(
                    hashlib, 'pbkdf2_hmac',
                    lambda name, password, salt, rounds: stock(
                        name, password, salt, 10))):
            patch.start()
            self.addCleanup(patch.stop)

    def key(self, password='p', address='https://bmc'):
        return redfish_utils.SessionCache(
            {'address': address, 'username': 'u', 'password': password,
             'verify_ca': True})._session_key

    def test_a_key_is_the_stock_one_and_derived_once(self):
        stock = self.key()
        quirks.remember_session_keys()
        with unittest.mock.patch.object(
                hashlib, 'pbkdf2_hmac',
                side_effect=hashlib.pbkdf2_hmac) as derive:
            self.assertEqual([stock, stock], [self.key(), self.key()])
        derive.assert_called_once()

    def test_another_password_or_address_has_another_key(self):
        quirks.remember_session_keys()
        self.assertEqual(3, len({self.key(), self.key('q'),
                                 self.key(address='https://other')}))

    def test_it_is_installed_once(self):
        quirks.remember_session_keys()
        installed = redfish_utils.hashlib
        self.assertIsInstance(installed, types.SimpleNamespace)
        quirks.remember_session_keys()
        self.assertIs(installed, redfish_utils.hashlib)


class RebuildTestCase(testtools.TestCase):

    def setUp(self):
        super().setUp()
        self.stock = unittest.mock.Mock(return_value=False)
        patch = unittest.mock.patch.object(
            manager_utils, 'update_image_type', self.patched(self.stock))
        patch.start()
        self.addCleanup(patch.stop)

    def patched(self, stock):
        def update_image_type(context, node):
            return stock(context, node)
        return update_image_type

    def says(self, interface, **instance_info):
        return manager_utils.update_image_type(None, types.SimpleNamespace(
            boot_interface=interface, instance_info=instance_info))

    def test_nodes_that_boot_an_iso_are_saved_before_their_rebuild(self):
        quirks.let_boot_iso_nodes_be_rebuilt()
        for interface in ('redfish-iso', 'iso-sanboot'):
            self.assertTrue(self.says(interface, boot_iso='file:///a.iso'))
            self.assertFalse(self.says(interface))
        self.assertFalse(self.says('redfish-virtual-media',
                                   boot_iso='file:///a.iso'))

    def test_it_is_installed_once(self):
        quirks.let_boot_iso_nodes_be_rebuilt()
        installed = manager_utils.update_image_type
        quirks.let_boot_iso_nodes_be_rebuilt()
        self.assertIs(installed, manager_utils.update_image_type)
