# SPDX-License-Identifier: Apache-2.0

"""Looks whether a machine can boot from what bootc left on a disk.

The partitions are read with Ironic's agent; what they must be is decided on
values.
"""

import dataclasses

from ironic_python_agent import disk_utils
from ironic_python_agent import utils
from oslo_concurrency import processutils

from ironic_ext.bootc import errors
from ironic_python_agent_ext.bootc import preflight

_ROOT_TYPES = ('xfs', 'ext4', 'btrfs')
_LUKS = 'crypto_LUKS'


@dataclasses.dataclass(frozen=True)
class Partition:
    """A partition, as far as it counts here."""

    number: int
    path: str
    #: In MiB, as parted rounds it.
    size: int
    esp: bool = False
    #: As blkid names it; empty when there is none.
    content: str = ''


@dataclasses.dataclass(frozen=True)
class Layout:
    """A disk's partition table."""

    #: "gpt", "msdos", or another word of parted; empty without a table.
    table: str
    partitions: tuple[Partition, ...] = ()

    @property
    def esp(self) -> Partition | None:
        """The first EFI system partition."""
        return next((part for part in self.partitions if part.esp), None)


def read(device: str) -> Layout:
    """Read a disk's layout anew.

    :raises: VerifyError when it has none.
    """
    disk_utils.trigger_device_rescan(device)
    try:
        table = disk_utils.get_partition_table_type(device)
        partitions = tuple(
            Partition(part['number'], part['path'], part['size'],
                      'esp' in part['flags'], _content(part['path']))
            for part in disk_utils.list_partitions(device))
    except (OSError, processutils.ProcessExecutionError) as exc:
        raise errors.VerifyError(
            f'disk {device} has no partitions that can be read after the '
            'install') from exc
    return Layout(table, partitions)


def check(device: str, layout: Layout, wanted: preflight.Layout,
          uefi: bool) -> Partition:
    """Compare a layout with what was asked for.

    :param wanted: what image and node want together.
    :param uefi: whether the machine boots by UEFI.
    :returns: the root partition.
    :raises: VerifyError
    """
    if layout.table != 'gpt':
        raise errors.VerifyError(
            f'disk {device} has no GPT after the install but '
            f'"{layout.table or "nothing"}"')
    if layout.esp is None:
        if uefi:
            raise errors.VerifyError(
                f'disk {device} has no EFI system partition after the '
                'install, and the machine boots by UEFI')
    elif layout.esp.content != 'vfat' and uefi:
        raise errors.VerifyError(
            f'EFI system partition {layout.esp.path} has no file system')
    contents: tuple[str, ...] = _ROOT_TYPES
    if wanted.encrypted:
        contents = (_LUKS,)
    elif wanted.filesystem is not None:
        contents = (wanted.filesystem,)
    rest = [part for part in layout.partitions if not part.esp]
    root = max(rest, key=lambda part: part.size, default=None)
    if root is None or root.content not in contents:
        found = 'no root partition' if root is None else (
            f'"{root.content or "nothing"}" on root partition {root.path}')
        raise errors.VerifyError(
            f'disk {device} has {found} after the install, and not '
            + ' or '.join(contents))
    return root


def _content(path: str) -> str:
    """Return what a partition holds, read from it and from no cache."""
    try:
        return str(utils.execute('blkid', '--probe', '--output', 'value',
                                 '--match-tag', 'TYPE', path)[0]).strip()
    except processutils.ProcessExecutionError:
        # blkid ends with 2 where it finds nothing.
        return ''
