# SPDX-License-Identifier: Apache-2.0

"""Where redirects lead, RFC 9110 section 15.4, and whether they end.

Clients follow them by hand: requests would follow them to any scheme, read
their bodies into memory, and keep cookies.
"""

import typing
from urllib import parse as urlparse

#: The answers that send a client elsewhere, if they say where.
STATUSES = (301, 302, 303, 307, 308)
PORTS: typing.Mapping[str, int] = {'http': 80, 'https': 443}

#: Scheme, host and port (RFC 6454): what credentials belong to.
Origin = tuple[str, str, int]


class LoopError(Exception):
    """A redirect leads to where one came from.

    :ivar circle: the URLs, the first one again at the end.
    """

    def __init__(self, circle: list[str]) -> None:
        super().__init__('redirects in a loop')
        self.circle = circle


class TooManyError(Exception):
    """There are more redirects than anybody needs."""


def origin(url: str) -> Origin | None:
    """Return the origin of a URL, None if it is none of a web server.

    :raises: ValueError when it is malformed
    """
    parts = urlparse.urlsplit(url)
    scheme = parts.scheme.lower()
    if scheme not in PORTS or not parts.hostname:
        return None
    return scheme, parts.hostname.lower(), parts.port or PORTS[scheme]


def target(url: str, location: str) -> str:
    """Return the URL that a Location header in an answer of ``url`` means.

    :param location: as http.client has it, which reads headers as latin-1
        where servers mean UTF-8.
    :raises: ValueError
    """
    return urlparse.urljoin(
        url, location.encode('latin-1').decode('utf-8', 'replace'))


class Trail:
    """The places that one request was led to.

    :param url: where it began.
    :param most: redirects.
    """

    def __init__(self, url: str, most: int) -> None:
        self._seen = [url]
        self._most = most
        self._count = 0

    def goes_on(self, url: str) -> None:
        """Note that a redirect leads to a URL.

        :raises: LoopError, TooManyError
        """
        if url in self._seen:
            raise LoopError([*self._seen[self._seen.index(url):], url])
        if self._count >= self._most:
            raise TooManyError
        self._count += 1
        self._seen.append(url)

    def begins_anew(self) -> None:
        """Forget the places, not how many: they may answer otherwise now."""
        self._seen.clear()
