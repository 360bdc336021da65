# SPDX-License-Identifier: Apache-2.0

"""Overlay files: a customised image without its base.

A magic line, the length of the head as a decimal line, the head (JSON), then
the literals in their order. Whoever has the base image can serve it.
"""

import collections.abc
import dataclasses
import functools
import hashlib
import typing

from ironic_ext.iso import errors
from ironic_ext.iso import segments as segs
from ironic_ext.iso import source as base_source
from ironic_ext import stored

#: Bytes from the start of the base that its fingerprint covers: the system
#: area, the volume descriptors and, as a rule, the path tables.
FINGERPRINT_BYTES = 65536

_MAGIC = b'ironic-ext overlay 1\n'
#: Bytes of JSON that an overlay's head may have.
_MAX_HEAD = 64 << 20
#: Bytes of the decimal line before it.
_MAX_LINE = 24


@dataclasses.dataclass(frozen=True)
class BaseIdentity:
    """What an overlay knows of the base that it belongs to.

    :ivar size: bytes.
    :ivar fingerprint: sha256 (hex) of the first FINGERPRINT_BYTES bytes:
        cheap enough to check at every use, and different for any two
        images that were mastered separately (their descriptors carry
        dates to the hundredth of a second).
    """

    size: int
    fingerprint: str

    @classmethod
    def of(cls, base: base_source.Source) -> 'BaseIdentity':
        """Return the identity of an open base image."""
        head = base.read(0, min(base.size, FINGERPRINT_BYTES),
                         'the start of the base')
        return cls(base.size, hashlib.sha256(head).hexdigest())


@dataclasses.dataclass(frozen=True)
class Overlay:
    """What a customised image is, its base not being at hand.

    :ivar segments: sorted and gapless; literals can hold secrets.
    :ivar identity: of the base. Whether segments lie in it is checked where
        it is opened.
    :ivar warnings: sentences about what the customised image does less
        well than the base.
    """

    segments: tuple[segs.Segment, ...] = dataclasses.field(repr=False)
    identity: BaseIdentity
    warnings: tuple[str, ...] = ()

    @functools.cached_property
    def size(self) -> int:
        """Bytes of the customised image."""
        return sum(segment.length for segment in self.segments)

    @property
    def literal_bytes(self) -> int:
        """Bytes that this image has and its base has not."""
        return sum(segment.length for segment in self.segments
                   if isinstance(segment, segs.Literal))

    @property
    def digest(self) -> str:
        """``sha256:<hex>`` over the base's identity and every segment.

        Equal digests mean equal bytes for one base: fit for a strong ETag.
        """
        return 'sha256:' + hashlib.sha256(self._head).hexdigest()

    def dump(self) -> bytes:
        """Return the content of an overlay file."""
        return b''.join(self.pieces())

    def pieces(self) -> collections.abc.Iterator[bytes]:
        """Yield the content of an overlay file, little of it at a time.

        :raises: OSError
        """
        head = self._head
        yield _MAGIC
        yield b'%d\n' % len(head)
        yield head
        for segment in self.segments:
            if isinstance(segment, segs.Literal):
                yield from stored.pieces(segment.data)

    @property
    def file_size(self) -> int:
        """Bytes of an overlay file."""
        head = len(self._head)
        return (len(_MAGIC) + len(b'%d\n' % head) + head
                + self.literal_bytes)

    @functools.cached_property
    def _head(self) -> bytes:
        import json
        rows: list[list[int | str]] = []
        content = hashlib.sha256()
        for segment in self.segments:
            if isinstance(segment, segs.Literal):
                rows.append(['literal', segment.length])
                for piece in stored.pieces(segment.data):
                    content.update(piece)
            elif isinstance(segment, segs.BaseRange):
                rows.append(['base', segment.length, segment.offset])
            else:
                rows.append(['zeros', segment.length])
        return json.dumps(
            {'base': dataclasses.asdict(self.identity),
             'size': self.size,
             'segments': rows,
             'literals': content.hexdigest(),
             'warnings': self.warnings},
            sort_keys=True, separators=(',', ':')).encode()

    @classmethod
    def parse(cls, data: stored.Content, name: str = 'the overlay'
              ) -> typing.Self:
        """Return what an overlay file's content says.

        Literals of what is stored stay where they lie.

        :param name: for messages.
        :raises: OverlayError when it is malformed; OSError
        """
        import json
        if data[:len(_MAGIC)] != _MAGIC:
            raise errors.OverlayError(
                f'{name} is not an overlay: it does not begin with '
                f'"{_MAGIC.decode().strip()}"')
        try:
            line, newline, _ = data[
                len(_MAGIC):len(_MAGIC) + _MAX_LINE].partition(b'\n')
            length = int(line)
            begin = len(_MAGIC) + len(line) + len(newline)
            start = begin + length
            if not 0 < length <= min(_MAX_HEAD, len(data) - begin):
                raise ValueError('its head is truncated')
            head = json.loads(data[begin:start])
            content = hashlib.sha256()
            for piece in stored.pieces(_part(data, start, len(data))):
                content.update(piece)
            if content.hexdigest() != head['literals']:
                raise ValueError('its literals are truncated or changed')
            parts: list[segs.Segment] = []
            taken = start
            for kind, count, *where in head['segments']:
                if not isinstance(count, int) or count < 0:
                    raise ValueError('a segment has no valid length')
                if kind == 'literal':
                    parts.append(
                        segs.Literal(_part(data, taken, taken + count)))
                    taken += count
                elif kind == 'base':
                    parts.append(segs.BaseRange(int(where[0]), count))
                elif kind == 'zeros':
                    parts.append(segs.Zeros(count))
                else:
                    raise ValueError(f'unknown segment kind {kind!r}')
            if (taken != len(data)
                    or sum(s.length for s in parts) != head['size']):
                raise ValueError('its segments do not add up to its size')
            identity = BaseIdentity(int(head['base']['size']),
                                    str(head['base']['fingerprint']))
            warnings = [str(warning) for warning in head['warnings']]
        except (ValueError, KeyError, TypeError, IndexError, OverflowError,
                RecursionError) as exc:
            raise errors.OverlayError(
                f'{name} is damaged ({exc}); make it again') from exc
        return cls(segs.joined(parts), identity, tuple(warnings))


def _part(data: stored.Content, start: int, end: int) -> stored.Content:
    """Return a part, as far as the content goes."""
    if isinstance(data, bytes):
        return data[start:end]
    end = min(end, len(data))
    return data.part(start, max(0, end - start))
