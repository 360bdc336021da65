# SPDX-License-Identifier: Apache-2.0

"""Tests for the work on many nodes at once."""

import threading
import time
import unittest.mock

from ironic.conf import CONF
import testtools

from ironic_ext import conf
from ironic_ext.drivers.bmc import queue

conf.register_opts(CONF)

TIMEOUT = 30


class BmcQueueTestCase(testtools.TestCase):

    def setUp(self):
        super().setUp()
        self.lock = threading.Lock()
        self.done = []
        self.gates = {}
        self.entered = {}

    def start(self, workers=4):
        self.queue = queue.BmcQueue(workers)
        self.addCleanup(self.queue.stop)
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
        self.queue.submit('a', 'bmc', self.work)
        self.assertTrue(self.entered['a'].wait(TIMEOUT))
        self.queue.submit('b', 'bmc', self.work)
        self.queue.submit('c', 'other', self.work)
        self.await_done('c')
        gate.set()
        self.await_done('a', 'b', 'c')

    def test_a_node_that_waits_is_taken_once(self):
        self.start()
        gate = self.gate('a')
        self.queue.submit('a', 'bmc', self.work)
        self.assertTrue(self.entered['a'].wait(TIMEOUT))
        for _n in range(5):
            self.queue.submit('b', 'bmc', self.work)
        gate.set()
        self.await_done('a', 'b')

    def test_a_node_at_work_may_be_submitted_again(self):
        self.start()
        gate = self.gate('a')
        self.queue.submit('a', 'bmc', self.work)
        self.assertTrue(self.entered['a'].wait(TIMEOUT))
        self.queue.submit('a', 'bmc', self.work)
        gate.set()
        self.await_done('a', 'a')

    def test_those_that_failed_do_not_hold_up_the_others(self):
        self.start(workers=4)
        for number in range(8):
            self.gate(f'failed-{number}')
            self.queue.submit(f'failed-{number}', f'bmc-{number}',
                              self.work, failed=True)
        self.queue.submit('well', 'bmc', self.work)
        self.await_done('well')

    def test_an_error_ends_neither_the_worker_nor_the_queue(self):
        self.start(workers=1)
        with unittest.mock.patch.object(queue, 'LOG') as log:
            self.queue.submit('bad', 'bmc', self.work)
            self.queue.submit('next', 'bmc', self.work)
            self.await_done('bad', 'next')
        log.exception.assert_called_once()

    def test_somebody_waits_for_a_bmc_as_long_as_there_is_patience(self):
        self.start()
        self.queue.await_work(lambda: self.work('a'), TIMEOUT)
        self.assertEqual(['a'], self.done)
        gate = self.gate('b')
        self.queue.await_work(lambda: self.work('b'), 0.01)
        self.assertEqual(['a'], self.done)
        gate.set()
        self.await_done('a', 'b')

    def test_stopping_forgets_what_waits(self):
        self.start()
        gate = self.gate('a')
        self.queue.submit('a', 'bmc', self.work)
        self.assertTrue(self.entered['a'].wait(TIMEOUT))
        self.queue.submit('b', 'bmc', self.work)
        threading.Timer(0.05, gate.set).start()
        self.queue.stop()
        self.assertEqual(['a'], self.done)


class RetriesTestCase(testtools.TestCase):

    def test_what_fails_is_tried_less_and_less_often(self):
        retries = queue.Retries()
        self.assertTrue(retries.is_due('a', print))
        first = retries.failed('a', print)
        self.assertFalse(retries.is_due('a', print))
        self.assertTrue(retries.has_failed('a', print))
        # The longest wait is half random.
        self.assertGreaterEqual(retries.failed('a', print), first * 0.99)
        self.assertGreater(retries.failed('a', print), first * 1.99)

    def test_others_are_none_of_its_business(self):
        retries = queue.Retries()
        retries.failed('a', print)
        self.assertTrue(retries.is_due('b', print))
        self.assertTrue(retries.is_due('a', repr))
        self.assertFalse(retries.has_failed('b', print))

    def test_what_worked_begins_anew(self):
        retries = queue.Retries()
        retries.failed('a', print)
        retries.worked('a', print)
        retries.worked('b', print)
        self.assertTrue(retries.is_due('a', print))
        self.assertFalse(retries.has_failed('a', print))
