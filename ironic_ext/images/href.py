# SPDX-License-Identifier: Apache-2.0

"""References to images: their scheme, and what of them may be shown."""

from urllib import parse as urlparse

from ironic_ext.images import errors
from ironic_ext.web.urls import redacted

__all__ = ('redacted', 'scheme')


def scheme(href: str) -> str:
    """Return the scheme in lower case, '' when there is none.

    :raises: HrefError
    """
    try:
        return urlparse.urlsplit(href).scheme.lower()
    except ValueError as exc:
        raise errors.HrefError(f'the URL is malformed: {exc}') from exc
