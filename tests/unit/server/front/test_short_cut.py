# SPDX-License-Identifier: Apache-2.0

"""The short cut answers as the application does, or not at all."""

import ipaddress
import re
import socket
import unittest.mock

import fixtures
import hypothesis
from hypothesis import strategies
import testtools

from ironic_ext import catalog
from ironic_ext.node import tokens
from ironic_ext.server.front import connections
from ironic_ext.server.front import listener
from ironic_ext.server.front import short_cut
from ironic_ext.server.machines import answers as machine_answers
from ironic_ext.server.machines import identity as machines
from tests.unit.node import test_host as test_hosts
from tests.unit.server.machines import test_identity as test_machines
from tests.unit.server import test_app

MAC = '52:54:00:00:00:01'
TEMPLATED = '52:54:00:00:00:02'
INLINE = '52:54:00:00:00:03'
_DATE = re.compile(rb'\r\nDate: [^\r]*')


def request(path, *headers, method='GET'):
    lines = [f'{method} {path} HTTP/1.1', 'Host: a', *headers, '', '']
    return '\r\n'.join(lines).encode()


class _ShortCutTestCase(testtools.TestCase):
    """A short cut beside the application, for the same machines."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        known = test_machines.KnownCatalog(
            test_machines.config('server'),
            test_machines.config('facts', '{{ name }}', template=True),
            test_hosts.iso('netinst', 'server', 'facts'))
        signer = tokens.Tokens([b'k' * 32])
        cls.token, _ends = signer.new(test_hosts.UUID, 3600)
        configs = machines.Configs(known)
        proxies = [ipaddress.ip_network('192.0.2.99')]
        application, index = test_app.make(lambda index: (
            machine_answers.Answers(machines.Finder(index, signer), configs,
                                    proxies)))
        for number, mac, config in (
                (1, MAC, 'server'), (2, TEMPLATED, 'facts'),
                (3, INLINE, {'format': 'kickstart',
                             'data': {'ks.cfg': 'reboot\n'}})):
            index.put(test_hosts.host(
                [mac], uuid=test_hosts.UUID[:-1] + str(number),
                name=f'server{number}',
                extra={'boot_ips': f'192.0.2.{number}'},
                instance_info={'boot_iso': 'netinst',
                               'boot_config': config}))
        index.loaded.set()
        cls.index = index
        cls.reply = staticmethod(short_cut.ShortCut(machine_answers.Answers(
            machines.Finder(index, signer),
            machines.ConfigsAtHand(known, configs), proxies)).reply)
        cls.server = listener.Listener(('127.0.0.1', 0), application, 1,
                                       server_name=short_cut.SERVER)
        cls.server.ready = True

    def setUp(self):
        super().setUp()
        self.useFixture(fixtures.FakeLogger())

    def told(self, received, peer):
        """Return what the application answers, and whether it goes on."""
        client, ours = socket.socketpair()
        with client, ours:
            connection = connections.Connection(self.server, ours)
            connection.remote_addr = peer
            client.settimeout(60)
            client.sendall(received)
            goes_on = connection.communicate()
            connection.close()
            answer = b''
            while more := client.recv(1 << 16):
                answer += more
        return _DATE.sub(b'', answer), goes_on

    def assert_alike(self, received, peer='192.0.2.1'):
        """Require what the application answers; return the text."""
        wanted, goes_on = self.told(received, peer)
        reply = self.reply(received, peer)
        self.assertIsNotNone(reply, received)
        self.assertEqual(len(received), reply.length)
        self.assertEqual(goes_on, not reply.closes)
        self.assertEqual(wanted, _DATE.sub(b'', reply.encoded(reply.closes)))
        return reply.answer.data.decode()


class ShortCutTestCase(_ShortCutTestCase):
    """Requests that are answered, and those that are not."""

    def test_machines_are_answered_as_by_the_application(self):
        for path in (f'/api/v1/bootconfig?mac={MAC}', '/api/v1/bootconfig',
                     '/api/v1/bootconfig?mac=52-54-00-00-00-01',
                     f'/api/v1/bootconfig?token={self.token}',
                     f'/api/v1/bootconfig/ks.cfg?mac={MAC}',
                     f'/t/{self.token}', f'/t/{self.token}/ks.cfg',
                     f'/t/{self.token}?mac={INLINE}'):
            self.assertEqual('text\n', self.assert_alike(request(path)))
        for mac in (MAC, '52:54:00:00:00:77'):
            self.assertIn('#!ipxe\n', self.assert_alike(
                request(f'/ipxe?mac={mac}')))

    def test_headers_tell_who_asks_and_whether_it_is_the_last_time(self):
        path = '/api/v1/bootconfig'
        for headers, peer in (
                ([f'X-RHN-Provisioning-MAC-0: eth0 {MAC}'], '192.0.2.9'),
                (['X-Forwarded-For: 192.0.2.1'], '192.0.2.99'),
                (['x-forwarded-for: 192.0.2.9'], '192.0.2.1'),
                (['Connection: close', 'Accept: */*'], '192.0.2.1'),
                (['Connection: keep-alive', 'User-Agent:'], '192.0.2.1')):
            self.assertEqual('text\n', self.assert_alike(
                request(path, *headers), peer))

    def test_what_takes_time_or_is_an_error_is_left_to_the_application(self):
        for path in (f'/api/v1/bootconfig?mac={TEMPLATED}',
                     f'/api/v1/bootconfig?mac={INLINE}',
                     '/api/v1/bootconfig?mac=52:54:00:00:00:77',
                     '/api/v1/bootconfig?mac=nonsense', '/ipxe',
                     f'/api/v1/bootconfig/none.cfg?mac={MAC}',
                     f'/api/v1/bootconfig/?mac={MAC}',
                     '/api/v1/bootconfig?token=' + 'x' * 48, '/t/',
                     f'/t/{self.token}/', '/healthz', '/',
                     '/api/v1/baremetalhosts'):
            self.assertIsNone(self.reply(request(path), '192.0.2.1'), path)

    def test_what_is_not_plain_is_left_to_the_application(self):
        path = f'/api/v1/bootconfig?mac={MAC}'
        plain = request(path)
        self.told(plain, '')    # From then on it is at hand.
        self.assertIsNotNone(self.reply(plain, ''))
        for received in (
                *(request(path, header) for header in (
                    'Content-Length: 3', 'Transfer-Encoding: chunked',
                    'Expect: 100-continue', 'Upgrade: websocket',
                    'Connection: upgrade', 'Host: b', 'X_Y: z',
                    'X: a\r\n folded', 'X : a', 'X: \x7f', 'X: \xe4')),
                *(request(path, method=method)
                  for method in ('HEAD', 'POST', 'get', 'OPTIONS')),
                plain.replace(b'1.1', b'1.0'), b'\r\n' + plain,
                plain.replace(b'\r\n', b'\n'),
                plain.replace(b'Host: a\r\n', b''),
                plain.replace(b'/api', b'http://a/api'),
                plain.replace(b'?mac', b'#?mac'),
                plain.replace(b'boot', b'%62oot'),
                plain.replace(b':', b'%3A'),
                plain.replace(b'?', b'?a=b&'),
                plain.replace(b' HTTP', b'&mac=x HTTP'),
                plain.replace(b'mac=', b'mac=' + b'0' * 5000)):
            self.assertIsNone(self.reply(received, ''), received)

    def test_a_part_of_a_request_is_not_answered(self):
        received = request(f'/api/v1/bootconfig?mac={MAC}')
        for length in range(len(received)):
            self.assertIsNone(self.reply(received[:length], ''))

    def test_what_follows_a_request_is_left(self):
        received = request(f'/ipxe?mac={MAC}')
        self.assertEqual(len(received),
                         self.reply(received + b'GET', '').length)

    def test_a_fault_of_ours_is_not_hidden(self):
        answers = unittest.mock.Mock()
        answers.script.side_effect = TypeError
        self.assertRaises(TypeError, short_cut.ShortCut(answers).reply,
                          request(f'/ipxe?mac={MAC}'), '')

    def test_before_ironic_answered_nobody_is_answered(self):
        self.index.loaded.clear()
        self.addCleanup(self.index.loaded.set)
        self.assertIsNone(self.reply(
            request('/ipxe?mac=52:54:00:00:00:77'), ''))

    @hypothesis.settings(deadline=None, derandomize=True,
                         max_examples=200,
                         suppress_health_check=list(hypothesis.HealthCheck))
    @hypothesis.given(strategies.data())
    def test_an_answer_is_never_another_one_than_the_applications(self, data):
        def some(*items):
            return data.draw(strategies.sampled_from(items))

        token = some('', self.token, self.token[:-1])
        path = some('/ipxe', '/api/v1/bootconfig', f'/t/{token}') + some(
            '', '/', '//', '/ks.cfg', '/a', '/.', '/~')
        query = some('', '?', f'?mac={MAC}', '?mac=', f'?token={self.token}',
                     f'?mac={MAC}&', f'?MAC={MAC}', f'?mac={MAC.upper()}')
        headers = data.draw(strategies.lists(strategies.sampled_from((
            'Connection: close', 'Connection: Keep-Alive', 'Accept: a',
            'Connection: Close', 'X-Forwarded-For: 192.0.2.1, 192.0.2.99',
            'X-Forwarded-For:', f'X-RHN-Provisioning-MAC-0: eth0  {MAC} ',
            'X-RHN-Provisioning-MAC-0: x', 'Range: bytes=0-1',
            'If-None-Match: *', 'Authorization: Basic x', 'TE: trailers')),
            max_size=3))
        received = request(path + query, *headers)
        peer = some('192.0.2.1', '192.0.2.9', '192.0.2.99', '::1', '')
        if self.reply(received, peer) is not None:
            self.assert_alike(received, peer)


class ConfigsAtHandTestCase(testtools.TestCase):
    """What is ready."""

    def test_a_config_is_ready_once_it_was_made(self):
        known = test_machines.KnownCatalog(test_machines.config('server'))
        configs = machines.Configs(known)
        at_hand = machines.ConfigsAtHand(known, configs)
        host = test_hosts.host(instance_info={'boot_config': 'server'})
        self.assertRaises(LookupError, at_hand.of, host)
        made = configs.of(host)
        self.assertIs(made, at_hand.of(host))
        known.found['BootConfig', 'server'] = test_machines.config(
            'server', 'reboot\n', version='2')
        self.assertRaises(LookupError, at_hand.of, host)

    def test_the_rules_hold(self):
        known = test_machines.KnownCatalog(
            test_machines.config('server'), test_machines.config('other'),
            test_hosts.iso('netinst', 'server'))
        configs = machines.Configs(known)
        configs.of(test_hosts.host(instance_info={'boot_config': 'other'}))
        at_hand = machines.ConfigsAtHand(known, configs)
        self.assertRaises(catalog.InvalidError, at_hand.of, test_hosts.host(
            instance_info={'boot_iso': 'netinst', 'boot_config': 'other'}))
