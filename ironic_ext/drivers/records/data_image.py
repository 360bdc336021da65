# SPDX-License-Identifier: Apache-2.0

"""The record of a node's data image, in driver_internal_info.

The API shows that field to who may see it, with what is under a key of a
secret's name masked; the record is made for that.
"""

import time
import typing

from ironic_ext.data_image import record as records
from ironic_ext.media import medium as mediums

KEY = 'ext_data_image'


def load(node: typing.Any) -> records.Record | None:
    """Return the record of a node, None when it has no data image."""
    data = node.driver_internal_info.get(KEY)
    return records.Record.from_json(data) if data else None


def save(node: typing.Any, record: records.Record | None) -> None:
    """Write the record to the node, or remove it, and save the node."""
    if record is None:
        node.del_driver_internal_info(KEY)
    else:
        node.set_driver_internal_info(KEY, record.to_json())
    node.save()


def is_due(node: typing.Any) -> bool:
    """Tell whether it is time for a look at the data image."""
    return records.Record.due((node.driver_internal_info or {}).get(KEY),
                              time.time())


def has_failed(node: typing.Any) -> bool:
    """Tell whether the last try with the data image failed."""
    data = (node.driver_internal_info or {}).get(KEY) or {}
    return bool((data.get('status') or {}).get('errors'))


def media(node: typing.Any) -> tuple[mediums.Medium, ...]:
    """Return the data image's medium, if there is one."""
    medium = records.medium_of(node.driver_internal_info.get(KEY) or {})
    return (medium,) if medium else ()
