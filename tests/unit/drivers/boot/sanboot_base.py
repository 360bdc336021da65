# SPDX-License-Identifier: Apache-2.0

"""A node that boots over the network, with targets that are made up."""

import unittest.mock

from ironic.common import states
from ironic.drivers.modules import pxe_base
from ironic.tests.unit.objects import utils as obj_utils

from ironic_ext.drivers.boot import iso_sanboot
from ironic_ext import san
from ironic_ext.san import configured
from tests.unit.drivers import base

MAC = '52:54:00:aa:00:01'
IQN = 'iqn.2026-01.com.example:image'


class Targets:
    """What ironic_ext.san.Targets promises, in memory."""

    def __init__(self):
        self.held = {}
        self.given = None
        self.failure = None
        self.chap = None
        self.states = {}
        self.rebuilds = 0

    def require(self):
        if self.failure:
            raise self.failure

    def export(self, owner, image, base, *, portal=None, given=None):
        self.require()
        self.content = image.read(0, image.size)
        self.given = given
        self.held.setdefault(owner, []).append(image.digest)
        if given is not None:
            return given
        return san.Location(IQN, portal.host, portal.port, chap=self.chap)

    def release(self, owner):
        if self.failure:
            raise self.failure
        self.held.pop(owner, None)

    def owners(self):
        return set(self.held)

    def rebuild(self):
        self.rebuilds += 1
        return san.Rebuilt()

    def status(self):
        return [san.TargetStatus(IQN, 'x', 1, 1, True, (owner,),
                                 self.states.get(owner, 'served'))
                for owner in self.held]


class SanbootTestCase(base.RedfishIsoTestCase):

    driver = 'manual-management-ext'

    def setUp(self):
        # The base class makes a node of redfish-ext.
        driver, self.driver = self.driver, 'redfish-ext'
        super().setUp()
        self.driver = driver
        self.config(enabled_hardware_types=['manual-management-ext',
                                            'ipmi-ext', 'redfish-ext'],
                    enabled_boot_interfaces=['iso-sanboot', 'ipxe',
                                             'redfish-iso'],
                    enabled_power_interfaces=['agent', 'ipmitool',
                                              'redfish'],
                    enabled_management_interfaces=['noop', 'ipmitool',
                                                   'redfish'],
                    enabled_inspect_interfaces=['no-inspect'])
        self.config(dhcp_provider='none', group='dhcp')
        self.config(tftp_root=str(self.folder / 'tftp'), group='pxe')
        self.config(portal='192.0.2.1', group='ext_san')
        self.config(connection=f'sqlite:///{self.folder}/catalog.sqlite',
                    group='ext_catalog')
        (self.folder / 'http').mkdir()
        self.targets = Targets()
        self.names = []

        def targets_from(conf, name=None):
            self.names.append(name or conf.ext_san.targets)
            return self.targets

        self.replace(configured, 'targets_from', targets_from)
        self.network_boot = self.replace(
            pxe_base.PXEBaseMixin, '_node_set_boot_device_for_network_boot',
            unittest.mock.Mock())
        obj_utils.create_test_port(self.context, node_id=self.node.id,
                                   address=MAC)
        self.node.driver = self.driver
        self.node.driver_info = {}
        self.node.boot_interface = 'iso-sanboot'
        self.node.power_interface = 'agent'
        self.node.management_interface = 'noop'
        self.node.inspect_interface = 'no-inspect'
        self.say(boot_iso=self.href)

    def configure_node(self, **info):
        """Set driver_info."""
        self.node.driver_info = {**self.node.driver_info, **info}
        self.store()

    def call(self, method, *args):
        with self.task() as task:
            assert isinstance(task.driver.boot, iso_sanboot.IsoSanboot)
            try:
                return getattr(task.driver.boot, method)(task, *args)
            finally:
                self.node.refresh()

    @property
    def script_path(self):
        return self.folder / 'http' / self.node.uuid / 'config'

    def script(self):
        """Return what the machine's iPXE reads by its MAC."""
        link = self.folder / 'http/pxelinux.cfg' / MAC.replace(':', '-')
        return link.read_text()

    def record(self):
        return self.node.driver_internal_info.get('ext_sanboot')

    def owner(self):
        return f'node:{self.node.uuid}'

    def deploy(self):
        self.call('prepare_instance')
        self.be(states.ACTIVE)
        self.network_boot.reset_mock()

    def assertNothingLeft(self):
        self.assertEqual({}, self.targets.held)
        self.assertEqual([], self.published())
        self.assertEqual([], self.records())
        self.assertIsNone(self.record())
        self.assertFalse(self.script_path.exists())
