# SPDX-License-Identifier: Apache-2.0

"""Tests for the hardware types and what Ironic needs them to have."""

import unittest.mock

from ironic.common import driver_factory
from ironic.common import image_publisher
from ironic.common import states
from ironic.conductor import deployments
from ironic.conductor import utils as manager_utils
from ironic.drivers import drac
from ironic.drivers import generic
from ironic.drivers import ipmi
from ironic.drivers.modules.drac import boot as drac_boot
from ironic.drivers.modules import image_utils
from ironic.drivers.modules.redfish import boot as redfish_boot
from ironic.drivers.modules.redfish import utils as redfish_utils
from ironic.drivers import redfish
from oslo_config import cfg

from ironic_ext import conf
from ironic_ext.drivers.bmc import insertion
from ironic_ext.drivers.bmc import quirks
from ironic_ext.drivers.boot import iso_sanboot
from ironic_ext.drivers.boot import redfish_iso
from ironic_ext.drivers.bootc import deploy
from ironic_ext.drivers import hardware
from ironic_ext.drivers import management
from ironic_ext.drivers import vendor
from tests.unit.drivers import base
from tests.unit.drivers import fake_bmc


class HardwareTestCase(base.DriverTestCase):

    def test_the_stock_interfaces_come_first(self):
        both = [redfish_iso.RedfishIsoBoot, iso_sanboot.IsoSanboot]
        passthru = [vendor.RedfishExtVendorPassthru]
        for kind, stock, boot, managers, vendors in (
                (hardware.RedfishExtHardware, redfish.RedfishHardware, both,
                 [management.RedfishExtManagement], passthru),
                (hardware.IDRACExtHardware, drac.IDRACHardware, both,
                 [management.DracRedfishExtManagement], passthru),
                (hardware.IPMIExtHardware, ipmi.IPMIHardware,
                 [iso_sanboot.IsoSanboot], [], []),
                (hardware.ManualManagementExtHardware,
                 generic.ManualManagementHardware,
                 [iso_sanboot.IsoSanboot], [], [])):
            for what, more in (('boot', boot), ('management', managers),
                               ('vendor', vendors),
                               ('deploy', [deploy.BootcDeploy]),
                               ('power', []), ('raid', []), ('bios', [])):
                name = f'supported_{what}_interfaces'
                self.assertEqual([*getattr(stock(), name), *more],
                                 getattr(kind(), name))

    def test_a_node_can_use_the_interface(self):
        with self.task(shared=True) as task:
            self.assertEqual('redfish-iso', task.node.boot_interface)
            self.assertIsInstance(task.driver.boot,
                                  redfish_iso.RedfishIsoBoot)

    def test_the_interface_boots_ramdisks_with_config_drives(self):
        self.assertLessEqual(
            {'ramdisk_boot', 'ramdisk_boot_configdrive'},
            set(redfish_iso.RedfishIsoBoot.capabilities))
        self.assertLessEqual(
            {'ramdisk_boot', 'ramdisk_boot_configdrive', 'ipxe_boot'},
            set(iso_sanboot.IsoSanboot.capabilities))

    def test_the_default_interface_is_the_stock_types(self):
        hardware_type = driver_factory.get_hardware_type('redfish-ext')
        self.assertEqual(
            'redfish-virtual-media', driver_factory.default_interface(
                hardware_type, 'boot'))

    def test_ironic_finds_the_certificates_of_redfish(self):
        ca = self.folder / 'ca.pem'
        ca.write_text('')
        self.config(verify_ca=str(ca), group='redfish')
        self.node.driver_info = {
            key: value for key, value in self.node.driver_info.items()
            if key != 'redfish_verify_ca'}
        for driver in ('redfish-ext', 'idrac-ext'):
            self.node.driver = driver
            self.assertEqual(str(ca), redfish_utils.parse_driver_info(
                self.node)['verify_ca'])

    def test_without_certificates_the_systems_are_used(self):
        self.node.driver_info = {
            key: value for key, value in self.node.driver_info.items()
            if key != 'redfish_verify_ca'}
        self.assertIs(True, redfish_utils.parse_driver_info(
            self.node)['verify_ca'])

    def test_ironic_can_publish_images_of_its_own_for_the_type(self):
        image = self.folder / 'agent.iso'
        image.write_bytes(b'x')
        (self.folder / 'http').mkdir()
        self.replace(image_publisher.utils, 'execute')  # restorecon
        with self.task(shared=True) as task:
            try:
                handler = image_utils.ImageHandler(task.node.driver,
                                                   task.driver.boot)
            except TypeError:  # Ironic 35
                handler = image_utils.ImageHandler(task.node.driver)
        self.assertEqual(
            f'{base.HTTP_URL}/redfish/a.iso',
            handler.publish_image(str(image), 'a.iso'))

    def test_the_options_can_be_listed_and_registered_twice(self):
        options = cfg.ConfigOpts()
        conf.register_opts(options)
        conf.register_opts(options)
        self.assertLessEqual(
            {'ext_images', 'ext_boot', 'ext_catalog', 'ext_data_image',
             'ext_media', 'ext_san', 'ext_server', 'redfish-ext',
             'idrac-ext'},
            {group.name for group, _opts in conf.list_opts()})


class QuirksTestCase(base.DriverTestCase):

    def test_a_redfish_machine_is_handled_as_stock_redfish(self):
        with self.task(shared=True) as task:
            self.assertIs(redfish_boot.RedfishVirtualMediaBoot,
                          type(quirks.stock_boot(task)))
            self.assertIsNone(quirks.only_slot(task, self.bmc))

    def test_an_old_dell_is_refused_as_by_stock_redfish(self):
        self.node.properties = {'vendor': 'Dell Inc.'}
        self.store()
        self.bmc.manager.firmware_version = '4.0.0'
        with self.task(shared=True) as task:
            self.assertRaises(
                redfish_iso.exception.InvalidParameterValue,
                task.driver.boot._validate_vendor, task, [self.bmc.manager])

    def test_a_node_with_a_boot_iso_can_be_rebuilt(self):
        self.node.instance_info = {'boot_iso': 'file:///x.iso'}
        self.be(states.ACTIVE)
        with self.task() as task:
            task.driver.deploy.validate = unittest.mock.Mock()
            task.process_event = unittest.mock.Mock()
            deployments.start_deploy(task, unittest.mock.Mock(),
                                     event='rebuild')
            task.process_event.assert_called_once()

    def test_other_nodes_are_not_changed_by_that(self):
        self.node.instance_info = {}
        self.assertFalse(
            manager_utils.update_image_type(self.context, self.node))


class DellTestCase(base.DriverTestCase):

    driver = 'idrac-ext'

    def setUp(self):
        super().setUp()
        self.oem = self.replace(drac_boot.drac_utils,
                                'execute_oem_manager_method')
        self.be(states.DEPLOYING)

    def test_virtual_media_boot_with_dells_own_action(self):
        with self.task() as task:
            task.driver.boot._set_boot_device(task, 'cdrom', persistent=True)
        self.oem.assert_called_once()
        self.boot_device.assert_not_called()

    def test_other_devices_boot_with_the_standard_action(self):
        with self.task() as task:
            task.driver.boot._set_boot_device(task, 'disk', persistent=True)
        self.oem.assert_not_called()
        self.boot_device.assert_called_once()

    def test_idrac_10_takes_media_in_its_first_slot_only(self):
        self.bmc.manager.model = '17G Monolithic'
        self.bmc.managers = [self.bmc.manager]
        self.bmc.slots = [fake_bmc.Slot('2'), fake_bmc.Slot('1')]
        with self.task() as task:
            slot = insertion.insert(
                task, f'http://x/{"a" * 32}-b.iso', base.medium('a' * 32))
        self.assertEqual(self.bmc.slots[1].path, slot)
