# SPDX-License-Identifier: Apache-2.0

"""Tests for counting the connections of each client."""

import testtools

from ironic_ext.media.stream import clients


class _Connection:

    def __init__(self, owner, client, deadline, idle):
        self._owner = owner
        self.client = client
        self.deadline = deadline
        self.idle = idle
        self.closed = False

    def close(self):
        self.closed = True
        self._owner.leave(self)


class ClientsTestCase(testtools.TestCase):

    def setUp(self):
        super().setUp()
        self.clients = clients.Clients(2)

    def _enter(self, client, deadline=1.0, idle=True):
        connection = _Connection(self.clients, client, deadline, idle)
        self.clients.enter(connection)
        return connection

    def test_the_idle_one_whose_time_is_over_first_makes_room(self):
        later, sooner = (self._enter('192.0.2.1', 9.0),
                         self._enter('192.0.2.1', 3.0))
        self.assertTrue(self.clients.make_room('192.0.2.1'))
        self.assertEqual((False, True), (later.closed, sooner.closed))

    def test_of_several_at_a_time_the_oldest_makes_room(self):
        older, newer = (self._enter('192.0.2.1') for _ in range(2))
        self.assertTrue(self.clients.make_room('192.0.2.1'))
        self.assertEqual((True, False), (older.closed, newer.closed))

    def test_a_client_with_busy_ones_alone_gets_no_more(self):
        busy = [self._enter('192.0.2.1', idle=False) for _ in range(2)]
        self.assertFalse(self.clients.make_room('192.0.2.1'))
        self.assertTrue(self.clients.make_room('192.0.2.2'))
        busy[0].close()
        self.assertTrue(self.clients.make_room('192.0.2.1'))
        self.assertFalse(busy[1].closed)

    def test_addresses_of_one_network_are_one_client(self):
        self._enter('2001:db8::1', idle=False)
        self._enter('2001:db8::2', idle=False)
        self.assertFalse(self.clients.make_room('2001:db8::3'))
        self.assertTrue(self.clients.make_room('2001:db8:0:1::3'))

    def test_a_link_local_address_has_its_interface(self):
        self._enter('fe80::1%eth0', idle=False)
        self._enter('fe80::1%eth0', idle=False)
        self.assertFalse(self.clients.make_room('fe80::1%eth0'))

    def test_mapped_addresses_are_those_of_ipv4(self):
        for _ in range(2):
            self._enter('::ffff:192.0.2.1', idle=False)
        self.assertFalse(self.clients.make_room('192.0.2.1'))
        self.assertTrue(self.clients.make_room('::ffff:192.0.2.2'))

    def test_without_a_limit_there_is_room(self):
        self.clients = clients.Clients(0)
        self._enter('192.0.2.1', idle=False)
        self.assertTrue(self.clients.make_room('192.0.2.1'))
