# SPDX-License-Identifier: Apache-2.0

"""Inputs that are nearly right: mutations that keep most of a structure."""

import collections.abc
import random

_SECTOR = 2048
_BYTES = (0, 1, 2, 16, 18, 0x7f, 0x80, 0xfe, 0xff, 0x2f, 0x2e, 0x3b)
_NUMBERS = (0, 1, 2, 16, 33, 255, 2048, 0x7fff, 0xffff, 0x7fffffff,
            0x80000000, 0xffffffff)
_SIZES = (1, 2, 3, 8, 16, 33, 64, 512, 2048)
#: Bytes of a line of text, and of all lines: what the engine reads of one.
_MOST = 1 << 20

Mutate = collections.abc.Callable[[bytes, random.Random], bytes]


def binary(data: bytes, dice: random.Random) -> bytes:
    """Change numbers and bytes of structures, swap, copy or cut parts."""
    out = bytearray(data)
    places = _used(data)
    for _ in range(dice.choice((1, 1, 2, 3, 8, 30))):
        if not out:
            break
        at = min(dice.choice(places) * _SECTOR + dice.randrange(_SECTOR)
                 if places else 0, len(out) - 1)
        kind = dice.randrange(8)
        if kind < 2:
            out[at] = dice.choice(_BYTES)
        elif kind < 5:
            number = dice.choice((*_NUMBERS, dice.randrange(1 << 32),
                                  len(data) // _SECTOR))
            size = dice.choice((2, 4, 8))
            low = (number % (1 << 8 * size)).to_bytes(size, 'little')
            both = low + low[::-1] if dice.random() < 0.5 else low
            out[at:at + len(both)] = both[:len(out) - at]
        elif kind == 5:
            size = dice.choice(_SIZES)
            other = min(dice.choice(places or [0]) * _SECTOR, len(out) - 1)
            part = out[other:other + size]
            out[at:at + len(part)] = part[:len(out) - at]
        elif kind == 6 and places:
            one, other = (dice.choice(places) * _SECTOR for _ in range(2))
            part = out[one:one + _SECTOR]
            out[other:other + len(part)] = part
        elif dice.random() < 0.1:
            del out[at:]
    return bytes(out)


def _used(data: bytes) -> list[int]:
    """Return the sectors that are worth a change: few, and not empty."""
    found = [number for number in range(-(-len(data) // _SECTOR))
             if any(data[number * _SECTOR:(number + 1) * _SECTOR])]
    return found[:200]


def text(words: collections.abc.Sequence[bytes]) -> Mutate:
    """Return what changes lines of a grammar with such words."""
    def mutate(data: bytes, dice: random.Random) -> bytes:
        lines = data.splitlines(keepends=True) or [b'']
        for _ in range(dice.choice((1, 1, 2, 4, 12))):
            at = dice.randrange(len(lines))
            kind = dice.randrange(7)
            if kind == 0:
                lines.insert(at, dice.choice(words) + dice.choice(
                    (b'\n', b' ', b'', b'\r\n')))
            elif kind == 1:
                parts = lines[at].split(b' ')
                parts.insert(dice.randrange(len(parts) + 1),
                             dice.choice(words))
                lines[at] = b' '.join(parts)
            elif kind == 2:
                lines[at] = _times(lines[at],
                                   dice.choice((2, 3, 100, 3000)))
            elif kind == 3:
                part = lines[at:at + dice.randrange(1, 6)]
                lines[at:at] = part * dice.choice((1, 1, 2, 200))
            elif kind == 4 and len(lines) > 1:
                del lines[at:at + dice.randrange(1, 4)]
                lines = lines or [b'']
            elif kind == 5:
                line = bytearray(lines[at] or b'x')
                line[dice.randrange(len(line))] = dice.randrange(256)
                lines[at] = bytes(line)
            else:
                lines[at] = _times(dice.choice(words), dice.choice(
                    (1, 2, 50, 5000))) + lines[at]
            lines = _short(lines)
        return b''.join(lines)
    return mutate


def _times(part: bytes, count: int) -> bytes:
    return part * min(count, 1 + _MOST // (len(part) + 1))


def _short(lines: list[bytes]) -> list[bytes]:
    kept: list[bytes] = []
    room = _MOST
    for line in lines:
        room -= len(line)
        if room < 0:
            break
        kept.append(line)
    return kept or [b'']
