# SPDX-License-Identifier: Apache-2.0

"""Images on web servers: the schemes http and https (RFC 9110).

Downloads resume, restart and try again by themselves; see download.py for
how, session.py and access.py for redirects, credentials and TLS.
"""

import collections
import threading

from ironic_ext.images import errors
from ironic_ext.images.for_ironic import contract as ironic_contract
from ironic_ext.images.http import access
from ironic_ext.images.http import download
from ironic_ext.images.http import errors as http_errors
from ironic_ext.images.http import headers as http_headers
from ironic_ext.images.http import retry
from ironic_ext.images.http import session
from ironic_ext.images import service
from ironic_ext.images import settings as image_settings

# Enough of an image to tell it from a web page.
_PROBE = {'Range': 'bytes=0-511'}
# A server without ranges sends this much to no purpose, but not more.
_SKIPPED = 1 << 20
_MOST_PLACES = 64


class HttpImageService(ironic_contract.IronicImageService):
    """Images on web servers, asked for as ``settings`` say."""

    takes_credentials = True

    def __init__(self, settings: image_settings.Settings) -> None:
        super().__init__(settings)
        self._lock = threading.Lock()
        self._made: session.Web | None = None
        # Where redirects led to. Parts of an image are read from there:
        # the next redirect may lead to another mirror.
        self._places: collections.OrderedDict[str, access.Location] = (
            collections.OrderedDict())

    def stat(self, href: str) -> service.ImageVersion:
        """Ask what the server has, by HEAD or by the first bytes.

        Many servers refuse HEAD, and a pre-signed URL is good for GET only.

        :raises: ImageError and its subclasses
        """
        return retry.trying(self.settings, lambda: self._stat(href))

    def fetch(self, href: str, target: service.Target,
              known: service.ImageVersion | None = None
              ) -> service.ImageVersion | None:
        """Download what ``target`` misses.

        :raises: ImageError and its subclasses, what the target raises
        """
        web = self._web()
        return download.Download(
            href, target, known, web.settings,
            first=lambda headers: self._first(web, href, headers),
            again=lambda headers: self._again(web, href, headers),
            leave=web.forget).run()

    def read_range(self, href: str, offset: int, length: int,
                   version: service.ImageVersion | None = None) -> bytes:
        """Read a part of the image in one request.

        :raises: ImageChangedError, ImageError and its other subclasses
        """
        if length <= 0:
            return b''
        return retry.trying(self.settings, lambda: self._read(
            href, offset, offset + length, version))

    # stat

    def _stat(self, href: str) -> service.ImageVersion:
        web = self._web()
        with self._first(web, href, {}, 'HEAD') as answer:
            if answer.status in (401, 404, 410):
                raise answer.refusal()
            if (answer.status == 200 and answer.length is not None
                    and not answer.says_page):
                answer.finish()
                return http_headers.version(
                    answer.headers, answer.length,
                    ranges='bytes' in answer.headers.get(
                        'Accept-Ranges', '').lower())
        with self._first_part(web, href) as answer:
            found = http_headers.content_range(answer.headers)
            size = answer.length
            if answer.status in (206, 416) and found is not None:
                size = found.size
            elif answer.status != 200:
                raise answer.refusal()
            answer.refuse_page()
            answer.finish()
            return http_headers.version(answer.headers, size,
                                        ranges=answer.status == 206)

    def _first_part(self, web: session.Web, href: str) -> session.Answer:
        """Ask for the start of an image, or all of it if need be."""
        answer = self._first(web, href, _PROBE)
        if answer.status not in http_headers.NO_RANGES:
            return answer
        answer.close()
        return self._first(web, href, {})

    # read_range

    def _read(self, href: str, start: int, end: int,
              version: service.ImageVersion | None) -> bytes:
        headers = {'Range': f'bytes={start}-{end - 1}'}
        if version is not None and version.strong_etag:
            headers['If-Match'] = version.strong_etag
        with self._part(href, headers, start) as answer:
            found = http_headers.content_range(answer.headers)
            size = found.size if found else answer.length
            if answer.status == 416 and found and found.size is not None:
                # Such an answer has no validators, only the size.
                if found.size > start or (
                        version is not None and version.size not in (
                            None, found.size)):
                    raise _changed(answer.name)
                answer.finish()
                return b''
            if answer.status in (412, 416):
                raise _changed(answer.name)
            if answer.status not in (200, 206):
                raise answer.refusal()
            if version is not None and not http_headers.same(
                    version, http_headers.version(
                        answer.headers, size, ranges=True)):
                raise _changed(answer.name)
            skipped = start
            if answer.status == 206:
                if (found is None or found.span is None
                        or found.span[0] != start or found.span[1] > end):
                    raise errors.ImageError(
                        f'the image server sent other bytes of '
                        f'{answer.name} than it was asked for: its '
                        'Content-Range is wrong')
                skipped = 0
            elif start > _SKIPPED:
                raise errors.ImageError(
                    f'the image server does not serve parts of '
                    f'{answer.name}: it has to support Range')
            if start == 0:
                answer.refuse_page()
            return _cut(answer, skipped, end - start)

    def _part(self, href: str, headers: http_headers.Headers, start: int
              ) -> session.Answer:
        """Ask for a part, or for all where that has it near its start."""
        answer = self._again(self._web(), href, headers)
        if answer.status not in http_headers.NO_RANGES or start > _SKIPPED:
            return answer
        answer.close()
        return self._again(self._web(), href, {
            name: value for name, value in headers.items()
            if name != 'Range'})

    # Requests

    def _web(self) -> session.Web:
        with self._lock:
            if self._made is None or self._made.settings is not self.settings:
                self._made = session.Web(self.settings)
                self._places.clear()
            return self._made

    def _first(self, web: session.Web, href: str,
               headers: http_headers.Headers, method: str = 'GET'
               ) -> session.Answer:
        """Ask along the redirects, and remember where they led."""
        answer = web.ask(href, headers, method)
        with self._lock:
            self._places[href] = answer.location
            self._places.move_to_end(href)
            if len(self._places) > _MOST_PLACES:
                self._places.popitem(last=False)
        return answer

    def _again(self, web: session.Web, href: str,
               headers: http_headers.Headers) -> session.Answer:
        """Ask where the last answer came from, else along the redirects."""
        place = self._places.get(href)
        if place is None or place.url == access.Location.parse(href).url:
            return self._first(web, href, headers)
        try:
            answer = web.ask(href, headers, at=place)
        except (http_errors.TransientError, errors.ImageError):
            # The place may be gone, or its signature may have expired.
            return self._first(web, href, headers)
        if answer.status < 400 or answer.status in (412, 416):
            return answer
        answer.close()
        return self._first(web, href, headers)


def _changed(name: str) -> errors.ImageChangedError:
    return errors.ImageChangedError(
        f'{name} has another version than the one that is being read: '
        'begin anew')


def _cut(answer: session.Answer, skipped: int, length: int) -> bytes:
    """Read ``length`` bytes of a body after the first ``skipped`` ones."""
    parts = []
    left = length
    for data in answer.chunks():
        part = data[skipped:skipped + left]
        skipped = max(0, skipped - len(data))
        parts.append(part)
        left -= len(part)
        if not left and answer.unread != 0:
            break
    return b''.join(parts)
