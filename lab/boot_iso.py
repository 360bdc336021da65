# SPDX-License-Identifier: Apache-2.0

"""A small bootable ISO that tells on the serial port what it was given.

Debian's cloud kernel, a busybox initrd, ISOLINUX for BIOS and GRUB for UEFI
(in an ESP that is an El Torito image and a partition), Rock Ridge and
Joliet. The kernel package is downloaded and unpacked, never installed.
"""

from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Mapping
import dataclasses
import fcntl
import gzip
import pathlib
import re
import shutil
import subprocess
import tempfile

from lab import debian_root
from lab import process

_KERNEL_PACKAGE = 'linux-image-cloud-amd64'
# The CD-ROM of the lab's machines, the file system on it, their network card,
# and what stands for a USB stick (that kernel has no USB). isofs names no
# module for its character set; the kernel falls back to its default.
_MODULES = ('ata_piix', 'sr_mod', 'isofs', 'virtio_pci', 'virtio_net',
            'virtio_scsi', 'sd_mod')

# What QEMU's user networking gives to a machine.
_ADDRESS = '10.0.2.15/24'

VOLUME_ID = 'LAB_BOOT'
# On a crowded host the ticks that the kernel counts as it starts come too
# late, and it takes the timer for broken and panics.
KERNEL_ARGUMENTS = 'console=ttyS0 quiet no_timer_check'

# The report on the serial port, see parse_reports.
BEGIN = 'LAB-REPORT-BEGIN'
END = 'LAB-REPORT-END'
FILE_BEGIN = 'LAB-FILE-BEGIN '
FILE_END = 'LAB-FILE-END '
# Another medium came or went, see parse_media.
_MEDIUM_BEGIN = 'LAB-MEDIUM-BEGIN'
_MEDIUM_END = 'LAB-MEDIUM-END'
# Begin the names of what is neither on the medium nor in its drive.
_INITRD = 'initrd:'
_URL = 'url:'

_INIT = f"""\
#!/bin/busybox sh
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
echo 1 > /proc/sys/kernel/printk
for module in $(cat /modules.order); do
    insmod /modules/$module
done
# Like cloud-init, take the first whole device with an iso9660 file system.
for attempt in $(seq 50); do
    for device in /dev/sr0 /dev/sr1; do
        mount -t iso9660 -o ro $device /mnt 2>/dev/null && break 2
    done
    sleep 0.2
done
show() {{
    echo "{FILE_BEGIN}$1"
    cat "$2"
    echo
    echo "{FILE_END}$1"
}}
{{
    echo
    echo "{BEGIN}"
    echo "LAB-CMDLINE $(cat /proc/cmdline)"
    if [ -d /sys/firmware/efi ]; then
        echo "LAB-FIRMWARE uefi"
    else
        echo "LAB-FIRMWARE bios"
    fi
    # What came with the ISO itself is of no interest.
    (cd /mnt && find . -type f) | sed 's,^\\./,,' | sort |
    grep -v -E '^(boot|isolinux|EFI)/' |
    while read -r name; do show "$name" "/mnt/$name"; done
    # Where boot configs may have been added to this initrd.
    find /config.ign /preseed.cfg /usr -type f 2>/dev/null | sort |
    while read -r name; do show "{_INITRD}$name" "$name"; done
    # What kernel arguments say is to be fetched.
    urls=$(sed 's,[ =;],\\n,g' /proc/cmdline | grep '^http://')
    if [ "$urls" ]; then
        ip link set eth0 up
        ip address add {_ADDRESS} dev eth0
    fi
    for url in $urls; do
        timeout 60 wget -q -O /fetched "$url" && show "{_URL}$url" /fetched
    done
    echo "{END}"
}} > /dev/ttyS0
# What comes and goes in the drives that the machine did not boot from.
mkdir /other
before=
for second in $(seq 3600); do
    sleep 1
    now=$(for other in /dev/sr0 /dev/sr1 /dev/sda; do
        [ $other != $device ] &&
        mount -t iso9660 -o ro $other /other 2>/dev/null || continue
        (cd /other && find . -type f) | sed 's,^\\./,,' | sort |
        while read -r name; do show "$name" "/other/$name"; done
        umount /other
    done)
    if [ "$now" != "$before" ]; then
        {{
            echo
            echo "{_MEDIUM_BEGIN}"
            echo "$now"
            echo "{_MEDIUM_END}"
        }} > /dev/ttyS0
        before=$now
    fi
done
poweroff -f
"""

_ISOLINUX = """\
SERIAL 0 115200
DEFAULT live
PROMPT 0
TIMEOUT 1
LABEL live
  KERNEL /boot/vmlinuz
  APPEND initrd=/boot/initrd.img {arguments}
"""

_GRUB = f"""\
serial --unit=0 --speed=115200
terminal_output serial
set timeout=0
set default=0
search --no-floppy --label {VOLUME_ID} --set=root
menuentry "Live" {{{{
    linux /boot/vmlinuz {{arguments}}
    initrd /boot/initrd.img
}}}}
"""

_GRUB_MODULES = ('part_gpt', 'part_msdos', 'fat', 'iso9660', 'normal',
                 'configfile', 'search', 'search_label', 'linux', 'serial',
                 'terminal', 'echo', 'test', 'minicmd')


@dataclasses.dataclass(frozen=True)
class Report:
    """What a booted machine said of itself.

    files maps paths in the ISO's root, without those that the ISO came
    with, to their text. initrd has what was added to the initrd, fetched
    what the URLs in the kernel arguments gave.
    """

    command_line: str
    firmware: str
    files: dict[str, str]
    initrd: dict[str, str] = dataclasses.field(default_factory=dict)
    fetched: dict[str, str] = dataclasses.field(default_factory=dict)


def parse_reports(console: str) -> list[Report]:
    """Return the whole reports in what a serial port wrote, oldest first."""
    text = console.replace('\r', '')
    return [_parse_report(body) for body in re.findall(
        f'^{BEGIN}$(.*?)^{END}$', text, re.DOTALL | re.MULTILINE)]


def parse_media(console: str) -> list[dict[str, str]]:
    """Return what was in the other drive at each change, oldest first.

    Each maps paths to their text; an empty drive has none.
    """
    text = console.replace('\r', '')
    return [_parse_files(body) for body in re.findall(
        f'^{_MEDIUM_BEGIN}$(.*?)^{_MEDIUM_END}$', text,
        re.DOTALL | re.MULTILINE)]


def _parse_report(body: str) -> Report:
    values = dict(re.findall('^LAB-(CMDLINE|FIRMWARE) (.*)$', body,
                             re.MULTILINE))
    files, initrd, fetched = _parse_files(body), {}, {}
    for name in list(files):
        for prefix, group in ((_INITRD, initrd), (_URL, fetched)):
            if name.startswith(prefix):
                group[name.removeprefix(prefix)] = files.pop(name)
    return Report(values['CMDLINE'], values['FIRMWARE'], files, initrd,
                  fetched)


def _parse_files(body: str) -> dict[str, str]:
    return dict(re.findall(
        f'^{FILE_BEGIN}([^\n]*)\n(.*?)\n{FILE_END}\\1$', body,
        re.DOTALL | re.MULTILINE))


def _run(*command: str | pathlib.Path,
         cwd: pathlib.Path | None = None) -> str:
    result = subprocess.run(
        [str(word) for word in command], stdin=subprocess.DEVNULL, cwd=cwd,
        capture_output=True, text=True)
    if result.returncode:
        raise process.LabError(
            f'{command[0]} ended with {result.returncode}: '
            f'{(result.stderr or result.stdout)[-1000:]}')
    return result.stdout


def _kernel_package_name() -> str:
    """Return the real package behind the kernel's metapackage."""
    depends = _run('apt-cache', 'depends', '--no-recommends', _KERNEL_PACKAGE)
    match = re.search(r'Depends: (linux-image-\S+)', depends)
    if not match:
        raise process.LabError(
            f'apt knows no kernel behind {_KERNEL_PACKAGE}: run '
            '"apt-get update"')
    return match[1]


def unpacked_kernel(cache: pathlib.Path) -> pathlib.Path:
    """Return the directory of an unpacked kernel package; fetch it once."""
    return unpacked(cache, 'kernel', _kernel_package_name)


def unpacked(cache: pathlib.Path, name: str,
             package: Callable[[], str] | None = None) -> pathlib.Path:
    """Return the directory of an unpacked Debian package; fetch it once.

    :param package: returns its name, where it is called otherwise here.
    """
    found = cache / name
    cache.mkdir(parents=True, exist_ok=True)
    # Tests that run at the same time want it at the same time.
    with open(cache / f'{name}.lock', 'w') as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if found.is_dir():
            return found
        with tempfile.TemporaryDirectory(dir=cache) as folder:
            directory = pathlib.Path(folder)
            _run('apt-get', 'download', package() if package else name,
                 cwd=directory)
            archive, = directory.glob('*.deb')
            _run('dpkg-deb', '-x', archive, directory / name)
            (directory / name).rename(found)
    return found


def _module_paths(kernel: pathlib.Path,
                  wanted: Iterable[str]) -> list[pathlib.Path]:
    """Return the modules and what they depend on, in loading order."""
    known = {path.stem.replace('-', '_'): path
             for path in (kernel / 'lib/modules').rglob('*.ko')}
    ordered: list[pathlib.Path] = []

    def add(name: str) -> None:
        path = known[name]
        if path in ordered:
            return
        depends = re.search(rb'\0depends=([\w,-]*)\0', path.read_bytes())
        for needed in depends[1].decode().split(',') if depends else ():
            if needed:
                add(needed.replace('-', '_'))
        ordered.append(path)

    for name in wanted:
        add(name)
    return ordered


def make_initrd(kernel: pathlib.Path, init: str,
                wanted: Iterable[str]) -> bytes:
    """Return a busybox initrd that runs init.

    :param kernel: directory of an unpacked kernel package.
    :param wanted: kernel modules; /modules.order lists them and what they
        need, in loading order.
    """
    with tempfile.TemporaryDirectory() as name:
        root = pathlib.Path(name)
        for directory in ('bin', 'dev', 'mnt', 'modules', 'proc', 'sys'):
            (root / directory).mkdir()
        shutil.copy('/bin/busybox', root / 'bin/busybox')
        modules = _module_paths(kernel, wanted)
        for module in modules:
            shutil.copy(module, root / 'modules' / module.name)
        (root / 'modules.order').write_text(
            ''.join(f'{module.name}\n' for module in modules))
        (root / 'init').write_text(init)
        (root / 'init').chmod(0o755)
        names = sorted(str(path.relative_to(root))
                       for path in root.rglob('*'))
        archive = subprocess.run(
            ['cpio', '--create', '--format=newc', '--quiet', '--owner=0:0'],
            input='\n'.join(['.', *names]).encode(), cwd=root,
            stdout=subprocess.PIPE, check=True).stdout
    return gzip.compress(archive, 1)


def _make_esp(path: pathlib.Path, work: pathlib.Path, grub: str) -> None:
    """Write a FAT image with GRUB and a whole grub.cfg of its own."""
    loader = work / 'BOOTX64.EFI'
    _run('grub-mkimage', '-O', 'x86_64-efi', '-o', loader,
         '-p', '/EFI/BOOT', *_GRUB_MODULES)
    config = work / 'grub.cfg'
    config.write_text(grub)
    size = loader.stat().st_size // 1024 + 512
    _run('mkfs.vfat', '-C', '-n', 'ESP', path, str(size))
    _run('mmd', '-i', path, '::/EFI', '::/EFI/BOOT')
    _run('mcopy', '-i', path, loader, config, '::/EFI/BOOT')


def build(path: pathlib.Path, cache: pathlib.Path) -> None:
    """Write the ISO to path.

    :param cache: keeps the unpacked kernel package, and the ISO.
    :raises: LabError when a tool fails.
    """
    kernel = unpacked_kernel(cache)
    vmlinuz, = (kernel / 'boot').glob('vmlinuz-*')

    def make(directory: pathlib.Path) -> None:
        initrd = directory / 'initrd.img'
        initrd.write_bytes(make_initrd(kernel, _INIT, _MODULES))
        write(directory / 'lab.iso', vmlinuz, initrd)

    kept = debian_root.cached(
        cache, 'lab-iso', (pathlib.Path(__file__).read_text(), vmlinuz.name),
        make)
    shutil.copy(kept / 'lab.iso', path)


def write(path: pathlib.Path, vmlinuz: pathlib.Path, initrd: pathlib.Path,
          arguments: str = KERNEL_ARGUMENTS,
          files: Mapping[str, pathlib.Path] | None = None) -> None:
    """Write an ISO that boots a kernel and an initrd.

    :param arguments: of the kernel.
    :param files: what else is on it, by its path there.
    :raises: LabError when a tool fails.
    """
    grub = _GRUB.format(arguments=arguments)
    with tempfile.TemporaryDirectory() as name:
        work = pathlib.Path(name)
        tree = work / 'tree'
        for directory in ('boot/grub', 'isolinux', 'EFI/BOOT'):
            (tree / directory).mkdir(parents=True)
        shutil.copy(vmlinuz, tree / 'boot/vmlinuz')
        shutil.copy(initrd, tree / 'boot/initrd.img')
        (tree / 'isolinux/isolinux.cfg').write_text(
            _ISOLINUX.format(arguments=arguments))
        shutil.copy('/usr/lib/ISOLINUX/isolinux.bin', tree / 'isolinux')
        shutil.copy('/usr/lib/syslinux/modules/bios/ldlinux.c32',
                    tree / 'isolinux')
        # From a CD, GRUB often reads this one and not the ESP's.
        (tree / 'EFI/BOOT/grub.cfg').write_text(grub)
        _make_esp(tree / 'boot/grub/efi.img', work, grub)
        for name, source in (files or {}).items():
            (tree / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, tree / name)
        _run('xorriso', '-as', 'mkisofs', '-quiet', '-R', '-J',
             '-V', VOLUME_ID, '-o', path,
             '-isohybrid-mbr', '/usr/lib/ISOLINUX/isohdpfx.bin',
             '-b', 'isolinux/isolinux.bin', '-c', 'isolinux/boot.cat',
             '-no-emul-boot', '-boot-load-size', '4', '-boot-info-table',
             '-eltorito-alt-boot', '-e', 'boot/grub/efi.img',
             '-no-emul-boot', '-isohybrid-gpt-basdat', tree)
