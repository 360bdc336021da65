# SPDX-License-Identifier: Apache-2.0

"""What of an injection a machine meets on a boot path, and why not."""

import collections.abc
import dataclasses
import typing

from ironic_ext.iso import boot_path
from ironic_ext.iso import errors
from ironic_ext.iso import injection as injections
from ironic_ext.iso.loaders import add_on
from ironic_ext.iso.loaders import boot_entry


#: File systems of which configurations can be changed.
_CHANGEABLE = ('iso', 'esp')


@dataclasses.dataclass(frozen=True)
class Arrived:
    """A machine on that path meets it."""


@dataclasses.dataclass(frozen=True)
class NotReached:
    """A machine on that path does not meet it; why."""

    reason: str


@dataclasses.dataclass(frozen=True)
class NoEntry(NotReached):
    """Its menu has no entry of that name, but others."""

    entry: str
    names: tuple[str, ...]


#: Kinds of what starts an operating system from the image.
_SYSTEMS = ('linux', 'uki')
_MAX_LISTED = 20


#: None is what was not asked for.
Outcome = Arrived | NotReached | None


class Arrival(typing.NamedTuple):
    """What arrives on one boot path.

    :ivar dead: whether nothing starts there anyway.
    :ivar command_lines: (entry, its kernel arguments) as they will be.
    :ivar unattended: whether it starts by itself what was asked for.
    :ivar starts: what happens when nobody touches the machine.
    """

    firmware: str
    medium: str
    dead: bool
    arguments: Outcome
    files: Outcome
    initrd_files: Outcome
    command_lines: tuple[tuple[str, str], ...]
    unattended: Outcome = None
    starts: str = ''

    @property
    def name(self) -> str:
        """As people call it: ``uefi-x64 from cd``."""
        return f'{self.firmware} from {self.medium}'

    @property
    def waits(self) -> bool:
        """Whether nothing starts before somebody touches the machine."""
        return self.starts.startswith(boot_path.WAITS)

    @property
    def lacks(self) -> tuple[str, ...]:
        """Sentences: what of the injection does not arrive, and why."""
        return tuple(
            f'{what} do not reach it: {outcome.reason}' for what, outcome in (
                ('kernel arguments', self.arguments),
                ('files', self.files),
                ('initrd files', self.initrd_files))
            if isinstance(outcome, NotReached)) + ((
                f'it does not start by itself as asked: '
                f'{self.unattended.reason}',) if isinstance(
                    self.unattended, NotReached) else ())

    def asked_for(self, wanted: str) -> bool:
        """Whether a name means it; see boot_path.means()."""
        return boot_path.means(wanted, self.firmware, self.medium)


def _why_nothing(path: boot_path.BootPath, what: str, stub: int) -> str:
    """Return why no kernel can be told anything, '' if they can.

    :param what: would be changed; a unified kernel image has it inside.
    :param stub: the version of systemd whose stub takes more of it.
    """
    if path.walk.lost:
        return path.walk.lost
    if not path.kernels:
        return 'nothing that it starts is a Linux kernel'
    for start in path.kernels:
        if start.kind == 'uki' and (why := add_on.why_none(start, stub)):
            return f'the {what} is inside {start.config}{why}'
    return ''


def why_no_arguments(path: boot_path.BootPath) -> str:
    """Return why kernel arguments cannot be injected, '' if they can."""
    why = _why_nothing(path, 'command line', add_on.ARGUMENTS)
    if why:
        return why
    for start in path.kernels:
        if start.config.device not in _CHANGEABLE:
            return ('the configuration is built into the boot loader '
                    f'({start.config})')
    return ''


def why_no_initrd_files(path: boot_path.BootPath) -> str:
    """Return why initrds cannot get files, '' if they can."""
    why = _why_nothing(path, 'initrd', add_on.INITRDS)
    if why:
        return why
    loading = [start for start in path.kernels
               if start.initrds and start.kind != 'uki']
    if not loading and all(start.kind != 'uki' for start in path.kernels):
        return 'no kernel that it starts has an initrd'
    for start in loading:
        places = {place.device for place in start.initrds}
        if 'iso' in places:
            continue
        if places == {'esp'}:
            if start.config.device == 'esp' and path.loader == \
                    'systemd-boot':
                continue
            return 'the initrd is inside the EFI system partition'
        return 'the initrd is inside the boot loader'
    return ''


def choose(path: boot_path.BootPath, entry: str
           ) -> boot_entry.Start | NotReached:
    """Return what is to start by itself on a boot path, or why nothing can.

    :param entry: a title or label; '' for the menu's own default, which is
        never one that boots the disk.
    """
    walk = path.walk
    if walk.lost:
        return NotReached(walk.lost)
    names = tuple(dict.fromkeys(start.name for start in walk.starts
                                if start.choice and start.name))
    listed = _listed(names)
    if not entry:
        start = walk.unattended
        if start is None:
            return NotReached(f'its menu has no default; {listed}')
        if start.kind not in _SYSTEMS:
            return NotReached(
                f'what its menu starts by default, "{start.name}", is no '
                f'system of the image; {listed}')
        return start
    found = [start for start in walk.starts
             if entry in (start.title, start.ident)] or [
        start for start in walk.starts if entry.casefold() in (
            start.title.casefold(), start.ident.casefold())]
    if not found:
        return NoEntry(f'its menu has no entry "{entry}"; {listed}', entry,
                       names)
    return next((start for start in found if start.choice), NotReached(
        f'"{entry}" is in another menu than the first; {listed}'))


def _listed(names: collections.abc.Sequence[str]) -> str:
    """Say which entries can be named."""
    return 'name one of its entries: ' + ', '.join(
        f'"{name}"' for name in names[:_MAX_LISTED]) \
        if names else 'it has no entry that could be named'


def _unattended(path: boot_path.BootPath, injection: injections.Injection
                ) -> Outcome:
    """Judge what the changed menu starts."""
    if injection.timeout is None:
        return None
    wanted = choose(path, injection.default)
    if isinstance(wanted, NotReached):
        return wanted
    walk = path.walk
    got = walk.unattended
    if got is None or (got.title, got.ident) != (wanted.title, wanted.ident):
        return NotReached('what makes its menu sets another default, in '
                          f'{", ".join(map(str, walk.configs))}')
    if walk.menu is None and len(walk.starts) == 1 and walk.seconds == 0:
        # Without a menu it starts at once.
        return Arrived()
    if walk.menu is None:
        return NotReached('its menu is built into the boot loader; it '
                          f'starts by itself: {path.unattended}')
    if walk.seconds != injection.timeout:
        return NotReached('what makes its menu sets another time-out, in '
                          f'{", ".join(map(str, walk.configs))}')
    return Arrived()


def judge(path: boot_path.BootPath, injection: injections.Injection,
          grown: collections.abc.Set[boot_entry.Place]) -> Arrival:
    """Say what of an injection a machine meets on a path.

    :param path: as the loader goes in the changed image.
    :param grown: the initrds that have the files.
    """
    return Arrival(
        path.firmware, path.medium, path.dead,
        _arguments(path, injection), Arrived() if injection.files else None,
        _initrd_files(path, injection, grown),
        tuple((start.name, ' '.join(start.arguments))
              for start in path.kernels),
        _unattended(path, injection), path.unattended)


def _arguments(path: boot_path.BootPath, injection: injections.Injection
               ) -> Outcome:
    if not injection.changes_arguments:
        return None
    why = why_no_arguments(path)
    if why:
        return NotReached(why)
    wanted = [_plain(word) for word in injection.arguments]
    unwanted = {_plain(word) for word in injection.delete_args}
    for start in path.kernels:
        words = [word.replace('"', '') for word in start.arguments]
        lacking = [word for word in wanted if word not in words]
        if lacking:
            return NotReached(
                f'the entry "{start.title}" of {start.config} does not get '
                f'{" ".join(lacking)}')
        # What is appended may well be what was removed before.
        left = [word for word in words if word not in wanted and (
            word in unwanted or word.partition('=')[0] in unwanted)
        ] if unwanted else []
        if left:
            return NotReached(
                f'the entry "{start.title}" of {start.config} keeps '
                f'{" ".join(left)}')
    return Arrived()


def _initrd_files(path: boot_path.BootPath,
                  injection: injections.Injection,
                  grown: collections.abc.Set[boot_entry.Place]
                  ) -> Outcome:
    if not injection.initrd_files:
        return None
    why = why_no_initrd_files(path)
    if why:
        return NotReached(why)
    for start in path.kernels:
        if start.initrds and not any(
                place in grown for place in start.initrds):
            return NotReached(
                f'the entry "{start.title}" of {start.config} loads other '
                f'initrds: {", ".join(map(str, start.initrds))}')
    return Arrived()


def settle(arrivals: tuple[Arrival, ...], injection: injections.Injection,
           wanted: collections.abc.Sequence[str], partial: bool,
           image: str) -> list[str]:
    """Return warnings for what does not arrive, or refuse it.

    :param injection: that was asked for.
    :param wanted: see planner.inject().
    :param image: what it is called.
    :raises: InjectionError
    """
    live = [one for one in arrivals if not one.dead]
    required = [one for one in live
                if any(one.asked_for(name) for name in wanted)]
    for name in wanted:
        if name != 'all' and not any(one.asked_for(name) for one in live):
            raise errors.InjectionError(
                f'{image} does not boot by {name}: it boots by '
                f'{", ".join(one.name for one in live) or "nothing"}')
    _refuse_slip(image, live)
    told = _told(required)
    if told and (not partial or _is_all(injection, required)):
        raise errors.InjectionError(
            f'{image} cannot take the injection on every boot path that is '
            f'asked for: {"; ".join(told)}')
    if not wanted and live and all(one.lacks for one in live) and (
            not partial or _is_all(injection, live)):
        raise errors.InjectionError(
            f'{image} takes the injection on no boot path: '
            + '; '.join(_told(live)))
    if live or not _is_of_boots(injection):
        return [f'{one.name}: {text}' for one in live for text in one.lacks]
    why = '; '.join([f'{image} boots by nothing', *_told(arrivals)])
    if not partial or _is_all(injection, arrivals):
        raise errors.InjectionError(why)
    return [why]


def _is_of_boots(injection: injections.Injection) -> bool:
    """Tell whether nobody meets some of it unless the image boots."""
    return bool(injection.changes_arguments or injection.initrd_files
                or injection.timeout is not None)


def _is_all(injection: injections.Injection,
            arrivals: collections.abc.Iterable[Arrival]) -> bool:
    """Tell whether nothing is left beside what does not arrive."""
    return not (injection.files or injection.esp_files
                or injection.ignition is not None or any(
                    isinstance(outcome, Arrived) for one in arrivals
                    for outcome in (one.arguments, one.initrd_files,
                                    one.unattended)))


def _refuse_slip(image: str, live: collections.abc.Sequence[Arrival]
                 ) -> None:
    """Refuse a name of an entry that no menu has, in one sentence for all.

    :raises: InjectionError
    """
    menus = [one.unattended for one in live
             if isinstance(one.unattended, NoEntry)]
    if not menus or len(menus) != len(live):
        return
    # What can be named on every path, or else on some.
    names = [name for name in menus[0].names if all(
        name in menu.names for menu in menus)] or list(dict.fromkeys(
            name for menu in menus for name in menu.names))
    raise errors.InjectionError(
        f'no boot menu of {image} has an entry "{menus[0].entry}"; '
        f'{_listed(names)}')


def _told(arrivals: collections.abc.Iterable[Arrival]) -> list[str]:
    """Return each sentence once, behind the paths that it is true of."""
    paths: dict[str, list[str]] = {}
    for one in arrivals:
        for text in one.lacks:
            paths.setdefault(text, []).append(one.name)
    return [f'{", ".join(names)}: {text}' for text, names in paths.items()]


def _plain(word: str) -> str:
    # The kernel reads a="b c" and "a=b c" as the same argument.
    return word.replace('"', '')
