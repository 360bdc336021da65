# SPDX-License-Identifier: Apache-2.0

"""Tests for the work on many nodes at once."""

import threading
import time
import unittest.mock

from ironic.common import exception
from ironic.common import states
from ironic.conductor import task_manager
import testtools

from ironic_ext.drivers.data_image import reconciler
from ironic_ext.drivers.data_image import worker as data_images
from ironic_ext.drivers import management
from ironic_ext.drivers.records import data_image as data_image_record
from tests.unit.drivers.data_image import base

TIMEOUT = 30


class ReconcilerTestCase(testtools.TestCase):

    def setUp(self):
        super().setUp()
        self.lock = threading.Lock()
        self.done = []
        self.gates = {}
        self.entered = {}

    def start(self, workers=4):
        self.reconciler = reconciler.Reconciler(self.work, workers)
        self.addCleanup(self.reconciler.stop)
        self.addCleanup(lambda: [gate.set() for gate in self.gates.values()])

    def gate(self, node):
        """Have the work on a node wait."""
        self.gates[node] = threading.Event()
        self.entered[node] = threading.Event()
        return self.gates[node]

    def work(self, node):
        if node in self.gates:
            self.entered[node].set()
            self.gates[node].wait(TIMEOUT)
        with self.lock:
            self.done.append(node)
        if node == 'bad':
            raise ValueError(node)

    def await_done(self, *nodes):
        deadline = time.monotonic() + TIMEOUT
        while time.monotonic() < deadline:
            with self.lock:
                if sorted(self.done) == sorted(nodes):
                    return
            time.sleep(0.005)
        self.assertEqual(sorted(nodes), sorted(self.done))

    def test_nodes_of_one_bmc_go_one_after_the_other(self):
        self.start()
        gate = self.gate('a')
        self.reconciler.submit('a', 'bmc')
        self.assertTrue(self.entered['a'].wait(TIMEOUT))
        self.reconciler.submit('b', 'bmc')
        self.reconciler.submit('c', 'other')
        self.await_done('c')
        gate.set()
        self.await_done('a', 'b', 'c')

    def test_a_node_that_waits_is_taken_once(self):
        self.start()
        gate = self.gate('a')
        self.reconciler.submit('a', 'bmc')
        self.assertTrue(self.entered['a'].wait(TIMEOUT))
        for _n in range(5):
            self.reconciler.submit('b', 'bmc')
        gate.set()
        self.await_done('a', 'b')

    def test_a_node_at_work_may_be_submitted_again(self):
        self.start()
        gate = self.gate('a')
        self.reconciler.submit('a', 'bmc')
        self.assertTrue(self.entered['a'].wait(TIMEOUT))
        self.reconciler.submit('a', 'bmc')
        gate.set()
        self.await_done('a', 'a')

    def test_those_that_failed_do_not_hold_up_the_others(self):
        self.start(workers=4)
        for number in range(8):
            self.gate(f'failed-{number}')
            self.reconciler.submit(f'failed-{number}', f'bmc-{number}',
                                   failed=True)
        self.reconciler.submit('well', 'bmc')
        self.await_done('well')

    def test_an_error_ends_neither_the_worker_nor_the_queue(self):
        self.start(workers=1)
        with unittest.mock.patch.object(reconciler, 'LOG') as log:
            self.reconciler.submit('bad', 'bmc')
            self.reconciler.submit('next', 'bmc')
            self.await_done('bad', 'next')
        log.exception.assert_called_once()

    def test_stopping_forgets_what_waits(self):
        self.start()
        gate = self.gate('a')
        self.reconciler.submit('a', 'bmc')
        self.assertTrue(self.entered['a'].wait(TIMEOUT))
        self.reconciler.submit('b', 'bmc')
        threading.Timer(0.05, gate.set).start()
        self.reconciler.stop()
        self.assertEqual(['a'], self.done)


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
        with unittest.mock.patch.object(reconciler,
                                        'conductors_own') as own:
            reconciler.submit(self.node, failed=True)
        own().submit.assert_called_once_with(
            self.node.uuid, self.node.driver_info['redfish_address'], True)


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
             self.node.driver_info, self.node.driver_internal_info)]
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
        for name in ('redfish', 'idrac-redfish-ext'):
            self.run_periodic(name)
        self.assertEqual([], self.submitted)

    def test_nodes_that_are_due_are_submitted(self):
        self.attach()
        manager = self.run_periodic()
        self.assertEqual([(self.node.uuid, False)], self.submitted)
        # Only this conductor's nodes, and none that is locked.
        _args, options = manager.iter_nodes.call_args
        self.assertEqual({'reserved': False}, options['filters'])

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
