# SPDX-License-Identifier: Apache-2.0

"""Damaged images end in a sentence, quickly, whatever is damaged."""

import contextlib
import pathlib
import random
import shutil
import signal
import tempfile
import unittest

from ironic_ext import iso
from tests import isos

_ROUNDS = 6
_SECONDS = 10
_KINDS = ('lorax_like', 'hybrid_apm', 'esp_fat16', 'systemd_boot',
          'coreos_like', 'long_names', 'deep_tree_relocated', 'hard_links',
          'joliet_only', 'udf_bridge', 'implanted')
_INJECTION = iso.Injection(
    append_args='a=1', delete_args=('quiet',), media_check='reimplant',
    files={'/openstack/latest/meta_data.json': b'{}', '/README.TXT': b'x'})
_VALUES = (0, 1, 2, 16, 18, 0x7f, 0x80, 0xfe, 0xff, 0x2f, 0x2e)


@contextlib.contextmanager
def _time_limit(what):
    """Fail, rather than hang, when the engine loops."""
    def stop(number, frame):
        raise AssertionError(f'{what}: still busy after {_SECONDS} s')
    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(_SECONDS)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def _use(path):
    """Do all that a conductor or the command could do with an image."""
    with iso.IsoImage.open(path) as image:
        with contextlib.suppress(iso.IsoError):
            iso.inspect(image).as_dict()
        with contextlib.suppress(iso.IsoError):
            for entry in image.walk():
                with contextlib.suppress(iso.IsoError):
                    image.read_file(entry.path, 0, 4096)
        with iso.inject(image, _INJECTION) as smap:
            smap.read(0, 1 << 20)


class HostileImagesTest(unittest.TestCase):

    def setUp(self):
        self.scratch = pathlib.Path(tempfile.mkdtemp(prefix='ironic-ext-'))
        self.addCleanup(shutil.rmtree, self.scratch)

    def places(self, data):
        """Sectors worth damaging: those that are not payload."""
        used = [n for n in range(len(data) // 2048)
                if any(data[n * 2048:(n + 1) * 2048])]
        return used[:60] + [n for n in used[60:]
                            if data[n * 2048 + 1] in (0, 0x3c, 0x58, 0x45)]

    def check(self, kind, damage, rounds=_ROUNDS):
        data = isos.shared(kind).read_bytes()
        path = self.scratch / 'damaged.iso'
        for number in range(rounds):
            dice = random.Random(f'{kind} {number}')
            path.write_bytes(damage(bytearray(data), dice))
            what = f'{kind}, round {number}'
            with _time_limit(what):
                try:
                    _use(path)
                except iso.IsoError as exc:
                    self.assertNotIn('\n', str(exc), what)
                except Exception as exc:
                    raise AssertionError(f'{what}: {exc!r}') from exc

    def test_single_bytes_changed_in_any_structure(self):
        def damage(data, dice):
            places = self.places(data)
            for _ in range(dice.choice((1, 3, 30))):
                data[dice.choice(places) * 2048
                     + dice.randrange(2048)] = dice.choice(_VALUES)
            return data
        for kind in _KINDS:
            self.check(kind, damage)

    def test_numbers_changed_in_descriptors_and_directories(self):
        def damage(data, dice):
            for _ in range(dice.choice((1, 2, 6))):
                place = (dice.choice(self.places(data)) * 2048
                         + dice.randrange(0, 512))
                value = dice.choice((0, 1, 2048, 0xffffffff, 0x80000000,
                                     dice.randrange(1 << 32)))
                data[place:place + 8] = (value.to_bytes(4, 'little')
                                         + value.to_bytes(4, 'big'))
            return data
        for kind in _KINDS:
            self.check(kind, damage)

    def test_sectors_swapped_or_copied_over_others(self):
        def damage(data, dice):
            places = self.places(data)
            for _ in range(dice.choice((1, 2, 4))):
                one, other = dice.choice(places), dice.choice(places)
                data[one * 2048:(one + 1) * 2048] = data[
                    other * 2048:(other + 1) * 2048]
            return data
        for kind in _KINDS:
            self.check(kind, damage)

    def test_images_cut_anywhere(self):
        def damage(data, dice):
            return data[:dice.randrange(len(data))]
        for kind in _KINDS:
            self.check(kind, damage)

    def test_an_empty_path_table_is_no_crash(self):
        def damage(data, dice):
            # The primary descriptor's path table size (ECMA-119 8.4.13).
            data[16 * 2048 + 132:16 * 2048 + 140] = bytes(8)
            return data
        for kind in _KINDS:
            self.check(kind, damage, rounds=1)

    def test_a_path_table_of_zeros_is_no_crash(self):
        def damage(data, dice):
            place = int.from_bytes(
                data[16 * 2048 + 140:16 * 2048 + 144], 'little')
            data[place * 2048:(place + 1) * 2048] = bytes(2048)
            return data
        for kind in _KINDS:
            self.check(kind, damage, rounds=1)
