# SPDX-License-Identifier: Apache-2.0

"""What to do about the data image of a node: pure decisions on what is seen.

Slots have owners. A slot that holds the boot image, or is recorded for it,
and a medium that is not ours are never touched; the boot order neither.
"""

import dataclasses
import enum

from ironic_ext.data_image import record as records
from ironic_ext.data_image import spec as specs


class Owner(enum.Enum):
    """Whose a slot is."""

    NOBODY = 'nobody'
    OURS = 'ours'
    BOOT = 'boot'
    OTHER = 'other'


@dataclasses.dataclass(frozen=True)
class Slot:
    """A virtual drive as the BMC shows it.

    :param path: of the Redfish resource.
    :param devices: what an ISO in it can be to the machine; may be none.
    :param title: what is in it, as it may be shown.
    """

    path: str
    devices: frozenset[specs.Device]
    owner: Owner
    title: str = ''

    @property
    def identity(self) -> str:
        """The name of the slot."""
        return self.path.rpartition('/')[2]


@dataclasses.dataclass(frozen=True)
class Machine:
    """The node at this moment.

    :param may_change: why nothing may be attached now, '' when it may.
    :param instance_gone: whether the instance that there was has ended.
    :param restarting: off, or about to be started.
    :param readable: whether what its drive holds of ours can be read.
    """

    slots: tuple[Slot, ...]
    may_change: str = ''
    instance_gone: bool = False
    restarting: bool = False
    readable: bool = True


@dataclasses.dataclass(frozen=True)
class Plan:
    """What to do, in this order.

    :param eject: slots to free of what is ours.
    :param withdraw: whether the delivered image is to be removed.
    :param insert: slots that will do for the image, best first.
    :param wait: why nothing is inserted now.
    :param attached: the slot that has what it should.
    :param deliver: whether the image can be made ready while it waits.
    :param forget: whether nothing is asked for any more.
    """

    eject: tuple[str, ...] = ()
    withdraw: bool = False
    insert: tuple[str, ...] = ()
    wait: str = ''
    attached: str | None = None
    deliver: bool = False
    forget: bool = False


def plan(record: records.Record, machine: Machine) -> Plan:
    """Decide what brings a machine to what is asked for."""
    ours = tuple(slot.path for slot in machine.slots
                 if slot.owner is Owner.OURS)
    spec, medium = record.spec, record.medium
    if record.instance and machine.instance_gone:
        # Whoever comes next must not see it.
        spec = None
    if spec is None:
        return Plan(eject=ours, withdraw=medium is not None, forget=True)
    if machine.may_change:
        return Plan(wait=machine.may_change)
    waits = ''
    if spec.apply is specs.Apply.ON_REBOOT and not machine.restarting:
        waits = 'the image goes in when the machine is next started'
    if (medium is None or record.made_for != record.generation
            or not machine.readable):
        if waits:
            # What fails is known before the machine is started.
            return Plan(wait=waits, deliver=medium is None)
        return _insert(spec, machine, ours, withdraw=medium is not None)
    fit = [slot.path for slot in machine.slots if slot.path in ours
           and _fits(slot, spec)]
    if fit:
        keep = medium.slot if medium.slot in fit else fit[0]
        return Plan(attached=keep,
                    eject=tuple(path for path in ours if path != keep))
    if waits:
        return Plan(wait=waits)
    return _insert(spec, machine, ours)


def _insert(spec: specs.DataImageSpec, machine: Machine,
            ours: tuple[str, ...], withdraw: bool = False) -> Plan:
    fit = [slot for slot in machine.slots if _fits(slot, spec)]
    free = [slot for slot in fit
            if slot.owner in (Owner.NOBODY, Owner.OURS)]
    free.sort(key=lambda slot: _rank(slot, machine.slots))
    if free:
        return Plan(eject=ours, withdraw=withdraw,
                    insert=tuple(slot.path for slot in free))
    return Plan(eject=ours, withdraw=withdraw, wait=_no_slot(spec, fit))


def _rank(slot: Slot, slots: tuple[Slot, ...]) -> int:
    """Return where a slot comes among those that will do; 0 is best.

    A CD drive comes first, but one in front of the boot image's last: the
    machine might boot from it. The BMC's order decides among equals.
    """
    if specs.Device.CDROM not in slot.devices:
        return 1
    behind = slots[slots.index(slot):]
    return 2 if any(other.owner is Owner.BOOT for other in behind) else 0


def _fits(slot: Slot, spec: specs.DataImageSpec) -> bool:
    if spec.device is None:
        return bool(slot.devices)
    return spec.device in slot.devices


def _no_slot(spec: specs.DataImageSpec, fit: list[Slot]) -> str:
    kind = {specs.Device.CDROM: 'virtual CD or DVD drive',
            specs.Device.USB: 'virtual USB drive',
            None: 'virtual drive for an ISO'}[spec.device]
    if not fit:
        return f'the machine has no {kind}'
    uses = []
    for slot in fit:
        if slot.owner is Owner.BOOT:
            uses.append(f'slot {slot.identity} is the boot image\'s')
        else:
            uses.append(f'slot {slot.identity} holds {slot.title}, which is '
                        'not this data image')
    return f'no {kind} is free: {"; ".join(uses)}'


@dataclasses.dataclass(frozen=True)
class Backoff:
    """How long to wait after failures.

    :param base: seconds after the first.
    :param ceiling: seconds, the longest.
    :param jitter: the part of it that is random, 0 to 1: keeps the nodes
        of a failed switch from coming back all at once.
    """

    base: float
    ceiling: float
    jitter: float = 0.5

    def delay(self, failures: int, random: float) -> float:
        """Return seconds until the next try.

        :param failures: without a success in between, from 1.
        :param random: 0 to 1.
        """
        # The exponent is bounded: it may have failed for years.
        longest = min(self.ceiling, self.base * 2.0 ** min(failures - 1, 32))
        return longest * (1 - self.jitter * random)
