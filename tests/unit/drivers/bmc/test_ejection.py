# SPDX-License-Identifier: Apache-2.0

"""Tests for media that are ejected: what the BMC shows is believed."""

from ironic.common import exception
import sushy

from ironic_ext.drivers.bmc import drives
from ironic_ext.drivers.bmc import ejection
from tests.unit.drivers import base
from tests.unit.drivers import fake_bmc

ID = '0123456789abcdef0123456789abcdef'
URL = f'http://192.0.2.1/ext-media/{ID}-SECRET.iso'
FOREIGN = 'http://user:hunter2@192.0.2.9/rescue.iso?token=TOP'


class EjectTestCase(base.DriverTestCase):

    record = base.medium(ID, slot='/redfish/x')

    def eject(self, record=None):
        with self.task() as task:
            ejection.eject(task, [record or self.record])

    def test_only_the_nodes_own_medium_is_ejected(self):
        other = fake_bmc.Slot('2')
        other.put(FOREIGN)
        self.bmc.slots.append(other)
        self.bmc.slots[0].put(URL)
        self.eject()
        self.assertEqual([FOREIGN], self.bmc.inserted)

    def test_a_medium_that_is_gone_already_is_no_error(self):
        self.eject()
        self.assertEqual([], self.bmc.calls)

    def test_an_accepted_request_without_effect_is_a_failure(self):
        self.bmc.slots[0].put(URL)
        self.bmc.slots[0].stuck = True
        error = self.assertRaises(drives.MediaError, self.eject)
        self.assertIn(f'still has medium {ID}', str(error))
        self.assertNotIn('SECRET', str(error))

    def test_a_nameless_medium_is_known_by_the_slot_on_record(self):
        slot = self.bmc.slots[0]
        slot.nameless = True
        slot.put(URL)
        self.eject()
        self.assertEqual([URL], self.bmc.inserted)
        self.eject(base.medium(ID, slot=slot.path))
        self.assertEqual([], self.bmc.inserted)

    def test_an_unreachable_bmc_is_told(self):
        def fail(node):
            raise sushy.exceptions.ConnectionError(url='https://bmc',
                                                   error='no route')

        self.replace(drives.redfish_utils, 'get_system', fail)
        error = self.assertRaises(drives.MediaError, self.eject)
        self.assertIn('no route', str(error))


class LastEjectTestCase(base.DriverTestCase):
    """Of nodes that have lost their address, or are gone."""

    def fail(self, error):
        def get_system(node):
            raise error

        self.replace(drives.redfish_utils, 'get_system', get_system)

    def eject(self, act):
        with self.task() as task, self.assertLogs(
                'ironic_ext', 'WARNING') as logs:
            act(task, [base.medium(ID)], 'boot medium')
        message, = logs.output
        self.assertIn(f'The boot medium of node {self.node.uuid}', message)
        return message

    def test_a_node_without_an_address_keeps_it_and_that_is_told(self):
        for error in (exception.MissingParameterValue('redfish_address'),
                      exception.InvalidParameterValue('redfish_address')):
            self.fail(error)
            self.assertIn('Eject it by hand',
                          self.eject(ejection.eject_withdrawn))

    def test_a_bmc_that_does_not_answer_is_asked_again_later(self):
        self.fail(sushy.exceptions.ConnectionError(url='https://bmc',
                                                   error='no route'))
        with self.task() as task:
            self.assertRaises(drives.MediaError, ejection.eject_withdrawn,
                              task, [base.medium(ID)], 'boot medium')

    def test_what_a_deleted_node_leaves_in_its_drive_is_told(self):
        self.fail(sushy.exceptions.ConnectionError(url='https://bmc',
                                                   error='no route'))
        self.assertIn('no route', self.eject(ejection.eject_of_deleted))
