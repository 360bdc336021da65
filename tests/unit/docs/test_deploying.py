# SPDX-License-Identifier: Apache-2.0

"""Tests that settings for other deployment projects are what Ironic takes."""

import configparser

from ironic.common import driver_factory
from ironic.conf import CONF
import yaml

from ironic_ext import conf
from tests.unit.docs import pages
from tests.unit.drivers import base

_EXAMPLES = pages.SOURCE / 'install/examples'
#: What these projects have without the suite, of which nothing may go: of
#: ironic-image its file, of bifrost its role, of kolla Ironic's defaults.
_BEFORE = {
    'metal3': {
        'enabled_hardware_types':
            'ipmi,idrac,fake-hardware,redfish,manual-management',
        'enabled_boot_interfaces':
            'ipxe,pxe,fake,redfish-virtual-media,'
            'idrac-redfish-virtual-media,redfish-https',
        'enabled_management_interfaces':
            'ipmitool,fake,redfish,idrac-redfish,noop'},
    'bifrost': {
        'enabled_hardware_types': 'ipmi,redfish,manual-management',
        'enabled_boot_interfaces': 'ipxe,pxe,redfish-virtual-media',
        'enabled_management_interfaces': 'noop,ipmitool,redfish',
        'enabled_vendor_interfaces': 'no-vendor,ipmitool,redfish'}}
#: Those that the projects have beside, and the suite needs.
_BESIDE = {
    'enabled_power_interfaces': ['ipmitool', 'fake', 'redfish',
                                 'idrac-redfish', 'agent'],
    'enabled_deploy_interfaces': ['direct', 'fake', 'ramdisk'],
    'enabled_inspect_interfaces': ['no-inspect', 'agent', 'fake', 'redfish',
                                   'idrac-redfish'],
    'enabled_raid_interfaces': ['no-raid', 'agent', 'fake'],
    'enabled_vendor_interfaces': ['no-vendor', 'ipmitool', 'idrac-redfish',
                                  'redfish', 'fake']}


def _settings(name):
    """Return group -> option -> text of an example."""
    path = _EXAMPLES / name
    if path.suffix == '.conf':
        parser = configparser.ConfigParser(default_section='')
        parser.read_string(path.read_text())
        return {group: dict(parser[group]) for group in parser.sections()}
    if path.suffix == '.yml':
        return {'DEFAULT': yaml.safe_load(path.read_text())}
    found = {}
    for line in path.read_text().splitlines():
        variable, _, text = line.partition('=')
        group, option = variable.removeprefix('OS_').split('__')
        found.setdefault('DEFAULT' if group == 'DEFAULT' else group.lower(),
                         {})[option.lower()] = text
    return found


class DeployingPageTestCase(base.DriverTestCase):

    def start(self, name):
        """Set it, and load what a conductor loads at its start."""
        conf.register_opts(CONF)
        for option, enabled in _BESIDE.items():
            self.config(**{option: enabled})
        (self.folder / 'http').mkdir()
        settings = _settings(name)
        for group, options in settings.items():
            for option, text in options.items():
                # Fails for one that does not exist, or takes another value.
                CONF.set_override(option, text,
                                  None if group == 'DEFAULT' else group)
        for kind in driver_factory.hardware_types().values():
            for interface in ('boot', 'deploy', 'management', 'power',
                              'vendor'):
                driver_factory.default_interface(kind, interface)
        return {option: text.split(',') for option, text
                in settings['DEFAULT'].items()}

    def test_metal3(self):
        lists = self.start('metal3.env')
        self.keeps('metal3', lists)
        # Or nothing of the suite would have a part in it.
        for name in CONF.ext_boot.replace_stock:
            self.assertIn(name, lists['enabled_boot_interfaces'])

    def test_bifrost(self):
        self.keeps('bifrost', self.start('bifrost.yml'))

    def test_kolla(self):
        lists = self.start('kolla.conf')
        for option, enabled in lists.items():
            CONF.clear_override(option)
            self.assertLessEqual(set(CONF[option] or ()), set(enabled),
                                 option)
        self.assertEqual('http://192.0.2.1:8092', CONF.ext_media.server_url)

    def keeps(self, project, lists):
        for option, text in _BEFORE[project].items():
            before = text.split(',')
            # The first that a type can have is its default.
            self.assertEqual(before, lists[option][:len(before)], option)
            self.assertTrue([name for name in lists[option][len(before):]
                             if 'ext' in name or name == 'redfish-iso'])
