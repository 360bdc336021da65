# SPDX-License-Identifier: Apache-2.0

"""A boot server that speaks HTTPS, as a process."""

import contextlib
import http.client
import pathlib
import socket
import ssl
import tempfile

import testtools
import trustme

from tests import boot_server
from tests import ironic_stand_in

CONFIGS = '/api/v1/bootconfigs'
HOST = '/api/v1/namespaces/default/baremetalhosts/server1'
MAC = '52:54:00:00:00:01'
#: As few as can be: five in all.
_THREADS = 'threads = 4\nmax_watches = 1'


class _SecureServer(boot_server.Process):
    """A server that is asked over TLS."""

    def __init__(self, directory, ironic, context, certificate):
        self._context = context
        super().__init__(
            directory, ironic, options='auth_strategy = noauth\n'
            f'use_ssl = true\ncert_file = {certificate}\n{_THREADS}')

    def is_ready(self):
        with contextlib.suppress(OSError):
            return self.call('GET', '/readyz').code == 200
        return False

    def connection(self, source=''):
        return http.client.HTTPSConnection(
            self.host, self.port, timeout=60, context=self._context)


class TlsTestCase(testtools.TestCase):
    """Machines, people and strangers."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        ironic = ironic_stand_in.IronicStandIn()
        ironic.setUp()
        cls.addClassCleanup(ironic.cleanUp)
        ironic.known.add('server1', MAC,
                         instance_info={'boot_config': 'greeting'})
        directory = pathlib.Path(cls.enterClassContext(
            tempfile.TemporaryDirectory()))
        authority = trustme.CA()
        context = ssl.create_default_context()
        authority.configure_trust(context)
        certificate = directory / 'server.pem'
        authority.issue_cert(
            '127.0.0.1').private_key_and_cert_chain_pem.write_to_path(
                str(certificate))
        cls.server = _SecureServer(directory, ironic.url, context,
                                   certificate)
        cls.addClassCleanup(cls.server.stop)
        cls.server.start()
        cls.text = 'hello\n' * 100000
        stored = cls.server.call('POST', CONFIGS, {
            'metadata': {'name': 'greeting'}, 'spec': {
                'format': 'plain', 'data': {'hello.txt': cls.text},
                'primary': 'hello.txt'}})
        assert stored.code == 201, stored.data

    def test_a_machine_gets_a_large_config(self):
        connection = self.server.connection()
        self.addCleanup(connection.close)
        for _number in range(2):
            connection.request('GET', f'/api/v1/bootconfig?mac={MAC}')
            answer = connection.getresponse()
            self.assertEqual(200, answer.status)
            self.assertEqual(self.text.encode(), answer.read())

    def test_a_change_arrives_at_a_watch(self):
        with self.server.watch('/api/v1/baremetalhosts') as watch:
            watch.until(lambda event: event['type'] == 'BOOKMARK')
            changed = self.server.call('PATCH', HOST,
                                       {'spec': {'bootMode': 'once'}})
            self.assertEqual(200, changed.code, changed.data)
            watch.until(lambda event: event['type'] == 'MODIFIED')

    def test_strangers_that_say_nothing_hold_nobody_up(self):
        for said in (b'', b'GET / HTTP/1.1\r\n\r\n') * 10:
            stranger = socket.create_connection(
                (self.server.host, self.server.port), 60)
            self.addCleanup(stranger.close)
            # Enough of them wait for one to be sent away.
            with contextlib.suppress(ConnectionError):
                stranger.sendall(said)
        self.assertEqual(200, self.server.call('GET', '/healthz').code)
