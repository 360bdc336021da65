# SPDX-License-Identifier: Apache-2.0

"""Which media of this node are published: a small record on the node.

A record is written before the file appears and goes after the file and the
medium are gone, so that whatever happens in between, the next try or the
clean-up knows what to remove.
"""

import dataclasses
import typing

_KEY = 'ext_media'


@dataclasses.dataclass(frozen=True)
class MediaRecord:
    """One image made for a node.

    :param id: of the image.
    :param purpose: ``instance`` or ``agent``.
    :param slot: path of the virtual media resource it was put into, None
        as long as that has not succeeded.
    :param delivery: ``file`` or ``stream``.
    :param mark: digest of the token in a stream's URL, to tell the URL by;
        '' for a file, whose URL has the id.
    """

    id: str
    purpose: str
    slot: str | None = None
    delivery: str = 'file'
    mark: str = ''


def records(node: typing.Any) -> tuple[MediaRecord, ...]:
    """Return the records of a node, oldest first."""
    return tuple(MediaRecord(row['id'], row['purpose'], row.get('slot'),
                             row.get('delivery', 'file'),
                             row.get('mark', ''))
                 for row in (node.driver_internal_info or {}).get(_KEY, ()))


def save(node: typing.Any, record: MediaRecord) -> None:
    """Add a record, or replace the one of the same id."""
    kept = [row for row in records(node) if row.id != record.id]
    _store(node, [*kept, record])


def remove(node: typing.Any, media_id: str) -> None:
    """Remove the record of that id."""
    _store(node, [row for row in records(node) if row.id != media_id])


def _store(node: typing.Any, rows: list[MediaRecord]) -> None:
    if rows:
        node.set_driver_internal_info(
            _KEY, [dataclasses.asdict(row) for row in rows])
    else:
        node.del_driver_internal_info(_KEY)
    node.save()
