# SPDX-License-Identifier: Apache-2.0

"""Which conductors operators start again."""

import threading
from unittest import mock

import testtools

from tests.cluster import watch


def node(name='n1', state='deploying', reservation='c1', at='1',
         conductor='c2'):
    """Return what Ironic shows of a node."""
    return {'uuid': name, 'name': name, 'provision_state': state,
            'reservation': reservation, 'updated_at': at,
            'conductor': conductor}


class WatchTest(testtools.TestCase):

    def found(self, *moments):
        """Return what is found at the last of moments, a minute apart."""
        seen = watch.Watch()
        for number, nodes in enumerate(moments):
            found = seen.look(nodes, 60.0 * number)
        return found

    def test_who_has_a_node_locked_that_nothing_happens_to(self):
        self.assertEqual({'c1': ['n1 deploying']},
                         self.found([node()], [node()]))

    def test_whose_a_node_is_that_nobody_works_at(self):
        left = node(reservation=None)
        self.assertEqual({'c2': ['n1 deploying']}, self.found([left], [left]))

    def test_no_one_where_something_happens(self):
        self.assertEqual({}, self.found([node()], [node(at='2')]))
        self.assertEqual({}, self.found(
            [node()], [node(reservation=None)]))

    def test_no_one_for_nodes_that_rest(self):
        for state in ('active', 'available', 'deploy failed'):
            rests = node(state=state, reservation=None)
            self.assertEqual({}, self.found([rests], [rests]))

    def test_no_one_before_a_while(self):
        seen = watch.Watch()
        self.assertEqual([{}, {}], [seen.look([node()], now)
                                    for now in (0.0, 20.0)])


class OperatorTest(testtools.TestCase):

    @mock.patch.object(watch, '_INTERVAL', 0.01)
    @mock.patch.object(watch, '_STILL', 0.05)
    def test_the_conductor_starts_again_and_it_is_told(self):
        told, restarted, done = [], [], threading.Event()
        answers = iter([OSError('the database is away')])

        def shown():
            for exc in answers:
                raise exc
            return [node()]

        def restart(name):
            restarted.append(name)
            done.set()

        with watch.Operator(shown, restart, told.append):
            self.assertTrue(done.wait(30))
        self.assertEqual('c1', restarted[0])
        self.assertIn('n1 deploying stayed so', told[0])
