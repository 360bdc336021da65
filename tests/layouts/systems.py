# SPDX-License-Identifier: Apache-2.0

"""Whole systems of Debian, booted until they read their own config.

Each is built once, by root, from the mirrors that this machine's apt uses,
and kept: minutes, and some hundred MB.
"""

import collections.abc
import dataclasses
import pathlib
import shutil
import subprocess
import sys
import tempfile

from lab import debian_root
from lab import process
from tests import guest
from tests import iso_parts as parts
from tests.layouts import cells

#: Seconds: a system starts in a quarter of that when left alone.
TIMEOUT = 1500
_MEMORY = 1024
_RELEASE = 'bookworm'
#: Firmware and medium: how it is booted.
WAYS = (('bios', 'cd'), ('uefi-x64', 'cd'))
#: What the config makes the machine say; the quotes are not in the console.
_SAYS = 'CONFIG-WAS-READ'
_WORDS = "echo CONFIG-'WAS'-READ > /dev/ttyS0"
_LIVE_PACKAGES = ('cloud-init',)
#: As small as it may be: no recommended packages, a kernel for machines
#: like QEMU's, files that decompress fast; no security updates, of which not
#: every mirror has a copy.
_LIVE_OPTIONS = (
    '--distribution', _RELEASE, '--architectures', 'amd64',
    '--archive-areas', 'main', '--linux-flavours', 'cloud-amd64',
    '--debian-installer', 'none', '--memtest', 'none', '--updates', 'false',
    '--security', 'false',
    '--apt-recommends', 'false', '--apt-indices', 'false',
    '--firmware-chroot', 'false', '--firmware-binary', 'false',
    '--chroot-squashfs-compression-type', 'gzip', '--checksums', 'none',
    '--zsync', 'false', '--source', 'false', '--apt-options', '--yes '
    '-o Acquire::Check-Valid-Until=false -o Acquire::Check-Date=false')
_INSTALLER = 'debian-installer-12-netboot-amd64'
_SCREENS = 'debian-installer/amd64/boot-screens'


@dataclasses.dataclass(frozen=True)
class System:
    """One row of the table.

    :ivar title: which it is.
    :ivar build: fills a folder, where it leaves one ISO.
    :ivar inputs: what the ISO is made from.
    :ivar format: of the config that is injected.
    :ivar file: its name.
    :ivar config: makes the machine say that it was read, and end.
    """

    title: str
    build: collections.abc.Callable[[pathlib.Path], None]
    inputs: tuple[str, ...]
    format: str
    file: str
    config: str


def _live(folder: pathlib.Path) -> None:
    """Have live-build make a live system that has cloud-init.

    :raises: LabError
    """
    if shutil.which('lb') is None:
        raise process.LabError('lb is not installed: it is in the Debian '
                               'package live-build')
    with tempfile.TemporaryDirectory(dir=folder, prefix='build-') as name:
        _lb(name, 'config', 'noauto', *_LIVE_OPTIONS,
            '--mirror-bootstrap', _mirror())
        lists = pathlib.Path(name, 'config/package-lists')
        lists.mkdir(exist_ok=True)
        (lists / 'test.list.chroot').write_text(
            ''.join(f'{package}\n' for package in _LIVE_PACKAGES))
        try:
            _lb(name, 'build')
            made, = pathlib.Path(name).glob('*.iso')
            made.rename(folder / 'system.iso')
        finally:
            # What is mounted in its tree has to be unmounted by itself.
            _lb(name, 'clean', '--all')


def _lb(folder: str, *words: str) -> None:
    subprocess.run(['lb', *words], cwd=folder, check=True,
                   stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)


def _mirror() -> str:
    """Return the mirror that apt uses."""
    return next(line for line in debian_root.run(
        'apt-get', 'indextargets', '--format', '$(REPO_URI)',
        'Created-By: Packages', 'Component: main').splitlines()
        if not line.rstrip('/').endswith('-security'))


def _installer(folder: pathlib.Path) -> None:
    """Make an ISO of the installer as Debian packages it, for netboot."""
    with tempfile.TemporaryDirectory(dir=folder) as name:
        work = pathlib.Path(name)
        subprocess.run(['apt-get', '-qq', 'download', _INSTALLER], cwd=work,
                       check=True, capture_output=True)
        package, = work.glob('*.deb')
        debian_root.run('dpkg-deb', '-x', package, work / 'unpacked')
        root, = work.glob('unpacked/usr/lib/debian-installer/images/*/amd64/'
                          'text')
        stub = (b'search --no-floppy --set=root --file /debian-installer/'
                b'amd64/linux\nset prefix=($root)/debian-installer/amd64/'
                b'grub\nconfigfile $prefix/grub.cfg\n')
        esp = parts.esp_image({
            'EFI/BOOT/BOOTX64.EFI': parts.grub_image(
                'x86_64-efi', '/EFI/BOOT'),
            'EFI/BOOT/grub.cfg': stub})
        parts.place(root, {
            **parts.isolinux_files(),
            'isolinux.cfg': (root / _SCREENS / 'syslinux.cfg').read_bytes(),
            'EFI/BOOT/grub.cfg': stub, 'efi.img': esp.read_bytes()})
        parts.run('xorriso', '-as', 'mkisofs', '-quiet', '-R', '-J', '-V',
                  'INSTALLER', '-isohybrid-mbr',
                  parts.ISOLINUX / 'isohdpfx.bin', '-b',
                  'isolinux/isolinux.bin', '-c', 'isolinux/boot.cat',
                  *parts.NO_EMULATION, '-eltorito-alt-boot', '-e', 'efi.img',
                  '-no-emul-boot', '-isohybrid-gpt-basdat', '-o',
                  folder / 'system.iso', root)


SYSTEMS = {
    'debian_live': System(
        'Debian live, made by live-build: cloud-init ran', _live,
        (*_LIVE_OPTIONS, *_LIVE_PACKAGES), 'cloud-init', 'user-data',
        f'#cloud-config\nruncmd:\n - {_WORDS}\n - poweroff -f\n'),
    'debian_installer': System(
        'Debian installer as packaged: its preseed ran', _installer,
        (_INSTALLER,), 'preseed', 'preseed.cfg',
        f'd-i preseed/early_command string {_WORDS}; poweroff -f\n')}


def judged(name: str, cache: pathlib.Path, firmware: str, medium: str
           ) -> dict[str, cells.Cell]:
    """Inject a config, boot, and return a cell.

    :raises: AssertionError, LabError
    """
    system = SYSTEMS[name]
    base, = debian_root.cached(cache, name.replace('_', '-'), system.inputs,
                               system.build).glob('*.iso')
    with tempfile.TemporaryDirectory() as scratch:
        folder = pathlib.Path(scratch)
        config, image = folder / system.file, folder / 'customised.iso'
        config.write_text(system.config)
        debian_root.run(
            sys.executable, '-m', 'ironic_ext.cli.iso', 'inject', base,
            '--append', cells.ARGUMENTS, '--config',
            f'{system.format}={config}', '--timeout', '2', '-o', image)
        said = guest.console(
            firmware.partition('-')[0], guest.drive_options(image, medium),
            _MEMORY, TIMEOUT)
    assert _SAYS in said, (
        f'{firmware} from {medium}: the config was not read; the console '
        f'ends with: {said[-2000:]}')
    print(f'{name}: {firmware} from {medium}: booted', flush=True)
    return {f'{firmware} from {medium}': {'how': 'all', 'seen': 'booted'}}
