# SPDX-License-Identifier: Apache-2.0

"""What an ISO costs ends with the process that looks into it."""

import pathlib
import time

import fixtures
import testtools

from ironic_ext import iso
from ironic_ext.iso.facts import apart
from tests import isos


class ApartTest(testtools.TestCase):

    def test_an_honest_image_is_told_as_in_this_process(self) -> None:
        path = str(isos.shared('hybrid'))
        with iso.IsoImage.open(path) as image:
            here = iso.inspect(image)
        found = apart.inspect(path)
        self.assertEqual(here.volume_id, found.volume_id)
        self.assertEqual({(loader.firmware, loader.name)
                          for loader in here.loaders}, set(found.loaders))
        self.assertEqual('the Debian installer', found.system)
        self.assertEqual(2, len({firmware for firmware, _ in found.loaders}))
        self.assertEqual(len({(path.firmware, path.medium)
                              for path in here.boot_paths}),
                         len(found.paths))
        for path, said in zip(here.boot_paths, found.paths):
            self.assertTrue(said.startswith(
                f'{path.firmware} from {path.medium}: {path.loader} starts '
                f'{path.unattended}'), said)

    def test_what_is_no_image_is_told_in_the_engines_words(self) -> None:
        path = pathlib.Path(self.useFixture(fixtures.TempDir()).path, 'x')
        error = self.assertRaises(iso.IsoError, apart.inspect, str(path))
        self.assertIn('No such file', str(error))
        path.write_bytes(bytes(100_000))
        error = self.assertRaises(iso.IsoError, apart.inspect, str(path))
        self.assertIn('ISO 9660', str(error))

    def test_time_and_memory_have_an_end(self) -> None:
        path = str(isos.shared('hybrid'))
        began = time.monotonic()
        for budget in ({'cpu': 0}, {'memory': 16 << 20},
                       {'patience': 0.01}):
            error = self.assertRaises(iso.IsoError, apart.inspect, path,
                                      **budget)
            self.assertIn('costs more time or memory', str(error))
        self.assertGreater(60, time.monotonic() - began)
