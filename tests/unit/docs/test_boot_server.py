# SPDX-License-Identifier: Apache-2.0

"""Tests that the configuration that the boot server's page shows is one."""

import configparser
import re
import textwrap

from keystoneauth1 import loading
from oslo_config import cfg
import testtools

from ironic_ext import conf as ext_conf
from ironic_ext.server.mirror import ironic_api
from tests.unit.docs import pages

_BLOCK = re.compile(r'^\.\. code-block:: ini\n\n((?:   .*\n|\n)+)',
                    re.MULTILINE)


class BootServerPageTestCase(testtools.TestCase):

    def setUp(self) -> None:
        super().setUp()
        self.shown = configparser.ConfigParser()
        self.shown.read_string(textwrap.dedent(
            _BLOCK.findall(pages.read('admin/boot-server'))[0]))

    def test_its_login_sees_all_nodes(self) -> None:
        login = self.shown[ironic_api.GROUP]
        self.assertEqual('all', login['system_scope'])
        self.assertNotIn('project_name', login)

    def test_every_option_is_one(self) -> None:
        conf = cfg.ConfigOpts()
        ext_conf.register_opts(conf)
        known = {ironic_api.GROUP: {
            option.dest for option in (
                *ironic_api.options(), *loading.get_auth_plugin_conf_options(
                    self.shown[ironic_api.GROUP]['auth_type']))}}
        for group in self.shown.sections():
            if group.startswith('ext_'):
                self.assertEqual(set(), set(self.shown[group]) - (
                    known.get(group) or set(conf[group])), group)
