# SPDX-License-Identifier: Apache-2.0

"""The boot server and those who mean it ill, or do not know better."""

import concurrent.futures
import contextlib
import pathlib
import socket
import subprocess
import tempfile
import time
import unittest.mock

import hypothesis
import schemathesis
import testtools

from ironic_ext.node import tokens
from lab import process
from tests import boot_server
from tests.functional import one_boot_server
from tests.functional.one_boot_server import config
from tests.functional.one_boot_server import CONFIGS
from tests.functional.one_boot_server import HOSTS
from tests.functional.one_boot_server import ISOS
from tests.functional.one_boot_server import MAC
from tests.functional.one_boot_server import PATIENCE
from tests import ironic_stand_in


class StrangerTestCase(one_boot_server.OneServerTestCase):
    """Bad input to a server without a login."""

    def test_a_body_of_100_mb_is_refused_unread(self):
        connection = self.server.connection()
        self.addCleanup(connection.close)
        connection.putrequest('PATCH', f'{HOSTS}/server1')
        connection.putheader('Content-Type', 'application/json')
        connection.putheader('Content-Length', str(100 << 20))
        connection.endheaders()
        self.assertEqual(413, connection.getresponse().status)

    def test_a_body_that_nobody_wants_is_not_waited_for(self):
        for method, path, code in (('PUT', '/healthz', 405),
                                   ('PUT', f'{ISOS}/none/upload', 404),
                                   ('POST', '/nowhere', 404)):
            connection = self.server.connection()
            self.addCleanup(connection.close)
            connection.putrequest(method, path)
            connection.putheader('Content-Length', str(100 << 20))
            connection.endheaders()
            answer = connection.getresponse()
            self.assertEqual((code, 'close'), (
                answer.status, answer.headers['Connection']))

    def test_an_upload_that_was_cut_goes_on_where_it_was(self):
        with tempfile.TemporaryDirectory() as folder:
            subprocess.run(['genisoimage', '-quiet', '-o',
                            f'{folder}/x.iso', '-V', 'CUT', folder],
                           check=True)
            data = (pathlib.Path(folder) / 'x.iso').read_bytes()
        self.call('POST', ISOS, {'metadata': {'name': 'cut'},
                                 'spec': {'isoFile': 'cut.iso'}}, 201)
        path = f'{ISOS}/cut/upload'
        half = len(data) // 2
        connection = self.server.connection()
        connection.putrequest('PUT', path)
        connection.putheader('Content-Type', 'application/octet-stream')
        connection.putheader('Content-Length', str(len(data)))
        connection.endheaders(data[:half])
        connection.close()
        received = process.await_condition(
            lambda: self.call('GET', path).json['received'] == half and half,
            'the half', timeout=PATIENCE)
        found = process.await_condition(
            lambda: self._resume(path, data, received), 'its lock',
            timeout=PATIENCE)
        self.assertEqual('CUT', found['status']['volumeId'])
        self.assertEqual(data, (self.directory / 'isos' / 'cut.iso'
                                ).read_bytes())
        # Machines may boot from it by now.
        self.call('PUT', path, data, 409,
                  Content_Type='application/octet-stream')

    def _resume(self, path, data, start):
        # The server may still be about to notice that the first one broke.
        found = self.server.call(
            'PUT', path, data[start:],
            Content_Type='application/octet-stream', Content_Range=(
                f'bytes {start}-{len(data) - 1}/{len(data)}'))
        self.assertIn(found.code, (200, 409))
        return found.json if found.code == 200 else None

    def test_what_is_no_iso_is_refused_and_told(self):
        self.call('POST', ISOS, {'metadata': {'name': 'junk'},
                                 'spec': {'isoFile': 'junk.iso'}}, 201)
        self.call('PUT', f'{ISOS}/junk/upload', b'junk' * 20000, 400,
                  Content_Type='application/octet-stream')
        status = self.call('GET', f'{ISOS}/junk').json['status']
        self.assertEqual('Error', status['phase'])

    def test_of_two_writers_with_one_etag_one_wins(self):
        self.call('POST', CONFIGS, config('race'), 201)
        tag = self.call('GET', f'{CONFIGS}/race').headers['ETag']

        def write(number):
            return self.server.call(
                'PATCH', f'{CONFIGS}/race',
                {'spec': {'data': {'ks.cfg': f'text {number}\n'}}},
                If_Match=tag).code

        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            codes = sorted(pool.map(write, range(8)))
        self.assertEqual([200] + [412] * 7, codes)

    def test_writers_without_an_etag_lose_nothing(self):
        self.call('POST', ISOS, {'metadata': {'name': 'labels'},
                                 'spec': {'isoFile': 'labels.iso'}}, 201)

        def write(number):
            return self.server.call('PATCH', f'{ISOS}/labels', {
                'metadata': {'labels': {f'n{number}': 'x'}}}).code

        with concurrent.futures.ThreadPoolExecutor(3) as pool:
            codes = list(pool.map(write, range(6)))
        labels = self.call('GET', f'{ISOS}/labels').json[
            'metadata'].get('labels', {})
        self.assertEqual(codes.count(200), len(labels))
        self.assertIn(200, codes)

    def test_names_cannot_leave_their_place(self):
        for name in ('a\nb', 'a"b', '..', 'a/b', '', 'a b', 'ä'):
            self.call('POST', CONFIGS, config(name), 400)
        self.call('POST', ISOS, {'metadata': {'name': 'x'}, 'spec': {
            'isoFile': '../x.iso'}}, 400)
        self.call('GET', '/page/..%2f..%2fservice.py', code=404)
        self.call('GET', f'{CONFIGS}/%2e%2e', code=404)

    def test_a_template_cannot_look_behind_its_facts(self):
        found = self.call('POST', '/api/v1/preview?host=server1', {
            'metadata': {'name': 'x'}, 'spec': {
                'format': 'kickstart', 'template': True, 'data': {
                    'ks.cfg': 'text {{ name.__class__.__mro__ }}\n'}}}, 400)
        self.assertNotIn('<class', found.json['message'])

    def test_what_is_wrong_with_a_config_is_told_with_its_line(self):
        found = self.call('POST', CONFIGS, {
            'metadata': {'name': 'x'}, 'spec': {
                'format': 'ignition', 'data': {'a.ign': '{\n"x": }'}}}, 400)
        cause, = found.json['details']['causes']
        self.assertEqual((2, 'spec.data["a.ign"]'),
                         (cause['line'], cause['field']))

    def test_machines_nobody_knows_get_nothing(self):
        self.call('GET', '/api/v1/bootconfig', code=404)
        self.call('GET', '/api/v1/bootconfig?mac=52:54:00:ff:ff:ff',
                  code=404)
        self.call('GET', '/api/v1/bootconfig?mac=x', code=400)
        self.call('GET', '/ipxe', code=400)
        found = self.call('GET', '/ipxe?mac=52:54:00:ff:ff:ff')
        self.assertTrue(found.text.endswith('exit 1\n'))

    def test_a_token_that_has_expired_is_none(self):
        signer = tokens.Tokens.from_file(str(self.directory / 'key'))
        with unittest.mock.patch('time.time', lambda: 1e9):
            token, _ends = signer.new(self.node, 60)
        found = self.call('GET', f'/t/{token}/', code=404)
        self.assertIn('expired', found.json['message'])

    def tenant(self, name, mac, **fields):
        """Add a host with a config of its tenant's; return what to call."""
        known = self.ironic.known
        node = known.add(name, mac, instance_info={
            'boot_config': f'of-{name}', 'ext_boot_mode': 'once'}, **fields)
        self.call('POST', CONFIGS, config(f'of-{name}', f'rootpw {name}\n'),
                  201)
        self.await_host(name, lambda host: True)
        return node, lambda: self.call(
            'POST', f'{HOSTS}/{name}/token', {}, 201).json['token']

    def await_host(self, name, condition):
        def look():
            found = self.server.call('GET', f'{HOSTS}/{name}')
            return found.code == 200 and condition(found.json)
        process.await_condition(look, 'the host', timeout=PATIENCE)

    def test_tokens_end_with_the_tenant(self):
        known, report = self.ironic.known, '/api/v1/boot-complete?token='
        for name, mac, interface, ended in (
                ('apart', '52:54:00:00:02:01', 'ipxe', {}),
                ('ours', '52:54:00:00:02:02', 'redfish-iso',
                 {'driver_internal_info': {'ext_boot_generation': 1 << 31}})):
            node, token = self.tenant(name, mac, boot_interface=interface)
            old = token()
            for _number in range(3):
                self.assertEqual(f'rootpw {name}\n', self.call(
                    'GET', f'/t/{old}/').text)
            # To the next one, by what Ironic and its conductors tell.
            known.change(node, provision_state='deleting', **ended)
            self.await_host(name, lambda host: host['status'][
                'provisionState'] == 'deleting')
            known.change(node, provision_state='active', instance_info={
                'boot_config': f'of-{name}', 'boot_iso': 'x',
                'ext_boot_mode': 'once'})
            self.await_host(name, lambda host: host['status'][
                'provisionState'] == 'active')
            self.call('GET', f'/t/{old}/', code=410)
            self.call('POST', report + old, code=410)
            self.assertNotIn('ext_boot_completed_at', known.nodes[node][
                'instance_info'])
            self.assertEqual(f'rootpw {name}\n', self.call(
                'GET', f'/t/{token()}/').text)

    def test_a_tenant_that_goes_between_two_looks_takes_its_token(self):
        known = self.ironic.known
        node, token = self.tenant('quick', '52:54:00:00:02:04',
                                  provision_updated_at='2026-01-01T00:00:00')
        old = token()
        self.assertEqual('rootpw quick\n', self.call(
            'GET', f'/t/{old}/').text)
        known.change(node, provision_updated_at='2026-01-01T00:00:01')
        process.await_condition(
            lambda: self.server.call('GET', f'/t/{old}/').code == 410,
            'the end of the token', timeout=PATIENCE)
        # Once, not at each look.
        new = token()
        known.change(node, power_state='power on')
        self.await_host('quick', lambda host: host['status'][
            'power'] == 'power on')
        self.call('GET', f'/t/{new}/')

    def test_to_boot_from_the_disk_ends_the_token_and_not_the_config(self):
        node, token = self.tenant('local', '52:54:00:00:02:03')
        self.ironic.known.change(node, instance_info={
            'boot_iso': 'http://192.0.2.1/x.iso', 'boot_config': 'of-local'})
        old = token()
        self.call('PATCH', f'{HOSTS}/local', {'spec': {'image': 'localboot'}})
        self.call('GET', f'/t/{old}/', code=410)
        self.call('POST', f'/api/v1/boot-complete?token={old}', code=204)
        for path in ('/api/v1/bootconfig?mac=52:54:00:00:02:03',
                     f'/t/{token()}/'):
            self.assertEqual('rootpw local\n', self.call('GET', path).text)

    def test_an_old_version_is_gone(self):
        self.call('GET', '/api/v1/baremetalhosts?watch=true'
                         '&resourceVersion=other.1', code=410)
        self.call('GET', f'{CONFIGS}?watch=true&resourceVersion=99999999',
                  code=410)

    def test_a_watch_takes_labels_and_refuses_what_are_none(self):
        self.call('GET', f'{CONFIGS}?watch=true&labelSelector=a%20b', code=400)
        self.call('POST', CONFIGS, config('unlabelled'), 201)
        with self.server.watch(CONFIGS, labelSelector='arch=x86') as watch:
            self.assertEqual('BOOKMARK', next(iter(watch))['type'])
            for labels in ({'arch': 'x86'}, {'arch': 'arm'}):
                self.call('PATCH', f'{CONFIGS}/unlabelled',
                          {'metadata': {'labels': labels}})
            self.assertEqual(
                ['MODIFIED', 'DELETED'],
                [watch.until(lambda event: event['type'] != 'BOOKMARK')[
                    'type'] for _number in range(2)])

    def test_the_api_is_as_it_says(self):
        schema = schemathesis.openapi.from_url(
            self.server.url + '/openapi.json')
        checks = [
            schemathesis.checks.not_a_server_error,
            schemathesis.specs.openapi.checks.status_code_conformance,
            schemathesis.specs.openapi.checks.content_type_conformance,
            schemathesis.specs.openapi.checks.response_schema_conformance]
        count, machines = 0, []
        for found in schema.get_all_operations():
            operation = found.ok()
            if operation.path == '/healthz':
                continue
            count += 1

            @hypothesis.settings(
                max_examples=15, deadline=None, database=None,
                derandomize=True,
                suppress_health_check=list(hypothesis.HealthCheck))
            @hypothesis.given(case=operation.as_strategy())
            def judge(case):
                # Watches are no JSON, and take their time.
                (case.query or {}).pop('watch', None)
                # One machine that guessed so often would be slowed.
                machines.append(f'2001:db8:0:{len(machines):x}::1')
                case.call_and_validate(
                    checks=checks, timeout=60,
                    headers={'X-Forwarded-For': machines[-1]})

            judge()
        self.assertGreater(count, 25)


class FewFilesTestCase(testtools.TestCase):
    """A server that may open no more files than a handful."""

    def test_connections_that_say_nothing_make_room(self):
        ironic = self.useFixture(ironic_stand_in.IronicStandIn())
        server = self.useFixture(boot_server.BootServer(
            ironic.url, prefix=('prlimit', '--nofile=80'))).process
        for _number in range(200):
            self.addCleanup(socket.create_connection(
                (server.host, server.port), 60).close)
        # Needs no file but its connection.
        self.assertEqual(200, server.call('GET', f'/ipxe?mac={MAC}').code)
        complaints = server.log_path.read_text().count(
            'No connection can be accepted')
        # One a minute.
        self.assertIn(complaints, range(1, 20))


class StopTestCase(testtools.TestCase):
    """The end of a server."""

    def test_watches_end_with_the_server(self):
        ironic = self.useFixture(ironic_stand_in.IronicStandIn())
        server = self.useFixture(boot_server.BootServer(ironic.url)).process
        with contextlib.ExitStack() as stack:
            watches = [stack.enter_context(server.watch(
                '/api/v1/baremetalhosts')) for _number in range(5)]
            for watch in watches:
                next(iter(watch))
            began = time.monotonic()
            server.stop()
            for watch in watches:
                self.assertLessEqual({event['type'] for event in watch},
                                     {'BOOKMARK'})
        self.assertLess(time.monotonic() - began, 14)
