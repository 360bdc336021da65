# SPDX-License-Identifier: Apache-2.0

"""Checksum files: one checksum for each of several images.

As written by sha256sum(1) and its kin, in GNU and in BSD style ("--tag"), by
OpenSSL, and by distributions, clear-signed with OpenPGP (RFC 9580, section
7) or not. A signature is not verified: fetch the file by https.
"""

import collections.abc
import dataclasses
import re
from urllib import parse as urlparse

from ironic_ext.images import checksum as checksums
from ironic_ext.images import errors

_HEX = re.compile(r'[0-9a-fA-F]+')
# "<hex>  name" and "<hex> *name"; a backslash in front means that the name
# is escaped.
_GNU_LINE = re.compile(r'(\\?)([0-9a-fA-F]{32,128})\s+\*?(.+)')
# "SHA256 (name) = <hex>", and "SHA2-256(name)= <hex>" of OpenSSL.
_BSD_LINE = re.compile(
    r'(\\?)([A-Za-z0-9-]+)\s?\((.+)\)\s?=\s?([0-9a-fA-F]{32,128})')
_ESCAPES = {r'\\': '\\', r'\n': '\n', r'\r': '\r'}
_SIGNED = '-----BEGIN PGP SIGNED MESSAGE-----'
_SIGNATURE = '-----BEGIN PGP SIGNATURE-----'
# Longer than any path, short enough for a regular expression.
_MAX_LINE = 8192


@dataclasses.dataclass(frozen=True)
class _Entry:
    algorithm: str
    digest: str
    path: tuple[str, ...]


def find(text: str, href: str, allow_md5: bool = False
         ) -> checksums.Checksum:
    """Find the checksum of the image ``href`` in a checksum file.

    A line is the image's when it has the last component of its path. Where
    several directories have that name, the one that fits the URL is taken.

    :param text: content of the file: one line per image, or nothing but one
        checksum.
    :param allow_md5: take MD5 where there is nothing better.
    :raises: ChecksumError
    """
    path = tuple(part for part in urlparse.unquote(
        urlparse.urlsplit(href).path).split('/') if part)
    name = path[-1] if path else ''
    lines = _content(text)
    if len(lines) == 1:
        (line,) = lines
        bare = line.removesuffix('-').rstrip()  # sha256sum < file
        if _HEX.fullmatch(bare):
            return checksums.Checksum.parse(bare, allow_md5)
    entries = [entry for line in lines if (entry := _entry(line))
               and entry.path and entry.path[-1] == name]
    for algorithm in checksums.LENGTHS:
        fitting = [entry for entry in entries
                   if entry.algorithm == algorithm]
        if fitting and (algorithm != 'md5' or allow_md5):
            return _choose(fitting, path)
    weak = ' (only a weak one, MD5)' if entries else ''
    raise errors.ChecksumError(
        f'the checksum file has no sha256 or sha512 line for "{name}"{weak}: '
        'give the checksum itself')


def _choose(entries: collections.abc.Sequence[_Entry],
            path: tuple[str, ...]) -> checksums.Checksum:
    def rank(entry: _Entry) -> int:
        fits = entry.path == path[len(path) - len(entry.path):]
        return len(entry.path) if fits else 0

    best = max(rank(entry) for entry in entries)
    digests = {entry.digest for entry in entries if rank(entry) == best}
    if len(digests) > 1:
        raise errors.ChecksumError(
            f'the checksum file has {len(digests)} different '
            f'{entries[0].algorithm} lines for "{path[-1]}": give the '
            'checksum itself')
    return checksums.Checksum(entries[0].algorithm, digests.pop())


def _content(text: str) -> list[str]:
    """Return the lines that can be entries."""
    lines = [line.strip() for line in text.splitlines()]
    if _SIGNED in lines:
        lines = lines[lines.index(_SIGNED) + 1:]
        # Headers such as "Hash: SHA256" end with an empty line.
        lines = lines[lines.index('') + 1 if '' in lines else 0:]
        if _SIGNATURE in lines:
            lines = lines[:lines.index(_SIGNATURE)]
        lines = [line.removeprefix('- ') for line in lines]
    return [line for line in lines
            if line and not line.startswith('#') and len(line) < _MAX_LINE]


def _entry(line: str) -> _Entry | None:
    if match := _GNU_LINE.fullmatch(line):
        escaped, digest, name = match.groups()
        algorithm = next((algorithm for algorithm, length
                          in checksums.LENGTHS.items()
                          if length == len(digest)), '')
    elif match := _BSD_LINE.fullmatch(line):
        escaped, algorithm, name, digest = match.groups()
        algorithm = algorithm.lower().replace('sha2-', 'sha')
    else:
        return None
    if checksums.LENGTHS.get(algorithm) != len(digest):
        return None
    if escaped:
        name = re.sub(r'\\[\\nr]', lambda m: _ESCAPES[m[0]], name)
    path = tuple(p for p in name.split('/') if p not in ('', '.'))
    return _Entry(algorithm, digest.lower(), path)
