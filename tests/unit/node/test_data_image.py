# SPDX-License-Identifier: Apache-2.0

"""The data image of a host."""

import json

import testtools

from ironic_ext import catalog
from ironic_ext.data_image import record as records
from ironic_ext.data_image import spec as specs
from ironic_ext.node import data_image as host_data_images
from ironic_ext.node import host as hosts
from ironic_ext.server.rest import host_changes
from tests.unit.node import test_host

URL = 'https://example.com/a.iso'


def node(given=None, **status):
    """Return a node as the API shows it, with a data image as it keeps it."""
    made = records.first(specs.parse(
        {'url': URL, **(given or {})}, specs.Limits(1 << 20, 1 << 20)), True)
    record = {**made.to_json(), 'secret': '******'}
    record['status'] = {**record['status'], **status}
    return test_host.node(driver_internal_info={
        host_data_images.KEY: record})


def host(of=None):
    of = of or test_host.node()
    return hosts.from_node(
        {**of, 'data_image': host_data_images.kept(of)}, [])


def change(of, patch):
    wanted, own = host_changes.patched(of, {'spec': patch})
    assert not host_changes.planned(of, wanted, own,
                                    lookup=test_host.Catalog())
    return host_changes.data_image(of, wanted, own)


class ShownTestCase(testtools.TestCase):
    """What hosts show."""

    def test_a_host_without_one_has_no_word_of_it(self):
        document = hosts.document(host(), '1')
        self.assertNotIn('dataImage', document['spec'])
        self.assertNotIn('dataImage', document['status'])

    def test_no_password_is_shown(self):
        found = hosts.document(host(node(
            {'username': 'u', 'password': 'p4ss', 'insecure': True,
             'url': URL + '?token=t0ken'})), '1')
        self.assertEqual(
            {'url': URL, 'username': 'u', 'insecure': True,
             'apply': 'immediate', 'delivery': 'conductor'},
            found['spec']['dataImage'])
        self.assertEqual({'phase': 'pending'}, found['status']['dataImage'])
        for secret in ('p4ss', 't0ken', '***'):
            self.assertNotIn(secret, json.dumps(found))

    def test_what_the_bmc_shows_is_told(self):
        of = node(phase='attached', inserted=True, errors=2, error='x')
        of['driver_internal_info'][host_data_images.KEY]['medium'] = {
            'image': URL, 'digest': 'sha256:00', 'size': 5,
            'slot': '/redfish/v1/Managers/1/VirtualMedia/Cd',
            'device': 'cdrom'}
        self.assertEqual(
            {'phase': 'attached', 'inserted': True, 'slot': 'Cd',
             'device': 'cdrom', 'attachedImage': {
                 'url': URL, 'digest': 'sha256:00', 'size': 5},
             'error': {'count': 2, 'message': 'x'}},
            hosts.document(host(of), '1')['status']['dataImage'])

    def test_another_look_of_the_conductor_is_no_change(self):
        self.assertEqual(host(node(last_reconciled=1.0)),
                         host(node(last_reconciled=2.0, next_attempt=3.0)))

    def test_a_record_may_be_anything(self):
        for record in ('x', [], {'spec': 5, 'status': 'x', 'medium': []}):
            found = hosts.document(host(test_host.node(
                driver_internal_info={host_data_images.KEY: record})), '1')
            self.assertNotIn('dataImage', found['spec'])


class ChangeTestCase(testtools.TestCase):
    """What a change asks the conductor for."""

    def test_one_is_set(self):
        wanted = {'url': URL, 'username': 'u', 'password': 'p'}
        self.assertEqual(wanted, change(host(), {'dataImage': wanted}).wanted)

    def test_null_removes_it_once(self):
        self.assertIsNone(
            change(host(node()), {'dataImage': None}).wanted)
        self.assertIsNone(change(host(), {'dataImage': None}))

    def test_what_is_not_named_stays(self):
        of = host(node())
        self.assertIsNone(change(of, {'bootMode': 'forever'}))
        self.assertIsNone(change(of, {'dataImage': {'url': URL}}))
        self.assertEqual('usb', change(host(node({'device': 'usb'})), {
            'dataImage': {'url': URL + '2'}}).wanted['device'])

    def test_what_is_secret_is_given_with_every_change(self):
        of = host(node({'username': 'u', 'password': 'p'}))
        for patch in ({'insecure': True},
                      {'url': URL + '2'},
                      {'url': URL, 'username': 'other'}):
            self.assertRaises(catalog.InvalidError, change, of,
                              {'dataImage': patch})
        self.assertEqual('p', change(of, {'dataImage': {
            'url': URL, 'password': 'p'}}).wanted['password'])

    def test_what_is_no_object_is_refused(self):
        for value in ('x', [1], True, 5):
            self.assertRaises(catalog.InvalidError, change, host(),
                              {'dataImage': value})

    def test_what_is_shown_in_short_is_not_sent_back(self):
        of = host(node({'checksum': 'https://example.com/sums?t=1'}))
        self.assertRaises(catalog.InvalidError, change, of,
                          {'dataImage': {'url': URL + '2'}})
        self.assertNotIn('checksum', change(of, {'dataImage': {
            'url': URL + '2', 'checksum': None}}).wanted)
