# SPDX-License-Identifier: Apache-2.0

"""From ASGI to the operators' part, which is WSGI (PEP 3333) in threads.

Keystone's middleware, oslo.policy and Falcon wait for others, so each request
has a thread while they judge it. None has one while a client sends a body or
watches: the chain runs without a body until somebody who may asks for it, and
a coroutine goes on where an answer takes its time.
"""

import asyncio
import collections.abc
import io
import sys
import typing
import urllib.parse

import falcon

from ironic_ext.server import answers
from ironic_ext.server import errors
from ironic_ext.server.http import exchange
from ironic_ext.server.rest import access
from ironic_ext.server.rest import bodies
from ironic_ext.server import threads

#: Where what goes on is in the environment of a request.
NEXT = 'ironic_ext.next'
#: Seconds for a body that is read into memory, and bytes of all of these.
_PATIENCE = 30.0
_MEMORY = 64 << 20
_SLASH = b'%2f'

#: What goes on after the chain: takes what receives the rest of the request,
#: and the answer so far.
Next = collections.abc.Callable[
    [exchange.Receive, answers.Answer],
    collections.abc.Awaitable[answers.Answer]]


def go_on(req: falcon.Request, work: Next) -> None:
    """Have a coroutine finish the answer to a request, without a thread.

    :param work: is called when the resource has returned without an error.
    """
    req.env[NEXT].append(work)


class Bridge:
    """The operators' part as a coroutine."""

    def __init__(self, app: access.Application, guard: collections.abc.
                 Callable[[access.Application], access.Application],
                 made: threads.Threads, origin: collections.abc.Callable[
                     [str, str], str] = lambda peer, forwarded: peer) -> None:
        """Take the WSGI application and its threads.

        :param app: answers whom the guard let through.
        :param guard: puts what finds out who asks before an application.
        :param origin: tells where a request is from, by the address of its
            connection and X-Forwarded-For.
        """
        self._app = app
        self._guarded = guard(app)
        self._threads = made
        self._origin = origin
        self._held = 0

    async def answer(self, scope: exchange.Scope, receive: exchange.Receive
                     ) -> answers.Answer:
        """Return the answer to a request.

        :raises: ServerError, ConnectionError when the client is gone
        """
        following: list[Next] = []
        environ = _environ(scope, following)
        if not has_body(scope):
            environ[bodies.BODY] = b''
        answer = await self._run(self._guarded, environ)
        if isinstance(answer, bodies.Wanted):
            body = bytearray()
            try:
                await self._read(receive, answer.limit, body)
                environ.update({
                    bodies.BODY: bytes(body), 'wsgi.input': io.BytesIO(),
                    'CONTENT_LENGTH': str(len(body))})
                # What it knows of who asks is in the environment.
                answer = await self._run(self._app, environ)
            finally:
                self._held -= len(body)
        assert isinstance(answer, answers.Answer)
        for work in following:
            answer = await work(receive, answer)
        return answer

    async def _run(self, app: access.Application, environ: access.Environ
                   ) -> answers.Answer | bodies.Wanted:
        return await self._threads.run(self._origin(
            environ['REMOTE_ADDR'], environ.get('HTTP_X_FORWARDED_FOR', '')),
            _answer, app, environ)

    async def _read(self, receive: exchange.Receive, limit: int,
                    body: bytearray) -> None:
        """Read a body; the bytes of all of them are counted.

        :raises: TooLargeError, UnavailableError, TimedOutError,
            ConnectionError
        """
        try:
            async with asyncio.timeout(_PATIENCE):
                async for part in received(receive):
                    body += part
                    self._held += len(part)
                    if len(body) > limit:
                        raise bodies.too_large(limit)
                    if self._held > _MEMORY:
                        raise errors.BusyError(
                            'too many bodies are being sent: try again in '
                            'a moment')
        except TimeoutError as exc:
            raise errors.TimedOutError(
                'the body did not come in time') from exc


def has_body(scope: exchange.Scope) -> bool:
    """Tell whether a request has a body."""
    return any(name == b'transfer-encoding'
               or name == b'content-length' and int(value) > 0
               for name, value in scope['headers'])


async def received(receive: exchange.Receive
                   ) -> collections.abc.AsyncIterator[bytes]:
    """Yield a body as it comes.

    :raises: ConnectionError when it ends early
    """
    more = True
    while more:
        message = await receive()
        if message['type'] != 'http.request':
            raise ConnectionResetError('the client is gone')
        more = message['more_body']
        if message['body']:
            yield message['body']


def _answer(app: access.Application, environ: access.Environ
            ) -> answers.Answer | bodies.Wanted:
    """Ask a WSGI application; in a thread that may wait."""
    begun: list[typing.Any] = []

    def start_response(status: str, headers: list[tuple[str, str]],
                       exc_info: typing.Any = None) -> None:
        begun[:] = [status, headers]

    try:
        parts = app(environ, start_response)
        try:
            data = b''.join(parts)
        finally:
            getattr(parts, 'close', lambda: None)()
    except bodies.Wanted as exc:
        return exc
    status, headers = begun
    return answers.Answer(
        data, next((value for name, value in headers
                    if name.lower() == 'content-type'), ''),
        int(status.split()[0]),
        [(name.lower().encode('latin-1'), value.encode('latin-1'))
         for name, value in headers
         if name.lower() not in ('content-length', 'content-type')])


def _environ(scope: exchange.Scope, following: list[Next]
             ) -> access.Environ:
    """Return a request as PEP 3333 has it, without its body."""
    path = b'%2F'.join(map(urllib.parse.unquote_to_bytes, scope[
        'raw_path'].replace(b'%2F', _SLASH).split(_SLASH)))
    environ: access.Environ = {
        'REQUEST_METHOD': scope['method'], 'SCRIPT_NAME': '',
        'PATH_INFO': path.decode('latin-1'),
        'QUERY_STRING': scope['query_string'].decode('latin-1'),
        'SERVER_PROTOCOL': f'HTTP/{scope["http_version"]}',
        'SERVER_NAME': str(scope['server'][0]),
        'SERVER_PORT': str(scope['server'][1]),
        'REMOTE_ADDR': scope['client'][0],
        'REMOTE_PORT': str(scope['client'][1]),
        'wsgi.version': (1, 0), 'wsgi.url_scheme': scope['scheme'],
        'wsgi.input': io.BytesIO(), 'wsgi.errors': sys.stderr,
        'wsgi.multithread': True, 'wsgi.multiprocess': False,
        'wsgi.run_once': False, NEXT: following}
    for name, value in scope['headers']:
        if b'_' in name:
            # Another header would be taken for it.
            continue
        key = name.decode('latin-1').upper().replace('-', '_')
        if key not in ('CONTENT_TYPE', 'CONTENT_LENGTH'):
            key = f'HTTP_{key}'
        text = value.decode('latin-1')
        environ[key] = f'{environ[key]},{text}' if key in environ else text
    return environ
