# SPDX-License-Identifier: Apache-2.0

"""A Debian live system with cloud-init, on a bootable ISO.

What live-build makes, less what it is not about: Debian's packages as they
are, a squashfs of them, live-boot. cloud-init is not told where its data is.
"""

import pathlib
import shutil
import tarfile
import tempfile

from lab import boot_iso
from lab import debian_root

#: The whole kernel: Debian's for clouds has no USB.
_PACKAGES = ('cloud-init', 'kmod', 'linux-image-amd64', 'live-boot',
             'live-boot-initramfs-tools', 'systemd-sysv', 'udev')
# Nothing of it is for a machine without a network that lives for a minute.
_HOOKS = ('for unit in apt-daily.timer apt-daily-upgrade.timer '
          'systemd-timesyncd.service systemd-networkd-wait-online.service; '
          'do ln -sf /dev/null "$1/etc/systemd/system/$unit"; done',)
_ARGUMENTS = f'boot=live {boot_iso.KERNEL_ARGUMENTS}'
_SQUASHFS = 'live/filesystem.squashfs'


def iso(cache: pathlib.Path) -> pathlib.Path:
    """Return the ISO's path; make it if it is not in the cache.

    :raises: LabError when a tool fails.
    """
    def make(directory: pathlib.Path) -> None:
        with tempfile.TemporaryDirectory(dir=cache) as name:
            _make(directory / 'live.iso', pathlib.Path(name))

    kept = debian_root.cached(
        cache, 'live-system', (pathlib.Path(__file__).read_text(),
                               pathlib.Path(boot_iso.__file__).read_text()),
        make)
    return kept / 'live.iso'


def _make(path: pathlib.Path, work: pathlib.Path) -> None:
    root = work / 'root.tar'
    debian_root.make(root, _PACKAGES, _HOOKS)
    squashfs = work / 'filesystem.squashfs'
    debian_root.run('sh', '-c', 'exec sqfstar -quiet -no-progress -comp lz4 '
                    '"$1" < "$0"', root, squashfs)
    boot = {}
    with tarfile.open(root) as archive:
        for member in archive:
            for kind in ('vmlinuz-', 'initrd.img-'):
                if member.isreg() and f'boot/{kind}' in member.name:
                    boot[kind] = work / kind
                    with (archive.extractfile(member) as source,
                          boot[kind].open('wb') as target):
                        shutil.copyfileobj(source, target)
    boot_iso.write(path, boot['vmlinuz-'], boot['initrd.img-'], _ARGUMENTS,
                   {_SQUASHFS: squashfs})
