# SPDX-License-Identifier: Apache-2.0

"""Tests for ISOs that are made of files."""

import io
import os
import pathlib
import subprocess
import tempfile
import time

import testtools

from ironic_ext.data_image import content
from ironic_ext import iso

FILES = {
    'meta-data': b'instance-id: i\n',
    'user-data': b'#cloud-config\n',
    'openstack/latest/meta_data.json': b'{}',
    'a/b/c/d/e/f/g/deep': b'deep',
    'Grüße an alle.txt': b'hello',
    'x' * 64: b'longest',
    'empty': b'',
    'sectors': b'z' * 5000,
}


def built(files=FILES, label='cidata'):
    output = io.BytesIO()
    size = content.build(files, label, output)
    assert size == len(output.getvalue())
    return output.getvalue()


class BuildTestCase(testtools.TestCase):

    def setUp(self):
        super().setUp()
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.path = pathlib.Path(folder.name, 'data.iso')
        self.path.write_bytes(built())

    def xorriso(self, *arguments):
        return subprocess.run(
            ['xorriso', '-return_with', 'FAILURE', '0', *arguments],
            capture_output=True, check=True, text=True,
            env={**os.environ, 'LC_ALL': 'C.UTF-8'}).stdout

    def test_rock_ridge_has_every_file_under_its_name(self):
        with iso.IsoImage.open(self.path) as image:
            self.assertEqual('cidata', image.volume_id)
            for path, data in FILES.items():
                self.assertEqual(data, image.read_file(f'/{path}'), path)

    def test_joliet_has_every_file_under_its_name(self):
        out = self.path.with_name('joliet')
        self.xorriso('-read_fs', 'norock', '-osirrox', 'on', '-indev',
                     str(self.path), '-extract', '/', str(out))
        self.assertEqual(FILES, {
            str(path.relative_to(out)): path.read_bytes()
            for path in out.rglob('*') if path.is_file()})

    def test_blkid_finds_the_label(self):
        found = subprocess.run(
            ['blkid', '-p', '-o', 'value', '-s', 'LABEL', str(self.path)],
            capture_output=True, text=True, check=True).stdout
        self.assertEqual('cidata', found.strip())

    def test_nobody_may_write_and_all_may_read(self):
        listing = self.xorriso('-indev', str(self.path), '-lsl', '/')
        modes = {line.split()[0] for line in listing.splitlines()
                 if not line.startswith('total')}
        self.assertEqual({'-r--r--r--', 'dr-xr-xr-x'}, modes)

    def test_an_image_as_large_as_it_says(self):
        data = self.path.read_bytes()
        sectors = int.from_bytes(data[32768 + 80:32768 + 84], 'little')
        self.assertEqual(len(data), sectors * 2048)


class DeterminismTestCase(testtools.TestCase):

    def in_zone(self, name):
        before = os.environ.get('TZ')

        def restore():
            os.environ.pop('TZ', None)
            if before is not None:
                os.environ['TZ'] = before
            time.tzset()
        self.addCleanup(restore)
        os.environ['TZ'] = name
        time.tzset()

    def test_order_time_and_zone_do_not_change_a_byte(self):
        self.in_zone('Asia/Tokyo')
        one = built()
        second = int(time.time())
        while int(time.time()) == second:
            time.sleep(0.02)
        self.in_zone('America/St_Johns')
        self.assertEqual(one, built(dict(reversed(FILES.items()))))

    def test_contents_names_and_label_do(self):
        images = {built(), built({**FILES, 'empty': b'x'}),
                  built({**FILES, 'more': b''}), built(label='config-2')}
        self.assertEqual(4, len(images))

    def test_the_clock_of_everybody_else_goes_on(self):
        from pycdlib import dates
        built()
        self.assertIs(time, dates.time)
