# SPDX-License-Identifier: Apache-2.0

"""A boot ends with its interface and with its node, and begins after stock."""

import unittest.mock

from ironic.common import exception
from ironic.common import states
from ironic import objects

from ironic_ext.drivers.bmc import drives
from ironic_ext.drivers.bmc import queue
from ironic_ext.drivers.boot import catalog
from ironic_ext.drivers.boot import leaving
from ironic_ext.drivers.records import boot as boot_record
from ironic_ext.node import boot_state
from tests.unit.drivers import base
from tests.unit.drivers.boot import sanboot_base
from tests.unit.drivers import fake_bmc


class Manager:
    """What a periodic task asks of a conductor."""

    def __init__(self, node):
        self._node = node

    def iter_nodes(self, fields, filters):
        assert filters == {'reserved': False}
        return [(self._node.uuid, self._node.driver, '',
                 *(getattr(self._node, name) for name in fields))]


class _Leaving:

    def sweep(self):
        """Run the periodic task, and the work that it submits."""
        queue.retries.cache_clear()
        work = []
        with unittest.mock.patch.object(
                queue, 'submit', lambda node, what, failed: work.append(
                    (what, node.uuid))):
            leaving.sweep(Manager(self.node))
        for what, uuid in work:
            what(uuid)
        self.node.refresh()
        return bool(work)

    def delete(self):
        """Delete the node; return the media in its drives before it went."""
        seen = []

        def await_work(work):
            # Nobody can read it any more, and the node is known as yet.
            self.assertEqual([], self.published())
            objects.Node.get(self.context, self.node.uuid)
            work()
            seen.append(list(self.bmc.inserted))

        with (unittest.mock.patch.object(
                queue, 'conductors_own', lambda: unittest.mock.Mock(
                    await_work=await_work)), self.task() as task):
            task.node.destroy()
        self.assertRaises(exception.NodeNotFound, objects.Node.get,
                          self.context, self.node.uuid)
        return seen


class RedfishIsoTestCase(_Leaving, base.RedfishIsoTestCase):

    def setUp(self):
        super().setUp()
        self.say(boot_iso=self.href)
        self.call('prepare_instance')
        self.be(states.ACTIVE)

    def leave(self, interface='redfish-virtual-media'):
        self.node.boot_interface = interface
        self.store()

    def assertGone(self):
        self.assertClean()
        self.assertNotIn(boot_state.KEY, self.node.driver_internal_info)

    def test_what_boots_the_node_is_left_alone(self):
        self.assertFalse(self.sweep())
        self.assertEqual(1, len(self.bmc.inserted))

    def test_an_instance_may_have_its_own_interface(self):
        self.leave()
        self.say(boot_interface='redfish-iso')
        self.assertFalse(self.sweep())

    def test_nothing_is_left_of_an_interface_that_has_left(self):
        self.leave()
        self.assertTrue(self.sweep())
        self.assertGone()
        self.assertFalse(self.sweep())

    def test_a_boot_that_the_next_interface_began_goes_on(self):
        self.leave('iso-sanboot')
        boot_record.begin(self.node, boot_state.ONCE, '', 'iso-sanboot')
        before = boot_state.generation(self.node.driver_internal_info)
        self.assertTrue(self.sweep())
        self.assertClean()
        self.assertEqual('iso-sanboot', boot_state.of(
            self.node.driver_internal_info).interface)
        self.assertEqual(before, boot_state.generation(
            self.node.driver_internal_info))
        self.assertFalse(self.sweep())

    def test_a_record_is_all_that_may_be_left(self):
        with self.task() as task:
            task.driver.boot.end_boot(task, boot_state.Cause.EJECT)
        self.node.refresh()
        self.leave('iso-sanboot')
        self.assertTrue(self.sweep())
        self.assertGone()

    def test_what_was_put_in_meanwhile_stays(self):
        self.leave()
        self.bmc.slots[0].put('http://x/boot.iso')
        self.sweep()
        self.assertEqual(['http://x/boot.iso'], self.bmc.inserted)
        self.assertEqual(([], []), (self.published(), self.records()))

    def test_the_image_goes_at_once_and_the_medium_when_the_bmc_lets_it(self):
        self.leave()
        self.bmc.slots[0].stuck = True
        with self.assertLogs('ironic_ext', 'WARNING') as logs:
            self.sweep()
        self.assertIn('eject it by hand', ''.join(logs.output))
        self.assertEqual([], self.published())
        self.assertEqual(1, len(self.records()))
        self.bmc.slots[0].stuck = False
        self.sweep()
        self.assertGone()

    def test_a_driver_that_knows_no_redfish_ends_it_too(self):
        self.leave('ipxe')
        self.node.driver = 'ipmi'
        self.node.driver_info = {'ipmi_address': '192.0.2.4'}
        self.store()

        def get_system(node):
            raise exception.MissingParameterValue('redfish_address')

        self.replace(drives.redfish_utils, 'get_system', get_system)
        with self.assertLogs('ironic_ext', 'WARNING') as logs:
            self.sweep()
        self.assertIn('Eject it by hand', ''.join(logs.output))
        self.assertEqual(([], []), (self.published(), self.records()))

    def test_the_record_of_a_boot_that_is_over_goes_as_well(self):
        with self.task() as task:
            task.driver.boot.end_boot(task, boot_state.Cause.EJECT)
        self.node.refresh()
        self.leave()
        self.sweep()
        self.assertGone()

    def test_a_node_that_is_locked_is_left_for_later(self):
        self.leave()
        with self.task():
            leaving.end_left(self.node.uuid)
        self.assertEqual(1, len(self.published()))
        leaving.end_left('11111111-2222-3333-4444-555555555555')

    def test_a_node_that_is_deleted_leaves_nothing(self):
        self.node.maintenance = True
        self.store()
        self.assertEqual([[]], self.delete())

    def test_a_bmc_that_does_not_answer_keeps_no_node(self):
        self.bmc.slots[0].stuck = True
        with self.assertLogs('ironic_ext', 'WARNING'):
            (inserted,) = self.delete()
        self.assertEqual(1, len(inserted))


class SanbootTestCase(_Leaving, sanboot_base.SanbootTestCase):

    def setUp(self):
        super().setUp()
        self.deploy()

    def leave(self):
        self.node.boot_interface = 'ipxe'
        self.store()

    def test_what_boots_the_node_is_left_alone(self):
        self.assertFalse(self.sweep())

    def test_nothing_is_left_of_an_interface_that_has_left(self):
        self.leave()
        self.sweep()
        self.assertNothingLeft()
        self.assertNotIn(boot_state.KEY, self.node.driver_internal_info)

    def test_over_http_neither(self):
        self.config(transport='http', group='ext_san')
        self.be(states.DEPLOYING)
        self.deploy()
        self.assertEqual(1, len(self.published()))
        self.leave()
        self.sweep()
        self.assertNothingLeft()

    def test_nor_has_the_boot_server_a_script_with_secrets(self):
        self.config(public_url='http://192.0.2.1:8093',
                    machine_identity='address', group='ext_server')
        self.config(transport='http', group='ext_san')
        self.be(states.DEPLOYING)
        self.deploy()
        self.assertIn('sanboot', catalog.records().of(self.node.uuid).script)
        self.leave()
        self.sweep()
        self.assertEqual('', catalog.records().of(self.node.uuid).script)

    def test_the_script_of_the_interface_that_came_stays(self):
        self.leave()
        self.script_path.write_text('#!ipxe\n')
        self.sweep()
        self.assertEqual('#!ipxe\n', self.script())
        self.assertIsNone(self.record())

    def test_a_back_end_that_fails_is_tried_again(self):
        self.leave()
        self.targets.failure = sanboot_base.san.SanError('tgtd is gone')
        with self.assertLogs('ironic_ext', 'WARNING') as logs:
            self.sweep()
        self.assertIn('tgtd is gone', ''.join(logs.output))
        self.assertIsNotNone(self.record())
        self.targets.failure = None
        self.sweep()
        self.assertNothingLeft()

    def test_a_node_that_is_deleted_leaves_nothing(self):
        self.assertEqual([], self.delete())
        self.assertEqual({}, self.targets.held)
        self.assertFalse(self.script_path.exists())


class StockTestCase(base.RedfishIsoTestCase):
    """What Ironic's own interface left of a node that it deployed."""

    def setUp(self):
        super().setUp()
        self.say(boot_iso=self.href)
        usb = fake_bmc.Slot('Usb', [fake_bmc.sushy.VIRTUAL_MEDIA_USBSTICK])
        self.bmc.slots.append(usb)
        folder = self.folder / 'http' / 'redfish'
        folder.mkdir(parents=True)
        self.files = []
        for slot, name in zip(self.bmc.slots, (
                f'boot-{self.node.uuid}.iso',
                f'configdrive-{self.node.uuid}'), strict=True):
            slot.put(f'{base.HTTP_URL}/redfish/{name}')
            self.files.append(folder / name)
            self.files[-1].write_bytes(b'1')

    def left(self):
        return [path.name for path in self.files if path.exists()]

    def test_it_goes_when_the_node_is_rebuilt(self):
        self.call('prepare_instance')
        self.medium()
        self.assertEqual([], self.left())

    def test_it_goes_when_the_node_is_undeployed(self):
        self.be(states.DELETING)
        self.call('clean_up_instance')
        self.assertEqual([], self.bmc.inserted)
        self.assertEqual([], self.left())

    def test_so_does_a_url_that_the_bmc_was_told_as_it_was(self):
        url = 'http://images.example.com/live.iso'
        self.bmc.slots[0].put(url)
        self.say(boot_iso=url)
        self.be(states.DELETING)
        self.call('clean_up_instance')
        self.assertEqual([], self.bmc.inserted)

    def test_what_others_put_into_the_usb_drive_stays(self):
        self.bmc.slots[1].put('http://x/configdrive-other')
        self.call('prepare_instance')
        self.assertIn('http://x/configdrive-other', self.bmc.inserted)

    def test_a_bmc_that_keeps_it_fails_the_deployment(self):
        self.bmc.slots[1].stuck = True
        self.assertIn('eject it by hand', self.failure(
            exception.IronicException, 'prepare_instance'))
        self.assertEqual([], self.left())

    def test_a_node_that_this_suite_deployed_is_not_looked_at(self):
        self.call('prepare_instance')
        calls = len(self.bmc.slots[1].calls)
        self.bmc.slots[1].put(f'http://x/configdrive-{self.node.uuid}')
        self.call('prepare_instance')
        self.assertEqual(calls, len(self.bmc.slots[1].calls))


class StockSanbootTestCase(sanboot_base.SanbootTestCase):

    driver = 'redfish-ext'

    def test_what_stock_left_in_a_drive_goes_for_sanboot_as_well(self):
        self.configure_node(redfish_address='https://192.0.2.4')
        self.node.power_interface = 'redfish'
        self.node.management_interface = 'redfish'
        self.store()
        self.bmc.slots[0].put(f'http://x/redfish/boot-{self.node.uuid}.iso')
        self.call('prepare_instance')
        self.assertEqual([], self.bmc.inserted)
