# SPDX-License-Identifier: Apache-2.0

"""ISO images for tests and benchmarks, one builder per kind, by real tools.

Every builder is called as ``builder(directory, payload=bytes)``, writes one
ISO into that directory and returns its path. Boot loaders are real, kernels
and initrds are small stand-ins unless the caller passes its own.
"""

import dataclasses
import functools
import hashlib
import os
import pathlib
import typing
import unittest

from tests import iso_cache
from tests import iso_configs as cfg
from tests.iso_parts import BASIC_DATA_TYPE
from tests.iso_parts import boot_files
from tests.iso_parts import build
from tests.iso_parts import esp_free_bytes
from tests.iso_parts import esp_image
from tests.iso_parts import ESP_TYPE
from tests.iso_parts import Files
from tests.iso_parts import fitting_esp_image
from tests.iso_parts import GRUB
from tests.iso_parts import grub_esp
from tests.iso_parts import grub_image
from tests.iso_parts import ISOLINUX
from tests.iso_parts import isolinux_files
from tests.iso_parts import MIB
from tests.iso_parts import NO_EMULATION
from tests.iso_parts import place
from tests.iso_parts import run
from tests.iso_parts import SYSTEMD_BOOT


@dataclasses.dataclass(frozen=True)
class Kind:
    """A kind of ISO: how to build it and what a test can expect in it.

    Paths are those of Rock Ridge (or of the only tree there is). ``configs``
    are in the ISO, ``esp_configs`` in its EFI system partition; each holds
    at least one kernel command line with the word ``quiet``. ``initrd`` is
    the last one that an entry loads.
    """

    name: str
    build: typing.Callable[..., pathlib.Path]
    configs: tuple[str, ...] = ()
    esp_configs: tuple[str, ...] = ()
    stubs: tuple[str, ...] = ()
    initrd: str | None = None
    esp_initrd: str | None = None
    firmware: tuple[str, ...] = ()
    trees: tuple[str, ...] = ('rock_ridge',)

    def __str__(self) -> str:
        return self.name


_KINDS: list[Kind] = []


def _kind(**facts: typing.Any) -> typing.Callable[..., typing.Any]:
    def register(builder: typing.Callable[..., pathlib.Path]
                 ) -> typing.Callable[..., pathlib.Path]:
        _KINDS.append(Kind(builder.__name__, builder, **facts))
        return builder
    return register


_README = {'README.TXT': b'A test image.\n',
           'docs/guide.txt': b'Read me.\n' * 300}

_GENISOIMAGE = ('genisoimage', '-quiet')


@_kind(trees=('rock_ridge', 'joliet'))
def plain_rr_joliet(directory: pathlib.Path, *,
                    payload: int = 0) -> pathlib.Path:
    """No boot loader; Rock Ridge and Joliet."""
    return build(directory, 'plain_rr_joliet', _README, payload, '-R', '-J')


@_kind()
def rr_only(directory: pathlib.Path, *, payload: int = 0) -> pathlib.Path:
    """No boot loader; Rock Ridge only."""
    return build(directory, 'rr_only', _README, payload, '-R')


@_kind(trees=('joliet',))
def joliet_only(directory: pathlib.Path, *, payload: int = 0) -> pathlib.Path:
    """No boot loader; Joliet beside plain ISO 9660 names."""
    return build(directory, 'joliet_only', _README, payload, '-J',
                 tool=_GENISOIMAGE)


@_kind(trees=('iso9660',))
def plain_9660(directory: pathlib.Path, *, payload: int = 0) -> pathlib.Path:
    """No boot loader; upper-case 8.3 names with version numbers only."""
    return build(directory, 'plain_9660', _README, payload, tool=_GENISOIMAGE)


@_kind(trees=('rock_ridge', 'joliet', 'udf'))
def udf_bridge(directory: pathlib.Path, *, payload: int = 0) -> pathlib.Path:
    """ISO 9660 and UDF that name the same files."""
    return build(directory, 'udf_bridge', _README, payload, '-udf', '-R', '-J',
                 tool=_GENISOIMAGE)


def _deep_files() -> Files:
    files = dict(_README)
    files['/'.join('level%02d' % n for n in range(1, 13)) + '/leaf.txt'] = (
        b'deep\n')
    for number in range(260):
        files['many/file-%03d.dat' % number] = b'%d\n' % number
    for number in range(220):
        files['dirs/directory-%03d/x.txt' % number] = b'%d\n' % number
    return files


@_kind(trees=('rock_ridge', 'joliet'))
def deep_tree(directory: pathlib.Path, *, payload: int = 0) -> pathlib.Path:
    """Twelve levels, a directory and a path table of many sectors."""
    return build(directory, 'deep_tree', _deep_files(), payload, '-R', '-J')


@_kind()
def deep_tree_relocated(directory: pathlib.Path, *,
                        payload: int = 0) -> pathlib.Path:
    """The same tree with Rock Ridge relocation (CL, PL and RE entries)."""
    return build(directory, 'deep_tree_relocated', _deep_files(), payload,
                 '-R',
                 tool=_GENISOIMAGE)


@_kind(trees=('rock_ridge', 'joliet'))
def hard_links(directory: pathlib.Path, *, payload: int = 0) -> pathlib.Path:
    """Hard links share extents; empty files have an address and no data."""
    def prepare(root: pathlib.Path) -> None:
        place(root, {'first.txt': b'shared content\n' * 10,
                     'docs/before.txt': b'before\n', 'empty.txt': b'',
                     'docs/empty-too.txt': b'', 'zz-after.txt': b'after\n'})
        os.link(root / 'first.txt', root / 'docs' / 'second.txt')
        os.link(root / 'first.txt', root / 'third.txt')
        (root / 'link').symlink_to('docs/before.txt')
    return build(directory, 'hard_links', _README, payload, '-R', '-J',
                 '--hardlinks', prepare=prepare)


@_kind(trees=('rock_ridge', 'joliet'))
def long_names(directory: pathlib.Path, *, payload: int = 0) -> pathlib.Path:
    """Names and link targets that need Rock Ridge continuation areas."""
    files = dict(_README)
    for number in range(12):
        files['%s-%02d.txt' % ('n' * 240, number)] = b'long %d\n' % number
    files['names with spaces/caf\u00e9 \u6f22\u5b57.txt'] = b'unicode\n'

    def prepare(root: pathlib.Path) -> None:
        (root / 'far-link').symlink_to('/'.join(
            'component-%02d' % n * 4 for n in range(10)))
    return build(directory, 'long_names', files, payload, '-R', '-J',
                 '-joliet-long', prepare=prepare)


@_kind(configs=('/isolinux/isolinux.cfg',), initrd='/live/initrd.img',
       firmware=('bios',), trees=('rock_ridge', 'joliet'))
def isolinux_bios(directory: pathlib.Path, *, payload: int = 0,
                  kernel: pathlib.Path | None = None,
                  initrd: pathlib.Path | None = None) -> pathlib.Path:
    """ISOLINUX with boot info table and an isohybrid MBR."""
    vmlinuz, ramdisk = boot_files(kernel, initrd)
    return build(
        directory, 'isolinux_bios',
        {**_README, **isolinux_files(),
         'isolinux/isolinux.cfg': cfg.ISOLINUX_CFG,
         'live/vmlinuz': vmlinuz, 'live/initrd.img': ramdisk},
        payload, '-R', '-J', '-isohybrid-mbr', ISOLINUX / 'isohdpfx.bin',
        '-b', 'isolinux/isolinux.bin', '-c', 'isolinux/boot.cat',
        *NO_EMULATION)


@_kind(configs=('/boot/grub/grub.cfg',), initrd='/live/initrd.img',
       firmware=('bios',))
def grub_bios(directory: pathlib.Path, *, payload: int = 0,
              kernel: pathlib.Path | None = None,
              initrd: pathlib.Path | None = None) -> pathlib.Path:
    """GRUB for BIOS as an El Torito image and in the MBR."""
    vmlinuz, ramdisk = boot_files(kernel, initrd)
    return build(
        directory, 'grub_bios',
        {**_README, 'boot/grub/grub.cfg': cfg.GRUB_CFG,
         'boot/grub/i386-pc/eltorito.img':
             grub_image('i386-pc-eltorito', '/boot/grub'),
         'live/vmlinuz': vmlinuz, 'live/initrd.img': ramdisk},
        payload, '-R', '--grub2-mbr', GRUB / 'i386-pc/boot_hybrid.img',
        '-b', 'boot/grub/i386-pc/eltorito.img', '-c', 'boot/grub/boot.cat',
        *NO_EMULATION, '--grub2-boot-info')


def _hybrid(directory: pathlib.Path, name: str, payload: int,
            kernel: pathlib.Path | None, initrd: pathlib.Path | None,
            *options: str) -> pathlib.Path:
    vmlinuz, ramdisk = boot_files(kernel, initrd)
    esp = grub_esp('/EFI/debian', cfg.HYBRID_STUB, directory='EFI/debian')
    return build(
        directory, name,
        {**_README, **isolinux_files(),
         'isolinux/isolinux.cfg': b'path\ninclude menu.cfg\n'
                                  b'default install\nprompt 0\n'
                                  b'timeout 10\n',
         'isolinux/menu.cfg': b'menu title Installer\ninclude txt.cfg\n'
                              b'menu begin advanced\n'
                              b'    include adtxt.cfg\nmenu end\n',
         'isolinux/txt.cfg': cfg.HYBRID_TXT_CFG,
         'isolinux/adtxt.cfg': cfg.HYBRID_TXT_CFG.replace(
             b'label install', b'label expert').replace(
             b'vga=788', b'priority=low vga=788'),
         'boot/grub/grub.cfg': cfg.HYBRID_GRUB_CFG,
         'boot/grub/efi.img': esp.read_bytes(),
         # GRUB looks here when it comes from a CD.
         'EFI/debian/grub.cfg': cfg.HYBRID_STUB,
         '.disk/info': b'Debian-like\n',
         'install.amd/vmlinuz': vmlinuz, 'install.amd/initrd.gz': ramdisk},
        payload, '-R', '-J', '-isohybrid-mbr', ISOLINUX / 'isohdpfx.bin',
        '-b', 'isolinux/isolinux.bin', '-c', 'isolinux/boot.cat',
        *NO_EMULATION, '-eltorito-alt-boot', '-e', 'boot/grub/efi.img',
        '-no-emul-boot', '-isohybrid-gpt-basdat', *options)


_HYBRID_FACTS: dict[str, typing.Any] = {
    'configs': ('/isolinux/txt.cfg', '/isolinux/adtxt.cfg',
                '/boot/grub/grub.cfg'),
    'stubs': ('/EFI/debian/grub.cfg',), 'initrd': '/install.amd/initrd.gz',
    'firmware': ('bios', 'uefi'), 'trees': ('rock_ridge', 'joliet')}


@_kind(**_HYBRID_FACTS)
def hybrid(directory: pathlib.Path, *, payload: int = 0,
           kernel: pathlib.Path | None = None,
           initrd: pathlib.Path | None = None) -> pathlib.Path:
    """Like Debian: ISOLINUX, and an ESP that is a file of the ISO."""
    return _hybrid(directory, 'hybrid', payload, kernel, initrd)


@_kind(**_HYBRID_FACTS)
def hybrid_apm(directory: pathlib.Path, *, payload: int = 0,
               kernel: pathlib.Path | None = None,
               initrd: pathlib.Path | None = None) -> pathlib.Path:
    """The same with an Apple partition map in the isohybrid MBR."""
    return _hybrid(directory, 'hybrid_apm', payload, kernel, initrd,
                   '-isohybrid-apm-hfsplus')


def _appended_esp(esp: pathlib.Path) -> tuple[str | pathlib.Path, ...]:
    """Options for a second tree at sector 16 and an ESP behind the ISO."""
    return ('--grub2-mbr', GRUB / 'i386-pc/boot_hybrid.img',
            '-partition_offset', '16', '-appended_part_as_gpt',
            '-append_partition', '2', ESP_TYPE, esp, '-iso_mbr_part_type',
            BASIC_DATA_TYPE, '-c', 'boot.cat', '--boot-catalog-hide')


_EFI_APPENDED = ('-eltorito-alt-boot', '-e',
                 '--interval:appended_partition_2:all::', '-no-emul-boot')


def _lorax(directory: pathlib.Path, name: str, payload: int,
           kernel: pathlib.Path | None,
           initrd: pathlib.Path | None) -> pathlib.Path:
    vmlinuz, ramdisk = boot_files(kernel, initrd)
    config = cfg.lorax_cfg('LORAX LIKE')
    return build(
        directory, name,
        {**_README, 'EFI/BOOT/grub.cfg': config,
         'EFI/BOOT/BOOTX64.EFI': grub_image('x86_64-efi', '/EFI/BOOT'),
         'boot/grub2/grub.cfg': config,
         'images/eltorito.img': grub_image('i386-pc-eltorito', '/boot/grub2'),
         'images/pxeboot/vmlinuz': vmlinuz,
         'images/pxeboot/initrd.img': ramdisk},
        payload, '-R', '-J', '-V', 'LORAX LIKE',
        *_appended_esp(grub_esp('/EFI/BOOT', config)),
        '-b', 'images/eltorito.img', *NO_EMULATION, '--grub2-boot-info',
        *_EFI_APPENDED)


_LORAX_FACTS: dict[str, typing.Any] = {
    'configs': ('/EFI/BOOT/grub.cfg', '/boot/grub2/grub.cfg'),
    'esp_configs': ('/EFI/BOOT/grub.cfg',),
    'initrd': '/images/pxeboot/initrd.img', 'firmware': ('bios', 'uefi'),
    'trees': ('rock_ridge', 'joliet')}


@_kind(**_LORAX_FACTS)
def lorax_like(directory: pathlib.Path, *, payload: int = 0,
               kernel: pathlib.Path | None = None,
               initrd: pathlib.Path | None = None) -> pathlib.Path:
    """Like Fedora: second tree, appended ESP with its own full grub.cfg."""
    return _lorax(directory, 'lorax_like', payload, kernel, initrd)


@_kind(**_LORAX_FACTS)
def implanted(directory: pathlib.Path, *, payload: int = 0,
              kernel: pathlib.Path | None = None,
              initrd: pathlib.Path | None = None) -> pathlib.Path:
    """The Fedora-like image with an isomd5sum checksum implanted."""
    iso = _lorax(directory, 'implanted', payload, kernel, initrd)
    run('implantisomd5', '--supported-iso', iso)
    return iso


@_kind(configs=('/boot/grub/grub.cfg', '/boot/grub/loopback.cfg'),
       initrd='/casper/initrd', firmware=('bios', 'uefi'),
       trees=('rock_ridge', 'joliet'))
def ubuntu_like(directory: pathlib.Path, *, payload: int = 0,
                kernel: pathlib.Path | None = None,
                initrd: pathlib.Path | None = None) -> pathlib.Path:
    """Like Ubuntu: casper, ``---``, md5sum.txt, an ESP without config."""
    vmlinuz, ramdisk = boot_files(kernel, initrd)
    esp = esp_image({
        'EFI/BOOT/BOOTX64.EFI': grub_image('x86_64-efi', '/boot/grub')})
    files = {
        **_README, 'boot/grub/grub.cfg': cfg.UBUNTU_CFG,
        'boot/grub/loopback.cfg':
            b'menuentry "Loopback" {\n\tlinux\t/casper/vmlinuz  '
            b'iso-scan/filename=${iso_path} --- quiet\n'
            b'\tinitrd\t/casper/initrd\n}\n',
        'boot/grub/i386-pc/eltorito.img':
            grub_image('i386-pc-eltorito', '/boot/grub'),
        'boot/memtest86+x64.bin': b'not a Linux kernel\n' * 100,
        'casper/vmlinuz': vmlinuz, 'casper/initrd': ramdisk,
        '.disk/info': b'Ubuntu-Server-like\n'}
    sums = {name: hashlib.md5(content, usedforsecurity=False).hexdigest()
            for name, content in files.items() if 'eltorito' not in name}
    files['md5sum.txt'] = ''.join(
        '%s  ./%s\n' % (sums[name], name) for name in sorted(sums)).encode()
    return build(
        directory, 'ubuntu_like', files, payload, '-r', '-J',
        '--mbr-force-bootable', *_appended_esp(esp),
        '-b', 'boot/grub/i386-pc/eltorito.img', *NO_EMULATION,
        '--grub2-boot-info', *_EFI_APPENDED)


def _uefi_only(directory: pathlib.Path, name: str, payload: int,
               kernel: pathlib.Path | None, initrd: pathlib.Path | None,
               esp: pathlib.Path) -> pathlib.Path:
    vmlinuz, ramdisk = boot_files(kernel, initrd)
    return build(
        directory, name,
        {**_README, 'EFI/BOOT/grub.cfg': cfg.GRUB_CFG,
         'images/efiboot.img': esp.read_bytes(),
         'live/vmlinuz': vmlinuz, 'live/initrd.img': ramdisk},
        payload, '-R', '-J', '-c', 'boot.cat', '-e', 'images/efiboot.img',
        '-no-emul-boot', '-efi-boot-part', '--efi-boot-image',
        '--protective-msdos-label')


_ESP_FACTS: dict[str, typing.Any] = {
    'configs': ('/EFI/BOOT/grub.cfg',),
    'esp_configs': ('/EFI/BOOT/grub.cfg',), 'initrd': '/live/initrd.img',
    'firmware': ('uefi',), 'trees': ('rock_ridge', 'joliet')}


@_kind(**_ESP_FACTS)
def esp_fat12(directory: pathlib.Path, *, payload: int = 0,
              kernel: pathlib.Path | None = None,
              initrd: pathlib.Path | None = None) -> pathlib.Path:
    """UEFI only, with a FAT12 ESP that holds a full grub.cfg."""
    return _uefi_only(directory, 'esp_fat12', payload, kernel, initrd,
                      grub_esp('/EFI/BOOT', cfg.GRUB_CFG))


@_kind(**_ESP_FACTS)
def esp_fat16(directory: pathlib.Path, *, payload: int = 0,
              kernel: pathlib.Path | None = None,
              initrd: pathlib.Path | None = None) -> pathlib.Path:
    """UEFI only, with a FAT16 ESP of four-sector clusters."""
    return _uefi_only(directory, 'esp_fat16', payload, kernel, initrd,
                      grub_esp('/EFI/BOOT', cfg.GRUB_CFG, fat=16,
                               size=10 * MIB, cluster_sectors=4))


@_kind(**_ESP_FACTS)
def esp_fat32(directory: pathlib.Path, *, payload: int = 0,
              kernel: pathlib.Path | None = None,
              initrd: pathlib.Path | None = None) -> pathlib.Path:
    """UEFI only, with a FAT32 ESP."""
    return _uefi_only(directory, 'esp_fat32', payload, kernel, initrd,
                      grub_esp('/EFI/BOOT', cfg.GRUB_CFG, fat=32,
                               size=36 * MIB))


@_kind(**_ESP_FACTS)
def esp_full(directory: pathlib.Path, *, payload: int = 0,
             kernel: pathlib.Path | None = None,
             initrd: pathlib.Path | None = None) -> pathlib.Path:
    """UEFI only, with an ESP that has no free cluster left.

    The grub.cfg fills its last cluster to the byte, so that any addition
    needs a larger partition.
    """
    config = cfg.GRUB_CFG.ljust(-(-len(cfg.GRUB_CFG) // 512) * 512, b'\n')
    files = {'EFI/BOOT/BOOTX64.EFI': grub_image('x86_64-efi', '/EFI/BOOT'),
             'EFI/BOOT/grub.cfg': config}
    esp = esp_image({**files, 'FILL.BIN': b'\xf1' * esp_free_bytes(files)})
    return _uefi_only(directory, 'esp_full', payload, kernel, initrd, esp)


@_kind(esp_configs=('/loader/entries/live.conf',), esp_initrd='/live/initrd',
       firmware=('uefi',), trees=('rock_ridge', 'joliet'))
def systemd_boot(directory: pathlib.Path, *, payload: int = 0,
                 kernel: pathlib.Path | None = None,
                 initrd: pathlib.Path | None = None) -> pathlib.Path:
    """Kernel, initrd and loader entries are in the ESP only.

    The loader is Debian's systemd-boot where installed, else GRUB's binary
    stands in for it: enough for the structure, not for booting.
    """
    vmlinuz, ramdisk = boot_files(kernel, initrd)
    binary = (SYSTEMD_BOOT.read_bytes() if SYSTEMD_BOOT.exists()
              else grub_image('x86_64-efi', '/EFI/BOOT'))
    files = {
        'EFI/BOOT/BOOTX64.EFI': binary,
        'loader/loader.conf': b'timeout 1\ndefault live.conf\n',
        'loader/entries/live.conf':
            b'title   Live system\nlinux   /live/vmlinuz\n'
            b'initrd  /live/initrd\noptions boot=live console=ttyS0 quiet\n',
        'live/vmlinuz': vmlinuz, 'live/initrd': ramdisk}
    esp = fitting_esp_image(files)
    return build(
        directory, 'systemd_boot',
        {**_README, 'EFI/efi.img': esp.read_bytes()}, payload, '-R', '-J',
        '-e', 'EFI/efi.img', '-no-emul-boot', '-c', 'boot.cat',
        '-isohybrid-gpt-basdat')


@_kind(configs=('/EFI/fedora/grub.cfg', '/isolinux/isolinux.cfg'),
       stubs=('/EFI/fedora/grub.cfg',),
       initrd='/images/pxeboot/initrd.img', firmware=('bios', 'uefi'))
def coreos_like(directory: pathlib.Path, *, payload: int = 0,
                kernel: pathlib.Path | None = None,
                initrd: pathlib.Path | None = None) -> pathlib.Path:
    """Like Fedora CoreOS: kernel argument and Ignition embed areas."""
    vmlinuz, ramdisk = boot_files(kernel, initrd)
    esp = grub_esp('/EFI/fedora', b'search --file --set=root '
                   b'/coreos/kargs.json\n'
                   b'configfile ($root)/EFI/fedora/grub.cfg\n',
                   directory='EFI/fedora')
    return build(
        directory, 'coreos_like',
        {**_README, **isolinux_files(), **cfg.coreos_files(),
         'images/ignition.img': bytes(256 * 1024),
         'images/efiboot.img': esp.read_bytes(),
         'images/pxeboot/vmlinuz': vmlinuz,
         'images/pxeboot/initrd.img': ramdisk},
        payload, '-R', '-isohybrid-mbr', ISOLINUX / 'isohdpfx.bin',
        '-b', 'isolinux/isolinux.bin', '-c', 'isolinux/boot.cat',
        *NO_EMULATION, '-eltorito-alt-boot', '-e', 'images/efiboot.img',
        '-no-emul-boot', '-isohybrid-gpt-basdat')


BUILDERS: tuple[Kind, ...] = tuple(_KINDS)
KINDS: dict[str, Kind] = {kind.name: kind for kind in BUILDERS}


@functools.lru_cache(maxsize=None)
def shared(name: str) -> pathlib.Path:
    """An ISO of kind ``name`` that was built once, for reading only."""
    return iso_cache.kept(name, KINDS[name].build)


_REAL = {
    'grub_rescue': ('/usr/lib/grub-rescue/grub-rescue-cdrom.iso',
                    'grub-rescue-pc'),
    'ipxe': ('/usr/lib/ipxe/ipxe.iso', 'ipxe'),
    'memtest_x64': ('/usr/lib/memtest86+/memtest86+x64.iso', 'memtest86+'),
    'memtest_ia32': ('/usr/lib/memtest86+/memtest86+ia32.iso', 'memtest86+'),
}
REAL: tuple[str, ...] = tuple(_REAL)


def real(name: str) -> pathlib.Path:
    """Path of an ISO of a Debian package; raises SkipTest if missing."""
    path, package = _REAL[name]
    if not os.path.exists(path):
        raise unittest.SkipTest('%s is missing: install the Debian package '
                                '%s' % (path, package))
    return pathlib.Path(path)
