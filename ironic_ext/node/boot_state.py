# SPDX-License-Identifier: Apache-2.0

"""Where the boot of an instance stands: once or for ever, begun or ended.

What the node's owner says is in ``instance_info``; what a conductor has seen
is in ``driver_internal_info``, under KEY. Pure.
"""

import collections.abc
import dataclasses
import datetime
import enum
import hashlib
import json
import typing

from ironic_ext.web import urls


#: Keys of driver_internal_info.
KEY = 'ext_boot'
GENERATION_KEY = 'ext_boot_generation'
#: Boot modes: until it reports as installed, or as long as assigned.
ONCE, FOREVER = 'once', 'forever'
#: Keys of instance_info.
ISO_KEY, CONFIG_KEY = 'boot_iso', 'boot_config'
MODE_KEY, COMPLETED_KEY = 'ext_boot_mode', 'ext_boot_completed_at'

_Map = collections.abc.Mapping[str, typing.Any]


class Cause(enum.StrEnum):
    """What ended a boot."""

    #: The installer's last script, or the installed system, reported.
    REPORT = 'report'
    #: The node has no ISO to boot any more.
    LOCAL_BOOT = 'local boot'
    #: Somebody ejected the medium by the API.
    EJECT = 'eject'
    #: A rescue took its place, and it was for once.
    RESCUE = 'rescue'


@dataclasses.dataclass(frozen=True, slots=True)
class BootState:
    """What a conductor knows of the boot that it prepared.

    Times are in seconds since the epoch, 0 for what was not seen.

    :ivar mode: ONCE or FOREVER, as it was when the boot was prepared.
    :ivar cause: what ends it, None while nothing does.
    :ivar asked_at: when the conductor learned that.
    :ivar disk_at: when the disk became the boot device.
    :ivar disk_seen: whether the BMC showed that.
    :ivar begun: the generation of the tokens that it was begun with.
    :ivar delivery: how its config was to reach the machine, '' for no
        word on that.
    :ivar interface: the boot interface that prepared it, '' for no word.
    :ivar ended_at: when the medium was seen out of its drive, and the image
        could be read no more.
    :ivar iso: what the boot was prepared of, see choice(); likewise
        ``config``. '' where it was not put on record.
    :ivar lost_at: since when the medium has been missing from its drive.
    :ivar error: why it cannot be looked after, or put back; '' when all is
        well.
    :ivar errors: looks that failed since the last that did not.
    :ivar next_look: not before then.
    """

    mode: str = FOREVER
    cause: Cause | None = None
    asked_at: float = 0
    disk_at: float = 0
    ended_at: float = 0
    disk_seen: bool = False
    begun: int = 0
    iso: str = ''
    config: str = ''
    lost_at: float = 0
    error: str = ''
    errors: int = 0
    next_look: float = 0
    delivery: str = ''
    interface: str = ''

    @property
    def is_ending(self) -> bool:
        """Whether an end was begun and has not been reached."""
        return self.cause is not None and not self.ended_at

    def to_json(self) -> dict[str, typing.Any]:
        """Return what is kept on the node."""
        row = dataclasses.asdict(self)
        row['cause'] = self.cause and self.cause.value
        return row


def of(internal_info: _Map | None) -> BootState:
    """Return the state in ``driver_internal_info``.

    One that was never written is that of a boot without an end.
    """
    row = (internal_info or {}).get(KEY)
    if not isinstance(row, collections.abc.Mapping):
        return BootState()
    return BootState(
        mode=ONCE if row.get('mode') == ONCE else FOREVER,
        cause=next((known for known in Cause
                    if known.value == row.get('cause')), None),
        asked_at=_seconds(row.get('asked_at')),
        disk_at=_seconds(row.get('disk_at')),
        ended_at=_seconds(row.get('ended_at')),
        disk_seen=bool(row.get('disk_seen')),
        begun=_whole(row.get('begun')),
        iso=str(row.get('iso') or ''), config=str(row.get('config') or ''),
        lost_at=_seconds(row.get('lost_at')),
        error=str(row.get('error') or ''),
        errors=_whole(row.get('errors')),
        next_look=_seconds(row.get('next_look')),
        delivery=str(row.get('delivery') or ''),
        interface=str(row.get('interface') or ''))


def generation(internal_info: _Map | None) -> int:
    """Return the generation of a node's tokens that conductors know.

    :param internal_info: its ``driver_internal_info``.
    """
    return _whole((internal_info or {}).get(GENERATION_KEY))


def created(when: object) -> int:
    """Return the generation of a node that had no end yet.

    :param when: its ``created_at``, a datetime or RFC 3339.
    """
    try:
        found = datetime.datetime.fromisoformat(str(when))
    except ValueError:
        return 0
    if found.tzinfo is None:
        found = found.replace(tzinfo=datetime.UTC)
    return max(int(found.timestamp()), 0)


def following(present: int, now: float) -> int:
    """Return the generation after one.

    It is a time, so that a node which lost its record of it (a new driver,
    another node of the same UUID) never comes back to an earlier one.

    :param now: seconds since the epoch.
    """
    return max(int(now), present + 1)


def mode(info: _Map, installs: bool = False) -> str:
    """Return the boot mode that a node is to have.

    :param info: its ``instance_info``; what it says wins.
    :param installs: whether its config has a system install itself, which
        must not happen twice.
    """
    said = info.get(MODE_KEY)
    if said in (ONCE, FOREVER):
        return str(said)
    return ONCE if installs else FOREVER


def choice(info: _Map) -> tuple[str, str]:
    """Return what a node's owner has chosen: ISO and config, to compare.

    :param info: its ``instance_info``; what is secret in it does not show.
    """
    image, config = info.get(ISO_KEY), info.get(CONFIG_KEY)
    if isinstance(config, collections.abc.Mapping):
        text = json.dumps(config, sort_keys=True, default=str)
        config = f'inline {hashlib.sha256(text.encode()).hexdigest()[:16]}'
    return (urls.redacted(image) if isinstance(image, str) else '',
            config if isinstance(config, str) else '')


def cause(info: _Map, state: BootState) -> Cause | None:
    """Return what ends the boot of a node, None while it goes on.

    :param info: its ``instance_info``.
    """
    if state.cause is not None:
        return state.cause
    if not info.get(ISO_KEY):
        return Cause.LOCAL_BOOT
    if info.get(COMPLETED_KEY) and mode(
            info, installs=state.mode == ONCE) == ONCE:
        return Cause.REPORT
    return None


def _seconds(value: object) -> float:
    return float(value) if isinstance(value, (int, float)) else 0.0


def _whole(value: object) -> int:
    return value if isinstance(value, int) and value >= 0 else 0
