# SPDX-License-Identifier: Apache-2.0

"""Data images that fail, are refused or must not be shown to everybody."""

import contextlib
import dataclasses
import json
import logging
import unittest.mock

from ironic.common import exception
from ironic.common import states
from ironic import objects
import sushy

from ironic_ext.data_image import record as records
from ironic_ext.drivers.bmc import insertion
from ironic_ext.drivers.data_image import requests as data_image_requests
from ironic_ext.drivers.data_image import source as data_image_source
from ironic_ext.drivers.data_image import worker as data_images
from ironic_ext.drivers import ironic_patches
from ironic_ext.images import errors as images
from tests.unit.drivers.data_image import base
from tests.unit.drivers import fake_bmc

ATTACHED = records.Phase.ATTACHED
FAILED = records.Phase.FAILED
WAITING = records.Phase.WAITING
DETACHED = records.Phase.DETACHED


class FailureTestCase(base.DataImageTestCase):

    def assertFails(self, words, **spec):
        status = self.attach(**spec)
        self.assertPhase(FAILED, status)
        self.assertIn(words, status['error']['message'])
        self.assertIsNotNone(status['next_attempt'])
        return status

    def test_what_is_not_an_iso_is_told_and_not_published(self):
        self.iso.write_bytes(b'x' * 100000)
        self.assertFails('is not an ISO 9660 image')
        self.assertEqual(([], []), (self.published(), self.bmc.calls))

    def test_a_wrong_checksum_is_told_and_nothing_published(self):
        self.assertFails('was asked for', checksum='sha256:' + 'a' * 64)
        self.assertEqual(([], []), (self.published(), self.bmc.calls))

    def test_a_missing_image_is_told(self):
        self.iso.unlink()
        self.assertFails('data.iso')

    def test_an_image_that_changes_under_way_is_not_left_published(self):
        changed = images.ImageChangedError('it was changed')
        fetched = data_image_source.fetched

        @contextlib.contextmanager
        def changing(task, spec):
            with fetched(task, spec) as found:
                yield dataclasses.replace(
                    found, require_unchanged=unittest.mock.Mock(
                        side_effect=changed))

        with unittest.mock.patch.object(data_image_source, 'fetched',
                                        changing):
            self.assertFails('it was changed')
        self.assertEqual(([], []), (self.published(), self.bmc.calls))
        self.assertIsNone(self.record().medium)
        self.assertPhase(ATTACHED, self.run_once())

    def test_the_image_before_stays_until_the_new_one_is_here(self):
        self.attach()
        before = self.bmc.inserted
        status = self.assertFails('missing.iso',
                                  url=f'file://{self.images}/missing.iso')
        self.assertEqual(before, self.bmc.inserted)
        self.assertEqual(1, len(self.published()))
        self.assertEqual(f'file://{self.iso}',
                         status['attached_image']['url'])
        self.write(self.images / 'missing.iso', new=b'2')
        self.assertPhase(ATTACHED, self.run_once())
        self.assertNotEqual(before, self.bmc.inserted)

    def test_a_fetch_that_fails_unforeseen_backs_off_as_well(self):
        with unittest.mock.patch.object(
                data_image_source, 'fetched',
                unittest.mock.Mock(side_effect=KeyError('oops'))):
            self.assertFails('oops')

    def test_accepted_without_effect_is_a_failure(self):
        self.bmc.slots[0].deaf = True
        status = self.assertFails('accepted the request')
        self.assertIsNone(status['attached_image'])

    def test_what_the_bmc_says_reaches_the_status_without_secrets(self):
        self.bmc.slots[0].failures = [
            fake_bmc.http_error(400, f'bad {base.BOOT_URL}')] * 2
        status = self.assertFails('bad http')
        self.assertNotIn('SECRET', status['error']['message'])

    def test_failures_count_and_the_waits_grow(self):
        self.bmc.slots[0].deaf = True
        delays = []
        self.ask()
        for count in range(1, 6):
            self.run_once()
            record = self.record()
            self.assertEqual(count, record.status.errors)
            delays.append(record.status.next_attempt
                          - record.status.last_reconciled)
        for count, delay in enumerate(delays):
            self.assertLessEqual(delay, 30 * 2 ** count + 1)
            self.assertGreaterEqual(delay, 15 * 2 ** count - 1)

    def test_a_success_clears_the_error(self):
        self.bmc.slots[0].deaf = True
        self.assertFails('accepted')
        self.bmc.slots[0].deaf = False
        status = self.run_once()
        self.assertPhase(ATTACHED, status)
        self.assertEqual({'count': 0, 'message': ''}, status['error'])

    def test_a_retry_does_not_publish_twice(self):
        self.bmc.slots[0].deaf = True
        self.assertFails('accepted')
        first = self.published()
        self.run_once()
        self.assertEqual(first, self.published())

    def test_what_nobody_thought_of_backs_off_as_well(self):
        self.replace(insertion, 'put',
                     unittest.mock.Mock(side_effect=KeyError('oops')))
        status = self.assertFails('oops')
        self.assertEqual(1, status['error']['count'])

    def test_the_node_has_no_last_error_but_a_history(self):
        self.bmc.slots[0].deaf = True
        self.assertFails('accepted')
        self.run_once()
        self.assertIsNone(self.node.last_error)
        events = [entry.event for entry in objects.NodeHistory.list_by_node_id(
            self.context, self.node.id)]
        self.assertEqual(
            1, len([event for event in events if 'failed' in event]))

    def test_a_conductor_that_dies_under_way_leaves_a_trace(self):
        def die(*args):
            # The file is written: the record must know of it.
            self.assertEqual(1, len(self.published()))
            self.node.refresh()
            medium = self.record().medium
            self.assertIn(medium.id, self.published()[0].name)
            raise SystemExit

        self.ask()
        with unittest.mock.patch.object(insertion, 'put', die):
            with self.task(shared=True) as task:
                self.assertRaises(SystemExit, data_images.run, task)
        self.node.refresh()
        self.assertPhase(ATTACHED, self.run_once())
        self.assertEqual(1, len(self.published()))

    def test_a_node_in_maintenance_is_left_alone(self):
        self.attach()
        self.node.maintenance = True
        self.store()
        self.bmc.slots[0].put(None)
        self.run_once()
        self.assertEqual([], self.bmc.inserted)

    def test_but_does_what_it_is_asked_for(self):
        self.node.maintenance = True
        self.store()
        self.attach()
        self.assertPhase(ATTACHED)


class RequestTestCase(base.DataImageTestCase):

    def refuse(self, kind, **spec):
        with self.task() as task:
            error = self.assertRaises(kind, data_image_requests.attach, task,
                                      self.wish(**spec))
        self.node.refresh()
        self.assertIsNone(self.record())
        return str(error)

    def test_it_is_taken_where_nothing_else_goes_on(self):
        for state in (states.ACTIVE, states.MANAGEABLE, states.AVAILABLE):
            self.be(state)
            self.assertEqual('pending', self.ask()['status']['phase'])

    def test_in_between_it_is_a_conflict_with_a_reason(self):
        for state in (states.DEPLOYING, states.DEPLOYWAIT, states.CLEANWAIT,
                      states.RESCUE, states.ENROLL):
            self.be(state)
            message = self.refuse(exception.InvalidState)
            self.assertIn(f'while it is {state}', message)
            self.assertIn('wait until', message)
        self.assertEqual(409, exception.InvalidState.code)

    def test_detaching_in_between_is_one_too(self):
        self.attach()
        self.be(states.DEPLOYING)
        with self.task() as task:
            self.assertRaises(exception.InvalidState,
                              data_image_requests.detach, task)

    def test_bad_input_is_told_at_once(self):
        for spec, words in (
                ({'url': 'gopher://h/x'}, 'none of the schemes'),
                ({'files': {'a': {'content': '#', 'encoding': 'base64'}}},
                 'not base64'),
                ({'url': 'http://h/x', 'device': 'tape'}, 'cdrom, usb'),
                ({'files': {'a': 'x' * (17 << 20)}}, 'larger than')):
            self.assertIn(words, self.refuse(
                exception.InvalidParameterValue, **spec))

    def test_without_a_web_server_it_is_refused(self):
        self.config(http_url=None, group='deploy')
        self.assertIn('http_url', self.refuse(
            exception.InvalidParameterValue))

    def test_a_bmc_that_fetches_by_itself_needs_none(self):
        self.config(http_url=None, group='deploy')
        self.ask(url='http://h/data.iso', delivery='bmc')

    def test_the_history_says_what_was_asked_for(self):
        self.ask(url='http://h/data.iso?sig=TOP')
        event, = objects.NodeHistory.list_by_node_id(self.context,
                                                     self.node.id)
        self.assertEqual('Data image: http://h/data.iso is to be attached',
                         event.event)


class BmcDeliveryTestCase(base.DataImageTestCase):

    URL = 'https://images.example.com/data.iso?sig=TOP'

    def setUp(self):
        super().setUp()
        self.slot = self.bmc.slots[0]
        self.slot.verify_certificate = False
        self.options = []
        insert = self.slot.insert_media

        def watched(url, **options):
            self.options.append(options)
            insert(url, **options)

        self.slot.insert_media = watched

    def attach_by_bmc(self, **spec):
        return self.attach(url=self.URL, delivery='bmc', **spec)

    def test_the_bmc_gets_the_url_and_the_credentials(self):
        status = self.attach_by_bmc(username='me', password='hunter2')
        self.assertPhase(ATTACHED, status)
        self.assertEqual([self.URL], self.bmc.inserted)
        self.assertEqual(('me', 'hunter2'), (self.options[0]['username'],
                                             self.options[0]['password']))
        self.assertEqual([], self.published())

    def test_certificates_are_verified_unless_it_is_insecure(self):
        self.attach_by_bmc()
        self.assertIs(True, self.slot.verify_certificate)
        self.attach_by_bmc(insecure=True)
        self.assertIs(False, self.slot.verify_certificate)

    def test_a_bmc_that_cannot_verify_is_not_trusted_to(self):
        self.slot.verify_certificate = None
        status = self.attach_by_bmc()
        self.assertPhase(FAILED, status)
        self.assertIn('cannot be told to verify', status['error']['message'])
        self.assertEqual([], self.bmc.calls)
        self.assertPhase(ATTACHED, self.attach_by_bmc(insecure=True))

    def test_a_certificate_of_ones_own_is_given_to_the_slot(self):
        pem = ('-----BEGIN CERTIFICATE-----\nAA\n'
               '-----END CERTIFICATE-----\n')
        old = unittest.mock.Mock(certificate_string='OLD')
        self.slot.certificates = unittest.mock.Mock()
        self.slot.certificates.get_members.return_value = [old]
        self.attach_by_bmc(ca=pem)
        old.delete.assert_called_once_with()
        self.slot.certificates.create_member.assert_called_once_with(
            pem, sushy.CertificateType.PEM)

    def test_only_that_very_url_is_taken_for_ours(self):
        self.attach_by_bmc()
        self.slot.put('https://images.example.com/data.iso?sig=OTHER')
        self.assertPhase(WAITING, self.run_once())
        self.assertEqual(1, len(self.bmc.inserted))

    def test_it_goes_when_it_is_detached(self):
        self.attach_by_bmc()
        self.assertPhase(DETACHED, self.detach())
        self.assertEqual([], self.bmc.inserted)

    def test_a_password_in_what_the_bmc_says_is_not_repeated(self):
        self.slot.failures = [fake_bmc.http_error(
            400, f'hunter2 is wrong for {self.URL}')] * 2
        status = self.attach_by_bmc(username='me', password='hunter2')
        self.assertIn('*** is wrong', status['error']['message'])
        self.assertNotIn('TOP', status['error']['message'])


class RemovableTestCase(base.DataImageTestCase):
    """iDRAC takes nothing into it that does not end in ".img"."""

    def setUp(self):
        super().setUp()
        self.bmc.slots = [fake_bmc.Slot('RemovableDisk', [
            sushy.VIRTUAL_MEDIA_USBSTICK])]

    def test_its_image_ends_in_img_and_goes_whole(self):
        self.assertPhase(ATTACHED, self.attach(files={'a': 'one'}))
        iso, = [path for path in self.published() if path.suffix == '.iso']
        image, = [path for path in self.published() if path.suffix == '.img']
        self.assertTrue(iso.samefile(image))
        self.assertEqual(image.name, self.bmc.inserted[0].rpartition('/')[2])
        # It is known again, and left alone.
        calls = len(self.bmc.calls)
        self.assertPhase(ATTACHED, self.run_once())
        self.assertEqual(calls, len(self.bmc.calls))
        self.assertPhase(DETACHED, self.detach())
        self.assertEqual([], self.bmc.inserted)
        self.assertEqual([], self.published())


class SecretsTestCase(base.DataImageTestCase):

    def test_no_log_and_no_history_has_a_secret(self):
        ironic_patches.install()
        seen = []
        handler = logging.Handler(logging.DEBUG)
        handler.emit = lambda entry: seen.append(entry.getMessage())
        for name, logger in list(logging.root.manager.loggerDict.items()):
            if not (name.startswith(('ironic', 'sushy'))
                    and isinstance(logger, logging.Logger)):
                continue
            # The migrations of the test's database disable them.
            for key, value in (('disabled', False), ('propagate', False),
                               ('level', logging.DEBUG),
                               ('handlers', [handler])):
                patch = unittest.mock.patch.object(logger, key, value)
                patch.start()
                self.addCleanup(patch.stop)
            logger.manager._clear_cache()
        self.bmc.slots[0].verify_certificate = True
        self.attach(url='https://h/data.iso?sig=TOP', delivery='bmc',
                    username='me', password='hunter2')
        self.attach(files={'user-data': 'key: CONTENT'})
        self.bmc.slots[0].deaf = True
        self.detach()
        events = [entry.event for entry
                  in objects.NodeHistory.list_by_node_id(self.context,
                                                         self.node.id)]
        self.assertNotEqual([], [line for line in seen if 'Inserted' in line])
        name = self.published()[0].name if self.published() else 'x' * 50
        for text in (*seen, *events, json.dumps(self.status())):
            for secret in ('hunter2', 'TOP', 'CONTENT', name):
                self.assertNotIn(secret, text)
