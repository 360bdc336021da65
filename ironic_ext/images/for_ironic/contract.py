# SPDX-License-Identifier: Apache-2.0

"""Ironic's own contract of an image service, on top of ours.

``ironic.common.image_service.BaseImageService`` knows validate_href, show
and download. Ironic itself is not imported: the exceptions are ours, and
``ironic_ext.drivers.images.configured`` translates them.
"""

import dataclasses
import typing

from ironic_ext.images import checksum as checksums
from ironic_ext.images import errors
from ironic_ext.images.for_ironic import file_target
from ironic_ext.images import href as hrefs
from ironic_ext.images import service
from ironic_ext.images import settings as image_settings


class IronicImageService(service.ImageService):
    """An image service with the methods that Ironic calls.

    A subclass defines ``stat``, ``fetch`` and ``read_range``, and looks at
    ``settings`` when it asks a server, not when it is made: Ironic gives
    credentials later.

    :cvar takes_credentials: whether Ironic is to give a node's own ones.
    """

    takes_credentials = False

    def __init__(self, settings: image_settings.Settings) -> None:
        self.settings = settings
        self._verified: checksums.Checksum | None = None

    def validate_href(self, href: str, secret: bool = False
                      ) -> service.ImageVersion:
        """Make sure that the image is there and may be read.

        :param secret: leave the href out of messages.
        :raises: ImageError and its subclasses
        """
        try:
            return self.stat(href)
        except errors.ImageError as exc:
            if secret:
                # "from None": a chained traceback would show it after all.
                raise type(exc)(
                    str(exc).replace(hrefs.redacted(href), 'the image')
                ) from None
            raise

    def show(self, href: str) -> dict[str, typing.Any]:
        """Describe the image: size, updated_at, properties, no_cache.

        ``size`` is in bytes, None when unknown; ``updated_at`` naive UTC;
        ``os_hash_algo`` and ``os_hash_value`` are there when the source
        promises a checksum.

        :raises: ImageError and its subclasses
        """
        version = self.stat(href)
        found: dict[str, typing.Any] = {
            'size': version.size, 'updated_at': version.updated_at,
            'properties': dict(version.properties),
            'no_cache': version.no_cache}
        if version.checksum is not None:
            if version.checksum.algorithm == 'md5':
                found['checksum'] = version.checksum.digest
            else:
                found['os_hash_algo'] = version.checksum.algorithm
                found['os_hash_value'] = version.checksum.digest
        return found

    def download(self, href: str, image_file: typing.BinaryIO,
                 checksum: str | None = None,
                 checksum_algo: str | None = None) -> None:
        """Download the image into an open file, verified on the way.

        Whoever gives a checksum of another kind than SHA-2 finds
        transfer_verified_checksum empty, and verifies the file then.

        :param checksum: hexadecimal, perhaps with "algorithm:" before it.
        :param checksum_algo: as in hashlib.
        :raises: ChecksumError and other subclasses of ImageError
        """
        self._verified = None
        wanted = self._wanted(checksum, checksum_algo)
        target = file_target.FileTarget(
            image_file, hrefs.redacted(href), wanted)
        try:
            self.fetch(href, target)
            target.finish()
        finally:
            target.close()
        self._verified = wanted

    @property
    def transfer_verified_checksum(self) -> str | None:
        """The checksum the last download was verified by, or None."""
        return str(self._verified) if self._verified else None

    @property
    def is_auth_set_needed(self) -> bool:
        """Tell whether set_image_auth is to be called."""
        return self.takes_credentials

    def set_image_auth(self, href: str,
                       auth_data: dict[str, str] | None) -> None:
        """Use the credentials of a node from now on.

        :param auth_data: ``username`` and ``password``; without a user the
            password is a bearer token.
        """
        if not auth_data or not auth_data.get('password'):
            return
        user = auth_data.get('username') or None
        secret = auth_data['password']
        self.settings = dataclasses.replace(
            self.settings, access=dataclasses.replace(
                self.settings.access, username=user,
                password=secret if user else None,
                token=None if user else secret))

    def _wanted(self, checksum: str | None, algorithm: str | None
                ) -> checksums.Checksum | None:
        if not checksum:
            return None
        named, _colon, digest = checksum.strip().rpartition(':')
        name = (named or algorithm or '').lower()
        if name and name not in checksums.LENGTHS:
            # One of hashlib's many: Ironic verifies such a file itself.
            return None
        return checksums.Checksum.parse(
            f'{name}:{digest}', allow_md5=self.settings.allow_md5)
