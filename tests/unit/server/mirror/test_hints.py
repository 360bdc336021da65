# SPDX-License-Identifier: Apache-2.0

"""What is said to have changed."""

import threading
import time

import testtools

from ironic_ext.server.mirror import hints


class HintsTestCase(testtools.TestCase):

    def test_a_node_is_there_once_with_all_that_is_said_of_it(self):
        noted = hints.Hints()
        for what in (hints.What.NODE, hints.What.PORTS, hints.What.GONE,
                     hints.What.NODE):
            noted.add('a', what)
        noted.add('b')
        self.assertEqual({'a': hints.What.PORTS | hints.What.GONE,
                          'b': hints.What.NODE}, noted.take())
        self.assertEqual({}, noted.take())
        self.assertEqual(5, noted.heard)

    def test_there_are_never_more_than_the_bound(self):
        noted = hints.Hints(most=3)
        for number in range(1000):
            noted.add(str(number))
        noted.add('0', hints.What.GONE)
        self.assertEqual({'0': hints.What.GONE, '1': hints.What.NODE,
                          '2': hints.What.NODE}, noted.take())

    def test_what_was_not_looked_at_comes_again(self):
        noted = hints.Hints()
        noted.add('a')
        taken = noted.take()
        noted.add('b')
        noted.add_again(taken)
        self.assertEqual({'a', 'b'}, set(noted.take()))

    def test_who_waits_is_woken_by_a_hint_and_by_the_end(self):
        noted = hints.Hints()
        for wake in (lambda: noted.add('a'), noted.wake):
            waiting = threading.Thread(target=noted.wait, args=(60,))
            waiting.start()
            wake()
            waiting.join(30)
            self.assertFalse(waiting.is_alive())
            noted.take()
        began = time.monotonic()
        noted.wait(0.01)
        noted.wait(-1)
        self.assertLess(time.monotonic() - began, 30)
