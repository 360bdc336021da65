# SPDX-License-Identifier: Apache-2.0

"""Tests for the boot interface iso-sanboot: nodes that are active."""

import os
import unittest.mock

from ironic.common import exception
from ironic.common import states
from ironic.conductor import base_manager

from ironic_ext.drivers.boot import end
from ironic_ext import san
from tests.unit.drivers.boot import sanboot_base

DONE = {'ext_boot_mode': 'once',
        'ext_boot_completed_at': '2026-01-01T00:00:00Z'}
LOCAL = '#!ipxe\necho node-7 boots from its disk\nexit 0\n'


class ActiveTestCase(sanboot_base.SanbootTestCase):
    """Takeover, adoption, and the end of booting."""

    def setUp(self):
        super().setUp()
        self.deploy()

    def manager(self, *here):
        """A conductor that has these nodes."""
        def iter_nodes(fields=(), filters=None):
            self.node.refresh()
            return [(uuid, self.node.driver, '',
                     *(getattr(self.node, field) for field in fields))
                    for uuid in here]

        return unittest.mock.Mock(spec=base_manager.BaseConductorManager,
                                  iter_nodes=iter_nodes)

    def periodic(self, name, *here):
        with self.task() as task:
            boot = task.driver.boot
        getattr(boot, name)(self.manager(*here), self.context)
        self.node.refresh()

    def act(self, name):
        self.periodic(name, self.node.uuid)

    def test_a_takeover_of_what_is_there_changes_nothing(self):
        before = self.script_path.stat()
        self.call('prepare_instance')
        self.assertEqual(before.st_ino, self.script_path.stat().st_ino)
        self.assertEqual(1, self.targets.rebuilds)
        self.network_boot.assert_not_called()

    def test_a_takeover_by_another_host_makes_all_anew(self):
        self.script_path.unlink()
        self.targets.held.clear()
        self.call('prepare_instance')
        self.assertIn('sanboot iscsi:', self.script())
        self.assertEqual({self.owner()}, self.targets.owners())
        self.network_boot.assert_not_called()

    def test_a_target_that_lost_its_file_is_made_anew(self):
        self.targets.states[self.owner()] = 'lost'
        before = len(self.targets.held[self.owner()])
        self.call('prepare_instance')
        self.assertEqual(before + 1, len(self.targets.held[self.owner()]))

    def test_a_takeover_that_fails_leaves_the_machine_alone(self):
        self.script_path.unlink()
        self.targets.failure = san.TargetDaemonError('tgtd is down')
        with self.assertLogs('ironic_ext', 'WARNING') as logs:
            self.call('prepare_instance')
        self.assertIn('tgtd is down', ''.join(logs.output))

    def test_a_file_survives_a_takeover(self):
        self.be(states.DEPLOYING)
        self.say(sanboot_transport='http')
        self.deploy()
        (before,) = self.published()
        self.call('prepare_instance')
        self.assertEqual([before], self.published())
        before.unlink()
        self.call('prepare_instance')
        (after,) = self.published()
        self.assertIn(after.name, self.script())
        self.assertEqual(1, len(self.records()))

    def test_the_installed_system_leaves_ipxe(self):
        self.say(**DONE)
        self.act('_end_boots')
        self.assertEqual(LOCAL, self.script())
        self.assertEqual({}, self.targets.held)
        self.call('clean_up_instance')
        self.assertNothingLeft()

    def test_a_boot_device_that_was_not_seen_is_not_on_record(self):
        self.say(**DONE)
        self.act('_end_boots')
        state = self.node.driver_internal_info['ext_boot']
        self.assertTrue(state['ended_at'])
        self.assertFalse(state['disk_at'])
        self.assertFalse(state['disk_seen'])

    def test_an_end_that_was_not_put_on_record_is_tried_again(self):
        self.say(**DONE)
        with unittest.mock.patch.object(
                end, 'close', side_effect=exception.IronicException('gone')):
            self.act('_end_boots')
        self.act('_end_boots')
        self.assertTrue(
            self.node.driver_internal_info['ext_boot']['ended_at'])
        self.assertTrue(self.record()['done'])

    def test_what_was_installed_stays_so_after_a_rescue(self):
        self.say(**DONE)
        self.act('_end_boots')
        # Where the agent's own is meanwhile.
        self.script_path.write_text('#!ipxe\nkernel agent\n')
        self.be(states.UNRESCUING)
        self.call('prepare_instance')
        self.assertEqual(LOCAL, self.script())

    def test_an_installer_does_not_run_again_after_an_agent(self):
        for state in (states.RESCUING, states.SERVICING):
            self.be(states.DEPLOYING)
            self.say(ext_boot_mode='once')
            self.call('prepare_instance')
            self.say(ext_boot_mode=None)
            self.be(state)
            self.call('clean_up_instance')
            self.assertNothingLeft()
            self.call('prepare_instance')
            self.assertEqual(LOCAL, self.script(), state)

    def test_an_iso_that_is_taken_away_meanwhile_does_not_boot(self):
        self.be(states.RESCUING)
        self.call('clean_up_instance')
        self.say(boot_iso=None)
        self.be(states.UNRESCUING)
        self.call('prepare_instance')
        self.assertEqual(LOCAL, self.script())

    def test_ipxe_starts_the_disk_where_the_bios_does_not(self):
        self.node.properties = {'local_boot': 'sanboot'}
        self.say(**DONE)
        self.call('validate')
        self.act('_end_boots')
        self.assertIn('efi && exit 0 || sanboot --no-describe --drive 0x80',
                      self.script())
        self.node.properties = {'local_boot': 'disk'}
        self.store()
        self.assertIn('set exit or sanboot', self.failure(
            exception.InvalidParameterValue, 'validate'))

    def test_to_boot_forever_does_not_end(self):
        self.say(**{**DONE, 'ext_boot_mode': 'forever'})
        self.act('_end_boots')
        self.assertIn('sanboot', self.script())

    def test_what_is_no_longer_assigned_leaves_ipxe(self):
        self.say(boot_iso=None)
        self.act('_end_boots')
        self.assertEqual(LOCAL, self.script())
        self.assertEqual({}, self.targets.held)

    def test_a_takeover_of_an_installed_system_boots_nothing(self):
        self.say(**DONE)
        self.script_path.unlink()
        self.call('prepare_instance')
        self.assertEqual(LOCAL, self.script())

    def test_the_script_goes_before_what_it_names(self):
        self.say(**DONE)
        self.targets.failure = san.TargetDaemonError('tgtd is down')
        self.act('_end_boots')
        self.assertEqual(LOCAL, self.script())
        self.assertFalse(self.record()['done'])
        self.targets.failure = None
        self.act('_end_boots')
        self.assertTrue(self.record()['done'])
        self.assertEqual({}, self.targets.held)

    def test_an_adopted_node_gets_its_boot(self):
        self.call('clean_up_instance')
        self.assertNothingLeft()
        self.act('_adopt')
        self.assertIn('sanboot', self.script())
        self.network_boot.assert_not_called()

    def test_an_adoption_that_failed_is_tried_again(self):
        self.call('clean_up_instance')
        self.targets.failure = san.TargetDaemonError('tgtd is down')
        self.act('_adopt')
        self.assertFalse(self.script_path.exists())
        self.targets.failure = None
        self.act('_adopt')
        self.assertIn('sanboot', self.script())

    def test_an_active_node_that_boots_no_iso_is_left_alone(self):
        self.call('clean_up_instance')
        self.node.deploy_interface = 'direct'
        self.store()
        self.act('_adopt')
        self.assertNothingLeft()

    def test_targets_of_nodes_that_need_none_go(self):
        other = 'node:6f1b2a30-0000-4000-8000-000000000002'
        self.targets.held[other] = ['sha256:1']
        self.periodic('_look_after_targets', self.node.uuid)
        self.assertEqual({self.owner()}, self.targets.owners())
        self.assertEqual(1, self.targets.rebuilds)

    def test_targets_that_have_no_owner_left_are_looked_after(self):
        self.targets.held.clear()
        self.periodic('_look_after_targets', self.node.uuid)
        self.assertEqual(1, self.targets.rebuilds)

    def test_targets_of_a_node_that_went_to_another_host_go(self):
        info = dict(self.node.driver_internal_info)
        info['ext_sanboot'] = {**info['ext_sanboot'], 'host': 'elsewhere'}
        self.node.driver_internal_info = info
        self.store()
        # This conductor is to have it, and has not taken it over yet.
        self.periodic('_look_after_targets', self.node.uuid)
        self.assertEqual({self.owner()}, self.targets.owners())
        self.periodic('_look_after_targets')
        self.assertEqual(set(), self.targets.owners())

    def test_targets_of_a_locked_node_are_left(self):
        info = dict(self.node.driver_internal_info)
        info.pop('ext_sanboot')
        self.node.driver_internal_info = info
        self.store()
        with self.task() as task:
            task.driver.boot._look_after_targets(self.manager(),
                                                 self.context)
        self.assertEqual({self.owner()}, self.targets.owners())
        self.periodic('_look_after_targets')
        self.assertEqual(set(), self.targets.owners())

    def test_a_machine_that_reads_its_script_gets_the_whole_of_it(self):
        seen = []
        rename = os.rename

        def watched(source, target):
            seen.append(self.script_path.read_text())
            rename(source, target)

        self.say(**DONE)
        self.replace(os, 'rename', watched)
        self.act('_end_boots')
        self.assertIn('sanboot', seen[0])
