# SPDX-License-Identifier: Apache-2.0

"""A customised image: its segments and the base that they refer to."""

import bisect
import itertools
import os
import types
import typing

from ironic_ext.iso import errors
from ironic_ext.iso import overlay as overlays
from ironic_ext.iso import segments as segs
from ironic_ext.iso import source as base_source
from ironic_ext import stored

#: Bytes at a time of a base that is no file.
_PIECE = 8 << 20


class SegmentMap:
    """A customised image: readable, writable to a file, storable.

    Reading is thread-safe. The map keeps the base open until
    :meth:`close`; it is a context manager.

    :ivar size: bytes of the customised image.
    :ivar overlay: the map without its base.
    """

    def __init__(self, base: str | os.PathLike[str] | base_source.Source,
                 segments: typing.Iterable[segs.Segment], *,
                 identity: overlays.BaseIdentity | None = None,
                 warnings: typing.Iterable[str] = ()) -> None:
        """Open the base and check the segments against it.

        :param base: its path, or the base, opened already and closed with
            the map.
        :raises: IsoError when the base cannot be opened, OverlayError when
            it is not the one of ``identity`` or when a segment leaves it.
        """
        self._base = (base if isinstance(base, base_source.Source)
                      else base_source.Source(base))
        try:
            found = overlays.BaseIdentity.of(self._base)
            if identity is not None and identity != found:
                raise errors.OverlayError(
                    f'{self._base.path} is not the base of this overlay: '
                    f'its size or its volume descriptors differ; name the '
                    f'image that the overlay was made from')
            self.overlay = overlays.Overlay(
                segs.joined(segments), found, tuple(warnings))
            self._require_inside()
        except errors.IsoError:
            self._base.close()
            raise
        self._starts = [0, *itertools.accumulate(
            [segment.length for segment in self.segments])]
        self.size = self._starts.pop()

    def _require_inside(self) -> None:
        for segment in self.segments:
            if (isinstance(segment, segs.BaseRange) and (
                    segment.offset < 0 or segment.length < 0
                    or segment.offset + segment.length > self._base.size)):
                raise errors.OverlayError(
                    f'a segment refers to bytes {segment.offset} to '
                    f'{segment.offset + segment.length}, outside the base '
                    f'{self._base.path}')

    @property
    def segments(self) -> tuple[segs.Segment, ...]:
        """The sorted, gapless segments."""
        return self.overlay.segments

    @property
    def identity(self) -> overlays.BaseIdentity:
        """What tells the base from others."""
        return self.overlay.identity

    @property
    def warnings(self) -> tuple[str, ...]:
        """What the customised image does less well than the base."""
        return self.overlay.warnings

    @property
    def base(self) -> str:
        """Path of the base image."""
        return self._base.path

    @property
    def literal_bytes(self) -> int:
        """Bytes that this image has and its base has not."""
        return self.overlay.literal_bytes

    @property
    def digest(self) -> str:
        """Return ``sha256:<hex>``, see Overlay.digest."""
        return self.overlay.digest

    def __len__(self) -> int:
        return self.size

    def __getitem__(self, where: slice) -> bytes:
        start, end, step = where.indices(self.size)
        if step != 1:
            raise ValueError('only what lies together is read')
        return self.read(start, max(0, end - start))

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
            if isinstance(segment, segs.Literal):
                parts.append(segment.data[skip:skip + count])
            elif isinstance(segment, segs.BaseRange):
                parts.append(self._base.read(segment.offset + skip, count,
                                             'a range of the base'))
            else:
                parts.append(bytes(count))
            offset += count
            index += 1
        return b''.join(parts)

    def origin(self, offset: int, length: int) -> int | None:
        """Return where in the base a range lies as a whole, if it does."""
        if length <= 0 or not 0 <= offset <= self.size - length:
            return None
        index = bisect.bisect_right(self._starts, offset) - 1
        segment = self.segments[index]
        skip = offset - self._starts[index]
        if (not isinstance(segment, segs.BaseRange)
                or skip + length > segment.length):
            return None
        return segment.offset + skip

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
        from ironic_ext import blocks
        target = os.fspath(path)
        try:
            if (self._base.fd >= 0 and os.path.exists(target)
                    and os.path.samestat(os.stat(target),
                                         os.fstat(self._base.fd))):
                raise errors.IsoError(
                    f'{target} is the base image: the customised image '
                    f'needs a path of its own')
            with blocks.replacing(target, mode) as fd:
                os.ftruncate(fd, self.size)
                position = 0
                for segment in self.segments:
                    if isinstance(segment, segs.Literal):
                        _write_literal(fd, segment.data, position)
                    elif isinstance(segment, segs.BaseRange):
                        self._copy(segment, fd, position, progress)
                    if progress and not isinstance(segment, segs.BaseRange):
                        progress(segment.length)
                    position += segment.length
                # Past its end a base that shrank looks like a hole.
                self._base.check_size()
        except OSError as exc:
            raise errors.IsoError(
                f'cannot write {target}: {exc.strerror or exc}') from exc

    def _copy(self, segment: segs.BaseRange, fd: int, position: int,
              progress: typing.Callable[[int], None] | None) -> None:
        from ironic_ext import blocks
        if self._base.fd >= 0:
            blocks.copy_range(self._base.fd, segment.offset, fd, position,
                              segment.length, progress)
            return
        for skip in range(0, segment.length, _PIECE):
            piece = self._base.read(
                segment.offset + skip, min(_PIECE, segment.length - skip),
                'a range of the base')
            blocks.write_all(fd, piece, position + skip)
            if progress:
                progress(len(piece))

    def save(self, path: str | os.PathLike[str], *,
             mode: int = 0o600) -> None:
        """Store the map in an overlay file, atomically.

        Literals can hold secrets, so by default only the owner reads it.

        :raises: IsoError when the file cannot be written.
        """
        from ironic_ext import blocks
        target = os.fspath(path)
        try:
            with blocks.replacing(target, mode) as fd:
                position = 0
                for piece in self.overlay.pieces():
                    blocks.write_all(fd, piece, position)
                    position += len(piece)
        except OSError as exc:
            raise errors.IsoError(
                f'cannot write {target}: {exc.strerror or exc}') from exc

    def dump(self) -> bytes:
        """Return the content of an overlay file."""
        return self.overlay.dump()

    @classmethod
    def load(cls, path: str | os.PathLike[str], *,
             base: str | os.PathLike[str] | base_source.Source
             ) -> 'SegmentMap':
        """Read an overlay file.

        :param base: the base image; see __init__().
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
    def parse(cls, data: bytes, *,
              base: str | os.PathLike[str] | base_source.Source,
              name: str = 'the overlay') -> 'SegmentMap':
        """Return the map of an overlay file's content; see :meth:`load`."""
        overlay = overlays.Overlay.parse(data, name)
        return cls(base, overlay.segments, identity=overlay.identity,
                   warnings=overlay.warnings)

    def close(self) -> None:
        """Close the base image."""
        self._base.close()

    def __enter__(self) -> typing.Self:
        return self

    def __exit__(self, kind: type[BaseException] | None,
                 error: BaseException | None,
                 trace: types.TracebackType | None) -> None:
        self.close()


def _write_literal(fd: int, data: stored.Content, position: int) -> None:
    from ironic_ext import blocks
    if isinstance(data, bytes):
        blocks.write_all(fd, data, position)
    else:
        blocks.copy_range(data.fd, data.offset, fd, position, len(data))
