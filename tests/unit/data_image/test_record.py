# SPDX-License-Identifier: Apache-2.0

"""Tests for what the node keeps, and for what is shown of it."""

import json

from oslo_utils import strutils
import testtools

from ironic_ext.data_image import record
from ironic_ext.data_image import spec
from ironic_ext.data_image import status
from ironic_ext.media import medium as media

LIMITS = spec.Limits(file=1000, total=1000)
SPEC = spec.parse({'url': 'http://h/data.iso?sig=TOP', 'username': 'me',
                   'password': 'hunter2'}, LIMITS)
FILES = spec.parse({'files': {'user-data': 'key: CONTENT'}}, LIMITS)
MEDIUM = media.Medium(
    'f' * 32, media.Purpose.DATA, media.Kind.STREAM, 'e' * 64,
    '/redfish/v1/Systems/1/VirtualMedia/Cd',
    'cdrom', 'http://h/data.iso', 'sha256:' + 'd' * 64, 2048)


def attached():
    return record.Record(1, SPEC, True, MEDIUM, record.Status(
        record.Phase.ATTACHED, inserted=True, last_reconciled=1764000000.7))


class RecordTestCase(testtools.TestCase):

    def test_json_is_good_both_ways(self):
        for kept in (attached(), record.first(FILES, False),
                     record.Record(3, None, False, MEDIUM, made_for=2)):
            data = json.loads(json.dumps(kept.to_json()))
            self.assertEqual(kept, record.Record.from_json(data))

    def test_what_a_conductor_of_before_has_written_is_read(self):
        row = {'id': 'f' * 32, 'kind': 'file', 'generation': 4,
               'mark': 'f' * 32, 'slot': '/v/Cd', 'device': 'cdrom',
               'image': 'http://h/data.iso', 'digest': '', 'size': None}
        data = {**record.Record(5, SPEC).to_json(), 'medium': row}
        found = record.Record.from_json(data)
        self.assertEqual((4, media.Kind.FILE, '/v/Cd'),
                         (found.made_for, found.medium.kind,
                          found.medium.slot))
        # And it can read what is written now.
        self.assertEqual(row, found.to_json()['medium'])

    def test_masked_it_has_no_secret(self):
        for kept in (attached(), record.first(FILES, False)):
            text = json.dumps(strutils.mask_dict_password(
                {'ext_data_image': kept.to_json()}))
            for secret in ('hunter2', 'TOP', 'CONTENT'):
                self.assertNotIn(secret, text)
            self.assertIn('h/data.iso' if kept.spec is SPEC else 'user-data',
                          text)

    def test_asking_for_something_else_is_a_new_generation(self):
        changed = attached().ask(FILES, True)
        self.assertEqual(2, changed.generation)
        self.assertEqual(MEDIUM, changed.medium)
        self.assertIs(record.Phase.PENDING, changed.status.phase)

    def test_asking_for_the_same_again_is_none_but_clears_errors(self):
        failed = record.Record(4, SPEC, True, MEDIUM, record.Status(
            record.Phase.FAILED, errors=7, error='x', next_attempt=1e12))
        again = failed.ask(SPEC, True)
        self.assertEqual(4, again.generation)
        self.assertEqual((0, '', 0), (again.status.errors,
                                      again.status.error,
                                      again.status.next_attempt))

    def test_asking_for_nothing_is_a_new_generation(self):
        going = attached().ask(None, False)
        self.assertEqual(2, going.generation)
        self.assertIs(record.Phase.DETACHING, going.status.phase)

    def test_a_record_is_due_when_its_time_has_come(self):
        data = record.Record(1, SPEC, status=record.Status(
            next_attempt=100)).to_json()
        self.assertFalse(record.Record.due(data, 99.0))
        self.assertTrue(record.Record.due(data, 100.0))

    def test_what_is_no_record_is_never_due(self):
        for data in (None, {}, {'status': None}, 'x'):
            self.assertFalse(record.Record.due(data, 1e12))


class ShowTestCase(testtools.TestCase):

    def test_an_attached_image_is_shown_with_its_slot(self):
        shown = status.show(attached())
        self.assertEqual(1, shown['generation'])
        self.assertEqual('http://h/data.iso', shown['spec']['url'])
        self.assertEqual(
            {'phase': 'attached', 'reason': None, 'slot': 'Cd',
             'attached_image': {'url': 'http://h/data.iso', 'size': 2048,
                                'digest': 'sha256:' + 'd' * 64},
             'device': 'cdrom', 'inserted': True,
             'error': {'count': 0, 'message': ''},
             'last_reconciled': '2025-11-24T16:00:00Z',
             'next_attempt': None}, shown['status'])

    def test_what_the_bmc_does_not_show_is_not_attached(self):
        gone = record.Record(1, SPEC, True, MEDIUM, record.Status(
            record.Phase.FAILED, inserted=False, errors=2, error='no power'))
        shown = status.show(gone)['status']
        self.assertIsNone(shown['attached_image'])
        self.assertIsNone(shown['slot'])
        self.assertEqual({'count': 2, 'message': 'no power'}, shown['error'])

    def test_without_a_data_image_it_is_detached(self):
        self.assertEqual('detached', status.show(None)['status']['phase'])

    def test_nothing_secret_is_shown(self):
        text = json.dumps(status.show(attached()))
        self.assertNotIn('hunter2', text)
        self.assertNotIn('TOP', text)
