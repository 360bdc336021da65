# SPDX-License-Identifier: Apache-2.0

"""ISO images that are hard to customise, one builder per layout.

Each is called as ``builder(directory)``, as those of :mod:`tests.isos`:
boot loaders are real, kernels and initrds are small stand-ins.
"""

import collections.abc
import contextlib
import contextvars
import functools
import json
import pathlib
import re
import struct
import subprocess
import tempfile

from tests import iso_cache
from tests import iso_parts as parts
from tests import iso_systems
from tests import isos

_ARGUMENTS = 'platform=metal console=ttyS0'
_LOADER_CONF = b'timeout 1\n'
_STUB = pathlib.Path('/usr/lib/systemd/boot/efi/linuxx64.efi.stub')

_later_stub: contextvars.ContextVar[bytes] = contextvars.ContextVar(
    'later_stub', default=b'')


def _isolinux(config: bytes, name: str = 'isolinux/isolinux.cfg'
              ) -> parts.Files:
    return {**parts.isolinux_files(), name: config}


_BIOS = ('-b', 'isolinux/isolinux.bin', '-c', 'isolinux/boot.cat',
         *parts.NO_EMULATION)
_HYBRID = ('-isohybrid-mbr', parts.ISOLINUX / 'isohdpfx.bin')


def _with_esp(esp: pathlib.Path) -> tuple[str | pathlib.Path, ...]:
    return ('-partition_offset', '16', '-append_partition', '2',
            parts.ESP_TYPE, esp, '-appended_part_as_gpt',
            '-eltorito-alt-boot', '-e',
            '--interval:appended_partition_2:all::', '-no-emul-boot')


def esp_kernel(directory: pathlib.Path) -> pathlib.Path:
    """Like Arch: systemd-boot has copies of kernel and initrd in the ESP."""
    kernel, initrd = parts.boot_files(None, None)
    boot = {'arch/boot/vmlinuz-linux': kernel,
            'arch/boot/initramfs-linux.img': initrd}
    esp = parts.fitting_esp_image({
        'EFI/BOOT/BOOTX64.EFI': parts.SYSTEMD_BOOT.read_bytes(),
        'loader/loader.conf': _LOADER_CONF + b'default 01-live.conf\n',
        'loader/entries/01-live.conf':
            b'title Live (UEFI)\nsort-key 01\n'
            b'linux /arch/boot/vmlinuz-linux\n'
            b'initrd /arch/boot/initramfs-linux.img\n'
            b'options archisobasedir=arch console=ttyS0\n', **boot})
    config = (b'DEFAULT live\nTIMEOUT 10\nLABEL live\n'
              b'MENU LABEL Live (BIOS)\n'
              b'LINUX /arch/boot/vmlinuz-linux\n'
              b'INITRD /arch/boot/initramfs-linux.img\n'
              b'APPEND archisobasedir=arch console=ttyS0\n')
    return parts.build(
        directory, 'esp_kernel', {**_isolinux(config), **boot}, 0, '-R',
        '-J', *_HYBRID, *_BIOS, *_with_esp(esp))


@contextlib.contextmanager
def stub(path: pathlib.Path) -> collections.abc.Iterator[None]:
    """Have unified_add_ons() use a stub that takes add-ons."""
    token = _later_stub.set(path.read_bytes())
    try:
        yield
    finally:
        _later_stub.reset(token)


def unified_kernel(directory: pathlib.Path) -> pathlib.Path:
    """Like Talos: GRUB for a BIOS, a unified kernel image for UEFI.

    Its stub takes no add-ons, or calls itself one that does not.
    """
    return _with_unified(directory, 'unified_kernel', _as_release(252))


def unified_add_ons(directory: pathlib.Path) -> pathlib.Path:
    """The same with a later stub, or one that calls itself one."""
    return _with_unified(directory, 'unified_add_ons',
                         _later_stub.get() or _as_release(257))


def _as_release(number: int) -> bytes:
    """Return the stub of this system as one of a release of systemd."""
    return re.sub(rb'(systemd-stub )\d+', rb'\g<1>%d' % number,
                  _STUB.read_bytes())


def _with_unified(directory: pathlib.Path, name: str, efi_stub: bytes
                  ) -> pathlib.Path:
    kernel, initrd = parts.boot_files(None, None)
    esp = parts.fitting_esp_image({
        'EFI/BOOT/BOOTX64.EFI': parts.SYSTEMD_BOOT.read_bytes(),
        'EFI/Linux/System-1.efi': _unified(kernel, initrd, efi_stub),
        'loader/loader.conf': _LOADER_CONF})
    config = (f'set default=0\nset timeout=1\nmenuentry "System" {{\n'
              f'\tlinux /boot/vmlinuz {_ARGUMENTS}\n'
              f'\tinitrd /boot/initrd\n}}\n').encode()
    return parts.build(
        directory, name,
        {'boot/vmlinuz': kernel, 'boot/initrd': initrd,
         'boot/grub/grub.cfg': config,
         'boot/grub/eltorito.img':
             parts.grub_image('i386-pc-eltorito', '/boot/grub')},
        0, '-R', '-J', '--grub2-mbr', parts.GRUB / 'i386-pc/boot_hybrid.img',
        '-b', 'boot/grub/eltorito.img', '-c', 'boot.cat',
        *parts.NO_EMULATION, '--grub2-boot-info', *_with_esp(esp))


def _unified(kernel: bytes, initrd: bytes, efi_stub: bytes) -> bytes:
    headers = int.from_bytes(efi_stub[60:64], 'little')
    # Where a stub of later releases is to be loaded.
    base = int.from_bytes(efi_stub[headers + 48:headers + 56], 'little')
    sections = {'.osrel': (b'ID=system\nPRETTY_NAME="System"\n', 0x20000),
                '.cmdline': (_ARGUMENTS.encode(), 0x30000),
                '.linux': (kernel, 0x2000000), '.initrd': (initrd, 0x4000000)}
    with tempfile.TemporaryDirectory() as scratch:
        where = pathlib.Path(scratch)
        options: list[str] = []
        for name, (content, address) in sections.items():
            (where / name).write_bytes(content)
            options += ['--add-section', f'{name}={where / name}',
                        '--change-section-vma', f'{name}={base + address:#x}']
        (where / 'stub').write_bytes(efi_stub)
        parts.run('objcopy', *options, where / 'stub', where / 'made.efi')
        return (where / 'made.efi').read_bytes()


def built_in_menu(directory: pathlib.Path) -> pathlib.Path:
    """UEFI has its whole menu inside of GRUB (grub-mkstandalone)."""
    kernel, initrd = parts.boot_files(None, None)
    with tempfile.TemporaryDirectory() as scratch:
        where = pathlib.Path(scratch)
        (where / 'menu.cfg').write_bytes(
            b'set timeout=1\nsearch --no-floppy --set=root --file '
            b'/live/vmlinuz\nmenuentry "Live" {\n'
            b'  linux ($root)/live/vmlinuz boot=live\n'
            b'  initrd ($root)/live/initrd\n}\n')
        parts.run('grub-mkstandalone', '-O', 'x86_64-efi', '--modules',
                  'part_gpt fat iso9660 linux search search_fs_file normal',
                  '--locales=', '--themes=', '--fonts=', '-o',
                  where / 'made.efi',
                  f'boot/grub/grub.cfg={where / "menu.cfg"}')
        binary = (where / 'made.efi').read_bytes()
    esp = parts.fitting_esp_image({'EFI/BOOT/BOOTX64.EFI': binary})
    config = (b'default live\ntimeout 10\nlabel live\n'
              b'  kernel /live/vmlinuz\n'
              b'  append initrd=/live/initrd boot=live\n')
    return parts.build(
        directory, 'built_in_menu',
        {**_isolinux(config), 'live/vmlinuz': kernel, 'live/initrd': initrd,
         'EFI/efiboot.img': esp.read_bytes()}, 0, '-R', '-J', *_HYBRID,
        *_BIOS, '-eltorito-alt-boot', '-e', 'EFI/efiboot.img',
        '-no-emul-boot', '-isohybrid-gpt-basdat')


def copied_config(directory: pathlib.Path) -> pathlib.Path:
    """Like RHEL: the ESP has its own copy of /EFI/BOOT/grub.cfg."""
    kernel, initrd = parts.boot_files(None, None)
    config = (b"set timeout=1\nsearch --no-floppy --set=root -l "
              b"'COPIED_CONFIG'\nmenuentry 'Install' {\n"
              b'\tlinux /images/vmlinuz inst.stage2=cdrom\n'
              b'\tinitrd /images/initrd.img\n}\n')
    esp = parts.grub_esp('/EFI/BOOT', config)
    return parts.build(
        directory, 'copied_config',
        {'EFI/BOOT/grub.cfg': config, 'images/vmlinuz': kernel,
         'images/initrd.img': initrd}, 0, '-R', '-J', *_with_esp(esp)[:6],
        '-e', '--interval:appended_partition_2:all::', '-no-emul-boot')


def variable_arguments(directory: pathlib.Path) -> pathlib.Path:
    """Kernel arguments stand in a variable of GRUB."""
    kernel, initrd = parts.boot_files(None, None)
    config = (b'set timeout=1\n'
              b'set params="quiet splash console=tty1 media=removable"\n'
              b'menuentry "Install" {\n'
              b'    linux /boot/vmlinuz $params root=live\n'
              b'    initrd /boot/initrd\n}\n')
    return parts.build(
        directory, 'variable_arguments',
        {'boot/vmlinuz': kernel, 'boot/initrd': initrd,
         'boot/grub/grub.cfg': config,
         'boot/grub/eltorito.img':
             parts.grub_image('i386-pc-eltorito', '/boot/grub')},
        0, '-R', '-b', 'boot/grub/eltorito.img', '-c', 'boot.cat',
        *parts.NO_EMULATION, '--grub2-boot-info')


def waiting_menu(directory: pathlib.Path) -> pathlib.Path:
    """Like SUSE: the menu waits for ever, and its default is the disk."""
    kernel, initrd = parts.boot_files(None, None)
    config = (b'default harddisk\nprompt 1\ntimeout 0\nlabel harddisk\n'
              b' localboot 0x80\nlabel linux\n kernel /linux\n'
              b' append initrd=/initrd.gz\n')
    return parts.build(
        directory, 'waiting_menu', {**_isolinux(config), 'linux': kernel,
                                    'initrd.gz': initrd}, 0, '-R', '-J',
        *_BIOS)


def on_timeout(directory: pathlib.Path) -> pathlib.Path:
    """Like Debian's installer: its command line for who touches nothing."""
    kernel, initrd = parts.boot_files(None, None)
    return parts.build(
        directory, 'on_timeout',
        {**_isolinux(b'path\ninclude screens/menu.cfg\n'
                     b'default screens/vesamenu.c32\nprompt 0\n',
                     'isolinux.cfg'),
         'screens/menu.cfg': b'menu title Installer\n'
                             b'include screens/txt.cfg\n'
                             b'include screens/speech.cfg\n',
         'screens/vesamenu.c32': (parts.SYSLINUX_MODULES / 'vesamenu.c32'
                                  ).read_bytes(),
         'screens/txt.cfg': b'label install\n\tkernel /d/linux\n'
                            b'\tappend initrd=/d/initrd.gz --- quiet\n',
         'screens/speech.cfg': b'timeout 20\nontimeout /d/linux '
                               b'initrd=/d/initrd.gz speech=soft --- quiet\n',
         'd/linux': kernel, 'd/initrd.gz': initrd}, 0, '-R', '-J', *_BIOS)


def hypervisor_config(directory: pathlib.Path) -> pathlib.Path:
    """Like ESXi: arguments stand in two files that mboot reads."""
    boot = (b'bootstate=0\ntitle=Loading installer\ntimeout=5\nprefix=\n'
            b'kernel=/b.b00\nkernelopt=runweasel cdromBoot\n'
            b'modules=/jumpstrt.gz --- /useropts.gz\n')
    menu = (b'DEFAULT menu.c32\nPROMPT 0\nTIMEOUT 80\nLABEL install\n'
            b'  KERNEL mboot.c32\n  APPEND -c boot.cfg\n'
            b'  MENU LABEL ^Installer\n')
    return parts.build(
        directory, 'hypervisor_config',
        {'ISOLINUX.BIN': (parts.ISOLINUX / 'isolinux.bin').read_bytes(),
         'MBOOT.C32': (parts.SYSLINUX_MODULES / 'mboot.c32').read_bytes(),
         'ISOLINUX.CFG': menu, 'BOOT.CFG': boot, 'EFI/BOOT/BOOT.CFG': boot,
         'B.B00': b'kernel', 'JUMPSTRT.GZ': b'module', 'IMGDB.TGZ': b'data'},
        0, '-b', 'ISOLINUX.BIN', '-c', 'BOOT.CAT', *parts.NO_EMULATION,
        tool=('genisoimage', '-quiet'))


def hypervisor_uefi(directory: pathlib.Path) -> pathlib.Path:
    """The same for UEFI: what is in the ESP starts what is in the ISO."""
    boot = (b'title=Loading installer\r\ntimeout=5\r\nprefix=\r\n'
            b'kernel=/b.b00\r\nkernelopt=runweasel cdromBoot\r\n'
            b'modules=/jumpstrt.gz\r\n')
    bounce = b'MZ' + bytes(62) + b'isobounce stand-in'
    esp = parts.esp_image({'EFI/BOOT/BOOTX64.EFI': bounce})
    return parts.build(
        directory, 'hypervisor_uefi',
        {'BOOT.CFG': boot, 'EFI/BOOT/BOOT.CFG': boot, 'B.B00': b'kernel',
         'EFI/BOOT/BOOTX64.EFI': b'MZ mboot stand-in',
         'JUMPSTRT.GZ': b'module', 'IMGDB.TGZ': b'data'},
        0, '-R', *_with_esp(esp)[2:])


def rescue(directory: pathlib.Path) -> pathlib.Path:
    """As grub-mkrescue makes it: for both firmwares, with HFS+ beside."""
    kernel, initrd = parts.boot_files(None, None)
    menu = (b'set timeout=3\nmenuentry "Rescue" {\n\tlinux /vmlinuz quiet\n'
            b'\tinitrd /initrd.img\n}\n')
    image = directory / 'rescue.iso'
    with tempfile.TemporaryDirectory() as scratch:
        root = pathlib.Path(scratch)
        parts.place(root, {'boot/grub/grub.cfg': menu, 'vmlinuz': kernel,
                           'initrd.img': initrd})
        parts.run('grub-mkrescue', '-o', image, root)
    return image


def bare_areas(directory: pathlib.Path) -> pathlib.Path:
    """CoreOS of 2021 to 2023: areas without ``end``, no igninfo.json."""
    kernel, initrd = parts.boot_files(None, None)
    size = 1139
    words = b'coreos.liveiso=x ignition.firstboot ignition.platform.id=metal'
    area = (words + b'\n').ljust(size, b'#')
    menu = (b'default linux\ntimeout 10\nlabel linux\n'
            b'  kernel /images/vmlinuz\n'
            b'  append initrd=/images/initrd.img,/images/ignition.img ')
    grub = b"menuentry 'CoreOS (Live)' {\n\tlinux /images/vmlinuz "
    mark = b' COREOS_KARG_EMBED_AREA\n'
    description = (
        f'{{"default": "{words.decode()}", "size": {size}, "files": ['
        f'{{"offset": {len(grub)}, "path": "EFI/fedora/grub.cfg"}}, '
        f'{{"offset": {len(menu)}, "path": "isolinux/isolinux.cfg"}}]}}')
    return parts.build(
        directory, 'bare_areas',
        {**_isolinux(menu + area + mark),
         'EFI/fedora/grub.cfg': grub + area + mark
         + b'\tinitrd /images/initrd.img /images/ignition.img\n}\n',
         'coreos/kargs.json': description.encode(),
         'images/ignition.img': bytes(262144), 'images/vmlinuz': kernel,
         'images/initrd.img': initrd}, 0, '-R', '-J', *_HYBRID, *_BIOS)


def old_areas(directory: pathlib.Path) -> pathlib.Path:
    """CoreOS of 2020 and 2021: the system area names the areas."""
    kernel, initrd = parts.boot_files(None, None)
    size = 1139
    area = (b'coreos.liveiso=x ignition.firstboot\n').ljust(size, b'#')
    menu = (b'default linux\ntimeout 10\nlabel linux\n'
            b'  kernel /images/vmlinuz\n'
            b'  append initrd=/images/initrd.img,/images/ignition.img ')
    grub = b"menuentry 'CoreOS (Live)' {\n\tlinux /images/vmlinuz "
    image = parts.build(
        directory, 'old_areas',
        {**_isolinux(menu + area + b'\n'),
         'EFI/fedora/grub.cfg': grub + area
         + b'\n\tinitrd /images/initrd.img /images/ignition.img\n}\n',
         'coreos/default': area, 'images/ignition.img': bytes(262144),
         'images/vmlinuz': kernel, 'images/initrd.img': initrd},
        0, '-R', '-J', *_HYBRID, *_BIOS)
    with image.open('r+b') as stream:
        places = [_place(image, path) for path in (
            '/coreos/default', '/EFI/fedora/grub.cfg',
            '/isolinux/isolinux.cfg', '/images/ignition.img')]
        stream.seek(32672)
        stream.write(struct.pack(
            '<8s8Q8s2Q', b'coreKarg', size, places[0],
            places[1] + len(grub), places[2] + len(menu), 0, 0, 0, 0,
            b'coreiso+', places[3], 262144))
    return image


def _place(image: pathlib.Path, path: str) -> int:
    """Return where a file begins, in bytes, by xorriso."""
    told = parts.run('xorriso', '-indev', image, '-find', path, '-exec',
                     'report_lba')
    return int(told.rsplit(b'lba:', 1)[1].split(b',')[1]) * 2048


def lz4_initrd(directory: pathlib.Path) -> pathlib.Path:
    """Like Ubuntu of 2020: the initrd is compressed with lz4 -l."""
    kernel, _ = parts.boot_files(None, None)
    plain = b''.join((
        b'070701', b'%08X' * 13 % (1, 0o100644, 0, 0, 1, 0, 4, 0, 0, 0, 0,
                                   5, 0),
        b'base\0\0\0\0\0\0'))[:116] + b'old\n'
    packed = subprocess.run(['lz4', '-l', '-c'], input=plain, check=True,
                            capture_output=True).stdout
    config = (b'default live\nlabel live\n kernel /casper/vmlinuz\n'
              b' append initrd=/casper/initrd ---\n')
    return parts.build(
        directory, 'lz4_initrd',
        {**_isolinux(config), 'casper/vmlinuz': kernel,
         'casper/initrd': packed}, 0, '-R', '-J', *_BIOS)


def mainframe(directory: pathlib.Path) -> pathlib.Path:
    """Like Fedora for s390x: one boot image, and a list for partitions."""
    kernel, initrd = parts.boot_files(None, None)
    return parts.build(
        directory, 'mainframe',
        {'images/cdboot.img': kernel + bytes(4096) + initrd,
         'images/kernel.img': kernel, 'images/initrd.img': initrd,
         'images/generic.prm': b'ro ramdisk_size=40000 quiet\n',
         'generic.ins': b'* minimal lpar ins file\n'
                        b'images/kernel.img 0x00000000\n'
                        b'images/initrd.img 0x02000000\n'
                        b'images/generic.prm 0x00010480\n'},
        0, '-R', '-J', '-b', 'images/cdboot.img', '-c', 'boot.cat',
        '-no-emul-boot')


def mainframe_areas(directory: pathlib.Path) -> pathlib.Path:
    """Like CoreOS for s390x: its areas are inside of the boot image."""
    kernel, initrd = parts.boot_files(None, None)
    words = 'coreos.liveiso=x ignition.firstboot'
    area = (words + '\n').encode().ljust(1139, b'\0')
    # Its size is no hint at what it is: real ones have 80 MiB.
    boot = kernel + area + initrd + bytes(65536)
    description = {
        'default': words, 'size': len(area), 'files': [
            {'path': 'images/cdboot.img', 'offset': len(kernel),
             'pad': '\0', 'end': '\n'},
            {'path': 'images/cdboot.prm', 'offset': 0, 'pad': '\0',
             'end': '\n'}]}
    return parts.build(
        directory, 'mainframe_areas',
        {'images/cdboot.img': boot, 'images/cdboot.prm': area,
         'coreos/kargs.json': json.dumps(description).encode(),
         'coreos/igninfo.json': json.dumps(
             {'file': 'images/cdboot.img', 'offset': len(boot) - 65536,
              'length': 65536}).encode(),
         'images/kernel.img': kernel, 'images/initrd.img': initrd,
         'generic.ins': b'images/kernel.img 0x00000000\n'
                        b'images/initrd.img 0x02000000\n'
                        b'images/cdboot.prm 0x00010480\n'},
        0, '-R', '-J', '-b', 'images/cdboot.img', '-c', 'boot.cat',
        '-no-emul-boot')


def multi_extent(directory: pathlib.Path) -> pathlib.Path:
    """Like Debian's installer, with a file that one extent cannot hold."""
    return isos.hybrid(directory, payload=(4 << 30) + (5 << 20)).rename(
        directory / 'multi_extent.iso')


def open_firmware(directory: pathlib.Path) -> pathlib.Path:
    """Like Fedora for ppc64le: no boot catalog, a script for CHRP."""
    kernel, initrd = parts.boot_files(None, None)
    script = (b'<chrp-boot>\n<description>grub 2.00</description>\n'
              b'<boot-script>boot &device;:\\boot\\grub\\'
              b'powerpc-ieee1275\\core.elf</boot-script>\n</chrp-boot>\n')
    menu = (b'set timeout=5\nmenuentry "Install" {\n'
            b'\tlinux /ppc/ppc64/vmlinuz quiet\n'
            b'\tinitrd /ppc/ppc64/initrd.img\n}\n')
    return parts.build(
        directory, 'open_firmware',
        {'ppc/bootinfo.txt': script, 'boot/grub/grub.cfg': menu,
         'boot/grub/powerpc-ieee1275/core.elf': b'\x7fELF stand-in',
         'ppc/ppc64/vmlinuz': kernel, 'ppc/ppc64/initrd.img': initrd},
        0, '-R', '-J')


CASES: dict[str, collections.abc.Callable[[pathlib.Path], pathlib.Path]] = {
    builder.__name__: builder for builder in (
        esp_kernel, unified_kernel, unified_add_ons, built_in_menu,
        copied_config, variable_arguments, waiting_menu, on_timeout,
        hypervisor_config, hypervisor_uefi, rescue, bare_areas, old_areas,
        lz4_initrd, mainframe, mainframe_areas, multi_extent, open_firmware,
        iso_systems.alpine, iso_systems.grml, iso_systems.system_rescue,
        iso_systems.xen)}


@functools.lru_cache(maxsize=None)
def shared(name: str) -> pathlib.Path:
    """An ISO of that name that was built once, for reading only."""
    return iso_cache.kept(name, CASES[name])
