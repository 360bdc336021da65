# SPDX-License-Identifier: Apache-2.0

"""Live systems that lose their medium once their kernel runs.

iPXE serves the medium to the firmware and to the boot loader. A kernel
does not see it, unless it logs in to the iSCSI target by itself (by the
iBFT) or fetches its root over the network.
"""

import collections.abc
import dataclasses

from ironic_ext import iso
from ironic_ext.node import config_fit

#: Kernel arguments that make an initrd log in to the target that the iBFT
#: names: dracut.cmdline(7), and README.Debian of open-iscsi.
IBFT_ARGUMENTS = {'dracut': 'rd.iscsi.firmware=1 ip=ibft',
                  'initramfs-tools': 'iscsi_auto'}

_IBFT = ('rd.iscsi.firmware', 'rd.iscsi.ibft', 'iscsi_auto')


@dataclasses.dataclass(frozen=True)
class Family:
    """Live systems of one kind.

    :param path: in the ISO, which tells them.
    :param arguments: that make them independent of the medium: whole ones,
        or what comes before their value.
    :param instead: what to use, for people.
    """

    name: str
    path: str
    arguments: tuple[str, ...]
    instead: str


FAMILIES = (
    Family('Fedora CoreOS', '/images/pxeboot/rootfs.img',
           ('coreos.live.rootfs_url=',), 'coreos.live.rootfs_url=URL'),
    Family('Anaconda', '/images/install.img',
           ('inst.stage2=http', 'inst.repo=http', 'inst.stage2=nfs',
            'inst.repo=nfs'), 'inst.repo=URL or inst.stage2=URL'),
    Family('dracut live', '/LiveOS/squashfs.img',
           ('root=live:http', 'root=live:nfs'), 'root=live:URL'),
    Family('Ubuntu (casper)', '/casper',
           ('url=http', 'iso-url=http', 'nfsroot='),
           'url=URL of the ISO, or netboot=nfs nfsroot=...'),
    Family('Debian live', '/live/filesystem.squashfs',
           ('fetch=', 'httpfs=', 'nfsroot='),
           'fetch=URL of filesystem.squashfs, or netboot=nfs nfsroot=...'),
    Family('Arch Linux', '/arch',
           ('archiso_http_srv=', 'archiso_nfs_srv='),
           'archiso_http_srv=URL'),
    Family('Alpine Linux', '/apks', ('modloop=http',),
           'modloop=URL with alpine_repo=URL'),
    Family('openSUSE or SLES', '/boot/x86_64/root', ('install=http',),
           'install=URL'),
)


def advice(image: iso.IsoImage, injection: iso.Injection, *,
           by_iscsi: bool) -> list[str]:
    """Return what an operator should know before such a system boots.

    :param injection: what is put into the image.
    :returns: sentences, none where nothing speaks against it.
    """
    words = {*injection.append_args.split(), *_own_arguments(image)}
    if by_iscsi and _logs_in(words):
        return []
    remedy = 'set instance_info/sanboot_ibft, or ' if by_iscsi else ''
    found = []
    family = next((family for family in FAMILIES
                   if _has(image, family.path)), None)
    if family is not None and not any(word.startswith(family.arguments)
                                      for word in words):
        found.append(
            f'{family.name} systems look for their medium after the kernel '
            f'has started, when iPXE no longer serves it: {remedy}add '
            f'{family.instead} to the kernel arguments')
    if injection.files:
        found.append(
            'the files and the config drive in the ISO are not seen by a '
            f'system that does not find its medium: {remedy}boot by virtual '
            'media')
    return found


def config_remedy(injection: iso.Injection, *, by_iscsi: bool) -> str:
    """Return what to do for a config that is a file in the image.

    The image's own arguments are not known here; whoever has some that log
    in says so.

    :param injection: what is put into the image.
    :returns: '' where the system sees that file.
    """
    if by_iscsi and _logs_in(injection.append_args.split()):
        return ''
    return ('set instance_info/boot_config_delivery to "url", '
            + ('or instance_info/sanboot_ibft, ' if by_iscsi else '')
            + 'or boot by virtual media; if it sees the file, set '
            f'instance_info/{config_fit.FORCED_KEY} to true')


def _logs_in(words: collections.abc.Iterable[str]) -> bool:
    return any(word.startswith(_IBFT) for word in words)


def _has(image: iso.IsoImage, path: str) -> bool:
    return image.main.find(path) is not None


def _own_arguments(image: iso.IsoImage
                   ) -> collections.abc.Iterator[str]:
    for config in iso.inspect(image).configs:
        for entry in config.entries:
            yield from entry.arguments
