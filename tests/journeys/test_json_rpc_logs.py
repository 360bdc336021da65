# SPDX-License-Identifier: Apache-2.0

"""What API and conductor log of data images when they are two processes."""

from collections.abc import Sequence
import json
import pathlib
import tempfile
import urllib.error

import testtools

from lab import bare_metal
from lab import process

SECRETS = ('hunter2-password', 'content-of-a-file', 'signature-of-a-url')
_CONFIG = """
[DEFAULT]
rpc_transport = json-rpc
# Under this name the API finds the conductor.
host = 127.0.0.1
log_file = {directory}/{name}.log
debug = true
enabled_management_interfaces = redfish-ext
enabled_vendor_interfaces = redfish-ext
[json_rpc]
auth_strategy = noauth
host_ip = 127.0.0.1
port = {rpc_port}
[ext_data_image]
reconcile_interval = 1
[ext_images]
cache_dir = {directory}/cache
[ext_media]
delivery = file
[redfish]
connection_attempts = 1
connection_retry_interval = 1
"""


class _Part(bare_metal.Ironic):
    """One of the two processes; both have one database."""

    def __init__(self, program: str, directory: pathlib.Path,
                 rpc_port: int) -> None:
        own = directory / program
        own.mkdir()
        super().__init__(
            own, http_root=directory, http_url='http://127.0.0.1:9',
            images=directory, extra=_CONFIG.format(
                directory=own, name=program, rpc_port=rpc_port))
        self.name = self.program = program
        self.rpc_port = rpc_port
        self.debug_log = own / f'{program}.log'
        self.config.write_text(self.config.read_text().replace(
            f'sqlite:///{own}/', f'sqlite:///{directory}/'))
        self._database = directory / 'ironic.sqlite'

    def command(self) -> Sequence[str]:
        return [self._program(self.program), '--config-file',
                str(self.config)]


class _Conductor(_Part):

    def is_ready(self) -> bool:
        return process.http_answers(f'http://127.0.0.1:{self.rpc_port}/')


class JsonRpcLogTestCase(testtools.TestCase):

    def setUp(self) -> None:
        super().setUp()
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        directory = pathlib.Path(folder.name).resolve()
        rpc_port = process.free_port()
        self.conductor = _Conductor('ironic-conductor', directory, rpc_port)
        self.conductor.create_schema()
        self.api = _Part('ironic-api', directory, rpc_port)
        for part in (self.conductor, self.api):
            self.addCleanup(part.stop)
            part.start()

    def test_requests_with_data_images_are_logged_without_secrets(self):
        password, content, signature = SECRETS
        node = json.loads(self.api.call('POST', '/v1/nodes', {
            'name': 'n', 'driver': 'redfish-ext',
            'driver_info': {
                'redfish_address': 'http://127.0.0.1:9',
                'redfish_system_id': '/redfish/v1/Systems/1'}}))
        url = (f'/v1/nodes/{node["uuid"]}/vendor_passthru'
               '?method=data_image')
        for body in ({'files': {'a': content, 'b': {'content': content}}},
                     {'url': f'http://h/x.iso?sig={signature}',
                      'username': 'me', 'password': password}):
            # It is not in a state for it: its content was sent all the same.
            error = self.assertRaises(urllib.error.HTTPError, self.api.call,
                                      'PUT', url, body)
            self.assertEqual(409, error.code)
            error.close()
        # The conductor did log the requests.
        log = self.conductor.debug_log.read_text()
        self.assertIn('RPC vendor_passthru with', log)
        self.assertIn('http://h/x.iso', log)
        for part in (self.conductor, self.api):
            text = part.debug_log.read_text() + part.log_path.read_text()
            for secret in SECRETS:
                self.assertNotIn(secret, text, part.program)
