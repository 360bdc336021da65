# SPDX-License-Identifier: Apache-2.0

"""Tests for the keys of Redfish sessions."""

import hashlib
import unittest.mock

from ironic.drivers.modules.redfish import utils as redfish_utils
import testtools

from ironic_ext.drivers.bmc import sessions


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

    def remember(self):
        redfish_utils.hashlib = sessions.remembering(hashlib)

    def key(self, password='p', address='https://bmc'):
        return redfish_utils.SessionCache(
            {'address': address, 'username': 'u', 'password': password,
             'verify_ca': True})._session_key

    def test_a_key_is_the_stock_one_and_derived_once(self):
        stock = self.key()
        self.remember()
        with unittest.mock.patch.object(
                hashlib, 'pbkdf2_hmac',
                side_effect=hashlib.pbkdf2_hmac) as derive:
            self.assertEqual([stock, stock], [self.key(), self.key()])
        derive.assert_called_once()

    def test_another_password_or_address_has_another_key(self):
        self.remember()
        self.assertEqual(3, len({self.key(), self.key('q'),
                                 self.key(address='https://other')}))
