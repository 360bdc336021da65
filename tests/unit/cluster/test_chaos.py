# SPDX-License-Identifier: Apache-2.0

"""Plans of kills, and carrying them out."""

import threading

import testtools

from tests.cluster import chaos

NAMES = ('mariadb', 'api', 'c1', 'c2', 'c3', 'm1', 'm2')


class PlanTest(testtools.TestCase):

    def test_a_seed_makes_the_plan(self):
        self.assertEqual(chaos.plan(NAMES, 600, 7), chaos.plan(NAMES, 600, 7))
        self.assertNotEqual(chaos.plan(NAMES, 600, 7),
                            chaos.plan(NAMES, 600, 8))

    def test_each_kind_comes_and_none_too_late(self):
        for seed in range(20):
            kills = chaos.plan(NAMES, 120, seed)
            self.assertEqual({'mariadb', 'api', 'c', 'm'},
                             {chaos.kind(kill.name) for kill in kills})
            self.assertLess(max(kill.at for kill in kills), 120)


class _Site:
    """Notes what is down, and whether it was two of a kind ever."""

    def __init__(self):
        self.lock = threading.Lock()
        self.down = set()
        self.most = 0
        self.started = []

    def kill(self, name):
        with self.lock:
            self.down.add(name)
            self.most = max(self.most, len(self.down))

    def start(self, name):
        with self.lock:
            self.down.remove(name)
            self.started.append(name)
        if name == 'c3':
            raise OSError('no room')


class KillerTest(testtools.TestCase):

    def test_one_of_a_kind_is_down_and_all_come_back(self):
        site, told = _Site(), []
        chaos.Killer(site, [chaos.Kill(0, 'c1', 0.05),
                            chaos.Kill(0, 'c2', 0)], told.append).run()
        self.assertEqual((1, ['c1', 'c2']), (site.most, site.started))
        self.assertEqual(4, len(told))

    def test_what_does_not_come_back_is_told(self):
        killer = chaos.Killer(_Site(), [chaos.Kill(0, 'c3', 0)], print)
        killer.run()
        self.assertEqual(['c3 does not come back: no room'], killer.failed)
        self.assertEqual([], killer.done)
