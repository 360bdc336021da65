# SPDX-License-Identifier: Apache-2.0

"""Boot media that got lost come back, or the node says why they do not."""

import time
import unittest.mock

from ironic.common import states
import sushy

from ironic_ext.drivers.bmc import queue
from ironic_ext.drivers.boot import lost
from ironic_ext.node import boot_state
from ironic_ext.node import host
from tests.unit.drivers import base
from tests.unit.drivers import fake_bmc


class LostTestCase(base.RedfishIsoTestCase):

    def setUp(self):
        super().setUp()
        self.config(enabled_management_interfaces=[
            'redfish', 'redfish-ext', 'idrac-redfish'])
        self.node.management_interface = 'redfish-ext'
        self.say(boot_iso=self.href)

    def deploy(self, **info):
        self.be(states.DEPLOYING)
        self.say(**info)
        self.call('prepare_instance')
        self.be(states.ACTIVE)

    def lose(self):
        self.bmc.slots[0].put(None)

    def periodic(self):
        """Run the periodic task, and the work that it submits."""
        node, work = self.node, []

        class Manager:
            def iter_nodes(self, fields, filters):
                wanted = {'reserved': False, 'maintenance': False,
                          'provision_state_in': (states.ACTIVE,)}
                assert filters == wanted
                if (node.maintenance
                        or node.provision_state != states.ACTIVE):
                    return []
                return [(node.uuid, node.driver, '',
                         *(getattr(node, name) for name in fields))]

        def submit(row, what, failed):
            work.append((what, row.uuid, failed))

        with (self.task(shared=True) as task,
              unittest.mock.patch.object(queue, 'submit', submit)):
            task.driver.boot._keep_media(Manager(), self.context)
        for what, uuid, _failed in work:
            what(uuid)
        self.node.refresh()
        return [failed for _what, _uuid, failed in work]

    def start(self):
        """Start the machine: Ironic's power interface calls this."""
        with self.task() as task:
            task.driver.management.restore_boot_device(task, self.bmc)
        self.node.refresh()

    def state(self):
        return boot_state.of(self.node.driver_internal_info)

    def shown(self):
        return host.document(host.from_node({
            'uuid': self.node.uuid, 'provision_state': 'active',
            'instance_info': self.node.instance_info,
            'boot': self.state()}, ()), '1')['status'].get('bootMedium')

    def test_a_medium_that_is_there_is_only_looked_at(self):
        self.deploy()
        self.node.refresh()
        before = self.node.updated_at, len(self.bmc.calls)
        self.assertEqual([False], self.periodic())
        self.assertEqual(before, (self.node.updated_at, len(self.bmc.calls)))
        self.assertIsNone(self.shown())

    def test_a_lost_medium_is_put_back_by_the_periodic_task(self):
        for mode in ('once', 'forever'):
            self.deploy(ext_boot_mode=mode)
            self.lose()
            self.periodic()
            self.medium()
            self.assertEqual(0, self.state().lost_at)

    def test_a_lost_medium_is_put_back_before_the_machine_starts(self):
        self.deploy()
        self.lose()
        self.start()
        self.medium()

    def test_also_while_the_node_is_deployed(self):
        # A BMC that ejects when the machine is switched off to boot it.
        self.deploy()
        self.be(states.DEPLOYING)
        self.lose()
        self.start()
        self.medium()

    def test_a_boot_device_that_got_lost_with_it_is_set_again(self):
        hdd = {'target': sushy.BOOT_SOURCE_TARGET_HDD}
        self.deploy(ext_boot_mode='forever')
        self.lose()
        self.bmc.boot = hdd
        self.start()
        self.assertEqual({'target': sushy.BOOT_SOURCE_TARGET_CD,
                          'enabled': sushy.BOOT_SOURCE_ENABLED_CONTINUOUS},
                         self.bmc.boot)
        # Some show none at all then.
        self.lose()
        self.bmc.boot = {}
        self.start()
        self.assertEqual(sushy.BOOT_SOURCE_TARGET_CD,
                         self.bmc.boot.get('target'))
        # An installer that has had its boot is not given another.
        self.deploy(ext_boot_mode='once')
        self.lose()
        self.bmc.boot = hdd
        self.start()
        self.medium()
        self.assertEqual(hdd, self.bmc.boot)
        self.be(states.DEPLOYING)
        self.lose()
        self.start()
        self.assertEqual(sushy.BOOT_SOURCE_ENABLED_ONCE,
                         self.bmc.boot['enabled'])

    def test_an_end_that_waits_for_the_start_is_not_undone(self):
        self.deploy(ext_boot_mode='once')
        self.lose()
        self.say(ext_boot_completed_at='2026-01-01T00:00:00Z')
        self.assertEqual([], self.periodic())
        self.start()
        self.assertClean()

    def test_after_a_boot_has_ended_nothing_comes_back(self):
        self.deploy()
        with self.task() as task:
            task.driver.boot.end_boot(task, boot_state.Cause.EJECT)
        self.node.refresh()
        self.assertEqual([], self.periodic())
        self.start()
        self.assertClean()

    def test_nobody_works_on_a_node_in_maintenance(self):
        self.deploy()
        self.lose()
        self.node.maintenance = True
        self.store()
        lost.look(self.node.uuid)
        self.assertEqual([], self.bmc.inserted)

    def test_what_cannot_be_put_back_is_on_record_and_shown(self):
        self.deploy()
        self.lose()
        for path in self.published():
            path.unlink()
        self.periodic()
        state = self.state()
        self.assertGreater(state.lost_at, time.time() - 60)
        self.assertIn('after a rebuild', state.error)
        self.assertGreater(state.next_look, time.time())
        self.assertEqual({'lost': True, 'error': state.error}, self.shown())
        # It is not its turn again yet.
        self.assertEqual([], self.periodic())

    def test_a_drive_that_somebody_took_is_not_freed(self):
        self.deploy()
        self.bmc.slots[0].put('http://x/rescue.iso')
        self.periodic()
        self.assertEqual(['http://x/rescue.iso'], self.bmc.inserted)
        self.assertIn('no drive is free', self.shown()['error'])

    def test_it_comes_back_when_it_can(self):
        self.deploy()
        self.bmc.slots[0].put('http://x/rescue.iso')
        self.periodic()
        self.lose()
        self.again()
        self.assertEqual([True], self.periodic())
        self.medium()
        self.assertEqual((0, '', 0), (self.state().lost_at,
                                      self.state().error,
                                      self.state().errors))
        self.assertIsNone(self.shown())

    def again(self):
        """Let it be time for the next look."""
        info = self.node.driver_internal_info[boot_state.KEY]
        self.node.set_driver_internal_info(boot_state.KEY, {
            **info, 'next_look': 0})
        self.store()

    def test_a_bmc_that_does_not_answer_has_lost_nothing(self):
        self.deploy()
        with unittest.mock.patch.object(
                lost.drives, 'every_slot',
                side_effect=sushy.exceptions.ConnectionError(
                    url='x', error='no route')):
            self.periodic()
        self.assertEqual(0, self.state().lost_at)
        self.assertFalse(self.shown()['lost'])
        self.assertIn('no route', self.shown()['error'])
        self.again()
        self.periodic()
        self.assertIsNone(self.shown())

    def test_a_slot_that_cannot_be_read_is_no_loss(self):
        self.bmc.slots.append(fake_bmc.Slot('Cd2'))
        self.deploy()
        inserted = self.bmc.inserted
        self.bmc.slots[0].broken = True
        self.periodic()
        self.assertEqual(inserted, self.bmc.inserted)
        self.assertIn('does not show the slot', self.shown()['error'])

    def test_a_node_of_another_interface_is_not_looked_at(self):
        self.deploy()
        self.node.boot_interface = 'redfish-virtual-media'
        self.store()
        with self.task(shared=True) as task:
            self.assertFalse(hasattr(task.driver.boot, 'keep_medium'))
        calls = len(self.bmc.calls)
        self.lose()
        lost.look(self.node.uuid)
        self.assertEqual(calls, len(self.bmc.calls))

    def test_a_node_that_is_locked_is_left_for_later(self):
        self.deploy()
        self.lose()
        with self.task():
            lost.look(self.node.uuid)
        self.assertEqual([], self.bmc.inserted)
        lost.look('11111111-2222-3333-4444-555555555555')


class AgentTestCase(base.RedfishIsoTestCase):
    """A node that boots an agent from its ISO, and no ISO of its own."""

    deploy_interface = 'direct'

    def setUp(self):
        super().setUp()
        self.config(enabled_management_interfaces=['redfish', 'redfish-ext',
                                                   'idrac-redfish'])
        self.node.management_interface = 'redfish-ext'
        self.node.driver_info = {**self.node.driver_info,
                                 'deploy_iso': self.href}
        self.store()
        self.call('prepare_ramdisk', {})

    def test_starting_the_machine_does_not_end_its_boot(self):
        with self.task() as task:
            task.driver.management.restore_boot_device(task, self.bmc)
        self.node.refresh()
        self.medium()

    def test_a_medium_that_got_lost_when_it_was_switched_off_comes_back(self):
        self.bmc.slots[0].put(None)
        with self.task() as task:
            task.driver.management.restore_boot_device(task, self.bmc)
        self.node.refresh()
        self.medium()
        self.assertNotIn(boot_state.KEY, self.node.driver_internal_info)
