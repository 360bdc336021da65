# SPDX-License-Identifier: Apache-2.0

"""What takes the place of Ironic's own image services, if told to.

For kernels, ramdisks and ``image_source``: Ironic's caches then resume, try
again and verify like the image store. Off unless [ext_images]
replace_ironic_image_services is set; oci, nfs and cifs stay Ironic's.
"""

import collections.abc
import contextlib
import dataclasses
import types
import typing

from ironic.common import exception
from ironic.common.glance_service import image_service as glance_service
from ironic.common.glance_service import service_utils
from ironic.common import image_service
from ironic.conf import CONF

from ironic_ext.drivers.images import configured
from ironic_ext.images import errors
from ironic_ext.images import glance
from ironic_ext.images import href as hrefs
from ironic_ext.images import registry
from ironic_ext.images import settings as image_settings

_GLANCE = 'glance'


def services() -> dict[str, type]:
    """Return the image services of this suite by the schemes of URLs.

    Of classes, since Ironic calls what it finds for a scheme without any
    argument; but for Glance's, which it tells by its class.
    """
    return {_GLANCE: GlanceImageService, **{
        scheme: type(f'{scheme.title()}ImageService', (ImageService,),
                     {'scheme': scheme, '__module__': __name__})
        for scheme in registry.schemes() if scheme != _GLANCE}}


class ImageService(image_service.BaseImageService):
    """One scheme's service, with Ironic's exceptions.

    :cvar scheme: what a subclass is for.
    """

    scheme: str

    def __init__(self) -> None:
        # Any href of the scheme will do.
        self._service: typing.Any = registry.service_for(
            f'{self.scheme}:///', _settings(None))

    def validate_href(self, image_href: str, secret: bool = False
                      ) -> typing.Any:
        """Make sure that the image is there.

        :param secret: leave the href out of messages.
        :returns: something with ``headers`` and ``url``, by which Ironic
            tells a directory on a web server from an image.
        :raises: ImageRefValidationFailed, ImageNotAuthorized
        """
        with _validation(image_href, secret):
            try:
                version = self._service.validate_href(image_href, secret)
            except errors.ImageError:
                if self.scheme not in ('http', 'https'):
                    raise
                # A directory is no image, but Ironic's anaconda interface
                # wants to know of one.
                if answer := _directory(image_href):
                    return answer
                raise
        size = {} if version.size is None else {
            'Content-Length': str(version.size)}
        return types.SimpleNamespace(url=image_href, headers={
            'Content-Type': 'application/octet-stream', **size})

    def show(self, image_href: str) -> dict[str, typing.Any]:
        """Return what is known of the image, as Ironic names it.

        :raises: ImageRefValidationFailed, ImageNotAuthorized
        """
        with _validation(image_href):
            found: dict[str, typing.Any] = self._service.show(image_href)
        # Ironic adds sizes up to make room. What it gets is checked for
        # room again.
        return {**found, 'size': found['size'] or 0}

    def download(self, image_href: str, image_file: typing.BinaryIO,
                 checksum: str | None = None,
                 checksum_algo: str | None = None) -> None:
        """Download the image into an open file.

        :raises: ImageRefValidationFailed, ImageNotAuthorized,
            ImageChecksumError, ImageDownloadFailed
        """
        with _download(image_href):
            self._service.download(image_href, image_file, checksum,
                                   checksum_algo)

    @property
    def transfer_verified_checksum(self) -> str | None:
        """What the last download was verified by: "algorithm:<hex>"."""
        found: str | None = self._service.transfer_verified_checksum
        return found

    @property
    def is_auth_set_needed(self) -> bool:
        """Tell whether set_image_auth is to be called."""
        return bool(self._service.is_auth_set_needed)

    def set_image_auth(self, image_href: str,
                       auth_data: dict[str, str] | None) -> None:
        """Use the credentials of a node."""
        # Ironic gives its own as if they were the node's, having judged
        # the host of image_source instead of this image's.
        if auth_data and (auth_data.get('username'),
                          auth_data.get('password')) == (
                              CONF.deploy.image_server_user,
                              CONF.deploy.image_server_password):
            return
        self._service.set_image_auth(image_href, auth_data)


class GlanceImageService(glance_service.GlanceImageService):
    """Ironic's own, but for looking at an image and downloading it."""

    def show(self, image_href: str) -> dict[str, typing.Any]:
        """Describe the image, as Ironic's own service does.

        :raises: ImageNotFound, ImageNotAuthorized, ImageRefValidationFailed
        """
        with _validation(image_href):
            image = self._service().image(image_href)
        found: dict[str, typing.Any] = service_utils.translate_from_glance(
            image)
        return found

    def download(self, image_href: str,
                 data: typing.BinaryIO | None = None,
                 checksum: str | None = None,
                 checksum_algo: str | None = None) -> bytes | None:
        """Download the image into an open file, or into memory.

        :raises: ImageNotFound, ImageNotAuthorized, ImageChecksumError,
            ImageRefValidationFailed, ImageDownloadFailed
        """
        if data is None or 'file' in CONF.glance.allowed_direct_url_schemes:
            content: bytes | None = super().download(
                image_href, data, checksum, checksum_algo)
            return content
        service = self._service()
        self._transfer_verified_checksum = None
        with _download(image_href):
            service.download(image_href, data, checksum, checksum_algo)
        self._transfer_verified_checksum = service.transfer_verified_checksum
        return None

    def _service(self) -> glance.GlanceImageService:
        settings = _settings(self.context)
        if self.client is not None:
            settings = dataclasses.replace(settings,
                                           glance=lambda: self.client)
        return glance.GlanceImageService(settings)


def _settings(context: typing.Any) -> image_settings.Settings:
    found = configured.settings_for(None, context)
    return dataclasses.replace(
        found, allow_md5=found.allow_md5 or CONF.agent.allow_md5_checksum)


def _directory(href: str) -> typing.Any:
    try:
        answer = _IRONICS_HTTP().validate_href(href)
    except exception.IronicException:
        return None
    return answer if str(answer.headers.get('Content-Type', '')).startswith(
        'text/html') or str(answer.url).endswith('/') else None


_IRONICS_HTTP = image_service.HttpImageService


@contextlib.contextmanager
def _validation(href: str, secret: bool = False
                ) -> collections.abc.Iterator[None]:
    try:
        with _common(href):
            yield
    except errors.ImageError as exc:
        raise exception.ImageRefValidationFailed(
            image_href='secreturl' if secret else hrefs.redacted(href),
            reason=str(exc)) from exc


@contextlib.contextmanager
def _download(href: str) -> collections.abc.Iterator[None]:
    try:
        with _common(href):
            yield
    except (errors.HrefError, errors.ImageNotFoundError) as exc:
        raise exception.ImageRefValidationFailed(
            image_href=hrefs.redacted(href), reason=str(exc)) from exc
    except errors.ImageError as exc:
        raise exception.ImageDownloadFailed(
            image_href=hrefs.redacted(href), reason=str(exc)) from exc


@contextlib.contextmanager
def _common(href: str) -> collections.abc.Iterator[None]:
    try:
        yield
    except errors.ImageAccessError as exc:
        raise exception.ImageNotAuthorized(str(exc)) from exc
    except errors.ChecksumError as exc:
        raise exception.ImageChecksumError(str(exc)) from exc
    except errors.ImageNotFoundError as exc:
        if hrefs.scheme(href) in ('', _GLANCE):
            raise exception.ImageNotFound(str(exc)) from exc
        raise
