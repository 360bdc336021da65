# SPDX-License-Identifier: Apache-2.0

"""The ISO builders deliver what their tables promise to other tests."""

import pathlib
import subprocess
import tempfile
import unittest

from tests import iso_trees
from tests import isos


def _iso_file(image: pathlib.Path, path: str) -> bytes:
    return subprocess.run(['isoinfo', '-i', image, '-R', '-x', path],
                          check=True, capture_output=True).stdout


class BuilderTest(unittest.TestCase):

    def test_every_promised_config_carries_a_kernel_command_line(self):
        for kind in isos.BUILDERS:
            for path in kind.configs:
                with self.subTest(kind=str(kind), path=path):
                    text = _iso_file(isos.shared(kind.name), path)
                    self.assertIn(b'vmlinuz', text)
                    self.assertIn(b'quiet', text)

    def test_every_promised_initrd_is_a_gzip_file(self):
        for kind in isos.BUILDERS:
            if kind.initrd:
                with self.subTest(kind=str(kind)):
                    content = _iso_file(isos.shared(kind.name), kind.initrd)
                    self.assertEqual(b'\x1f\x8b', content[:2])

    def test_the_same_builder_writes_the_same_bytes_again(self):
        with tempfile.TemporaryDirectory() as scratch:
            again = isos.lorax_like(pathlib.Path(scratch))
            self.assertEqual(isos.shared('lorax_like').read_bytes(),
                             again.read_bytes())

    def test_a_payload_is_marked_in_every_mebibyte(self):
        with tempfile.TemporaryDirectory() as scratch:
            image = iso_trees.rr_only(pathlib.Path(scratch), payload=3 << 20)
            content = _iso_file(image, '/payload.bin')
        self.assertEqual(3 << 20, len(content))
        self.assertEqual(b'%016x' % (2 << 20),
                         content[2 << 20:(2 << 20) + 16])

    def test_the_full_esp_has_no_free_cluster(self):
        image = isos.shared('esp_full')
        with tempfile.TemporaryDirectory() as scratch:
            esp = pathlib.Path(scratch, 'esp.img')
            esp.write_bytes(_iso_file(image, '/images/efiboot.img'))
            listing = subprocess.run(['mdir', '-i', esp, '::/'], check=True,
                                     capture_output=True).stdout
        self.assertIn(b' 0 bytes free', listing)
