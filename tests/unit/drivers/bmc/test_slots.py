# SPDX-License-Identifier: Apache-2.0

"""Tests for what virtual drives show, vendor by vendor."""

import unittest.mock

import sushy

from ironic_ext.drivers.bmc import drives
from ironic_ext.drivers.bmc import insertion
from ironic_ext.drivers.bmc import quirks
from ironic_ext.drivers.bmc import slots as redfish_slots
from tests.unit.drivers import base
from tests.unit.drivers import fake_bmc

ID = '0123456789abcdef0123456789abcdef'
URL = 'https://h/data.iso?sig=TOP'
PEM = '-----BEGIN CERTIFICATE-----\nAA\n-----END CERTIFICATE-----\n'


class SlotTestCase(base.DriverTestCase):

    def setUp(self):
        super().setUp()
        self.slot = self.bmc.slots[0]

    def record(self, **values):
        return base.medium(ID, 'data', **values)

    def put(self, record, source=None):
        with self.task() as task:
            return insertion.put(
                task, [self.slot.path],
                source or insertion.Source(URL), record)

    def test_supermicro_keeps_the_name_of_what_was_ejected(self):
        self.slot.image = URL
        self.slot.inserted = False
        self.assertFalse(quirks.is_inserted(self.slot))
        self.slot.inserted = None
        self.slot.connected_via = sushy.CONNECTED_VIA_NOT_CONNECTED
        self.assertFalse(quirks.is_inserted(self.slot))

    def test_inserted_may_be_left_out(self):
        self.slot.inserted = None
        self.assertFalse(quirks.is_inserted(self.slot))
        self.slot.image = URL
        self.slot.connected_via = sushy.CONNECTED_VIA_URI
        self.assertTrue(quirks.is_inserted(self.slot))

    def test_a_foreign_url_is_told_by_its_mark(self):
        self.slot.put(URL)
        mark = redfish_slots.url_mark(URL)
        self.assertNotIn('TOP', mark)
        self.assertTrue(redfish_slots.holds(self.slot,
                                            [self.record(mark=mark)]))
        self.slot.put(URL + 'x')
        self.assertFalse(redfish_slots.holds(self.slot,
                                             [self.record(mark=mark)]))

    def test_an_empty_slot_holds_nothing(self):
        mark = redfish_slots.url_mark('')
        self.assertFalse(redfish_slots.holds(self.slot,
                                             [self.record(mark=mark)]))

    def test_no_query_of_a_url_gets_into_a_message(self):
        self.assertEqual(
            'GET https://h/data.iso?*** failed',
            redfish_slots.masked(f'GET {URL} failed'))
        self.assertEqual("{'Image': 'https://h/data.iso?***'}",
                         redfish_slots.masked(str({'Image': URL})))

    def test_other_secrets_are_taken_out_of_reasons(self):
        self.assertEqual('*** is wrong', redfish_slots.reason(
            ValueError('hunter2 is wrong'), ['hunter2']))

    def test_a_slot_that_is_taken_is_not_emptied(self):
        self.slot.put('http://x/other.iso')
        error = self.assertRaises(
            drives.MediaError, self.put,
            self.record(mark=redfish_slots.url_mark(URL)))
        self.assertIn('holds "http://x/other.iso" by now', str(error))
        self.assertEqual([], self.slot.calls)

    def test_what_a_lost_answer_left_in_the_slot_may_be_replaced(self):
        self.slot.put(URL)
        self.put(self.record(mark=redfish_slots.url_mark(URL)))
        self.assertEqual([URL], self.bmc.inserted)

    def test_the_transfer_protocol_is_that_of_the_url(self):
        options = []
        insert = self.slot.insert_media
        self.slot.insert_media = lambda url, **more: (
            options.append(more.get('transfer_protocol')), insert(url))
        record = self.record(mark=redfish_slots.url_mark(URL))
        self.put(record)
        self.node.driver_info = {**self.node.driver_info,
                                 'vmedia_transport_protocol': 'http'}
        self.store()
        self.put(record)
        self.assertEqual([None, 'HTTPS'], options)

    def test_a_slot_trusts_the_certificates_of_its_image_alone(self):
        old = unittest.mock.Mock(certificate_string='OLD')
        self.slot.certificates = unittest.mock.Mock()
        self.slot.certificates.get_members.return_value = [old]
        quirks.trust(self.slot, PEM * 2)
        old.delete.assert_called_once_with()
        self.slot.certificates.create_member.assert_called_once_with(
            PEM * 2, sushy.CertificateType.PEM_CHAIN)

    def test_a_certificate_that_is_there_is_not_added_again(self):
        same = unittest.mock.Mock(certificate_string=PEM)
        self.slot.certificates = unittest.mock.Mock()
        self.slot.certificates.get_members.return_value = [same]
        quirks.trust(self.slot, PEM)
        same.delete.assert_not_called()
        self.slot.certificates.create_member.assert_not_called()

    def of_conductor(self, url=URL, **info):
        self.node.driver_info = {**self.node.driver_info, **info}
        self.store()
        with self.task() as task:
            return insertion.of_conductor(task, url)

    def test_the_media_server_is_verified_as_the_operator_says(self):
        for option, info, wanted in (
                ('keep', {}, None), ('yes', {}, True), ('no', {}, False),
                ('yes', {'verify_media_server': 'no'}, False),
                ('no', {'verify_media_server': True}, True)):
            self.config(verify_media_server=option, group='ext_boot')
            self.assertIs(wanted, self.of_conductor(**info).verify)

    def test_a_word_that_says_nothing_is_refused(self):
        self.assertIn('"perhaps": set "keep", "yes" or "no"', str(
            self.assertRaises(drives.MediaError, self.of_conductor,
                              verify_media_server='perhaps')))

    def test_the_media_servers_authority_must_be_one(self):
        path = self.folder / 'ca.pem'
        path.write_text('no certificate')
        self.config(verify_media_server='yes', media_server_ca=str(path),
                    group='ext_boot')
        self.assertIn('[ext_boot]media_server_ca', str(self.assertRaises(
            drives.MediaError, self.of_conductor)))

    def test_a_boot_image_by_https_is_verified(self):
        self.config(verify_media_server='yes', group='ext_boot')
        self.slot.verify_certificate = False
        with self.task() as task:
            insertion.insert(task, f'https://h/{ID}-X.iso', self.record())
        self.assertIs(True, self.slot.verify_certificate)

    def test_what_the_bmc_shows_of_verification_is_believed(self):
        self.slot.verify_certificate = False
        self.slot.set_verify_certificate = lambda verify: None
        self.assertIn('shows the contrary', str(self.assertRaises(
            drives.MediaError, self.put, self.record(),
            insertion.Source(URL, verify=True))))
        self.assertEqual([], self.bmc.inserted)

    def test_a_source_does_not_show_its_secrets(self):
        source = insertion.Source(URL, 'me', 'hunter2', True, PEM)
        for secret in ('TOP', 'hunter2', 'CERTIFICATE'):
            self.assertNotIn(secret, repr(source))

    def test_a_refusal_by_one_slot_tries_the_next(self):
        other = fake_bmc.Slot('2')
        self.bmc.slots.append(other)
        self.slot.failures = [fake_bmc.http_error(400, 'RDOC only')]
        record = self.record(mark=redfish_slots.url_mark(URL))
        with self.task() as task:
            self.assertEqual(other.path, insertion.put(
                task, [self.slot.path, other.path],
                insertion.Source(URL), record))
