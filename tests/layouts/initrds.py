# SPDX-License-Identifier: Apache-2.0

"""Kernels unpack what is added to an initrd, however that is packed.

The kernels are those of the Debian releases below.
"""

import gzip
import pathlib
import shutil
import subprocess
import unittest

from ironic_ext import iso
from ironic_ext.iso import source as base_source
from lab import boot_iso
from tests import guest
from tests import isos
from tests.layouts import releases

RELEASES = ('bullseye', 'bookworm', 'trixie')
#: What initramfs-tools and dracut can pack with, as the kernel reads it
#: (usr/Kconfig): the legacy format of lz4, CRC32 in xz.
PACKERS = {'gzip': ('gzip', '-1'), 'bzip2': ('bzip2', '-1'),
           'lzma': ('lzma', '-1'), 'xz': ('xz', '-0', '--check=crc32'),
           'lzo': ('lzop', '-1'), 'lz4': ('lz4', '-l', '-1'),
           'zstd': ('zstd', '-1')}
_META = 'linux-image-cloud-amd64'
_INIT = """\
#!/bin/busybox sh
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t devtmpfs devtmpfs /dev
{
    echo
    echo "GUEST-CMDLINE $(cat /proc/cmdline)"
    [ -e /injected ] && echo "GUEST-INITRD $(cat /injected)"
    echo GUEST-END
} > /dev/ttyS0
poweroff -f
"""


def kernel(release: str, cache: pathlib.Path) -> pathlib.Path:
    """Return the kernel of a Debian release; fetch it once.

    :raises: LabError
    """
    found, = (releases.package(release, _META, cache, 'boot')
              / 'boot').glob('vmlinuz-*')
    return found


def unpacks(image: pathlib.Path, packer: str, folder: pathlib.Path) -> str:
    """Start a kernel with an initrd that got a file; return its version.

    :param image: the kernel.
    :param packer: packs the initrd, one of PACKERS.
    :raises: AssertionError, SkipTest where the packer is not installed
    """
    command = PACKERS[packer]
    if shutil.which(command[0]) is None:
        raise unittest.SkipTest(f'{command[0]} is not installed')
    plain = gzip.decompress(boot_iso.make_initrd(folder, _INIT, ()))
    packed = folder / f'{packer}.img'
    packed.write_bytes(subprocess.run(
        command, input=plain, check=True, stdout=subprocess.PIPE).stdout)
    base = isos.KINDS['isolinux_bios'].build(folder, kernel=image,
                                             initrd=packed)
    with iso.IsoImage.open(base) as opened, iso.inject(
            opened, iso.Injection(initrd_files={
                '/injected': packer.encode()})) as smap:
        changed = iso.IsoImage(base_source.ContentSource(smap, 'customised'))
        grown = folder / 'grown.img'
        grown.write_bytes(changed.read_file('/live/initrd.img'))
    base.unlink()
    seen = guest.start(image, grown).initrd
    assert seen == packer, f'{image.name}, {packer}: {seen}'
    return image.name.removeprefix('vmlinuz-')
