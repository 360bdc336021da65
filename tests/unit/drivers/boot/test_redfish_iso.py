# SPDX-License-Identifier: Apache-2.0

"""Tests for the boot interface: a node's words to a medium in its drive."""

import json
import shutil
import unittest.mock

from ironic.common import boot_devices
from ironic.common import exception
from ironic.common import states
from ironic.drivers.modules.redfish import boot as redfish_boot
import sushy

from ironic_ext.drivers.bmc import drives
from ironic_ext.drivers.bmc import insertion
from ironic_ext.drivers.boot import instance
from ironic_ext.media import publish
from tests import fault_server
from tests.unit.drivers import base
from tests.unit.drivers import fake_bmc


class MediumTestCase(base.RedfishIsoTestCase):
    """What is made of the ISO."""

    def setUp(self):
        super().setUp()
        self.say(boot_iso=self.href)

    def test_the_machine_gets_the_iso_with_the_nodes_arguments(self):
        self.say(kernel_append_params='a=1 %default%',
                 ramdisk_kernel_arguments='b="x y"')
        self.config(kernel_append_params='nofb', group='redfish')
        self.call('prepare_instance')
        lines = self.arguments(self.medium())
        self.assertNotEqual([], lines)
        for line in lines:
            self.assertIn('a=1 nofb', line)
            self.assertIn('x y', line)

    def test_the_machine_gets_the_nodes_files_and_config_drive(self):
        self.say(boot_iso_files={'/etc/motd': 'hello'},
                 configdrive={'user_data': '#!/bin/sh'})
        self.call('prepare_instance')
        image = self.medium()
        self.assertEqual(b'hello', image.read_file('/etc/motd'))
        self.assertEqual(b'#!/bin/sh', image.read_file(
            '/openstack/latest/user_data'))
        self.assertEqual(
            {'uuid': self.node.uuid, 'name': 'node-7'},
            json.loads(image.read_file('/openstack/latest/meta_data.json')))

    def test_cloud_init_is_told_that_there_is_a_config_drive(self):
        self.say(configdrive={'user_data': '#!/bin/sh'})
        self.call('prepare_instance')
        for line in self.arguments(self.medium()):
            self.assertIn('ci.ds=ConfigDrive', line.split())

    def test_who_names_a_datasource_is_not_overruled(self):
        self.say(configdrive={'user_data': '#!/bin/sh'},
                 kernel_append_params='ds=nocloud')
        self.call('prepare_instance')
        for line in self.arguments(self.medium()):
            self.assertNotIn('ci.ds=ConfigDrive', line)

    def test_without_config_the_medium_is_the_iso_byte_for_byte(self):
        self.call('prepare_instance')
        self.medium()
        self.assertEqual(self.base.read_bytes(),
                         self.published()[0].read_bytes())

    def test_the_base_image_is_not_changed_and_not_linked(self):
        before = self.base.read_bytes()
        self.say(ramdisk_kernel_arguments='a=1')
        self.call('prepare_instance')
        self.assertEqual(before, self.base.read_bytes())
        self.assertEqual(1, self.published()[0].stat().st_nlink)


class IsolinuxTestCase(MediumTestCase):
    """The same for a machine that boots with BIOS from ISOLINUX."""

    kind = 'isolinux_bios'


class InstanceTestCase(base.RedfishIsoTestCase):

    def setUp(self):
        super().setUp()
        self.say(boot_iso=self.href)

    def test_the_machine_boots_from_it_for_good(self):
        self.call('prepare_instance')
        self.boot_device.assert_called_once_with(
            unittest.mock.ANY, boot_devices.CDROM, True)

    def test_the_web_server_of_the_node_is_used(self):
        self.node.driver_info = {**self.node.driver_info,
                                 'external_http_url': 'http://[2001:db8::1]'}
        self.store()
        self.call('prepare_instance')
        self.assertTrue(self.bmc.inserted[0].startswith(
            'http://[2001:db8::1]/ext-media/'))

    def test_what_is_on_record_does_not_give_the_url_away(self):
        self.call('prepare_instance')
        name = self.published()[0].name
        media_id, _dash, secret = name.removesuffix('.iso').partition('-')
        self.assertEqual([media_id], [r['id'] for r in self.records()])
        self.assertNotIn(secret, json.dumps(self.node.driver_internal_info))

    def test_clean_up_removes_medium_and_file(self):
        self.call('prepare_instance')
        self.call('clean_up_instance')
        self.assertClean()

    def test_a_second_try_replaces_what_the_first_left(self):
        self.call('prepare_instance')
        first = self.bmc.inserted
        self.say(ramdisk_kernel_arguments='second=1')
        self.call('prepare_instance')
        self.assertNotEqual(first, self.bmc.inserted)
        self.assertIn('second=1', self.arguments(self.medium())[0])
        self.assertEqual(1, len(self.records()))

    def test_clean_up_does_not_forget_why_a_deploy_failed(self):
        def power_off(task, *args, **kwargs):
            # As Ironic does for a machine that is off already.
            task.node.last_error = None
            task.node.save()

        self.power.side_effect = power_off
        self.node.last_error = 'the BMC said no'
        self.be(states.DEPLOYING)
        self.call('clean_up_ramdisk')
        self.call('clean_up_instance')
        self.assertEqual('the BMC said no', self.node.last_error)

    def test_another_operation_may_clear_an_old_error(self):
        self.node.last_error = 'the BMC said no'
        self.be(states.DELETING)
        with instance.keeping_last_error(self.node):
            self.node.last_error = None
        self.assertIsNone(self.node.last_error)

    def test_of_several_drives_the_first_boots(self):
        # "Cd" as a boot device may mean any drive with a medium in it.
        self.bmc.slots.append(fake_bmc.Slot('2'))
        first = self.bmc.slots[0]
        data = base.medium('d' * 32, mark='d' * 32, slot=first.path)
        self.replace(insertion.data_image_record, 'media',
                     lambda node: (data,))
        first.put(f'http://x/ext-media/{data.id}-SECRET.iso')
        self.call('prepare_instance')
        self.assertEqual([first.path], [row['slot']
                                        for row in self.records()])
        self.medium()

    def test_clean_up_leaves_somebody_elses_medium_alone(self):
        other = fake_bmc.Slot('2')
        other.put('http://x/data.iso')
        self.call('prepare_instance')
        self.bmc.slots.append(other)
        self.call('clean_up_instance')
        self.assertEqual(['http://x/data.iso'], self.bmc.inserted)
        self.assertEqual([], self.published())

    def test_a_failed_insertion_is_undone_and_says_why(self):
        self.bmc.slots[0].deaf = True
        message = self.failure(exception.InstanceDeployFailure,
                               'prepare_instance')
        self.assertIn('accepted the request', message)
        self.assertClean()
        self.boot_device.assert_not_called()

    def test_a_failure_to_set_the_boot_device_is_undone(self):
        self.boot_device.side_effect = exception.RedfishError(error='no')
        self.failure(exception.RedfishError, 'prepare_instance')
        self.assertClean()

    def test_a_failed_publication_is_undone_and_says_why(self):
        (self.folder / 'http').write_text('in the way')
        self.failure(exception.InstanceDeployFailure, 'prepare_instance')
        self.assertEqual([], self.records())

    def test_the_record_is_there_before_the_file(self):
        seen = []
        stock = publish.MediaStore.publish

        def watched(store, image, name, node):
            self.node.refresh()
            seen.append([row['id'] for row in self.records()] == [name.id])
            return stock(store, image, name, node)

        self.replace(publish.MediaStore, 'publish', watched)
        self.call('prepare_instance')
        self.assertEqual([True], seen)

    def test_clean_up_finds_what_a_killed_conductor_left(self):
        class Killed(BaseException):
            pass

        def kill(*args):
            raise Killed

        with unittest.mock.patch.object(insertion, 'insert', kill):
            self.assertRaises(Killed, self.call, 'prepare_instance')
        self.assertEqual(1, len(self.published()))
        self.call('clean_up_instance')
        self.assertClean()

    def test_files_go_even_when_the_bmc_does_not_answer(self):
        self.call('prepare_instance')
        with unittest.mock.patch.object(
                drives.redfish_utils, 'get_system',
                side_effect=sushy.exceptions.ConnectionError(
                    url='x', error='no route')):
            self.assertIn('no route', self.failure(
                drives.MediaError, 'clean_up_instance'))
        self.assertEqual([], self.published())
        self.assertEqual(1, len(self.records()))
        self.call('clean_up_instance')
        self.assertClean()

    def test_a_base_that_changes_meanwhile_is_no_base(self):
        stock = publish.MediaStore.publish

        def meddle(store, image, name, node):
            with open(self.base, 'ab') as file:
                file.write(b'x')
            return stock(store, image, name, node)

        self.replace(publish.MediaStore, 'publish', meddle)
        self.assertIn('changed', self.failure(
            exception.InstanceDeployFailure, 'prepare_instance'))
        self.assertClean()

    def test_an_iso_from_a_web_server_is_verified(self):
        with fault_server.serving() as web:
            web.add('/live.iso', self.base.read_bytes())
            self.say(boot_iso=web.url + '/live.iso',
                     boot_iso_checksum='sha256:' + '0' * 64)
            self.assertIn('was asked for', self.failure(
                exception.InstanceDeployFailure, 'prepare_instance'))
            self.assertClean()
            self.say(boot_iso_checksum=None)
            self.call('prepare_instance')
        self.medium()

    def test_a_node_without_boot_iso_boots_as_with_stock_ironic(self):
        self.node.instance_info = {}
        self.store()
        stock = self.replace(redfish_boot.RedfishVirtualMediaBoot,
                             'prepare_instance')
        self.call('prepare_instance')
        stock.assert_called_once()
        self.assertEqual([], self.bmc.calls)

    def test_a_config_drive_does_not_use_the_usb_slot(self):
        usb = fake_bmc.Slot('U', [sushy.VIRTUAL_MEDIA_USBSTICK])
        usb.put('http://x/stick.img')
        self.bmc.slots.append(usb)
        self.say(configdrive={'user_data': 'x'})
        self.call('prepare_instance')
        self.call('clean_up_instance')
        self.assertEqual([], usb.calls)


class TakeoverTestCase(base.RedfishIsoTestCase):

    def setUp(self):
        super().setUp()
        self.say(boot_iso=self.href)
        self.call('prepare_instance')
        self.be(states.ACTIVE)
        self.slot = self.bmc.slots[0]
        self.slot.calls.clear()
        self.boot_device.reset_mock()

    def assertUntouched(self):
        self.assertEqual([], self.bmc.calls)
        self.boot_device.assert_not_called()
        self.assertEqual(1, len(self.records()))

    def test_a_machine_with_its_medium_is_left_alone(self):
        self.call('prepare_instance')
        self.assertUntouched()

    def test_a_lost_medium_is_inserted_again_as_it_was(self):
        before = self.published()
        self.slot.put(None)
        self.call('prepare_instance')
        self.assertEqual(before, self.published())
        self.assertEqual([f'{base.HTTP_URL}/ext-media/{before[0].name}'],
                         self.bmc.inserted)
        self.boot_device.assert_called_once_with(
            unittest.mock.ANY, 'cdrom', True)

    def test_a_medium_of_somebody_else_is_not_pushed_out(self):
        self.slot.put('http://x/rescue.iso')
        self.call('prepare_instance')
        self.assertUntouched()

    def test_no_other_image_is_put_under_a_running_machine(self):
        self.slot.put(None)
        self.published()[0].unlink()
        self.call('prepare_instance')
        self.assertUntouched()

    def test_a_bmc_that_does_not_answer_is_no_reason_to_fail(self):
        self.replace(drives.redfish_utils, 'get_system',
                     unittest.mock.Mock(
                         side_effect=sushy.exceptions.ConnectionError(
                             url='x', error='no route')))
        self.call('prepare_instance')
        self.assertUntouched()

    def test_unrescuing_makes_a_fresh_medium(self):
        self.call('clean_up_instance')
        self.be(states.UNRESCUING)
        self.call('prepare_instance')
        self.medium()


class ValidateTestCase(base.RedfishIsoTestCase):

    def setUp(self):
        super().setUp()
        self.say(boot_iso=self.href)
        self.be(states.AVAILABLE)

    def assertRefused(self, *words, **info):
        if info:
            self.say(**info)
        message = self.failure(exception.InvalidParameterValue, 'validate')
        for word in words:
            self.assertIn(word, message)
        self.assertNotIn('/proc/', message)
        self.assertNotIn('\n', message)
        self.assertEqual([], self.bmc.calls)
        self.assertEqual([], self.published())

    def test_what_works_is_accepted(self):
        self.say(kernel_append_params='a=1', configdrive={'user_data': 'x'},
                 boot_iso_files={'a/b': {'content': 'AAAA',
                                         'encoding': 'base64'}})
        self.call('validate')

    def test_a_medium_that_is_to_stay_is_refused_before_a_deployment(self):
        slot, = self.bmc.slots
        slot.put('http://x/rescue.iso')
        # It is ejected.
        self.call('validate')
        self.config(foreign_media='refuse', group='ext_boot')
        self.assertRefused('"http://x/rescue.iso"', 'foreign_media')
        # What the node boots, and what Ironic's own interface left to it.
        self.be(states.ACTIVE)
        self.call('validate')
        self.be(states.AVAILABLE)
        slot.put(f'http://x/boot-{self.node.uuid}.iso')
        self.call('validate')

    def test_a_missing_image_is_refused(self):
        self.assertRefused('does not exist', boot_iso=self.href + 'x')

    def test_a_path_that_is_not_allowed_is_refused(self):
        self.assertRefused('file_url_allowed_paths',
                           boot_iso='file:///etc/passwd')

    def test_what_is_no_iso_is_refused(self):
        self.base.write_bytes(b'x' * 100000)
        self.assertRefused(self.href)

    def test_an_unreachable_server_is_refused(self):
        self.assertRefused('refused', boot_iso='http://127.0.0.1:9/a.iso')

    def test_a_remote_image_is_judged_by_its_start(self):
        with fault_server.serving() as web:
            web.add('/a.iso', b'no iso' * 10000)
            web.add('/b.iso', self.base.read_bytes())
            self.assertRefused('not an ISO', boot_iso=web.url + '/a.iso')
            self.say(boot_iso=web.url + '/b.iso')
            self.call('validate')
            self.assertEqual(['bytes=0-34815'] * 2, web.sent())

    def test_a_remote_image_in_the_cache_is_judged_wholly(self):
        plain = self.isos['plain_rr_joliet'].read_bytes()
        with fault_server.serving() as web:
            web.add('/a.iso', plain)
            self.say(boot_iso=web.url + '/a.iso')
            self.call('prepare_instance')
            self.call('clean_up_instance')
            self.bmc.slots[0].calls.clear()
            self.assertRefused('kernel arguments',
                               ramdisk_kernel_arguments='a=1')

    def test_arguments_for_an_iso_without_boot_loader_are_refused(self):
        shutil.copyfile(self.isos['plain_rr_joliet'], self.base)
        self.call('validate')
        self.assertRefused('kernel arguments', ramdisk_kernel_arguments='a')

    def test_arguments_that_would_not_arrive_are_refused(self):
        for text in ('a\nb', 'a\0b', 'a="b', 'a\rb'):
            for key in ('kernel_append_params', 'ramdisk_kernel_arguments'):
                with self.subTest(f'{key} {text!r}'):
                    self.node.instance_info = {'boot_iso': self.href}
                    self.assertRefused(f'instance_info/{key}',
                                       **{key: text})

    def test_files_that_cannot_be_are_refused(self):
        for files in ({'../x': 'a'}, {'a//b': 'a'}, {'a/': 'a'}, {'': 'a'},
                      {'a\nb': 'a'}, {'x': 5}, {'x': {'contents': 'a'}},
                      {'x': {'content': '%', 'encoding': 'base64'}}, ['x'],
                      {'x': 'a', '/x': 'b'}, {'x': 'a', 'x/y': 'b'}):
            with self.subTest(str(files)):
                self.assertRefused(boot_iso_files=files)

    def test_files_that_are_too_large_are_refused(self):
        self.config(max_file_size=1, group='ext_boot')
        self.assertRefused('max_file_size',
                           boot_iso_files={'x': 'a' * (1 << 20) + 'a'})

    def test_a_config_drive_that_does_not_decode_is_refused(self):
        self.assertRefused('config drive', configdrive='!')

    def test_a_malformed_checksum_is_refused(self):
        self.assertRefused('boot_iso_checksum', boot_iso_checksum='md5:12')

    def test_an_image_source_beside_it_is_refused(self):
        self.assertRefused('image_source', image_source='http://x/y')

    def test_a_machine_without_a_drive_is_refused(self):
        self.bmc.slots.clear()
        self.assertRefused('no virtual CD or DVD drive')

    def test_other_protocols_are_refused(self):
        self.node.driver_info = {**self.node.driver_info,
                                 'vmedia_transport_protocol': 'NFS'}
        self.store()
        self.assertRefused('vmedia_transport_protocol')

    def test_a_missing_web_server_is_refused(self):
        self.config(http_url=None, group='deploy')
        self.assertRefused('[deploy]http_url')
