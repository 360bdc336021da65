# SPDX-License-Identifier: Apache-2.0

"""Which live systems lose their medium, as an operator is told."""

import pathlib
import tempfile
import unittest.mock

import testtools

from ironic_ext.drivers.boot import live_systems as iso_sanboot_media
from ironic_ext import iso
from tests import isos

HTTP_ROOTS = ('coreos.live.rootfs_url=http://a/b', 'inst.repo=http://a/b',
              'root=live:http://a/b', 'iso-url=http://a/b',
              'fetch=http://a/b', 'archiso_http_srv=http://a/b',
              'modloop=http://a/b', 'install=http://a/b')


class AdviceTestCase(testtools.TestCase):

    def setUp(self):
        super().setUp()
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def advice(self, arguments='', path='', files=(), by_iscsi=False):
        name = f'advice{path.replace("/", "-")}'
        image = self.folder / f'{name}.iso'
        if not image.exists():
            isos.build(self.folder, name, {
                'README.TXT': b'x', f'{path}/x'.lstrip('/'): b'x'}, 0, '-R')
        with iso.IsoImage.open(image) as opened:
            return iso_sanboot_media.advice(
                opened, iso.Injection(append_args=arguments,
                                      files={name: b'' for name in files}),
                by_iscsi=by_iscsi)

    def test_a_system_that_is_all_in_its_initrd_needs_nothing(self):
        self.assertEqual([], self.advice())

    def test_each_family_has_its_own_way_over_the_network(self):
        for family, argument in zip(iso_sanboot_media.FAMILIES, HTTP_ROOTS,
                                    strict=True):
            (sentence,) = self.advice(path=family.path)
            self.assertIn(f'add {family.instead} to', sentence)
            self.assertNotIn('sanboot_ibft', sentence)
            self.assertEqual([], self.advice(f'a {argument}', family.path))

    def test_a_kernel_that_logs_in_keeps_its_medium(self):
        (sentence,) = self.advice(path='/casper', by_iscsi=True)
        self.assertIn('set instance_info/sanboot_ibft', sentence)
        for arguments in iso_sanboot_media.IBFT_ARGUMENTS.values():
            self.assertEqual([], self.advice(
                arguments, '/casper', ['/a'], by_iscsi=True))
            self.assertNotEqual([], self.advice(arguments, '/casper'))

    def test_files_in_the_iso_need_the_medium(self):
        (sentence,) = self.advice(files=['/site.conf'])
        self.assertIn('are not seen', sentence)

    def test_the_isos_own_arguments_count(self):
        image = isos.shared('hybrid')
        with iso.IsoImage.open(image) as opened:
            own = {argument for config in iso.inspect(opened).configs
                   for entry in config.entries
                   for argument in entry.arguments}
            self.assertNotEqual(set(), own)
            for argument, sentences in ((sorted(own)[0], 0), ('other=', 1)):
                family = iso_sanboot_media.Family('Own', '/', (argument,),
                                                  'x')
                with unittest.mock.patch.object(
                        iso_sanboot_media, 'FAMILIES', (family,)):
                    self.assertEqual(sentences, len(iso_sanboot_media.advice(
                        opened, iso.Injection(), by_iscsi=False)))
