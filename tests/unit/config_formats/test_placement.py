# Licensed under the Apache License, Version 2.0 (the "License"); you may
# not use this file except in compliance with the License. You may obtain
# a copy of the License at
#
#      http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS, WITHOUT
# WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the
# License for the specific language governing permissions and limitations
# under the License.

"""Configs in real images: what is found there, and that it arrives."""

import gzip
import json
import lzma
import os

import testtools

from ironic_ext import catalog
from ironic_ext import config_formats
from ironic_ext.config_formats import base
from ironic_ext import iso
from ironic_ext.iso import cpio
from ironic_ext.iso import ignition_area
from tests import isos
from tests.unit.catalog import database


def config(name, **data):
    """Return a config of one format."""
    return config_formats.resolve(catalog.BootConfigSpec(name, {
        path.replace('_', '-'): text for path, text in data.items()}))


class PlacementTestCase(testtools.TestCase):

    def _facts(self, kind):
        with iso.IsoImage.open(isos.shared(kind)) as image:
            return config_formats.ImageFacts.of(image)

    def _injected(self, kind, placed, injection=None):
        """Return the customised image, open."""
        path = isos.process_directory() / f'{self.id()}.iso'
        with iso.IsoImage.open(isos.shared(kind)) as image:
            with iso.inject(image, placed.onto(
                    injection or iso.Injection())) as customised:
                customised.write(path)
        self.addCleanup(path.unlink, missing_ok=True)
        made = iso.IsoImage.open(path)
        self.addCleanup(made.close)
        return made

    def _arguments(self, image):
        return [entry.arguments for found in iso.inspect(image).configs
                for entry in found.entries]

    def test_facts_are_read_from_the_image(self):
        for kind, mount_point, initrds in (
                ('ubuntu_like', '/cdrom', True),
                ('lorax_like', '', True), ('plain_rr_joliet', '', False)):
            facts = self._facts(kind)
            self.assertEqual(mount_point, facts.mount_point, kind)
            self.assertEqual(initrds, facts.takes_initrd_files, kind)
            self.assertIsNone(facts.ignition_area)

    def test_live_systems_are_told_apart_by_their_directory(self):
        for path, mount_point in (
                ('/live/filesystem.squashfs', '/run/live/medium'),
                ('/LiveOS/squashfs.img', '/run/initramfs/live'),
                ('/live', '')):
            image = self._injected('rr_only', base.Placement(
                files={path: b'x'}))
            self.assertEqual(
                mount_point,
                config_formats.ImageFacts.of(image).mount_point, path)
            image.close()

    def test_ignition_fills_coreos_area(self):
        facts = self._facts('coreos_like')
        self.assertEqual(ignition_area.IgnitionArea(
            '/images/ignition.img', 0, 256 << 10, True),
            facts.ignition_area)
        ignition = config('ignition', file=database.IGNITION)
        image = self._injected('coreos_like', ignition.place(facts))
        area = image.read_file('/images/ignition.img')
        self.assertEqual(256 << 10, len(area))
        archive = gzip.decompress(area.rstrip(b'\0') + bytes(8))
        self.assertEqual(
            cpio.archive({'config.ign': database.IGNITION.encode()}),
            archive)

    def test_a_kickstart_file_is_on_the_iso(self):
        facts = self._facts('lorax_like')
        image = self._injected(
            'lorax_like', config('kickstart', file='reboot\n').place(facts))
        self.assertEqual(b'reboot\n', image.read_file('/ks.cfg'))
        for words in self._arguments(image):
            self.assertIn('inst.ks=cdrom:/ks.cfg', words)

    def test_a_seed_is_where_casper_looks(self):
        answers = config('autoinstall', user_data=(
            '#cloud-config\nautoinstall: {version: 1}\n'))
        image = self._injected('ubuntu_like', answers.place(
            self._facts('ubuntu_like')))
        self.assertEqual(
            answers.files['meta-data'].encode(),
            image.read_file('/nocloud/meta-data'))
        for words in self._arguments(image):
            if 'ds=nocloud;s=/cdrom/nocloud/' in words:
                self.assertIn('autoinstall', words)
                return
        self.fail('no kernel is told of the seed')

    def test_the_nodes_own_arguments_and_files_stay(self):
        placed = config('kickstart', file='reboot\n').place(
            self._facts('lorax_like'))
        merged = placed.onto(iso.Injection(
            append_args='inst.ks=http://x/ own=1', files={'/own': b'x'},
            delete_args=('quiet',)))
        self.assertRegex(merged.append_args,
                         r'^inst\.ks=cdrom:\S+ inst\.ks=http://x/ own=1$')
        self.assertEqual({'/own', '/ks.cfg'}, set(merged.files))
        self.assertEqual(('quiet',), merged.delete_args)

    def test_a_file_that_both_have_is_refused(self):
        placed = config('kickstart', file='reboot\n').place(
            config_formats.ImageFacts())
        error = self.assertRaises(
            config_formats.ConfigError, placed.onto,
            iso.Injection(files={'/ks.cfg': b'x'}))
        self.assertIn('/ks.cfg', str(error))

    def test_secrets_are_not_shown(self):
        placed = config('kickstart', file='rootpw hunter2\n').place(
            config_formats.ImageFacts())
        self.assertNotIn('hunter2', repr(placed))


class IgnitionAreaTestCase(testtools.TestCase):

    AREA = ignition_area.IgnitionArea('/x', 0, 4096, True)

    def test_xz_is_used_where_gzip_is_too_large(self):
        data = b''.join(b'%d' % (n * n) for n in range(2500))
        archive = cpio.archive({'config.ign': data})
        length = len(gzip.compress(archive, mtime=0)) - 1
        area = ignition_area.IgnitionArea('/x', 0, length, True)
        packed = ignition_area.content(data, area)
        self.assertEqual(length, len(packed))
        self.assertEqual(archive, lzma.LZMADecompressor(
            lzma.FORMAT_XZ).decompress(packed))

    def test_what_does_not_fit_is_refused_with_sizes(self):
        error = self.assertRaises(
            iso.NoSpaceError, ignition_area.content, os.urandom(5000),
            self.AREA)
        self.assertIn('the area that this CoreOS image reserves has 4096',
                      str(error))

    def test_an_area_that_is_not_there_is_refused(self):
        for facts in ({'file': 'images/ignition.img', 'offset': -1},
                      {'file': 'images/ignition.img', 'offset': 1 << 20},
                      {'file': 'images/ignition.img', 'length': 1 << 20},
                      {'file': 'images/ignition.img', 'length': 0},
                      {'file': 'images/ignition.img', 'length': '1'},
                      {'file': 'images'}, {'file': 'none'}, [], {}):
            with self._image(facts) as image:
                self.assertRaises(iso.IsoError, ignition_area.locate, image)

    def test_an_area_inside_of_a_file_is_found(self):
        with self._image({'file': 'images/ignition.img', 'offset': 512,
                          'length': 1024}) as image:
            self.assertEqual(ignition_area.IgnitionArea(
                '/images/ignition.img', 512, 1024, False),
                ignition_area.locate(image))

    def _image(self, facts):
        path = isos.process_directory() / 'area.iso'
        with iso.IsoImage.open(isos.shared('coreos_like')) as image:
            injection = iso.Injection(files={
                '/coreos/igninfo.json': json.dumps(facts).encode()})
            with iso.inject(image, injection) as customised:
                customised.write(path)
        self.addCleanup(lambda: path.unlink(missing_ok=True))
        return iso.IsoImage.open(path)
