# SPDX-License-Identifier: Apache-2.0

"""Whether an image will do what a node wants of it, on this machine.

Judged on values, when the image is there and the disk is still as it was:
bootc itself finds most of this out when the disk is wiped already.
"""

import collections.abc
import dataclasses

from ironic_ext.bootc import errors
from ironic_ext.bootc import options as bootc_options
from ironic_python_agent_ext.bootc.image import facts as image_facts
from ironic_python_agent_ext.bootc import machine as machines

DIRECT = 'direct'
LUKS = 'tpm2-luks'


@dataclasses.dataclass(frozen=True)
class Layout:
    """What the disk will look like, as image and node want it together."""

    #: "direct" or "tpm2-luks".
    block_setup: str
    #: None where nobody says so, or where it could not be found out.
    filesystem: str | None
    #: Whether the ESP holds kernels.
    composefs: bool

    @property
    def encrypted(self) -> bool:
        """Whether the root file system lies in LUKS."""
        return self.block_setup == LUKS


def layout(image: str, options: bootc_options.Options,
           facts: image_facts.Facts, machine: machines.Machine) -> Layout:
    """Put the wishes of image and node together.

    :raises: ImageWishError, NoTpmError
    """
    wishes = facts.configuration or image_facts.Configuration()
    block_setup = _block_setup(image, options, wishes.block)
    composefs = options.composefs_backend or facts.unified
    if facts.unified:
        _require_no_arguments(image, options)
    if composefs:
        _require_some_loader(image, options, wishes)
    elif facts.history is False:
        raise errors.ImageWishError(
            f'the config of image {image} has less history than the image '
            'has layers, which bootc refuses ("Truncated history"): build '
            'it anew, as podman, buildah and docker do')
    if not machine.zipl:
        _require_bootupd(image, options, wishes, facts, composefs)
    _require_tools(image, options, facts, block_setup)
    found = Layout(block_setup,
                   options.filesystem or wishes.filesystem, composefs)
    if found.encrypted:
        _require_encryption(image, options, machine)
        if options.update_auth:
            raise errors.ImageWishError(
                f'option "update_auth" is set, and image {image} wants '
                'tpm2-luks: the agent cannot write to an encrypted disk')
    return found


def _block_setup(image: str, options: bootc_options.Options,
                 allowed: tuple[str, ...] | None) -> str:
    """Choose among what the image allows.

    :param allowed: None for an image that says nothing of it.
    """
    wanted = options.block_setup
    if allowed is None:
        return wanted or DIRECT
    if not allowed:
        raise errors.ImageWishError(
            f'the install configuration of image {image} has an empty '
            '"block", which allows no installation: leave it out there, or '
            'name what is allowed')
    if wanted is not None and wanted not in allowed:
        raise errors.ImageWishError(
            f'option "block_setup" is {wanted}, and image {image} allows '
            f'{", ".join(allowed)} alone: leave the option out, or change '
            '"block" in the image\'s install configuration')
    return wanted or allowed[0]


def _require_no_arguments(image: str, options: bootc_options.Options
                          ) -> None:
    """Refuse kernel arguments that have nowhere to go."""
    for name in 'kargs', 'karg_delete':
        if getattr(options, name):
            raise errors.ImageWishError(
                f'option "{name}" is set, and image {image} has a unified '
                'kernel image, which has its arguments in itself: leave the '
                'option out; an add-on of the image (option "uki_addon") '
                'may have more of them')


def _require_tools(image: str, options: bootc_options.Options,
                   facts: image_facts.Facts, block_setup: str) -> None:
    """Refuse what the image has no program for."""
    if facts.tools is None:
        return
    needed = {}
    filesystem = options.filesystem
    if filesystem is None and facts.configuration is not None:
        filesystem = (facts.configuration.filesystem
                      or bootc_options.FALLBACK_FILESYSTEM)
    if filesystem is not None:
        needed[f'mkfs.{filesystem}'] = f'root file system {filesystem}'
    if block_setup == LUKS:
        needed |= dict.fromkeys(('cryptsetup', 'systemd-cryptenroll'), LUKS)
    for name, what in needed.items():
        if name not in facts.tools:
            raise errors.ImageWishError(
                f'image {image} has no {name}, which {what} takes: choose '
                'another one, or put it into the image')


def _require_some_loader(image: str, options: bootc_options.Options,
                         wishes: image_facts.Configuration) -> None:
    """Refuse composefs without a boot loader."""
    loader, whose = _loader(image, options, wishes)
    if loader == 'none':
        why = ('option "composefs_backend" is set'
               if options.composefs_backend
               else 'the image has a unified kernel image')
        raise errors.ImageWishError(
            f'{whose} says bootloader none, which composefs cannot do '
            f'without, and {why}')


def _require_bootupd(image: str, options: bootc_options.Options,
                     wishes: image_facts.Configuration,
                     facts: image_facts.Facts, composefs: bool) -> None:
    """Refuse what ends in "bootupd is required" after the import.

    With composefs bootc falls back on systemd-boot where there is none.
    """
    loader, whose = _loader(image, options, wishes)
    if not composefs and loader in ('systemd', 'grub-cc'):
        raise errors.ImageWishError(
            f'{whose} says bootloader {loader}, which bootc installs with '
            'composefs alone: set option "composefs_backend" as well, or '
            'leave "bootloader" to bootupd')
    if facts.tools is None or (facts.boot_payload
                               and 'bootupctl' in facts.tools):
        return
    without = f'image {image} has no bootupd (bootupctl and ' \
              '/usr/lib/bootupd/updates)'
    if composefs and loader in ('grub', 'grub-cc'):
        raise errors.ImageWishError(
            f'{whose} says bootloader {loader}, and {without}')
    if not composefs and loader != 'none':
        raise errors.ImageWishError(
            f'{without}, which installs the boot loader unless option '
            '"composefs_backend" is set')


def _loader(image: str, options: bootc_options.Options,
            wishes: image_facts.Configuration) -> tuple[str | None, str]:
    """Return the boot loader that is wanted, and who wants it."""
    if options.bootloader is not None:
        return options.bootloader, 'option "bootloader"'
    return (wishes.bootloader,
            f'the install configuration of image {image}')


def require_flags(image: str, arguments: collections.abc.Iterable[str],
                  facts: image_facts.Facts) -> None:
    """Make sure that the image's bootc takes an install's arguments.

    :param arguments: of ``bootc install to-disk``, "--flag" or
        "--flag=value".
    :raises: ImageWishError
    """
    if facts.flags is None:
        return
    named = f'bootc {facts.version or "of unknown version"}'
    for argument in arguments:
        flag, _equals, value = argument.removeprefix('--').partition('=')
        if flag not in facts.flags:
            since = image_facts.SINCE.get(flag)
            raise errors.ImageWishError(
                f'image {image} has {named}, which does not know --{flag}: '
                + (f'that came with bootc {since}' if since
                   else 'leave the option out, or update the image'))
        values = facts.flags[flag]
        if values and value not in values:
            raise errors.ImageWishError(
                f'image {image} has {named}, whose --{flag} does not take '
                f'"{value}": it takes {", ".join(values)[:200]}')


def _require_encryption(image: str, options: bootc_options.Options,
                        machine: machines.Machine) -> None:
    whose = ('option "block_setup"' if options.block_setup
             else f'the install configuration of image {image}')
    if not machine.tpm2:
        raise errors.NoTpmError(
            f'{whose} wants tpm2-luks, and the machine has no TPM 2.0 that '
            'the ramdisk\'s kernel knows: switch it on in the firmware'
            + _way_out(options))
    if not machine.device_mapper:
        raise errors.NoTpmError(
            f'{whose} wants tpm2-luks, and the ramdisk\'s kernel has no '
            'device mapper (dm_mod, dm_crypt): build it with them'
            + _way_out(options))


def _way_out(options: bootc_options.Options) -> str:
    return '' if options.block_setup else (
        ', or set option "block_setup" to direct, if the image allows that')
