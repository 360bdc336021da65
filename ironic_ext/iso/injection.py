# SPDX-License-Identifier: Apache-2.0

"""What is to be put into an image: checked values, no image yet."""

import collections.abc
import dataclasses
import functools
import types
import typing

from ironic_ext.iso import errors
from ironic_ext.iso import kernel_args
from ironic_ext import stored

#: Bytes of content that one injection may carry.
MAX_BYTES = 1 << 30
_Data = typing.TypeVar('_Data', bound=stored.Content)

#: Seconds; ISOLINUX counts tenths in 16 bits on some machines.
MAX_TIMEOUT = 3600
MEDIA_CHECKS = ('drop', 'keep', 'reimplant')


@dataclasses.dataclass(frozen=True)
class Injection:
    """What to put into an image.

    :ivar append_args: kernel arguments to append, as one line.
    :ivar delete_args: kernel arguments to remove: ``quiet`` removes that
        word and every ``quiet=...``, ``console=tty0`` just that word.
    :ivar files: path in the image -> content; added or replaced. What is
        stored stays where it lies.
    :ivar initrd_files: path in the initrd -> content.
    :ivar esp_files: path in every EFI system partition -> content.
    :ivar modes: path in the image -> permissions of that file, where they
        are not the usual ones.
    :ivar initrd_modes: likewise in the initrd.
    :ivar timeout: seconds after which the boot menu starts its default by
        itself, at least 1; None leaves menus as they are.
    :ivar default: title or label of the entry that starts then, '' for the
        menu's own default.
    :ivar partition: a file system, whole sectors, that becomes a partition of
        its own where the image has a partition table with room for it.
    :ivar ignition: an Ignition config for the area that CoreOS images
        reserve.
    :ivar media_check: what happens to a checksum that the image carries of
        itself and that a boot may verify. ``drop`` removes the kernel
        argument that asks for it, ``reimplant`` replaces it by one over the
        first 17 sectors (so that it passes, and proves little), ``keep``
        leaves it to fail.
    """

    append_args: str = ''
    delete_args: tuple[str, ...] = ()
    files: collections.abc.Mapping[str, stored.Content] = dataclasses.field(
        default_factory=dict)
    initrd_files: collections.abc.Mapping[str, bytes] = dataclasses.field(
        default_factory=dict)
    esp_files: collections.abc.Mapping[str, bytes] = dataclasses.field(
        default_factory=dict)
    ignition: bytes | None = None
    partition: bytes = b''
    media_check: str = 'drop'
    modes: collections.abc.Mapping[str, int] = dataclasses.field(
        default_factory=dict)
    initrd_modes: collections.abc.Mapping[str, int] = dataclasses.field(
        default_factory=dict)
    timeout: int | None = None
    default: str = ''

    def __post_init__(self) -> None:
        """Refuse values that no boot could use.

        :raises: InjectionError
        """
        kernel_args.parse(self.append_args)
        for item in self.delete_args:
            if len(kernel_args.parse(item)) != 1:
                raise errors.KernelArgumentError(
                    f'"{item}" is not one kernel argument to remove')
        if self.timeout is not None and not (
                1 <= self.timeout <= MAX_TIMEOUT):
            raise errors.InjectionError(
                f'a time-out of {self.timeout} s is none: a boot menu takes '
                f'1 to {MAX_TIMEOUT}')
        if self.default and self.timeout is None:
            raise errors.InjectionError(
                f'"{self.default}" is to start by itself: after how many '
                f'seconds?')
        if any(c < ' ' or c == '\x7f' for c in self.default):
            raise errors.InjectionError(
                f'the boot entry {self.default!r} contains control '
                f'characters')
        if self.media_check not in MEDIA_CHECKS:
            raise errors.InjectionError(
                f'media_check "{self.media_check}" is none of '
                f'{", ".join(MEDIA_CHECKS)}')
        object.__setattr__(self, 'files', types.MappingProxyType(
            _checked(self.files)))
        object.__setattr__(self, 'initrd_files', types.MappingProxyType(
            _checked(self.initrd_files)))
        object.__setattr__(self, 'esp_files', types.MappingProxyType(
            _checked(self.esp_files)))
        for name, files in (('modes', self.files),
                            ('initrd_modes', self.initrd_files)):
            object.__setattr__(self, name, types.MappingProxyType(
                _checked_modes(getattr(self, name), files)))
        groups = (self.files, self.initrd_files, self.esp_files)
        total = len(self.ignition or b'') + len(self.partition) + sum(
            len(content) for group in groups
            for content in group.values())
        if total > MAX_BYTES:
            raise errors.InjectionError(
                f'the files to inject have {total} bytes together; at most '
                f'{MAX_BYTES} can be injected')

    @property
    def empty(self) -> bool:
        """Whether nothing is to be injected."""
        return not (self.changes_arguments or self.files
                    or self.initrd_files or self.esp_files
                    or self.timeout is not None
                    or self.ignition is not None)

    @functools.cached_property
    def arguments(self) -> tuple[str, ...]:
        """The words of ``append_args``."""
        return kernel_args.parse(self.append_args)

    @property
    def changes_arguments(self) -> bool:
        """Whether kernel arguments are appended or removed."""
        return bool(self.arguments or self.delete_args)


def _checked_modes(modes: collections.abc.Mapping[str, int],
                   files: collections.abc.Container[str]
                   ) -> dict[str, int]:
    """Return modes under normal paths.

    :raises: InjectionError for what is no mode, or of no file.
    """
    found = {}
    for path, mode in modes.items():
        where = '/' + '/'.join(part for part in path.split('/')
                               if part not in ('', '.'))
        if where not in files:
            raise errors.InjectionError(
                f'a mode is given for {where}, which is not injected')
        if not 0 <= mode <= 0o7777:
            raise errors.InjectionError(
                f'{mode:#o} is no mode of a file: {where}')
        found[where] = mode
    return found


def _checked(files: collections.abc.Mapping[str, _Data]
             ) -> dict[str, _Data]:
    """Return files under normal paths.

    :raises: InjectionError for paths that leave the image or collide.
    """
    found: dict[str, _Data] = {}
    for path, content in files.items():
        parts = [part for part in path.split('/') if part not in ('', '.')]
        if not parts or path.endswith('/'):
            raise errors.InjectionError(
                f'"{path}" is not a path of a file in the image')
        if '..' in parts:
            raise errors.InjectionError(
                f'the path "{path}" contains "..": name the file from the '
                f'root of the image')
        if any(c < ' ' or c == '\x7f' for c in path):
            raise errors.InjectionError(
                f'the path {path!r} contains control characters')
        where = '/' + '/'.join(parts)
        if where in found:
            raise errors.InjectionError(f'{where} is given twice')
        found[where] = content
    for where in found:
        above = where.rpartition('/')[0]
        while above:
            if above in found:
                raise errors.InjectionError(
                    f'{above} is given as a file and, by {where}, as a '
                    f'directory')
            above = above.rpartition('/')[0]
    return found
