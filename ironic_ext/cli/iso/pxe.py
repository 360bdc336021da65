# SPDX-License-Identifier: Apache-2.0

"""What boots from an ISO, for a network boot: kernel, initrds, a script.

The entry of the boot menu that starts unattended, or a named one, as iPXE
starts it.
"""

import collections.abc
import dataclasses
import os
import posixpath

from ironic_ext.cli import errors
from ironic_ext.cli.iso import extraction
from ironic_ext import iso
from ironic_ext.iso import boot_path
from ironic_ext.iso import kernel_args
from ironic_ext.iso.loaders import boot_entry
from ironic_ext.iso.loaders import files as file_systems

_CHUNK = 1 << 20
#: Where CoreOS live ISOs keep the rest of the system.
_ROOTFS = '/images/pxeboot/rootfs.img'
_COREOS = 'coreos.liveiso='
#: Words that make a system look for a CD: (how they begin, what a network
#: boot has in their place, the beginnings that are fine beside them).
_MEDIA = (
    (('inst.stage2=hd:', 'inst.stage2=cdrom', 'inst.repo=cdrom',
      'inst.repo=hd:'), 'inst.repo=URL', ()),
    (('root=live:CDLABEL=', 'root=live:LABEL=', 'root=live:UUID='),
     'root=live:URL', ()),
    (('boot=casper',), 'url=URL', ('url=', 'iso-url=', 'netboot=')),
    (('boot=live',), 'fetch=URL', ('fetch=', 'httpfs=', 'netboot=')),
    (('archisolabel=', 'archisodevice=', 'archisosearchuuid='),
     'archiso_http_srv=URL', ('archiso_http_srv=', 'archiso_nfs_srv=')),
    (('install=cd:', 'install=hd:'), 'install=URL', ()),
    ((_COREOS,), 'coreos.live.rootfs_url=URL', ()))


@dataclasses.dataclass(frozen=True)
class NetworkBoot:
    """Files for a network boot.

    :ivar arguments: of the kernel, without ``initrd=``.
    :ivar files: name -> content; the kernel is the first, initrds follow.
    :ivar initrds: the names of those.
    :ivar warnings: what the system will look for and not find.
    """

    title: str
    arguments: tuple[str, ...]
    files: dict[str, file_systems.Content]
    initrds: tuple[str, ...]
    warnings: tuple[str, ...]

    @property
    def kernel(self) -> str:
        """The name of the kernel."""
        return next(iter(self.files))

    def script(self, url: str = '') -> str:
        """Return an iPXE script.

        :param url: of the directory of the files; '' where they lie beside
            the script.
        """
        prefix = f'{url.rstrip("/")}/' if url else ''
        # EFI stubs load what initrd= names, and iPXE offers it by name.
        words = [*(f'initrd={name}' for name in self.initrds),
                 *self.arguments]
        lines = ['#!ipxe', f'kernel {prefix}{self.kernel} '
                 + ' '.join(words)]
        lines += [f'initrd --name {name} {prefix}{name}'
                  for name in self.initrds]
        return '\n'.join([*lines, 'boot', ''])


def plan(image: iso.IsoImage, *, entry: str = '', firmware: str = 'all',
         append: str = '', delete: collections.abc.Sequence[str] = (),
         url: str = '') -> NetworkBoot:
    """Return what an image's menu starts, for a network boot.

    :param entry: title or label, '' for what starts unattended.
    :param firmware: whose boot path it is; see boot_path.means().
    :param url: where the files will be.
    :raises: CommandError, IsoError
    """
    path, start = _chosen(image, entry, firmware)
    places: dict[str, file_systems.Files] = {
        'iso': file_systems.TreeFiles(image)}
    if path.esp is not None:
        places['esp'] = file_systems.FatFiles(image.esps[path.esp].volume)
    assert start.kernel is not None
    found: dict[str, file_systems.Content] = {}
    for place in (start.kernel, *start.initrds):
        files = places.get(place.device)
        content = files.content(place.path) if files else None
        if content is None:
            raise errors.CommandError(f'"{start.name}" loads {place}, which '
                                      f'cannot be read')
        found[_name(place.path, found)] = content
    names = tuple(found)
    if not _is_linux(found[names[0]]):
        raise errors.CommandError(
            f'{start.kernel}, which "{start.name}" starts, is no Linux '
            f'kernel as iPXE starts it')
    words = kernel_args.edit(tuple(
        word for word in start.arguments
        if not word.startswith(('initrd=', 'BOOT_IMAGE='))),
        iso.parse_arguments(append), tuple(delete))
    rootfs = places['iso'].content(_ROOTFS)
    if rootfs is not None and url and any(
            word.startswith(_COREOS) for word in words):
        found[_name(_ROOTFS, found)] = rootfs
        words = tuple(
            f'coreos.live.rootfs_url={url.rstrip("/")}/rootfs.img'
            if word.startswith(_COREOS) else word for word in words)
    for word in words:
        if '${' in word or word in ('&&', '||'):
            raise errors.CommandError(
                f'iPXE would not hand on the kernel argument "{word}": '
                f'remove it by --delete')
    return NetworkBoot(start.name, words, found, names[1:],
                       tuple(_warnings(words)))


def write(boot: NetworkBoot, directory: str, url: str) -> None:
    """Write the files, ``cmdline`` and ``boot.ipxe``.

    :raises: CommandError, OSError
    """
    extraction.into(directory)
    for name, content in boot.files.items():
        with open(os.path.join(directory, name), 'xb') as stream:
            for offset in range(0, content.size, _CHUNK):
                stream.write(content.read(
                    offset, min(_CHUNK, content.size - offset)))
    for name, text in (('cmdline', ' '.join(boot.arguments) + '\n'),
                       ('boot.ipxe', boot.script(url))):
        with open(os.path.join(directory, name), 'x', encoding='utf-8',
                  errors='surrogateescape') as out:
            out.write(text)


def _chosen(image: iso.IsoImage, entry: str, firmware: str
            ) -> tuple[boot_path.BootPath, boot_entry.Start]:
    paths = [path for path in boot_path.boot_paths(image, wanted=(firmware,))
             if not path.dead]
    if not paths:
        raise errors.CommandError(f'{image.path} boots by nothing' if (
            firmware == 'all') else f'{image.path} does not boot by '
                                    f'{firmware}')
    whys = []
    for path in paths:
        if path.walk.lost:
            whys.append(f'{path.name}: {path.walk.lost}')
            continue
        linux = [start for start in path.kernels if start.kind == 'linux']
        if entry:
            found = [start for start in linux
                     if entry in (start.title, start.ident)]
        else:
            first = path.walk.unattended
            found = [first] if first in linux and first else linux[:1]
        if found:
            return path, found[0]
        names = ', '.join(dict.fromkeys(f'"{start.name}"'
                                        for start in linux))
        whys.append(f'{path.name}: no entry "{entry}" among {names}'
                    if entry and linux else
                    f'{path.name}: no Linux kernel is started')
    raise errors.CommandError('; '.join(whys))


def _name(path: str, taken: collections.abc.Container[str]) -> str:
    """Return a name for a file that no other one has, fit for a URL."""
    name = ''.join(c if c.isascii() and (c.isalnum() or c in '-_.') else '_'
                   for c in posixpath.basename(path)).lstrip('.') or 'file'
    if name in ('cmdline', 'boot.ipxe'):
        name += '.img'
    while name in taken:
        name = f'{name}-2'
    return name


def _is_linux(content: file_systems.Content) -> bool:
    """Whether it has a kernel's header (x86 boot.rst, arm64 booting.rst)."""
    head = content.read(0, 0x206)
    return (head[0x202:0x206] == b'HdrS' or head[56:60] == b'ARM\x64'
            or head[56:60] == b'RSC\x05')


def _warnings(words: tuple[str, ...]) -> collections.abc.Iterator[str]:
    for beginnings, instead, fine in _MEDIA:
        for word in words:
            if word.startswith(beginnings) and not any(
                    other.startswith(fine) for other in words):
                yield (f'"{word}" makes the system look for a CD, which a '
                       f'network boot has not: it needs {instead}')
