# SPDX-License-Identifier: Apache-2.0

"""What a node boots next, with a BMC that shows its boot device and drives."""

import unittest.mock

from ironic.common import states
import sushy

from ironic_ext.drivers.bmc import drives
from ironic_ext.drivers import vendor
from tests.unit.drivers import base


class NextResetTestCase(base.RedfishIsoTestCase):

    def setUp(self):
        super().setUp()
        self.say(boot_iso=self.href)
        self.call('prepare_instance')
        self.be(states.ACTIVE)

    def show(self):
        with self.task(shared=True) as task:
            return vendor.RedfishExtVendorPassthru().next_boot(task)

    def test_the_medium_that_was_prepared_and_is_shown(self):
        found = self.show()
        self.assertEqual((None, 'iso', self.href, None), (
            found['error'], found['device'], found['image'],
            found['recorded']))
        self.assertEqual('cdrom', found['bmc']['boot_device'])

    def test_a_boot_device_that_somebody_changed_is_told(self):
        self.set_boot_device(None, 'disk', persistent=True)
        found = self.show()
        self.assertEqual('disk', found['device'])
        self.assertIn(self.href, found['recorded'])

    def test_an_override_that_was_used_up_is_none(self):
        self.bmc.boot = {'target': sushy.BOOT_SOURCE_TARGET_CD,
                         'enabled': sushy.BOOT_SOURCE_ENABLED_DISABLED}
        self.assertEqual('unknown', self.show()['device'])

    def test_a_bmc_that_does_not_answer_leaves_the_records(self):
        with unittest.mock.patch.object(
                drives.redfish_utils, 'get_system',
                side_effect=sushy.exceptions.ConnectionError(
                    url='x', error='no route')):
            found = self.show()
        self.assertIn('no route', found['error'])
        self.assertEqual(('iso', None), (found['device'], found['bmc']))
