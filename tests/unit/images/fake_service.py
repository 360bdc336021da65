# SPDX-License-Identifier: Apache-2.0

"""An image service whose images are in memory, as a test decides."""

import collections
import dataclasses
import threading

from ironic_ext.images import errors
from ironic_ext.images import href as hrefs
from ironic_ext.images import service

_CHUNK = 64 << 10


@dataclasses.dataclass
class Page:
    """An image of the source.

    :param cut: bytes after which the connection breaks, once.
    :param gate: awaited before the first byte.
    """

    content: bytes = b''
    version: service.ImageVersion = service.ImageVersion()
    cut: int | None = None
    gate: threading.Event | None = None
    error: BaseException | None = None
    reverse: bool = False


class FakeService(service.ImageService):
    """Serves ``pages``; counts bytes and calls."""

    def __init__(self):
        self.pages = {}
        self.calls = collections.Counter()
        self.sent = 0
        self.asked = threading.Event()

    def put(self, href, content, etag='', size=-1, checksum=None,
            no_cache=False, last_modified='', **facts):
        """Offer an image; returns its href."""
        self.pages[href] = Page(content, service.ImageVersion(
            len(content) if size == -1 else size, etag, last_modified,
            checksum=checksum, no_cache=no_cache, ranges=True), **facts)
        return href

    def _page(self, href):
        try:
            page = self.pages[href]
        except KeyError:
            raise errors.ImageNotFoundError(
                f'the image server answered 404 for {hrefs.redacted(href)}')
        if page.error:
            raise page.error
        return page

    def stat(self, href):
        self.calls['stat'] += 1
        return self._page(href).version

    def fetch(self, href, target, known=None):
        self.calls['fetch'] += 1
        page = self._page(href)
        self.asked.set()
        if page.gate:
            page.gate.wait(30)
        version = page.version
        if known is not None and (version.etag or version.last_modified) and (
                (known.etag, known.last_modified)
                == (version.etag, version.last_modified)):
            self.calls['unchanged'] += 1
            return None
        self.calls['download'] += 1
        chunks = []
        for start, end in target.begin(version):
            end = len(page.content) if end == -1 else end
            chunks += [(at, min(at + _CHUNK, end))
                       for at in range(start, end, _CHUNK)]
        for start, end in reversed(chunks) if page.reverse else chunks:
            if page.cut is not None and start >= page.cut:
                page.cut = None
                raise errors.ImageError(
                    f'the connection to {hrefs.redacted(href)} broke off')
            target.write(start, page.content[start:end])
            self.sent += end - start
        return version

    def read_range(self, href, offset, length, version=None):
        return self._page(href).content[offset:offset + length]
