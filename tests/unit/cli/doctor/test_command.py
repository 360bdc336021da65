# SPDX-License-Identifier: Apache-2.0

"""The doctor as a command, before an API without HTTP."""

import contextlib
import http.server
import io
import json
import threading
import types

import fixtures
from keystoneauth1 import exceptions
import testtools

from ironic_ext.cli.doctor import command
from ironic_ext.cli.doctor import look
from tests.unit.cli.doctor import test_diagnosis

UUID = '1be26c0b-03f2-4d2e-ae87-c02d7f33c123'


class _Answer:

    def __init__(self, code, body):
        self.status_code = code
        self._body = body

    def json(self):
        return self._body


class _Api:
    """Ironic's API by path."""

    def __init__(self, **answers):
        seen = test_diagnosis.seen()
        self.answers = {
            '/nodes/node-7': {**seen.node, 'uuid': UUID},
            f'/nodes/{UUID}/validate': seen.validation,
            f'/nodes/{UUID}/vmedia': {'vmedia': seen.drives},
            f'/nodes/{UUID}/vendor_passthru?method=boot_media': {
                'media': []},
            f'/nodes/{UUID}/vendor_passthru?method=next_boot':
                seen.next_boot, **answers}

    def get(self, url, **options):
        found = self.answers.get(url)
        if isinstance(found, Exception):
            raise found
        if found is None:
            return _Answer(404, {'error_message': json.dumps(
                {'faultstring': f'{url} is not there'})})
        return _Answer(200, found)


class CommandTestCase(testtools.TestCase):

    def run_main(self, api, *words):
        self.useFixture(fixtures.MonkeyPatch(
            'openstack.connect', lambda **options: types.SimpleNamespace(
                baremetal=api)))
        out, errors = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(
                errors):
            code = command.main(list(words))
        return code, out.getvalue(), errors.getvalue()

    def test_people_read_a_line_for_each_step(self):
        code, out, _errors = self.run_main(_Api(), 'node-7')
        self.assertEqual(0, code)
        self.assertIn('drives     ok       Virtual CD: node-7.iso', out)
        self.assertIn('No step fails.', out)

    def test_a_failure_is_the_exit_code_and_what_to_do(self):
        api = _Api(**{f'/nodes/{UUID}/validate': {
            'boot': {'result': False, 'reason': 'no boot_iso'}}})
        code, out, _errors = self.run_main(api, 'node-7')
        self.assertEqual(1, code)
        self.assertIn('boot: no boot_iso', out)
        self.assertIn('-> set what is missing', out)
        self.assertIn('Look at "validate" first.', out)

    def test_a_terminal_does_not_obey_what_a_bmc_shows(self):
        api = _Api(**{f'/nodes/{UUID}/vmedia': {'vmedia': [
            {'name': 'Cd\x1b[2J', 'image': 'a.iso\n'}]}})
        _code, out, _errors = self.run_main(api, 'node-7')
        self.assertIn('Cd\\x1b[2J: a.iso\\n', out)

    def test_programs_read_json(self):
        code, out, _errors = self.run_main(_Api(), '--json', 'node-7')
        found = json.loads(out)
        self.assertEqual(('node-7', None, 8), (
            found['node'], found['look_at'], len(found['steps'])))

    def test_no_such_node_is_one_line(self):
        for api, said in ((_Api(), 'is not there'),
                          (_Api(**{'/nodes/node-8':
                                   exceptions.ConnectFailure('refused')}),
                           'refused')):
            code, out, errors = self.run_main(api, 'node-8')
            self.assertEqual((1, ''), (code, out))
            self.assertIn(said, errors)
            self.assertEqual(1, errors.count('\n'))

    def test_a_login_that_is_missing_is_one_line(self):
        def connect(**options):
            raise exceptions.MissingRequiredOptions([])

        self.useFixture(fixtures.MonkeyPatch('openstack.connect', connect))
        errors = io.StringIO()
        with contextlib.redirect_stderr(errors):
            self.assertEqual(1, command.main(['node-7']))
        self.assertIn('ironic-ext-doctor: error: there is no login to '
                      'Ironic: name a cloud', errors.getvalue())

    def test_it_says_what_to_set_where_a_request_finds_no_login(self):
        for found, said in (
                (exceptions.MissingRequiredOptions([]),
                 'there is no login to Ironic'),
                (exceptions.Unauthorized('by Keystone'),
                 'the login is refused')):
            code, _out, errors = self.run_main(
                _Api(**{'/nodes/node-7': found}), 'node-7')
            self.assertEqual(1, code)
            self.assertIn(f'error: {said}: name a cloud', errors)
            self.assertIn('OS_AUTH_TYPE=none', errors)

    def test_part_of_it_may_be_missing(self):
        api = _Api(**{f'/nodes/{UUID}/vmedia': None,
                      f'/nodes/{UUID}/validate': ['odd']})
        found = look.at(api, 'node-7')
        self.assertIn('is not there', found.drives)


class ReachableTestCase(testtools.TestCase):

    def test_the_server_of_the_newest_stream_is_asked(self):
        paths = []

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                paths.append(self.path)
                self.send_response(200 if len(paths) == 1 else 503)
                self.send_header('Content-Length', '0')
                self.end_headers()

            def log_message(self, *arguments):
                pass

        server = http.server.HTTPServer(('127.0.0.1', 0), Handler)
        self.addCleanup(server.server_close)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.addCleanup(server.shutdown)
        url = f'http://127.0.0.1:{server.server_port}/media'
        api = _Api(**{f'/nodes/{UUID}/vendor_passthru?method=boot_media': {
            'media': [{'url': None}, {'url': f'{url}/***/node-7.iso'}]}})
        self.assertEqual((url, ''), look.at(api, 'node-7').reachable)
        self.assertEqual((url, 'HTTP 503'), look.at(api, 'node-7').reachable)
        self.assertEqual(['/media/healthz'] * 2, paths)
