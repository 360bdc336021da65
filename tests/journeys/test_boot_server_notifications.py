# SPDX-License-Identifier: Apache-2.0

"""Boot servers that listen to a real Ironic by a real RabbitMQ."""

import json
import pathlib
import tempfile
import urllib.request

import kombu
import testtools

from lab import bare_metal
from lab import process
from tests import boot_server
from tests.cluster import engines

_IRONIC = """
[DEFAULT]
notification_level = info
versioned_notifications_topics = boot1,boot2
[oslo_messaging_notifications]
driver = messagingv2
transport_url = {url}
# Requests to Ironic wait for RabbitMQ otherwise.
retry = 0
[redfish]
connection_attempts = 1
"""
_LISTENS = """
[oslo_messaging_notifications]
transport_url = {url}
"""
_HOSTS = '/api/v1/namespaces/default/baremetalhosts'
#: Seconds until Ironic is asked without notifications: never, in a test.
_NEVER = 36000
_PATIENCE = 120
_MAC = '52:54:00:00:00:01'
_MOST = 8 << 20


class NotificationsTestCase(testtools.TestCase):

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        engines.require(rabbitmq=True)
        folder = tempfile.TemporaryDirectory(prefix='heard-')
        cls.addClassCleanup(folder.cleanup)
        directory = pathlib.Path(folder.name)
        # RabbitMQ is a user of its own.
        directory.chmod(0o755)
        for name in ('mq', 'ironic', 'http'):
            (directory / name).mkdir()
        cls.rabbit = engines.RabbitMQ(directory / 'mq')
        cls.addClassCleanup(cls.rabbit.end_names)
        cls.addClassCleanup(cls.rabbit.stop)
        cls.rabbit.start()
        cls.url = f'rabbit://guest:guest@127.0.0.1:{cls.rabbit.port}/'
        cls.ironic = bare_metal.Ironic(
            directory / 'ironic', http_root=directory / 'http',
            http_url='http://127.0.0.1:1/', images=directory / 'http',
            extra=_IRONIC.format(url=cls.url))
        cls.ironic.create_schema()
        cls.addClassCleanup(cls.ironic.stop)
        cls.ironic.start()

    def setUp(self):
        super().setUp()
        if not self.rabbit.pid:
            self.rabbit.start()

    def server(self, topic, **settings):
        """Start a boot server; return it and where its figures are."""
        port = process.free_port()
        fixture = self.useFixture(boot_server.BootServer(
            self.ironic.url, identity='mac',
            options=f'auth_strategy = noauth\nmetrics_port = {port}\n'
                    f'notification_topics = {topic}',
            extra=_LISTENS.format(url=self.url), **settings))
        return fixture.process, port

    def ask(self, method, path, body=None):
        answer = self.ironic.call(method, f'/v1/{path}', body)
        return json.loads(answer) if answer else None

    def node(self, name):
        return self.ask('POST', 'nodes', {
            'driver': 'redfish-ext', 'name': name, 'driver_info': {
                'redfish_address': 'http://127.0.0.1:1',
                'redfish_system_id': '/redfish/v1/Systems/1'}})['uuid']

    @staticmethod
    def shown(server, name):
        """Return a host as a server shows it, None for none."""
        answer = server.call('GET', f'{_HOSTS}/{name}')
        return answer.json if answer.code == 200 else None

    def await_shown(self, server, name, wanted, what):
        return process.await_condition(
            lambda: wanted(self.shown(server, name) or {}), what,
            timeout=_PATIENCE)

    @staticmethod
    def heard(port):
        """Return how many notifications a server has heard."""
        with urllib.request.urlopen(f'http://127.0.0.1:{port}/metrics',
                                    timeout=60) as answer:
            for line in answer.read().decode().splitlines():
                if line.startswith('ironic_ext_boot_notifications_total '):
                    return float(line.split()[1])
        return 0.0

    def publish(self, data, content_type='application/json'):
        """Send what Ironic would not."""
        with kombu.Connection('amqp://guest:guest@127.0.0.1:'
                              f'{self.rabbit.port}//') as connection:
            kombu.Producer(connection.channel()).publish(
                data, exchange='ironic', routing_key='boot1.info',
                content_type=content_type, content_encoding='utf-8')

    def test_what_changes_is_shown_though_ironic_is_never_asked(self):
        server, port = self.server('boot1', poll=_NEVER, resync=_NEVER)
        uuid = self.node('heard')
        self.await_shown(server, 'heard', bool, 'a node that was made')
        self.ask('PATCH', f'nodes/{uuid}', [
            {'op': 'add', 'path': '/instance_info/boot_iso',
             'value': 'file:///x.iso'}])
        self.await_shown(
            server, 'heard', lambda host: host.get('spec', {}).get('image'),
            'its ISO')
        mac = self.ask('POST', 'ports', {'node_uuid': uuid,
                                         'address': _MAC})['uuid']

        def code():
            return server.call('GET', f'/api/v1/bootconfig?mac={_MAC}').code

        # The machine is known, and has no config.
        known = process.await_condition(
            lambda: code() if 'heard' in server.call(
                'GET', f'/api/v1/bootconfig?mac={_MAC}').text else None,
            'its MAC', timeout=_PATIENCE)
        self.ask('DELETE', f'ports/{mac}')
        process.await_condition(
            lambda: 'heard' not in server.call(
                'GET', f'/api/v1/bootconfig?mac={_MAC}').text,
            f'a MAC that is gone, which was answered {known}',
            timeout=_PATIENCE)
        # Its BMC does not answer: that is told by another priority.
        self.ask('PUT', f'nodes/{uuid}/states/provision',
                 {'target': 'manage'})
        self.await_shown(server, 'heard', lambda host: 'failed' in json.dumps(
            host).lower(), 'a failure')
        self.ask('DELETE', f'nodes/{uuid}')
        process.await_condition(
            lambda: self.shown(server, 'heard') is None, 'its end',
            timeout=_PATIENCE)
        self.assertGreater(self.heard(port), 3)

    def test_what_is_not_ironics_does_no_harm(self):
        server, _port = self.server('boot1', poll=_NEVER, resync=_NEVER)
        uuid = self.node('steady')
        self.await_shown(server, 'steady', bool, 'a node that was made')
        good = {'event_type': 'baremetal.node.update.end', 'priority': 'INFO',
                'publisher_id': 'x', 'message_id': '1', 'payload': {
                    'ironic_object.data': {'uuid': uuid}}}
        for said in ('', '{', '[]', '7', '"x"', '{}', json.dumps(
                {'oslo.version': '2.0', 'oslo.message': '{'}), *(
                json.dumps({'oslo.version': '2.0',
                            'oslo.message': json.dumps({**good, **bad})})
                for bad in (
                    {'priority': 7}, {'event_type': ['x']}, {'payload': 7},
                    {'payload': {'ironic_object.data': {'uuid': {}}}},
                    {'payload': {'ironic_object.data': {
                        'uuid': '00000000-0000-4000-8000-000000000000'}}},
                    {'payload': {'ironic_object.data': {'uuid': uuid},
                                 'more': 'x' * _MOST}}))):
            self.publish(said)
        self.publish(b'\0\xff', 'application/octet-stream')
        self.ask('PATCH', f'nodes/{uuid}', [
            {'op': 'add', 'path': '/instance_info/boot_iso',
             'value': 'file:///x.iso'}])
        self.await_shown(
            server, 'steady', lambda host: host.get('spec', {}).get('image'),
            'a change after all that')
        self.assertEqual(200, server.call('GET', '/readyz').code)
        self.ask('DELETE', f'nodes/{uuid}')

    def test_without_rabbitmq_ironic_is_asked_as_before(self):
        self.rabbit.kill()
        server, port = self.server('boot2', poll=1, resync=_NEVER)
        uuid = self.node('asked')
        self.await_shown(server, 'asked', bool, 'a node that was made')
        process.await_condition(
            lambda: 'Connection failed' in server.log_path.read_text(),
            'word of it', timeout=_PATIENCE)
        self.rabbit.start()

        def is_heard():
            self.ask('PATCH', f'nodes/{uuid}', [
                {'op': 'add', 'path': '/extra/x', 'value': 'y'}])
            return self.heard(port)

        process.await_condition(is_heard, 'notifications', interval=1,
                                timeout=_PATIENCE)
        self.rabbit.kill()
        self.ask('DELETE', f'nodes/{uuid}')
        process.await_condition(
            lambda: self.shown(server, 'asked') is None, 'its end',
            timeout=_PATIENCE)
        server.stop()
        log = server.log_path.read_text()
        self.assertEqual(1, log.count('Connection failed'), log)
        self.assertNotIn('guest', log)
        self.assertNotIn('Traceback', log)
