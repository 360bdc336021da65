# SPDX-License-Identifier: Apache-2.0

"""Tokens that say which node a machine is, and until when.

A token is signed (HMAC-SHA256, RFC 2104), so that conductors can make what
boot servers accept without a table between them: 16 bytes of the node's
UUID, 4 of the time it ends, 16 of the signature, base64url.
"""

import base64
import binascii
import collections.abc
import contextlib
import hashlib
import hmac
import re
import secrets
import time
import uuid

from ironic_ext import blocks

_KEY = re.compile(r'[0-9a-f]{64}')
_TAG = 16
_SIZE = 16 + 4 + _TAG
_TOKEN = re.compile(r'[A-Za-z0-9_-]{48}')
_CONTEXT = b'ironic-ext boot token 1'


def links(public_url: str, token: str) -> dict[str, dict[str, str]]:
    """Return what the templates of a machine's config know as ``boot``.

    :param public_url: of the boot server, without a "/" at its end.
    """
    return {'boot': {
        'token': token, 'config_url': f'{public_url}/t/{token}/',
        'complete_url': f'{public_url}/api/v1/boot-complete?token={token}'}}


class TokenError(Exception):
    """What was given is no token, or none any more; one sentence."""


class Tokens:
    """Makes tokens and reads them."""

    def __init__(self, keys: collections.abc.Sequence[bytes]) -> None:
        """Take the keys: the first signs, all are good."""
        self._keys = tuple(keys)

    @classmethod
    def from_file(cls, path: str) -> 'Tokens':
        """Read the keys; make the file if it is missing.

        :raises: OSError, ValueError
        """
        try:
            return cls(_read(path))
        except FileNotFoundError:
            pass
        # Others may begin at the same moment: then one key is good for all.
        with (contextlib.suppress(FileExistsError),
              blocks.creating(path, 0o600) as fd):
            blocks.write_all(fd, secrets.token_hex(32).encode() + b'\n')
        return cls(_read(path))

    def new(self, node: str, lifetime: float) -> tuple[str, int]:
        """Return a token, and when it ends in seconds since the epoch.

        :param node: UUID.
        :param lifetime: seconds.
        """
        ends = int(time.time() + lifetime)
        head = uuid.UUID(node).bytes + ends.to_bytes(4, 'big')
        return base64.urlsafe_b64encode(
            head + _tag(self._keys[0], head)).decode(), ends

    def node(self, token: str) -> str:
        """Return the UUID of the node that a token is for.

        :raises: TokenError
        """
        try:
            if not _TOKEN.fullmatch(token):
                raise ValueError
            data = base64.urlsafe_b64decode(token)
        except (ValueError, binascii.Error) as exc:
            raise TokenError('the token is none') from exc
        head, tag = data[:-_TAG], data[-_TAG:]
        if not any(hmac.compare_digest(tag, _tag(key, head))
                   for key in self._keys):
            raise TokenError('the token is none')
        if int.from_bytes(head[16:], 'big') < time.time():
            raise TokenError('the token has expired')
        return str(uuid.UUID(bytes=head[:16]))


def _tag(key: bytes, head: bytes) -> bytes:
    return hmac.digest(key, _CONTEXT + head, hashlib.sha256)[:_TAG]


def _read(path: str) -> list[bytes]:
    with open(path) as file:
        lines = file.read(1 << 16).split()
    if not lines or not all(map(_KEY.fullmatch, lines)):
        raise ValueError(f'{path} ([ext_server]token_key_file) must hold '
                         'keys of 64 hex digits, one a line')
    return [bytes.fromhex(line) for line in lines]
