# SPDX-License-Identifier: Apache-2.0

"""What this conductor made for a node's sanboot: a record on the node.

Written before there is anything to remember, and removed after all of it
is gone.
"""

import dataclasses
import os
import typing

_KEY = 'ext_sanboot'

ISCSI, HTTP = 'iscsi', 'http'


@dataclasses.dataclass(frozen=True)
class SanbootRecord:
    """A boot that a script was made for, or is being made for.

    :param transport: ISCSI or HTTP.
    :param targets: back end of ironic_ext.san_targets, '' for HTTP.
    :param host: that has the target and the script.
    :param script: SHA-256 of the script, '' as long as there is none.
    :param done: whether the machine leaves iPXE now, and nothing is held.
    """

    transport: str
    targets: str = ''
    host: str = dataclasses.field(default_factory=lambda: os.uname().nodename)
    script: str = ''
    done: bool = False

    @property
    def is_here(self) -> bool:
        """Whether it was made on this host."""
        return self.host == os.uname().nodename


def of(internal_info: dict[str, typing.Any] | None) -> SanbootRecord | None:
    """Return the record in ``driver_internal_info``, if any."""
    row = (internal_info or {}).get(_KEY)
    return SanbootRecord(**row) if row else None


def load(node: typing.Any) -> SanbootRecord | None:
    """Return the record of a node, if any."""
    return of(node.driver_internal_info)


def save(node: typing.Any, record: SanbootRecord) -> None:
    """Set the record of a node."""
    node.set_driver_internal_info(_KEY, dataclasses.asdict(record))
    node.save()


def remove(node: typing.Any) -> None:
    """Remove the record of a node, if any."""
    if _KEY in node.driver_internal_info:
        node.del_driver_internal_info(_KEY)
        node.save()
