# SPDX-License-Identifier: Apache-2.0

"""A small deploy ramdisk: ironic-python-agent with this extension.

Debian with podman and without systemd, all of it in the initramfs as
ramdisks of diskimage-builder are. The extension is that of the working tree.
"""

import contextlib
import pathlib
import re
import shutil
import sys
import tempfile

from lab import boot_iso
from lab import debian_root

_TREE = pathlib.Path(__file__).resolve().parent.parent
#: Of the distribution, what the agent needs.
_EXTENSION = ('LICENSE', 'README.rst', 'ironic_ext/__init__.py',
              'ironic_ext/bootc', 'ironic_ext/web',
              'ironic_python_agent_ext', 'requirements.txt', 'setup.cfg',
              'setup.py')
_PACKAGES = (
    'busybox', 'ca-certificates', 'crun', 'dmidecode', 'dosfstools',
    'e2fsprogs', 'efibootmgr', 'fdisk', 'gdisk', 'hdparm', 'iproute2', 'kmod',
    'linux-image-cloud-amd64', 'lshw', 'lvm2', 'mdadm', 'parted', 'podman',
    'python3', 'udev')
_AGENT = 'ironic-python-agent>=11.0.0'
# Another one makes the ramdisk anew.
_RECIPE = '1'
_HOME = '/opt/ironic-python-agent'
#: What the agent's machine needs, MiB: the ramdisk twice while it unpacks.
MEMORY = 2048

# What podman and the agent use; the rest of the modules is 70 MB.
_KEPT_MODULES = (
    'arch', 'block', 'crypto', 'drivers/acpi', 'drivers/ata', 'drivers/block',
    'drivers/cdrom', 'drivers/char', 'drivers/firmware', 'drivers/md',
    'drivers/net/net_failover.ko', 'drivers/net/virtio_net.ko',
    'drivers/nvme', 'drivers/scsi', 'drivers/virtio', 'fs/efivarfs',
    'fs/exportfs', 'fs/ext4', 'fs/fat', 'fs/isofs', 'fs/nls', 'fs/overlayfs',
    'fs/squashfs', 'fs/xfs', 'lib', 'mm', 'net/core')

_INIT = f"""\
#!/bin/sh
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export HOME=/root LANG=C.UTF-8 PYTHONPATH={_HOME}
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
mkdir -p /dev/pts /dev/shm
ln -s /proc/self/fd /dev/fd
mount -t devpts devpts /dev/pts
mount -t tmpfs tmpfs /dev/shm
mount -t tmpfs -o mode=755 tmpfs /run
mount -t cgroup2 cgroup2 /sys/fs/cgroup
hostname deploy-ramdisk
ip link set lo up
/lib/systemd/systemd-udevd --daemon
udevadm trigger --action=add
udevadm settle
# Where the agent leaves the password of a rescue, and expects a folder.
mkdir -p /etc/ironic-python-agent.d /etc/ipa-rescue-config
modprobe -a overlay zram
[ -d /sys/firmware/efi ] && modprobe efivarfs &&
    mount -t efivarfs efivarfs /sys/firmware/efi/efivars
for path in /sys/class/net/e*; do
    busybox udhcpc -q -t 20 -i ${{path##*/}} -s /etc/udhcpc.sh
done
[ -x /etc/lab-start ] && /etc/lab-start &
# As long as the machine runs.
while :; do
    python3 -c 'from ironic_python_agent.cmd import agent; agent.run()' \\
        --config-dir /etc/ironic-python-agent.d
    echo "the agent ended with $?"
    sleep 1
done
"""

_DHCP = """\
#!/bin/sh
case $1 in
    deconfig) ip link set "$interface" up ;;
    bound)
        ip address replace "$ip/$mask" dev "$interface"
        ip route replace default via "$router" ;;
esac
"""

# There is no init to ask; who asked the agent is answered first.
_POWEROFF = """\
#!/bin/sh
sync
(sleep 2; busybox poweroff -f) > /dev/null 2>&1 &
"""


def build_iso(path: pathlib.Path, cache: pathlib.Path,
              added: pathlib.Path | None = None) -> None:
    """Write an ISO that boots the ramdisk.

    :param cache: keeps the ramdisk and the extension.
    :param added: as ``build`` takes it.
    :raises: LabError when a tool fails.
    """
    with tempfile.TemporaryDirectory() as name:
        vmlinuz, initrd = build(pathlib.Path(name), cache, added)
        boot_iso.write(path, vmlinuz, initrd)


def build(directory: pathlib.Path, cache: pathlib.Path,
          added: pathlib.Path | None = None
          ) -> tuple[pathlib.Path, pathlib.Path]:
    """Write the ramdisk; return the paths of the kernel and of the initrd.

    :param added: directory of files to add, or to replace. An executable
        ``etc/lab-start`` is run beside the agent.
    :raises: LabError when a tool fails.
    """
    base = ramdisk(cache)
    parts = [base / 'initrd', extension(cache) / 'initrd']
    if added is not None:
        parts.append(directory / 'added')
        _pack(added, parts[-1])
    initrd = directory / 'initrd'
    with open(initrd, 'wb') as target:
        # The kernel unpacks one archive after the other.
        for part in parts:
            with open(part, 'rb') as source:
                shutil.copyfileobj(source, target)
    return base / 'vmlinuz', initrd


def ramdisk(cache: pathlib.Path) -> pathlib.Path:
    """Return a directory with "vmlinuz" and "initrd", without extension.

    :raises: LabError when mmdebstrap or pip fails.
    """
    return debian_root.cached(
        cache, 'agent-ramdisk',
        (_RECIPE, *_PACKAGES, _AGENT, *_KEPT_MODULES), _make)


def extension(cache: pathlib.Path) -> pathlib.Path:
    """Return a directory with an "initrd" that adds the extension.

    :raises: LabError when pip fails.
    """
    sources = [path for name in _EXTENSION
               for path in (_TREE / name, *(_TREE / name).rglob('*.py'))
               if path.is_file()]
    inputs: list[str | bytes] = [_INIT, _DHCP, _POWEROFF]
    for path in sorted(sources):
        inputs += [str(path.relative_to(_TREE)), path.read_bytes()]
    return debian_root.cached(cache, 'agent-extension', inputs,
                              _make_extension)


def _make(directory: pathlib.Path) -> None:
    with tempfile.TemporaryDirectory(dir=directory.parent) as name:
        work = pathlib.Path(name)
        tar, root = work / 'root.tar', work / 'root'
        debian_root.make(tar, _PACKAGES)
        root.mkdir()
        debian_root.run('tar', '-x', '-f', tar, '-C', root,
                        '--numeric-owner')
        vmlinuz, = (root / 'boot').glob('vmlinuz-*')
        shutil.move(vmlinuz, directory / 'vmlinuz')
        _strip(root)
        python = (root / 'usr/bin/python3').readlink().name
        _pip_install(root, python.removeprefix('python'), '--only-binary',
                     ':all:', _AGENT)
        _compile(root, python)
        _pack(root, directory / 'initrd')


def _make_extension(directory: pathlib.Path) -> None:
    with tempfile.TemporaryDirectory(dir=directory.parent) as name:
        source, root = pathlib.Path(name) / 'source', pathlib.Path(name) / 'x'
        source.mkdir()
        # A copy: building writes beside what it builds.
        for entry in _EXTENSION:
            if (_TREE / entry).is_dir():
                shutil.copytree(_TREE / entry, source / entry,
                                ignore=shutil.ignore_patterns('__pycache__',
                                                              '.*'))
            else:
                (source / entry).parent.mkdir(exist_ok=True)
                shutil.copy(_TREE / entry, source / entry)
        for path, text in (('init', _INIT), ('etc/udhcpc.sh', _DHCP),
                           ('usr/sbin/poweroff', _POWEROFF)):
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_text(text)
            (root / path).chmod(0o755)
        _pip_install(root, None, '--no-deps', str(source))
        _pack(root, directory / 'initrd')


def _strip(root: pathlib.Path) -> None:
    """Remove what no deploy ramdisk needs."""
    modules, = (root / 'usr/lib/modules').iterdir()
    kept = [modules / 'kernel' / name for name in _KEPT_MODULES]
    for path in (modules / 'kernel').rglob('*.ko'):
        if not any(path == one or one in path.parents for one in kept):
            path.unlink()
    for name in ('boot', 'var/lib/apt', 'var/lib/dpkg', 'var/cache',
                 'usr/lib/udev/hwdb.d', 'usr/lib/udev/hwdb.bin',
                 'usr/lib/x86_64-linux-gnu/perl', 'usr/share/perl',
                 'usr/lib/x86_64-linux-gnu/perl-base', 'usr/bin/perl',
                 'usr/share/doc', 'usr/share/zoneinfo', 'usr/share/bug',
                 'usr/lib/x86_64-linux-gnu/gconv', 'usr/lib/podman/'
                 'rootlessport', 'usr/share/initramfs-tools'):
        path = root / name
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    debian_root.run('depmod', '-b', root / 'usr', modules.name)
    (root / 'boot').mkdir()


def _pip_install(root: pathlib.Path, python: str | None,
                 *arguments: str) -> None:
    """Install for the root's Python, which may be another than this one."""
    version = [] if python is None else ['--python-version', python]
    debian_root.run(
        sys.executable, '-m', 'pip', 'install', '--quiet', '--no-compile',
        '--disable-pip-version-check', '--root-user-action', 'ignore',
        '--target', root / _HOME.lstrip('/'), *version, *arguments,
        environment={'PBR_VERSION': '0.0.1'})


def _compile(root: pathlib.Path, python: str) -> None:
    """Compile all modules: the emulated machine is slow at it."""
    for directory in (_HOME, f'/usr/lib/{python}'):
        # Templates of the agent's packages are no Python.
        with contextlib.suppress(debian_root.process.LabError):
            debian_root.run('chroot', root, python, '-m', 'compileall', '-q',
                            directory)
    tests = re.compile(r'/(tests?|testing)/')
    for path in (root / _HOME.lstrip('/')).rglob('*'):
        if path.is_file() and tests.search(str(path)):
            path.unlink()


def _pack(root: pathlib.Path, initrd: pathlib.Path) -> None:
    debian_root.run(
        'sh', '-c', 'cd "$1" && find . | LC_ALL=C sort | cpio --create '
        '--quiet --format=newc --owner=0:0 | zstd -q -9 -T0 -o "$2"',
        'sh', root, initrd.resolve())
