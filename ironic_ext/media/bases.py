# SPDX-License-Identifier: Apache-2.0

"""The bases of streamed images: from the store, else from their source.

A replica that lacks a base downloads it through the image store. Meanwhile
what is asked for is read straight from the source, where that promises by
a strong entity tag (RFC 9110, section 8.8.1) to have the very same bytes
still; where it does not, readers wait for the download.
"""

import collections.abc
import contextlib
import dataclasses
import functools
import logging
import threading
import time
import typing

from ironic_ext.images import errors
from ironic_ext.images import href as hrefs
from ironic_ext.images import service
from ironic_ext.media import medium
from ironic_ext.media.stream import base as stream_base
from ironic_ext.media.stream import contract

LOG = logging.getLogger(__name__)

#: Seconds that a reader waits for a download before it is told to come
#: back; a BMC gives up later than that.
_PATIENCE = 20.0
#: Seconds until a download that failed is tried again.
_RETRY = 10.0

_Sources = collections.abc.Callable[[str], list[medium.Source]]


class Store(typing.Protocol):
    """The part of images.ImageStore that is needed."""

    def open(self, digest: str
             ) -> contextlib.AbstractContextManager[typing.Any]:
        """Lease an image by its content; None when it is not here."""

    def lease(self, href: str, checksum: str | None = None
              ) -> contextlib.AbstractContextManager[typing.Any]:
        """Download an image if need be, verify it, lease it."""


@dataclasses.dataclass(frozen=True)
class Way:
    """How far this host goes for a base.

    :param store: of this host.
    :param service_for: returns the image service for an href.
    """

    store: Store
    service_for: collections.abc.Callable[[str], service.ImageService]


class StoreBases:
    """The :class:`.stream.contract.Bases` of one host's image store.

    :param sources: tells where a base can be had, by its digest.
    :param operators: the way to what the operator chose.
    :param owners: the way to what an owner of nodes chose.
    """

    def __init__(self, sources: _Sources, operators: Way, owners: Way
                 ) -> None:
        self._sources = sources
        self._ways = {False: operators, True: owners}
        # To look for what is here, either does.
        self._store = operators.store

    def open(self, stream: medium.Stream) -> contract.Base:
        """Open the base of a medium, from the store or from its source.

        :raises: BaseMissingError, BaseChangedError
        """
        if not stream.base.size:
            # Everything is in the overlay, as with an ISO of a few files.
            return _Nothing()
        found = opened(self._store, stream.base.digest, stream.base.size)
        if found is not None:
            return found
        sources = self._sources(stream.base.digest)
        if not sources:
            raise contract.BaseMissingError(
                f'the base image {stream.base.digest} of medium {stream.id} '
                'is not in the image store of this host, and it is not on '
                'record where it could be had: deploy the node again, or '
                'bring the image here with "ironic-ext-images fetch"')
        return _Remote(stream, [
            (source, self._ways[source.fenced]) for source in sources])


def opened(store: Store, digest: str, size: int
           ) -> stream_base.FileBase | None:
    """Open a base that is in the store; None when it is not there.

    :param size: bytes that it must have.
    :raises: BaseMissingError, BaseChangedError
    """
    lease = contextlib.ExitStack()
    try:
        image = lease.enter_context(store.open(digest))
        if image is None:
            return None
        if image.size != size:
            raise contract.BaseChangedError(
                f'the image store has {image.size} bytes as {digest}, not '
                f'{size}: run "ironic-ext-images verify"')
        return stream_base.FileBase(image.path, release=lease.close)
    except (errors.ImageError, OSError) as exc:
        lease.close()
        raise contract.BaseMissingError(
            f'the image store fails: {exc}') from exc
    except BaseException:
        lease.close()
        raise


class _Nothing:
    """The base of an image that is all literals: no bytes."""

    fd = None

    def read(self, offset: int, length: int) -> bytes:
        """Return no bytes.

        :raises: BaseMissingError when there are to be some.
        """
        if offset or length:
            raise contract.BaseMissingError(
                f'bytes {offset} to {offset + length} are not in the overlay '
                'of a medium that has no base')
        return b''

    def check(self) -> None:
        """Nothing cannot change."""

    def close(self) -> None:
        """Nothing is open."""


class _Remote:
    """A base that is being downloaded."""

    def __init__(self, stream: medium.Stream,
                 sources: list[tuple[medium.Source, Way]]) -> None:
        self._digest = stream.base.digest
        self._size = stream.base.size
        self._sources = sources
        # One for each source: it keeps its connections.
        self._service = functools.cache(
            lambda href, way: way.service_for(href))
        self._changed = threading.Condition()
        self._file: stream_base.FileBase | None = None
        self._closed = False
        self._running = False
        self._failure = ''
        self._failed_at = 0.0
        with self._changed:
            self._start()

    @property
    def fd(self) -> int | None:
        """The descriptor, as soon as the download is there."""
        return self._file.fd if self._file is not None else None

    def read(self, offset: int, length: int) -> bytes:
        """Return bytes of the file, of the source, or of the file later on.

        :raises: BaseMissingError, BaseChangedError
        """
        if self._file is None:
            for source, way in self._sources:
                if source.etag:
                    data = self._read_source(source, way, offset, length)
                    if data is not None:
                        return data
        return self._await_file().read(offset, length)

    def _read_source(self, source: medium.Source, way: Way, offset: int,
                     length: int) -> bytes | None:
        href = source.href
        version = service.ImageVersion(size=self._size, etag=source.etag,
                                       ranges=True)
        try:
            data: bytes = self._service(href, way).read_range(
                href, offset, length, version)
        except errors.ImageError as exc:
            LOG.warning('Reading %(length)d bytes of %(href)s failed, '
                        'waiting for its download: %(error)s',
                        {'length': length, 'href': hrefs.redacted(href),
                         'error': exc})
            return None
        return data if len(data) == length else None

    def _await_file(self) -> stream_base.FileBase:
        with self._changed:
            if (not self._running and self._file is None
                    and time.monotonic() - self._failed_at > _RETRY):
                self._start()
            self._changed.wait_for(
                lambda: self._file is not None or not self._running,
                _PATIENCE)
            if self._file is not None:
                return self._file
            raise contract.BaseMissingError(
                f'the base image {self._digest} is not here: '
                + (self._failure or 'it is still being downloaded'))

    def _start(self) -> None:
        if self._closed:
            return
        self._running = True
        threading.Thread(target=self._download, daemon=True,
                         name='base-download').start()

    def _download(self) -> None:
        failure, found = '', None
        for (href, _etag, _fenced), way in self._sources:
            LOG.info('The base image %(digest)s is not on this host: '
                     'fetching it from %(href)s',
                     {'digest': self._digest, 'href': hrefs.redacted(href)})
            try:
                with way.store.lease(href, self._digest):
                    found = opened(way.store, self._digest, self._size)
                if found is not None:
                    break
                failure = 'the image store dropped it at once'
            except (errors.ImageError, contract.StreamError, OSError) as exc:
                failure = str(exc)
                LOG.warning('The base image %(digest)s cannot be fetched '
                            'from %(href)s: %(error)s',
                            {'digest': self._digest,
                             'href': hrefs.redacted(href), 'error': exc})
        with self._changed:
            self._running = False
            self._failure = failure
            self._failed_at = time.monotonic()
            if found is not None and self._closed:
                found.close()
            else:
                self._file = found
            self._changed.notify_all()

    def check(self) -> None:
        """Make sure that the file, once it is here, stays what it is.

        :raises: BaseChangedError
        """
        if self._file is not None:
            self._file.check()

    def close(self) -> None:
        """End the lease; a download that runs goes on for the store."""
        with self._changed:
            self._closed = True
            if self._file is not None:
                self._file.close()
