# SPDX-License-Identifier: Apache-2.0

"""References to images: their scheme, and what of them may be shown."""

from urllib import parse as urlparse

from ironic_ext.images import errors


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


def scheme(href: str) -> str:
    """Return the scheme in lower case, '' when there is none.

    :raises: HrefError
    """
    try:
        return urlparse.urlsplit(href).scheme.lower()
    except ValueError as exc:
        raise errors.HrefError(f'the URL is malformed: {exc}') from exc
