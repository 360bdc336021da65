# SPDX-License-Identifier: Apache-2.0

"""Configs in real images: what is found there, and that it arrives."""

import gzip

import testtools

from ironic_ext import catalog
from ironic_ext import config_formats
from ironic_ext.config_formats import base
from ironic_ext import iso
from ironic_ext.iso import cpio
from tests import iso_parts
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
        path = iso_parts.process_directory() / f'{self.id()}.iso'
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
        self.assertEqual(256 << 10, facts.ignition_area.length)
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
