# SPDX-License-Identifier: Apache-2.0

"""Checksum files: one checksum for each of several images.

As written by sha256sum(1) and its kin, in GNU and in BSD style ("--tag"), by
OpenSSL, and by distributions, clear-signed with OpenPGP (RFC 9580, section
7) or not. A signature is not verified: fetch the file by https.
"""

import collections.abc
import dataclasses
import re
import typing
from urllib import parse as urlparse

from ironic_ext.images import checksum as checksums
from ironic_ext.images import errors

# "<hex>  name" and "<hex> *name"; a backslash in front means that the name
# is escaped.
_GNU_LINE = re.compile(r'(\\?)([0-9a-fA-F]{32,128})\s+\*?(.+)')
# "SHA256 (name) = <hex>", and "SHA2-256(name)= <hex>" of OpenSSL.
_BSD_LINE = re.compile(
    r'(\\?)([A-Za-z0-9-]+)\s?\((.+)\)\s?=\s?([0-9a-fA-F]{32,128})')
# "# SHA512 HASH" of Gentoo and CoreOS, above lines in GNU style: another
# algorithm may have digests of that length (BLAKE2b).
_HEADING = re.compile(r'#+\s*([A-Za-z0-9-]+)\s+HASH', re.IGNORECASE)
_ESCAPES = {r'\\': '\\', r'\n': '\n', r'\r': '\r'}
_SIGNED = '-----BEGIN PGP SIGNED MESSAGE-----'
_SIGNATURE = '-----BEGIN PGP SIGNATURE-----'
# What comes out of gpg --sign as well: the text is in it, compressed.
_MESSAGE = '-----BEGIN PGP MESSAGE-----'
# signify(1) of OpenBSD, and minisign.
_COMMENT = 'untrusted comment:'
#: Shorter than any digest.
_DIGITS = 32
#: How files next to a checksum file are called that prove it.
_PROOFS = ('.asc', '.gpg', '.minisig', '.pgp', '.sig', '.sign')
_BARE = re.compile(r'([A-Za-z0-9]+:)?[0-9a-fA-F]+')
# Longer than any path, short enough for a regular expression.
_MAX_LINE = 8192


class _Line(typing.NamedTuple):
    """A line, and the algorithm that a heading above it names, or ''."""

    line: str
    heading: str


@dataclasses.dataclass(frozen=True)
class _Entry:
    algorithm: str
    digest: str
    path: tuple[str, ...]


def find(text: str, href: str, allow_md5: bool = False, source: str = ''
         ) -> checksums.Checksum:
    """Find the checksum of the image ``href`` in a checksum file.

    A line is the image's when it has the last component of its path. Where
    several directories have that name, the one that fits the URL is taken.

    :param text: content of the file: one line per image, or nothing but one
        checksum.
    :param source: where the file is from. One with the image's own name,
        such as "a.iso.sha256" beside "a.iso", may call the image otherwise
        in its one line: names with "Current" in them are aliases.
    :param allow_md5: take MD5 where there is nothing better.
    :raises: ChecksumError
    """
    path = tuple(part for part in urlparse.unquote(
        urlparse.urlsplit(href).path).split('/') if part)
    name = path[-1] if path else ''
    text = text.removeprefix('\ufeff')
    _require_checksums(text, source)
    lines = _content(text)
    if len(lines) == 1:
        (line,) = lines
        bare = line.line.removesuffix('-').rstrip()  # sha256sum < file
        if _BARE.fullmatch(bare):
            return checksums.Checksum.parse(bare, allow_md5)
    known = [entry for line in lines if (entry := _entry(line))]
    entries = [entry for entry in known
               if entry.path and entry.path[-1] == name]
    if not entries and len(lines) == 1 and _is_of(source, name):
        entries = known
    for algorithm in checksums.LENGTHS:
        fitting = [entry for entry in entries
                   if entry.algorithm == algorithm]
        if fitting and (algorithm != 'md5' or allow_md5):
            return _choose(fitting, path)
    weak = ' (only a weak one, MD5)' if entries else ''
    raise errors.ChecksumError(
        f'the checksum file has no sha256 or sha512 line for "{name}"{weak}: '
        'give the checksum itself')


def _require_checksums(text: str, source: str) -> None:
    """Refuse a signature: it lies beside its file, under nearly its name.

    :raises: ChecksumError
    """
    first = text.lstrip().partition('\n')[0].strip()
    # A binary one begins with bytes that begin no text.
    if not (first in (_SIGNATURE, _MESSAGE) or first.startswith(_COMMENT)
            or '\ufffd' in first[:_DIGITS]):
        return
    name = urlparse.unquote(
        urlparse.urlsplit(source).path).rpartition('/')[2]
    end = next((end for end in _PROOFS if name.lower().endswith(end)), '')
    hint = f', "{name[-100:-len(end)]}"' if end else ''
    raise errors.ChecksumError(
        'the checksum file is a signature, or no text at all: give the URL '
        f'of the file that is signed{hint}')


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


def _is_of(source: str, name: str) -> bool:
    """Tell whether a checksum file has the name of this very image."""
    own = urlparse.unquote(urlparse.urlsplit(source).path).rpartition('/')[2]
    return bool(name) and own.lower() in {
        f'{name}.{algorithm}{end}'.lower()
        for algorithm in checksums.LENGTHS for end in ('', 'sum')}


def _content(text: str) -> list[_Line]:
    """Return the lines that can be entries."""
    lines = [line.strip() for line in text.splitlines()]
    if _SIGNED in lines:
        lines = lines[lines.index(_SIGNED) + 1:]
        # Headers such as "Hash: SHA256" end with an empty line.
        lines = lines[lines.index('') + 1 if '' in lines else 0:]
        if _SIGNATURE in lines:
            lines = lines[:lines.index(_SIGNATURE)]
        lines = [line.removeprefix('- ') for line in lines]
    found, heading = [], ''
    for line in lines:
        if len(line) >= _MAX_LINE:
            continue
        if match := _HEADING.fullmatch(line):
            heading = match[1].lower()
        elif line and not line.startswith('#'):
            found.append(_Line(line, heading))
    return found


def _entry(given: _Line) -> _Entry | None:
    line = given.line
    if match := _GNU_LINE.fullmatch(line):
        escaped, digest, name = match.groups()
        algorithm = next((algorithm for algorithm, length
                          in checksums.LENGTHS.items()
                          if length == len(digest)), '')
        if given.heading and given.heading.replace('-', '') != algorithm:
            return None
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
