# SPDX-License-Identifier: Apache-2.0

"""Tests for the commands that show what a BMC read of its medium."""

import argparse
import datetime
import io
import json
import types
import unittest.mock

from ironicclient import exc
from osc_lib import exceptions
import testtools

from ironic_ext.cli.osc import boot_media


def ago(**delta):
    then = (datetime.datetime.now(datetime.timezone.utc)
            - datetime.timedelta(**delta))
    return then.strftime('%Y-%m-%dT%H:%M:%SZ')


def medium(**values):
    return {'id': 'a' * 32, 'purpose': 'instance', 'delivery': 'stream',
            'slot': '/redfish/v1/Systems/1/VirtualMedia/Cd',
            'image': 'http://x/live.iso', 'size': 3 << 20,
            'url': 'http://192.0.2.1:8092/***/node-7.iso',
            'created_at': ago(hours=5), 'expires_at': ago(days=-7),
            'read': {'bytes': 2 << 20, 'percent': 66.7, 'sent': 5 << 20,
                     'requests': 1200, 'rate': 1234567,
                     'first_at': ago(minutes=3), 'last_at': ago(seconds=3),
                     'seconds_ago': 3.2, 'client': '192.0.2.7'},
            **values}


class BootMediaTestCase(testtools.TestCase):

    def setUp(self):
        super().setUp()
        self.ends = {'node-7': {'boot_device': 'disk', 'ejected': True},
                     'node-9': {'boot_device': None, 'ejected': False}}
        self.answers = {'node-7': [medium()]}
        self.nodes = [
            types.SimpleNamespace(uuid='u7', name='node-7',
                                  vendor_interface='redfish-ext'),
            types.SimpleNamespace(uuid='u8', name=None,
                                  vendor_interface='redfish-ext'),
            types.SimpleNamespace(uuid='u9', name='node-9',
                                  vendor_interface='no-vendor')]
        client = unittest.mock.Mock()
        client.node.vendor_passthru.side_effect = self.passthru
        client.http_client.json_request.side_effect = self.request
        client.node.list.return_value = self.nodes
        client.node.get.side_effect = lambda name, fields: next(
            node for node in self.nodes if name in (node.name, node.uuid))
        self.app = unittest.mock.Mock(stdout=io.StringIO())
        self.app.client_manager.baremetal = client

    def passthru(self, node, method, args, http_method):
        self.assertEqual('boot_media', method)
        self.assertEqual('GET', http_method)
        if node not in self.answers:
            raise exc.BadRequest('no handler for method boot_media')
        return types.SimpleNamespace(
            to_dict=lambda: {'media': self.answers[node]})

    def request(self, method, path):
        # The client's own way to call a passthru drops the answer.
        self.assertEqual('DELETE', method)
        node = path.removeprefix('/v1/nodes/').removesuffix(
            '/vendor_passthru/boot_media')
        return None, self.ends[node]

    def run_command(self, kind, *arguments):
        command = kind(self.app, argparse.Namespace())
        parsed = command.get_parser('x').parse_args(arguments)
        return command.take_action(parsed)

    def show(self, *arguments):
        names, values = self.run_command(boot_media.ShowBootMedium,
                                         *arguments)
        return dict(zip(names, values))

    def human(self, *arguments):
        return {name: value.human_readable()
                for name, value in self.show(*arguments).items()}

    def test_people_see_how_much_was_read_and_how_long_ago(self):
        shown = self.human('node-7')
        self.assertEqual('66.7 %', shown['read'])
        self.assertEqual('2.0 MiB', shown['read_bytes'])
        self.assertEqual('1.2 MiB/s', shown['rate'])
        self.assertEqual('1200', shown['requests'])
        self.assertRegex(shown['last_read_at'], r'Z \([2-9] s ago\)$')
        self.assertRegex(shown['first_read_at'], r'Z \(3 min ago\)$')
        self.assertRegex(shown['expires_at'], r'Z \(in [67] d\)$')
        self.assertEqual('http://192.0.2.1:8092/***/node-7.iso',
                         shown['url'])

    def test_programs_see_the_values_as_they_are(self):
        shown = {name: value.machine_readable()
                 for name, value in self.show('node-7').items()}
        self.assertEqual(66.7, shown['read'])
        self.assertEqual(2 << 20, shown['read_bytes'])
        self.assertEqual(1234567, shown['rate'])
        self.assertRegex(shown['last_read_at'], r'^[\d-]+T[\d:]+Z$')
        self.assertEqual('node-7', shown['node'])

    def test_a_medium_that_nobody_read_says_so(self):
        self.answers['node-7'] = [medium(read={
            'bytes': 0, 'percent': 0.0, 'sent': 0, 'requests': 0, 'rate': 0,
            'first_at': None, 'last_at': None, 'seconds_ago': None,
            'client': None})]
        shown = self.human('node-7')
        self.assertEqual('0 %', shown['read'])
        self.assertEqual('never', shown['last_read_at'])
        self.assertEqual('-', shown['client'])

    def test_a_file_has_no_reads_of_its_own(self):
        self.answers['node-7'] = [medium(delivery='file', read=None,
                                         image=None, expires_at=None)]
        shown = self.human('node-7')
        for name in ('read', 'read_bytes', 'rate', 'last_read_at', 'image',
                     'expires_at'):
            self.assertEqual('-', shown[name], name)

    def test_the_newest_medium_is_shown_or_the_one_asked_for(self):
        self.answers['node-7'].append(medium(id='b' * 32))
        self.assertEqual('b' * 32, self.human('node-7')['id'])
        self.assertEqual('a' * 32,
                         self.human('node-7', '--id', 'a' * 32)['id'])

    def test_a_node_without_a_medium_is_told(self):
        self.answers['node-7'] = []
        error = self.assertRaises(exceptions.CommandError, self.show,
                                  'node-7')
        self.assertIn('node-7 has no boot medium', str(error))
        self.assertIn('goes when it boots from its disk', str(error))

    def test_a_node_with_another_vendor_interface_is_told_what_to_do(self):
        error = self.assertRaises(exceptions.CommandError, self.show,
                                  'node-9')
        self.assertIn('"no-vendor"', str(error))
        self.assertIn('--vendor-interface redfish-ext node-9', str(error))

    def test_other_refusals_are_not_hidden(self):
        del self.answers['node-7']
        self.assertRaises(exc.BadRequest, self.show, 'node-7')

    def listed(self, *arguments):
        _names, rows = self.run_command(boot_media.ListBootMedia, *arguments)
        return [[value.human_readable() for value in row] for row in rows]

    def test_all_nodes_that_can_tell_are_listed(self):
        self.answers['u8'] = [medium(size=900), medium(size=None)]
        rows = self.listed()
        self.assertEqual(['node-7', 'u8', 'u8'], [row[0] for row in rows])
        self.assertEqual(['3.0 MiB', '900 B', '-'], [row[4] for row in rows])

    def test_named_nodes_are_listed_alone(self):
        self.answers['u8'] = []
        self.assertEqual([], self.listed('u8'))
        self.assertEqual(1, len(self.listed('node-7', 'u8')))

    def test_a_node_that_cannot_tell_does_not_keep_the_others(self):
        command = boot_media.ListBootMedia(self.app, argparse.Namespace())
        error = self.assertRaises(
            exceptions.CommandError, command.run,
            command.get_parser('x').parse_args(
                ['u8', 'node-7', '-f', 'json']))
        self.assertIn('u8: no handler', str(error))
        self.assertEqual(['node-7'], [
            row['node'] for row in json.loads(self.app.stdout.getvalue())])

    def eject(self, *arguments):
        command = boot_media.EjectBootMedium(self.app, argparse.Namespace())
        return command.run(command.get_parser('x').parse_args(arguments))

    def test_an_eject_says_what_was_seen(self):
        self.assertEqual(0, self.eject('node-7'))
        self.assertEqual('node-7: the medium is ejected, and the disk is the '
                         'boot device\n', self.app.stdout.getvalue())

    def test_an_eject_that_is_not_seen_is_an_error(self):
        error = self.assertRaises(exceptions.CommandError, self.eject,
                                  'node-9', 'node-7')
        self.assertEqual('node-9: the medium is not ejected yet',
                         str(error))
        self.assertIn('node-7: the medium is ejected',
                      self.app.stdout.getvalue())

    def test_programs_see_what_an_eject_came_to(self):
        self.assertRaises(exceptions.CommandError, self.eject,
                          'node-9', 'node-7', '-f', 'json')
        self.assertEqual([
            {'node': 'node-9', 'ejected': False, 'boot_device': None,
             'error': 'the medium is not ejected yet'},
            {'node': 'node-7', 'ejected': True, 'boot_device': 'disk',
             'error': None}], json.loads(self.app.stdout.getvalue()))

    def test_a_field_of_an_eject_can_be_chosen(self):
        self.eject('node-7', '-c', 'boot_device', '-f', 'value')
        self.assertEqual('disk\n', self.app.stdout.getvalue())
