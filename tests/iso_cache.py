# SPDX-License-Identifier: Apache-2.0

"""Keeps test ISOs between test processes, and between runs of the tests.

Building them takes seconds, mostly of waiting for xorriso. They are kept
until a builder or one of the tools changes.
"""

from collections.abc import Callable
import functools
import os
import pathlib
import shutil
import sys

from lab import debian_root
from tests import iso_parts

#: Where they are kept.
FOLDER = pathlib.Path(__file__).parents[1] / '.cache/test-isos'
_BUILDERS = ('isos.py', 'iso_cases.py', 'iso_configs.py', 'iso_kinds.py',
             'iso_parts.py', 'iso_systems.py', 'iso_trees.py')
_TOOLS = ('xorriso', 'genisoimage', 'implantisomd5', 'grub-mkimage',
          'mkfs.vfat', 'mcopy', 'cpio', 'grub-mkstandalone', 'objcopy', 'lz4')
_LOADERS = (iso_parts.ISOLINUX, iso_parts.SYSLINUX_MODULES,
            iso_parts.SYSTEMD_BOOT, iso_parts.GRUB / 'x86_64-efi',
            iso_parts.GRUB / 'i386-pc')


@functools.lru_cache(maxsize=None)
def _origins() -> tuple[str, ...]:
    """What ISOs are made from: builders, tools, boot loaders, zlib."""
    here = pathlib.Path(__file__).parent
    origins = [(here / name).read_text() for name in _BUILDERS]
    tools = [shutil.which(tool, path=iso_parts.TOOLS_PATH)
             for tool in _TOOLS]
    for path in (*tools, *_LOADERS):
        if path and os.path.exists(path):
            status = os.stat(path)
            origins.append(f'{path} {status.st_size} {status.st_mtime_ns}')
    return (*origins, sys.version)


def kept(name: str, build: Callable[[pathlib.Path], pathlib.Path]
         ) -> pathlib.Path:
    """Return the ISO of that name, which ``build(directory)`` makes once.

    Processes that want it at the same time wait for the one that builds it.
    """
    def make(directory: pathlib.Path) -> None:
        build(directory).chmod(0o444)

    return debian_root.cached(FOLDER, name, _origins(), make) / f'{name}.iso'
