# SPDX-License-Identifier: Apache-2.0

"""ISO images for tests and benchmarks, one builder per kind, by real tools.

Every builder is called as ``builder(directory, payload=bytes)``, writes one
ISO into that directory and returns its path; those without a boot loader are
in iso_trees. Boot loaders are real, kernels and initrds are small stand-ins
unless the caller passes its own.
"""

import functools
import hashlib
import os
import pathlib
import typing
import unittest

from tests import iso_cache
from tests import iso_configs as cfg
from tests import iso_kinds
from tests.iso_kinds import kind
from tests.iso_kinds import Kind
from tests.iso_parts import BASIC_DATA_TYPE
from tests.iso_parts import boot_files
from tests.iso_parts import build
from tests.iso_parts import esp_free_bytes
from tests.iso_parts import esp_image
from tests.iso_parts import ESP_TYPE
from tests.iso_parts import fitting_esp_image
from tests.iso_parts import GRUB
from tests.iso_parts import grub_esp
from tests.iso_parts import grub_image
from tests.iso_parts import ISOLINUX
from tests.iso_parts import isolinux_files
from tests.iso_parts import MIB
from tests.iso_parts import NO_EMULATION
from tests.iso_parts import run
from tests.iso_parts import SYSTEMD_BOOT
from tests.iso_trees import README


@kind(configs=('/isolinux/isolinux.cfg',), initrd='/live/initrd.img',
      firmware=('bios',), trees=('rock_ridge', 'joliet'))
def isolinux_bios(directory: pathlib.Path, *, payload: int = 0,
                  kernel: pathlib.Path | None = None,
                  initrd: pathlib.Path | None = None) -> pathlib.Path:
    """ISOLINUX with boot info table and an isohybrid MBR."""
    vmlinuz, ramdisk = boot_files(kernel, initrd)
    return build(
        directory, 'isolinux_bios',
        {**README, **isolinux_files(),
         'isolinux/isolinux.cfg': cfg.ISOLINUX_CFG,
         'live/vmlinuz': vmlinuz, 'live/initrd.img': ramdisk},
        payload, '-R', '-J', '-isohybrid-mbr', ISOLINUX / 'isohdpfx.bin',
        '-b', 'isolinux/isolinux.bin', '-c', 'isolinux/boot.cat',
        *NO_EMULATION)


@kind(configs=('/boot/grub/grub.cfg',), initrd='/live/initrd.img',
      firmware=('bios',))
def grub_bios(directory: pathlib.Path, *, payload: int = 0,
              kernel: pathlib.Path | None = None,
              initrd: pathlib.Path | None = None) -> pathlib.Path:
    """GRUB for BIOS as an El Torito image and in the MBR."""
    vmlinuz, ramdisk = boot_files(kernel, initrd)
    return build(
        directory, 'grub_bios',
        {**README, 'boot/grub/grub.cfg': cfg.GRUB_CFG,
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
        {**README, **isolinux_files(),
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


@kind(**_HYBRID_FACTS)
def hybrid(directory: pathlib.Path, *, payload: int = 0,
           kernel: pathlib.Path | None = None,
           initrd: pathlib.Path | None = None) -> pathlib.Path:
    """Like Debian: ISOLINUX, and an ESP that is a file of the ISO."""
    return _hybrid(directory, 'hybrid', payload, kernel, initrd)


@kind(**_HYBRID_FACTS)
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
        {**README, 'EFI/BOOT/grub.cfg': config,
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


@kind(**_LORAX_FACTS)
def lorax_like(directory: pathlib.Path, *, payload: int = 0,
               kernel: pathlib.Path | None = None,
               initrd: pathlib.Path | None = None) -> pathlib.Path:
    """Like Fedora: second tree, appended ESP with its own full grub.cfg."""
    return _lorax(directory, 'lorax_like', payload, kernel, initrd)


@kind(**_LORAX_FACTS)
def implanted(directory: pathlib.Path, *, payload: int = 0,
              kernel: pathlib.Path | None = None,
              initrd: pathlib.Path | None = None) -> pathlib.Path:
    """The Fedora-like image with an isomd5sum checksum implanted."""
    iso = _lorax(directory, 'implanted', payload, kernel, initrd)
    run('implantisomd5', '--supported-iso', iso)
    return iso


@kind(configs=('/boot/grub/grub.cfg', '/boot/grub/loopback.cfg'),
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
        **README, 'boot/grub/grub.cfg': cfg.UBUNTU_CFG,
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
        {**README, 'EFI/BOOT/grub.cfg': cfg.GRUB_CFG,
         'images/efiboot.img': esp.read_bytes(),
         'live/vmlinuz': vmlinuz, 'live/initrd.img': ramdisk},
        payload, '-R', '-J', '-c', 'boot.cat', '-e', 'images/efiboot.img',
        '-no-emul-boot', '-efi-boot-part', '--efi-boot-image',
        '--protective-msdos-label')


_ESP_FACTS: dict[str, typing.Any] = {
    'configs': ('/EFI/BOOT/grub.cfg',),
    'esp_configs': ('/EFI/BOOT/grub.cfg',), 'initrd': '/live/initrd.img',
    'firmware': ('uefi',), 'trees': ('rock_ridge', 'joliet')}


@kind(**_ESP_FACTS)
def esp_fat12(directory: pathlib.Path, *, payload: int = 0,
              kernel: pathlib.Path | None = None,
              initrd: pathlib.Path | None = None) -> pathlib.Path:
    """UEFI only, with a FAT12 ESP that holds a full grub.cfg."""
    return _uefi_only(directory, 'esp_fat12', payload, kernel, initrd,
                      grub_esp('/EFI/BOOT', cfg.GRUB_CFG))


@kind(**_ESP_FACTS)
def esp_fat16(directory: pathlib.Path, *, payload: int = 0,
              kernel: pathlib.Path | None = None,
              initrd: pathlib.Path | None = None) -> pathlib.Path:
    """UEFI only, with a FAT16 ESP of four-sector clusters."""
    return _uefi_only(directory, 'esp_fat16', payload, kernel, initrd,
                      grub_esp('/EFI/BOOT', cfg.GRUB_CFG, fat=16,
                               size=10 * MIB, cluster_sectors=4))


@kind(**_ESP_FACTS)
def esp_fat32(directory: pathlib.Path, *, payload: int = 0,
              kernel: pathlib.Path | None = None,
              initrd: pathlib.Path | None = None) -> pathlib.Path:
    """UEFI only, with a FAT32 ESP."""
    return _uefi_only(directory, 'esp_fat32', payload, kernel, initrd,
                      grub_esp('/EFI/BOOT', cfg.GRUB_CFG, fat=32,
                               size=36 * MIB))


@kind(**_ESP_FACTS)
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


@kind(esp_configs=('/loader/entries/live.conf',), esp_initrd='/live/initrd',
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
        {**README, 'EFI/efi.img': esp.read_bytes()}, payload, '-R', '-J',
        '-e', 'EFI/efi.img', '-no-emul-boot', '-c', 'boot.cat',
        '-isohybrid-gpt-basdat')


@kind(configs=('/EFI/fedora/grub.cfg', '/isolinux/isolinux.cfg'),
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
        {**README, **isolinux_files(), **cfg.coreos_files(),
         'images/ignition.img': bytes(256 * 1024),
         'images/efiboot.img': esp.read_bytes(),
         'images/pxeboot/vmlinuz': vmlinuz,
         'images/pxeboot/initrd.img': ramdisk},
        payload, '-R', '-isohybrid-mbr', ISOLINUX / 'isohdpfx.bin',
        '-b', 'isolinux/isolinux.bin', '-c', 'isolinux/boot.cat',
        *NO_EMULATION, '-eltorito-alt-boot', '-e', 'images/efiboot.img',
        '-no-emul-boot', '-isohybrid-gpt-basdat')


BUILDERS: tuple[Kind, ...] = tuple(iso_kinds.KINDS)
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
