# SPDX-License-Identifier: Apache-2.0

"""Targets that somebody else has made."""

import types

import testtools

from ironic_ext import san
from ironic_ext.san import static

_GIVEN = san.Location('iqn.2000-01.com.example:isos', '192.0.2.1', lun=3)


def _image(literal: int = 0, size: int = 10, offset: int = 0,
           pieces: int = 1) -> types.SimpleNamespace:
    return types.SimpleNamespace(
        digest='sha256:aa', size=size, literal_bytes=literal,
        segments=(types.SimpleNamespace(offset=offset),) * pieces)


_BASE = types.SimpleNamespace(digest='sha256:bb', size=10,
                              href='http://isos.example.com/a.iso')


class StaticTest(testtools.TestCase):

    def setUp(self) -> None:
        super().setUp()
        self.targets = static.StaticTargets(san.Settings('/nowhere'))

    def test_the_whole_base_is_where_the_operator_says(self) -> None:
        self.assertEqual(_GIVEN, self.targets.export(
            'node:1', _image(), _BASE, given=_GIVEN))
        self.targets.release('node:1')
        self.assertEqual(san.Rebuilt(), self.targets.rebuild())
        self.assertEqual((set(), [], []), (
            self.targets.owners(), self.targets.find('node:1'),
            self.targets.status()))

    def test_without_a_target_it_says_what_is_missing(self) -> None:
        error = self.assertRaises(
            san.NotStaticError, self.targets.export, 'node:1', _image(),
            _BASE)
        self.assertIn('give its IQN and portal', str(error))

    def test_a_changed_image_is_none_that_an_appliance_has(self) -> None:
        for image in (_image(literal=1), _image(size=12), _image(offset=2),
                      _image(pieces=2)):
            error = self.assertRaises(
                san.NotStaticError, self.targets.export, 'node:1', image,
                _BASE, given=_GIVEN)
            self.assertIn('boot the ISO by HTTP', str(error))
