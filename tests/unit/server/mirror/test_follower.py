# SPDX-License-Identifier: Apache-2.0

"""Tests for the thread that keeps something in step."""

import threading

import testtools

from ironic_ext.server.mirror import follower


class Counting(follower.Follower):

    def __init__(self):
        super().__init__('counting')
        self.looked = threading.Event()

    def run(self):
        while not self.ending.wait(0.001):
            self.looked.set()


class FollowerTestCase(testtools.TestCase):

    def test_it_looks_until_it_is_stopped(self):
        following = Counting()
        following.start()
        self.assertTrue(following.looked.wait(60))
        following.stop()
        following.looked.clear()
        self.assertFalse(following.looked.wait(0.05))

    def test_what_never_began_can_be_stopped(self):
        following = Counting()
        following.stop()
        self.assertFalse(following.looked.is_set())
