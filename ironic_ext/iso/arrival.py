# SPDX-License-Identifier: Apache-2.0

"""What of an injection a machine meets on a boot path, and why not."""

import collections.abc
import dataclasses

from ironic_ext.iso import boot_path
from ironic_ext.iso import errors
from ironic_ext.iso import injection as injections
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


#: None is what was not asked for.
Outcome = Arrived | NotReached | None


@dataclasses.dataclass(frozen=True)
class Arrival:
    """What arrives on one boot path.

    :ivar dead: whether nothing starts there anyway.
    :ivar command_lines: (entry, its kernel arguments) as they will be.
    """

    firmware: str
    medium: str
    dead: bool
    arguments: Outcome
    files: Outcome
    initrd_files: Outcome
    command_lines: tuple[tuple[str, str], ...]

    @property
    def name(self) -> str:
        """As people call it: ``uefi-x64 from cd``."""
        return f'{self.firmware} from {self.medium}'

    @property
    def lacks(self) -> tuple[str, ...]:
        """Sentences: what of the injection does not arrive, and why."""
        return tuple(
            f'{what} do not reach it: {outcome.reason}' for what, outcome in (
                ('kernel arguments', self.arguments),
                ('files', self.files),
                ('initrd files', self.initrd_files))
            if isinstance(outcome, NotReached))

    def asked_for(self, wanted: str) -> bool:
        """Whether a name means it; see boot_path.means()."""
        return boot_path.means(wanted, self.firmware, self.medium)


def _why_nothing(path: boot_path.BootPath, what: str) -> str:
    """Return why no kernel can be told anything, '' if they can.

    :param what: would be changed; a unified kernel image has it inside.
    """
    if path.walk.lost:
        return path.walk.lost
    if not path.kernels:
        return 'nothing that it starts is a Linux kernel'
    for start in path.kernels:
        if start.kind == 'uki':
            return f'the {what} is inside {start.config}'
    return ''


def why_no_arguments(path: boot_path.BootPath) -> str:
    """Return why kernel arguments cannot be injected, '' if they can."""
    why = _why_nothing(path, 'command line')
    if why:
        return why
    for start in path.kernels:
        if start.config.device not in _CHANGEABLE:
            return ('the configuration is built into the boot loader '
                    f'({start.config})')
    return ''


def why_no_initrd_files(path: boot_path.BootPath) -> str:
    """Return why initrds cannot get files, '' if they can."""
    why = _why_nothing(path, 'initrd')
    if why:
        return why
    loading = [start for start in path.kernels if start.initrds]
    if not loading:
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
        tuple((start.title or start.ident, ' '.join(start.arguments))
              for start in path.kernels))


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
        words = [_plain(word) for word in start.arguments]
        lacking = [word for word in wanted if word not in words]
        if lacking:
            return NotReached(
                f'the entry "{start.title}" of {start.config} does not get '
                f'{" ".join(lacking)}')
        # What is appended may well be what was removed before.
        left = [word for word in words if word not in wanted and (
            word in unwanted or word.partition('=')[0] in unwanted)]
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


def settle(arrivals: tuple[Arrival, ...],
           wanted: collections.abc.Sequence[str], partial: bool,
           image: str) -> list[str]:
    """Return warnings for what does not arrive, or refuse it.

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
    lacking = [f'{one.name}: {text}' for one in required
               for text in one.lacks]
    if lacking and not partial:
        raise errors.InjectionError(
            f'{image} cannot take the injection on every boot path that is '
            f'asked for: {"; ".join(lacking)}')
    if not wanted and live and all(one.lacks for one in live) \
            and not partial:
        raise errors.InjectionError(
            f'{image} takes the injection on no boot path: '
            + '; '.join(f'{one.name}: {text}' for one in live
                        for text in one.lacks))
    return [f'{one.name}: {text}' for one in live for text in one.lacks]


def _plain(word: str) -> str:
    # The kernel reads a="b c" and "a=b c" as the same argument.
    return word.replace('"', '')
