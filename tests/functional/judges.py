# SPDX-License-Identifier: Apache-2.0

"""What other programs see in an image: the judges of what is written.

Each function runs one tool that shares no code with the engine and returns
what it says. A tool that is not installed skips the test that asks for it.
"""

import contextlib
import dataclasses
import hashlib
import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import typing
import unittest

from tests.functional import file_systems

SECTOR = 2048
_ENV = {**os.environ, 'LC_ALL': 'C', 'TZ': 'UTC',
        'PATH': os.environ.get('PATH', os.defpath) + ':/usr/sbin:/sbin'}


def run(*command: str | os.PathLike[str], check: bool = True
        ) -> subprocess.CompletedProcess[bytes]:
    """Run a tool; raises SkipTest when it is not installed."""
    if shutil.which(command[0], path=_ENV['PATH']) is None:
        raise unittest.SkipTest(f'{command[0]} is not installed')
    done = subprocess.run(command, env=_ENV, capture_output=True,
                          stdin=subprocess.DEVNULL)
    if check and done.returncode:
        raise AssertionError(
            f'{" ".join(map(str, command))} failed ({done.returncode}):\n'
            f'{done.stdout.decode(errors="replace")[-1500:]}\n'
            f'{done.stderr.decode(errors="replace")[-1500:]}')
    return done


def sha256(path: pathlib.Path) -> str:
    """Hex digest of a file."""
    with path.open('rb') as stream:
        return hashlib.file_digest(stream, 'sha256').hexdigest()


def _xorriso(image: pathlib.Path, *commands: str) -> list[str]:
    done = run('xorriso', '-abort_on', 'FAILURE', '-return_with', 'WARNING',
               '32', '-indev', f'stdio:{image}', *commands)
    return done.stdout.decode('utf-8', 'surrogateescape').splitlines()


def xorriso_extents(image: pathlib.Path) -> dict[str, list[tuple[int, int]]]:
    """File path -> its (first sector, bytes) sections, by xorriso."""
    found: dict[str, list[tuple[int, int]]] = {}
    for line in _xorriso(image, '-find', '/', '-type', 'f', '-exec',
                         'report_lba', '--'):
        match = re.match(r'File data lba: +\d+ , +(\d+) , +(\d+) , '
                         r'+(\d+) , \'(.*)\'$', line)
        if match:
            found.setdefault(match[4], []).append(
                (int(match[1]), int(match[3])))
    return found


def xorriso_extract(image: pathlib.Path, target: pathlib.Path) -> None:
    """Extract the whole tree as xorriso reads it."""
    target.mkdir()
    run('xorriso', '-abort_on', 'FAILURE', '-osirrox', 'on:auto_chmod_on',
        '-indev', f'stdio:{image}', '-extract', '/', str(target))


@dataclasses.dataclass(frozen=True)
class BootImage:
    """An El Torito entry; ``sector`` is absolute."""

    platform: str
    emulation: str
    load_size: int
    sector: int


def el_torito(image: pathlib.Path) -> list[BootImage]:
    """The boot catalog's entries, by xorriso."""
    found = []
    for line in _xorriso(image, '-report_el_torito', 'plain'):
        match = re.match(r'El Torito boot img : +\d+ +(\S+) +\S +(\S+) +'
                         r'\S+ +\S+ +(\d+) +(\d+)$', line)
        if match:
            found.append(BootImage(match[1], match[2], int(match[3]),
                                   int(match[4])))
    return found


def el_torito_options(image: pathlib.Path) -> list[str]:
    """What xorriso finds in boot images (boot-info-table and so on)."""
    return [line for line in _xorriso(image, '-report_el_torito', 'plain')
            if line.startswith('El Torito img opts')]


def system_area(image: pathlib.Path) -> list[str]:
    """The partition tables, line by line, by xorriso."""
    return _xorriso(image, '-report_system_area', 'plain')


def volume_facts(image: pathlib.Path) -> dict[str, str]:
    """The primary volume descriptor, by isoinfo."""
    text = run('isoinfo', '-d', '-i', image).stdout.decode(errors='replace')
    pairs = (line.partition(':') for line in text.splitlines())
    return {key.strip(): value.strip() for key, colon, value in pairs
            if colon}


def isoinfo_files(image: pathlib.Path, *options: str) -> list[str]:
    """Paths of files and directories, by isoinfo (``-R`` or ``-J``)."""
    text = run('isoinfo', *options, '-f', '-i', image).stdout
    return text.decode('utf-8', 'surrogateescape').splitlines()


def isoinfo_file(image: pathlib.Path, path: str, *options: str) -> bytes:
    """Content of one file, by isoinfo."""
    return run('isoinfo', *options, '-x', path, '-i', image).stdout


def bsdtar_extract(image: pathlib.Path, target: pathlib.Path) -> None:
    """Extract the whole tree as libarchive reads it."""
    target.mkdir()
    run('bsdtar', '-x', '-f', image, '-C', target)


def sevenzip_test(image: pathlib.Path) -> str:
    """7-Zip's verdict on the archive; raises AssertionError on errors."""
    return run('7z', 't', image).stdout.decode(errors='replace')


def sgdisk_problems(image: pathlib.Path) -> set[str]:
    """What sgdisk complains about, without the numbers.

    Its cautions about alignment are left out: xorriso's own tables have
    them too.
    """
    text = run('sgdisk', '-v', image, check=False).stdout.decode()
    return {re.sub(r'\d+', 'N', line.strip()) for line in text.splitlines()
            if re.match('(Problem|Warning|Error|Invalid|Main|Backup|'
                        'Identified)', line.strip(), re.I)}


def gpt_esp(image: pathlib.Path) -> tuple[int, int] | None:
    """(Start, bytes) of the GPT's ESP, by xorriso's report."""
    kinds: dict[str, str] = {}
    for line in system_area(image):
        match = re.match(r'GPT type GUID +: +(\d+) +(\S+)$', line)
        if match:
            kinds[match[1]] = match[2]
        match = re.match(r'GPT start and size : +(\d+) +(\d+) +(\d+)$', line)
        if match and kinds.get(match[1], '').startswith('28732ac1'):
            return int(match[2]) * 512, int(match[3]) * 512
    return None


def esp_file(image: pathlib.Path, directory: pathlib.Path,
             start: int | None = None) -> pathlib.Path:
    """Copy the ESP out of an image: by default El Torito's, as a file."""
    if start is None:
        start = next(entry.sector * SECTOR for entry in el_torito(image)
                     if entry.platform == 'UEFI')
    with image.open('rb') as stream:
        stream.seek(start)
        boot = stream.read(512)
        sectors = (int.from_bytes(boot[19:21], 'little')
                   or int.from_bytes(boot[32:36], 'little'))
        stream.seek(start)
        target = directory / f'{image.stem}-esp-{start}.img'
        target.write_bytes(stream.read(
            sectors * int.from_bytes(boot[11:13], 'little')))
    return target


def fsck_fat(esp: pathlib.Path) -> None:
    """Check a FAT file system; raises AssertionError on any finding."""
    run('fsck.fat', '-n', esp)


def fat_file(esp: pathlib.Path, path: str) -> bytes:
    """Content of a file of a FAT file system, by mtools."""
    return run('mtype', '-i', esp, '::' + path).stdout


def grub_file(image: pathlib.Path, path: str,
              device: str = 'loop0') -> bytes:
    """Content of a file as GRUB's own drivers read it.

    :param device: ``loop0``, or a partition such as ``loop0,gpt2``.
    """
    return run('grub-fstest', image, 'cat', f'({device}){path}').stdout


def checkisomd5(image: pathlib.Path) -> bool:
    """Whether the implanted checksum is there and right."""
    return run('checkisomd5', image, check=False).returncode == 0


def cpio_files(archive: bytes) -> dict[str, bytes]:
    """Extract a newc archive with cpio(1): path -> content."""
    with tempfile.TemporaryDirectory() as scratch:
        done = subprocess.run(
            ['cpio', '-i', '-d', '--quiet', '--no-absolute-filenames'],
            cwd=scratch, input=archive, env=_ENV, capture_output=True)
        if done.returncode:
            raise AssertionError(done.stderr.decode(errors='replace'))
        root = pathlib.Path(scratch)
        return {'/' + str(path.relative_to(root)): path.read_bytes()
                for path in root.rglob('*') if path.is_file()}


@contextlib.contextmanager
def mounted(image: pathlib.Path, *, offset: int = 0
            ) -> typing.Iterator[pathlib.Path]:
    """The image as the kernel's iso9660 driver shows it.

    :raises: SkipTest where loop mounts are not possible.
    """
    with tempfile.TemporaryDirectory() as scratch, file_systems.mounted(
            pathlib.Path(scratch), '-t', 'iso9660', '-o',
            f'loop,ro,offset={offset}', str(image)) as path:
        yield path


def tree_files(root: pathlib.Path) -> dict[str, str]:
    """Path below ``root`` -> digest of every regular file."""
    return {'/' + str(path.relative_to(root)): sha256(path)
            for path in sorted(root.rglob('*'))
            if path.is_file() and not path.is_symlink()}
