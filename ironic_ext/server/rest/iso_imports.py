# SPDX-License-Identifier: Apache-2.0

"""Fetches ISOs beside the requests that ask for them; uploads, and tidies."""

import asyncio
import collections.abc
import concurrent.futures
import functools
import json
import logging
import re
import threading
import typing

import falcon

from ironic_ext import catalog
from ironic_ext.catalog import importing
from ironic_ext.catalog import iso_files
from ironic_ext.catalog import resources
from ironic_ext.catalog import sources
from ironic_ext import images
from ironic_ext import iso
from ironic_ext.iso.facts import apart
from ironic_ext.server import answers
from ironic_ext.server import errors
from ironic_ext.server.http import exchange
from ironic_ext.server.rest import access
from ironic_ext.server.rest import bridge
from ironic_ext.server.rest import conventions
from ironic_ext.server.rest import owned
from ironic_ext.server.rest import policies

LOG = logging.getLogger(__name__)

_JOBS = 4
_UPLOADS = 16
_TIDY_INTERVAL = 3600.0     # seconds
_CHUNK = 1 << 20
_RANGE = re.compile(r'bytes (\d{1,18})-(\d{1,18})/(\d{1,18})')


Result = typing.TypeVar('Result')


def importer(catalog: typing.Any, directory: iso_files.IsoDirectory,
             store: sources.ImageStore) -> importing.Importer:
    """Return an importer that looks into ISOs by the engine."""
    return importing.Importer(
        catalog, directory, store, inspect,
        (images.ImageError, iso.IsoError, OSError), images.StoppedError)


def inspect(path: str) -> sources.Inspected:
    """Look into an ISO, which is a stranger's.

    :raises: IsoError, OSError
    """
    found = apart.inspect(path)
    return sources.Inspected(found.volume_id, tuple(
        f'{firmware}: {name}' for firmware, name in found.loaders),
        found.paths, found.system)


class IsoImports:
    """The jobs. Each ISO has one at a time.

    :param follow: is called when an ISO changed.
    :param upload_lifetime: seconds that broken-off uploads are kept.
    """

    def __init__(self, work: importing.Importer,
                 follow: collections.abc.Callable[[], None],
                 upload_lifetime: float) -> None:
        self._work = work
        self._follow = follow
        self._upload_lifetime = upload_lifetime
        self._pool = concurrent.futures.ThreadPoolExecutor(
            _JOBS, 'iso-import')
        self._writers = concurrent.futures.ThreadPoolExecutor(
            _JOBS, 'iso-upload')
        self._uploads = 0
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
        self._writers.shutdown(wait=False)

    def submit(self, cdrom: resources.ISCSICdrom) -> None:
        """Bring an ISO, if it is not there."""
        if cdrom.status.phase in ('Pending', 'Error'):
            self._submit(cdrom.metadata.name)

    def again(self, name: str) -> resources.ISCSICdrom:
        """Fetch an ISO again: see Importer.again()."""
        cdrom = self._work.again(name)
        self._submit(name)
        self._follow()
        return cdrom

    def end(self, name: str) -> resources.ISCSICdrom:
        """Stop fetching an ISO: see Importer.stop()."""
        with self._lock:
            # What was asked for twice would begin anew.
            self._again.discard(name)
        try:
            return self._work.stop(name)
        finally:
            self._follow()

    async def upload(self, name: str, receive: exchange.Receive,
                     offset: int, total: int | None
                     ) -> resources.ISCSICdrom:
        """Take an upload as it comes; threads work for what is here alone.

        :param offset: see Importer.begin_upload().
        :raises: TooManyError, ConnectionError when the client is gone, and
            what Importer.begin_upload(), IsoUpload.write() and finish() raise
        """
        if self._uploads >= _UPLOADS:
            raise errors.TooManyError(
                f'{_UPLOADS} uploads are going on: try again in a moment')
        self._uploads += 1
        try:
            upload = await self._run(functools.partial(
                self._work.begin_upload, name, offset=offset, total=total))
            try:
                return await self._take(upload, receive)
            finally:
                await self._run(upload.close)
        finally:
            self._uploads -= 1
            await self._run(self._follow)

    async def _take(self, upload: importing.IsoUpload,
                    receive: exchange.Receive) -> resources.ISCSICdrom:
        held = bytearray()
        try:
            async for part in bridge.received(receive):
                held += part
                if len(held) >= _CHUNK:
                    data, held = bytes(held), bytearray()
                    await self._run(upload.write, data)
        finally:
            # What came is kept when the rest does not.
            if held:
                await self._run(upload.write, bytes(held))
        return await self._run(upload.finish)

    async def _run(self, work: collections.abc.Callable[..., Result],
                   *arguments: typing.Any) -> Result:
        """Run what waits for the disk, to its end in any case."""
        running = asyncio.get_running_loop().run_in_executor(
            self._writers, work, *arguments)
        try:
            return await asyncio.shield(running)
        except asyncio.CancelledError:
            # What follows is not to meet it.
            await asyncio.wait([running])
            raise

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
                     [falcon.Request, str], resources.ISCSICdrom],
                 directory: iso_files.IsoDirectory, guard: access.Access,
                 own: owned.Owned) -> None:
        self._jobs = jobs
        self._get = get
        self._directory = directory
        self._guard = guard
        self._own = own

    def on_get(self, req: falcon.Request, resp: falcon.Response, name: str
               ) -> None:
        """Tell how much is here of an upload that was broken off."""
        self._guard.require(req, policies.CATALOG_READ)
        cdrom = self._get(req, name)
        conventions.answer(resp, {'received': self._directory.received(
            cdrom.spec.iso_file) if cdrom.spec.iso_file else 0})

    def on_put(self, req: falcon.Request, resp: falcon.Response, name: str
               ) -> None:
        """Take the content, or go on with it (Content-Range)."""
        self._guard.require(req, policies.CATALOG_WRITE)
        self._own.require_own(req, self._get(req, name))
        kind = (req.content_type or '').partition(';')[0].strip().lower()
        if kind not in ('application/octet-stream', 'application/x-cd-image',
                        'application/vnd.efi.iso'):
            raise errors.MediaTypeError(
                'the Content-Type must be application/octet-stream, and the '
                'body the ISO itself')
        offset, total = _extent(req)

        async def take(receive: exchange.Receive, answer: answers.Answer
                       ) -> answers.Answer:
            cdrom = await self._jobs.upload(name, receive, offset, total)
            return answers.Answer(
                json.dumps(resources.document(cdrom)).encode(), answers.JSON,
                200 if cdrom.status.phase == 'Ready' else 202,
                [(b'etag', b'"%s"' % cdrom.metadata.resource_version.encode()
                  )])
        bridge.go_on(req, take)

    on_post = on_put


class Fetch:
    """The fetching of an ISO by its URL."""

    def __init__(self, jobs: IsoImports,
                 get: collections.abc.Callable[
                     [falcon.Request, str], resources.ISCSICdrom],
                 guard: access.Access, own: owned.Owned) -> None:
        self._jobs = jobs
        self._get = get
        self._guard = guard
        self._own = own

    def on_post(self, req: falcon.Request, resp: falcon.Response, name: str
                ) -> None:
        """Begin again what failed or was stopped."""
        self._require(req, name)
        self._answer(resp, self._jobs.again(name))
        resp.status = falcon.HTTP_202

    def on_delete(self, req: falcon.Request, resp: falcon.Response, name: str
                  ) -> None:
        """Stop it."""
        self._require(req, name)
        self._answer(resp, self._jobs.end(name))

    def _require(self, req: falcon.Request, name: str) -> None:
        self._guard.require(req, policies.CATALOG_WRITE)
        self._own.require_own(req, self._get(req, name))

    @staticmethod
    def _answer(resp: falcon.Response, cdrom: resources.ISCSICdrom) -> None:
        conventions.answer(resp, resources.document(cdrom),
                           cdrom.metadata.resource_version)


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
