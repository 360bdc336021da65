# SPDX-License-Identifier: Apache-2.0

"""Options of a bootc install: one schema for conductor, agent and docs.

They follow ``bootc install to-disk`` (bootc 1.16.9). What is left out is what
the image decides, or bootc by itself; no flag is passed that nobody asked for.
"""

import collections.abc
import dataclasses
import difflib
import re
import typing

from ironic_ext.bootc import errors
from ironic_ext.bootc import reference

#: For images whose own configuration names no root file system: the one
#: whose mkfs is in next to every image.
FALLBACK_FILESYSTEM = 'ext4'

_MIB = 1 << 20
_UNITS = {'': _MIB, 'M': _MIB, 'G': _MIB << 10, 'T': _MIB << 20}
# Longer than any kernel's command line.
_MAX_ARGUMENT = 2048
_MAX_ARGUMENTS = 256
_MAX_KEYS = 64 << 10
_WEEK = 7 * 24 * 3600

#: Reads a value as it is given, returns it as it is kept.
Reader = collections.abc.Callable[[str, object], typing.Any]


def _refused(name: str, what: str) -> errors.OptionError:
    return errors.OptionError(f'bootc option "{name}" {what}')


def _choice(*choices: str) -> Reader:
    def read(name: str, value: object) -> str:
        if value not in choices:
            raise _refused(name, f'is {value!r:.80}, and not one of '
                                 + ', '.join(choices))
        return str(value)
    return read


def _boolean(name: str, value: object) -> bool:
    found = _truth(value)
    if found is None:
        raise _refused(name, f'is {value!r:.80}: give true or false')
    return found


def _truth(value: object) -> bool | None:
    """Read a truth by the words of oslo's strutils; None for others."""
    word = str(value).strip().lower()
    if word in ('true', 't', 'yes', 'y', 'on', '1'):
        return True
    if word in ('false', 'f', 'no', 'n', 'off', '0'):
        return False
    return None


def stock_flag(name: str, value: object) -> bool:
    """Return what a key of stock Ironic's, in instance_info, says.

    What is neither true nor false is refused: a machine that somebody wanted
    encrypted must not be installed in the clear.

    :raises: OptionError
    """
    found = value is not None and _truth(value)
    if found is None:
        raise errors.OptionError(
            f'instance_info/{name} is {value!r:.80}: give true or false')
    return found


def _size(name: str, value: object) -> int:
    """Return bytes of ``N``, ``NM``, ``NG`` or ``NT``; N alone is MiB."""
    match = re.fullmatch(r'([0-9]{1,9})([MGT]?)', str(value).strip().upper())
    if isinstance(value, bool) or match is None or int(match[1]) == 0:
        raise _refused(name, f'is {value!r:.80}: give a number of MiB, or '
                             'a number with M, G or T')
    return int(match[1]) * _UNITS[match[2]]


def _seconds(name: str, value: object) -> int:
    try:
        seconds = int(str(value))
    except ValueError:
        seconds = 0
    if isinstance(value, bool) or not 60 <= seconds <= _WEEK:
        raise _refused(name, f'is {value!r:.80}: give seconds, 60 to {_WEEK}')
    return seconds


def _arguments(name: str, value: object) -> tuple[str, ...]:
    """Return kernel arguments of a list, or of a line as kernels read it."""
    if isinstance(value, str):
        found: list[object] = [*_of_line(name, value)]
    elif isinstance(value, collections.abc.Sequence) and not isinstance(
            value, bytes):
        found = [*value]
    else:
        raise _refused(name, 'is no list of kernel arguments')
    if len(found) > _MAX_ARGUMENTS:
        raise _refused(name, f'has more than {_MAX_ARGUMENTS} arguments')
    for argument in found:
        if not isinstance(argument, str) or not argument.strip():
            raise _refused(name, 'has an argument that is no text: '
                                 f'{argument!r:.80}')
        if len(argument) > _MAX_ARGUMENT or not argument.isprintable():
            raise _refused(name, 'has an argument that is too long or not '
                                 f'printable: {argument!r:.80}')
    return tuple(typing.cast(list[str], found))


def _of_line(name: str, line: str) -> list[str]:
    """Part a line where a kernel does: at blanks outside double quotes."""
    if line.count('"') % 2:
        raise _refused(name, 'has a double quote that is not closed')
    return re.findall(r'(?:[^\s"]|"[^"]*")+', line)


def _keys(name: str, value: object) -> str:
    """Return authorized_keys, a line for each key, with a line's end."""
    if isinstance(value, str):
        lines = value.splitlines()
    elif isinstance(value, collections.abc.Sequence) and all(
            isinstance(line, str) for line in value):
        lines = [*typing.cast(collections.abc.Sequence[str], value)]
    else:
        raise _refused(name, 'is neither text nor a list of keys')
    lines = [line.strip() for line in lines if line.strip()]
    if any('PRIVATE KEY' in line for line in lines):
        raise _refused(name, 'has a private key in it: give public keys')
    for number, line in enumerate(lines, 1):
        if not line.startswith('#') and (
                len(line.split()) < 2 or not line.isprintable()):
            raise _refused(name, f'has no SSH key in its line {number}')
    text = ''.join(f'{line}\n' for line in lines)
    if not text or len(text) > _MAX_KEYS:
        raise _refused(name, f'has no keys, or more than {_MAX_KEYS} bytes')
    return text


def _imgref(name: str, value: object) -> str:
    """Return a name in a registry, or a path for other transports."""
    if isinstance(value, str) and value.startswith('/'):
        if (not re.fullmatch(r'[A-Za-z0-9/._:+-]{2,512}', value)
                or '..' in value.split('/')):
            raise _refused(name, f'is {value!r:.80}, which is no plain path')
        return value
    try:
        return reference.Reference.parse(value).followed
    except errors.ImageNameError as exc:
        raise _refused(name, f'is of no use: {exc}') from exc


def _words(name: str, value: object) -> tuple[str, ...]:
    found = value.split() if isinstance(value, str) else value
    if not isinstance(found, (list, tuple)) or len(found) > _MAX_ARGUMENTS:
        raise _refused(name, 'is no list of words')
    return tuple(_word(name, word) for word in found)


def _word(name: str, value: object) -> str:
    if not isinstance(value, str) or not re.fullmatch(
            r'[A-Za-z0-9][A-Za-z0-9_.-]{0,62}', value):
        raise _refused(name, f'is {value!r:.80}: give letters, digits, _ . '
                             'and -')
    return value


@dataclasses.dataclass(frozen=True)
class Kind:
    """What is to be known of an option beside its default."""

    #: What may be given, for people.
    takes: str
    help: str
    read: Reader
    choices: tuple[str, ...] = ()


def _option(default: typing.Any, takes: str, help_: str, read: Reader,
            choices: tuple[str, ...] = ()) -> typing.Any:
    return dataclasses.field(default=default, metadata={
        'kind': Kind(takes, help_, read, choices)})


def _chosen(default: str | None, choices: tuple[str, ...], help_: str
            ) -> typing.Any:
    return _option(default, ', '.join(choices), help_, _choice(*choices),
                   choices)


@dataclasses.dataclass(frozen=True)
class Options:
    """What ``instance_info/bootc`` may say; all of it may be left out."""

    filesystem: str | None = _chosen(
        None, ('xfs', 'ext4', 'btrfs'),
        'Root file system. Without it the image decides, and where the '
        f'image does not, it is {FALLBACK_FILESYSTEM}.')
    #: Bytes.
    root_size: int | None = _option(
        None, 'MiB, or a number with M, G or T',
        'Size of the root partition. Without it all of the disk, less what '
        'the config drive and the boot loader need.', _size)
    block_setup: str | None = _chosen(
        None, ('direct', 'tpm2-luks'),
        'tpm2-luks encrypts the root file system with a key that the '
        'machine\'s TPM keeps. Without it the image decides.')
    kargs: tuple[str, ...] = _option(
        (), 'a list, or a line',
        'Kernel arguments to add to those of the image.', _arguments)
    karg_delete: tuple[str, ...] = _option(
        (), 'a list, or a line',
        'Kernel arguments of the image to leave out.', _arguments)
    authorized_keys: str | None = _option(
        None, 'text, or a list of lines',
        'SSH keys that may log in as root.', _keys)
    target_imgref: str | None = _option(
        None, 'registry/repository:tag',
        'What the machine is updated from. Without it the image as it is '
        'named in image_source.', _imgref)
    target_transport: str | None = _chosen(
        None, ('registry', 'oci', 'oci-archive', 'containers-storage'),
        'How the machine gets its updates; bootc\'s default is registry. '
        'With oci and oci-archive, target_imgref is a path on the machine.')
    update_auth: bool = _option(
        False, 'true, false',
        'Leave the secret for the registry on the machine, which its updates '
        'need where the registry is private.', _boolean)
    bound_images: str | None = _chosen(
        None, ('stored', 'skip', 'pull'),
        'What becomes of the images that the image is bound to; bootc\'s '
        'default is stored: the agent fetches them as it fetches the image.')
    selinux: str = _chosen(
        'auto', ('auto', 'disabled'),
        'auto leaves it to bootc, which labels the files of an image that '
        'has SELinux; disabled switches it off in the installed system.')
    bootloader: str | None = _chosen(
        None, ('grub', 'grub-cc', 'systemd', 'none'),
        'Boot loader. Without it the image decides.')
    generic_image: bool = _option(
        False, 'true, false',
        'Install boot loaders of all kinds, and leave the firmware\'s boot '
        'entries alone.', _boolean)
    stateroot: str | None = _option(
        None, 'a word', 'Name of the state root; bootc\'s is "default".',
        _word)
    composefs_backend: bool = _option(
        False, 'true, false', 'Use bootc\'s composefs back end.', _boolean)
    allow_missing_verity: bool = _option(
        False, 'true, false',
        'With composefs_backend: take a root file system without fs-verity.',
        _boolean)
    uki_addon: tuple[str, ...] = _option(
        (), 'a list, or words',
        'With composefs_backend: add-ons of the unified kernel image to '
        'install, without ".efi.addon".', _words)
    bootupd_skip_boot_uuid: bool = _option(
        False, 'true, false',
        'Have bootupd leave the boot partition\'s UUID out of the boot '
        'loader\'s configuration.', _boolean)
    enforce_sigpolicy: bool = _option(
        False, 'true, false',
        'Have the machine refuse updates that its container signature '
        'policy does not let in.', _boolean)
    #: Seconds.
    timeout: int = _option(
        3600, f'60 to {_WEEK}',
        'Seconds that pulling and installing may take together.', _seconds)

    @classmethod
    def parse(cls, given: object) -> typing.Self:
        """Read options as an operator, or ``to_dict()``, gives them.

        Nothing, and a value of None, stand for the default.

        :raises: OptionError
        """
        if given is None:
            return cls()
        if not isinstance(given, collections.abc.Mapping):
            raise errors.OptionError(
                'the bootc options are no JSON object, such as '
                '{"filesystem": "xfs"}')
        known = kinds()
        values = {}
        for name, value in given.items():
            if name not in known:
                raise _unknown(str(name), [*known])
            if value is not None:
                values[name] = known[name].read(name, value)
        return cls(**values)

    def checked(self) -> typing.Self:
        """Return this, unless two options contradict each other.

        :raises: OptionError
        """
        self._check_target()
        if not self.composefs_backend:
            for name in ('allow_missing_verity', 'uki_addon'):
                if getattr(self, name):
                    raise _refused(name, 'has no meaning without '
                                         'composefs_backend')
        elif self.bootloader == 'none':
            raise _refused('bootloader', 'is none, which composefs_backend '
                                         'cannot do without')
        if self.bootupd_skip_boot_uuid and self.bootloader in (
                'systemd', 'none'):
            raise _refused('bootupd_skip_boot_uuid',
                           f'has no meaning with bootloader '
                           f'{self.bootloader}, which goes without bootupd')
        if self.update_auth and self.block_setup == 'tpm2-luks':
            raise _refused('update_auth', 'cannot be had with block_setup '
                           'tpm2-luks: the agent cannot write to an '
                           'encrypted disk')
        return self

    def _check_target(self) -> None:
        path = (self.target_imgref or '').startswith('/')
        if self.target_transport in ('oci', 'oci-archive'):
            if not path:
                raise _refused('target_transport',
                               f'is {self.target_transport}: give the path '
                               'as target_imgref')
        elif path:
            raise _refused('target_imgref', 'is a path, which target_'
                           'transport oci and oci-archive alone take')
        elif (self.target_transport == 'containers-storage'
              and self.target_imgref is None):
            raise _refused('target_transport', 'is containers-storage: give '
                           'the name there as target_imgref')

    def to_dict(self) -> dict[str, typing.Any]:
        """Return what differs from the defaults, fit for JSON."""
        found: dict[str, typing.Any] = {}
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if value == field.default:
                continue
            if field.name == 'root_size':
                value = f'{value // _MIB}M'
            found[field.name] = [*value] if isinstance(value, tuple) else value
        return found

    def arguments(self, *, target_imgref: str, root_size: int,
                  filesystem: str | None = None,
                  authorized_keys_path: str | None = None) -> list[str]:
        """Return the flags of ``bootc install to-disk``, without the device.

        :param target_imgref: name that the user gave the image; the option
            of this name goes first.
        :param root_size: bytes of the root partition, as planned.
        :param filesystem: for images that name none; the option of this name
            goes first.
        :param authorized_keys_path: where the keys lie for the container.
        """
        # The check would need the registry's credentials in the image.
        found = ['--wipe', '--skip-fetch-check',
                 f'--root-size={root_size // _MIB}M',
                 f'--target-imgref={self.target_imgref or target_imgref}']
        for flag, value in (
                ('block-setup', self.block_setup),
                ('filesystem', self.filesystem or filesystem),
                ('target-transport', self.target_transport),
                ('bound-images', self.bound_images),
                ('bootloader', self.bootloader),
                ('stateroot', self.stateroot),
                ('root-ssh-authorized-keys', authorized_keys_path)):
            if value is not None:
                found.append(f'--{flag}={value}')
        found += [f'--karg={argument}' for argument in self.kargs]
        found += [f'--karg-delete={argument}' for argument in
                  self.karg_delete]
        found += [f'--uki-addon={name}' for name in self.uki_addon]
        for flag, wanted in (
                ('generic-image', self.generic_image),
                ('composefs-backend', self.composefs_backend),
                ('allow-missing-verity', self.allow_missing_verity),
                ('enforce-container-sigpolicy', self.enforce_sigpolicy),
                ('bootupd-skip-boot-uuid', self.bootupd_skip_boot_uuid),
                ('disable-selinux', self.selinux == 'disabled')):
            if wanted:
                found.append(f'--{flag}')
        return found


def kinds() -> dict[str, Kind]:
    """Return the schema: name of an option -> what it takes."""
    return {field.name: field.metadata['kind']
            for field in dataclasses.fields(Options)}


def _unknown(name: str, known: list[str]) -> errors.OptionError:
    near = difflib.get_close_matches(name.replace('-', '_'), known, 1, 0.5)
    hint = (f'did you mean "{near[0]}"?' if near
            else f'there are {", ".join(known)}')
    return errors.OptionError(f'there is no bootc option "{name[:80]}": '
                              f'{hint}')
