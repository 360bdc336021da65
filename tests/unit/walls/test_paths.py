# SPDX-License-Identifier: Apache-2.0

"""Tests for which files are behind the wall, by name alone."""

import testtools

from ironic_ext import walls

NODE = '1be26c0b-03f2-4d2e-ae87-c02d7f33c123'


class WallTestCase(testtools.TestCase):

    wall = walls.Wall(
        closed=('/v/ext', '/v/ironic.sqlite'), guarded=('/conf',),
        shared=('/www',), names=frozenset(('ext-media',)),
        opened=('/v/ext/isos',))

    def refused(self, path, allowed='/v'):
        return self.wall.refuses(path, allowed)

    def test_what_lies_below_a_closed_place_is_closed(self):
        for path in ('/v/ext', '/v/ext/key', '/v/ironic.sqlite'):
            self.assertTrue(self.refused(path), path)
        for path in ('/v/extra', '/v/ironic.sqlite.iso', '/v/images/x'):
            self.assertFalse(self.refused(path), path)

    def test_allowing_a_place_does_not_open_what_is_closed(self):
        self.assertTrue(self.refused('/v/ext/images/x', '/v/ext/images'))

    def test_a_door_opens_what_lies_behind_it(self):
        self.assertFalse(self.refused('/v/ext/isos/a.iso'))
        self.assertTrue(self.refused('/v/ext/isos2/a.iso'))

    def test_a_door_does_not_open_what_is_closed_further_down(self):
        wall = walls.Wall(closed=('/v/isos/secret',), opened=('/v/isos',))
        self.assertTrue(wall.refuses('/v/isos/secret/x', '/v'))

    def test_a_guarded_place_is_open_to_who_allows_a_longer_path(self):
        self.assertTrue(self.refused('/conf/ironic.conf', '/'))
        self.assertTrue(self.refused('/conf/ironic.conf', '/conf'))
        self.assertFalse(self.refused('/conf/images/x', '/conf/images'))

    def test_what_is_published_for_a_node_is_closed(self):
        for name in (f'{NODE}/kernel', 'ext-media/x.iso',
                     '52-54-00-12-34-56', '01-52-54-00-12-34-56/x'):
            self.assertTrue(self.refused(f'/www/{name}', '/www'), name)
        for name in ('images/live.iso', 'live.iso', f'images/{NODE}'):
            self.assertFalse(self.refused(f'/www/{name}', '/www'), name)
