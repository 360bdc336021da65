# Licensed under the Apache License, Version 2.0 (the "License"); you may
# not use this file except in compliance with the License. You may obtain
# a copy of the License at
#
#      http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS, WITHOUT
# WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the
# License for the specific language governing permissions and limitations
# under the License.

"""Checksums as people write them: ``sha256:<hex>``, bare, or in a file.

Files are read as written by sha256sum(1) (also ``--tag``, the BSD style) and
by the distributions. MD5 and SHA-1 are refused: they protect nothing.
"""

import dataclasses
import posixpath
import re
from urllib import parse as urlparse

from ironic_ext.images import errors

_LENGTHS = {64: 'sha256', 128: 'sha512'}
_HEX = re.compile(r'[0-9a-fA-F]+')
# "<hex>  name", "<hex> *name" (GNU) and "SHA256 (name) = <hex>" (BSD).
_GNU_LINE = re.compile(r'\\?([0-9a-fA-F]{64,128})\s+\*?(.+)')
_BSD_LINE = re.compile(r'SHA(?:2-)?(?:256|512)\s*\((.+)\)\s*=\s*'
                       r'([0-9a-fA-F]{64,128})', re.IGNORECASE)


@dataclasses.dataclass(frozen=True)
class Checksum:
    """A digest that content must have.

    :param algorithm: ``sha256`` or ``sha512``.
    :param digest: lower-case hexadecimal digits.
    """

    algorithm: str
    digest: str

    def __str__(self) -> str:
        return f'{self.algorithm}:{self.digest}'

    @classmethod
    def parse(cls, text: str) -> 'Checksum':
        """Read ``sha256:<hex>``, ``sha512:<hex>`` or the bare digits.

        :raises: ChecksumError
        """
        name, _colon, digest = text.strip().rpartition(':')
        algorithm = _LENGTHS.get(len(digest))
        if (algorithm is None or name.lower() not in ('', algorithm)
                or not _HEX.fullmatch(digest)):
            raise errors.ChecksumError(
                f'checksum "{text[:160]}" is malformed: write '
                '"sha256:<64 hexadecimal digits>", "sha512:<128 hexadecimal '
                'digits>" or the URL of a checksum file')
        return cls(algorithm, digest.lower())

    @classmethod
    def find(cls, text: str, href: str) -> 'Checksum':
        """Find the checksum of the image ``href`` in a checksum file.

        :param text: content of the file: one line per image, or nothing but
            one checksum.
        :raises: ChecksumError
        """
        name = posixpath.basename(urlparse.unquote(
            urlparse.urlsplit(href).path))
        lines = [line.strip() for line in text.splitlines()
                 if line.strip() and not line.startswith('#')]
        for line in lines:
            if match := _GNU_LINE.fullmatch(line):
                digest, listed = match.groups()
            elif match := _BSD_LINE.fullmatch(line):
                listed, digest = match.groups()
            else:
                continue
            if posixpath.basename(listed) == name:
                return cls.parse(digest)
        if len(lines) == 1 and _HEX.fullmatch(lines[0]):
            return cls.parse(lines[0])
        raise errors.ChecksumError(
            f'the checksum file has no sha256 or sha512 line for "{name}": '
            'give the checksum itself')


def is_url(text: str) -> bool:
    """Tell whether a ``boot_iso_checksum`` names a checksum file."""
    return '://' in text
