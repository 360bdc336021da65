# SPDX-License-Identifier: Apache-2.0

"""Tests for the commands that attach data images."""

import argparse
import io
import json
import logging
import os
import pathlib
import tempfile
import types
import unittest.mock

from ironicclient import exc
from osc_lib import exceptions
import testtools

from ironic_ext.cli.osc import data_image


def resource(phase='attached', generation=1, **status):
    return {'generation': generation,
            'spec': {'url': 'http://h/data.iso', 'apply': 'immediate'},
            'status': {'phase': phase, 'reason': None, 'slot': 'Cd',
                       'device': 'cdrom', 'inserted': True,
                       'attached_image': {'url': 'http://h/data.iso',
                                          'digest': 'sha256:d', 'size': 2048},
                       'error': {'count': 0, 'message': ''},
                       'last_reconciled': '2026-11-21T12:00:00Z',
                       'next_attempt': None, **status}}


NOTHING = {'generation': 0, 'spec': None, 'status': {'phase': 'detached'}}


class CommandTestCase(testtools.TestCase):

    def setUp(self):
        super().setUp()
        self.answers = [resource()]
        self.calls = []
        self.interfaces = {'vendor_interface': 'redfish-ext',
                           'management_interface': 'redfish-ext'}
        client = unittest.mock.Mock()
        client.node.vendor_passthru.side_effect = self.passthru
        client.node.get.side_effect = lambda name, fields: (
            types.SimpleNamespace(**self.interfaces))
        self.client = client
        self.app = unittest.mock.Mock(stderr=io.StringIO())
        self.app.client_manager.baremetal = client
        for target, name, value in (
                (data_image, '_POLL_SECONDS', 0),
                (data_image.sys, 'stdin', io.StringIO(''))):
            patch = unittest.mock.patch.object(target, name, value)
            patch.start()
            self.addCleanup(patch.stop)
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def passthru(self, node, method, args=None, http_method=None):
        self.assertEqual('data_image', method)
        self.calls.append((node, http_method, args))
        answer = (self.answers.pop(0) if len(self.answers) > 1
                  else self.answers[0])
        if isinstance(answer, Exception):
            raise answer
        return types.SimpleNamespace(to_dict=lambda: answer)

    def run_command(self, kind, *arguments):
        command = kind(self.app, argparse.Namespace())
        return command.take_action(
            command.get_parser('x').parse_args(arguments))

    def attach(self, *arguments):
        return self.run_command(data_image.AttachDataImage, 'node-7',
                                *arguments)

    def sent(self):
        (_node, method, args), = [call for call in self.calls
                                  if call[1] == 'PUT']
        return args

    def refusal(self, *arguments):
        return str(self.assertRaises(exceptions.CommandError, self.attach,
                                     *arguments))

    def local(self, name, data):
        path = self.folder / name
        path.write_bytes(data)
        return str(path)


class AttachTestCase(CommandTestCase):

    def test_a_url_with_everything_is_sent(self):
        self.attach('--url', 'http://h/d.iso', '--username', 'me',
                    '--password-file', self.local('p', b'hunter2\n'),
                    '--image-insecure', '--checksum', 'sha256:1',
                    '--device', 'usb', '--apply', 'on_reboot',
                    '--delivery', 'bmc')
        self.assertEqual(
            {'url': 'http://h/d.iso', 'username': 'me', 'insecure': True,
             'password': 'hunter2', 'checksum': 'sha256:1', 'device': 'usb',
             'apply': 'on_reboot', 'delivery': 'bmc'}, self.sent())

    def test_files_are_sent_as_text_or_base64(self):
        self.attach('--label', 'cidata',
                    '--file', 'a/b=' + self.local('t', 'é'.encode()),
                    '--file', 'bin=' + self.local('b', b'\xff'))
        self.assertEqual(
            {'label': 'cidata', 'files': {
                'a/b': 'é', 'bin': {'content': '/w==',
                                    'encoding': 'base64'}}}, self.sent())

    def test_a_certificate_is_read_from_its_file(self):
        self.attach('--url', 'x', '--image-ca', self.local('ca', b'PEM'))
        self.assertEqual('PEM', self.sent()['ca'])

    def test_what_cannot_be_read_is_told(self):
        self.assertIn('cannot be read: No such file', self.refusal(
            '--file', f'a={self.folder}/none'))
        self.assertIn('<path in the image>=<local file>',
                      self.refusal('--file', 'a'))

    def test_a_password_comes_from_the_environment(self):
        with unittest.mock.patch.dict(
                os.environ, {'DATA_IMAGE_PASSWORD': 'hunter2'}):
            self.attach('--url', 'x', '--username', 'me')
        self.assertEqual('hunter2', self.sent()['password'])

    def test_a_password_comes_from_the_standard_input(self):
        with unittest.mock.patch.object(data_image.sys, 'stdin',
                                        io.StringIO('hunter2\n')):
            self.attach('--url', 'x', '--username', 'me',
                        '--password-file', '-')
        self.assertEqual('hunter2', self.sent()['password'])

    def test_a_password_comes_from_a_prompt_at_last(self):
        with (unittest.mock.patch.object(data_image.sys.stdin, 'isatty',
                                         lambda: True),
              unittest.mock.patch.object(
                  data_image.getpass, 'getpass',
                  return_value='hunter2') as getpass):
            self.attach('--url', 'x', '--username', 'me')
        getpass.assert_called_once_with('Password of me: ')
        self.assertEqual('hunter2', self.sent()['password'])

    def test_without_a_terminal_there_is_no_prompt(self):
        self.assertIn('--password-file', self.refusal(
            '--url', 'x', '--username', 'me'))

    def test_no_option_takes_a_password(self):
        command = data_image.AttachDataImage(self.app, argparse.Namespace())
        names = [name for action in command.get_parser('x')._actions
                 for name in action.option_strings]
        self.assertEqual([], [name for name in names if 'password' in name
                              and name != '--password-file'])

    def test_the_request_is_not_logged_even_with_debug(self):
        logger = logging.getLogger('keystoneauth.session')
        before = logger.level
        self.addCleanup(logger.setLevel, before)
        logger.setLevel(logging.DEBUG)
        levels = []
        self.client.node.vendor_passthru.side_effect = (
            lambda *args, **options: levels.append(
                logger.isEnabledFor(logging.DEBUG))
            or types.SimpleNamespace(to_dict=resource))
        self.attach('--url', 'x')
        self.assertEqual([False], levels)
        self.assertEqual(logging.DEBUG, logger.level)

    def test_the_reason_of_a_refusal_is_shown(self):
        self.answers = [exc.BadRequest('device is one of cdrom, usb')]
        error = self.assertRaises(exc.BadRequest, self.attach,
                                  '--url', 'x')
        self.assertIn('cdrom, usb', str(error))

    def test_a_node_without_the_interfaces_is_told_how_to_get_them(self):
        self.answers = [exc.BadRequest('No handler for method data_image')]
        for field, option in (
                ('vendor_interface', '--vendor-interface redfish-ext'),
                ('management_interface',
                 '--management-interface redfish-ext')):
            self.interfaces.update(vendor_interface='redfish-ext',
                                   management_interface='redfish-ext')
            self.interfaces[field] = 'redfish'
            self.assertIn(option, self.refusal('--url', 'x'))


class WaitTestCase(CommandTestCase):

    def test_it_waits_until_the_image_is_attached_and_says_so(self):
        self.answers = [resource('pending', 2), resource('pending', 2),
                        resource('attaching', 2),
                        resource('waiting', 2, reason='slot taken'),
                        resource('attached', 2)]
        self.attach('--url', 'x', '--wait')
        self.assertEqual(['PUT', 'GET', 'GET', 'GET', 'GET'],
                         [call[1] for call in self.calls])
        self.assertEqual(
            ['pending', 'attaching', 'waiting: slot taken',
             'attached: the BMC shows it in slot Cd'],
            self.app.stderr.getvalue().splitlines())

    def test_a_failure_ends_it_with_the_reason(self):
        self.answers = [resource('pending'), resource(
            'failed', error={'count': 1, 'message': 'no route'},
            next_attempt='2026-11-21T12:01:00Z')]
        message = self.refusal('--url', 'x', '--wait')
        self.assertIn('no route', message)
        self.assertIn('12:01:00', message)

    def test_time_runs_out(self):
        self.answers = [resource('waiting', reason='slot taken')]
        self.assertIn('still waiting: slot taken after 0.01 s',
                      self.refusal('--url', 'x', '--wait', '0.01'))

    def test_an_image_that_waits_for_a_reboot_is_done(self):
        waiting = resource('waiting', reason='next start')
        waiting['spec']['apply'] = 'on_reboot'
        self.answers = [waiting]
        self.attach('--url', 'x', '--apply', 'on_reboot', '--wait')
        self.assertEqual('waiting: next start\n', self.app.stderr.getvalue())

    def test_another_wish_meanwhile_ends_it(self):
        self.answers = [resource('pending', 2), resource('attached', 3)]
        self.assertIn('another data image',
                      self.refusal('--url', 'x', '--wait'))

    def test_detaching_waits_until_it_is_gone_and_says_so(self):
        self.answers = [resource(), resource('detaching'), NOTHING]
        self.run_command(data_image.DetachDataImage, 'node-7', '--wait')
        self.assertEqual(['DELETE', 'GET', 'GET'],
                         [call[1] for call in self.calls])
        self.assertEqual('detaching\ndetached\n', self.app.stderr.getvalue())


class FormatTestCase(CommandTestCase):

    def output(self, kind, *arguments):
        self.app.stdout = io.StringIO()
        command = kind(self.app, argparse.Namespace())
        self.assertEqual(0, command.run(
            command.get_parser('x').parse_args(['node-7', *arguments])))
        return self.app.stdout.getvalue()

    def test_people_are_told_nothing_and_nothing_more_is_asked(self):
        self.assertEqual('', self.output(data_image.AttachDataImage,
                                         '--url', 'x'))
        self.answers = [NOTHING]
        self.assertEqual('', self.output(data_image.DetachDataImage))
        self.assertEqual(['PUT', 'DELETE'], [call[1] for call in self.calls])

    def test_programs_get_the_data_image(self):
        self.answers = [resource('pending', 2)]
        found = json.loads(self.output(data_image.AttachDataImage,
                                       '--url', 'x', '-f', 'json'))
        self.assertEqual(('pending', 2),
                         (found['phase'], found['generation']))
        self.answers = [resource('pending', 2), resource('attached', 2)]
        self.assertEqual('attached\n', self.output(
            data_image.AttachDataImage, '--url', 'x', '--wait', '-f',
            'value', '-c', 'phase'))
        self.answers = [NOTHING, resource('detaching', 3)]
        self.assertEqual('detaching\n', self.output(
            data_image.DetachDataImage, '-f', 'value', '-c', 'phase'))


class ShowTestCase(CommandTestCase):

    def show(self):
        names, values = self.run_command(data_image.ShowDataImage, 'node-7')
        return dict(zip(names, values, strict=True))

    def test_the_status_is_shown(self):
        shown = self.show()
        self.assertEqual('attached', shown['phase'].human_readable())
        self.assertEqual('2.0 KiB', shown['size'].human_readable())
        self.assertIn('2026-11-21T12:00:00Z',
                      shown['last_reconciled'].human_readable())
        self.assertEqual('-', shown['next_attempt'].human_readable())

    def test_machines_get_values(self):
        values = {name: value.machine_readable()
                  for name, value in self.show().items()}
        self.assertEqual((2048, 0, True), (
            values['size'], values['error_count'], values['inserted']))
        json.dumps(values)

    def test_a_node_without_a_data_image_is_shown_as_detached(self):
        self.answers = [NOTHING]
        shown = self.show()
        self.assertEqual('detached', shown['phase'].human_readable())
        self.assertEqual('-', shown['url'].human_readable())

    def test_the_list_has_the_nodes_that_have_one(self):
        self.client.node.list.return_value = [
            types.SimpleNamespace(uuid=f'u{n}', name=name,
                                  vendor_interface=vendor,
                                  management_interface='redfish-ext')
            for n, (name, vendor) in enumerate((
                ('node-1', 'redfish-ext'), (None, 'redfish-ext'),
                ('node-3', 'no-vendor')))]
        self.answers = [resource(), NOTHING]
        names, rows = self.run_command(data_image.ListDataImages)
        row, = rows
        self.assertEqual(('node', 'phase'), names[:2])
        self.assertEqual(['node-1', 'attached'],
                         [value.human_readable() for value in row[:2]])
        self.assertEqual(['node-1', 'u1'], [call[0] for call in self.calls])

    def test_a_node_that_cannot_tell_does_not_keep_the_others(self):
        self.answers = [exc.BadRequest('no route'), resource()]
        self.app.stdout = io.StringIO()
        command = data_image.ListDataImages(self.app, argparse.Namespace())
        error = self.assertRaises(
            exceptions.CommandError, command.run,
            command.get_parser('x').parse_args(
                ['node-8', 'node-7', '-f', 'json']))
        self.assertIn('node-8: no route', str(error))
        self.assertEqual(['node-7'], [
            row['node'] for row in json.loads(self.app.stdout.getvalue())])

    def test_nodes_that_are_named_are_listed_anyhow(self):
        self.answers = [NOTHING]
        _names, rows = self.run_command(data_image.ListDataImages, 'node-9')
        self.assertEqual(1, len(list(rows)))
