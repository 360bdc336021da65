# SPDX-License-Identifier: Apache-2.0

"""What a format of boot configs is, and how its files reach a machine.

Each format is one class behind the entry points
``ironic_ext.boot_config_formats``.
"""

import abc
import collections.abc
import dataclasses
import re
import typing

from ironic_ext.config_formats import errors
from ironic_ext import iso
from ironic_ext.iso.facts import system as systems
from ironic_ext.iso.loaders import discovery
from ironic_ext.iso.loaders import ignition_area as areas

#: Version of the interface that formats of other packages are written for.
#: It grows when one of before would not do any more.
INTERFACE = 1

Files = collections.abc.Mapping[str, str]

#: What can stand in a kernel argument without quotes; ";" parts words for
#: GRUB and for cloud-init.
_URL = re.compile(r'https?://[^\s"\'\\;]+/')
#: A directory of the image -> where the booted system has the image, the
#: first that fits. casper(7), live-boot(7), archiso, dracut's dmsquash-live.
_MOUNT_POINTS = (
    ('/casper', '/cdrom'), ('/live', '/run/live/medium'),
    ('/arch', '/run/archiso/bootmnt'), ('/LiveOS', '/run/initramfs/live'),
    ('/dists', '/cdrom'))


@dataclasses.dataclass(frozen=True)
class ImageFacts:
    """What a format wants to know of the ISO.

    :ivar volume_id: label of the file system, as udev says it.
    :ivar mount_point: where the system that it boots has the ISO's files,
        '' if that cannot be told.
    :ivar takes_initrd_files: whether files can be added to its initrds.
    :ivar ignition_area: where CoreOS expects a config.
    :ivar flatcar: whether it is Flatcar, which has a switch of its own.
    :ivar system: whose ISO it is, '' if that cannot be told.
    :ivar mark: the path by which that is told.
    """

    volume_id: str = ''
    mount_point: str = ''
    takes_initrd_files: bool = True
    ignition_area: areas.IgnitionArea | None = None
    flatcar: bool = False
    system: str = ''
    mark: str = ''

    @classmethod
    def of(cls, image: iso.IsoImage) -> 'ImageFacts':
        """Look into an open image.

        :raises: iso.CorruptImageError
        """
        mount_point = ''
        for directory, where in _MOUNT_POINTS:
            found = image.main.find(directory)
            if found is not None and image.main.entry(*found).is_dir:
                mount_point = where
                break
        found_system = systems.of(image)
        return cls(image.label, mount_point,
                   bool(discovery.initrds(image)),
                   areas.locate(image),
                   image.main.find('/flatcar') is not None,
                   found_system.name, found_system.mark)


@dataclasses.dataclass(frozen=True)
class Placement:
    """What a config puts into an image.

    :ivar arguments: kernel arguments to append, as one line. Secret as the
        next three: a URL in them may be.
    :ivar files: path in the image -> content.
    :ivar initrd_files: path in the initrd -> content.
    :ivar ignition: what goes into the area for Ignition.
    :ivar notes: sentences that an operator should know.
    """

    arguments: str = dataclasses.field(default='', repr=False)
    files: collections.abc.Mapping[str, bytes] = dataclasses.field(
        default_factory=dict, repr=False)
    initrd_files: collections.abc.Mapping[str, bytes] = dataclasses.field(
        default_factory=dict, repr=False)
    ignition: bytes | None = dataclasses.field(default=None, repr=False)
    notes: tuple[str, ...] = ()

    def onto(self, injection: iso.Injection) -> iso.Injection:
        """Return an injection with the config added.

        The injection's own kernel arguments come last, and so win.

        :raises: ConfigError when both have a file, iso.InjectionError
        """
        for mine, theirs in ((self.files, injection.files),
                             (self.initrd_files, injection.initrd_files)):
            for path in mine:
                if path in theirs:
                    raise errors.refusal(
                        f'the boot config and the node\'s own files both '
                        f'have {path}: leave it out of one of them')
        return dataclasses.replace(
            injection,
            append_args=' '.join(filter(None, (self.arguments,
                                               injection.append_args))),
            files={**injection.files, **self.files},
            initrd_files={**injection.initrd_files, **self.initrd_files},
            ignition=(injection.ignition if self.ignition is None
                      else self.ignition))


class BootConfigFormat(abc.ABC):
    """A format. It has no state.

    ``files`` are the config's files after templates, ``primary`` is one of
    them, or '' where a format does without.
    """

    #: The version of this interface that the format was written for.
    interface: typing.ClassVar[int] = INTERFACE
    #: What users call it, for messages.
    title: typing.ClassVar[str]
    #: Of the primary file.
    content_type: typing.ClassVar[str] = 'text/plain; charset=utf-8'
    #: Names that are the primary file without being declared so.
    primaries: typing.ClassVar[tuple[str, ...]] = ()
    needs_primary: typing.ClassVar[bool] = True
    #: Whether the primary file has no other name than the first of these.
    has_fixed_name: typing.ClassVar[bool] = False
    #: Whether a machine that boots with it installs a system, which must
    #: not happen a second time by itself.
    installs: typing.ClassVar[bool] = False
    #: The systems that read it, as ImageFacts calls them; none is any.
    systems: typing.ClassVar[tuple[str, ...]] = ()

    def misfit(self, image: ImageFacts) -> str:
        """Return why the system of an image does not read it, or ''.

        What system that is, is not known of every image.
        """
        if not self.systems or image.system in ('', *self.systems):
            return ''
        mark = f' ({image.mark})' if image.mark else ''
        return (f'this looks like an ISO of {image.system}{mark}, which '
                f'reads no {self.title} config; that is for '
                f'{" and ".join(self.systems)}')

    def primary(self, files: Files, declared: str) -> str:
        """Return the file that answers "what is my config?".

        :param declared: ``spec.primary``.
        :raises: ConfigError
        """
        if declared:
            return declared
        if len(files) == 1:
            return next(iter(files))
        for name in self.primaries:
            if name in files:
                return name
        if not self.needs_primary:
            return ''
        raise errors.refusal(
            f'there are {len(files)} files: name the one that the machine '
            f'is to get as its config in "primary" '
            f'({", ".join(sorted(files)[:10])})')

    def completed(self, files: Files, primary: str) -> Files:
        """Return the files with those that the format adds by itself."""
        return files

    @abc.abstractmethod
    def validate(self, files: Files, primary: str
                 ) -> list[errors.Finding]:
        """Return what is wrong with the files, [] for nothing."""

    @abc.abstractmethod
    def place(self, files: Files, primary: str, image: ImageFacts
              ) -> Placement:
        """Plan how the files go into an image.

        :raises: ConfigError when that image cannot take them,
            iso.NoSpaceError
        """

    @abc.abstractmethod
    def arguments_by_url(self, primary: str, base_url: str) -> str:
        """Return the kernel arguments that make a machine fetch them.

        :param base_url: the files' directory, ends in "/"; was checked.
        :raises: ConfigError when the format has no such way.
        """


def require_url(base_url: str) -> None:
    """Refuse a URL that cannot stand in a kernel argument.

    :raises: ConfigError
    """
    if not _URL.fullmatch(base_url) or not base_url.isascii():
        raise errors.refusal(
            'the URL of the config must begin with http:// or https://, end '
            'in "/" and have no blanks, quotes or semicolons')


def encoded(files: Files, directory: str) -> dict[str, bytes]:
    """Return the files under a directory, which ends in "/"."""
    return {directory + path: text.encode() for path, text in files.items()}
