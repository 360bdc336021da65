# SPDX-License-Identifier: Apache-2.0

"""Which media of this node are published: a small record on the node.

A record is written before the file appears and goes after the file and the
medium are gone, so that whatever happens in between, the next try or the
clean-up knows what to remove.
"""

import collections.abc
import typing

from ironic_ext.media import medium as media

_KEY = 'ext_media'


def load(node: typing.Any) -> tuple[media.Medium, ...]:
    """Return the media on record of a node, oldest first."""
    return tuple(from_json(row)
                 for row in (node.driver_internal_info or {}).get(_KEY, ()))


def save(node: typing.Any, medium: media.Medium) -> None:
    """Add a medium, or replace the one of the same id."""
    kept = [other for other in load(node) if other.id != medium.id]
    _store(node, [*kept, medium])


def remove(node: typing.Any, medium_id: str) -> None:
    """Remove the medium of that id."""
    _store(node, [other for other in load(node) if other.id != medium_id])


def to_json(medium: media.Medium) -> dict[str, typing.Any]:
    """Return what from_json() takes."""
    return {'id': medium.id, 'purpose': medium.purpose.value,
            'slot': medium.slot, 'delivery': medium.kind.value,
            'mark': medium.mark}


def from_json(row: collections.abc.Mapping[str, typing.Any]) -> media.Medium:
    """Read what to_json() wrote."""
    return media.Medium(
        row['id'], media.Purpose(row['purpose']),
        media.Kind(row.get('delivery', 'file')), mark=row.get('mark', ''),
        slot=row.get('slot'))


def _store(node: typing.Any, media_: list[media.Medium]) -> None:
    if media_:
        node.set_driver_internal_info(
            _KEY, [to_json(medium) for medium in media_])
    else:
        node.del_driver_internal_info(_KEY)
    node.save()
