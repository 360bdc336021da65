# SPDX-License-Identifier: Apache-2.0

"""A boot has an end: what the BMC shows, what is served, what is on record."""

import time
import unittest.mock

from ironic.common import boot_devices
from ironic.common import exception
from ironic.common import states
import sushy

from ironic_ext.drivers.bmc import drives
from ironic_ext.drivers.bmc import queue
from ironic_ext.drivers.boot import boot_medium
from ironic_ext.node import boot_state
from tests.unit.drivers import base

DONE = {'ext_boot_mode': 'once',
        'ext_boot_completed_at': '2026-01-01T00:00:00Z'}
KICKSTART = {'format': 'kickstart', 'data': {'ks.cfg': 'text\nreboot\n'}}


class EndTestCase(base.RedfishIsoTestCase):

    kind = 'lorax_like'

    def setUp(self):
        super().setUp()
        self.say(boot_iso=self.href)

    def deploy(self, **info):
        self.be(states.DEPLOYING)
        self.say(**info)
        self.call('prepare_instance')
        self.be(states.ACTIVE)

    def periodic(self, patient=False):
        """Run the periodic task, and the work that it submits.

        :param patient: whether to wait for the next try of what failed.
        """
        if not patient:
            queue.retries.cache_clear()
        with self.task(shared=True) as task:
            boot = task.driver.boot
        with unittest.mock.patch.object(queue, 'submit',
                                        base.submit_at_once):
            boot._end_boots(base.Manager(self.node), self.context)
        self.node.refresh()

    def state(self):
        return boot_state.of(self.node.driver_internal_info)

    def target(self):
        return self.bmc.boot.get('target')

    def assertEnded(self):
        self.assertClean()
        self.assertEqual(sushy.BOOT_SOURCE_TARGET_HDD, self.target())
        self.assertEqual(sushy.BOOT_SOURCE_ENABLED_CONTINUOUS,
                         self.bmc.boot['enabled'])
        self.assertTrue(self.state().ended_at)
        self.assertTrue(self.state().disk_seen)

    def test_a_boot_for_once_is_the_boot_device_once(self):
        self.deploy(ext_boot_mode='once')
        self.assertEqual({'target': sushy.BOOT_SOURCE_TARGET_CD,
                          'enabled': sushy.BOOT_SOURCE_ENABLED_ONCE},
                         self.bmc.boot)

    def test_a_bmc_that_loses_it_can_have_it_until_the_end(self):
        self.config(once_boot_device='persistent', group='ext_boot')
        self.deploy(ext_boot_mode='once')
        self.assertEqual(sushy.BOOT_SOURCE_ENABLED_CONTINUOUS,
                         self.bmc.boot['enabled'])
        self.node.driver_info = {**self.node.driver_info,
                                 'once_boot_device': 'once'}
        self.store()
        self.deploy()
        self.assertEqual(sushy.BOOT_SOURCE_ENABLED_ONCE,
                         self.bmc.boot['enabled'])

    def generation(self):
        return boot_state.generation(self.node.driver_internal_info)

    def test_each_deployment_and_each_end_ends_the_tokens_of_before(self):
        known = [0]

        def assertNewer():
            self.node.refresh()
            self.assertGreater(self.generation(), known[-1])
            known.append(self.generation())

        self.deploy(ext_boot_mode='once')
        assertNewer()
        self.assertEqual(self.generation(), self.state().begun)
        self.say(**DONE)
        self.periodic()
        assertNewer()
        self.assertEqual(known[1], self.state().begun)
        # What is done once is not an end every few seconds.
        self.periodic()
        self.assertEqual(known[-1], self.generation())
        # Rebuilt, torn down.
        self.deploy(ext_boot_completed_at=None)
        assertNewer()
        self.be(states.DELETING)
        self.call('clean_up_instance')
        assertNewer()
        self.assertNotIn(boot_state.KEY, self.node.driver_internal_info)

    def test_a_rescue_ends_what_is_for_once_and_nothing_else(self):
        for mode, ends in (('once', True), ('forever', False)):
            self.deploy(ext_boot_mode=mode)
            begun = self.generation()
            self.be(states.UNRESCUING)
            self.call('prepare_instance')
            self.assertEqual(ends, self.generation() > begun, mode)

    def test_another_word_for_that_is_refused(self):
        self.node.driver_info = {**self.node.driver_info,
                                 'once_boot_device': 'always'}
        self.store()
        self.assertIn('once_boot_device', self.failure(
            exception.InvalidParameterValue, 'validate'))

    def test_always_persistent_and_once_are_refused(self):
        self.node.driver_info = {**self.node.driver_info,
                                 'force_persistent_boot_device': 'Always'}
        self.say(ext_boot_mode='once')
        self.assertIn('force_persistent_boot_device', self.failure(
            exception.InvalidParameterValue, 'validate'))
        self.say(ext_boot_mode='forever')
        self.call('validate')

    def test_a_config_that_installs_is_for_once(self):
        self.deploy(boot_config=KICKSTART)
        self.assertEqual('once', self.state().mode)
        self.assertEqual(sushy.BOOT_SOURCE_ENABLED_ONCE,
                         self.bmc.boot['enabled'])

    def test_a_boot_device_that_the_bmc_does_not_take_fails_the_deploy(self):
        def ignore(task, device, persistent=False):
            self.bmc.boot = {'target': sushy.BOOT_SOURCE_TARGET_PXE}

        self.boot_device.side_effect = ignore
        self.be(states.DEPLOYING)
        self.assertIn('shows "pxe"', self.failure(
            exception.IronicException, 'prepare_instance'))
        self.assertClean()

    def test_after_the_report_the_disk_is_next_and_the_medium_stays(self):
        self.deploy(ext_boot_mode='once')
        self.node.power_state = states.POWER_ON
        self.say(**DONE)
        self.periodic()
        self.assertEqual(sushy.BOOT_SOURCE_TARGET_HDD, self.target())
        self.assertTrue(self.state().disk_at)
        self.assertFalse(self.state().ended_at)
        self.assertEqual(1, len(self.bmc.inserted))

    def test_a_machine_that_is_off_loses_its_medium(self):
        self.deploy(ext_boot_mode='once')
        self.node.power_state = states.POWER_OFF
        self.say(**DONE)
        self.periodic()
        self.assertEnded()

    def test_the_medium_goes_at_the_next_power_action(self):
        self.deploy(ext_boot_mode='once')
        self.node.power_state = states.POWER_ON
        self.say(**DONE)
        self.periodic()
        self.call('restarts')
        self.assertEnded()

    def test_a_power_action_before_the_periodic_task_does_all_of_it(self):
        self.deploy(ext_boot_mode='once')
        self.node.power_state = states.POWER_ON
        self.say(**DONE)
        self.call('restarts')
        self.assertEnded()

    def test_a_power_action_amid_a_boot_changes_nothing(self):
        self.deploy(ext_boot_mode='once')
        self.call('restarts')
        self.assertEqual(1, len(self.bmc.inserted))
        self.assertIsNone(self.state().cause)

    def test_what_was_ejected_already_is_not_waited_for(self):
        self.deploy(ext_boot_mode='once')
        self.node.power_state = states.POWER_ON
        self.say(**DONE)
        self.periodic()
        self.assertFalse(self.state().ended_at)
        # A conductor that died then has put no more on record.
        with self.task() as task:
            boot_medium.withdraw(task)
        self.node.refresh()
        self.periodic()
        self.assertEnded()

    def test_the_medium_goes_after_a_while_in_any_case(self):
        self.deploy(ext_boot_mode='once')
        self.node.power_state = states.POWER_ON
        self.say(**DONE)
        self.periodic()
        state = self.node.driver_internal_info[boot_state.KEY]
        self.node.set_driver_internal_info(boot_state.KEY, {
            **state, 'asked_at': time.time() - 3601})
        self.store()
        self.periodic()
        self.assertEnded()

    def test_without_an_iso_it_boots_from_its_disk_at_once(self):
        self.deploy()
        self.node.power_state = states.POWER_ON
        self.say(boot_iso=None)
        self.periodic()
        self.assertEnded()

    def test_an_end_that_the_bmc_refuses_is_tried_again(self):
        self.deploy(ext_boot_mode='once')
        self.node.power_state = states.POWER_OFF
        self.say(**DONE)
        self.bmc.slots[0].stuck = True
        with self.assertLogs('ironic_ext', 'WARNING') as logs:
            self.periodic()
        self.assertIn('eject it by hand', ''.join(logs.output))
        self.assertTrue(self.state().disk_at)
        self.assertFalse(self.state().ended_at)
        self.bmc.slots[0].stuck = False
        self.periodic()
        self.assertEnded()

    def test_a_disk_that_does_not_become_the_boot_device_is_no_end(self):
        self.deploy(ext_boot_mode='once')
        self.node.power_state = states.POWER_OFF
        self.say(**DONE)
        self.boot_device.side_effect = None
        with self.assertLogs('ironic_ext', 'WARNING') as logs:
            self.periodic()
        self.assertIn('shows "cdrom"', ''.join(logs.output))
        self.assertEqual(1, len(self.bmc.inserted))
        self.assertFalse(self.state().disk_at)

    def test_somebody_elses_medium_stays(self):
        self.deploy(ext_boot_mode='once')
        other = base.fake_bmc.Slot('2')
        other.put('http://x/data.iso')
        self.bmc.slots.append(other)
        self.node.power_state = states.POWER_OFF
        self.say(**DONE)
        self.periodic()
        self.assertEqual(['http://x/data.iso'], self.bmc.inserted)

    def test_a_takeover_does_not_begin_again_what_is_over(self):
        self.deploy(ext_boot_mode='once')
        self.say(**DONE)
        self.periodic()
        self.call('restarts')
        self.call('prepare_instance')
        self.assertEnded()

    def test_an_installer_does_not_run_again_after_a_rescue(self):
        self.deploy(ext_boot_mode='once')
        with self.task() as task:
            boot_medium.withdraw(task)
        self.node.refresh()
        self.bmc.boot = {'target': sushy.BOOT_SOURCE_TARGET_CD}
        self.be(states.UNRESCUING)
        self.call('prepare_instance')
        self.assertEnded()

    def interrupt(self, state=states.RESCUING):
        """Have Ironic make room for an agent, and end that."""
        self.be(state)
        self.call('clean_up_instance')
        self.assertClean()
        self.bmc.boot = {'target': sushy.BOOT_SOURCE_TARGET_CD}
        self.be(states.UNRESCUING if state == states.RESCUING else state)
        self.call('prepare_instance')
        self.be(states.ACTIVE)

    def test_what_is_for_once_is_over_after_an_agent(self):
        for state in (states.RESCUING, states.SERVICING):
            # By its config: nothing else says that it is for once.
            self.deploy(boot_config=KICKSTART, boot_unattended=False)
            self.interrupt(state)
            self.assertEnded()

    def test_what_has_ended_does_not_begin_again_after_an_agent(self):
        self.deploy(ext_boot_mode='forever')
        with self.task() as task:
            task.driver.boot.end_boot(task, boot_state.Cause.EJECT)
        self.node.refresh()
        self.interrupt()
        self.assertEnded()
        self.assertIs(boot_state.Cause.EJECT, self.state().cause)

    def test_what_is_for_ever_boots_again_after_an_agent(self):
        self.deploy(ext_boot_mode='forever')
        begun = self.state()
        self.interrupt()
        self.assertEqual(begun, self.state())
        self.assertEqual(1, len(self.bmc.inserted))
        self.assertEqual(sushy.BOOT_SOURCE_ENABLED_CONTINUOUS,
                         self.bmc.boot['enabled'])

    def test_an_iso_that_is_taken_away_meanwhile_does_not_boot(self):
        self.deploy(ext_boot_mode='forever')
        self.be(states.RESCUING)
        self.call('clean_up_instance')
        self.say(boot_iso=None)
        self.be(states.UNRESCUING)
        self.call('prepare_instance')
        self.assertEnded()

    def test_a_takeover_leaves_alone_what_boots_from_its_disk(self):
        self.deploy()
        data = base.fake_bmc.Slot('2')
        data.put('http://x/data.iso')
        self.bmc.slots.append(data)
        self.say(boot_iso=None)
        self.periodic()
        self.call('prepare_instance')
        self.assertEqual(['http://x/data.iso'], self.bmc.inserted)

    def test_a_rebuild_begins_anew(self):
        self.deploy(ext_boot_mode='once')
        self.say(**DONE)
        self.periodic()
        self.call('restarts')
        self.deploy()
        self.assertIsNone(self.state().cause)
        self.assertNotIn('ext_boot_completed_at', self.node.instance_info)
        self.assertEqual(1, len(self.bmc.inserted))

    def test_undeploying_forgets_it(self):
        self.deploy(ext_boot_mode='once')
        self.be(states.DELETING)
        self.call('clean_up_instance')
        self.assertNotIn(boot_state.KEY, self.node.driver_internal_info)

    def test_nodes_that_boot_no_iso_are_not_looked_at(self):
        self.node.instance_info = {'image_source': 'x'}
        self.be(states.ACTIVE)
        self.periodic()
        self.assertEqual({}, self.bmc.boot)

    def test_an_eject_ends_any_boot_at_once(self):
        for mode in ('once', 'forever'):
            self.deploy(ext_boot_mode=mode)
            self.node.power_state = states.POWER_ON
            self.store()
            self.call('end_boot', boot_state.Cause.EJECT)
            self.assertEnded()

    def test_an_eject_needs_no_disk(self):
        self.deploy()
        taken = self.boot_device.side_effect
        self.boot_device.side_effect = refused = exception.RedfishError(
            error='there is no Hdd')
        failure = self.failure(exception.IronicException, 'end_boot',
                               boot_state.Cause.EJECT)
        self.assertIn('is ejected, but', failure)
        self.assertIn('there is no Hdd', failure)
        self.assertClean()
        self.assertEqual((True, 0), (bool(self.state().ended_at),
                                     self.state().disk_at))
        # Nothing else ends without the disk.
        self.boot_device.side_effect = taken
        self.deploy()
        self.boot_device.side_effect = refused
        self.failure(exception.RedfishError, 'end_boot',
                     boot_state.Cause.LOCAL_BOOT)
        self.assertFalse(self.state().ended_at)
        self.assertNotEqual([], self.records())

    def test_what_cannot_be_ejected_is_said(self):
        self.deploy()
        self.bmc.slots[0].stuck = True
        self.assertIn('eject it by hand', self.failure(
            drives.MediaError, 'end_boot', boot_state.Cause.EJECT))
        self.boot_device.assert_called_with(
            base.unittest.mock.ANY, boot_devices.DISK, persistent=True)
