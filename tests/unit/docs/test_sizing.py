# SPDX-License-Identifier: Apache-2.0

"""Tests that the sizing page speaks of options and programs that there are."""

import re

from ironic.conf import CONF
from oslo_config import cfg
import testtools

from ironic_ext import conf as ext_conf
from tests.unit.docs import pages

_OPTION = re.compile(r'``\[(\w+)\](\w+)``')


class SizingPageTestCase(testtools.TestCase):

    def setUp(self):
        super().setUp()
        self.page = pages.read('admin/sizing')
        self.conf = cfg.ConfigOpts()
        ext_conf.register_opts(self.conf)
        self.conf([], default_config_files=[])

    def test_every_option_that_it_names_is_one(self):
        named = set(_OPTION.findall(self.page))
        self.assertTrue(named)
        self.assertEqual(set(), {
            (group, name) for group, name in named
            if name not in (self.conf if group.startswith('ext_')
                            else CONF)[group]})

    def test_its_defaults_are_those_of_the_options(self):
        said = dict(re.findall(
            r'``(\[\w+\]\w+)``(?: at most| seconds)? \((\d+)', self.page))
        self.assertEqual({
            '[ext_boot]content_space':
                self.conf.ext_boot.content_space // 1024,
            '[ext_data_image]max_files_size':
                self.conf.ext_data_image.max_files_size,
            '[ext_server]poll_interval': self.conf.ext_server.poll_interval,
            '[ext_server]resync_interval':
                self.conf.ext_server.resync_interval},
            {name: int(value) for name, value in said.items()})

    def test_every_benchmark_that_it_names_is_one(self):
        named = set(re.findall(r'python\s+-m\s+benchmarks\.(\w+)', self.page))
        self.assertTrue(named)
        for name in named:
            place = pages.ROOT / 'benchmarks' / name
            self.assertTrue(place.with_suffix('.py').exists()
                            or (place / '__main__.py').exists(), name)
