# SPDX-License-Identifier: Apache-2.0

"""What the deploy ramdisk runs on, as far as pulling an image cares.

The facts are gathered once; what follows from them is decided elsewhere, on
values.
"""

import dataclasses
import os
import pathlib
import platform
import re
import resource
import typing


@dataclasses.dataclass(frozen=True)
class Machine:
    """Facts about the running ramdisk."""

    #: Bytes that programs and tmpfs can still take (MemAvailable).
    memory: int
    #: Whether the kernel can make compressed RAM disks.
    zram: bool = False
    #: Compressors of zram, as the kernel names them.
    compressors: tuple[str, ...] = ()
    #: Whether "/" is the initramfs itself, which pivot_root cannot leave.
    initramfs: bool = False
    #: Whether systemd manages cgroups.
    systemd: bool = False
    selinux: bool = False
    uefi: bool = False
    #: Whether bootc installs zipl, and no boot loader of bootupd.
    zipl: bool = False
    #: Whether a TPM 2.0 can be asked to keep a key.
    tpm2: bool = False
    #: Whether the kernel has device mapper, and loop devices.
    device_mapper: bool = False
    loop: bool = False
    #: Hard limits of open files and of processes.
    open_files: int = 1 << 20
    processes: int = 1 << 20

    @classmethod
    def look(cls, root: pathlib.Path = pathlib.Path('/')) -> typing.Self:
        """Gather the facts from /proc and /sys below a root."""
        zram = (root / 'sys/class/zram-control/hot_add').exists()
        return cls(
            memory=_available_memory(root),
            zram=zram,
            compressors=_compressors(root) if zram else (),
            initramfs=_root_type(root) in ('rootfs', 'tmpfs', 'ramfs'),
            systemd=(root / 'run/systemd/system').is_dir(),
            selinux=(root / 'sys/fs/selinux/enforce').exists(),
            uefi=(root / 'sys/firmware/efi').is_dir(),
            zipl=platform.machine() == 's390x',
            tpm2=any(root.glob('sys/class/tpmrm/tpmrm*')),
            device_mapper=_has_misc(root, 'device-mapper'),
            loop=_has_misc(root, 'loop-control'),
            open_files=_hard_limit(resource.RLIMIT_NOFILE),
            processes=_hard_limit(resource.RLIMIT_NPROC))


def _available_memory(root: pathlib.Path) -> int:
    text = (root / 'proc/meminfo').read_text()
    match = re.search(r'^MemAvailable:\s+(\d+) kB', text, re.MULTILINE)
    return int(match[1]) << 10 if match else 0


def _compressors(root: pathlib.Path) -> tuple[str, ...]:
    """Return what the first zram disk lists, "[lzo-rle] lzo lz4"."""
    for path in sorted(root.glob('sys/block/zram*/comp_algorithm')):
        return tuple(path.read_text().replace('[', '').replace(
            ']', '').split())
    return ()


def _has_misc(root: pathlib.Path, name: str) -> bool:
    """Tell whether the kernel has one of its miscellaneous devices."""
    try:
        lines = (root / 'proc/misc').read_text().splitlines()
    except OSError:
        return False
    return any(line.split()[1:] == [name] for line in lines)


def _root_type(root: pathlib.Path) -> str:
    """Return the type of the file system that was mounted on / last."""
    found = ''
    for line in (root / 'proc/self/mountinfo').read_text().splitlines():
        fields = line.split()
        if len(fields) > 4 and fields[4] == '/' and ' - ' in line:
            found = line.partition(' - ')[2].split()[0]
    return found


def _hard_limit(which: int) -> int:
    hard = resource.getrlimit(which)[1]
    return 1 << 20 if hard == resource.RLIM_INFINITY else min(hard, 1 << 20)


def block_size(device: str) -> int:
    """Return the size of a block device in bytes."""
    with open(device, 'rb') as disk:
        return os.lseek(disk.fileno(), 0, os.SEEK_END)


def written_bytes(device: str) -> int:
    """Return the bytes that were written to a block device since boot.

    Of the kernel's Documentation/block/stat.rst; sectors are of 512 bytes.
    """
    name = os.path.basename(os.path.realpath(device))
    try:
        text = pathlib.Path(f'/sys/class/block/{name}/stat').read_text()
        return int(text.split()[6]) * 512
    except (OSError, IndexError, ValueError):
        return 0
