# SPDX-License-Identifier: Apache-2.0

"""Brings ISOs into the catalog: by URL, by upload, or found in a directory.

What an ISO is, and how an image is fetched, is passed in.
"""

import collections.abc
import contextlib
import dataclasses
import logging
import time

from ironic_ext.catalog import errors
from ironic_ext.catalog import iso_files
from ironic_ext.catalog import resources
from ironic_ext.catalog import sources
from ironic_ext.catalog import store as stores

LOG = logging.getLogger(__name__)

#: Begins the names by which ISOs keep images in the image store.
HOLDER = 'iso:'
#: Seconds at least between two notes of how far a download is.
_NOTE = 2.0


class Importer:
    """Brings the content of ISOs into the catalog.

    Methods that take long are for threads of their own; what becomes of an
    ISO is in its status.

    :param inspect: looks into the ISO at a path.
    :param failures: what ``inspect`` and the store raise, each with one
        sentence that is fit to show.
    :param stopped: what an observer raises to end a download.
    :param clock: seconds, monotonic.
    """

    def __init__(self, catalog: stores.Catalog,
                 directory: iso_files.IsoDirectory, store: sources.ImageStore,
                 inspect: collections.abc.Callable[[str], sources.Inspected],
                 failures: tuple[type[Exception], ...],
                 stopped: type[Exception],
                 clock: collections.abc.Callable[[], float] = time.monotonic
                 ) -> None:
        self._catalog = catalog
        self._directory = directory
        self._store = store
        self._inspect = inspect
        self._failures: tuple[type[Exception], ...] = (
            *failures, errors.CatalogError)
        self._stopped = stopped
        self._clock = clock

    def bring(self, name: str) -> resources.ISCSICdrom:
        """Fetch an ISO by URL, or look whether its file is there.

        :returns: the ISO, Ready or with an Error; Pending as long as its
            file was not uploaded.
        :raises: NotFoundError
        """
        cdrom = self._catalog.get(resources.ISCSICdrom, name)
        if cdrom.spec.url and cdrom.status.phase == 'Ready':
            # Somebody else was sooner.
            return cdrom
        if cdrom.spec.url:
            return self._fetch(cdrom)
        try:
            found = self._directory.find(cdrom.spec.iso_file,
                                         cdrom.spec.checksum)
            if found is None:
                return self._lost(cdrom)
            status = _ready(found, self._inspect(found.path))
        except self._failures as exc:
            # Whose ISO it is knows the file by its name.
            status = _failed(exc, self._directory.path(
                cdrom.spec.iso_file), cdrom.spec.iso_file)
        except Exception as exc:
            self._settle(cdrom, _broken(exc))
            raise
        return self._settle(cdrom, status)

    def again(self, name: str) -> resources.ISCSICdrom:
        """Have an ISO be one that is being fetched; :meth:`bring` it then.

        Whoever looks from now on is not told of the end before.

        :raises: NotFoundError, ConflictError
        """
        cdrom = self._catalog.get(resources.ISCSICdrom, name)
        if not cdrom.spec.url:
            raise errors.ConflictError(
                f'ISO "{name}" has no URL: upload its file')
        if cdrom.status.phase == 'Ready':
            raise errors.ConflictError(
                f'ISO "{name}" has its content, and machines may boot from '
                'it: give a new ISO a new name')
        if cdrom.status.phase == 'Uploading':
            return cdrom
        return self._settle(cdrom, dataclasses.replace(
            cdrom.status, phase='Uploading', error=''))

    def stop(self, name: str) -> resources.ISCSICdrom:
        """End the fetching of an ISO, whichever server does it.

        That server sees it with the next bytes that come, a second later at
        the earliest.

        :raises: NotFoundError, ConflictError
        """
        cdrom = self._catalog.get(resources.ISCSICdrom, name)
        if not (cdrom.spec.url and cdrom.status.phase == 'Uploading'):
            raise errors.ConflictError(f'ISO "{name}" is not being fetched')
        return self._settle(cdrom, resources.ISCSICdromStatus(
            'Error', error='its fetching was stopped: fetched again, it goes '
            'on where it was, if its server sends parts'))

    def unfinished(self) -> list[str]:
        """Return the ISOs to :meth:`bring` after a restart."""
        return [cdrom.metadata.name for cdrom in self._all()
                if cdrom.status.phase in ('Pending', 'Uploading')]

    def begin_upload(self, name: str, *, offset: int = 0,
                     total: int | None = None) -> 'IsoUpload':
        """Begin an upload, or go on with one; it is to be closed.

        :param offset: see IsoDirectory.begin_upload().
        :raises: NotFoundError, ConflictError, InvalidError
        """
        cdrom = self._catalog.get(resources.ISCSICdrom, name)
        if not cdrom.spec.iso_file:
            raise errors.ConflictError(
                f'ISO "{name}" is fetched from its URL: nothing can be '
                'uploaded')
        if cdrom.status.phase != 'Uploading':
            # A conflict must not touch what the status says.
            if cdrom.status.phase == 'Ready':
                raise errors.ConflictError(
                    f'ISO "{name}" has its content, and machines may boot '
                    'from it: give a new ISO a new name')
        with self._settling(cdrom):
            # Its file is there before its status says so.
            upload = self._directory.begin_upload(
                cdrom.spec.iso_file, offset=offset, total=total,
                checksum=cdrom.spec.checksum)
        try:
            if cdrom.status.phase != 'Uploading':
                self._settle(cdrom, resources.ISCSICdromStatus('Uploading'))
        except errors.CatalogError:
            upload.close()
            raise
        return IsoUpload(self, cdrom, upload)

    def write(self, cdrom: resources.ISCSICdrom, upload: iso_files.Upload,
              data: bytes) -> None:
        """Add to an upload: see IsoUpload.write()."""
        with self._settling(cdrom):
            upload.write(data)

    def finish(self, cdrom: resources.ISCSICdrom, upload: iso_files.Upload
               ) -> resources.ISCSICdrom:
        """End an upload: see IsoUpload.finish()."""
        with self._settling(cdrom):
            got = upload.finish(self._judge, cdrom.spec.checksum)
        if got is None:
            return self._catalog.get(resources.ISCSICdrom,
                                     cdrom.metadata.name)
        return self._settle(cdrom, _ready(got, got.judged))

    @contextlib.contextmanager
    def _settling(self, cdrom: resources.ISCSICdrom
                  ) -> collections.abc.Iterator[None]:
        """Note in an ISO's status what ends its upload."""
        try:
            yield
        except errors.ConflictError:
            raise
        except errors.CatalogError as exc:
            self._settle(cdrom, _failed(exc))
            raise

    def discover(self) -> list[resources.ISCSICdrom]:
        """Make resources for the files that have none.

        A file ``<name>.iso`` becomes the ISO ``<name>``, with no configs.
        """
        known = self._files_in_use()
        made = []
        for file in self._directory.names():
            name = file[:-len('.iso')]
            if (file in known or not resources.is_name(name)
                    or name == resources.LOCAL_BOOT):
                continue
            with contextlib.suppress(errors.AlreadyExistsError):
                self._catalog.create(resources.ISCSICdrom(
                    resources.Metadata(name),
                    resources.ISCSICdromSpec(iso_file=file, shared=True)))
                made.append(self.bring(name))
        return made

    def forget(self, cdrom: resources.ISCSICdrom) -> None:
        """Let go of the content of an ISO that was deleted."""
        if cdrom.spec.iso_file:
            # Another ISO may be the same file with other configs.
            if cdrom.spec.iso_file not in self._files_in_use():
                self._directory.remove(cdrom.spec.iso_file)
        elif cdrom.status.digest:
            self._store.release(cdrom.status.digest,
                                HOLDER + cdrom.metadata.name)

    def _files_in_use(self) -> set[str]:
        """Return the files that ISOs of the catalog are."""
        found: set[str] = set()
        following = ''
        while True:
            page = self._catalog.page(resources.ISCSICdrom, after=following)
            found |= {item.spec.iso_file for item in page.items}
            following = page.following
            if not following:
                return found

    def tidy(self, upload_lifetime: float) -> None:
        """Let go of images and uploads that nothing needs any more.

        :param upload_lifetime: seconds.
        """
        for digest, owner in self._store.holds(HOLDER):
            cdrom = self._catalog.find(resources.ISCSICdrom,
                                       owner.removeprefix(HOLDER))
            # One that is being fetched is held before its status says so.
            if cdrom is None or (cdrom.status.phase == 'Ready'
                                 and cdrom.status.digest != digest):
                self._store.release(digest, owner)
        self._directory.purge(upload_lifetime)
        for cdrom in self._all():
            if cdrom.spec.iso_file:
                self._lost(cdrom)

    def _lost(self, cdrom: resources.ISCSICdrom) -> resources.ISCSICdrom:
        """Say of an upload of which nothing is there any more what to do.

        :param cdrom: whose file is not there.
        """
        if (cdrom.status.phase != 'Uploading'
                or self._directory.has(cdrom.spec.iso_file)):
            return cdrom
        return self._settle(cdrom, resources.ISCSICdromStatus(
            'Error', error='the upload was broken off and nobody went on '
            'with it: upload the file anew'))

    def _all(self) -> collections.abc.Iterator[resources.ISCSICdrom]:
        following = ''
        while True:
            page = self._catalog.page(resources.ISCSICdrom, after=following)
            yield from page.items
            following = page.following
            if not following:
                return

    def _fetch(self, cdrom: resources.ISCSICdrom) -> resources.ISCSICdrom:
        owner = HOLDER + cdrom.metadata.name
        if cdrom.status.phase != 'Uploading':
            self._settle(cdrom, resources.ISCSICdromStatus('Uploading'))
        try:
            with self._store.lease(cdrom.spec.url,
                                   cdrom.spec.checksum or None,
                                   self._observer(cdrom)) as image:
                try:
                    inspected = self._inspect(image.path)
                except self._failures as exc:
                    # The path is that of a descriptor, and says nothing.
                    status = _failed(exc, image.path, image.href)
                    return self._settle(cdrom, status)
                self._store.hold(image.digest, owner)
                status = _ready(image, inspected)
        except self._stopped:
            return self._catalog.find(resources.ISCSICdrom,
                                      cdrom.metadata.name) or cdrom
        except self._failures as exc:
            status = _failed(exc)
        except Exception as exc:
            self._settle(cdrom, _broken(exc))
            raise
        settled = self._settle(cdrom, status)
        if status.digest and settled.status.digest != status.digest:
            self._store.release(status.digest, owner)
        return settled

    def _observer(self, cdrom: resources.ISCSICdrom
                  ) -> collections.abc.Callable[[sources.Progress], None]:
        """Return what notes how far a download is, and ends one in vain.

        That is one of an ISO which was deleted, has another source, or was
        stopped.
        """
        noted, next_note = -1, self._clock()

        def observe(progress: sources.Progress) -> None:
            nonlocal noted, next_note
            current = self._catalog.find(resources.ISCSICdrom,
                                         cdrom.metadata.name)
            if (current is None or not _is_same(current, cdrom)
                    or current.status.phase != 'Uploading'):
                raise self._stopped(f'ISO "{cdrom.metadata.name}" is not '
                                    'wanted from there any more')
            # A change that nobody can see would be told to all that watch.
            if noted >= 0 and (
                    self._clock() < next_note or progress.received - noted
                    < (progress.size or 0) // 100):
                return
            noted, next_note = progress.received, self._clock() + _NOTE
            self._settle(current, dataclasses.replace(
                current.status, received=noted, iso_size=progress.size))
        return observe

    def _judge(self, path: str) -> sources.Inspected:
        try:
            return self._inspect(path)
        except self._failures as exc:
            raise errors.InvalidError(errors.Problem(
                '', 'the upload is refused: '
                    + str(exc).replace(path, 'the file'))) from exc
        except Exception as exc:
            LOG.exception('An upload cannot be looked into')
            raise errors.InvalidError(errors.Problem(
                '', f'the upload is refused: {_broken(exc).error}')) from exc

    def _settle(self, cdrom: resources.ISCSICdrom,
                status: resources.ISCSICdromStatus) -> resources.ISCSICdrom:
        """Set the status, unless the ISO is another one by now.

        What a target knows (IQN, portal, LUN) is not ours and stays.
        """
        while True:
            current = self._catalog.find(resources.ISCSICdrom,
                                         cdrom.metadata.name)
            if current is None or not _is_same(current, cdrom):
                return current or cdrom
            kept = current.status
            try:
                return self._catalog.set_status(
                    current, dataclasses.replace(
                        status, target_iqn=kept.target_iqn,
                        portal_ip=kept.portal_ip,
                        portal_port=kept.portal_port, lun=kept.lun))
            except errors.ConflictError:
                continue
            except errors.NotFoundError:
                return cdrom


class IsoUpload:
    """An upload that is going on; for one thread at a time."""

    def __init__(self, importer: Importer, cdrom: resources.ISCSICdrom,
                 upload: iso_files.Upload) -> None:
        """Take what was begun."""
        self._importer = importer
        self._cdrom = cdrom
        self._upload = upload

    def write(self, data: bytes) -> None:
        """Add bytes that came to the end.

        :raises: InvalidError, CatalogError
        """
        self._importer.write(self._cdrom, self._upload, data)

    def finish(self) -> resources.ISCSICdrom:
        """Return the ISO: Ready, or Uploading when bytes are missing.

        :raises: ConflictError, InvalidError, CatalogError
        """
        return self._importer.finish(self._cdrom, self._upload)

    def close(self) -> None:
        """Keep what came, for somebody to go on with."""
        self._upload.close()


def _is_same(one: resources.ISCSICdrom, other: resources.ISCSICdrom
             ) -> bool:
    """Tell whether the content of one is that of the other."""
    first, second = ((each.metadata.uid, each.spec.iso_file, each.spec.url,
                      each.spec.checksum) for each in (one, other))
    return first == second


def _ready(file: sources.Fetched | iso_files.IsoFile,
           inspected: sources.Inspected) -> resources.ISCSICdromStatus:
    return resources.ISCSICdromStatus(
        'Ready', iso_size=file.size, digest=file.digest,
        volume_id=inspected.volume_id, system=inspected.system,
        boot_loaders=tuple(dict.fromkeys(inspected.boot_loaders)),
        boot_paths=inspected.boot_paths)


def _failed(error: Exception, path: str = '', name: str = ''
            ) -> resources.ISCSICdromStatus:
    """Return the end of an import that failed.

    :param path: that the error calls what has that name.
    """
    said = str(error).replace(path, name) if path else str(error)
    text = ''.join(char if char.isprintable() else ' ' for char in said)
    return resources.ISCSICdromStatus('Error', error=text[:1000])


def _broken(error: Exception) -> resources.ISCSICdromStatus:
    """Return the end of an import that failed for no known reason."""
    return resources.ISCSICdromStatus(
        'Error', error=f'it fails with {type(error).__name__}: see the log '
        'of the boot server')
