# SPDX-License-Identifier: Apache-2.0

"""What is collected of a site, to be judged."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Bmc:
    """What a BMC shows.

    :ivar drives: drive -> URL of what is in it.
    """

    power: bool
    drives: dict[str, str] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Node:
    """What Ironic says of a node, and what is so.

    :ivar argument: the kernel argument that its medium is to have, '' for a
        node without a medium.
    :ivar held: whether a conductor has it locked.
    """

    name: str
    uuid: str
    provision_state: str
    power_state: str | None
    bmc: Bmc
    argument: str = ''
    held: bool = False
    maintenance: bool = False
    last_error: str = ''


@dataclasses.dataclass(frozen=True)
class Read:
    """A medium that was read whole, as its machine would.

    :ivar arguments: of which nodes it has the arguments.
    :ivar digest: of all its bytes but its own argument's and its node's
        UUID's, which has to be that of any other node's.
    :ivar error: why it could not be read, '' if it was.
    """

    node: str
    url: str
    argument: str
    arguments: tuple[str, ...] = ()
    digest: str = ''
    error: str = ''


@dataclasses.dataclass(frozen=True)
class Record:
    """A medium that may be read, as the database of media has it."""

    id: str
    node: str


@dataclasses.dataclass(frozen=True)
class Evidence:
    """What a site is like at one moment, and what was read meanwhile.

    :ivar references: digests, of which all media have one.
    :ivar files: of hosts, below what a host keeps for media: 'host:path'.
    :ivar targets: what hosts export by iSCSI: 'host:name'.
    :ivar answering: URLs of media that were ended, and still are answered.
    """

    nodes: tuple[Node, ...]
    reads: tuple[Read, ...] = ()
    references: frozenset[str] = frozenset()
    files: tuple[str, ...] = ()
    records: tuple[Record, ...] = ()
    targets: tuple[str, ...] = ()
    answering: tuple[str, ...] = ()
