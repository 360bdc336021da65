# SPDX-License-Identifier: Apache-2.0

"""What is answered, to machines and to operators alike, and its headers."""

import collections.abc
import functools
import json
import typing

from ironic_ext.server.http import exchange
from ironic_ext.server import statuses

JSON = 'application/json'
PLAIN = 'text/plain; charset=utf-8'
NO_STORE = ((b'cache-control', b'no-store'),)


class Lines(typing.Protocol):
    """A body that goes on; close() is called in any case."""

    def __aiter__(self) -> collections.abc.AsyncIterator[bytes]:
        """Return the parts of a body that has no end yet."""

    def close(self) -> None:
        """Let go of what it holds, read or not."""


class Answer(typing.NamedTuple):
    """An answer of the application, before it is sent.

    :ivar content_type: '' for none.
    :ivar headers: others; their names are in lower case.
    """

    data: bytes | Lines = b''
    content_type: str = ''
    status: int = 200
    headers: collections.abc.Sequence[tuple[bytes, bytes]] = ()


def failure(status: dict[str, typing.Any], *,
            headers: collections.abc.Sequence[tuple[bytes, bytes]] = ()
            ) -> Answer:
    """Return the answer that is a Status; see statuses.py."""
    return Answer(json.dumps(status).encode(), JSON, status['code'], headers)


def of_error(error: Exception, method: str, path: str, *,
             headers: collections.abc.Sequence[tuple[bytes, bytes]] = ()
             ) -> Answer:
    """Return the answer to a request that failed; log what is our fault."""
    return failure(statuses.judged(error, method, path), headers=headers)


class Sender:
    """Sends answers. The one place that makes their headers."""

    def __init__(self, challenge: str) -> None:
        """Take what tells clients how to log in."""
        self._challenge = challenge.encode()

    def headers(self, answer: Answer, path: str
                ) -> list[tuple[bytes, bytes]]:
        """Return the headers of an answer.

        :param path: that was asked for.
        """
        headers = [*_fixed(tuple(answer.headers), answer.content_type,
                           path.startswith('/api/'))]
        if answer.status == 401 and not any(
                name == b'www-authenticate' for name, _value in headers):
            headers.append((b'www-authenticate', self._challenge))
        if isinstance(answer.data, bytes) and (
                answer.status not in (204, 304)):
            headers.append((b'content-length', b'%d' % len(answer.data)))
        return headers

    def block(self, answer: Answer, data: bytes, path: str) -> bytes:
        """Return the headers of a whole answer as they are sent.

        :param data: of the answer.
        :param path: that was asked for.
        """
        if answer.status != 200:
            return exchange.block(self.headers(answer, path))
        return b'%bcontent-length: %d\r\n' % (
            _block(tuple(answer.headers), answer.content_type,
                   path.startswith('/api/')), len(data))

    async def send(self, answer: Answer, path: str, send: exchange.Send
                   ) -> None:
        """Send an answer as ASGI messages.

        :param path: that was asked for.
        :raises: ConnectionError when the client is gone
        """
        data = answer.data
        start = {'type': 'http.response.start', 'status': answer.status,
                 'headers': self.headers(answer, path)}
        if isinstance(data, bytes):
            await send(start)
            await send({'type': 'http.response.body', 'body': data})
            return
        try:
            await send(start)
            async for part in data:
                await send({'type': 'http.response.body', 'body': part,
                            'more_body': True})
            await send({'type': 'http.response.body'})
        finally:
            data.close()


@functools.lru_cache(maxsize=256)
def _fixed(headers: tuple[tuple[bytes, bytes], ...], content_type: str,
           is_api: bool) -> tuple[tuple[bytes, bytes], ...]:
    """Return what many answers have in common."""
    found = [*headers, (b'x-content-type-options', b'nosniff')]
    if content_type:
        found.append((b'content-type', content_type.encode()))
    if is_api and not any(name == b'cache-control' for name, _value in found):
        found.append((b'cache-control', b'no-cache'))
    return tuple(found)


@functools.lru_cache(maxsize=256)
def _block(headers: tuple[tuple[bytes, bytes], ...], content_type: str,
           is_api: bool) -> bytes:
    """Return the same as it is sent."""
    return exchange.block(_fixed(headers, content_type, is_api))
