# SPDX-License-Identifier: Apache-2.0

"""The parts test ISOs are made of: boot loaders, ESP images, stand-ins.

Everything is built by the distributions' own tools and, where it does not
depend on the caller, once per process.
"""

import atexit
import collections.abc
import contextlib
import functools
import gzip
import hashlib
import os
import pathlib
import shutil
import subprocess
import tempfile
import typing

ISOLINUX = pathlib.Path('/usr/lib/ISOLINUX')
SYSLINUX_MODULES = pathlib.Path('/usr/lib/syslinux/modules/bios')
GRUB = pathlib.Path('/usr/lib/grub')
SYSTEMD_BOOT = pathlib.Path('/usr/lib/systemd/boot/efi/systemd-bootx64.efi')
ESP_TYPE = 'C12A7328-F81F-11D2-BA4B-00A0C93EC93B'
BASIC_DATA_TYPE = 'EBD0A0A2-B9E5-4433-87C0-68B6B72699C7'
MIB = 1 << 20

# Builds are reproducible: the same bytes for the same builder and payload.
_EPOCH = 1700000000
TOOLS_PATH = os.environ.get('PATH', os.defpath) + ':/usr/sbin:/sbin'
_ENV = {'PATH': TOOLS_PATH, 'LC_ALL': 'C', 'TZ': 'UTC',
        'SOURCE_DATE_EPOCH': str(_EPOCH)}
_MKISOFS = ('xorriso', '-as', 'mkisofs', '-quiet', '-iso-level', '3')
_GRUB_COMMON = ('iso9660', 'fat', 'part_gpt', 'part_msdos', 'normal',
                'configfile', 'linux', 'search', 'search_fs_file',
                'search_label', 'search_fs_uuid', 'echo', 'test', 'minicmd',
                'serial', 'terminal', 'loadenv', 'sleep')
NO_EMULATION = ('-no-emul-boot', '-boot-load-size', '4', '-boot-info-table')

Files = dict[str, bytes]
#: Kernel and initrd in place of stand-ins, while a test boots.
_REAL: list[pathlib.Path | None] = [None, None]


def _fake_kernel() -> bytes:
    """Bytes with the header fields by which file(1) knows an x86 kernel."""
    body = bytearray(b'kernel stand-in '.ljust(16) * 1024)
    body[0x1f1] = 4                        # setup sectors
    body[0x1fe:0x200] = b'\x55\xaa'
    body[0x202:0x206] = b'HdrS'
    body[0x206:0x208] = b'\x0f\x02'        # boot protocol 2.15
    return bytes(body)


@functools.lru_cache(maxsize=None)
def fake_initrd() -> bytes:
    """A gzip-compressed newc cpio archive with one file, ``/etc/base``."""
    with tempfile.TemporaryDirectory() as scratch:
        root = pathlib.Path(scratch)
        place(root, {'etc/base': b'from the base image\n'})
        archive = run('cpio', '-o', '-H', 'newc', '--quiet',
                      '--reproducible', cwd=root,
                      stdin=b'etc\netc/base\n')
    return gzip.compress(archive, mtime=0)


FAKE_KERNEL = _fake_kernel()


def run(*command: str | os.PathLike[str], cwd: pathlib.Path | None = None,
        stdin: bytes = b'') -> bytes:
    done = subprocess.run([str(word) for word in command], cwd=cwd, env=_ENV,
                          input=stdin, capture_output=True)
    if done.returncode != 0:
        raise RuntimeError('%s failed (%d): %s' % (
            ' '.join(map(str, command)), done.returncode,
            done.stderr.decode(errors='replace')[-2000:]))
    return done.stdout


def place(root: pathlib.Path, files: Files) -> None:
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    for path in (root, *root.rglob('*')):
        os.utime(path, (_EPOCH, _EPOCH), follow_symlinks=False)


def write_payload(path: pathlib.Path, size: int) -> None:
    """Write a sparse file of ``size`` bytes that differs in every MiB.

    The mark at each MiB lets a test notice a payload that moved.
    """
    with path.open('wb') as target:
        target.truncate(size)
        for start in range(0, size, MIB):
            target.seek(start)
            target.write((b'%016x' % start)[:size - start])


def boot_files(kernel: pathlib.Path | None,
               initrd: pathlib.Path | None) -> tuple[bytes, bytes]:
    kernel, initrd = kernel or _REAL[0], initrd or _REAL[1]
    return (kernel.read_bytes() if kernel else FAKE_KERNEL,
            initrd.read_bytes() if initrd else fake_initrd())


@contextlib.contextmanager
def booting(kernel: pathlib.Path, initrd: pathlib.Path
            ) -> collections.abc.Iterator[None]:
    """Let builders take a real kernel and initrd while the context lasts."""
    _REAL[:] = kernel, initrd
    try:
        yield
    finally:
        _REAL[:] = None, None


@functools.lru_cache(maxsize=None)
def process_directory() -> pathlib.Path:
    """A directory of this process for boot images built once."""
    path = pathlib.Path(tempfile.mkdtemp(prefix='ironic-ext-isos-'))
    atexit.register(shutil.rmtree, path, ignore_errors=True)
    return path


@functools.lru_cache(maxsize=None)
def grub_image(target: str, prefix: str, *more: str) -> bytes:
    """GRUB for ``x86_64-efi`` or ``i386-pc-eltorito``, from grub-mkimage.

    :param more: modules.
    """
    modules: tuple[str, ...] = _GRUB_COMMON + more
    if target == 'i386-pc-eltorito':
        modules += ('biosdisk',)
    else:
        modules += ('efi_gop',)
    platform = 'x86_64-efi' if target == 'x86_64-efi' else 'i386-pc'
    image = process_directory() / ('grub-' + hashlib.sha256(
        (target + prefix + ' '.join(more)).encode()).hexdigest()[:12])
    run('grub-mkimage', '-O', target, '-d', GRUB / platform, '-p', prefix,
        '-o', image, *modules)
    return image.read_bytes()


def esp_image(files: Files, *, fat: int = 12, size: int = 1440 * 1024,
              cluster_sectors: int = 1) -> pathlib.Path:
    """Return an EFI system partition of ``size`` bytes, built once."""
    key = hashlib.sha256(repr((fat, size, cluster_sectors, sorted(
        (name, hashlib.sha256(content).digest())
        for name, content in files.items()))).encode()).hexdigest()[:16]
    image = process_directory() / ('esp-%s.img' % key)
    if image.exists():
        return image
    with tempfile.TemporaryDirectory() as scratch:
        root = pathlib.Path(scratch) / 'esp'
        root.mkdir()
        place(root, files)
        draft = pathlib.Path(scratch) / 'draft.img'
        run('mkfs.vfat', '-C', '-F', str(fat), '-s', str(cluster_sectors),
            '--invariant', '-n', 'ESP', draft, str(size // 1024))
        run('mcopy', '-s', '-m', '-i', draft,
            *sorted(root.iterdir()), '::/')
        draft.rename(image)
    return image


def fitting_esp_image(files: Files) -> pathlib.Path:
    """Return an ESP with room for ``files`` and 256 KiB more."""
    need = sum(map(len, files.values())) + 256 * 1024
    if need <= 1440 * 1024:
        return esp_image(files)
    return esp_image(files, fat=16, size=max(-(-need // MIB), 10) * MIB,
                     cluster_sectors=4 if need < 120 * MIB else 16)


def esp_free_bytes(files: Files) -> int:
    """Bytes free in the default ESP once it holds ``files``."""
    listing = run('mdir', '-i', esp_image(files), '::/').decode()
    words = listing.strip().splitlines()[-1].split('bytes free')[0]
    return int(''.join(words.split()))


def grub_esp(prefix: str, config: bytes, *, directory: str = 'EFI/BOOT',
             **options: typing.Any) -> pathlib.Path:
    return esp_image({
        'EFI/BOOT/BOOTX64.EFI': grub_image('x86_64-efi', prefix),
        directory + '/grub.cfg': config}, **options)


def isolinux_files() -> Files:
    files = {'isolinux/isolinux.bin':
             (ISOLINUX / 'isolinux.bin').read_bytes()}
    for module in ('ldlinux.c32', 'libcom32.c32', 'libutil.c32', 'menu.c32'):
        files['isolinux/' + module] = (SYSLINUX_MODULES / module).read_bytes()
    return files


def build(directory: pathlib.Path, name: str, files: Files, payload: int,
          *options: str | os.PathLike[str],
          tool: tuple[str, ...] = _MKISOFS,
          prepare: typing.Callable[[pathlib.Path], None] | None = None,
          ) -> pathlib.Path:
    """Run ``tool`` over a tree of ``files`` and return the ISO's path."""
    iso = pathlib.Path(directory) / (name + '.iso')
    with tempfile.TemporaryDirectory(dir=directory) as scratch:
        root = pathlib.Path(scratch)
        root.chmod(0o755)              # it becomes the ISO's root
        if payload:
            write_payload(root / 'payload.bin', payload)
        if prepare:
            prepare(root)
        place(root, files)
        run(*tool, '-V', name.upper()[:16], *options, '-o', iso, root)
    return iso
