# SPDX-License-Identifier: Apache-2.0

"""Which bytes of which file make up a range of an image.

Literals are sent from the overlay file like ranges of the base from the
base, so a medium costs a worker a few rows, whatever was injected.
"""

import bisect
import collections.abc
import hashlib
import os

from ironic_ext.iso import errors as iso_errors
from ironic_ext.iso import overlay as overlays
from ironic_ext.iso import segments
from ironic_ext.media import medium
from ironic_ext.media.stream import base as file_base
from ironic_ext.media.stream import contract
from ironic_ext.media.stream.http import body as bodies
from ironic_ext import stored

#: What runs of zeros are sent from.
ZEROS = bytes(1 << 16)


class Layout:
    """The pieces of one image.

    :ivar size: bytes of the image.
    """

    def __init__(self, stream: medium.Stream, base: contract.Base
                 ) -> None:
        """Read the overlay, if there is one, and check it and the base.

        Blocks. The base stays the caller's.

        :raises: BaseMissingError, BaseChangedError
        """
        self.size = stream.size
        if (base.fd is not None
                and os.fstat(base.fd).st_size != stream.base.size):
            raise contract.BaseChangedError(
                f'the base of medium {stream.id} has not the '
                f'{stream.base.size} bytes that it had')
        self._overlay: file_base.FileBase | None = None
        if stream.overlay_path is None:
            if stream.size != stream.base.size:
                raise contract.BaseChangedError(
                    f'medium {stream.id} has {stream.size} bytes, its image '
                    f'{stream.base.size}')
            self._starts = [0]
            self._rows: list[tuple[contract.Base | bytes, int, int]] = [
                (base, 0, stream.size)]
            return
        self._overlay = file_base.FileBase(stream.overlay_path)
        try:
            self._read_overlay(stream, base)
        except BaseException:
            self.close()
            raise

    def _read_overlay(self, stream: medium.Stream, base: contract.Base
                      ) -> None:
        assert self._overlay is not None
        self._overlay.check()
        content = stored.Stored(self._overlay, 0, self._overlay.size)
        try:
            overlay = overlays.Overlay.parse(
                content, f'the overlay of {stream.id}')
        except (iso_errors.IsoError, OSError) as exc:
            raise contract.BaseMissingError(str(exc)) from exc
        if (overlay.digest != stream.digest or overlay.size != stream.size
                or overlay.identity.size != stream.base.size):
            raise contract.BaseChangedError(
                f'the overlay of medium {stream.id} is not the one that was '
                f'published')
        head = min(overlay.identity.size, overlays.FINGERPRINT_BYTES)
        fingerprint = hashlib.sha256(base.read(0, head)).hexdigest()
        if fingerprint != overlay.identity.fingerprint:
            raise contract.BaseChangedError(
                f'the base of medium {stream.id} is not the image that its '
                f'overlay was made from')
        self._starts = []
        self._rows = []
        position = 0
        literal = len(content) - overlay.literal_bytes
        for part in overlay.segments:
            self._starts.append(position)
            if isinstance(part, segments.Literal):
                self._rows.append((self._overlay, literal, part.length))
                literal += part.length
            elif isinstance(part, segments.BaseRange):
                if not 0 <= part.offset <= stream.base.size - part.length:
                    raise contract.BaseMissingError(
                        f'the overlay of medium {stream.id} refers to bytes '
                        f'outside its base')
                self._rows.append((base, part.offset, part.length))
            else:
                self._rows.append((ZEROS, 0, part.length))
            position += part.length

    def pieces(self, first: int, end: int
               ) -> collections.abc.Iterator[bodies.Piece]:
        """Yield the pieces of ``first`` to ``end``, which lie in the image.

        A piece of zeros is never longer than ZEROS.
        """
        index = bisect.bisect_right(self._starts, first) - 1
        source, offset, length = self._rows[index]
        skip = first - self._starts[index]
        if end - first <= length - skip and source is not ZEROS:
            return iter(((source, offset + skip, end - first, first),))
        return self._walk(index, first, end)

    def _walk(self, index: int, first: int, end: int
              ) -> collections.abc.Iterator[bodies.Piece]:
        while first < end:
            source, offset, length = self._rows[index]
            skip = first - self._starts[index]
            count = min(length - skip, end - first)
            if source is ZEROS:
                while count:
                    part = min(count, len(ZEROS))
                    yield source, 0, part, first
                    first += part
                    count -= part
            else:
                yield source, offset + skip, count, first
                first += count
            index += 1

    def close(self) -> None:
        """Close the overlay and its base."""
        if self._overlay is not None:
            self._overlay.close()
