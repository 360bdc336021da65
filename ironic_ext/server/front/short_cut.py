# SPDX-License-Identifier: Apache-2.0

"""The short cut: answers what machines ask for when they boot.

Hundreds do at once, and the way through an HTTP server and a framework costs
several times what the answer itself does. Taken are plain GETs of HTTP/1.1
(RFC 9112) that are there as a whole, and whose answer is at hand and is no
error; everything else is left to the application.
"""

import email.utils
import functools
import re
import time
import typing

from ironic_ext import catalog
from ironic_ext.server import errors
from ironic_ext.server.machines import answers as machine_answers

SERVER = 'ironic-boot-server'

# Nothing encoded, one parameter at most, no line that is folded.
_REQUEST = re.compile(
    rb'GET (/[A-Za-z0-9/._~-]+)(?:\?(mac|token)=([A-Za-z0-9:._~-]{1,4096}))?'
    rb' HTTP/1\.1\r\n((?:[A-Za-z0-9-]+:[\t -~]*\r\n)+)\r\n')
_CONFIG = re.compile('/(?:api/v1/bootconfig|t/([^/]+))(?:/(.+))?')
_HEAD = (b'HTTP/1.1 200 OK\r\ncache-control: no-store\r\n'
         b'content-type: %s\r\nx-content-type-options: nosniff\r\n'
         b'content-length: %d\r\n%sDate: %s\r\nServer: '
         + SERVER.encode() + b'\r\n\r\n')
#: Headers by which a request has a body, or wants another protocol.
_NOT_PLAIN = frozenset((b'content-length', b'transfer-encoding', b'expect',
                        b'upgrade', b'trailer'))


class Reply(typing.NamedTuple):
    """What is answered to a request.

    :ivar length: bytes of the request.
    :ivar closes: whether the client wants no more.
    """

    length: int
    closes: bool
    answer: machine_answers.Answer

    def encoded(self, closes: bool) -> bytes:
        """Return what is sent, as the application would have it sent.

        :param closes: whether the connection ends with it.
        """
        return _HEAD % (
            self.answer.content_type.encode(), len(self.answer.data),
            b'Connection: close\r\n' if closes else b'',
            _date(int(time.time()))) + self.answer.data


class ShortCut:
    """Answers plain requests of machines."""

    def __init__(self, answers: machine_answers.Answers) -> None:
        """Take what answers, or raises LookupError rather than wait."""
        self._answers = answers

    def reply(self, received: bytes, peer: str) -> Reply | None:
        """Return the answer to the first request; None: ask the application.

        :param received: what a client has sent, as far as it is here.
        :param peer: the client's address.
        """
        match = _REQUEST.match(received)
        if match is None:
            return None
        headers = _headers(match[4])
        if headers is None:
            return None
        connection = headers.get(b'connection', b'keep-alive')
        if connection not in (b'keep-alive', b'Keep-Alive', b'close'):
            return None
        try:
            found = self._answer(match[1].decode(), {
                'peer': peer,
                'forwarded': headers.get(b'x-forwarded-for', b'').decode(),
                'provisioning_mac': headers.get(
                    b'x-rhn-provisioning-mac-0', b'').decode(),
                **({match[2].decode(): match[3].decode()} if match[2]
                   else {})})
        except (LookupError, errors.ServerError, catalog.CatalogError):
            # The application has the time, or meets it as well and tells.
            return None
        if found is None:
            return None
        return Reply(match.end(), connection == b'close', found)

    def _answer(self, path: str, said: dict[str, str]
                ) -> machine_answers.Answer | None:
        if path == '/ipxe':
            return self._answers.script(machine_answers.Asked(**said))
        match = _CONFIG.fullmatch(path)
        if match is None:
            return None
        token, file = match.groups('')
        if token:
            said['token'] = token
        return self._answers.config(machine_answers.Asked(**said), file)


def _headers(block: bytes) -> dict[bytes, bytes] | None:
    """Return the headers, None if there is one that is not for us."""
    found: dict[bytes, bytes] = {}
    for line in block.split(b'\r\n')[:-1]:
        name, _, value = line.partition(b':')
        name = name.lower()
        if name in found or name in _NOT_PLAIN:
            return None
        found[name] = value.strip()
    return found if b'host' in found else None


@functools.lru_cache(maxsize=1)
def _date(second: int) -> bytes:
    return email.utils.formatdate(second, usegmt=True).encode()
