# SPDX-License-Identifier: Apache-2.0

"""How far an install is: for the agent's log and the command's status."""

import collections.abc
import dataclasses
import typing


@dataclasses.dataclass(frozen=True)
class Progress:
    """A moment of an install."""

    #: What is done, for people: "pulling", "writing config drive".
    phase: str
    #: Layers that podman began to fetch.
    layers: int = 0
    #: Bytes in the store, unpacked and packed ones together.
    stored: int = 0
    #: Bytes of all layers as they are transferred; None when unknown.
    size: int | None = None
    #: Seconds since the install began.
    elapsed: float = 0
    #: Bytes of the layer that bootc has unpacked for the moment.
    temporary: int = 0
    #: Bytes that were written to the disk since bootc began.
    written: int = 0

    def to_dict(self) -> dict[str, typing.Any]:
        """Return what the command's status shows."""
        found: dict[str, typing.Any] = {
            'phase': self.phase, 'elapsed': round(self.elapsed)}
        if self.phase == 'pulling':
            found |= {'layers': self.layers, 'stored': self.stored,
                      'size': self.size}
        if self.phase == 'installing':
            found |= {'unpacked': self.temporary, 'written': self.written}
        return found

    def __str__(self) -> str:
        if self.phase == 'installing' and (self.written or self.temporary):
            return (f'installing, {self.temporary >> 20} MiB of a layer '
                    f'unpacked, {self.written >> 20} MiB written to the disk')
        if self.phase != 'pulling':
            return self.phase
        text = f'pulling, {self.stored >> 20} MiB stored'
        if self.size:
            # What is stored is unpacked, and can be more.
            text += f', {self.size >> 20} MiB to transfer compressed'
        return f'{text}, layer {self.layers}' if self.layers else text


#: Told of each moment.
Observer = collections.abc.Callable[[Progress], None]


def ignore(_moment: Progress) -> None:
    """Do nothing with a moment."""
