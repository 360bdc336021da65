# SPDX-License-Identifier: Apache-2.0

"""Requests to an image server, and the bodies of its answers.

Redirects are followed here, by hand, with the cookies that they set
(RFC 6265), which are forgotten with the answer. There is no .netrc.
HTTP semantics: RFC 9110; framing: RFC 9112.
"""

import collections.abc
import os
import select
import socket
import threading
import time
import types
import typing

import requests
import urllib3

from ironic_ext.images import errors
from ironic_ext.images import href as hrefs
from ironic_ext.images.http import access as http_access
from ironic_ext.images.http import errors as http_errors
from ironic_ext.images.http import headers as http_headers
from ironic_ext.images import settings as image_settings
from ironic_ext import walls
from ironic_ext.web import redirects

_MAX_REDIRECTS = 10
_CLIENT = 'ironic-ext'
# Each piece costs its receiver a write, a note of it and a wake-up of the
# digest, so that large ones pay; smaller ones come where the link is slow.
_CHUNK = 1 << 20
# A server that sends less than this while it has ``stall_timeout`` seconds
# stalls, even if a byte trickles in now and then.
_LEAST = 4 << 10
# Rests of answers up to this are read for the sake of the connection.
_SMALL = 1 << 20
# Bytes of a text answer that are enough to tell a web page from an image.
_SNIFF = 512
# What servers say of images that they send as they are. "binary" and "none"
# are no codings at all (RFC 9110, section 8.4.1).
_NO_CODINGS = ('', 'identity', 'binary', 'none')
_PAGES = ('text/html', 'application/xhtml+xml')
_PAGE_STARTS = (b'<!doctype', b'<html', b'<head', b'<?xml', b'<!--')
# Milliseconds for a server to close a connection that it said it would.
_CLOSING = 500

_FAILURES = (requests.RequestException, urllib3.exceptions.HTTPError,
             OSError)


class Answer:
    """An answer whose body has not been read yet; close it.

    :ivar name: of the image, fit for messages.
    :ivar location: where it came from after all redirects.
    :ivar authorized: whether the request had credentials.
    :ivar length: bytes of the body, None when the server does not say.
    """

    def __init__(self, name: str, location: http_access.Location,
                 response: requests.Response, stall_timeout: float) -> None:
        self.name = name
        self.location = location
        self.authorized = 'Authorization' in response.request.headers
        self.status: int = response.status_code
        self.headers: http_headers.Headers = response.headers
        self.length = http_headers.content_length(response.headers)
        # Answers that have no body, whatever their headers say.
        self._empty = (response.status_code in (204, 304)
                       or response.request.method == 'HEAD')
        self._response = response
        self._stall_timeout = stall_timeout
        self._start = b''
        self._read = 0

    def __enter__(self) -> typing.Self:
        return self

    def __exit__(self, kind: type[BaseException] | None,
                 error: BaseException | None,
                 trace: types.TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Give the connection up, unless the body was read to its end."""
        self._response.close()

    @property
    def unread(self) -> int | None:
        """Bytes of the body that were not read yet, None if unknown."""
        if self._empty:
            return 0
        return None if self.length is None else self.length - self._read

    def refusal(self) -> errors.ImageError | http_errors.TransientError:
        """Return what to raise since this is not what was asked for."""
        if self.status == 400 and self.location.origin[0] == 'https' and (
                b'SSL certificate' in self._look(_SNIFF)):
            # nginx lets the handshake pass, so that it can say this.
            return errors.ImageAccessError(
                f'the image server wants a client certificate for '
                f'{self.name}, or another one')
        return http_errors.of_status(self.name, self.status, self.headers,
                                     credentials=self.authorized)

    def chunks(self) -> collections.abc.Iterator[bytes]:
        """Yield the body as it comes.

        :raises: TransientError when it ends early or stalls
        :raises: ImageError when it is longer than announced
        """
        with self._spare_socket() as spare:
            if self._start:
                start, self._start = self._start, b''
                yield start
            waited = received = 0.0
            while self.length is None or self._read < self.length:
                began = time.monotonic()
                data = self._next(_CHUNK)
                if not data:
                    break
                waited += time.monotonic() - began
                received += len(data)
                if waited > self._stall_timeout:
                    if received < _LEAST:
                        raise self._broken('the server sends next to nothing')
                    waited = received = 0.0
                yield data
            if self.length is not None:
                if self._read < self.length:
                    raise self._broken(
                        f'the connection broke off after {self._read} of '
                        f'{self.length} bytes')
                self._refuse_surplus(spare)

    @property
    def says_page(self) -> bool:
        """Whether the server says that this is a web page."""
        kind = self.headers.get('Content-Type', '').partition(';')[0]
        return kind.strip().lower() in _PAGES

    def refuse_page(self) -> None:
        """Make sure that this is no web page: a login or error page.

        :raises: ImageError, TransientError
        """
        if not self.says_page:
            return
        if self._look(_SNIFF).lstrip().lower().startswith(_PAGE_STARTS):
            raise errors.ImageError(
                f'the image server answered with a web page for {self.name}, '
                'not with an image: a login or error page?')

    def finish(self) -> None:
        """Read what little is left, so that the connection serves again."""
        if self.unread is None or self.unread > _SMALL:
            return
        try:
            while self._next(_SMALL):
                pass
        except http_errors.TransientError:
            pass  # the connection is of no use then

    def interrupt(self) -> None:
        """Let a read in another thread end; the answer is of no use then."""
        try:
            self._response.raw.shutdown()
        except (AttributeError, RuntimeError, ValueError, OSError):
            pass  # read to its end, or an urllib3 older than 2.3

    def _look(self, length: int) -> bytes:
        """Return the start of the body, which ``chunks`` yields again."""
        while len(self._start) < length:
            data = self._next(length)
            if not data:
                break
            self._start += data
        return self._start

    def _next(self, limit: int) -> bytes:
        """Return what is there, at most ``limit`` bytes; b'' at the end."""
        try:
            data: bytes = self._response.raw.read1(
                limit, decode_content=False) or b''
        except urllib3.exceptions.IncompleteRead:
            return b''
        except _FAILURES as exc:
            raise http_errors.of_exception(self.name, exc) from None
        self._read += len(data)
        return data

    def _broken(self, reason: str) -> http_errors.TransientError:
        return http_errors.TransientError(errors.ImageError(
            f'cannot download {self.name}: {reason}'))

    def _spare_socket(self) -> '_Spare':
        # Under TLS the bytes that wait may be no data.
        if self.length is None or self.location.origin[0] != 'http':
            return _Spare(None)
        try:
            return _Spare(os.dup(self._response.raw.fileno()))
        except (OSError, ValueError):
            return _Spare(None)

    def _refuse_surplus(self, spare: '_Spare') -> None:
        closing = 'close' in self.headers.get('Connection', '').lower()
        if spare.has_data(_CLOSING if closing else 0):
            raise errors.ImageError(
                f'the image server announced {self.length} bytes for '
                f'{self.name} and sends more: its Content-Length is wrong')


def _content(jar: requests.cookies.RequestsCookieJar
             ) -> set[tuple[object, ...]]:
    return {(cookie.domain, cookie.path, cookie.name, cookie.value)
            for cookie in jar}


class _Spare:
    """A second descriptor of a socket, to look at it after the body."""

    def __init__(self, fd: int | None) -> None:
        self._socket = None if fd is None else socket.socket(fileno=fd)

    def __enter__(self) -> typing.Self:
        return self

    def __exit__(self, *details: object) -> None:
        if self._socket is not None:
            self._socket.close()

    def has_data(self, patience: int) -> bool:
        """Tell whether more has arrived; wait that many milliseconds."""
        if self._socket is None:
            return False
        poll = select.poll()
        poll.register(self._socket, select.POLLIN)
        try:
            return bool(poll.poll(patience) and self._socket.recv(
                1, socket.MSG_PEEK | socket.MSG_DONTWAIT))
        except OSError:
            return False


class Web:
    """Requests as one ``Settings`` wants them, a session per thread."""

    def __init__(self, settings: image_settings.Settings) -> None:
        self.settings = settings
        self._trust = http_access.Trust(settings.access)
        self._own = threading.local()

    def ask(self, href: str, headers: http_headers.Headers,
            method: str = 'GET', at: http_access.Location | None = None
            ) -> Answer:
        """Send a request and follow where it leads.

        :param at: what to ask instead of ``href``, as whose redirect it was
            found.
        :raises: HrefError, ImageError, TransientError
        """
        start = http_access.Location.parse(href)
        auth = http_access.authorization(self.settings, href, start)
        place = at or start
        trail = redirects.Trail(place.url, _MAX_REDIRECTS)
        jar = requests.cookies.RequestsCookieJar()
        while True:
            known = _content(jar)
            answer = self._send(href, start, place, auth, headers, method,
                                jar)
            target = answer.headers.get('Location')
            if answer.status not in redirects.STATUSES or target is None:
                return self._judged(answer)
            with answer:
                answer.finish()
            if _content(jar) != known:
                # With its cookie the same place gives another answer.
                trail.begins_anew()
            place = self._next_place(href, place, target, trail)

    def forget(self) -> None:
        """Close the connections of this thread."""
        session = getattr(self._own, 'session', None)
        if session is not None:
            session.close()
            del self._own.session

    def _send(self, href: str, start: http_access.Location,
              place: http_access.Location, auth: str | None,
              headers: http_headers.Headers, method: str,
              jar: requests.cookies.RequestsCookieJar) -> Answer:
        at_home = place.origin == start.origin
        name = http_access.describe(hrefs.redacted(href), start, place)
        # "identity": the image as it is, so that lengths and ranges hold.
        # Some servers refuse the name that the library has for itself.
        sent = {'Accept-Encoding': 'identity', 'User-Agent': _CLIENT,
                **headers}
        if auth is not None and at_home:
            sent['Authorization'] = auth
        access = self.settings.access
        try:
            session = self._session()
            request = session.prepare_request(
                requests.Request(method, place.url, headers=sent,
                                 cookies=jar))
            # The adapter itself: Session.send would read the body of a
            # redirect, however long it is, and keep its cookies.
            response = walls.send(
                session.get_adapter(place.url), request,
                self.settings.fence, stream=True,
                timeout=(self.settings.connect_timeout,
                         self.settings.stall_timeout),
                verify=self._trust.verify,
                cert=self._trust.cert if at_home else None,
                proxies=http_access.proxies(access, place.url))
            if response.status_code in redirects.STATUSES:
                jar.update(response.cookies)
        except walls.Refused as exc:
            raise errors.HrefError(
                f'{name} is not fetched: {exc}. [ext_images]allowed_networks '
                'of ironic.conf says which addresses are open') from None
        except (*_FAILURES, ValueError) as exc:
            raise http_errors.of_exception(name, exc) from None
        return Answer(name, place, response, self.settings.stall_timeout)

    def _session(self) -> requests.Session:
        session: requests.Session | None = getattr(
            self._own, 'session', None)
        if session is None:
            session = self._own.session = self.settings.session()
            session.trust_env = False
        return session

    def _next_place(self, href: str, place: http_access.Location,
                    target: str, trail: redirects.Trail
                    ) -> http_access.Location:
        name = hrefs.redacted(href)
        try:
            found = http_access.Location.parse(
                redirects.target(place.url, target))
        except ValueError:  # HrefError is one
            raise errors.HrefError(
                f'{name} redirects to {hrefs.redacted(target)[:200]}, which '
                'is no http:// or https:// URL') from None
        try:
            trail.goes_on(found.url)
        except redirects.LoopError as exc:
            circle = ' -> '.join(map(hrefs.redacted, exc.circle))
            raise errors.ImageError(
                f'{name} redirects in a loop: {circle}') from None
        except redirects.TooManyError:
            raise errors.ImageError(f'{name} redirects more than '
                                    f'{_MAX_REDIRECTS} times') from None
        return found

    def _judged(self, answer: Answer) -> Answer:
        coding = answer.headers.get('Content-Encoding', '').strip().lower()
        if coding not in _NO_CODINGS and answer.status in (200, 206):
            with answer:
                raise errors.ImageError(
                    f'the image server sends {answer.name} encoded as '
                    f'"{coding[:40]}", though that was not asked for: let '
                    'it serve the image as it is')
        return answer
