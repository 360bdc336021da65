# SPDX-License-Identifier: Apache-2.0

"""Tokens: what makes the URL of a streamed image unguessable.

Whoever has the URL can read the image, the config drive in it included. The
token is in the URL and in the BMC, and nowhere else: what is kept is its
SHA-256, which opens nothing.
"""

import hashlib
import re
import secrets

#: 16 bytes from the system's random source, 22 characters.
_BYTES = 16
_UNSAFE = re.compile(r'[^A-Za-z0-9._~-]')
# A token where a URL of ours has it: before the name of an image.
_IN_URL = re.compile(r'(?<![A-Za-z0-9_-])([A-Za-z0-9_-]{22})'
                     r'(?=(?:/[A-Za-z0-9._~-]+)?\.(?:iso|img)\b)')


def new_token() -> str:
    """Make up a token: 22 characters that a URL can have as they are."""
    return secrets.token_urlsafe(_BYTES)


def digest(token: str) -> str:
    """Return what is kept of a token: 64 hexadecimal digits."""
    return hashlib.sha256(token.encode()).hexdigest()


def file_name(name: str) -> str:
    """Return the last part of a URL, made of a node's name or UUID."""
    return f'{_UNSAFE.sub("-", name)}.iso'


def url(server_url: str, token: str, name: str, max_length: int = 0) -> str:
    """Return the URL of an image.

    :param server_url: of the media server, as the BMC reaches it.
    :param name: see :func:`file_name`; left out of a URL that would have
        more than ``max_length`` characters (0: never).
    """
    start = f'{server_url.rstrip("/")}/{token}'
    long = f'{start}/{name}'
    return f'{start}.iso' if max_length and len(long) > max_length else long


def removable(url: str) -> str:
    """Return the URL by which an image is that of a removable disk.

    :param url: one of ours, of an ISO.
    """
    return f'{url.removesuffix(".iso")}.img'


def digests_in(text: str) -> frozenset[str]:
    """Return the digests of all that may be tokens in a text.

    A BMC shows the URL of what is in its drive; this tells whose it is.
    """
    return frozenset(digest(token) for token in _IN_URL.findall(text))


def masked(text: str) -> str:
    """Return a text without the tokens in its URLs, fit for logs."""
    return _IN_URL.sub('***', text)
