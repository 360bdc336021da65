# SPDX-License-Identifier: Apache-2.0

"""Checksums as people write them: ``sha256:<hex>``, or the bare digits.

SHA-2 (FIPS 180-4) is what counts. MD5 is refused unless the site allows it:
it stops accidents, but no attacker. Checksum files are in checksum_file.
"""

import dataclasses
import re

from ironic_ext.images import errors

#: Algorithm -> hexadecimal digits, the strongest first.
LENGTHS = {'sha512': 128, 'sha384': 96, 'sha256': 64, 'md5': 32}
_BY_LENGTH = {length: name for name, length in LENGTHS.items()}
_HEX = re.compile(r'[0-9a-fA-F]+')


@dataclasses.dataclass(frozen=True)
class Checksum:
    """A digest that content must have.

    :param algorithm: a key of ``LENGTHS``, as in hashlib.
    :param digest: lower-case hexadecimal digits.
    """

    algorithm: str
    digest: str

    def __str__(self) -> str:
        return f'{self.algorithm}:{self.digest}'

    @classmethod
    def parse(cls, text: str, allow_md5: bool = False) -> 'Checksum':
        """Read ``sha256:<hex>`` and the like, or the bare digits.

        Digits and names may be in any case.

        :param allow_md5: accept MD5.
        :raises: ChecksumError
        """
        name, _colon, digest = text.strip().rpartition(':')
        algorithm = _BY_LENGTH.get(len(digest))
        if (algorithm is None or name.lower() not in ('', algorithm)
                or not _HEX.fullmatch(digest)):
            raise errors.ChecksumError(
                f'checksum "{text[:160]}" is malformed: write '
                '"sha256:<64 hexadecimal digits>", "sha512:<128 hexadecimal '
                'digits>" or the URL of a checksum file')
        if algorithm == 'md5' and not allow_md5:
            raise errors.ChecksumError(
                f'checksum "{text[:160]}" is MD5, which is easily forged: '
                'give a sha256 or sha512, or set '
                '[ext_images]allow_md5')
        return cls(algorithm, digest.lower())

    def require(self, digest: str, name: str) -> None:
        """Make sure that content has this checksum.

        :param digest: of the content, hexadecimal.
        :param name: of the image, fit for messages.
        :raises: ChecksumError
        """
        if digest.lower() != self.digest:
            raise errors.ChecksumError(
                f'{name} has {self.algorithm} {digest}, but {self.digest} '
                'was asked for: correct the checksum or the image')


def is_url(text: str) -> bool:
    """Tell whether a ``boot_iso_checksum`` names a checksum file."""
    return '://' in text
