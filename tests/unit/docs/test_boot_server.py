# SPDX-License-Identifier: Apache-2.0

"""Tests that the configuration that the boot server's page shows is one."""

import configparser
import re
import textwrap

from oslo_config import cfg
import testtools

from ironic_ext import conf as ext_conf
from ironic_ext.server.mirror import ironic_api
from tests.unit.docs import pages

_BLOCK = re.compile(r'^\.\. code-block:: ini\n\n((?:   .*\n|\n)+)',
                    re.MULTILINE)


def _listed() -> dict[str, list[cfg.Opt]]:
    """Return options by group, as the page of all options has them."""
    return {group.name: options for group, options in ext_conf.list_opts()}


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
            option.dest for option in _listed()[ironic_api.GROUP]}}
        for group in self.shown.sections():
            if group.startswith('ext_'):
                self.assertEqual(set(), set(self.shown[group]) - (
                    known.get(group) or set(conf[group])), group)

    def test_the_login_is_among_all_options(self) -> None:
        conf = cfg.ConfigOpts()
        ironic_api.register_opts(conf)
        listed = {option.dest: option
                  for option in _listed()[ironic_api.GROUP]}
        # Deprecated by keystoneauth.
        taken = set(conf[ironic_api.GROUP]) - {'interface'}
        self.assertEqual(set(), taken - set(listed))
        for name in ('username', 'password', 'endpoint_override',
                     'system_scope', 'endpoint'):
            self.assertIn(name, listed)
        self.assertEqual('baremetal', listed['service_type'].default)
