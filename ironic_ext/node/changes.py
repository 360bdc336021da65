# SPDX-License-Identifier: Apache-2.0

"""What happened to a host, between two looks at it. Pure."""

import collections.abc
import typing

from ironic_ext.node import data_image
from ironic_ext.node import failure
from ironic_ext.node import host as hosts
from ironic_ext.web import urls

#: What events are about.
ASSIGNED, STATE, POWER, ERROR = 'assigned', 'state', 'power', 'error'
BOOT, MEDIUM, DATA_IMAGE = 'boot', 'medium', 'data image'
#: What machines and BMCs fetch, which no look at a node shows.
SCRIPT, CONFIG, READ = 'script', 'config', 'read'


class Change(typing.NamedTuple):
    """Something that happened.

    :ivar kind: one of the above.
    :ivar text: a sentence.
    """

    kind: str
    text: str


def between(before: hosts.Host, after: hosts.Host
            ) -> collections.abc.Iterator[Change]:
    """Return what happened, in an order that makes sense."""
    if _assigned(before) != _assigned(after):
        yield Change(ASSIGNED, _assigned(after))
    if after.power != before.power and after.power:
        yield Change(POWER, after.power)
    if after.maintenance != before.maintenance:
        yield Change(STATE, 'in maintenance' if after.maintenance
                     else 'no longer in maintenance')
    if (after.provision_state != before.provision_state
            and after.provision_state):
        towards = after.target_provision_state
        yield Change(STATE, after.provision_state + (
            f', on its way to {towards}' if towards else ''))
    yield from _boot(before, after)
    phase = _phase(after)
    if phase != _phase(before):
        yield Change(DATA_IMAGE, phase or 'detached')
    if after.last_error and after.last_error != before.last_error:
        yield Change(ERROR, failure.cause(after.last_error))


def _boot(before: hosts.Host, after: hosts.Host
          ) -> collections.abc.Iterator[Change]:
    old, new = before.boot, after.boot
    if after.completed and after.completed != before.completed:
        yield Change(BOOT, 'the machine reported that it is installed')
    if new.cause is not None and old.cause is None:
        yield Change(BOOT, f'its boot ends: {new.cause.value}')
    if new.disk_at and not old.disk_at:
        yield Change(BOOT, 'the disk is the boot device'
                     + (', as the BMC shows' if new.disk_seen else ''))
    if new.ended_at and not old.ended_at:
        yield Change(MEDIUM, 'out of its drive, and read no more')
    if new.begun and new.begun != old.begun:
        yield Change(MEDIUM, f'prepared: {new.iso}' if new.iso
                     else 'prepared')
    if new.lost_at and not old.lost_at:
        yield Change(MEDIUM, f'lost: {new.error}' if new.error else 'lost')
    if old.lost_at and not new.lost_at and not new.ended_at:
        yield Change(MEDIUM, 'in its drive again')


def _assigned(host: hosts.Host) -> str:
    config = (f' with {host.config_name}' if host.config_name
              else ' with a config of its own' if host.config else '')
    if not host.image:
        return f'to boot from its disk{config}'
    return f'{urls.redacted(host.image)}{config}, {host.boot_mode}'


def _phase(host: hosts.Host) -> str:
    found = data_image.status(host.data_image) or {}
    return str(found.get('phase') or '')
