# SPDX-License-Identifier: Apache-2.0

"""Content made to cost more than it weighs: bounded, and told in a sentence.

Each is a few bytes to a mebibyte of what an image or an overlay may hold.
"""

import hashlib
import json
import time
import tracemalloc

import testtools

from ironic_ext import iso
from ironic_ext.iso.loaders import coreos
from ironic_ext.iso.loaders import files
from ironic_ext.iso.loaders import grub
from ironic_ext.iso.loaders import isolinux
from ironic_ext.iso.loaders import isolinux_menu

_MIB = 1 << 20
_DEEP = b'[' * 100_000


class CostTest(testtools.TestCase):

    def setUp(self) -> None:
        super().setUp()
        self.began = time.process_time()
        tracemalloc.start()
        self.addCleanup(tracemalloc.stop)

    def cheap(self) -> None:
        """A tenth of a second and some MiB; tracing takes the rest."""
        self.assertLess(time.process_time() - self.began, 15)
        self.assertLess(tracemalloc.get_traced_memory()[1], 16 * _MIB)

    def test_kernels_below_long_titles(self) -> None:
        title = b'T' * 250
        data = (b'submenu "%s" {\n' % title) * 4 + b'linux k\n' * 40_000
        self.assertEqual(2048, len(grub.parse(data).entries))
        self.cheap()
        self.assertIn('more than 2048 kernels', str(self.assertRaises(
            iso.KernelArgumentError, grub.edit, data, ('a=1',), ())))

    def test_kernels_without_end(self) -> None:
        data = b'linux k\n' * (_MIB // 32)
        self.assertIn('more than 2048 kernels', str(self.assertRaises(
            iso.KernelArgumentError, grub.edit, data, ('a=1',), ())))
        self.cheap()

    def test_defaults_without_end(self) -> None:
        data = b'default a\n' * (_MIB // 20)
        isolinux.parse(data)
        self.assertIn('more than 8192 things', str(self.assertRaises(
            iso.KernelArgumentError, isolinux.edit, data, ('a=1',), ())))
        isolinux_menu.follow(files.MemoryFiles({'/isolinux.cfg': data}))
        self.cheap()


class MalformedTest(testtools.TestCase):

    def test_what_nests_too_deeply_is_malformed(self) -> None:
        for read in (coreos.parse, coreos.ignition_path):
            self.assertIn('malformed', str(self.assertRaises(
                iso.CorruptImageError, read, _DEEP)))

    def test_overlays_with_impossible_numbers_are_damaged(self) -> None:
        head = {'literals': hashlib.sha256().hexdigest(), 'size': 1,
                'segments': [['base', 1, float('inf')]],
                'base': {'size': 1, 'fingerprint': ''}, 'warnings': []}
        magic = iso.Overlay(
            (), iso.BaseIdentity(1, ''), ()).dump().split(b'\n')[0] + b'\n'
        for text in (_DEEP, json.dumps(head).encode()):
            data = magic + b'%d\n' % len(text) + text
            self.assertIn('is damaged', str(self.assertRaises(
                iso.OverlayError, iso.Overlay.parse, data)))

    def test_a_label_without_a_kernel_stays(self) -> None:
        data = b'label vmlinuz\n kernel\n append x\n'
        self.assertEqual(b'label vmlinuz\n kernel\n append x a=1\n',
                         isolinux.edit(data, ('a=1',), ()))
