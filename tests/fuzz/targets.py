# SPDX-License-Identifier: Apache-2.0

"""What is fuzzed: each with inputs that are right, and what reads them.

A reader may refuse an input by the engine's own errors only.
"""

import collections.abc
import dataclasses
import gzip
import itertools
import json

from ironic_ext import iso
from ironic_ext.iso import cpio
from ironic_ext.iso.fat import volume as fat
from ironic_ext.iso import kernel_args
from ironic_ext.iso.loaders import coreos
from ironic_ext.iso.loaders import files as file_systems
from ironic_ext.iso.loaders import grub
from ironic_ext.iso.loaders.grub import image as grub_image
from ironic_ext.iso.loaders import isolinux
from ironic_ext.iso.loaders import isolinux_menu
from ironic_ext.iso.loaders import mboot
from ironic_ext.iso.loaders import pe
from ironic_ext.iso.loaders import systemd_boot
from ironic_ext.iso.loaders import systemd_menu
from ironic_ext.iso import overlay as overlays
from ironic_ext.iso import source as base_source
from tests.fuzz import mutation
from tests import iso_cases
from tests import iso_configs
from tests import iso_parts
from tests import isos

_IMAGES = ('isolinux_bios', 'grub_bios', 'lorax_like', 'hybrid_apm',
           'systemd_boot', 'coreos_like', 'long_names',
           'deep_tree_relocated', 'hard_links', 'joliet_only', 'udf_bridge',
           'implanted')
_CASES = ('unified_kernel', 'built_in_menu', 'variable_arguments',
          'on_timeout', 'bare_areas', 'lz4_initrd', 'old_areas',
          'hypervisor_config', 'mainframe_areas')
_INJECTION = iso.Injection(
    append_args='a=1', delete_args=('quiet',), media_check='reimplant',
    files={'/openstack/latest/meta_data.json': b'{}', '/README.TXT': b'x'},
    initrd_files={'/pre.cfg': b'x'}, timeout=5)
_GRUB = (b'menuentry "x" {', b'submenu y {', b'}', b'linux /k a=1', b'if',
         b'then', b'fi', b'for i in *', b'do', b'done', b'source /x.cfg',
         b'configfile', b'set a=$a$a', b'${a}', b'\\', b'"', b"'", b';',
         b'$linux', b'function f {', b'set default=0', b'initrd', b'\0',
         b'while true', b'[ a = b ]', b'search --file --set=root /x')
_ISOLINUX = (b'label x', b'kernel /k', b'append a=1', b'append -',
             b'include a.cfg', b'config b.cfg /d', b'default x', b'timeout 5',
             b'ontimeout x', b'menu include m.cfg', b'menu begin',
             b'menu end', b'initrd=a,b', b'ui vesamenu.c32', b'localboot 0',
             b'totaltimeout 1', b'\0', b'text help', b'endtext')
_ENTRY = (b'title', b'linux /k', b'initrd /i', b'options a=1', b'\0', b'#',
          b'default *', b'timeout', b'efi /x', b'architecture x64')


@dataclasses.dataclass(frozen=True)
class Target:
    """A reader.

    :ivar corpus: inputs that it takes.
    """

    name: str
    corpus: collections.abc.Callable[[], list[bytes]]
    mutate: mutation.Mutate
    run: collections.abc.Callable[[bytes], None]


def _refused_or_done(run: collections.abc.Callable[[], object]) -> None:
    try:
        run()
    except iso.IsoError as exc:
        if '\n' in str(exc):
            raise AssertionError(f'an error of two lines: {exc}') from exc


def _image(data: bytes) -> None:
    with iso.IsoImage(base_source.ContentSource(data, 'fuzzed')) as image:
        _refused_or_done(lambda: json.dumps(iso.inspect(image).as_dict()))
        _refused_or_done(lambda: [
            image.read_entry(entry, 0, 4096) for entry
            in itertools.islice(image.walk(), 3000) if not entry.is_dir])
        _refused_or_done(lambda: _injected(image))


def _injected(image: iso.IsoImage) -> None:
    smap = iso.inject(image, _INJECTION, partial=True)
    smap.read(0, 1 << 20)
    again = overlays.Overlay.parse(smap.dump())
    if again.digest != smap.digest:
        raise AssertionError('an overlay is not what was dumped')
    # What is written by the engine, it reads.
    changed = iso.IsoImage(base_source.ContentSource(smap, 'injected'))
    if not changed.trees:
        raise AssertionError('no tree')


def _overlay(data: bytes) -> None:
    base = base_source.ContentSource(_BASE, 'base')
    with iso.SegmentMap.parse(data, base=base) as smap:
        smap.read(0, 1 << 16)
        smap.dump()


def _fat(data: bytes) -> None:
    volume = fat.FatVolume(lambda offset, length:
                           data[offset:offset + length], len(data))
    todo, seen = ['/'], 0
    while todo and seen < 500:
        for entry in volume.listdir(todo.pop()):
            seen += 1
            if entry.is_dir:
                todo.append(entry.path)
            elif entry.size < 1 << 20:
                volume.read_file(entry.path)
    files = {'/new/a file.txt': b'x' * 3000, '/EFI/BOOT/grub.cfg': b'new'}
    _refused_or_done(lambda: volume.plan(files))
    _refused_or_done(lambda: volume.grow(files))


def _grub(data: bytes) -> None:
    grub.parse(data)
    _refused_or_done(lambda: grub.edit(data, ('new=1',), ('quiet',)))
    grub.Grub().unattended(data, '1', 5)


def _isolinux(data: bytes) -> None:
    isolinux.parse(data)
    _refused_or_done(lambda: isolinux.edit(data, ('new=1',), ('quiet',)))
    isolinux_menu.follow(file_systems.MemoryFiles({
        '/isolinux/isolinux.cfg': data, '/a.cfg': data, '/d/b.cfg': data,
        '/isolinux/m.cfg': data}))


def _entry(data: bytes) -> None:
    systemd_boot.parse(data)
    _refused_or_done(lambda: systemd_boot.edit(data, ('a',), ('quiet',)))
    systemd_boot.unattended(data, 'x', 5)
    systemd_menu.follow(file_systems.MemoryFiles({
        '/loader/loader.conf': data, '/loader/entries/a.conf': data}), 'x64')


def _mboot(data: bytes) -> None:
    mboot.parse(data)
    _refused_or_done(lambda: mboot.edit(data, ('a',), ('quiet',)))
    mboot.Mboot().unattended(data, '', 5)
    mboot.follow(file_systems.MemoryFiles({'/boot.cfg': data}), '/boot.cfg')


def _areas(data: bytes) -> None:
    _refused_or_done(lambda: coreos.parse(data))
    coreos.ignition_path(data)


def _binary(data: bytes) -> None:
    def read(offset: int, length: int) -> bytes:
        return data[offset:offset + length]
    executable = pe.parse(read)
    if executable is not None:
        grub_image.of_efi(read, executable)
    grub_image.of_bios(read, len(data))


def _words(data: bytes) -> None:
    text = data.decode('utf-8', 'surrogateescape')
    _refused_or_done(lambda: kernel_args.parse(text))
    kernel_args.edit_text(text, ('a=1',), ('quiet',))


def _built() -> list[bytes]:
    return [isos.shared(name).read_bytes() for name in _IMAGES] + [
        iso_cases.shared(name).read_bytes() for name in _CASES]


def _overlays() -> list[bytes]:
    found = []
    for name in ('lorax_like', 'coreos_like'):
        with iso.IsoImage.open(isos.shared(name)) as image:
            with iso.inject(image, _INJECTION, partial=True) as smap:
                found.append(smap.dump())
    return found


def _esps() -> list[bytes]:
    return [iso_parts.esp_image({'EFI/BOOT/grub.cfg': iso_configs.GRUB_CFG,
                                 'a long name.txt': b'x' * 5000},
                                fat=kind, size=size).read_bytes()
            for kind, size in ((12, 1 << 20), (16, 9 << 20))]


def _executables() -> list[bytes]:
    return [iso_parts.grub_image('x86_64-efi', '/boot/grub'),
            iso_parts.grub_image('i386-pc-eltorito', '/boot/grub')]


_BASE = bytes(range(256)) * 4096
_LINES = mutation.text((b'a=1', b'"', b'---', b'quiet', b'\\', b'\t'))
TARGETS = {target.name: target for target in (
    Target('image', _built, mutation.binary, _image),
    Target('overlay', _overlays, mutation.text((
        b'["base",1,1]', b'["literal",0]', b'["zeros",9]', b'[' * 99,
        b'{"size":1}', b'-1', b'1e999', b'NaN')), _overlay),
    Target('fat', _esps, mutation.binary, _fat),
    Target('grub', lambda: [iso_configs.GRUB_CFG, iso_configs.UBUNTU_CFG,
                            iso_configs.HYBRID_GRUB_CFG],
           mutation.text(_GRUB), _grub),
    Target('isolinux', lambda: [iso_configs.ISOLINUX_CFG,
                                iso_configs.HYBRID_TXT_CFG],
           mutation.text(_ISOLINUX), _isolinux),
    Target('entry', lambda: [b'title x\nlinux /k\noptions quiet\n'],
           mutation.text(_ENTRY), _entry),
    Target('mboot', lambda: [
        b'title=x\nkernel=/k\nkernelopt=quiet\nmodules=/m\n'],
        mutation.text((b'kernel=', b'modules=', b'kernelopt=a', b'prefix=..',
                       b'timeout=9', b'\0', b'=')), _mboot),
    Target('areas', lambda: [
        iso_configs.coreos_files()['coreos/kargs.json'],
        b'{"file": "images/ignition.img"}'],
        mutation.text((b'[', b'{', b'"size": -1', b'"path": 1')), _areas),
    Target('cpio', lambda: [cpio.archive({'/a/b': b'x', '/c': b'y'})],
           mutation.binary, lambda data: cpio.names(data) and None),
    Target('executable', _executables, mutation.binary, _binary),
    Target('initrd', lambda: [gzip.decompress(iso_parts.fake_initrd())],
           mutation.binary, lambda data: cpio.names(data) and None),
    Target('words', lambda: [b'a=1 b="c d" --- quiet'], _LINES, _words))}
