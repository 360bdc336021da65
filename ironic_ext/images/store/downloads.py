# SPDX-License-Identifier: Apache-2.0

"""From a request for an image to content of the store that answers it.

One process of the host asks a source at a time, and all who waited take
what came of it, as long as they ask with the same credentials.
"""

import contextlib
import dataclasses
import time

from ironic_ext.images import base_image
from ironic_ext.images import checksum as checksums
from ironic_ext.images import errors
from ironic_ext.images import file
from ironic_ext.images import href as hrefs
from ironic_ext.images import progress
from ironic_ext.images import service as services
from ironic_ext.images import settings as image_settings
from ironic_ext.images.store import adoption
from ironic_ext.images.store import download_lock
from ironic_ext.images.store import files as store_files
from ironic_ext.images.store import housekeeping
from ironic_ext.images.store import index
from ironic_ext.images.store import objects
from ironic_ext.images.store import partial
from ironic_ext.images.store import shares


@dataclasses.dataclass(frozen=True)
class Request:
    """What a caller wants.

    :param wanted: what the content must have.
    :param observer: is told of the progress.
    """

    href: str = dataclasses.field(repr=False)
    service: services.ImageService
    settings: image_settings.Settings
    wanted: checksums.Checksum | None = None
    observer: progress.Observer | None = None

    @property
    def name(self) -> str:
        """The href, fit for messages."""
        return hrefs.redacted(self.href)

    @property
    def key(self) -> str:
        """Where the index has it."""
        return index.key(self.href, self.settings.access)

    @property
    def who(self) -> str:
        """Who asks, as the index has it.

        :raises: ImageError when the operator's credentials make no sense.
        """
        return index.who(self.href, self.settings)


@dataclasses.dataclass(frozen=True)
class Downloads:
    """Gets content into a store.

    :param max_image_size: bytes of the largest image that is accepted.
    :param lock_timeout: seconds to wait for somebody else's download.
    """

    files: store_files.StoreFiles
    housekeeping: housekeeping.Housekeeping
    shares: shares.Shares
    max_image_size: int
    lock_timeout: float

    def content(self, request: Request) -> objects.Content:
        """Return what the source has at this moment, or what was wanted.

        :returns: open, for the caller to close.
        :raises: ImageError and its subclasses
        """
        reporter = progress.Reporter(request.name, request.observer)
        failed = True
        try:
            content = self._content(request, reporter)
            failed = False
            with self.files.translated():
                self.files.objects.charge(content.sha256,
                                          request.settings.project)
            return content
        finally:
            reporter.end(failed)

    def _content(self, request: Request, reporter: progress.Reporter
                 ) -> objects.Content:
        with self.files.translated():
            if content := self.by_checksum(request):
                return content
            asked_at = time.time()
            with download_lock.DownloadLock(
                    self.files.lock(request.key), self.lock_timeout,
                    request.name,
                    lambda: self._tell_waiting(request, reporter)) as lock:
                alone = False
                while not alone:
                    alone = lock.acquire()
                    if content := (self.by_checksum(request)
                                   or self._just_had(request, asked_at)):
                        return content
                return self._get(request, reporter)

    def by_checksum(self, request: Request) -> objects.Content | None:
        """Open what has the checksum that is wanted, if it is here.

        A digest is no secret: who asks for the first time has to show that
        the source would give the image to them.

        :raises: ImageError, OSError
        """
        wanted = request.wanted
        if wanted is None:
            return None
        if sha256 := self.files.objects.find(wanted):
            return self._admitted(request, self.files.objects.open(sha256))
        # Perhaps the image is here, but nobody asked for this digest yet.
        record = self.files.index.get(request.key)
        content = self.files.objects.open(record.sha256) if record else None
        return self._admitted(request, self._fitting(content, wanted))

    def _admitted(self, request: Request, content: objects.Content | None
                  ) -> objects.Content | None:
        """Return content if the one who asks may have it, else None.

        :raises: ImageError when the source refuses them.
        """
        if content is None:
            return None
        with contextlib.ExitStack() as stack:
            stack.enter_context(content)
            stored = self.files.objects.stored(content.sha256)
            holder = index.holder(request.href, request.settings)
            holders = stored.holders if stored else []
            if not ('' in holders or (holder and holder in holders)):
                if stored is None or not self._proven(request, stored):
                    return None
                if holder:
                    self.files.objects.admit(content.sha256, holder)
            stack.pop_all()
        return content

    def _proven(self, request: Request, stored: objects.Stored) -> bool:
        """Ask the source, as the one who asks, if it has that very image.

        Only a place that the image came from can prove anything: another
        one may answer whatever pleases its owner.
        """
        records = [index.Record.parse(facts)
                   for facts in stored.sources.values()]
        known = [record.version for record in records
                 if record and record.href == index.place(request.href)]
        if not known:
            return False
        found = request.service.stat(request.href)
        return any(_same(version, found) for version in known)

    def current(self, request: Request) -> objects.Content | None:
        """Open what the source has at this moment, if it is here.

        :raises: ImageError, OSError
        """
        record = self.files.index.get(request.key)
        content = self.files.objects.open(record.sha256) if record else None
        if content is None or record is None:
            return None
        with contextlib.ExitStack() as stack:
            stack.enter_context(content)
            if not _same(record.version,
                         request.service.stat(request.href)):
                return None
            stack.pop_all()
        return content

    def _just_had(self, request: Request, asked_at: float
                  ) -> objects.Content | None:
        """Open what came of a request that ended while we waited."""
        record = self.files.index.get(request.key)
        if (record is None or record.verified_by != request.who
                or not asked_at <= record.verified_at <= time.time()):
            return None
        return self._fitting(self.files.objects.open(record.sha256),
                             request.wanted)

    def _fitting(self, content: objects.Content | None,
                 wanted: checksums.Checksum | None
                 ) -> objects.Content | None:
        if content is None or wanted is None:
            return content
        with contextlib.ExitStack() as stack:
            stack.enter_context(content)
            if self.files.objects.digest(
                    content, wanted.algorithm) != wanted.digest:
                return None
            stack.pop_all()
        return content

    # Asking the source, with the lock

    def _get(self, request: Request, reporter: progress.Reporter
             ) -> objects.Content:
        if isinstance(request.service, file.FileImageService):
            if content := self._adopt(request, request.service, reporter):
                return content
        record = self.files.index.get(request.key)
        with contextlib.ExitStack() as stack:
            known = None
            content = (self.files.objects.open(record.sha256)
                       if record and request.wanted is None else None)
            if content is not None and record is not None:
                stack.enter_context(content)
                known = record.version
            found = self._download(request, known, reporter)
            if found is None and content is not None and record is not None:
                self._remember(request, content, record.version)
                stack.pop_all()
                return content
        if found is None:
            raise errors.ImageError(
                f'the source sent no content for {request.name}')
        return found

    def _download(self, request: Request,
                  known: services.ImageVersion | None,
                  reporter: progress.Reporter) -> objects.Content | None:
        """Download an image; None if the source still has ``known``."""
        while True:
            target = partial.PartialFile(
                self.files.partial(request.key), request.name,
                self._limits(request), wanted=request.wanted,
                reporter=reporter, project=request.settings.project)
            keep = False
            try:
                version = request.service.fetch(request.href, target, known)
                if version is None:
                    return None
                return self._keep(request, target, version, reporter)
            except errors.ChecksumError:
                if not target.doubtful:
                    raise
                # Bytes that a power cut may have spoilt: from the start.
            except errors.ImageError as exc:
                # The network, and the like; not what makes it pointless.
                keep = type(exc) is errors.ImageError
                raise
            except BaseException:
                keep = True
                raise
            finally:
                target.close(keep)

    def _limits(self, request: Request) -> partial.Limits:
        project, path = (request.settings.project,
                         self.files.partial(request.key))
        pace = shares.Pace()

        def whole(count: int) -> int:
            here = partial.State.read(path)
            return count + (here.spans.total if here else 0)

        def room(count: int) -> None:
            if project and pace.is_due():
                with pace.looking():
                    self.shares.make_room(project, whole(count), path,
                                          request.name)
            self.housekeeping.room(count, request.name)

        def possible(count: int) -> None:
            if project:
                self.shares.require_possible(project, whole(count), path,
                                             request.name)
            self.housekeeping.require_possible(count, request.name)

        return partial.Limits(self.max_image_size, room, possible)

    def _keep(self, request: Request, target: partial.PartialFile,
              version: services.ImageVersion, reporter: progress.Reporter
              ) -> objects.Content:
        digests = target.finish()
        _compare(request, digests, version)
        content = self.files.objects.add(target.path, target.fd, digests)
        self._remember(request, content, version)
        self.shares.trim(request.settings.project)
        self.housekeeping.evict()
        return content

    def _remember(self, request: Request, content: objects.Content,
                  version: services.ImageVersion) -> None:
        self.files.index.put(request.key, index.Record(
            request.name, content.sha256, version, time.time(), request.who))
        self.files.objects.charge(content.sha256, request.settings.project)
        holder = index.holder(request.href, request.settings)
        if holder is not None:
            self.files.objects.admit(content.sha256, holder)

    # Local files

    def _adopt(self, request: Request, service: file.FileImageService,
               reporter: progress.Reporter) -> objects.Content | None:
        """Make a local file an object without copying it.

        :returns: None where the file system does not allow that.
        """
        with base_image.OpenFile(service.open_fd(request.href)) as source:
            version = file.version_of(source.fd)
            record = self.files.index.get(request.key)
            if record and record.version.etag == version.etag:
                content = self._fitting(
                    self.files.objects.open(record.sha256), request.wanted)
                if content is not None:
                    return content
            if source.size > self.max_image_size:
                raise errors.ImageTooLargeError(
                    f'{request.name} has {source.size} bytes, more than the '
                    f'limit of {self.max_image_size}')
            path = self.files.partial(request.key)
            with adoption.adopted(source.fd, path) as adopted:
                if adopted is None:
                    return None
                reporter.begin(0, source.size)
                algorithms = {'sha256'} | (
                    {request.wanted.algorithm} if request.wanted else set())
                digests = adopted.digests(
                    algorithms, request.name,
                    lambda done: reporter.note(done, progress.VERIFYING))
                _compare(request, digests, version)
                content = (self.files.objects.open(digests['sha256'])
                           if adopted.is_link else None)
                if content is None:
                    content = self.files.objects.add(
                        path, adopted.fd, digests,
                        read_only=not adopted.is_link)
            # Anew, since a hard link changes part of it.
            version = file.version_of(source.fd)
        self._remember(request, content, version)
        self.shares.trim(request.settings.project)
        self.housekeeping.evict()
        return content

    # Telling those who wait

    def _tell_waiting(self, request: Request, reporter: progress.Reporter
                      ) -> None:
        if state := partial.State.read(self.files.partial(request.key)):
            reporter.waiting(state.spans.total, state.version.size)


def _compare(request: Request, digests: dict[str, str],
             version: services.ImageVersion) -> None:
    for checksum in (request.wanted, version.checksum):
        if checksum is not None and checksum.algorithm in digests:
            checksum.require(digests[checksum.algorithm], request.name)


def _same(known: services.ImageVersion, found: services.ImageVersion
          ) -> bool:
    """Tell whether a source still has what it had (RFC 9110, 13.1)."""
    if found.checksum is not None and known.checksum is not None:
        return found.checksum == known.checksum
    if found.etag or known.etag:
        return found.etag.removeprefix('W/') == known.etag.removeprefix('W/')
    return bool(known.last_modified) and (
        found.last_modified == known.last_modified
        and found.size == known.size)
