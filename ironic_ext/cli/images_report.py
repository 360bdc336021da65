# SPDX-License-Identifier: Apache-2.0

"""How `ironic-ext-images` shows stored images, and reads sizes and ages."""

import argparse
import collections.abc
import dataclasses
import datetime
import re
import time
import typing

from ironic_ext.cli import progress
from ironic_ext import images
from ironic_ext import printable

_SIZE = re.compile(r'(\d+)\s*([KMGT]?)(?:i?B)?', re.IGNORECASE)
_AGE = re.compile(r'(\d+)\s*([smhdw]?)', re.IGNORECASE)
_SIZES = {'': 1, 'k': 1 << 10, 'm': 1 << 20, 'g': 1 << 30, 't': 1 << 40}
_AGES = {'': 1, 's': 1, 'm': 60, 'h': 3600, 'd': 86400, 'w': 7 * 86400}
_DIGITS = 12


def parsed_size(text: str) -> int:
    """Return the bytes that a person means, such as ``20G``.

    :raises: ArgumentTypeError
    """
    if match := _SIZE.fullmatch(text.strip()):
        return int(match[1]) * _SIZES[match[2].lower()]
    raise argparse.ArgumentTypeError(
        f'"{text}" is no size: write 500M, 20G or a number of bytes')


def parsed_age(text: str) -> int:
    """Return the seconds that a person means, such as ``30d``.

    :raises: ArgumentTypeError
    """
    if match := _AGE.fullmatch(text.strip()):
        return int(match[1]) * _AGES[match[2].lower()]
    raise argparse.ArgumentTypeError(
        f'"{text}" is no age: write 90m, 12h, 30d or a number of seconds')


def age_text(seconds: float) -> str:
    """Say for people how long ago something was."""
    for unit, name in ((86400, 'd'), (3600, 'h'), (60, 'min')):
        if seconds >= unit:
            return f'{seconds // unit:.0f} {name} ago'
    return 'just now'


def as_dict(image: images.StoredImage) -> dict[str, typing.Any]:
    """Return what ``--json`` prints of an image."""
    facts = dataclasses.asdict(image)
    for name in ('verified_at', 'used_at'):
        if facts[name] is not None:
            facts[name] = _iso_time(facts[name])
    return facts


def table(found: collections.abc.Sequence[images.StoredImage]) -> str:
    """Return a table of images."""
    rows = [('SHA256', 'SIZE', 'USED', 'STATE', 'SOURCE')]
    now = time.time()
    for image in found:
        source = image.sources[-1] if image.sources else ''
        more = f' (+{len(image.sources) - 1})' * (len(image.sources) > 1)
        rows.append((image.digest.removeprefix('sha256:')[:_DIGITS],
                     progress.size_text(image.size),
                     age_text(now - image.used_at), _state(image),
                     printable.escaped(source) + more))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return '\n'.join('  '.join(
        text.rjust(width) if place == 1 else text.ljust(width)
        for place, (text, width) in enumerate(zip(row, widths, strict=True))
    ).rstrip() for row in rows)


def text(image: images.StoredImage) -> str:
    """Return everything about one image."""
    lines = [('digest', image.digest)]
    lines += [('', f'{name}:{digest}')
              for name, digest in sorted(image.digests.items())
              if name != 'sha256']
    lines += [('size', f'{image.size} bytes '
               f'({progress.size_text(image.size)})'),
              ('used', _iso_time(image.used_at)),
              ('verified', _iso_time(image.verified_at)
               if image.verified_at else 'unknown'),
              ('state', _state(image))]
    lines += [('source' if not place else '', printable.escaped(source))
              for place, source in enumerate(image.sources)]
    lines += [('project' if not place else '', printable.escaped(project))
              for place, project in enumerate(filter(None, image.projects))]
    lines += [('kept for' if not place else '', printable.escaped(owner))
              for place, owner in enumerate(image.owners)]
    return '\n'.join(f'{name:<10}{value}' for name, value in lines)


def _state(image: images.StoredImage) -> str:
    words = [*(['in use'] if image.in_use else []),
             *(['kept'] if image.owners else []),
             *(['linked'] if image.linked else [])]
    return ', '.join(words) or 'idle'


def _iso_time(seconds: float) -> str:
    return datetime.datetime.fromtimestamp(
        seconds, datetime.UTC).isoformat(timespec='seconds')
