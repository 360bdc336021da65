# SPDX-License-Identifier: Apache-2.0

"""Heads of requests (RFC 9112): those that everybody reads alike, or none.

What the parser lets through and a proxy may read in another way is refused.
"""

import functools
import re
import typing
import urllib.parse

# RFC 3986: a path and a query, nothing else, and nothing to be guessed.
_TARGET = re.compile(
    rb"/(?:[A-Za-z0-9._~!$&'()*+,;=:@/-]|%[0-9A-Fa-f]{2})*"
    rb"(?:\?(?:[A-Za-z0-9._~!$&'()*+,;=:@/?-]|%[0-9A-Fa-f]{2})*)?")
# Most have no %xx, and are judged sooner.
_PLAIN_TARGET = re.compile(rb"/[A-Za-z0-9._~!$&'()*+,;=:@/-]*"
                           rb"(?:\?[A-Za-z0-9._~!$&'()*+,;=:@/?-]*)?")
_HOST = re.compile(rb"(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._~!$&'()*+,;=%-]*)"
                   rb'(?::[0-9]*)?')
_SLASH = re.compile('%2F', re.IGNORECASE)
#: Headers of a head, and its bytes.
MAX_HEADERS = 100
_MAX_HEAD = 32 << 10
#: Bytes that may come beside those of a body: sizes of chunks, extensions,
#: trailers.
_MAX_FRAMING = 64 << 10
_ASGI = {'version': '3.0', 'spec_version': '2.4'}


class EndError(Exception):
    """Nothing more is read here."""


class RefusedError(Exception):
    """What came is no request that can be served.

    :ivar code: the HTTP status.
    """

    def __init__(self, code: int, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code


def require_plain(version: str, target: bytes, headers: list[
        tuple[bytes, bytes]]) -> bool:
    """Refuse what somebody might read in another way.

    :returns: whether the client waits to be told to send a body.
    :raises: RefusedError
    """
    if version not in ('1.0', '1.1'):
        raise RefusedError(505, 'HTTP/1.1 is spoken here')
    if not (_PLAIN_TARGET.fullmatch(target) or _TARGET.fullmatch(target)):
        raise RefusedError(400, 'the target is no path')
    hosts = lengths = 0
    expects = False
    size = len(target)
    for name, value in headers:
        size += len(name) + len(value)
        if name == b'host':
            hosts += 1
            if not _is_host(value):
                raise RefusedError(400, 'Host is none')
        elif name == b'transfer-encoding':
            lengths += 1
            if version == '1.0' or value.lower() != b'chunked':
                raise RefusedError(400, 'only HTTP/1.1 and chunks are read')
        elif name == b'content-length':
            lengths += 1
            if not value.isdigit():
                raise RefusedError(400, 'Content-Length is no number')
        elif name == b'expect':
            expects = version == '1.1'
            if value.lower() != b'100-continue':
                raise RefusedError(417, 'that is not expected here')
    if hosts != 1 and (version == '1.1' or hosts):
        raise RefusedError(400, 'Host must be given once')
    if lengths > 1:
        raise RefusedError(400, 'the length must be given once')
    if size > _MAX_HEAD:
        # It came at once.
        raise _large()
    return expects


@functools.lru_cache(maxsize=256)
def _is_host(value: bytes) -> bool:
    """Tell whether Host may be that; most clients say the same."""
    return _HOST.fullmatch(value) is not None


def _large() -> RefusedError:
    return RefusedError(431, 'the head has too many bytes')


def unquoted(path: str) -> str:
    """Return a path without %xx, but for slashes, which part nothing."""
    return '%2F'.join(urllib.parse.unquote(part)
                      for part in _SLASH.split(path))


def require_bounds(came: int, received: int | None) -> None:
    """Refuse what could go on without an end.

    :param came: bytes of a request.
    :param received: those of them that are its body; None in its head.
    :raises: RefusedError
    """
    if received is None:
        if came > _MAX_HEAD:
            raise _large()
    elif came > _MAX_FRAMING + 8 * received:
        raise RefusedError(400, 'the body has more frames than bytes')


def scope(version: str, method: str, target: bytes,
          headers: list[tuple[bytes, bytes]],
          connection: dict[str, typing.Any]) -> dict[str, typing.Any]:
    """Return a head as ASGI has it.

    :param connection: what the connection says: scheme, client, server.
    """
    raw, _mark, query = target.partition(b'?')
    path = raw.decode()
    return {**connection, 'type': 'http', 'asgi': _ASGI,
            'http_version': version, 'method': method,
            'path': unquoted(path) if '%' in path else path,
            'raw_path': raw, 'query_string': query, 'root_path': '',
            'headers': headers}
