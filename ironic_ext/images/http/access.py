# SPDX-License-Identifier: Apache-2.0

"""Whom an image's URL speaks to: origin, credentials, proxies, TLS files.

Credentials belong to one origin (scheme, host and port, RFC 6454): a
redirect to another one goes without.
"""

import base64
import dataclasses
import os
import re
import ssl
from urllib import parse as urlparse
import weakref

from requests import utils as requests_utils

from ironic_ext.images import errors
from ironic_ext.images import href as hrefs
from ironic_ext.images import settings as image_settings
from ironic_ext.web import no_proxy
from ironic_ext.web import redirects
from ironic_ext.web import tls

_CONTROL = re.compile(r'[\x00-\x1f\x7f]')
# CA bundles that requests honours, in its order.
_BUNDLES = ('REQUESTS_CA_BUNDLE', 'CURL_CA_BUNDLE')


@dataclasses.dataclass(frozen=True)
class Location:
    """A URL taken apart.

    :param url: without user, password and fragment.
    :param origin: scheme, host, port.
    :param userinfo: user and password that the URL had, or None.
    """

    url: str = dataclasses.field(repr=False)
    origin: redirects.Origin
    userinfo: tuple[str, str] | None = dataclasses.field(
        default=None, repr=False)

    @classmethod
    def parse(cls, href: str) -> 'Location':
        """Take an http or https URL apart.

        :raises: HrefError
        """
        try:
            parts = urlparse.urlsplit(href)
            port = parts.port
        except ValueError as exc:
            raise errors.HrefError(
                f'{hrefs.redacted(href)} is malformed: {exc}') from None
        scheme = parts.scheme.lower()
        if scheme not in redirects.PORTS or not parts.hostname:
            raise errors.HrefError(
                f'{hrefs.redacted(href)[:200]} is no http:// or https:// '
                'URL with a host')
        userinfo = None
        if parts.username is not None:
            userinfo = (urlparse.unquote(parts.username),
                        urlparse.unquote(parts.password or ''))
        host = parts.netloc.rpartition('@')[2]
        return cls(urlparse.urlunsplit(
            (scheme, host, parts.path or '/', parts.query, '')),
            (scheme, parts.hostname.lower(), port or redirects.PORTS[scheme]),
            userinfo)


def authorization(settings: image_settings.Settings, href: str,
                  location: Location) -> str | None:
    """Return the Authorization header for the origin of ``href``.

    What the URL says goes before ``settings.access``, that before the
    operator's own credentials.

    :raises: ImageAccessError
    """
    access = settings.access
    pair = location.userinfo
    if pair is None and access.username is not None:
        pair = access.username, access.password or ''
    token = access.token if pair is None else None
    if pair is None and not token:
        default = settings.default_access(href)
        if default is not None and default[0]:
            pair = default
        elif default is not None:
            token = default[1]
    if token:
        if _CONTROL.search(token):
            raise errors.ImageAccessError(
                f'the token for {hrefs.redacted(href)} contains a line '
                'break or another control character')
        return f'Bearer {token}'
    if pair is None:
        return None
    # RFC 7617: UTF-8 is what servers expect, latin-1 what requests sends.
    text = ':'.join(pair).encode()
    return f'Basic {base64.b64encode(text).decode()}'


def proxies(access: image_settings.Access, url: str) -> dict[str, str]:
    """Return the proxies for a URL, as requests wants them.

    Those of the environment, without what NO_PROXY excludes; given ones are
    used as they are, but for hosts in their own "no_proxy".
    """
    if access.proxies is None:
        return no_proxy.environment(url)
    given = dict(access.proxies)
    excluded = given.pop('no_proxy', None)
    if excluded and no_proxy.excludes(excluded, url):
        return {}
    return given


class Trust:
    """The TLS files of one ``Access``.

    Extra CA certificates come beside those that are trusted anyway. The
    joined bundle, and what a node gives as PEM, lie in memory, since
    requests wants a path: nothing is left on a disk whatever happens to the
    process.

    :ivar verify: as in requests.
    :ivar cert: as in requests.
    """

    def __init__(self, access: image_settings.Access) -> None:
        self.verify = self._verify(access)
        cert, key = (self._file(text) for text in (
            access.client_cert, access.client_key))
        self.cert: str | tuple[str, str] | None = (
            (cert, key) if cert and key else cert)

    def _verify(self, access: image_settings.Access) -> bool | str:
        verify: bool | str = access.verify
        if verify is True:
            # requests looks at them only where it reads .netrc as well.
            verify = next((os.environ[name] for name in _BUNDLES
                           if os.environ.get(name)), True)
        if not access.ca or verify is False:
            return verify
        if isinstance(verify, str) and os.path.isdir(verify):
            raise errors.ImageError(
                f'CA certificates of a node cannot be added to {verify}, a '
                'directory: let the operator\'s setting name a bundle file')
        _require_certificates(access.ca)
        path = verify if isinstance(verify, str) else (
            requests_utils.DEFAULT_CA_BUNDLE_PATH)
        try:
            with open(path, 'rb') as file:
                bundle = file.read() + b'\n' + access.ca.encode()
        except OSError as exc:
            raise errors.ImageError(
                f'cannot read the CA bundle {path}: {exc.strerror}'
            ) from exc
        return self._in_memory(bundle)

    def _file(self, text: str | None) -> str | None:
        """Return the path of what is a path, or PEM."""
        if not text or '-----BEGIN' not in text:
            return text
        return self._in_memory(text.encode())

    def _in_memory(self, content: bytes) -> str:
        fd = os.memfd_create('tls', os.MFD_CLOEXEC)
        weakref.finalize(self, os.close, fd)
        with open(fd, 'wb', closefd=False) as file:
            file.write(content)
        return f'/proc/{os.getpid()}/fd/{fd}'


def _require_certificates(text: str) -> None:
    try:
        tls.trust(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), text)
    except ValueError:
        raise errors.ImageError(
            'the CA certificates given for the image server are not PEM: '
            'they begin with "-----BEGIN CERTIFICATE-----"') from None


def describe(name: str, start: Location, end: Location) -> str:
    """Name an image, and the server that a redirect led to."""
    if start.origin == end.origin:
        return name
    return f'{name} (redirected to {end.origin[1]})'
