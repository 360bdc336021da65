# SPDX-License-Identifier: Apache-2.0

"""Tests for media that are inserted: what the BMC shows is believed."""

import logging
import unittest.mock

from ironic.common import states
import sushy
from sushy.resources.manager import virtual_media

from ironic_ext.drivers.bmc import drives
from ironic_ext.drivers.bmc import ejection
from ironic_ext.drivers.bmc import insertion
from ironic_ext.drivers import ironic_patches
from tests.unit.drivers import base
from tests.unit.drivers import fake_bmc

ID = '0123456789abcdef0123456789abcdef'
OTHER_ID = 'f' * 32
URL = f'http://192.0.2.1/ext-media/{ID}-SECRET.iso'
FOREIGN = 'http://user:hunter2@192.0.2.9/rescue.iso?token=TOP'


class InsertTestCase(base.DriverTestCase):

    def insert(self):
        with self.task() as task:
            return insertion.insert(task, URL, base.medium(ID))

    def refusal(self):
        return str(self.assertRaises(drives.MediaError, self.insert))

    def slots(self, *slots):
        self.bmc.slots = list(slots)
        return slots

    def test_the_image_is_inserted_and_its_slot_told(self):
        self.assertEqual(self.bmc.slots[0].path, self.insert())
        self.assertEqual([URL], self.bmc.inserted)

    def test_a_bmc_that_takes_its_time_is_waited_for(self):
        self.bmc.slots[0].slow = 5
        self.insert()
        self.assertEqual(1, len(self.bmc.calls))

    def test_an_accepted_request_without_effect_is_a_failure(self):
        self.bmc.slots[0].deaf = True
        message = self.refusal()
        self.assertIn('accepted', message)
        self.assertIn('shows no medium', message)

    def test_a_bmc_with_a_word_of_its_own_for_the_medium_is_believed(self):
        self.bmc.slots[0].nameless = True
        self.bmc.slots[0].name_shown = 'mymedia-read-only'
        self.insert()
        self.assertEqual(1, len(self.bmc.calls))

    def test_a_busy_bmc_is_asked_again(self):
        self.bmc.slots[0].failures = [fake_bmc.http_error(
            409, 'busy, try again later')] * 2
        self.insert()
        self.assertEqual([URL], self.bmc.inserted)
        self.assertEqual(3, len(self.bmc.calls))

    def test_a_server_error_is_tried_again(self):
        self.bmc.slots[0].failures = [fake_bmc.http_error(500)]
        self.insert()
        self.assertEqual([URL], self.bmc.inserted)
        self.assertEqual(2, len(self.bmc.calls))

    def test_a_lost_answer_is_not_taken_for_a_failure(self):
        slot = self.bmc.slots[0]
        slot.failures = [sushy.exceptions.ConnectionError(
            url='https://bmc', error='reset')]
        slot.works_but_fails = True
        self.insert()
        self.assertEqual(1, len(self.bmc.calls))

    def test_lasting_server_errors_end_with_what_the_bmc_said(self):
        self.bmc.slots[0].failures = [
            fake_bmc.http_error(503, f'busy with {URL}') for _n in range(9)]
        message = self.refusal()
        self.assertIn('busy', message)
        self.assertIn('4 attempts', message)
        self.assertNotIn('SECRET', message)
        self.assertEqual(4, len(self.bmc.calls))

    def test_missing_privileges_are_told_and_not_tried_again(self):
        self.bmc.slots[0].failures = [fake_bmc.http_error(403)]
        self.assertIn('privilege', self.refusal())
        self.assertEqual(1, len(self.bmc.calls))

    def test_a_slot_for_the_bmcs_own_use_is_passed_over(self):
        for error in (fake_bmc.http_error(400), fake_bmc.http_error(405),
                      sushy.exceptions.MissingActionError(
                          action='insert', resource='slot')):
            with self.subTest(str(error)):
                own, free = self.slots(fake_bmc.Slot('1'), fake_bmc.Slot('2'))
                own.failures = [error]
                self.assertEqual(free.path, self.insert())

    def test_a_refusal_names_every_slot_and_its_reason(self):
        one, two = self.slots(fake_bmc.Slot('1'), fake_bmc.Slot('2'))
        one.failures = [fake_bmc.http_error(400, 'not mine')]
        two.failures = [fake_bmc.http_error(405, 'nor mine')]
        message = self.refusal()
        self.assertIn('slot 1: ', message)
        self.assertIn('not mine', message)
        self.assertIn('slot 2: ', message)

    def test_the_first_drive_is_freed_of_what_is_somebody_elses(self):
        taken, _free = self.slots(fake_bmc.Slot('1'), fake_bmc.Slot('2'))
        taken.put(FOREIGN)
        # "Cd" may mean the first of them, now and after the next insertion.
        self.assertEqual(taken.path, self.insert())
        self.assertEqual([URL], self.bmc.inserted)

    def test_a_foreign_medium_stays_if_the_operator_wants_that(self):
        self.config(foreign_media='refuse', group='ext_boot')
        taken, free = self.slots(fake_bmc.Slot('1'), fake_bmc.Slot('2'))
        taken.put(FOREIGN)
        message = self.refusal()
        self.assertIn('foreign_media', message)
        self.assertNotIn('hunter2', message)
        self.assertEqual([], free.calls)
        self.assertEqual([FOREIGN], self.bmc.inserted)

    def test_a_foreign_medium_that_stays_is_told(self):
        taken, _free = self.slots(fake_bmc.Slot('1'), fake_bmc.Slot('2'))
        taken.put(FOREIGN)
        taken.stuck = True
        self.assertIn('eject it by hand', self.refusal())

    def test_media_of_an_active_node_are_left_alone(self):
        self.be(states.ACTIVE)
        taken, free = self.slots(fake_bmc.Slot('1'), fake_bmc.Slot('2'))
        taken.put(FOREIGN)
        self.assertEqual(free.path, self.insert())
        self.assertEqual([], taken.calls)

    def test_the_only_slot_is_freed_for_the_boot_image(self):
        self.bmc.slots[0].put(FOREIGN)
        self.insert()
        self.assertEqual([('eject', FOREIGN), ('insert', URL)],
                         self.bmc.calls)

    def test_a_slot_that_cannot_be_freed_is_told_without_secrets(self):
        slot = self.bmc.slots[0]
        slot.put(FOREIGN)
        slot.stuck = True
        message = self.refusal()
        self.assertIn('still has "http://192.0.2.9/rescue.iso"', message)
        self.assertNotIn('hunter2', message)
        self.assertNotIn('TOP', message)

    def test_another_medium_in_the_slot_is_not_taken_for_ours(self):
        slot = self.bmc.slots[0]
        slot.deaf = True
        slot.insert_media = lambda url, **options: slot.put(
            f'http://x/{OTHER_ID}-OTHERSECRET.iso')
        message = self.refusal()
        self.assertIn(f'shows medium {OTHER_ID}', message)
        self.assertNotIn('OTHERSECRET', message)

    def test_a_bmc_that_does_not_name_media_is_believed(self):
        self.bmc.slots[0].nameless = True
        self.insert()
        self.assertEqual([URL], self.bmc.inserted)


class SushyTestCase(base.DriverTestCase):
    """The same with sushy's own class, down to HTTP."""

    def setUp(self):
        super().setUp()
        self.shown = {
            '@odata.id': '/vm/Cd', 'Id': 'Cd', 'Name': 'Cd',
            'MediaTypes': ['CD'], 'Inserted': False, 'Image': None,
            'Actions': {'#VirtualMedia.InsertMedia': {'target': '/insert'},
                        '#VirtualMedia.EjectMedia': {'target': '/eject'}}}
        self.posts = []
        self.answers = []
        connector = unittest.mock.Mock()
        connector.get.return_value.json.side_effect = (
            lambda: dict(self.shown))
        connector.get.return_value.headers = {}
        connector.post.side_effect = self.post
        self.bmc.slots = [virtual_media.VirtualMedia(connector, '/vm/Cd')]

    def post(self, path, data=None, **options):
        self.posts.append(path)
        answer = self.answers.pop(0) if self.answers else None
        if answer:
            raise answer
        self.shown.update(Inserted=path == '/insert',
                          Image=(data or {}).get('Image'))

    def insert(self):
        with self.task() as task:
            return insertion.insert(task, URL, base.medium(ID))

    def test_an_image_is_inserted_and_ejected(self):
        self.assertEqual('/vm/Cd', self.insert())
        self.assertEqual(URL, self.shown['Image'])
        with self.task() as task:
            ejection.eject(task, [base.medium(ID)])
        self.assertFalse(self.shown['Inserted'])

    def test_an_error_answer_without_a_message_is_tried_again(self):
        bare = fake_bmc.http_error(500)
        bare.detail = None
        self.answers = [bare]
        self.insert()
        self.assertEqual(['/insert', '/insert'], self.posts)

    def test_an_ejection_that_sushy_hides_the_failure_of_is_noticed(self):
        self.insert()
        self.answers = [fake_bmc.http_error(403) for _n in range(9)]
        with self.task() as task:
            error = self.assertRaises(
                drives.MediaError, ejection.eject, task,
                [base.medium(ID)])
        self.assertIn('still has medium', str(error))


class LogTestCase(base.DriverTestCase):

    def test_urls_of_images_do_not_reach_the_log(self):
        ironic_patches.install()
        for name in ('sushy.connector', 'sushy.resources.base'):
            logger = logging.getLogger(name)
            record = logger.makeRecord(
                name, logging.DEBUG, 'connector.py', 1, 'HTTP request: %s',
                ({'Image': URL},), None)
            self.assertTrue(logger.filter(record))
            self.assertIn(ID, record.getMessage())
            self.assertNotIn('SECRET', record.getMessage())
