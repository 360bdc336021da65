# SPDX-License-Identifier: Apache-2.0

"""Tests that each installer is on the page of what stays of its config."""

import re

import testtools

from ironic_ext import config_formats
from ironic_ext.config_formats import registry
from tests.unit.docs import pages


class InstalledSystemsPageTestCase(testtools.TestCase):

    def test_each_format_that_installs_is_there(self):
        wanted = {name for name in config_formats.names()
                  if registry.format_for(name).installs}
        self.assertEqual({'autoinstall', 'autoyast', 'esxi', 'kickstart',
                          'preseed'}, wanted)
        for page in ('user/installed-systems', 'user/boot-configs'):
            rows = set(re.findall(r'^   \* - ``(\S+)``$', pages.read(page),
                                  re.MULTILINE))
            self.assertEqual(wanted, wanted & rows, page)

    def test_where_a_boot_ends_by_itself_is_said_of_each(self):
        text = pages.read('admin/boot-ends')
        listed = re.search(r'installs a\s+system: ([a-z, ]+)\.', text)
        self.assertEqual({'autoinstall', 'autoyast', 'esxi', 'kickstart',
                          'preseed'}, set(listed[1].split(', ')))
