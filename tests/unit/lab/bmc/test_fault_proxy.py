# SPDX-License-Identifier: Apache-2.0

"""The lab's proxy, on which the end-to-end tests of faults rely."""

import dataclasses
import http.client
import http.server
import json
import threading
import urllib.error
import urllib.request

import testtools

from lab.bmc import fault_proxy
from lab import process


class _Bmc(http.server.BaseHTTPRequestHandler):

    def _answer(self) -> None:
        self.server.seen.append((self.command, self.path))
        self.send_response(200)
        if self.path.startswith('/json'):
            self.send_header('Content-Type', 'application/json')
        self.end_headers()
        self.wfile.write(b'{"Id": "it"}' if self.path.startswith('/json')
                         else b'the BMC')

    do_GET = do_POST = _answer

    def log_message(self, *arguments: object) -> None:
        """Nothing to say."""


class FaultProxyTestCase(testtools.TestCase):

    def setUp(self) -> None:
        super().setUp()
        self.bmc = http.server.ThreadingHTTPServer(('127.0.0.1', 0), _Bmc)
        self.bmc.seen = []
        thread = threading.Thread(target=self.bmc.serve_forever, args=(0.01,))
        thread.start()
        self.addCleanup(self.bmc.server_close)
        self.addCleanup(thread.join)
        self.addCleanup(self.bmc.shutdown)
        self.proxy = fault_proxy.FaultProxy(
            'http://127.0.0.1:%d' % self.bmc.server_address[1])
        self.proxy.start()
        self.addCleanup(self.proxy.stop)

    def request(self, method: str, path: str) -> int:
        request = urllib.request.Request(self.proxy.url + path,
                                         method=method)
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return answer.status
        except urllib.error.HTTPError as exc:
            return exc.code

    def test_without_a_rule_the_bmc_answers_and_the_request_is_recorded(self):
        self.assertEqual(200, self.request('GET', '/redfish/v1'))
        self.assertEqual([('GET', '/redfish/v1')], self.bmc.seen)
        self.assertEqual(1, len(self.proxy.requests('GET', 'v1$')))
        self.assertEqual([], self.proxy.requests('POST'))

    def test_a_rule_applies_to_its_method_and_path_as_often_as_it_says(self):
        self.proxy.answer_next('POST', 'Insert$', 500)
        self.assertEqual(200, self.request('GET', '/Insert'))
        self.assertEqual(200, self.request('POST', '/Eject'))
        self.assertEqual(500, self.request('POST', '/Insert'))
        self.assertEqual(200, self.request('POST', '/Insert'))
        self.assertEqual(3, len(self.bmc.seen))

    def test_an_accepted_request_never_reaches_the_bmc(self):
        self.proxy.answer_always('POST', 'Insert$', 204)
        self.assertEqual([204, 204], [self.request('POST', '/Insert')
                                      for _ in range(2)])
        self.assertEqual([], self.bmc.seen)

    def test_a_hanging_request_waits_until_it_is_released(self):
        hang = self.proxy.hang_next('POST', 'Insert$')
        statuses: list[int] = []
        thread = threading.Thread(
            target=lambda: statuses.append(self.request('POST', '/Insert')))
        thread.start()
        hang.await_request(10)
        self.assertEqual([], statuses)
        hang.release()
        thread.join(10)
        self.assertEqual([503], statuses)
        self.assertEqual([], self.bmc.seen)

    def test_waiting_for_a_request_that_never_comes_is_an_error(self):
        hang = self.proxy.hang_next('POST', 'Insert$')
        self.assertRaises(process.LabError, hang.await_request, 0.01)

    def test_clearing_forgets_rules_and_requests(self):
        self.proxy.answer_always('GET', '', 500)
        self.request('GET', '/')
        self.proxy.clear()
        self.assertEqual([], self.proxy.requests('GET'))
        self.assertEqual(200, self.request('GET', '/'))

    def test_manners_make_it_another_bmc(self):
        class Vendor(fault_proxy.Manners):
            def refuse(self, request):
                if request.path == '/json/no':
                    return 400, {'error': {}}
                return None

            def translate(self, request):
                return dataclasses.replace(
                    request, path=request.path.replace('Managers',
                                                       'Systems'))

            def show(self, request, answer):
                return {**answer, 'shown': request.path}

        self.proxy.manners = Vendor()
        self.assertEqual(400, self.request('GET', '/json/no'))
        with urllib.request.urlopen(self.proxy.url + '/json/Managers/1',
                                    timeout=10) as answer:
            self.assertEqual({'Id': 'it', 'shown': '/json/Managers/1'},
                             json.load(answer))
        self.assertEqual([('GET', '/json/Systems/1')], self.bmc.seen)
        self.proxy.clear()
        self.assertEqual(200, self.request('GET', '/json/no'))

    def test_a_connection_that_is_closed_is_said_to_be(self):
        connection = http.client.HTTPConnection(
            self.proxy.url.removeprefix('http://'), timeout=10)
        self.addCleanup(connection.close)
        for wanted in ('keep-alive', 'close'):
            connection.request('GET', '/json/1',
                               headers={'Connection': wanted})
            answer = connection.getresponse()
            answer.read()
            self.assertEqual('close' if wanted == 'close' else None,
                             answer.headers['Connection'])
