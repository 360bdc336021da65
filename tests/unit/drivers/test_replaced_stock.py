# SPDX-License-Identifier: Apache-2.0

"""Nodes of Ironic's own types that have this suite's interfaces."""

import functools
import unittest.mock

from ironic.common import driver_factory
from ironic.common import states
from ironic.drivers.modules.redfish import boot as redfish_boot
from ironic.drivers.modules.redfish import management as redfish_management
from oslo_config import cfg

from ironic_ext.drivers.bmc import queue
from ironic_ext.drivers.boot import leaving
from ironic_ext.drivers.boot import redfish_iso
from ironic_ext.drivers import ironic_patches
from ironic_ext.drivers import management
from ironic_ext.drivers.records import interfaces
from tests.unit.drivers import base

NAME = 'redfish-virtual-media'


class ReplacedTestCase(base.RedfishIsoTestCase):

    def setUp(self):
        super().setUp()
        self.config(enabled_hardware_types=['redfish', 'idrac',
                                            'redfish-ext'],
                    enabled_management_interfaces=[
                        'redfish', 'redfish-ext', 'idrac-redfish'])
        self.config(replace_stock=[NAME], group='ext_boot')
        self.replace(driver_factory, 'get_interface', functools.partial(
            ironic_patches.get_interface, driver_factory.get_interface))
        self.node.driver = 'redfish'
        self.node.boot_interface = NAME
        self.node.management_interface = 'redfish'
        self.say(boot_iso=self.href)

    def classes(self):
        with self.task(shared=True) as task:
            return type(task.driver.boot), type(task.driver.management)

    def test_they_have_them_by_the_names_of_ironics_own(self):
        self.assertEqual((redfish_iso.RedfishIsoBoot,
                          management.RedfishExtManagement), self.classes())
        self.call('prepare_instance')
        self.medium()

    def test_nothing_differs_without_it(self):
        self.config(replace_stock=[], group='ext_boot')
        self.assertEqual((redfish_boot.RedfishVirtualMediaBoot,
                          redfish_management.RedfishManagement),
                         self.classes())

    def test_what_is_not_enabled_takes_no_place(self):
        self.config(enabled_boot_interfaces=[NAME, 'idrac-' + NAME])
        self.assertEqual((redfish_boot.RedfishVirtualMediaBoot,
                          management.RedfishExtManagement), self.classes())
        with self.assertLogs(ironic_patches.LOG.name, 'WARNING') as logs:
            ironic_patches._tell_replaced()
        said = '\n'.join(logs.output)
        self.assertIn('enabled_boot_interfaces does not have it', said)
        self.assertIn('have redfish-ext of ironic-ext in its place', said)

    def test_other_types_keep_theirs(self):
        for driver, name, wanted in (
                ('redfish', NAME, 'redfish-iso'),
                ('redfish-ext', NAME, None), ('idrac', NAME, None),
                ('redfish', 'ipxe', None)):
            self.assertEqual(wanted, interfaces.replacement(
                driver, 'boot', name))

    def test_another_name_is_refused(self):
        self.assertRaises(ValueError, cfg.CONF.set_override, 'replace_stock',
                          ['ipxe'], 'ext_boot')

    def test_their_boots_are_theirs_and_have_ends(self):
        self.call('prepare_instance')
        self.be(states.ACTIVE)
        node = self.node

        class Manager:
            def iter_nodes(self, fields, filters):
                return [(node.uuid, node.driver, '',
                         *(getattr(node, name) for name in fields))]

        submitted = []
        with (unittest.mock.patch.object(
                queue, 'submit', lambda row, what, failed:
                submitted.append(what)), self.task(shared=True) as task):
            leaving.sweep(Manager())
            self.assertEqual([], submitted)
            # It is looked after as well.
            task.driver.boot._keep_media(Manager(), self.context)
            self.assertEqual(1, len(submitted))
            self.say(ext_boot_mode='once', ext_boot_completed_at='x')
            self.config(replace_stock=[], group='ext_boot')
            leaving.sweep(Manager())
            self.assertEqual(2, len(submitted))
        self.config(replace_stock=[NAME], group='ext_boot')
        with self.task(shared=True) as task:
            boot = task.driver.boot
        self.node.power_state = states.POWER_OFF
        self.store()
        with unittest.mock.patch.object(queue, 'submit',
                                        base.submit_at_once):
            boot._end_boots(Manager(), self.context)
        self.node.refresh()
        self.assertClean()
