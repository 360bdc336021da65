# SPDX-License-Identifier: Apache-2.0

"""A proxy between Ironic and the BMC that misbehaves when told to.

It records every request. A rule applies to requests of one method whose
path matches a regular expression, a given number of times; the first rule
that fits wins. Manners make the BMC one of another vendor's.
"""

import dataclasses
import http.client
import http.server
import json
import re
import threading
from urllib import parse

from lab import process

_HOP_BY_HOP = frozenset(
    ('connection', 'keep-alive', 'transfer-encoding', 'content-length'))
_ALWAYS = 1 << 30
_JSON = [('Content-Type', 'application/json')]
_ERROR = json.dumps({'error': {
    'code': 'Base.1.0.GeneralError',
    'message': 'The lab made this up',
    '@Message.ExtendedInfo': [
        {'@odata.type': '/redfish/v1/$metadata#Message.1.0.0.Message',
         'MessageId': 'Base.1.0.GeneralError'}]}}).encode()


@dataclasses.dataclass(frozen=True)
class Request:
    """One request that reached the proxy."""

    method: str
    path: str
    body: bytes


class Rule:
    """What to do with the next requests that match."""

    def __init__(self, method: str, pattern: str, times: int) -> None:
        self._method = method
        self._pattern = re.compile(pattern)
        self._left = times

    def take(self, request: Request) -> bool:
        """Tell whether the rule applies to the request, and count it."""
        if (self._left <= 0 or request.method != self._method
                or not self._pattern.search(request.path)):
            return False
        self._left -= 1
        return True

    def answer(self) -> int:
        """Return the status to answer with."""
        raise NotImplementedError


class _Answer(Rule):
    def __init__(self, method: str, pattern: str, times: int,
                 status: int) -> None:
        super().__init__(method, pattern, times)
        self._status = status

    def answer(self) -> int:
        return self._status


class Hang(Rule):
    """Hold matching requests back; drop them when released."""

    def __init__(self, method: str, pattern: str, times: int) -> None:
        super().__init__(method, pattern, times)
        self._reached = threading.Event()
        self._released = threading.Event()

    def await_request(self, timeout: float) -> None:
        """Wait until a request hangs.

        :raises: LabError after timeout seconds.
        """
        if not self._reached.wait(timeout):
            raise process.LabError(
                f'no request reached the hanging BMC in {timeout:.0f} s')

    def release(self) -> None:
        """Let hanging requests go; they never reach the BMC."""
        self._released.set()

    def answer(self) -> int:
        self._reached.set()
        self._released.wait()
        return 503


class Manners:
    """How a BMC differs from the one behind the proxy: not at all.

    :ivar headers: added to its answers.
    """

    headers: tuple[tuple[str, str], ...] = ()

    def refuse(self, request: Request) -> tuple[int, object] | None:
        """Return a status and what to answer as JSON, None to pass it on."""
        return None

    def translate(self, request: Request) -> Request:
        """Return what the BMC behind the proxy is asked instead."""
        return request

    def show(self, request: Request, answer: dict) -> dict:
        """Return what is shown of a resource.

        :param answer: what the BMC behind the proxy shows of it.
        """
        return answer


class FaultProxy:
    """An HTTP proxy on loopback in front of one BMC.

    :ivar manners: of the BMC that it pretends to be.
    """

    def __init__(self, target: str) -> None:
        self._target = parse.urlsplit(target).netloc
        self.manners = Manners()
        self._lock = threading.Lock()
        self._rules: list[Rule] = []
        self._requests: list[Request] = []
        self._server = http.server.ThreadingHTTPServer(
            ('127.0.0.1', 0), _handler_for(self))
        self._server.daemon_threads = True
        self.url = 'http://127.0.0.1:%d' % self._server.server_address[1]
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.1,), daemon=True)

    def start(self) -> None:
        """Begin to serve."""
        self._thread.start()

    def stop(self) -> None:
        """Release what hangs and stop serving."""
        self.clear()
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join()
        self._server.server_close()

    def answer_next(self, method: str, pattern: str, status: int,
                    times: int = 1) -> None:
        """Answer the next matching requests without asking the BMC."""
        self._add(_Answer(method, pattern, times, status))

    def answer_always(self, method: str, pattern: str, status: int) -> None:
        """Answer every matching request without asking the BMC."""
        self.answer_next(method, pattern, status, _ALWAYS)

    def hang_next(self, method: str, pattern: str) -> Hang:
        """Hold back the next matching request until it is released."""
        rule = Hang(method, pattern, 1)
        self._add(rule)
        return rule

    def _add(self, rule: Rule) -> None:
        with self._lock:
            self._rules.append(rule)

    def clear(self) -> None:
        """Forget rules, requests and manners; release what hangs."""
        self.manners = Manners()
        with self._lock:
            for rule in self._rules:
                if isinstance(rule, Hang):
                    rule.release()
            self._rules.clear()
            self._requests.clear()

    def requests(self, method: str, pattern: str = '') -> list[Request]:
        """Return the recorded requests that match, oldest first."""
        with self._lock:
            return [request for request in self._requests
                    if request.method == method
                    and re.search(pattern, request.path)]

    def _rule_for(self, request: Request) -> Rule | None:
        with self._lock:
            self._requests.append(request)
            for rule in self._rules:
                if rule.take(request):
                    return rule
        return None

    def handle(self, request: Request, headers: dict[str, str]
               ) -> tuple[int, list[tuple[str, str]], bytes]:
        """Answer one request: status, headers, body."""
        rule = self._rule_for(request)
        if rule:
            status = rule.answer()
            if status < 400:
                return status, [], b''
            return status, _JSON, _ERROR
        manners = self.manners
        refusal = manners.refuse(request)
        if refusal:
            status, shown = refusal
            return status, _JSON, json.dumps(shown).encode()
        status, answer_headers, body = self._ask(
            manners.translate(request), headers)
        if (request.method == 'GET' and status == 200 and any(
                name == 'Content-Type' and 'json' in value
                for name, value in answer_headers)):
            body = json.dumps(manners.show(
                request, json.loads(body))).encode()
        return status, [*answer_headers, *manners.headers], body

    def _ask(self, request: Request, headers: dict[str, str]
             ) -> tuple[int, list[tuple[str, str]], bytes]:
        connection = http.client.HTTPConnection(self._target, timeout=120)
        try:
            connection.request(request.method, request.path, request.body,
                               headers)
            answer = connection.getresponse()
            return answer.status, answer.getheaders(), answer.read()
        except OSError:
            return 502, [], b''
        finally:
            connection.close()


def _handler_for(proxy: FaultProxy
                 ) -> type[http.server.BaseHTTPRequestHandler]:

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = 'HTTP/1.1'

        def _serve(self) -> None:
            length = int(self.headers.get('Content-Length') or 0)
            body = self.rfile.read(length)
            headers = {name: value for name, value in self.headers.items()
                       if name.lower() not in _HOP_BY_HOP}
            status, answer_headers, answer = proxy.handle(
                Request(self.command, self.path, body), headers)
            try:
                self.send_response_only(status)
                for name, value in answer_headers:
                    if name.lower() not in _HOP_BY_HOP:
                        self.send_header(name, value)
                if self.close_connection:
                    # Or else a client that asked for it uses it once more.
                    self.send_header('Connection', 'close')
                if status != 204:
                    self.send_header('Content-Length', str(len(answer)))
                self.end_headers()
                if self.command != 'HEAD' and status != 204:
                    self.wfile.write(answer)
            except ConnectionError:
                # The conductor was killed while its request hung.
                self.close_connection = True

        do_GET = do_HEAD = do_POST = do_PATCH = do_PUT = do_DELETE = _serve

        def log_message(self, *arguments: object) -> None:
            """Requests are recorded, not logged."""

    return Handler
