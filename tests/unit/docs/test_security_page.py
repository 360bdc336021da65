# SPDX-License-Identifier: Apache-2.0

"""Tests that the page on walls speaks of policies and options there are."""

import pathlib
import re

from oslo_config import cfg
import testtools

import ironic_ext
from ironic_ext import conf as ext_conf
from ironic_ext.server.rest import policies

PAGE = (pathlib.Path(ironic_ext.__file__).parents[1]
        / 'doc/source/admin/security.rst')
_OPTION = re.compile(r'``\[(\w+)\](\w+)``')
_RULE = re.compile(r'``(ext_server:[a-z_:]+)``')


class SecurityPageTestCase(testtools.TestCase):

    def setUp(self):
        super().setUp()
        self.page = PAGE.read_text()
        conf = cfg.ConfigOpts()
        ext_conf.register_opts(conf)
        conf([], default_config_files=[])
        self.conf = conf

    def test_every_rule_of_the_policy_has_its_place_in_the_table(self):
        rules = {rule.name for rule in policies.list_rules()}
        self.assertEqual(rules, set(_RULE.findall(self.page)))

    def test_every_option_that_it_names_is_one(self):
        named = set(_OPTION.findall(self.page))
        own = {(group, name) for group, name in named
               if group.startswith('ext_')}
        self.assertTrue(own)
        self.assertEqual(set(), {
            (group, name) for group, name in own
            if group not in self.conf or name not in self.conf[group]})
        stock = {('DEFAULT', 'auth_strategy'),
                 ('DEFAULT', 'webserver_verify_ca'),
                 ('conductor', 'file_url_allowed_paths'),
                 ('deploy', 'http_root'), ('pxe', 'tftp_root'),
                 ('pxe', 'images_path')}
        self.assertEqual(stock, named - own)

    def test_defaults_are_the_ones_that_it_tells(self):
        self.assertIsNone(self.conf.ext_images.owner_file_paths)
        self.assertEqual([], self.conf.ext_images.denied_networks)
        self.assertEqual([], self.conf.ext_images.allowed_networks)
