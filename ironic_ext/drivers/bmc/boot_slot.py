# SPDX-License-Identifier: Apache-2.0

"""Which of several virtual drives a machine boots from.

Redfish's boot device "Cd" names no drive, and firmware goes through them in
an order of its own, which is taken to be the BMC's. Where a medium lies in
front of the boot medium, the machine is told the drive by its boot option
(schemas ComputerSystem, property Boot, and BootOption), or nothing is begun.
"""

import collections.abc
import re
import typing

from ironic.drivers.modules.redfish import utils as redfish_utils
import sushy
from sushy.resources import base

from ironic_ext.drivers.bmc import drives
from ironic_ext.drivers.bmc import quirks
from ironic_ext.drivers.bmc import slots as redfish_slots
from ironic_ext.media import medium as media

_Media = collections.abc.Collection[media.Medium]

_TARGET = 'BootSourceOverrideTarget'
_PATH = 'UefiTargetBootSourceOverride'
_ALLOWED = '@Redfish.AllowableValues'
_UEFI_TARGET = sushy.BootSource.UEFI_TARGET.value
_BOOT_NEXT = sushy.BootSource.UEFI_BOOT_NEXT.value
_NO_OPTION = ('its BMC shows no boot option of that drive, and "Cd" may be '
              'any')
#: Firmware that lists more than that is not asked about all of them.
_MAX_OPTIONS = 64


class _BootOption(base.ResourceBase):
    """One entry of the firmware's boot menu."""

    reference = base.Field('BootOptionReference', default='')
    display_name = base.Field('DisplayName', default='')
    device_path = base.Field('UefiDevicePath', default='')
    related = base.Field('RelatedItem', default=[])

    def is_about(self, slot: typing.Any) -> bool:
        """Tell whether the entry says that it is this virtual drive."""
        links = self.related if isinstance(self.related, list) else []
        return any(isinstance(link, dict)
                   and link.get('@odata.id') == slot.path for link in links)

    def names(self, slot: typing.Any) -> bool:
        """Tell whether the entry has the name of this virtual drive."""
        words = {name for name in (slot.identity, slot.name) if name}
        return any(re.search(rf'(?<!\w){re.escape(word)}(?!\w)',
                             str(self.display_name), re.IGNORECASE)
                   for word in words)


class _BootOptions(base.ResourceCollectionBase):

    @property
    def _resource_type(self) -> type[_BootOption]:
        return _BootOption


class _Machine(base.ResourceBase):
    """A ComputerSystem, as far as it says what it boots."""

    options_path = base.Field(['Boot', 'BootOptions', '@odata.id'])

    def boot(self) -> dict[str, typing.Any]:
        """Return Boot as it is at this moment."""
        self.refresh(force=True)
        found = self.json.get('Boot')
        return found if isinstance(found, dict) else {}

    def options(self) -> list[_BootOption]:
        """Return the firmware's boot options, as far as they are shown."""
        if not self.options_path:
            return []
        options = _BootOptions(self._conn, self.options_path,
                               redfish_version=self.redfish_version,
                               root=self.root)
        return [options.get_member(identity) for identity
                in options.members_identities[:_MAX_OPTIONS]]

    def write_boot(self, values: dict[str, str]) -> None:
        """Change properties of Boot, all at once."""
        self._conn.patch(self.path, data={'Boot': values},
                         etag=self._get_etag())
        self.invalidate()


def require(task: typing.Any, media_: _Media, *, stays: bool) -> None:
    """See that a machine that is to boot from "Cd" boots one of these media.

    Nothing is done where no other medium lies in front of it.

    :param stays: whether that is for every start, not for the next alone.
    :raises: MediaError, naming both drives, where the BMC has no way to
        tell the machine which.
    """
    with drives.asked(task):
        found = _disputed(task, media_)
        if found is None:
            return
        slot, rivals = found
        machine = _machine(task)
        reason = _choose(machine, slot, rivals, stays)
    if reason:
        raise _refusal(task, slot, rivals[0], reason)


def foresee(task: typing.Any, slots: list[typing.Any], *, stays: bool
            ) -> None:
    """Refuse what require() is going to refuse, as far as it shows now.

    What will be taken out of a drive first is no obstacle; what lies in one
    for its vendor alone stays. Only then the BMC is asked for more.

    :param slots: see drives.drives().
    :raises: MediaError
    """
    slot = drives.bootable(task, slots)[0]
    rivals = [other for other in slots[:slots.index(slot)]
              if drives.is_disc(other) and quirks.is_inserted(other)
              and not quirks.takes_media(other)]
    if not rivals:
        return
    with drives.asked(task):
        machine = _machine(task)
        option = _option_of(machine.options(), slot, rivals)
        if option is None:
            reason = _NO_OPTION
        elif next(_ways(machine.boot(), option, stays), None) is None:
            reason = _no_way(stays)
        else:
            return
    raise _refusal(task, slot, rivals[0], reason)


def _refusal(task: typing.Any, slot: typing.Any, first: typing.Any,
             reason: str) -> drives.MediaError:
    return drives.MediaError(
        f'node {task.node.uuid} has {redfish_slots.title(first)} in slot '
        f'{first.identity}, in front of its boot medium in slot '
        f'{slot.identity}, and might boot that: {reason}. Eject what is '
        f'in slot {first.identity}, and try again')


def _no_way(stays: bool) -> str:
    return ('its BMC cannot be told a boot option'
            + (' that stays' if stays else ''))


def chosen(task: typing.Any) -> typing.Any:
    """Return the drive that a machine was told to boot from.

    :returns: a slot as sushy shows it, None where it was told none.
    :raises: MediaError when the BMC cannot be asked.
    """
    with drives.asked(task):
        machine = _machine(task)
        boot = machine.boot()
        target = boot.get(_TARGET)
        if target not in (_UEFI_TARGET, _BOOT_NEXT):
            return None
        slots = _discs(task)
        for slot in slots:
            option = _option_of(machine.options(), slot,
                                [other for other in slots if other != slot])
            if option and (boot.get(_PATH) == option.device_path
                           if target == _UEFI_TARGET
                           else boot.get('BootNext') == option.reference):
                return slot
    return None


def _machine(task: typing.Any) -> _Machine:
    system = redfish_utils.get_system(task.node)
    machine: _Machine = system.clone_resource(_Machine, system.path)
    return machine


def _discs(task: typing.Any) -> list[typing.Any]:
    return [slot for slot in drives.drives(task) if drives.is_disc(slot)]


def _disputed(task: typing.Any, media_: _Media
              ) -> tuple[typing.Any, list[typing.Any]] | None:
    """Return the boot medium's slot, and those in front with media."""
    rivals: list[typing.Any] = []
    for slot in _discs(task):
        if redfish_slots.holds(slot, media_):
            return (slot, rivals) if rivals else None
        if quirks.is_inserted(slot):
            rivals.append(slot)
    return None


def _choose(machine: _Machine, slot: typing.Any,
            rivals: list[typing.Any], stays: bool) -> str:
    """Have a machine boot from a drive; return why it cannot be had."""
    boot = machine.boot()
    option = _option_of(machine.options(), slot, rivals)
    if option is None:
        return _NO_OPTION
    reason = ''
    for values in _ways(boot, option, stays):
        try:
            machine.write_boot(values)
        except (sushy.exceptions.BadRequestError,
                sushy.exceptions.NotAcceptableError,
                sushy.exceptions.ResourceNotFoundError) as exc:
            reason = ('its BMC refuses to boot from that drive: '
                      f'{redfish_slots.reason(exc)}')
            continue
        shown = machine.boot()
        if all(shown.get(key) == value for key, value in values.items()):
            return ''
        reason = ('its BMC took the boot option of that drive, and does not '
                  'show it')
    return reason or _no_way(stays)


def _ways(boot: dict[str, typing.Any], option: _BootOption, stays: bool
          ) -> collections.abc.Iterator[dict[str, str]]:
    """Yield what to write, the best way first, by what the BMC offers."""
    targets = boot.get(_TARGET + _ALLOWED) or ()
    paths = boot.get(_PATH + _ALLOWED)
    enabled = {'BootSourceOverrideEnabled': (
        sushy.BootSourceOverrideEnabled.CONTINUOUS if stays
        else sushy.BootSourceOverrideEnabled.ONCE).value}
    if (_UEFI_TARGET in targets and option.device_path
            and (not paths or option.device_path in paths)):
        yield {_TARGET: _UEFI_TARGET, _PATH: option.device_path, **enabled}
    # Of UEFI's BootNext there is no more than the next start.
    if _BOOT_NEXT in targets and option.reference and not stays:
        yield {_TARGET: _BOOT_NEXT, 'BootNext': option.reference, **enabled}


def _option_of(options: list[_BootOption], slot: typing.Any,
               others: list[typing.Any]) -> _BootOption | None:
    """Return the boot option of a drive, if one is sure to be it."""
    about = [option for option in options if option.is_about(slot)]
    if not about:
        about = [option for option in options if option.names(slot)
                 and not any(option.names(other) or option.is_about(other)
                             for other in others)]
    return about[0] if len(about) == 1 else None
