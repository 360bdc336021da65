# SPDX-License-Identifier: Apache-2.0

"""Tests for which data images are looked after, and when."""

import unittest.mock

from ironic.common import exception
from ironic.common import states
from ironic.conductor import task_manager

from ironic_ext.drivers.bmc import queue
from ironic_ext.drivers.data_image import ends
from ironic_ext.drivers.data_image import reconciler
from ironic_ext.drivers.data_image import worker as data_images
from ironic_ext.drivers import management
from ironic_ext.drivers.records import data_image as data_image_record
from tests.unit.drivers.data_image import base


class NodeTestCase(base.DataImageTestCase):

    def reconcile(self):
        reconciler._reconcile(self.node.uuid)
        self.node.refresh()

    def test_a_node_that_is_due_is_reconciled(self):
        self.ask()
        self.reconcile()
        self.assertEqual('attached', self.status()['phase'])

    def test_a_node_that_backs_off_is_not(self):
        self.bmc.slots[0].deaf = True
        self.attach()
        calls = len(self.bmc.calls)
        self.reconcile()
        self.assertEqual(calls, len(self.bmc.calls))

    def test_a_node_that_is_locked_is_left_for_later(self):
        self.ask()
        with self.task():
            reconciler._reconcile(self.node.uuid)
        self.node.refresh()
        self.assertEqual('pending', self.status()['phase'])

    def test_a_node_that_is_gone_is_no_error(self):
        reconciler._reconcile('11111111-2222-3333-4444-555555555555')

    def test_the_bmc_is_known_by_its_address(self):
        with unittest.mock.patch.object(queue, 'conductors_own') as own:
            reconciler.submit(self.node, failed=True)
        own().submit.assert_called_once_with(
            self.node.uuid, self.node.driver_info['redfish_address'],
            reconciler._reconcile, True)


class PeriodicTestCase(base.DataImageTestCase):

    def setUp(self):
        super().setUp()
        self.submitted = []
        self.replace(reconciler, 'submit', lambda node, failed=False:
                     self.submitted.append((node.uuid, failed)))

    def run_periodic(self, interface='redfish-ext'):
        manager = unittest.mock.Mock()
        manager.iter_nodes.return_value = [
            (self.node.uuid, self.node.driver, '', interface,
             self.node.driver_info, self.node.driver_internal_info,
             self.node.instance_info)]
        with unittest.mock.patch.object(task_manager, 'acquire') as acquire:
            management.RedfishExtManagement()._reconcile_data_images(
                manager, self.context)
        acquire.assert_not_called()
        return manager

    def test_nodes_without_a_data_image_are_not_submitted(self):
        self.run_periodic()
        self.assertEqual([], self.submitted)

    def test_nodes_of_another_interface_are_not_submitted(self):
        self.attach()
        self.run_periodic('idrac-redfish-ext')
        self.assertEqual([], self.submitted)

    def test_nodes_that_are_due_are_submitted(self):
        self.attach()
        manager = self.run_periodic()
        self.assertEqual([(self.node.uuid, False)], self.submitted)
        # Only this conductor's nodes, and none that is locked.
        _args, options = manager.iter_nodes.call_args
        self.assertEqual({'reserved': False}, options['filters'])

    def test_nodes_whose_interface_has_left_are_ended(self):
        self.attach()
        self.node.management_interface = 'redfish'
        self.store()
        work = []
        with unittest.mock.patch.object(
                queue, 'submit', lambda node, what, failed: work.append(
                    (what, node.uuid))):
            self.run_periodic('redfish')
        self.assertEqual([(ends.end_left, self.node.uuid)], work)
        self.bmc.slots[0].stuck = True
        ends.end_left(self.node.uuid)
        self.node.refresh()
        self.assertEqual([], self.published())
        self.assertIsNotNone(self.record())
        self.bmc.slots[0].stuck = False
        ends.end_left(self.node.uuid)
        self.node.refresh()
        self.assertIsNone(self.record())
        self.assertEqual([], self.bmc.inserted)

    def test_nodes_whose_interface_came_back_are_not(self):
        self.attach()
        ends.end_left(self.node.uuid)
        self.node.refresh()
        self.assertEqual(1, len(self.bmc.inserted))

    def test_nodes_that_back_off_are_not(self):
        self.bmc.slots[0].deaf = True
        self.attach()
        self.run_periodic()
        self.assertEqual([], self.submitted)

    def test_nodes_that_failed_go_their_own_way(self):
        self.bmc.slots[0].deaf = True
        self.attach()
        record = self.record()
        data = record.to_json()
        data['status']['next_attempt'] = 0
        self.node.set_driver_internal_info(data_image_record.KEY, data)
        self.store()
        self.run_periodic()
        self.assertEqual([(self.node.uuid, True)], self.submitted)


class StartTestCase(base.DataImageTestCase):
    """The machine is started: power calls restore_boot_device()."""

    def restore(self):
        with self.task() as task:
            task.driver.management.restore_boot_device(task, self.bmc)
        self.node.refresh()

    def test_what_waits_for_it_goes_in(self):
        self.attach(apply='on_reboot')
        self.restore()
        self.assertEqual('attached', self.status()['phase'])

    def test_a_failure_does_not_keep_the_machine_from_starting(self):
        self.attach(apply='on_reboot')
        self.replace(data_images, 'run', unittest.mock.Mock(
            side_effect=exception.NodeLocked(node='n', host='h')))
        self.restore()

    def test_a_node_that_is_deployed_is_left_alone(self):
        self.attach(apply='on_reboot')
        self.be(states.DEPLOYING)
        self.restore()
        self.assertEqual([], self.bmc.inserted)
