# SPDX-License-Identifier: Apache-2.0

"""The image store and its settings, as ironic.conf has them."""

import os
import pathlib

import fixtures
from oslo_config import cfg
import testtools

from ironic_ext import conf as ext_conf
from ironic_ext import images
from ironic_ext.images import configured
from ironic_ext.images import errors
from ironic_ext.images import file


class ConfiguredTestCase(testtools.TestCase):

    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.useFixture(fixtures.TempDir()).path)

    def conf(self, text=''):
        path = self.folder / 'etc' / 'ironic.conf'
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        conf = cfg.ConfigOpts()
        ext_conf.register_opts(conf)
        configured.register_ironic_opts(conf)
        configured.register_ironic_opts(conf)
        conf([], default_config_files=[str(path)])
        return conf

    def test_options_reach_the_settings(self):
        found = configured.settings_from(self.conf(
            '[DEFAULT]\nwebserver_verify_ca = false\n'
            '[conductor]\nfile_url_allowed_paths = /a,/b\n'
            '[ext_images]\nstall_timeout = 7\nretries = 3\nallow_md5 = yes\n'
            'connections = 2\n'))
        self.assertEqual(
            (7, 3, True, 2, ('/a', '/b'), False, None),
            (found.stall_timeout, found.retries, found.allow_md5,
             found.connections, found.allowed_paths, found.access.verify,
             found.glance))

    def test_the_catalogs_directory_is_for_operators_images(self):
        conf = self.conf('[conductor]\nfile_url_allowed_paths = /a\n'
                         '[ext_catalog]\niso_dir = /isos\n')
        found = configured.settings_from(conf)
        self.assertEqual(('/a',), found.allowed_paths)
        self.assertEqual(('/a', '/isos'), configured.with_catalog(
            conf, found).allowed_paths)

    def test_an_iso_of_the_catalog_on_another_host_is_told_what_to_share(self):
        isos = self.folder / 'isos'
        isos.mkdir()
        conf = self.conf(f'[conductor]\nfile_url_allowed_paths = /a\n'
                         f'[ext_catalog]\niso_dir = {isos}\n')
        found = file.FileImageService(configured.with_catalog(
            conf, configured.settings_from(conf)))
        for path, error in ((isos / 'x.iso', errors.ImageNotFoundError),
                            ('/elsewhere/x.iso', errors.HrefError)):
            self.assertIn('[ext_catalog]iso_dir', str(self.assertRaises(
                error, found.stat, f'file://{path}')))

    def test_servers_are_verified_unless_it_says_otherwise(self):
        for text, verify in (('', True), ('True', True),
                             ('/ca.pem', '/ca.pem'), ('0', False)):
            conf = self.conf(f'[DEFAULT]\nwebserver_verify_ca = {text}\n'
                             if text else '')
            self.assertEqual(verify, configured.verify_from(conf), text)

    def test_what_belongs_to_other_nodes_is_no_image(self):
        private = self.folder / 'private'
        for name in ('store', 'overlays'):
            (private / name).mkdir(parents=True)
            (private / name / 'x').write_text('secret')
        (private / 'media.sqlite').write_text('secret')
        (private / 'media.sqlite-wal').write_text('secret')
        (private / 'a.iso').write_text('image')
        conf = self.conf(
            f'[conductor]\nfile_url_allowed_paths = {self.folder}\n'
            f'[ext_images]\ncache_dir = {private}/store\n'
            f'[ext_media]\noverlay_dir = {private}/overlays\n'
            f'connection = sqlite:///{private}/media.sqlite\n')
        store = configured.store_from(conf, configured.settings_from(conf))
        self.assertEqual(b'image', store.read(f'file://{private}/a.iso', 9))
        for name in ('store/x', 'overlays/x', 'media.sqlite',
                     'media.sqlite-wal'):
            self.assertRaises(images.HrefError, store.read,
                              f'file://{private}/{name}', 9)

    def test_the_store_has_the_limits_of_the_configuration(self):
        conf = self.conf(
            f'[conductor]\nfile_url_allowed_paths = {self.folder}/images\n'
            f'[ext_images]\ncache_dir = {self.folder}/store\n'
            'max_image_size = 1\n')
        (self.folder / 'images').mkdir()
        (self.folder / 'images' / 'a.iso').write_bytes(bytes((1 << 20) + 1))
        store = configured.store_from(conf, configured.settings_from(conf))
        self.assertRaises(images.ImageTooLargeError, store.lease(
            f'file://{self.folder}/images/a.iso').__enter__)
        self.assertTrue(os.path.isdir(self.folder / 'store'))
