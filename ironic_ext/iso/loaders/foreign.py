# SPDX-License-Identifier: Apache-2.0

"""Machines that have neither a BIOS nor UEFI: that an image boots them.

How they go on is not followed, so what is injected is refused for them, but
for kernel arguments in an area that a boot image for s390x reserves.
Sources: PAPR (CHRP) binding to IEEE 1275, section 11.2, for
``/ppc/bootinfo.txt``; lorax' templates for s390x, for ``*.ins``.
"""

import re

from ironic_ext.iso.loaders import boot_entry
from ironic_ext.iso.loaders import files as file_systems

_BOOT_INFO = '/ppc/bootinfo.txt'
#: The script in it: boot &device;:\path\of\loader or :,\path.
_BOOT = re.compile(rb'boot\s+&device;:[\d,]*(\\[^\s<]{1,200})')
#: A line of a list of what is loaded where: file, address.
_LOADED = re.compile(rb'(?m)^\s*\S+\s+0x[0-9a-fA-F]{1,16}\s*$')
_MAX_NAMES = 64


def open_firmware(tree: file_systems.Files
                  ) -> tuple[str, boot_entry.Walk] | None:
    """Return what Open Firmware starts, and where that goes; or None."""
    found = tree.read(_BOOT_INFO)
    if found is None:
        return None
    match = _BOOT.search(found[1])
    if match is None:
        return 'unknown', boot_entry.Walk(
            lost=f'what {_BOOT_INFO} starts cannot be read')
    path = match[1].decode('latin-1').replace('\\', '/')
    if tree.kind(path) != 'file':
        return 'unknown', boot_entry.Walk(
            lost=f'the image has no {path}, which {_BOOT_INFO} starts',
            dead=True)
    return 'GRUB' if 'grub' in path.casefold() else 'unknown', \
        boot_entry.Walk(lost=f'Open Firmware starts {path}, which is not '
                             f'followed')


def s390x(tree: file_systems.Files, area: tuple[str, tuple[str, ...]] | None
          ) -> boot_entry.Walk | None:
    """Return where an image for s390x goes; None if it is none.

    From a CD, a virtual machine loads the boot image of the El Torito
    catalog; a partition (LPAR) loads file by file what a list in the root
    says.

    :param area: path of the boot image, and the arguments in its area.
    """
    if area is not None:
        path, words = area
        place = boot_entry.Place('iso', path)
        start = boot_entry.Start('', 'linux', place, place, words, (), path)
        return boot_entry.Walk(
            starts=(start,), unattended=start, seconds=0, notes=(
                'a partition (LPAR) loads other files than the boot image',))
    lists = [name for name in sorted(tree.names('/'))[:_MAX_NAMES]
             if name.casefold().endswith('.ins')]
    for name in lists:
        found = tree.read(f'/{name}')
        if found is not None and _LOADED.search(found[1]):
            return boot_entry.Walk(lost=(
                'kernel, command line and initrd are one boot image, which '
                f'is not taken apart, nor are those that {found[0]} lists'))
    return None
