# SPDX-License-Identifier: Apache-2.0

"""Tests for steps, passthru and Ironic's own API of virtual media."""

import dataclasses
import json
import unittest.mock

from ironic.api.controllers.v1 import node as api_node
from ironic.common import exception
from ironic.common import rpc
from ironic.common import states
from ironic.conductor import manager
from ironic.drivers import base as drivers_base
from ironic.drivers.modules import image_utils
from ironic import objects
from ironic.objects import notification
import oslo_messaging
import sushy

from ironic_ext.drivers.bmc import drives
from ironic_ext.drivers.data_image import reconciler
from ironic_ext.drivers import management
from ironic_ext.drivers.records import boot as boot_record
from ironic_ext.drivers.records import media as node_media
from ironic_ext.media import medium as media
from ironic_ext.node import boot_state
from tests.unit.drivers.data_image import base as data_image_base
from tests.unit.drivers import fake_bmc

URL = 'http://192.0.2.5/tool.iso?sig=TOP'


class StepsTestCase(data_image_base.DataImageTestCase):

    def setUp(self):
        super().setUp()
        self.be(states.SERVICING)

    def step(self, name, **arguments):
        with self.task() as task:
            try:
                return getattr(task.driver.management, name)(task,
                                                             **arguments)
            finally:
                self.node.refresh()

    def test_steps_attach_and_detach_in_between_states(self):
        self.step('attach_data_image', files={'a': 'b'}, label='cidata')
        self.assertEqual('attached', self.status()['phase'])
        self.step('detach_data_image')
        self.assertEqual(([], []), (self.bmc.inserted, self.published()))

    def test_detaching_nothing_is_no_error(self):
        self.step('detach_data_image')

    def test_a_failure_fails_the_step_with_its_reason(self):
        self.bmc.slots[0].deaf = True
        error = self.assertRaises(exception.InvalidState, self.step,
                                  'attach_data_image', files={'a': 'b'})
        self.assertIn('accepted the request', str(error))

    def test_no_free_slot_fails_the_step(self):
        self.boot_from(self.bmc.slots[0])
        error = self.assertRaises(exception.InvalidState, self.step,
                                  'attach_data_image', files={'a': 'b'})
        self.assertIn("boot image's", str(error))

    def test_bad_arguments_fail_the_step(self):
        self.assertRaises(exception.InvalidParameterValue, self.step,
                          'attach_data_image', label='x')

    def test_an_image_for_the_next_start_is_enough(self):
        self.step('attach_data_image', files={'a': 'b'}, apply='on_reboot')
        self.assertEqual('waiting', self.status()['phase'])

    def test_there_are_deploy_clean_and_service_steps(self):
        interface = management.RedfishExtManagement()
        for steps in (interface.deploy_steps, interface.clean_steps,
                      interface.service_steps):
            found = {step['step']: step for step in steps}
            for name in ('attach_data_image', 'detach_data_image'):
                self.assertEqual(0, found[name]['priority'])
            self.assertIn('url', found['attach_data_image']['argsinfo'])
            self.assertIn('delivery',
                          found['attach_data_image']['argsinfo'])


class DellTestCase(data_image_base.DataImageTestCase):

    driver = 'idrac-ext'

    def setUp(self):
        super().setUp()
        self.config(enabled_management_interfaces=[
            'idrac-redfish', 'idrac-redfish-ext', 'redfish'])
        self.node.management_interface = 'idrac-redfish-ext'
        self.store()
        self.bmc.slots = [fake_bmc.Slot('1'), fake_bmc.Slot('2')]

    def test_an_idrac_9_takes_images_in_any_slot(self):
        self.boot_from(self.bmc.slots[0])
        self.assertEqual('2', self.attach()['slot'])

    def test_an_idrac_10_takes_images_in_its_first_slot_only(self):
        self.bmc.managers = [self.bmc.manager]
        self.bmc.manager.model = '17G Monolithic'
        self.boot_from(self.bmc.slots[0])
        status = self.attach()
        self.assertEqual('waiting', status['phase'])
        self.assertEqual([], self.bmc.calls)

    def test_its_own_steps_are_still_there(self):
        steps = management.DracRedfishExtManagement().clean_steps
        self.assertLessEqual({'clear_job_queue', 'attach_data_image'},
                             {step['step'] for step in steps})


class PassthruTestCase(data_image_base.DataImageTestCase):

    def setUp(self):
        super().setUp()
        self.config(enabled_vendor_interfaces=['redfish-ext', 'no-vendor'])
        self.node.vendor_interface = 'redfish-ext'
        self.store()
        self.submit = self.replace(reconciler, 'submit')
        # No RPC is prepared for unit tests.
        self.replace(rpc, 'get_sensors_notifier')
        self.service = manager.ConductorManager('host', 'topic')

    def call(self, method, **info):
        answer = self.service.vendor_passthru(
            self.context, self.node.uuid, 'data_image', method, info)
        self.node.refresh()
        self.assertFalse(answer['async'])
        return answer['return']

    def test_it_is_on_record_when_the_answer_comes(self):
        resource = self.call('PUT', url=URL)
        self.assertEqual(1, resource['generation'])
        self.assertEqual('pending', resource['status']['phase'])
        self.assertEqual(URL, self.record().spec.url)
        self.submit.assert_called_once()
        self.assertIsNone(self.node.reservation)

    def test_post_does_as_put(self):
        self.assertEqual(1, self.call('POST', url=URL)['generation'])

    def test_get_shows_it_without_a_lock_on_the_node(self):
        self.call('PUT', url=URL)
        with self.task():
            self.assertEqual(1, self.call('GET')['generation'])

    def test_delete_records_that_it_is_to_go(self):
        self.call('PUT', url=URL)
        self.assertIsNone(self.call('DELETE')['spec'])
        self.assertEqual(2, self.submit.call_count)

    def test_no_answer_has_a_secret(self):
        for method, info in (('PUT', {'url': URL, 'username': 'me',
                                      'password': 'hunter2'}),
                             ('GET', {}), ('DELETE', {})):
            text = json.dumps(self.call(method, **info))
            self.assertNotIn('hunter2', text)
            self.assertNotIn('TOP', text)

    def test_bad_input_is_a_bad_request_and_not_on_record(self):
        error = self.assertRaises(oslo_messaging.ExpectedException, self.call,
                                  'PUT', urll=URL)
        self.assertIn('did you mean url', str(error.exc_info[1]))
        self.node.refresh()
        self.assertIsNone(self.record())

    def test_in_between_states_are_a_conflict(self):
        self.be(states.DEPLOYING)
        error = self.assertRaises(exception.InvalidState, self.call, 'PUT',
                                  url=URL)
        self.assertEqual(409, error.code)

    def test_what_is_refused_leaves_no_traceback_in_the_log(self):
        with unittest.mock.patch.object(drivers_base, 'LOG') as log:
            self.assertRaises(oslo_messaging.ExpectedException, self.call,
                              'PUT', urll=URL)
        log.exception.assert_not_called()

    def test_stock_methods_are_validated_as_ever(self):
        error = self.assertRaises(
            oslo_messaging.ExpectedException, self.service.vendor_passthru,
            self.context, self.node.uuid, 'delete_subscription', 'DELETE', {})
        self.assertIn('id', str(error.exc_info[1]))

    def test_with_another_management_interface_it_says_which_is_needed(self):
        self.node.management_interface = 'redfish'
        self.store()
        error = self.assertRaises(oslo_messaging.ExpectedException, self.call,
                                  'GET')
        self.assertIn('management interface redfish-ext',
                      str(error.exc_info[1]))


class ShownNodeTestCase(data_image_base.DataImageTestCase):
    """What the API and notifications show of a node with a data image."""

    def setUp(self):
        super().setUp()
        self.ask(url=URL, username='me', password='hunter2')

    def shown(self, show_password=False):
        """Return the node's field as GET /v1/nodes/{id} shows it."""
        node = {'uuid': self.node.uuid,
                'driver_internal_info': self.node.driver_internal_info}
        with (unittest.mock.patch.object(api_node, 'api_utils'),
              unittest.mock.patch.object(api_node,
                                         'hide_fields_in_newer_versions')):
            api_node.node_sanitize(
                node, None, cdict={'user': 'u'},
                show_driver_secrets=show_password,
                show_instance_secrets=False,
                evaluate_additional_policies=False)
        return json.dumps(node['driver_internal_info'])

    def test_secrets_are_masked_for_who_may_see_the_node(self):
        text = self.shown()
        self.assertIn('192.0.2.5/tool.iso', text)
        self.assertNotIn('hunter2', text)
        self.assertNotIn('TOP', text)

    def test_with_the_policy_show_password_they_are_shown(self):
        self.assertIn('hunter2', self.shown(show_password=True))

    def test_notifications_have_no_secret(self):
        payload = objects.node.NodeSetProvisionStatePayload(
            self.node, states.DEPLOYING, states.ACTIVE, 'done')
        notification.mask_secrets(payload)
        text = json.dumps(payload.driver_internal_info)
        self.assertIn('192.0.2.5/tool.iso', text)
        self.assertNotIn('hunter2', text)
        self.assertNotIn('TOP', text)


class VirtualMediaTestCase(data_image_base.DataImageTestCase):

    def setUp(self):
        super().setUp()
        self.bmc.slots = [fake_bmc.Slot('1'), fake_bmc.Slot('2'),
                          data_image_base.usb_slot()]
        self.cleanup = self.replace(image_utils, 'cleanup_remote_image')

    def act(self, method, *args):
        with self.task() as task:
            try:
                return getattr(task.driver.management, method)(task, *args)
            finally:
                self.node.refresh()

    def test_an_image_is_inserted_and_ejected(self):
        self.act('attach_virtual_media', 'cdrom', URL)
        self.assertEqual([URL], self.bmc.inserted)
        self.act('detach_virtual_media')
        self.assertEqual([], self.bmc.inserted)
        self.cleanup.assert_called_once_with(
            unittest.mock.ANY, f'cdrom-{self.node.uuid}.iso')
        self.assertNotIn('ext_virtual_media',
                         self.node.driver_internal_info)

    def test_it_goes_to_a_slot_of_its_type(self):
        self.act('attach_virtual_media', 'disk', URL)
        self.assertEqual(URL, self.bmc.slots[2].medium)

    def test_another_image_takes_its_place(self):
        self.act('attach_virtual_media', 'cdrom', URL)
        self.act('attach_virtual_media', 'cdrom', 'http://x/other.iso')
        self.assertEqual(['http://x/other.iso'], self.bmc.inserted)

    def test_no_image_takes_the_slot_of_boot_and_data_image(self):
        self.boot_from(self.bmc.slots[0])
        self.attach()
        self.assertEqual(2, len(self.bmc.inserted))
        error = self.assertRaises(
            drives.MediaError, self.act, 'attach_virtual_media',
            'cdrom', URL)
        self.assertIn(f'medium {data_image_base.BOOT_ID}', str(error))
        self.assertNotIn('SECRET', str(error))
        self.assertEqual(2, len(self.bmc.inserted))

    def test_when_nothing_else_is_left_the_data_image_goes(self):
        submit = self.replace(reconciler, 'submit')
        self.boot_from(self.bmc.slots[0])
        self.attach()
        self.act('attach_virtual_media', 'disk', URL)
        self.act('detach_virtual_media', ['floppy'])
        self.act('detach_virtual_media')
        submit.assert_not_called()
        self.act('detach_virtual_media')
        submit.assert_called_once()
        self.run_once()
        self.assertEqual([data_image_base.BOOT_URL], self.bmc.inserted)

    def test_only_the_type_that_is_named_is_ejected(self):
        self.act('attach_virtual_media', 'cdrom', URL)
        self.act('attach_virtual_media', 'disk', 'http://x/disk.img')
        self.act('detach_virtual_media', ['disk'])
        self.assertEqual([URL], self.bmc.inserted)

    def test_success_without_insertion_is_a_failure(self):
        for slot in self.bmc.slots:
            slot.deaf = True
        self.assertRaises(drives.MediaError, self.act,
                          'attach_virtual_media', 'cdrom', URL)

    def test_detaching_ends_a_boot_that_is_for_once(self):
        self.boot_from(self.bmc.slots[0])
        boot_record.save(self.node, boot_state.BootState('once'))
        self.act('detach_virtual_media')
        self.assertEqual([], self.bmc.inserted)
        self.assertEqual(sushy.BOOT_SOURCE_TARGET_HDD,
                         self.bmc.boot['target'])
        self.node.refresh()
        self.assertTrue(boot_record.load(self.node).ended_at)

    def test_detaching_leaves_an_agent_its_medium(self):
        self.boot_from(self.bmc.slots[0])
        medium, = node_media.load(self.node)
        node_media.save(self.node, dataclasses.replace(
            medium, purpose=media.Purpose.AGENT))
        boot_record.save(self.node, boot_state.BootState('once'))
        self.act('detach_virtual_media')
        self.assertEqual(1, len(self.bmc.inserted))

    def test_detaching_leaves_a_live_system_its_medium(self):
        self.boot_from(self.bmc.slots[0])
        self.act('detach_virtual_media')
        self.assertEqual(1, len(self.bmc.inserted))

    def test_detaching_takes_the_data_image_before_the_boot(self):
        self.boot_from(self.bmc.slots[0])
        boot_record.save(self.node, boot_state.BootState('once'))
        self.act('attach_virtual_media', 'cdrom', URL)
        self.act('detach_virtual_media')
        self.assertEqual(1, len(self.bmc.inserted))

    def test_what_is_shown_has_owners_and_no_secrets(self):
        self.boot_from(self.bmc.slots[0])
        self.act('attach_virtual_media', 'cdrom', URL)
        shown = self.act('get_virtual_media')
        self.assertEqual(
            [('1', False, 'boot image'), ('2', True, 'virtual media'),
             ('Usb', False, None)],
            [(slot['identity'], slot['inserted'], slot['owner'])
             for slot in shown])
        text = json.dumps(shown)
        self.assertIn('192.0.2.5/tool.iso', text)
        self.assertNotIn('TOP', text)
        self.assertNotIn('SECRET', text)

    def test_a_data_image_does_not_take_its_slot(self):
        self.bmc.slots = self.bmc.slots[:1]
        self.act('attach_virtual_media', 'cdrom', URL)
        self.attach()
        self.assertEqual('waiting', self.status()['phase'])

    def test_media_types_are_shown_as_redfish_names_them(self):
        types = [slot['media_types'] for slot
                 in self.act('get_virtual_media')]
        self.assertEqual([['CD'], ['CD'], ['Floppy', 'USBStick']], types)
        self.assertEqual('CD', sushy.VIRTUAL_MEDIA_CD.value)
