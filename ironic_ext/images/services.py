# Licensed under the Apache License, Version 2.0 (the "License"); you may
# not use this file except in compliance with the License. You may obtain
# a copy of the License at
#
#      http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS, WITHOUT
# WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the
# License for the specific language governing permissions and limitations
# under the License.

"""Image services: how the bytes of an href are had, one class per scheme.

HTTP follows RFC 9110 (conditional requests, ranges); ``file`` RFC 8089.
Retries, resuming and credentials per node are not here.
"""

import abc
import collections.abc
import contextlib
import dataclasses
import os
import stat
import types
import typing
from urllib import parse as urlparse

import requests

from ironic_ext.images import errors

_CHUNK = 1 << 20
# Bytes of a text answer that are enough to tell a web page from an image.
_SNIFF = 512

Validators = collections.abc.Mapping[str, str]
Session = collections.abc.Callable[[], requests.Session]
Auth = collections.abc.Callable[[str], typing.Any]


class Sink(typing.Protocol):
    """Where a download goes; ``write`` raises ImageError when it is full."""

    def write(self, data: bytes) -> object:
        """Take the next bytes."""


def redacted(href: str) -> str:
    """Return an href that is fit for logs: no user, password or query."""
    try:
        parts = urlparse.urlsplit(href)
        if not parts.scheme or not parts.netloc:
            return href.partition('?')[0]
        host = parts.netloc.rpartition('@')[2]
        return urlparse.urlunsplit((parts.scheme, host, parts.path, '', ''))
    except ValueError:
        return '(malformed URL)'


@dataclasses.dataclass(frozen=True)
class Download:
    """An image that is ready to be read.

    :param size: bytes, or None when the server does not say.
    :param validators: what to send next time to learn whether it changed.
    :param copy_to: writes the content to a Sink; raises ImageError.
    """

    size: int | None
    validators: Validators
    copy_to: collections.abc.Callable[[Sink], None]


class ImageService(abc.ABC):
    """Access to the images of one URL scheme."""

    @abc.abstractmethod
    def open(self, href: str, validators: Validators
             ) -> contextlib.AbstractContextManager[Download | None]:
        """Start a download; None when ``validators`` still hold.

        :raises: ImageError
        """

    @abc.abstractmethod
    def peek(self, href: str, length: int) -> bytes | None:
        """Read the first ``length`` bytes, or None where that is dear.

        The image exists and may be read when this returns.

        :raises: ImageError
        """


class HttpService(ImageService):
    """Images on web servers.

    :param session: called for a new requests session.
    :param verify: False, True or the path of a CA bundle, as in requests.
    :param timeout: seconds for a connection, and between two pieces.
    :param auth: called with the href for its requests auth object.
    """

    def __init__(self, session: Session = requests.Session, *,
                 verify: bool | str = True, timeout: float = 30,
                 auth: Auth = lambda href: None) -> None:
        self._session = session
        self._verify = verify
        self._timeout = timeout
        self._auth = auth

    @contextlib.contextmanager
    def _get(self, href: str, headers: dict[str, str]
             ) -> collections.abc.Iterator[requests.Response]:
        name = redacted(href)
        # "identity": the image as it is, so that lengths and ranges hold.
        headers = {'Accept-Encoding': 'identity', **headers}
        try:
            with self._session() as session, session.get(
                    href, headers=headers, stream=True, verify=self._verify,
                    timeout=self._timeout,
                    auth=self._auth(href)) as answer:
                yield answer
        except (requests.exceptions.InvalidURL,
                requests.exceptions.InvalidSchema,
                requests.exceptions.MissingSchema) as exc:
            raise errors.HrefError(f'{name} is no valid URL') from exc
        except requests.RequestException as exc:
            # The text of the exception can hold the URL with its query.
            raise errors.ImageError(
                f'cannot download {name}: {_reason(exc)}: is the image '
                'server up and reachable from the conductor?') from exc

    @contextlib.contextmanager
    def open(self, href: str, validators: Validators
             ) -> collections.abc.Iterator[Download | None]:
        headers = {}
        if validators.get('etag'):
            headers['If-None-Match'] = validators['etag']
        elif validators.get('last_modified'):
            headers['If-Modified-Since'] = validators['last_modified']
        with self._get(href, headers) as answer:
            if answer.status_code == 304 and headers:
                yield None
                return
            _require(href, answer, (200,))
            length = answer.headers.get('Content-Length', '')
            size = int(length) if length.isdigit() else None
            kept = {'etag': answer.headers.get('ETag'),
                    'last_modified': answer.headers.get('Last-Modified')}

            def copy_to(sink: Sink) -> None:
                count = 0
                for chunk in answer.iter_content(_CHUNK):
                    if not count:
                        _refuse_page(href, answer, chunk)
                    sink.write(chunk)
                    count += len(chunk)
                if size is not None and count != size:
                    raise errors.ImageError(
                        f'the download of {redacted(href)} ended after '
                        f'{count} of {size} bytes: try again')

            yield Download(size, {k: v for k, v in kept.items() if v},
                           copy_to)

    def peek(self, href: str, length: int) -> bytes | None:
        with self._get(href, {'Range': f'bytes=0-{length - 1}'}) as answer:
            _require(href, answer, (200, 206))
            data = b''
            for chunk in answer.iter_content(65536):
                data += chunk
                if len(data) >= length:
                    break
            _refuse_page(href, answer, data)
            return data[:length]


def _reason(exc: requests.RequestException) -> str:
    if isinstance(exc, requests.exceptions.SSLError):
        return 'the TLS certificate was not accepted'
    if isinstance(exc, requests.Timeout):
        return 'no answer in time'
    if isinstance(exc, requests.TooManyRedirects):
        return 'too many redirects'
    if isinstance(exc, requests.exceptions.ChunkedEncodingError):
        return 'the connection broke off'
    return 'no connection'


def _require(href: str, answer: requests.Response,
             expected: tuple[int, ...]) -> None:
    if answer.status_code not in expected:
        hint = {401: ': it wants credentials', 403: ': it refuses access',
                404: ': check the URL'}.get(answer.status_code, '')
        raise errors.ImageError(
            f'the image server answered {answer.status_code} for '
            f'{redacted(href)}{hint}')


def _refuse_page(href: str, answer: requests.Response, start: bytes) -> None:
    kind = answer.headers.get('Content-Type', '').partition(';')[0].strip()
    head = start[:_SNIFF].lstrip().lower()
    if kind == 'text/html' and head.startswith(
            (b'<!doctype', b'<html', b'<head', b'<?xml', b'<!--')):
        raise errors.ImageError(
            f'the image server answered with a web page for '
            f'{redacted(href)}, not with an image: a login or error page?')


class FileService(ImageService):
    """Images in the conductor's own file system, used in place.

    :param allowed: directories that images may lie below.
    :param denied: directories that they must not lie below, whatever
        ``allowed`` says.
    """

    def __init__(self, allowed: collections.abc.Iterable[str],
                 denied: collections.abc.Iterable[str] = ()) -> None:
        self._allowed = tuple(os.path.realpath(p) for p in allowed)
        self._denied = tuple(os.path.realpath(p) for p in denied)

    def open_fd(self, href: str) -> int:
        """Return a descriptor of the image, open for reading.

        What is judged is the path of the file that was opened, so neither a
        symlink nor a rename in between leads out of the allowed paths.

        :raises: HrefError, ImageError
        """
        parts = urlparse.urlsplit(href)
        path = urlparse.unquote(parts.path)
        if (parts.netloc not in ('', 'localhost') or '\0' in path
                or not path.startswith('/')):
            raise errors.HrefError(
                f'{redacted(href)} is malformed: write file:///path/of/image')
        self._judge(href, os.path.realpath(path))
        try:
            # O_NONBLOCK: a FIFO must not hang the conductor.
            fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        except OSError as exc:
            raise errors.ImageError(
                f'cannot open {href}: {exc.strerror}') from exc
        try:
            self._judge(href, os.readlink(f'/proc/self/fd/{fd}'))
            if not stat.S_ISREG(os.fstat(fd).st_mode):
                raise errors.HrefError(f'{href} is not a regular file')
        except BaseException:
            os.close(fd)
            raise
        return fd

    def _judge(self, href: str, path: str) -> None:
        if (not any(_below(path, top) for top in self._allowed)
                or any(_below(path, top) for top in self._denied)):
            raise errors.HrefError(
                f'{href} leads to a path that is not allowed: put the image '
                'below one of [conductor]file_url_allowed_paths')

    @contextlib.contextmanager
    def open(self, href: str, validators: Validators
             ) -> collections.abc.Iterator[Download | None]:
        with open(self.open_fd(href), 'rb') as source:
            def copy_to(sink: Sink) -> None:
                while chunk := source.read(_CHUNK):
                    sink.write(chunk)

            yield Download(os.fstat(source.fileno()).st_size, {}, copy_to)

    def peek(self, href: str, length: int) -> bytes | None:
        with open(self.open_fd(href), 'rb') as source:
            return source.read(length)


def _below(path: str, top: str) -> bool:
    return top == '/' or path == top or path.startswith(top + os.sep)


class LocalFile:
    """A descriptor held open, with a path to the very same file.

    :ivar path: leads to the open file whatever happens to its name.
    """

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self.path = f'/proc/{os.getpid()}/fd/{fd}'

    def identity(self) -> tuple[int, int, int, int, int]:
        """Return what changes when the content does."""
        info = os.fstat(self.fd)
        return (info.st_dev, info.st_ino, info.st_size, info.st_mtime_ns,
                info.st_ctime_ns)

    def __enter__(self) -> 'LocalFile':
        return self

    def __exit__(self, kind: type[BaseException] | None,
                 error: BaseException | None,
                 trace: types.TracebackType | None) -> None:
        os.close(self.fd)
