# Licensed under the Apache License, Version 2.0 (the "License"); you may
# not use this file except in compliance with the License. You may obtain
# a copy of the License at
#
#      http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS, WITHOUT
# WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the
# License for the specific language governing permissions and limitations
# under the License.

"""Tests for what is worked around in Ironic itself."""

import hashlib
import types
import unittest.mock

from ironic.drivers.modules.redfish import utils as redfish_utils
import testtools

from ironic_ext.drivers import quirks


class SessionKeyTestCase(testtools.TestCase):

    def setUp(self):
        super().setUp()
        patch = unittest.mock.patch.object(redfish_utils, 'hashlib', hashlib)
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
