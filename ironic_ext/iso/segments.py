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

"""A customised image as a sorted list of references into its base.

A :class:`SegmentMap` says of every byte of the customised image where it
comes from: the base image, a literal, or zeros. It costs what was changed,
whatever the base's size, and the base is only ever read.
"""

import bisect
import dataclasses
import hashlib
import itertools
import json
import os
import types
import typing

from ironic_ext.iso import errors
from ironic_ext.iso import filecopy
from ironic_ext.iso import source as base_source

#: Bytes from the start of the base that its fingerprint covers: the system
#: area, the volume descriptors and, as a rule, the path tables.
FINGERPRINT_BYTES = 65536

#: A run of zeros shorter than this costs less as part of a literal.
_RUN = bytes(64)
_ZEROS = tuple(map(bytes, (4096, 256, 16, 1)))

_MAGIC = b'ironic-ext overlay 1\n'
#: Bytes of JSON that an overlay's head may have.
_MAX_HEAD = 64 << 20


class BaseRange(typing.NamedTuple):
    """``length`` bytes of the base from ``offset`` on."""

    offset: int
    length: int


class Literal(typing.NamedTuple):
    """Bytes that the base does not have."""

    data: bytes

    @property
    def length(self) -> int:
        """Bytes in this segment."""
        return len(self.data)


class Zeros(typing.NamedTuple):
    """``length`` zero bytes (a hole, where it is written to a file)."""

    length: int


Segment = BaseRange | Literal | Zeros


def sparse(literal: Literal) -> list[Segment]:
    """Split a literal where it has runs of zeros worth a segment."""
    data = literal.data
    start = data.find(_RUN)
    if start < 0:
        return [literal]
    out: list[Segment] = []
    done = 0
    while start >= 0:
        end = start + len(_RUN)
        # Faster than any search for what is not zero.
        for zeros in _ZEROS:
            while data.startswith(zeros, end):
                end += len(zeros)
        out += (Literal(data[done:start]), Zeros(end - start))
        done = end
        start = data.find(_RUN, end)
    out.append(Literal(data[done:]))
    return out


def joined(segments: typing.Iterable[Segment]) -> tuple[Segment, ...]:
    """Drop empty segments and join neighbours of one kind.

    Ranges of the base are joined when they continue one another.
    """
    out: list[Segment] = []
    for _kind, group in itertools.groupby(
            (segment for segment in segments if segment.length), type):
        first, *others = group
        if not others:
            out.append(first)
        elif isinstance(first, Literal):
            out.append(Literal(b''.join([first.data, *(
                segment.data for segment in others
                if isinstance(segment, Literal))])))
        elif isinstance(first, Zeros):
            out.append(Zeros(first.length + sum(
                segment.length for segment in others)))
        else:
            for segment in others:
                assert isinstance(segment, BaseRange)
                if first.offset + first.length == segment.offset:
                    first = BaseRange(first.offset,
                                      first.length + segment.length)
                else:
                    out.append(first)
                    first = segment
            out.append(first)
    return tuple(out)


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


class SegmentMap:
    """A customised image: readable, writable to a file, storable.

    Reading is thread-safe. The map keeps the base open until
    :meth:`close`; it is a context manager.

    :ivar size: bytes of the customised image.
    :ivar segments: the sorted, gapless segments.
    :ivar warnings: sentences about what the customised image does less
        well than the base.
    """

    def __init__(self, base: str | os.PathLike[str],
                 segments: typing.Iterable[Segment], *,
                 identity: BaseIdentity | None = None,
                 warnings: typing.Iterable[str] = ()) -> None:
        """Open the base and check the segments against it.

        :raises: IsoError when the base cannot be opened, OverlayError when
            it is not the one of ``identity`` or when a segment leaves it.
        """
        self.segments = joined(segments)
        self.warnings = tuple(warnings)
        self._base = base_source.Source(base)
        try:
            self.identity = BaseIdentity.of(self._base)
            if identity is not None and identity != self.identity:
                raise errors.OverlayError(
                    f'{self._base.path} is not the base of this overlay: '
                    f'its size or its volume descriptors differ; name the '
                    f'image that the overlay was made from')
            for segment in self.segments:
                if (isinstance(segment, BaseRange) and (
                        segment.offset < 0 or segment.length < 0
                        or segment.offset + segment.length
                        > self._base.size)):
                    raise errors.OverlayError(
                        f'a segment refers to bytes {segment.offset} to '
                        f'{segment.offset + segment.length}, outside the '
                        f'base {self._base.path}')
        except errors.IsoError:
            self._base.close()
            raise
        self._starts = [0, *itertools.accumulate(
            segment.length for segment in self.segments)]
        self.size = self._starts.pop()

    @property
    def base(self) -> str:
        """Path of the base image."""
        return self._base.path

    @property
    def literal_bytes(self) -> int:
        """Bytes that this image has and its base has not."""
        return sum(segment.length for segment in self.segments
                   if isinstance(segment, Literal))

    @property
    def digest(self) -> str:
        """``sha256:<hex>`` over the base's identity and every segment.

        Equal digests mean equal bytes for one base: fit for a strong ETag.
        """
        return 'sha256:' + hashlib.sha256(self._head()).hexdigest()

    def read(self, offset: int, length: int) -> bytes:
        """Return ``length`` bytes from ``offset`` on, fewer at the end.

        :raises: ValueError for a negative offset or length,
            CorruptImageError when the base shrank meanwhile.
        """
        if offset < 0 or length < 0:
            raise ValueError('offset and length must not be negative')
        end = min(offset + length, self.size)
        if offset >= end:
            return b''
        parts = []
        index = bisect.bisect_right(self._starts, offset) - 1
        while offset < end:
            segment = self.segments[index]
            skip = offset - self._starts[index]
            count = min(segment.length - skip, end - offset)
            if isinstance(segment, Literal):
                parts.append(segment.data[skip:skip + count])
            elif isinstance(segment, BaseRange):
                parts.append(self._base.read(segment.offset + skip, count,
                                             'a range of the base'))
            else:
                parts.append(bytes(count))
            offset += count
            index += 1
        return b''.join(parts)

    def write(self, path: str | os.PathLike[str], *, mode: int = 0o644,
              progress: typing.Callable[[int], None] | None = None) -> None:
        """Write the whole image to a file.

        Ranges of the base are reflinked where the file system can, else
        copied by the kernel, else copied. The file appears complete (after
        fsync, by rename) or not at all; an existing file is replaced, never
        written through.

        :param mode: permission bits of the file.
        :param progress: called with the number of bytes done since the
            last call.
        :raises: IsoError when the path is the base itself or the file
            cannot be written.
        """
        target = os.fspath(path)
        try:
            if os.path.exists(target) and os.path.samestat(
                    os.stat(target), os.fstat(self._base.fd)):
                raise errors.IsoError(
                    f'{target} is the base image: the customised image '
                    f'needs a path of its own')
            with filecopy.replacing(target, mode) as fd:
                os.ftruncate(fd, self.size)
                position = 0
                for segment in self.segments:
                    if isinstance(segment, Literal):
                        filecopy.write_all(fd, segment.data, position)
                    elif isinstance(segment, BaseRange):
                        filecopy.copy_range(
                            self._base.fd, segment.offset, fd, position,
                            segment.length, progress)
                    if progress and not isinstance(segment, BaseRange):
                        progress(segment.length)
                    position += segment.length
                # Past its end a base that shrank looks like a hole.
                self._base.check_size()
        except OSError as exc:
            raise errors.IsoError(
                f'cannot write {target}: {exc.strerror or exc}') from exc

    def _head(self) -> bytes:
        rows: list[list[int | str]] = []
        content = hashlib.sha256()
        for segment in self.segments:
            if isinstance(segment, Literal):
                rows.append(['literal', segment.length])
                content.update(segment.data)
            elif isinstance(segment, BaseRange):
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

    def save(self, path: str | os.PathLike[str], *,
             mode: int = 0o600) -> None:
        """Store the map in an overlay file, atomically.

        The file is a magic line, the length of the head as a decimal line,
        the head (JSON), then the literals in their order. Literals can hold
        secrets, so by default only the owner reads the file.

        :raises: IsoError when the file cannot be written.
        """
        target = os.fspath(path)
        try:
            with filecopy.replacing(target, mode) as fd:
                filecopy.write_all(fd, self.dump(), 0)
        except OSError as exc:
            raise errors.IsoError(
                f'cannot write {target}: {exc.strerror or exc}') from exc

    def dump(self) -> bytes:
        """Return the content of an overlay file."""
        head = self._head()
        return b''.join((_MAGIC, b'%d\n' % len(head), head,
                         *(segment.data for segment in self.segments
                           if isinstance(segment, Literal))))

    @classmethod
    def load(cls, path: str | os.PathLike[str], *,
             base: str | os.PathLike[str]) -> 'SegmentMap':
        """Read an overlay file.

        :param base: path of the base image.
        :raises: OverlayError when the file is malformed or ``base`` is not
            the image that it was made from.
        """
        try:
            with open(path, 'rb') as stream:
                data = stream.read()
        except OSError as exc:
            raise errors.OverlayError(
                f'cannot read {os.fspath(path)}: {exc.strerror}') from exc
        return cls.parse(data, base=base, name=os.fspath(path))

    @classmethod
    def parse(cls, data: bytes, *, base: str | os.PathLike[str],
              name: str = 'the overlay') -> 'SegmentMap':
        """Return the map of an overlay file's content; see :meth:`load`."""
        if not data.startswith(_MAGIC):
            raise errors.OverlayError(
                f'{name} is not an overlay: it does not begin with '
                f'"{_MAGIC.decode().strip()}"')
        try:
            line, _, rest = data[len(_MAGIC):].partition(b'\n')
            length = int(line)
            if not 0 < length <= min(_MAX_HEAD, len(rest)):
                raise ValueError('its head is truncated')
            head = json.loads(rest[:length])
            literals = memoryview(rest)[length:]
            if hashlib.sha256(literals).hexdigest() != head['literals']:
                raise ValueError('its literals are truncated or changed')
            segments: list[Segment] = []
            taken = 0
            for kind, count, *where in head['segments']:
                if not isinstance(count, int) or count < 0:
                    raise ValueError('a segment has no valid length')
                if kind == 'literal':
                    segments.append(
                        Literal(bytes(literals[taken:taken + count])))
                    taken += count
                elif kind == 'base':
                    segments.append(BaseRange(int(where[0]), count))
                elif kind == 'zeros':
                    segments.append(Zeros(count))
                else:
                    raise ValueError(f'unknown segment kind {kind!r}')
            if (taken != len(literals)
                    or sum(s.length for s in segments) != head['size']):
                raise ValueError('its segments do not add up to its size')
            identity = BaseIdentity(int(head['base']['size']),
                                    str(head['base']['fingerprint']))
            warnings = [str(warning) for warning in head['warnings']]
        except (ValueError, KeyError, TypeError, IndexError) as exc:
            raise errors.OverlayError(
                f'{name} is damaged ({exc}); make it again') from exc
        return cls(base, segments, identity=identity, warnings=warnings)

    def close(self) -> None:
        """Close the base image."""
        self._base.close()

    def __enter__(self) -> 'SegmentMap':
        return self

    def __exit__(self, kind: type[BaseException] | None,
                 error: BaseException | None,
                 trace: types.TracebackType | None) -> None:
        self.close()
