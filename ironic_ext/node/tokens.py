# SPDX-License-Identifier: Apache-2.0

"""Tokens that say which node a machine is, and until when.

A token is signed (HMAC-SHA256, RFC 2104), so that conductors can make what
boot servers accept without a table of tokens between them: 16 bytes of the
node's UUID, 4 of the time it ends, 4 and 4 of the node's generations, 17 of
the signature, base64url. That is no byte more or less than its characters
say: nothing else is read as the same token.
"""

import base64
import collections.abc
import contextlib
import hashlib
import hmac
import re
import secrets
import struct
import time
import typing
import uuid

from ironic_ext import blocks

_KEY = re.compile(r'[0-9a-f]{64}')
_TOKEN = re.compile(r'[A-Za-z0-9_-]{60}')
_CONTEXT = b'ironic-ext boot token 2'
_HEAD = struct.Struct('>16sIII')
#: As earlier releases made them: no generations, 16 bytes of signature.
_OLD_TOKEN = re.compile(r'[A-Za-z0-9_-]{48}')
_OLD_CONTEXT = b'ironic-ext boot token 1'
_OLD_HEAD = struct.Struct('>16sI')


def links(public_url: str, token: str) -> dict[str, dict[str, str]]:
    """Return what the templates of a machine's config know as ``boot``.

    :param public_url: of the boot server, without a "/" at its end.
    """
    return {'boot': {
        'token': token, 'config_url': f'{public_url}/t/{token}/',
        'complete_url': f'{public_url}/api/v1/boot-complete?token={token}'}}


class Generation(typing.NamedTuple):
    """What each end of a boot changes, so that tokens of before are over.

    Seconds since the epoch, 0 before the first end.

    :ivar conductor: of the node's driver_internal_info.
    :ivar server: of the records of hosts, which boot servers write.
    """

    conductor: int = 0
    server: int = 0


class Token(typing.NamedTuple):
    """What a token says.

    :ivar node: UUID.
    """

    node: str
    generation: Generation


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

    def new(self, node: str, lifetime: float,
            generation: Generation = Generation()) -> tuple[str, int]:
        """Return a token, and when it ends in seconds since the epoch.

        :param node: UUID.
        :param lifetime: seconds.
        """
        ends = int(time.time() + lifetime)
        head = _HEAD.pack(uuid.UUID(node).bytes, ends, *generation)
        return base64.urlsafe_b64encode(
            head + _tag(self._keys[0], _CONTEXT, head, 17)).decode(), ends

    def read(self, token: str) -> Token:
        """Return what a token says; whether its boot is over, it does not.

        :raises: TokenError
        """
        if _TOKEN.fullmatch(token):
            head = self._judged(token, _CONTEXT, _HEAD.size)
            node, ends, *generations = _HEAD.unpack(head)
        elif _OLD_TOKEN.fullmatch(token):
            head = self._judged(token, _OLD_CONTEXT, _OLD_HEAD.size)
            node, ends, *generations = *_OLD_HEAD.unpack(head), 0, 0
        else:
            raise TokenError('the token is none')
        if ends < time.time():
            raise TokenError('the token has expired')
        return Token(str(uuid.UUID(bytes=node)), Generation(*generations))

    def _judged(self, token: str, context: bytes, size: int) -> bytes:
        """Return what is signed of a token.

        :raises: TokenError
        """
        data = base64.urlsafe_b64decode(token)
        head, tag = data[:size], data[size:]
        # All of them, so that time tells nothing of which.
        good = [hmac.compare_digest(tag, _tag(key, context, head, len(tag)))
                for key in self._keys]
        if not any(good):
            raise TokenError('the token is none')
        return head


def _tag(key: bytes, context: bytes, head: bytes, size: int) -> bytes:
    return hmac.digest(key, context + head, hashlib.sha256)[:size]


def _read(path: str) -> list[bytes]:
    with open(path) as file:
        lines = file.read(1 << 16).split()
    if not lines or not all(map(_KEY.fullmatch, lines)):
        raise ValueError(f'{path} ([ext_server]token_key_file) must hold '
                         'keys of 64 hex digits, one a line')
    return [bytes.fromhex(line) for line in lines]
