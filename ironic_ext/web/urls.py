# SPDX-License-Identifier: Apache-2.0

"""What of a URL may be shown."""

from urllib import parse as urlparse


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
