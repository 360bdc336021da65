# SPDX-License-Identifier: Apache-2.0

"""The status of a data image as the API shows it; nothing in it is secret."""

import datetime
import typing

from ironic_ext.data_image import record as records


def show(record: records.Record | None) -> dict[str, typing.Any]:
    """Return the resource: what is asked for, and what was seen.

    Times are UTC, RFC 3339.
    """
    if record is None:
        return {'spec': None, 'generation': 0,
                'status': {'phase': records.Phase.DETACHED.value}}
    status, medium = record.status, record.medium
    shown: dict[str, typing.Any] = {
        'phase': status.phase.value,
        'reason': status.reason or None,
        'attached_image': None,
        'slot': None, 'device': None,
        'inserted': status.inserted,
        'error': {'count': status.errors, 'message': status.error},
        'last_reconciled': _time(status.last_reconciled),
        'next_attempt': _time(status.next_attempt or None)}
    if medium is not None and status.inserted:
        shown.update(
            attached_image={'url': medium.image,
                            'digest': medium.digest or None,
                            'size': medium.size},
            slot=medium.slot and medium.slot.rpartition('/')[2],
            device=medium.device)
    return {'spec': record.spec and record.spec.redacted(),
            'generation': record.generation, 'status': shown}


def _time(seconds: float | None) -> str | None:
    if seconds is None:
        return None
    return datetime.datetime.fromtimestamp(
        int(seconds), datetime.UTC).isoformat().replace('+00:00', 'Z')
