# SPDX-License-Identifier: Apache-2.0

"""Fetches ISOs beside the requests that ask for them; uploads, and tidies."""

import collections.abc
import concurrent.futures
import logging
import re
import threading
import typing

import falcon

from ironic_ext import catalog
from ironic_ext.catalog import importing
from ironic_ext.catalog import iso_files
from ironic_ext.catalog import resources
from ironic_ext import images
from ironic_ext import iso
from ironic_ext.server import errors
from ironic_ext.server.rest import access
from ironic_ext.server.rest import conventions
from ironic_ext.server.rest import policies

LOG = logging.getLogger(__name__)

_JOBS = 4
_TIDY_INTERVAL = 3600.0     # seconds
_CHUNK = 1 << 20
_RANGE = re.compile(r'bytes (\d{1,18})-(\d{1,18})/(\d{1,18})')


def importer(catalog: typing.Any, directory: iso_files.IsoDirectory,
             store: importing.ImageStore) -> importing.Importer:
    """Return an importer that looks into ISOs by the engine."""
    return importing.Importer(
        catalog, directory, store, inspect,
        (images.ImageError, iso.IsoError, OSError))


def inspect(path: str) -> importing.Inspected:
    """Look into an ISO.

    :raises: IsoError, OSError
    """
    with iso.IsoImage.open(path) as image:
        found = iso.inspect(image)
    return importing.Inspected(found.volume_id, tuple(
        f'{loader.firmware}: {loader.name}' for loader in found.loaders))


class IsoImports:
    """The jobs. Each ISO has one at a time."""

    def __init__(self, work: importing.Importer,
                 follow: collections.abc.Callable[[], None],
                 upload_lifetime: float) -> None:
        """Take what is needed.

        :param follow: is called when an ISO changed.
        :param upload_lifetime: seconds that broken-off uploads are kept.
        """
        self._work = work
        self._follow = follow
        self._upload_lifetime = upload_lifetime
        self._pool = concurrent.futures.ThreadPoolExecutor(
            _JOBS, 'iso-import')
        self._busy: set[str] = set()
        self._again: set[str] = set()
        self._lock = threading.Lock()
        self._ending = threading.Event()
        self._tidier = threading.Thread(target=self._tidy, daemon=True,
                                        name='iso-tidy')

    def start(self) -> None:
        """Take up what was not finished, and look for files."""
        self._pool.submit(self._begin)
        self._tidier.start()

    def stop(self) -> None:
        """Begin no more; a download goes on where it was next time."""
        self._ending.set()
        self._pool.shutdown(wait=False, cancel_futures=True)

    def submit(self, cdrom: resources.ISCSICdrom) -> None:
        """Bring an ISO, if it is not there."""
        if cdrom.status.phase in ('Pending', 'Error'):
            self._submit(cdrom.metadata.name)

    def upload(self, name: str, chunks: collections.abc.Iterable[bytes],
               offset: int, total: int | None) -> resources.ISCSICdrom:
        """Take an upload: see Importer.upload()."""
        try:
            return self._work.upload(name, chunks, offset=offset,
                                     total=total)
        finally:
            self._follow()

    def forget(self, cdrom: resources.ISCSICdrom) -> None:
        """Let go of the content of an ISO that was deleted."""
        try:
            self._work.forget(cdrom)
        except (catalog.CatalogError, images.ImageError, OSError) as exc:
            LOG.warning('The content of ISO %(name)s stays: %(error)s',
                        {'name': cdrom.metadata.name, 'error': exc})

    def _submit(self, name: str) -> None:
        with self._lock:
            if self._ending.is_set():
                return
            if name in self._busy:
                self._again.add(name)
                return
            self._busy.add(name)
            self._pool.submit(self._bring, name)

    def _bring(self, name: str) -> None:
        try:
            self._work.bring(name)
        except catalog.CatalogError as exc:
            LOG.info('ISO %(name)s: %(error)s', {'name': name, 'error': exc})
        except Exception:
            LOG.exception('ISO %s cannot be brought', name)
        finally:
            self._safely(self._follow)
            with self._lock:
                self._busy.discard(name)
                again = name in self._again
                self._again.discard(name)
            if again:
                self._submit(name)

    def _begin(self) -> None:
        def find() -> None:
            for name in self._work.unfinished():
                self._submit(name)
            self._work.discover()
            self._follow()
        self._safely(find)

    def _tidy(self) -> None:
        while not self._ending.wait(_TIDY_INTERVAL):
            self._safely(lambda: self._work.tidy(self._upload_lifetime))

    def _safely(self, work: collections.abc.Callable[[], None]) -> None:
        try:
            work()
        except catalog.CatalogError as exc:
            LOG.warning('%s', str(exc))
        except Exception:
            LOG.exception('Work on the ISOs fails')


class Upload:
    """The content of an ISO that has no URL."""

    def __init__(self, jobs: IsoImports,
                 get: collections.abc.Callable[
                     [str], resources.ISCSICdrom],
                 directory: iso_files.IsoDirectory, guard: access.Access
                 ) -> None:
        """Take what is needed."""
        self._jobs = jobs
        self._get = get
        self._directory = directory
        self._guard = guard

    def on_get(self, req: falcon.Request, resp: falcon.Response, name: str
               ) -> None:
        """Tell how much is here of an upload that was broken off."""
        self._guard.require(req, policies.CATALOG_READ)
        cdrom = self._get(name)
        conventions.answer(resp, {'received': self._directory.received(
            cdrom.spec.iso_file) if cdrom.spec.iso_file else 0})

    def on_put(self, req: falcon.Request, resp: falcon.Response, name: str
               ) -> None:
        """Take the content, or go on with it (Content-Range)."""
        self._guard.require(req, policies.CATALOG_WRITE)
        conventions.name(name)
        kind = (req.content_type or '').partition(';')[0].strip().lower()
        if kind not in ('application/octet-stream', 'application/x-cd-image',
                        'application/vnd.efi.iso'):
            raise errors.MediaTypeError(
                'the Content-Type must be application/octet-stream, and the '
                'body the ISO itself')
        offset, total = _extent(req)
        cdrom = self._jobs.upload(name, _chunks(req), offset, total)
        if cdrom.status.phase != 'Ready':
            resp.status = falcon.HTTP_202
        conventions.answer(resp, resources.document(cdrom),
                           cdrom.metadata.resource_version)

    on_post = on_put


def _extent(req: falcon.Request) -> tuple[int, int | None]:
    """Return where the body begins in the whole, and the whole's size."""
    header = req.get_header('Content-Range')
    if header is None:
        return 0, req.content_length
    match = _RANGE.fullmatch(header.strip())
    if match:
        first, last, total = map(int, match.groups())
        if first <= last < total and req.content_length in (
                None, last - first + 1):
            return first, total
    raise errors.BadRequestError(
        'Content-Range must be like "bytes 0-1023/4096", and fit the body')


def _chunks(req: falcon.Request) -> collections.abc.Iterator[bytes]:
    """Read the body.

    :raises: BadRequestError when it ends early
    """
    rest = req.content_length
    if rest is None and 'chunked' not in (
            req.get_header('Transfer-Encoding') or '').lower():
        return
    stream = req.env['wsgi.input']
    while rest is None or rest > 0:
        try:
            chunk = stream.read(_CHUNK if rest is None
                                else min(_CHUNK, rest))
        except (OSError, ValueError) as exc:
            raise errors.BadRequestError(
                'the upload was cut; what came is kept') from exc
        if not chunk:
            if rest is None:
                return
            raise errors.BadRequestError(
                'the upload was cut; what came is kept')
        if rest is not None:
            rest -= len(chunk)
        yield chunk
