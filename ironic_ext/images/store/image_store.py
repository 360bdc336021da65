# SPDX-License-Identifier: Apache-2.0

"""A store of verified base images, shared by the processes of one host.

Content is kept once, named by its SHA-256 and read-only; an index says
which href it was had for. This is what callers use; how a request is
answered is in downloads, what is removed and when in housekeeping.
"""

import collections.abc
import contextlib
import functools

from ironic_ext.images import base_image
from ironic_ext.images import checksum as checksums
from ironic_ext.images import checksum_file
from ironic_ext.images import errors
from ironic_ext.images import file
from ironic_ext.images import hashing
from ironic_ext.images import href as hrefs
from ironic_ext.images import memory_target
from ironic_ext.images import progress
from ironic_ext.images import registry
from ironic_ext.images import service as services
from ironic_ext.images import settings as image_settings
from ironic_ext.images.store import downloads
from ironic_ext.images.store import eviction
from ironic_ext.images.store import files
from ironic_ext.images.store import housekeeping
from ironic_ext.images.store import objects
from ironic_ext.images.store import shares

# Largest checksum file: those of big distributions have some 100 KiB.
_MAX_CHECKSUM_FILE = 4 << 20

ServiceFor = collections.abc.Callable[[str], services.ImageService]


class ImageStore:
    """Fetches images by href and keeps them.

    Everything raises ImageError or one of its subclasses.

    :param root: directory of the store, made when missing.
    :param settings: for the image services.
    :param service_for: returns the service for an href; as a rule that of
        its scheme's entry point.
    :param max_size: bytes that the store may use; 0 means any.
    :param project_share: bytes that a project may have, None means any.
    :param max_age: seconds after which an unused image goes; 0 means never.
    :param min_free: bytes on the disk that are left to others.
    :param max_image_size: bytes of the largest image that is accepted.
    :param lock_timeout: seconds to wait for somebody else's download.
    :param observer: told of the progress of leases that have none.
    """

    def __init__(self, root: str,
                 settings: image_settings.Settings | None = None, *,
                 service_for: ServiceFor | None = None,
                 max_size: int = 0, project_share: int | None = None,
                 max_age: float = 0, min_free: int = 0,
                 max_image_size: int = 20 << 30, lock_timeout: float = 3600,
                 observer: progress.Observer | None = None) -> None:
        self._settings = settings or image_settings.Settings()
        self._observer = observer
        self._service_for = service_for or functools.partial(
            registry.service_for, settings=self._settings)
        self._files = files.StoreFiles(root)
        self._policy = eviction.Policy(max_size or None, max_age or None)
        self._housekeeping = housekeeping.Housekeeping(
            self._files, self._policy, min_free)
        self._downloads = downloads.Downloads(
            self._files, self._housekeeping, shares.Shares(
                self._files, project_share, self._housekeeping.remove),
            max_image_size, lock_timeout)

    # By href

    @contextlib.contextmanager
    def lease(self, href: str, checksum: str | None = None,
              observer: progress.Observer | None = None
              ) -> collections.abc.Iterator[base_image.BaseImage]:
        """Fetch an image and keep it while the context lasts.

        With a checksum that the store has content for, no server is asked.
        Without, the source is asked whether its image changed.

        :param checksum: as ``Checksum.parse`` reads it, or the URL of a
            checksum file.
        :param observer: told of the progress, at most once a second and
            at the end.
        :raises: ImageError and its subclasses
        """
        request = self._request(href, checksum, observer)
        self._files.make()
        with self._leased(self._downloads.content(request), request.name,
                          request.key) as image:
            yield image

    @contextlib.contextmanager
    def at_hand(self, href: str, checksum: str | None = None
                ) -> collections.abc.Iterator[base_image.BaseImage | None]:
        """Lease an image if it is here and current, else yield None.

        The source is asked, as for a lease, but nothing is downloaded. A
        local file is at hand anyway; a checksum of one that the store has
        not seen is left for the lease, as it costs a whole read.

        :raises: ImageError and its subclasses
        """
        # A checksum file is not worth a download here.
        request = self._request(
            href, None if checksum and checksums.is_url(checksum)
            else checksum)
        self._files.make()
        local = isinstance(request.service, file.FileImageService)
        with self._files.translated():
            content = self._downloads.by_checksum(request)
            if content is None and request.wanted is None and not local:
                content = self._downloads.current(request)
        if content is not None:
            with self._leased(content, request.name,
                              request.key) as image:
                yield image
        elif isinstance(request.service, file.FileImageService):
            with base_image.OpenFile(request.service.open_fd(href)) as source:
                yield base_image.BaseImage(source.path, request.name,
                                           source.size, '',
                                           _changed=source.changed)
        else:
            yield None

    def peek(self, href: str, length: int) -> bytes:
        """Read the first bytes of an image; it exists and may be read.

        :raises: ImageError and its subclasses
        """
        return self._service_for(href).read_range(href, 0, length)

    def read(self, href: str, limit: int) -> bytes:
        """Download something small into memory, past the store.

        :param limit: bytes.
        :raises: ImageError and its subclasses
        """
        target = memory_target.MemoryTarget(limit, hrefs.redacted(href))
        self.download(href, target)
        return bytes(target.content)

    def download(self, href: str, target: services.Target) -> None:
        """Download something past the store.

        :raises: ImageError and its subclasses, what the target raises
        """
        self._service_for(href).fetch(href, target)

    # By content

    @contextlib.contextmanager
    def open(self, digest: str
             ) -> collections.abc.Iterator[base_image.BaseImage | None]:
        """Lease the image with a digest if it is here, else yield None.

        :param digest: ``sha256:<hex>``, or the digits.
        :raises: ChecksumError, ImageError
        """
        name = _sha256(digest)
        with self._files.translated():
            content = self._files.objects.open(name)
        if content is None:
            yield None
            return
        with self._leased(content, f'sha256:{name}') as image:
            yield image

    def hold(self, digest: str, owner: str) -> None:
        """Keep an image until ``release``, whatever is restarted meanwhile.

        :param owner: who needs it, such as ``node:<uuid>``.
        :raises: ImageNotFoundError, ChecksumError, ImageError
        """
        name = _sha256(digest)
        with self._files.translated():
            # While it is open it cannot be removed.
            content = self._files.objects.open(name)
            if content is None:
                raise errors.ImageNotFoundError(
                    f'there is no image sha256:{name} in {self._files.root} '
                    'to keep')
            with content:
                self._files.leases.add(name, owner)

    def release(self, digest: str, owner: str) -> None:
        """Let go of an image that was held; it need not be.

        :raises: ChecksumError, ImageError
        """
        with self._files.translated():
            self._files.leases.remove(_sha256(digest), owner)

    def release_all(self, owner: str) -> None:
        """Let go of every image that an owner holds.

        :raises: ImageError
        """
        self._files.make()
        with self._files.translated():
            for name, other in list(self._files.leases.all()):
                if other == owner:
                    self._files.leases.remove(name, owner)

    def holds(self, prefix: str = '') -> list[tuple[str, str]]:
        """List digests with who holds them, owners with a prefix only.

        :raises: ImageError
        """
        self._files.make()
        with self._files.translated():
            return [(f'sha256:{name}', owner)
                    for name, owner in self._files.leases.all()
                    if owner.startswith(prefix)]

    def owners(self, digest: str) -> list[str]:
        """Return who holds an image, sorted.

        :raises: ChecksumError, ImageError
        """
        with self._files.translated():
            return self._files.leases.owners(_sha256(digest))

    # Housekeeping

    def versions(self) -> list[housekeeping.StoredImage]:
        """List the images, the one used last first.

        :raises: ImageError
        """
        self._files.make()
        with self._files.translated():
            return self._housekeeping.images()

    def show(self, digest: str) -> housekeeping.StoredImage | None:
        """Describe an image; None when it is not here.

        :raises: ChecksumError, ImageError
        """
        with self._files.translated():
            return self._housekeeping.image(_sha256(digest))

    def verify(self, digest: str, note: hashing.Note | None = None) -> bool:
        """Digest an image again, and remove it if it is damaged.

        :param note: called with the number of bytes done so far.
        :returns: whether it is sound.
        :raises: ChecksumError, ImageError
        """
        with self._files.translated():
            return self._housekeeping.verify(_sha256(digest), note)

    def prune(self, *, max_size: int | None = None,
              older_than: float | None = None, dry_run: bool = False
              ) -> list[eviction.Candidate]:
        """Remove what is over a size, or unused for so long.

        What is leased stays. Without any limit the store's own ones count.

        :param max_size: bytes.
        :param older_than: seconds since the last use; 0 removes everything.
        :returns: what was removed, or would be.
        :raises: ImageError
        """
        self._files.make()
        policy = self._policy
        if max_size is not None or older_than is not None:
            policy = eviction.Policy(max_size, older_than)
        with self._files.translated():
            return self._housekeeping.prune(policy, dry_run)

    def rebuild(self) -> None:
        """Make the index again from what is on record beside the images.

        :raises: ImageError
        """
        self._files.make()
        with self._files.translated():
            self._housekeeping.rebuild()

    # Requests

    def _request(self, href: str, checksum: str | None,
                 observer: progress.Observer | None = None
                 ) -> downloads.Request:
        return downloads.Request(
            href, self._service_for(href), self._settings,
            self._wanted(href, checksum), observer or self._observer)

    def _wanted(self, href: str, checksum: str | None
                ) -> checksums.Checksum | None:
        if not checksum:
            return None
        if not checksums.is_url(checksum):
            return checksums.Checksum.parse(checksum,
                                            self._settings.allow_md5)
        if hrefs.scheme(checksum) == 'file':
            raise errors.HrefError('the checksum file must have an http:// '
                                   'or https:// URL')
        text = self.read(checksum, _MAX_CHECKSUM_FILE)
        return checksum_file.find(text.decode('utf-8', 'replace'), href,
                                  self._settings.allow_md5, checksum)

    @contextlib.contextmanager
    def _leased(self, content: objects.Content, name: str, key: str = ''
                ) -> collections.abc.Iterator[base_image.BaseImage]:
        self._files.objects.touch(content.sha256)
        record = self._files.index.get(key) if key else None
        same = record is not None and record.sha256 == content.sha256
        try:
            with content:
                yield base_image.BaseImage(
                    content.path, name, content.size,
                    f'sha256:{content.sha256}',
                    record.version if record and same else None,
                    content.changed)
        finally:
            if self._housekeeping.is_unwanted(content.sha256):
                self._housekeeping.remove(content.sha256)


def _sha256(digest: str) -> str:
    """Return the digits of a digest.

    :raises: ChecksumError
    """
    checksum = checksums.Checksum.parse(digest)
    if checksum.algorithm != 'sha256':
        raise errors.ChecksumError(
            'images of the store are named by their sha256: give that')
    return checksum.digest
