# SPDX-License-Identifier: Apache-2.0

"""Tests for the walls that a configuration makes."""

import pathlib

import fixtures
from oslo_config import cfg
import testtools

from ironic_ext import conf as ext_conf
from ironic_ext import walls


class ConfiguredTestCase(testtools.TestCase):

    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(
            self.useFixture(fixtures.TempDir()).path).resolve()

    def conf(self, text, opts=()):
        path = self.folder / 'etc' / 'ironic.conf'
        path.parent.mkdir(exist_ok=True)
        path.write_text(text.replace('HERE', str(self.folder)))
        conf = cfg.ConfigOpts()
        ext_conf.register_opts(conf)
        for group, opt in opts:
            conf.register_opt(opt, group=group)
        conf([], default_config_files=[str(path)])
        return conf

    def refused(self, wall, *names):
        return [name for name in names if wall.refuses(
            str(self.folder / name), str(self.folder))]

    def test_a_database_is_found_however_its_url_is_written(self):
        for url in ('sqlite:///HERE/x.sqlite', 'sqlite:///HERE/x.sqlite?t=30',
                    'sqlite+pysqlite:///HERE/x.sqlite?timeout=30',
                    'sqlite:///HERE/y/../x.sqlite',
                    'sqlite:///file:HERE/x.sqlite?mode=rwc&uri=true'):
            for group in ('ext_media', 'ext_catalog', 'database'):
                with self.subTest(f'{group}: {url}'):
                    wall = walls.wall_of(self.conf(
                        f'[{group}]\nconnection = {url}\n',
                        [('database', cfg.StrOpt('connection'))]))
                    names = ['x.sqlite', 'x.sqlite-wal', 'x.sqlite-shm',
                             'x.sqlite-journal']
                    self.assertEqual(names, self.refused(
                        wall, *names, 'x.sqlite.iso', 'a.iso'))

    def test_whatever_a_setting_names_is_no_image(self):
        (self.folder / 'cache').mkdir()
        wall = walls.wall_of(self.conf(
            '[ext_server]\ntoken_key_file = HERE/boot.key\n'
            '[ext_bootc]\nsignature_keys = HERE/a.pub,HERE/b.pub\n'
            '[new]\npassword_file = HERE/password\ncache = HERE/cache\n',
            [('new', cfg.StrOpt('password_file')),
             ('new', cfg.StrOpt('cache'))]))
        names = ['boot.key', 'a.pub', 'b.pub', 'password', 'cache/x',
                 'etc/ironic.conf', 'etc/policy.yaml']
        self.assertEqual(names, self.refused(wall, *names, 'a.iso'))

    def test_images_below_the_configuration_are_open_to_who_names_them(self):
        wall = walls.wall_of(self.conf(''))
        images = self.folder / 'etc' / 'images'
        self.assertFalse(wall.refuses(str(images / 'x'), str(images)))
        self.assertTrue(wall.refuses(str(self.folder / 'etc' / 'ironic.conf'),
                                     str(images)))

    def test_what_is_published_is_closed_and_images_beside_it_are_not(self):
        wall = walls.wall_of(self.conf(
            '[deploy]\nhttp_root = HERE\nhttp_image_subdir = agents\n'
            '[ext_boot]\npublish_subdir = own\n',
            [('deploy', cfg.StrOpt('http_root')),
             ('deploy', cfg.StrOpt('http_image_subdir'))]))
        names = ['own/x', 'agents/x', 'redfish/x', 'pxelinux.cfg/x',
                 '1be26c0b-03f2-4d2e-ae87-c02d7f33c123/config']
        self.assertEqual(names, self.refused(
            wall, *names, 'images/live.iso', 'ipa.kernel'))

    def test_isos_of_the_catalog_are_for_the_operator(self):
        conf = self.conf('[ext_catalog]\niso_dir = HERE/isos\n')
        self.assertEqual(['isos/x'], self.refused(
            walls.wall_of(conf), 'isos/x'))
        self.assertEqual([], self.refused(
            walls.wall_of(conf, catalog=True), 'isos/x'))

    def test_what_obeys_whoever_reaches_it_is_fenced(self):
        conf = self.conf(
            '[DEFAULT]\nrpc_transport = json-rpc\n'
            'transport_url = rabbit://u:p@mq1:5671,u:p@mq2/v\n'
            '[json_rpc]\nhost_ip = ::1\nport = 8089\n'
            '[api]\nhost_ip = 192.0.2.1\nport = 6385\n'
            '[database]\nconnection = mysql+pymysql://u:p@db/ironic\n'
            '[ext_media]\nconnection = postgresql://u:p@pg:5433/media\n',
            [(None, cfg.StrOpt('rpc_transport')),
             (None, cfg.StrOpt('transport_url')),
             ('json_rpc', cfg.StrOpt('host_ip')),
             ('json_rpc', cfg.PortOpt('port')),
             ('api', cfg.StrOpt('host_ip')), ('api', cfg.PortOpt('port')),
             ('database', cfg.StrOpt('connection'))])
        self.assertEqual(
            {('mq1', 5671), ('mq2', 5672), ('::1', 8089),
             ('192.0.2.1', 6385), ('db', 3306), ('pg', 5433),
             ('0.0.0.0', 8093)}, walls.fence_of(conf, strict=True).services)

    def test_the_operator_alone_is_fenced_from_less(self):
        conf = self.conf('[ext_images]\ndenied_networks = 10.0.0.0/8\n'
                         'allowed_networks = 10.1.2.3\n')
        strict = walls.fence_of(conf, strict=True)
        self.assertEqual((False, 1, 1), (
            strict.loopback, len(strict.denied), len(strict.allowed)))
        open_ = walls.fence_of(conf, strict=False)
        self.assertEqual((True, ()), (open_.loopback, open_.denied))

    def test_a_network_that_is_none_is_refused(self):
        for text in ('everything', '10.0.0.0/99', '999.0.0.1'):
            conf = self.conf(f'[ext_images]\ndenied_networks = {text}\n')
            self.assertRaises(cfg.ConfigFileValueError, walls.fence_of,
                              conf, strict=True)
