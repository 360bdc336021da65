# SPDX-License-Identifier: Apache-2.0

"""ISO images laid out as those of systems that no other builder stands for.

Each is called as ``builder(directory)``, like those of
:mod:`tests.iso_cases`.
"""

import pathlib

from tests import iso_parts as parts

_BIOS = ('-b', 'isolinux/isolinux.bin', '-c', 'isolinux/boot.cat',
         *parts.NO_EMULATION)
_HYBRID = ('-isohybrid-mbr', parts.ISOLINUX / 'isohdpfx.bin')
_UEFI = ('-eltorito-alt-boot', '-e', 'boot/grub/efi.img', '-no-emul-boot',
         '-isohybrid-gpt-basdat')


def alpine(directory: pathlib.Path) -> pathlib.Path:
    """Like Alpine: ISOLINUX reads /boot/syslinux/syslinux.cfg, GRUB beside."""
    kernel, initrd = parts.boot_files(None, None)
    words = b'modules=loop,squashfs,sd-mod,usb-storage quiet'
    menu = (b'TIMEOUT 10\nPROMPT 1\nDEFAULT lts\n\nLABEL lts\n'
            b'MENU LABEL Linux lts\nKERNEL /boot/vmlinuz-lts\n'
            b'INITRD /boot/initramfs-lts\nFDTDIR /boot/dtbs-lts\n'
            b'APPEND ' + words + b'\n')
    grub = (b'set timeout=1\n\nmenuentry "Linux lts" {\n'
            b'linux\t/boot/vmlinuz-lts ' + words + b'\n'
            b'initrd\t/boot/initramfs-lts\n}\n')
    stub = (b'search --file --set=root /.alpine-release\n'
            b'configfile ($root)/boot/grub/grub.cfg\n')
    return parts.build(
        directory, 'alpine',
        {**parts.isolinux_files(), 'boot/syslinux/syslinux.cfg': menu,
         'boot/grub/grub.cfg': grub, '.alpine-release': b'alpine-lts\n',
         'boot/grub/efi.img': parts.grub_esp('/EFI/BOOT', stub).read_bytes(),
         'EFI/BOOT/grub.cfg': stub, 'boot/vmlinuz-lts': kernel,
         'boot/initramfs-lts': initrd}, 0, '-R', '-J', *_HYBRID, *_BIOS,
        *_UEFI)


def grml(directory: pathlib.Path) -> pathlib.Path:
    """Like grml: GRUB sources what a glob finds."""
    kernel, initrd = parts.boot_files(None, None)
    menu = (b'set timeout=1\n'
            b'for conf in ($root)/boot/grub/*_default.cfg ; do\n'
            b'  source "$conf"\ndone\n')
    entry = (b'menuentry "grml64 - Default boot" {\n'
             b'  linux /boot/grml64/vmlinuz boot=live quiet\n'
             b'  initrd /boot/grml64/initrd.img\n}\n')
    return parts.build(
        directory, 'grml',
        {'boot/grub/grub.cfg': menu, 'boot/grub/grml64_default.cfg': entry,
         'boot/grub/grml64_options.cfg': b'# nothing\n',
         'boot/grub/eltorito.img': parts.grub_image(
             'i386-pc-eltorito', '/boot/grub', 'regexp'),
         'boot/grml64/vmlinuz': kernel, 'boot/grml64/initrd.img': initrd},
        0, '-R', '-J', '--grub2-mbr',
        parts.GRUB / 'i386-pc/boot_hybrid.img', '-b',
        'boot/grub/eltorito.img', '-c', 'boot.cat', *parts.NO_EMULATION,
        '--grub2-boot-info')


def system_rescue(directory: pathlib.Path) -> pathlib.Path:
    """Like SystemRescue: one config leads to another, with its directory."""
    kernel, initrd = parts.boot_files(None, None)
    first = (b'DEFAULT loadconfig\nPROMPT 0\nLABEL loadconfig\n'
             b'  CONFIG /sysresccd/boot/syslinux/sysresccd.cfg\n'
             b'  APPEND /sysresccd/\n')
    menu = (b'DEFAULT copy\nPROMPT 1\nTIMEOUT 10\nLABEL copy\n'
            b'MENU LABEL Boot with default options\n'
            b'LINUX boot/x86_64/vmlinuz\nINITRD boot/x86_64/sysresccd.img\n'
            b'APPEND archisobasedir=sysresccd iomem=relaxed\n')
    return parts.build(
        directory, 'system_rescue',
        {**parts.isolinux_files(), 'isolinux/isolinux.cfg': first,
         'sysresccd/boot/syslinux/sysresccd.cfg': menu,
         'sysresccd/boot/x86_64/vmlinuz': kernel,
         'sysresccd/boot/x86_64/sysresccd.img': initrd}, 0, '-R', '-J',
        *_HYBRID, *_BIOS)


def xen(directory: pathlib.Path) -> pathlib.Path:
    """Like XCP-ng: GRUB starts a hypervisor, that the kernel."""
    kernel, initrd = parts.boot_files(None, None)
    menu = (b'set timeout=5\nmenuentry "install" {\n'
            b'    multiboot2 /boot/xen.gz dom0_max_vcpus=1-16 vga=mode-0x311\n'
            b'    module2 /boot/vmlinuz console=hvc0 console=tty0\n'
            b'    module2 /install.img\n}\n')
    return parts.build(
        directory, 'xen',
        {'boot/grub/grub.cfg': menu, 'boot/xen.gz': bytes(64),
         'boot/vmlinuz': kernel, 'install.img': initrd,
         'boot/grub/eltorito.img': parts.grub_image(
             'i386-pc-eltorito', '/boot/grub', 'multiboot2')},
        0, '-R', '-J', '-b', 'boot/grub/eltorito.img', '-c', 'boot.cat',
        *parts.NO_EMULATION, '--grub2-boot-info')
