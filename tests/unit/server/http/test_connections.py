# SPDX-License-Identifier: Apache-2.0

"""Too many clients, and those that take their time."""

import collections
import contextlib
import socket
import ssl
import threading
import time

import testtools

from ironic_ext.server.http import connections
from tests.unit.server.http import served


class _Loop:
    """An event loop in which a step is taken at a time."""

    def __init__(self):
        self.ready = collections.deque()

    def call_soon(self, function, *arguments):
        self.ready.append((function, arguments))

    def step(self):
        function, arguments = self.ready.popleft()
        function(*arguments)


class _Connection:
    computed = ()
    was_served = None

    def __init__(self, host='192.0.2.1'):
        self.host = host
        self.is_over = self.is_heard = False

    def has_unread(self):
        return self.is_heard

    def compute(self):
        self.computed.append(self)

    def expire(self):
        self.is_over = True

    abort = expire


class RoomTestCase(testtools.TestCase):
    """Who has to make room."""

    def setUp(self):
        super().setUp()
        self.connections = connections.Connections(
            connections.Limits(connections=8, per_address=4),
            lambda host: False)

    def enter(self, host='192.0.2.1', since=None):
        made = _Connection(host)
        self.assertTrue(self.connections.enter(made, 0.0))
        self.connections.work(made)
        if since is not None:
            self.connections.wait(made, since, 30.0)
        return made

    def over(self, *found):
        return [connection.is_over for connection in found]

    def test_who_is_waited_for_longest_is_first(self):
        a, b, c, d = (self.enter(since=number) for number in range(4))
        # The first one was heard again, the second one is worked for.
        self.connections.wait(a, 10.0, 30.0)
        self.connections.work(b)
        self.enter()
        self.assertEqual([False, False, True, False], self.over(a, b, c, d))
        self.enter()
        self.assertEqual([False, False, True, True], self.over(a, b, c, d))
        self.enter()
        self.assertEqual([True, False, True, True], self.over(a, b, c, d))
        self.assertFalse(self.connections.enter(_Connection(), 0.0))
        self.assertEqual(4, len(self.connections))

    def test_who_has_said_something_is_no_longer_waited_for(self):
        a, b, c, d = (self.enter(since=number) for number in range(4))
        a.is_heard = b.is_heard = True
        self.enter()
        self.assertEqual([False, False, True, False], self.over(a, b, c, d))
        # Somebody has to go.
        d.is_heard = True
        self.enter()
        self.assertEqual([True, False, True, False], self.over(a, b, c, d))

    def test_who_asks_all_the_time_is_not_the_first(self):
        busy = self.enter(since=1.0)
        silent = [self.enter(f'192.0.2.{number}', since=1.5)
                  for number in range(2, 9)]
        # Too soon for its time to begin anew.
        self.connections.wait(busy, 1.6, 30.0)
        self.enter('192.0.2.9')
        self.assertEqual([False, True], self.over(busy, silent[0]))

    def test_a_body_that_dribbles_does_not_stay_by_that(self):
        a, body, c, d = (self.enter(since=number) for number in range(4))
        for number in range(100):
            self.connections.work(body)
            # As if its bytes had taken a part of that time.
            self.connections.wait(body, 4.0 + number - number * 1.05, 30.0)
        self.enter()
        self.assertEqual([False, True, False, False],
                         self.over(a, body, c, d))

    def test_addresses_are_apart(self):
        others = [self.enter(f'192.0.2.{number}', 0.0)
                  for number in range(2, 6)]
        ours = [self.enter(since=1.0) for _number in range(5)]
        self.assertEqual([True] + [False] * 4, self.over(*ours))
        self.assertEqual([False] * 4, self.over(*others))
        # All are there now, and the oldest of all goes.
        self.enter('192.0.2.9')
        self.assertEqual([True, False, False, False], self.over(*others))

    def test_a_network_of_64_bits_is_one_client(self):
        found = [self.enter(f'2001:db8::{number}', 0.0)
                 for number in range(4)]
        self.enter('2001:db8:0:1::1', 0.0)
        self.assertEqual([False] * 4, self.over(*found))
        self.enter('2001:db8::5')
        self.assertTrue(found[0].is_over)
        mapped = [self.enter(host, 0.0) for host in (
            '::ffff:192.0.2.1', '192.0.2.1', '::ffff:192.0.2.1')]
        self.assertEqual([False] * 3, self.over(*mapped))

    def test_nothing_is_left_of_who_left(self):
        for number in range(100):
            made = self.enter(f'192.0.2.{number}', 0.0)
            self.connections.leave(made)
            self.connections.leave(made)
            self.connections.wait(made, 0.0, 1.0)
        self.connections.expire(1000.0)
        self.assertFalse(made.is_over)
        self.assertEqual(0, len(self.connections))

    def test_the_time_of_some_is_over(self):
        a, b = self.enter(since=0.0), self.enter(since=10.0)
        self.connections.expire(35.0)
        self.assertEqual([True, False], self.over(a, b))

    def test_those_who_came_together_are_not_ended_together(self):
        found = [self.enter(f'192.0.2.{number}', 0.0) for number in range(5)]
        self.assertFalse(self.connections.expire(40.0, 2))
        self.assertEqual([True] * 2 + [False] * 3, self.over(*found))
        self.assertFalse(self.connections.expire(40.0, 2))
        self.assertTrue(self.connections.expire(40.0, 2))
        self.assertEqual([True] * 5, self.over(*found))
        self.assertTrue(self.connections.expire(40.0, 2))


class TurnsTestCase(testtools.TestCase):
    """Who computes next."""

    def setUp(self):
        super().setUp()
        self.connections = connections.Connections(
            connections.Limits(), lambda host: host == 'proxy',
            ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER))
        self.loop = _Loop()
        self.computed = []

    def enter(self, count, host='', goes_on=False):
        found = []
        for number in range(count):
            made = _Connection(host or f'192.0.2.{number}')
            made.computed = self.computed
            self.connections.enter(made, 0.0)
            self.connections.take_turn(made, self.loop, goes_on)
            found.append(made)
        return found

    def test_there_is_one_between_two_looks_and_the_last_is_first(self):
        found = self.enter(100)
        self.loop.step()
        # Others may have to be accepted first.
        self.assertEqual([], self.computed)
        self.loop.step()
        self.assertEqual(found[-1:], self.computed)
        # Who came meanwhile waits for none of them, and no more often.
        last, = self.enter(1)
        self.assertEqual(1, len(self.loop.ready))
        self.loop.step()
        self.loop.step()
        self.assertIs(last, self.computed[-1])
        while self.loop.ready:
            self.loop.step()
        self.assertEqual([found[-1], last, *reversed(found[:-1])],
                         self.computed)

    def test_who_comes_without_an_end_does_not_keep_all_from_computing(self):
        self.enter(1)
        for number in range(1, 50):
            self.enter(1, f'192.0.2.{100 + number}')
            self.loop.step()
        self.assertEqual(2, len(self.computed))

    def test_who_has_left_has_none(self):
        first, second, third = self.enter(3)
        self.connections.leave(third)
        self.connections.leave(first)
        self.connections.take_turn(first, self.loop, False)
        while self.loop.ready:
            self.loop.step()
        self.assertEqual([second], self.computed)

    def test_a_fault_in_one_is_nothing_to_the_others(self):
        found = self.enter(3)
        found[-1].computed = None
        self.loop.step()
        self.assertRaises(AttributeError, self.loop.step)
        while self.loop.ready:
            self.loop.step()
        self.assertEqual([found[1], found[0]], self.computed)

    def test_a_proxy_has_turns_as_all_for_whom_it_speaks(self):
        other, = self.enter(1)
        self.enter(50, 'proxy')
        while self.loop.ready:
            self.loop.step()
        self.assertIs(other, self.computed[-1])
        self.computed.clear()
        other, = self.enter(1)
        self.enter(50, '192.0.2.200')
        while self.loop.ready:
            self.loop.step()
        self.assertIn(other, self.computed[:-1])

    def remember(self, host, was_served):
        made = _Connection(host)
        self.connections.enter(made, 0.0)
        made.was_served = was_served
        self.connections.leave(made)

    def hosts(self):
        """Return who had turns, in their order."""
        while self.loop.ready:
            self.loop.step()
        return [connection.host for connection in self.computed]

    def test_who_was_served_comes_before_strangers_and_these_before_others(
            self):
        for host, was_served in (
                ('192.0.2.1', True), ('192.0.2.2', False),
                ('192.0.2.3', False), ('192.0.2.3', True),
                ('192.0.2.4', None)):
            self.remember(host, was_served)
        for host in ('192.0.2.1', 'proxy', '192.0.2.3'):
            self.enter(1, host)
        self.enter(1, '192.0.2.5', goes_on=True)
        for host in ('192.0.2.6', '192.0.2.4', '192.0.2.2'):
            self.enter(1, host)
        self.assertEqual(
            ['192.0.2.5', '192.0.2.3', 'proxy', '192.0.2.1', '192.0.2.4',
             '192.0.2.6', '192.0.2.2'], self.hosts())

    def test_who_came_long_ago_is_a_stranger(self):
        self.remember('192.0.2.1', True)
        for number in range(1 << 14):
            self.remember(f'2001:db8:0:{number:x}::', True)
        self.enter(1, '192.0.2.1')
        self.enter(1, '192.0.2.2')
        self.assertEqual(['192.0.2.2', '192.0.2.1'], self.hosts())


class PatienceTestCase(served.ServerTestCase):
    """Clients that take their time."""

    limits = connections.Limits(head=0.5, idle=1.5, stall=0.5, linger=0.5,
                                rate=100 << 10)

    def ended(self, connection):
        """Return what came until the end, and after how many seconds."""
        began, found = time.monotonic(), b''
        with contextlib.suppress(ConnectionError):
            while more := connection.recv(1 << 16):
                found += more
        return found, time.monotonic() - began

    def test_a_silent_client_is_sent_away(self):
        found, seconds = self.ended(self.connect())
        self.assertEqual(b'', found)
        self.assertLess(seconds, 20)

    def test_a_head_that_dribbles_is_refused(self):
        connection = self.connect()
        with contextlib.suppress(ConnectionError):
            for byte in served.GET[:-1] * 50:
                connection.sendall(bytes([byte]))
                time.sleep(0.05)
        self.assertEqual([], self.paths)
        other = self.connect()
        other.sendall(b'GET')
        self.assertTrue(self.ended(other)[0].startswith(b'HTTP/1.1 408 '))

    def test_half_a_head_behind_an_answer_has_no_more_time(self):
        self.at_once = lambda scope: (200, b'content-length: 0\r\n', b'')
        connection = self.connect()
        connection.sendall(served.GET + b'GET')
        self.assertIn(b' 200 ', self.answered(connection)[0])
        self.assertTrue(self.ended(connection)[0].startswith(
            b'HTTP/1.1 408 '))

    def test_a_connection_that_is_kept_has_its_time(self):
        connection = self.connect()
        self.ask(connection)
        time.sleep(0.7)
        self.ask(connection)
        found, seconds = self.ended(connection)
        self.assertEqual(b'', found)
        self.assertGreater(seconds, 1)

    def test_a_body_that_dribbles_is_refused(self):
        connection = self.connect()
        connection.sendall(served.POST + b'Content-Length: 1000\r\n\r\n')
        with contextlib.suppress(ConnectionError):
            for _number in range(600):
                connection.sendall(b'x')
                time.sleep(0.05)
            self.fail('it is still received')

    def test_a_body_that_comes_at_a_rate_is_read(self):
        connection = self.connect()
        parts = 30
        connection.sendall(served.POST + b'Content-Length: %d\r\n\r\n' % (
            parts * 20000))
        for _number in range(parts):
            connection.sendall(bytes(20000))
            time.sleep(0.1)
        self.assertEqual(64, len(self.answered(connection)[1]))

    def test_an_answer_that_nobody_takes_ends(self):
        connection = self.connect()
        connection.sendall(served.GET.replace(b'/', b'/large', 1))
        self.await_count(0)

    def test_answers_that_nobody_takes_end_though_more_was_asked(self):
        large = served.GET.replace(b'/', b'/large', 1)
        for more in (large, served.POST + b'Content-Length: 5\r\n\r\n1234'):
            connection = self.connect()
            connection.sendall(large + more)
            with contextlib.suppress(OSError):
                for byte in b'5' + served.GET:
                    time.sleep(0.01)
                    connection.sendall(bytes([byte]))
        self.await_count(0)

    def test_an_answer_that_is_taken_slowly_goes_out(self):
        connection = self.connect()
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 16)
        connection.sendall(served.GET.replace(b'/', b'/large', 1))
        until = time.monotonic() + 4
        while time.monotonic() < until:
            self.assertNotEqual(b'', connection.recv(1 << 16))
            time.sleep(0.02)

    def test_who_waits_for_us_is_not_sent_away(self):
        connection = self.connect()
        connection.sendall(served.GET.replace(b'/', b'/slow', 1))
        self.assertTrue(self.begun.acquire(timeout=60))
        time.sleep(2.5)
        self.go_on()
        self.assertEqual(b'hello', self.answered(connection)[1])


class CrowdTestCase(served.ServerTestCase):
    """Too many clients."""

    limits = connections.Limits(connections=10, per_address=6)

    def is_exempt(self, host):
        return host == '127.0.0.9'

    def test_the_oldest_silent_one_of_an_address_makes_room(self):
        other = self.connect('127.0.0.2')
        first, *others = [self.connect() for _number in range(7)]
        self.assertClosed(first)
        for connection in (other, *others):
            self.ask(connection)

    def test_one_whose_request_waits_here_is_not_sent_away(self):
        first, second, *others = [self.connect() for _number in range(6)]
        self.await_count(6)
        goes_on = threading.Event()
        self.addCleanup(goes_on.set)

        def at_once(scope):
            if scope['path'] == '/slow':
                # Nothing else goes on in the server meanwhile.
                self.begun.release()
                goes_on.wait(60)

        self.at_once = at_once
        busy = self.connect('127.0.0.2')
        busy.sendall(served.GET.replace(b'/', b'/slow', 1))
        self.assertTrue(self.begun.acquire(timeout=60))
        # It is to make room before the other's request is read.
        others.append(self.connect())
        first.sendall(served.GET)
        goes_on.set()
        self.assertIn(b' 200 ', self.answered(first)[0])
        self.assertClosed(second)
        for connection in others:
            self.ask(connection)

    def test_the_oldest_silent_one_of_all_makes_room(self):
        first = self.connect('127.0.0.2')
        others = [self.connect(f'127.0.0.{number}')
                  for number in range(3, 13)]
        self.assertClosed(first)
        for connection in others:
            self.ask(connection)
        self.assertEqual(1, self.log.output.count('can be accepted'))

    def test_who_is_worked_for_is_not_sent_away(self):
        busy = [self.connect() for _number in range(6)]
        for connection in busy:
            connection.sendall(served.GET.replace(b'/', b'/slow', 1))
            self.assertTrue(self.begun.acquire(timeout=60))
        self.assertClosed(self.connect())
        self.ask(self.connect('127.0.0.2'))
        self.go_on()
        for connection in busy:
            self.assertEqual(b'hello', self.answered(connection)[1])

    def test_a_proxy_may_have_all(self):
        found = [self.connect('127.0.0.9') for _number in range(10)]
        for connection in found:
            self.ask(connection)

    def test_when_the_system_has_none_left_some_make_room(self):
        found = [self.connect() for _number in range(4)]
        for connection in found:
            self.ask(connection)
        loop = self.server.server.servers[0].get_loop()
        loop.call_soon_threadsafe(loop.call_exception_handler, {
            'message': 'socket.accept() out of system resource',
            'exception': OSError(24, 'Too many open files')})
        self.assertClosed(found[0])
        self.ask(found[-1])
        self.assertEqual(1, self.log.output.count('can be accepted'))
