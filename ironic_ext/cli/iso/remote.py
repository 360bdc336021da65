# SPDX-License-Identifier: Apache-2.0

"""An ISO on a web server, read by byte ranges (RFC 9110 section 14).

Only what is looked at is fetched, over one connection. A server that
answers no ranges, or another file meanwhile, is an error in a sentence.
"""

import collections
import collections.abc
import http.client
import re
from urllib import parse as urlparse
import urllib.request

from ironic_ext.cli import errors
from ironic_ext.iso import errors as iso_errors
from ironic_ext.iso import source as base_source
from ironic_ext.web import redirects

#: Bytes that are fetched at least, and how many times that are kept.
_BLOCK = 32 << 10
_MAX_BLOCKS = 512
#: Bytes of one request.
_MAX_REQUEST = 8 << 20
#: Seconds that a server may be silent.
_PATIENCE = 30
_MAX_REDIRECTS = 5
_RANGE = re.compile(r'bytes (\d{1,18})-(\d{1,18})/(\d{1,18})\Z')


def shown(url: str) -> str:
    """Return a URL for messages: a query may well be a secret."""
    return urlparse.urlsplit(url)._replace(query='', fragment='').geturl()


class RemoteSource(base_source.Source):
    """An ISO on a web server.

    :ivar fetched: bytes that were received so far.
    """

    def __init__(self, url: str) -> None:
        """Ask for its first block, and so for its size.

        :raises: CommandError, IsoError
        """
        if urlparse.urlsplit(url).username is not None:
            raise errors.CommandError(
                f'{urlparse.urlsplit(url).hostname}: a URL with a password '
                f'shows it to every user of this machine; use one that '
                f'needs none, or download the ISO')
        self.path = shown(url)
        self.fd = -1
        self.identity = None
        self.fetched = 0
        self._client = _Client(url)
        self._blocks: collections.OrderedDict[int, bytes] = \
            collections.OrderedDict()
        self._mark = ''
        self.size = -1
        first = self._get(0, _BLOCK)
        self._blocks[0] = first

    def _pread(self, length: int, offset: int) -> bytes:
        if length > _MAX_REQUEST // 4:
            return self._get(offset, min(length, _MAX_REQUEST))
        numbers = range(offset // _BLOCK, -(-(offset + length) // _BLOCK))
        lacking = [n for n in numbers if n not in self._blocks]
        if lacking:
            start = lacking[0] * _BLOCK
            data = self._get(start, min(
                (lacking[-1] + 1) * _BLOCK, self.size) - start)
            for place in range(0, len(data), _BLOCK):
                self._blocks[(start + place) // _BLOCK] = data[
                    place:place + _BLOCK]
        for number in numbers:
            self._blocks.move_to_end(number)
        data = b''.join(self._blocks[number] for number in numbers)
        while len(self._blocks) > _MAX_BLOCKS:
            self._blocks.popitem(last=False)
        start = offset - numbers.start * _BLOCK
        return data[start:start + length]

    def _get(self, offset: int, length: int) -> bytes:
        """Fetch a range, of which less may be there at the first time."""
        headers = {'Range': f'bytes={offset}-{offset + length - 1}'}
        if self._mark:
            headers['If-Range'] = self._mark
        try:
            data = self._taken(self._client.get(headers), offset, length)
        except (iso_errors.IsoError, errors.CommandError):
            # Whatever else it sends is no answer to the next request.
            self._client.close()
            raise
        self.fetched += len(data)
        return data

    def _taken(self, answer: http.client.HTTPResponse, offset: int,
               length: int) -> bytes:
        if answer.status == 200 and self.size < 0:
            raise errors.CommandError(
                f'{self.path}: the server sends whole files only, no '
                f'ranges; --download fetches the whole ISO first')
        if answer.status != 206:
            raise iso_errors.IsoError(
                f'{self.path}: the ISO was replaced while it was read'
                if answer.status in (200, 416) and self.size >= 0 else
                f'{self.path}: the server says {answer.status} '
                f'{answer.reason}')
        match = _RANGE.match(answer.getheader('Content-Range', ''))
        if match is None:
            raise iso_errors.IsoError(
                f'{self.path}: the server does not say which range it sends')
        first, last, size = map(int, match.groups())
        if self.size < 0:
            self.size = size
            self._mark = _mark(answer)
            length = min(length, size)
        if (first, last, size) != (offset, offset + length - 1, self.size):
            raise iso_errors.IsoError(
                f'{self.path}: the server sends bytes {first} to {last} of '
                f'{size}, where {offset} to {offset + length - 1} of '
                f'{self.size} were asked for')
        if answer.length not in (None, length):
            raise iso_errors.IsoError(
                f'{self.path}: the server sends {answer.length} bytes as a '
                f'range of {length}')
        return self._client.body(answer, length)

    def again(self) -> base_source.Source:
        """Return itself: it is good as long as it is used."""
        return self

    def check_size(self) -> None:
        """Each answer has said it."""

    def close(self) -> None:
        """Close the connection."""
        self._client.close()


def pieces(url: str) -> collections.abc.Iterator[tuple[bytes, int]]:
    """Fetch a whole ISO: what comes, and how much is to come in all.

    The latter is 0 where the server does not say it.

    :raises: IsoError
    """
    client = _Client(url)
    try:
        with client.get({}) as answer:
            if answer.status != 200:
                raise iso_errors.IsoError(
                    f'{shown(url)}: the server says {answer.status} '
                    f'{answer.reason}')
            total = answer.length or 0
            done = 0
            while data := client.body(answer, 1 << 20, whole=False):
                done += len(data)
                yield data, total
            if total and done != total:
                raise iso_errors.IsoError(
                    f'{shown(url)}: the server sent {done} bytes of {total}')
    finally:
        client.close()


def _mark(answer: http.client.HTTPResponse) -> str:
    """Return what tells this file from its successor (RFC 9110, 13.1.5)."""
    tag = answer.getheader('ETag', '')
    if tag and not tag.startswith('W/'):
        return tag
    return '' if tag else answer.getheader('Last-Modified', '')


class _Client:
    """One connection, to where redirects have led."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._connection: http.client.HTTPConnection | None = None
        self._target = ''
        self._fixed: dict[str, str] = {}

    def get(self, headers: dict[str, str]) -> http.client.HTTPResponse:
        """Return the answer that is no redirect.

        :raises: IsoError
        """
        trail = redirects.Trail(self._url, _MAX_REDIRECTS)
        while True:
            answer = self._ask(headers)
            if answer.status not in redirects.STATUSES:
                if answer.getheader('Content-Encoding',
                                    'identity') != 'identity':
                    raise self._failed('the server packs the ISO')
                return answer
            place = answer.getheader('Location', '')
            self.close()
            try:
                url = redirects.target(self._url, place)
                trail.goes_on(url)
                fine = place and redirects.origin(url) is not None and (
                    url.lower().startswith('https:')
                    or not self._url.lower().startswith('https:'))
            except (ValueError, redirects.LoopError,
                    redirects.TooManyError) as exc:
                raise self._failed(
                    'its redirects lead nowhere') from exc
            if not fine:
                raise self._failed(
                    f'it is redirected to "{shown(url)}", which is no '
                    f'place as safe as this')
            self._url = url

    def _ask(self, headers: dict[str, str]) -> http.client.HTTPResponse:
        kept = self._connection is not None
        try:
            return self._answer(headers)
        except (http.client.HTTPException, OSError) as exc:
            self.close()
            if not kept:
                raise self._failed(_why(exc)) from exc
        # A server closes a connection that it has kept long enough.
        try:
            return self._answer(headers)
        except (http.client.HTTPException, OSError) as exc:
            self.close()
            raise self._failed(_why(exc)) from exc

    def _answer(self, headers: dict[str, str]) -> http.client.HTTPResponse:
        if self._connection is None:
            self._connect()
        assert self._connection is not None
        self._connection.request('GET', self._target, headers={
            'Accept-Encoding': 'identity', 'User-Agent': 'ironic-iso',
            **self._fixed, **headers})
        return self._connection.getresponse()

    def _connect(self) -> None:
        parts = urlparse.urlsplit(self._url)
        host = parts.hostname or ''
        try:
            port = parts.port or redirects.PORTS[parts.scheme.lower()]
        except ValueError as exc:
            raise self._failed('its port is none') from exc
        if not host:
            raise self._failed('it names no host')
        target = urlparse.quote(parts._replace(
            scheme='', netloc='', fragment='').geturl() or '/',
            safe='/%?=&+:;,@!$\'()*~[]')
        secure = parts.scheme.lower() == 'https'
        proxy = urlparse.urlsplit('' if urllib.request.proxy_bypass(
            f'{host}:{port}') else urllib.request.getproxies().get(
                parts.scheme.lower(), ''))
        where = ((proxy.hostname, proxy.port or 80) if proxy.hostname
                 else (host, port))
        connection: http.client.HTTPConnection
        if secure:
            import ssl
            connection = http.client.HTTPSConnection(
                *where, timeout=_PATIENCE,
                context=ssl.create_default_context())
            if proxy.hostname:
                connection.set_tunnel(host, port)
        else:
            connection = http.client.HTTPConnection(*where,
                                                    timeout=_PATIENCE)
            if proxy.hostname:
                target = f'http://{parts.netloc}{target}'
        self._connection, self._target = connection, target

    def body(self, answer: http.client.HTTPResponse, length: int, *,
             whole: bool = True) -> bytes:
        """Return so many bytes of an answer.

        :param whole: there must not be fewer.
        :raises: IsoError
        """
        try:
            data = answer.read(length)
        except (http.client.HTTPException, OSError) as exc:
            self.close()
            raise self._failed(_why(exc)) from exc
        if whole and len(data) != length:
            self.close()
            raise self._failed(
                f'the server sent {len(data)} bytes of {length}')
        return data

    def _failed(self, why: str) -> iso_errors.IsoError:
        return iso_errors.IsoError(f'{shown(self._url)}: {why}')

    def close(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def _why(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return f'the server was silent for {_PATIENCE} s'
    if isinstance(error, http.client.HTTPException):
        return f'the server speaks no HTTP: {error!r}'
    return getattr(error, 'strerror', None) or str(error)
