# SPDX-License-Identifier: Apache-2.0

"""How a disk is shared out between what bootc makes and the config drive.

bootc's layout on x86_64 (bootc 1.16, install/baseline.rs): BIOS boot, ESP, a
boot partition when the root is encrypted, root. The config drive comes last.
"""

import dataclasses

from ironic_ext.bootc import errors
from ironic_ext.bootc import options as bootc_options

MIB = 1 << 20

#: BIOS boot, or PReP of POWER machines, whichever is larger.
_FIRMWARE = 4 * MIB
_ESP = 512 * MIB
# It holds the kernels themselves, as unified kernel images.
_ESP_COMPOSEFS = 1024 * MIB
_BOOT = 510 * MIB
_LUKS_HEADER = 16 * MIB
#: What Ironic's agent gives a config drive, and always keeps room for.
_CONFIG_DRIVE = 64 * MIB
# Both partition tables, and where partitions are aligned to more than 1 MiB.
_SLACK = 16 * MIB
# A file system's own needs, and the boot loader's files of a first update.
_OVERHEAD = 0.15


@dataclasses.dataclass(frozen=True)
class Budget:
    """Shares of a disk, in bytes."""

    disk: int
    root: int
    reserve: int
    #: What root could do without.
    spare: int


def plan(disk: int, options: bootc_options.Options, image: int = 0,
         kept: int = 0, *, encrypted: bool = False,
         composefs: bool = False) -> Budget:
    """Share out a disk.

    :param disk: size of the disk, bytes.
    :param encrypted: whether the root lies in LUKS, also where the image
        alone wants it.
    :param composefs: the same, of bootc's composefs back end.
    :param image: unpacked size of the image, bytes; 0 when unknown.
    :param kept: bytes at the disk's end that are in use during the install.
    :raises: DiskSizeError when image or wanted root do not fit.
    """
    reserve = _reserve(
        encrypted or options.block_setup == 'tpm2-luks',
        composefs or options.composefs_backend) + kept
    room = disk - reserve
    least = int(image * (1 + _OVERHEAD)) if image else 256 * MIB
    if room < least:
        raise errors.DiskSizeError(
            f'the disk of {_mib(disk)} MiB is too small: {_mib(reserve)} MiB '
            'go to boot partitions and config drive, and the image needs '
            f'{_mib(least)} MiB')
    if options.root_size is not None:
        if options.root_size > room:
            raise errors.DiskSizeError(
                f'root_size is {_mib(options.root_size)} MiB, and a disk of '
                f'{_mib(disk)} MiB has room for {_mib(room)} MiB beside boot '
                'partitions and config drive')
        if options.root_size < least:
            raise errors.DiskSizeError(
                f'root_size is {_mib(options.root_size)} MiB, and the image '
                f'needs {_mib(least)} MiB')
        least = room = options.root_size
    root = room // MIB * MIB
    return Budget(disk, root, reserve, disk - reserve - least)


def most(options: bootc_options.Options) -> int:
    """Return the bytes that an image's own wishes may take beside the root.

    :param options: of the node; where these decide, the image does not.
    """
    found = 0 if options.composefs_backend else _ESP_COMPOSEFS - _ESP
    if options.block_setup is None:
        found += _BOOT + _LUKS_HEADER
    return found


def _reserve(encrypted: bool, composefs: bool) -> int:
    found = _FIRMWARE + _CONFIG_DRIVE + _SLACK
    found += _ESP_COMPOSEFS if composefs else _ESP
    if encrypted:
        found += _BOOT + _LUKS_HEADER
    return found


def _mib(size: int) -> int:
    return -(-size // MIB)
