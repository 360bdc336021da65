# SPDX-License-Identifier: Apache-2.0

"""Which MACs nodes have."""

import testtools

from ironic_ext.server.mirror import ports

A, B = '52:54:00:00:00:0a', '52:54:00:00:00:0b'


def port(uuid, mac, node):
    return {'uuid': uuid, 'address': mac, 'node_uuid': node}


class PortsTestCase(testtools.TestCase):

    def setUp(self):
        super().setUp()
        self.ports = ports.Ports()
        self.ports.take_all([port('1', A, 'n'), port('2', B, 'n'),
                             port('3', B, 'm')])

    def test_all_of_them_replace_what_was_known(self):
        self.assertEqual({A, B}, set(self.ports.macs('n')))
        self.assertEqual({'n', 'm'}, self.ports.take_all(
            [port('1', A, 'n')]))
        self.assertEqual({A}, set(self.ports.macs('n')))
        self.assertEqual(set(), set(self.ports.macs('m')))
        self.assertEqual(set(), self.ports.take_all([port('1', A, 'n')]))

    def test_a_port_that_moves_touches_both_of_its_nodes(self):
        self.assertTrue(self.ports.knows(port('1', A.upper(), 'n')))
        self.assertEqual({'n', 'o'}, self.ports.take([port('1', A, 'o')]))
        self.assertEqual({B}, set(self.ports.macs('n')))
        self.assertEqual({A}, set(self.ports.macs('o')))
        self.assertEqual(set(), self.ports.take([port('1', A, 'o')]))

    def test_what_a_node_has_no_more_is_gone_and_others_stay(self):
        self.assertEqual({'n'}, self.ports.take_all_of(
            'n', [port('2', B, 'n')]))
        self.assertEqual({B}, set(self.ports.macs('n')))
        self.assertEqual({B}, set(self.ports.macs('m')))
        self.assertFalse(self.ports.knows(port('1', A, 'n')))
        self.assertEqual(set(), self.ports.take_all_of(
            'n', [port('2', B, 'n')]))

    def test_macs_that_are_recalled_go_with_the_first_look(self):
        self.ports.recall('k', (A,))
        self.assertEqual({A}, set(self.ports.macs('k')))
        self.assertIn('k', self.ports.take_all([]))
        self.assertEqual(set(), set(self.ports.macs('k')))
