# SPDX-License-Identifier: Apache-2.0

"""Images in Glance, by version 2 of its API.

Who may see which image, and how to log in, is decided outside: Settings
bring the image proxy of an openstacksdk connection.
"""

import collections.abc
import contextlib
import datetime
import functools
import logging
import re
import time
import typing

from keystoneauth1 import exceptions as ks_exceptions
from openstack import exceptions as sdk_exceptions
import requests

from ironic_ext.images import checksum as checksums
from ironic_ext.images import errors
from ironic_ext.images.for_ironic import contract as ironic_contract
from ironic_ext.images import href as hrefs
from ironic_ext.images import registry
from ironic_ext.images import service
from ironic_ext.images import settings as image_settings

LOG = logging.getLogger(__name__)

# What a broken connection can make us lose.
_CHUNK = 256 << 10
_T = typing.TypeVar('_T')
# What every image has, so that the rest are its properties.
_CORE = frozenset((
    'checksum', 'container_format', 'created_at', 'direct_url',
    'disk_format', 'file', 'id', 'locations', 'location', 'min_disk',
    'min_ram', 'name', 'os_hash_algo', 'os_hash_value', 'os_hidden',
    'owner', 'properties', 'protected', 'schema', 'self', 'size', 'status',
    'store', 'stores', 'tags', 'updated_at', 'url', 'virtual_size',
    'visibility'))


class GlanceImageService(ironic_contract.IronicImageService):
    """Images named ``glance://<uuid>`` or by a bare UUID.

    Glance never changes the content of an image. Its id and its checksum are
    what a download resumes by.
    """

    def stat(self, href: str) -> service.ImageVersion:
        image = self.image(href)
        identity = image.hash_value or image.checksum
        return service.ImageVersion(
            size=image.size, ranges=True,
            checksum=_checksum(image, self.settings.allow_md5),
            etag=f'"{image.id}-{identity}"' if identity else '',
            updated_at=_naive_utc(image.updated_at),
            properties=_properties(image))

    def image(self, href: str) -> typing.Any:
        """Return openstacksdk's image, which is active and permitted.

        :raises: ImageError and its subclasses
        """
        return self._again(href, lambda: self._image(href))

    def fetch(self, href: str, target: service.Target,
              known: service.ImageVersion | None = None
              ) -> service.ImageVersion | None:
        version = self.stat(href)
        if (known is not None and version.strong_etag
                and known.etag == version.etag):
            return None
        arrived = 0

        def attempt() -> None:
            nonlocal arrived
            for start, end in target.begin(version):
                for offset, data in self._read(href, start, end):
                    target.write(offset, data)
                    arrived += len(data)

        self._again(href, attempt, lambda: arrived)
        return version

    def read_range(self, href: str, offset: int, length: int,
                   version: service.ImageVersion | None = None) -> bytes:
        found = self.stat(href)
        if version is not None and found.etag != version.etag:
            raise errors.ImageChangedError(
                f'image {hrefs.redacted(href)} in Glance is another one by '
                'now: try again')
        if found.size is not None:
            length = min(length, found.size - offset)
        if length <= 0:
            return b''
        return self._again(href, lambda: b''.join(
            data for _offset, data in self._read(
                href, offset, offset + length)))

    # Requests

    @functools.cached_property
    def _proxy(self) -> typing.Any:
        if self.settings.glance is None:
            raise errors.HrefError('there is no Glance: '
                                   f'{self.settings.without_glance}')
        return self.settings.glance()

    def _image(self, href: str) -> typing.Any:
        with _translated(href, self.settings):
            image = self._proxy.get_image(_image_id(href))
            permitted = self.settings.glance_permits(image)
        if not permitted:
            raise errors.ImageNotFoundError(
                f'image {hrefs.redacted(href)} in Glance belongs to another '
                'project: make it public, or share it with the project of '
                f'{self.settings.reader}')
        if image.status != 'active':
            raise errors.ImageError(
                f'image {hrefs.redacted(href)} in Glance is '
                f'"{str(image.status)[:40]}": its status must be "active"')
        return image

    def _read(self, href: str, start: int, end: int
              ) -> collections.abc.Iterator[tuple[int, bytes]]:
        """Yield what is at ``start`` up to ``end``; -1 is to the last."""
        with _translated(href, self.settings):
            answer = self._get(href, {
                'Range': f'bytes={start}-{"" if end < 0 else end - 1}'})
            if answer.status_code == 400:
                # A store without random access says so in this way.
                answer.close()
                answer = self._get(href, {})
            with answer:
                offset = _require_data(href, answer, start, self.settings)
                for chunk in answer.iter_content(_CHUNK):
                    # Without ranges all comes from the beginning.
                    data = chunk[max(start - offset, 0):]
                    offset += len(chunk)
                    place = offset - len(data)
                    if 0 <= end < offset:
                        data = data[:max(end - place, 0)]
                    if data:
                        yield place, data
                    if 0 <= end <= offset:
                        return
        if end > offset:
            raise _Broken(f'it ended after {offset} of {end} bytes')

    def _get(self, href: str, headers: dict[str, str]) -> requests.Response:
        answer: requests.Response = self._proxy.get(
            f'/images/{_image_id(href)}/file', stream=True,
            # "identity": the image as it is, so that lengths hold.
            headers={'Accept-Encoding': 'identity', **headers},
            timeout=(self.settings.connect_timeout,
                     self.settings.stall_timeout))
        return answer

    def _again(self, href: str, attempt: collections.abc.Callable[[], _T],
               progress: collections.abc.Callable[[], int] = lambda: 0
               ) -> _T:
        """Try until it works, or too often brings nothing new."""
        vain = 0
        before = progress()
        while True:
            try:
                return attempt()
            except _Broken as exc:
                vain = 0 if progress() > before else vain + 1
                before = progress()
                if vain > self.settings.retries:
                    raise errors.ImageError(
                        f'cannot get image {hrefs.redacted(href)} from '
                        f'Glance: {exc}: is Glance up and reachable from '
                        f'where {self.settings.reader} runs?') from exc
                LOG.warning('Trying to get image %(image)s from Glance '
                            'again: %(reason)s',
                            {'image': hrefs.redacted(href), 'reason': exc})
            time.sleep(min(self.settings.retry_interval * 2 ** max(
                vain - 1, 0), self.settings.retry_ceiling))


class _Broken(Exception):
    """Something that may work when it is tried again."""


@contextlib.contextmanager
def _translated(href: str, settings: image_settings.Settings
                ) -> collections.abc.Iterator[None]:
    """Turn the errors of openstacksdk into ours, or into _Broken."""
    login = settings.glance_login
    try:
        yield
    except sdk_exceptions.HttpException as exc:
        _refuse(href, int(exc.status_code or 0), settings)
        raise errors.ImageError(
            f'Glance does not give image {hrefs.redacted(href)}: it '
            f'answered {exc.status_code}') from exc
    except ks_exceptions.HttpError as exc:
        if exc.http_status >= 500:
            raise _Broken(f'Keystone answered {exc.http_status}') from exc
        # From Keystone: what it says can name users and projects.
        raise errors.ImageAccessError(
            f'cannot log in to get image {hrefs.redacted(href)} from '
            f'Glance: Keystone answered {exc.http_status}: check '
            f'{login}') from exc
    except ks_exceptions.SSLError as exc:
        raise errors.ImageError(
            f'cannot get image {hrefs.redacted(href)} from Glance: its TLS '
            'certificate was not accepted: check the file of its authority '
            f'in {login} (cafile, or cacert)') from exc
    except (ks_exceptions.ConnectionError, ks_exceptions.DiscoveryFailure,
            requests.ConnectionError,
            requests.Timeout, requests.exceptions.ChunkedEncodingError
            ) as exc:
        raise _Broken('no connection, or it broke off') from exc
    except (sdk_exceptions.SDKException, ks_exceptions.ClientException,
            requests.RequestException) as exc:
        raise errors.ImageError(
            f'cannot get image {hrefs.redacted(href)} from Glance '
            f'({type(exc).__name__}): check {login}') from exc


def _refuse(href: str, status: int, settings: image_settings.Settings
            ) -> None:
    name = f'image {hrefs.redacted(href)}'
    if status in (404, 410):
        raise errors.ImageNotFoundError(
            f'there is no {name} in Glance, or {settings.reader} may not see '
            'it')
    if status in (401, 403):
        raise errors.ImageAccessError(
            f'Glance refuses {name} ({status}): check '
            f'{settings.glance_login}, and who the image is shared with')
    if status in (408, 429) or status >= 500:
        raise _Broken(f'Glance answered {status}')


def _require_data(href: str, answer: requests.Response, start: int,
                  settings: image_settings.Settings) -> int:
    """Return the offset in the image that the answer starts from."""
    if answer.status_code == 200:
        return 0
    if answer.status_code == 206:
        place = re.match(r'bytes (\d+)-', answer.headers.get(
            'Content-Range', ''))
        if place and int(place[1]) == start:
            return start
        raise errors.ImageError(
            f'Glance sent another part of image {hrefs.redacted(href)} than '
            'it was asked for: is there a broken cache before it?')
    _refuse(href, answer.status_code, settings)
    if answer.status_code == 204:
        raise errors.ImageNotFoundError(
            f'Glance has no data for image {hrefs.redacted(href)}: upload it '
            'again')
    raise errors.ImageError(
        f'Glance does not give image {hrefs.redacted(href)}: it answered '
        f'{answer.status_code}')


def _image_id(href: str) -> str:
    text = href.rpartition('/')[2]
    if not registry.is_uuid(text):
        raise errors.HrefError(
            f'"{hrefs.redacted(href)[:200]}" is no image in Glance: write '
            'glance://<uuid> or the UUID alone')
    return text.lower()


def _checksum(image: typing.Any, allow_md5: bool
              ) -> checksums.Checksum | None:
    if image.hash_value and image.hash_algo in checksums.LENGTHS:
        if image.hash_algo != 'md5' or allow_md5:
            return checksums.Checksum.parse(
                f'{image.hash_algo}:{image.hash_value}', allow_md5)
    if image.checksum and allow_md5:
        return checksums.Checksum.parse(f'md5:{image.checksum}', allow_md5)
    return None


def _properties(image: typing.Any) -> dict[str, typing.Any]:
    """Return what is no part of every image: kernel_id and the like."""
    found = image.to_dict(computed=False, ignore_none=True,
                          original_names=True)
    return {**found.get('properties', {}),
            **{name: value for name, value in found.items()
               if name not in _CORE and not isinstance(value, dict)}}


def _naive_utc(text: str | None) -> datetime.datetime | None:
    try:
        found = datetime.datetime.fromisoformat(text or '')
    except ValueError:
        return None
    if found.tzinfo is None:
        return found
    return found.astimezone(datetime.UTC).replace(tzinfo=None)
