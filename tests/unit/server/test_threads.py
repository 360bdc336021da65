# SPDX-License-Identifier: Apache-2.0

"""How many of operators' requests compute at the same time."""

import asyncio
import concurrent.futures
import threading
import unittest.mock

import testtools

from ironic_ext.server import errors
from ironic_ext.server import threads

_LONG = 'ironic_ext.server.threads._LONG'


class ThreadsTestCase(testtools.TestCase):
    """Requests that compute, wait, fail, and are given up."""

    def setUp(self):
        super().setUp()
        self.pool = concurrent.futures.ThreadPoolExecutor(8)
        self.addCleanup(self.pool.shutdown)
        self.goes_on = threading.Event()
        # Or the pool would not end.
        self.addCleanup(self.goes_on.set)
        #: Of those that do not end with the others.
        self.ends = {}
        self.begun = []

    def threads(self, at_once=1, most=100):
        return threads.Threads(self.pool, at_once, most)

    def work(self, name):
        self.begun.append(name)
        self.ends.get(name, self.goes_on).wait(60)
        return name

    async def start(self, made, *names, address='192.0.2.1'):
        """Have all of them be begun, or wait for their turn."""
        tasks = [asyncio.create_task(made.run(address, self.work, name))
                 for name in names]
        await asyncio.sleep(0)
        return tasks

    async def await_begun(self, count):
        async with asyncio.timeout(60):
            while len(self.begun) < count:
                await asyncio.sleep(0.001)

    def run_with(self, seconds, coroutine):
        """Run one in which so much time makes a request one that waits."""
        with unittest.mock.patch(_LONG, seconds):
            return asyncio.run(coroutine)

    def test_no_more_than_some_compute_and_the_last_is_the_next(self):
        async def run():
            made = self.threads(2)
            tasks = await self.start(made, *'abcd')
            await self.await_begun(2)
            # Of two that begin at once either may be the first to say so.
            self.ends['a'].set()
            await self.await_begun(3)
            self.goes_on.set()
            return await asyncio.gather(*tasks)

        self.ends['a'] = threading.Event()
        self.addCleanup(self.ends['a'].set)
        self.assertEqual(list('abcd'), self.run_with(60, run()))
        # Of the others none was in the pool's queue.
        self.assertEqual(set('ab'), set(self.begun[:2]))
        self.assertEqual('d', self.begun[2])

    def test_who_waits_for_others_keeps_nobody_from_computing(self):
        async def run():
            tasks = await self.start(self.threads(), *'abcd')
            # None has ended yet.
            await self.await_begun(4)
            self.goes_on.set()
            await asyncio.gather(*tasks)

        self.run_with(0.01, run())

    def test_one_client_is_not_before_another_by_asking_more(self):
        async def run():
            made = self.threads()
            first = await self.start(made, 'first')
            other = await self.start(made, 'other', address='192.0.2.2')
            many = await self.start(made, *range(20))
            await self.await_begun(1)
            self.goes_on.set()
            await asyncio.gather(*first, *other, *many)

        self.run_with(60, run())
        self.assertLess(self.begun.index('other'), 10)

    def test_what_fails_is_told_and_lets_the_next_one_begin(self):
        async def run():
            made = self.threads()
            for _number in range(2):
                with testtools.ExpectedException(ZeroDivisionError):
                    await made.run('192.0.2.1', lambda: 1 // 0)

        self.run_with(60, run())

    def test_who_gives_up_lets_the_next_one_begin(self):
        async def run():
            made = self.threads()
            first, second, third = await self.start(made, *'abc')
            await self.await_begun(1)
            second.cancel()
            await asyncio.wait([second])
            # It is told of its turn and that it is over in one moment.
            first.cancel()
            await asyncio.sleep(0)
            third.cancel()
            await asyncio.wait([first, third])
            self.goes_on.set()
            return await made.run('192.0.2.1', self.work, 'd')

        self.assertEqual('d', self.run_with(60, run()))
        self.assertEqual(['a', 'd'], self.begun)

    def test_who_gives_up_in_that_moment_is_passed_over(self):
        async def run():
            made = self.threads()
            first, second = await self.start(made, *'ab')
            await self.await_begun(1)
            first.cancel()
            second.cancel()
            await asyncio.wait([first, second])
            self.assertTrue(first.cancelled() and second.cancelled())
            self.goes_on.set()
            return await made.run('192.0.2.1', self.work, 'd')

        self.assertEqual('d', self.run_with(60, run()))

    def test_of_too_many_who_came_first_is_told_so(self):
        async def run():
            made = self.threads(most=3)
            first, *others = await self.start(made, *range(5))
            with testtools.ExpectedException(errors.BusyError):
                await others[0]
            self.goes_on.set()
            return await asyncio.gather(first, *others[1:])

        self.assertEqual([0, 2, 3, 4], self.run_with(60, run()))
