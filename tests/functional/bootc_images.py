# SPDX-License-Identifier: Apache-2.0

"""Small bootable containers for tests of the deploy agent.

Their bootc is a shell script, a stand-in that writes a fixed disk; that of
lab/bootc_stand_in.sh does what bootc does, and takes longer. Both tell the
same help, and unpack the image where bootc does.
"""

import functools
import gzip
import os
import pathlib
import subprocess
import tempfile

from tests import oci_images

_STAND_IN = (pathlib.Path(__file__).resolve().parents[2]
             / 'lab/bootc_stand_in.sh')

_MIB = 1 << 20
#: Where ostree has what it installed.
DEPLOYMENT = 'ostree/deploy/default/deploy/0123.0'
#: What bootc says when the install is done.
DONE = 'Installation complete!'

#: Tells of what it got, which a test looks for in the agent's log.
_TELL = r'''#!/bin/sh
PATH=/bin
case "$*" in
    --version) busybox cat /version; exit ;;
    'install print-configuration') busybox cat /configuration; exit ;;
    'install to-disk --help') busybox cat /help; exit ;;
esac
echo "arguments: $*"
echo "variables: $(busybox env | busybox tr '\n' ' ')"
outside=/proc/1/root/run/ironic-bootc
echo "state: $(busybox find $outside | busybox tr '\n' ' ')"
echo "temporary: $(busybox ls -A /tmp | busybox tr '\n' ' ')"
[ -s /run/.containerenv ] || { echo "error: not in a container"; exit 1; }
for word; do case $word in
    --root-ssh-authorized-keys=*) echo "keys: $(busybox cat "${word#*=}")";;
    --filesystem=*) filesystem=${word#*=} ;;
esac; done
'''
_WRITE = r'''
where=/var/tmp
# overlayfs; older ones would put a link in its place.
case $(busybox cat /version)/$(busybox stat -f -c %t /var/tmp) in
    *' 1.1.4/794c7630')
        echo 'error: Renaming to /var/tmp: Invalid cross-device link'
        exit 1 ;;
esac
[ "$(busybox stat -f -c %i /var/tmp)" = \
  "$(busybox stat -f -c %i /proc/1/root/var/tmp)" ] ||
    where=/proc/1/root/var/tmp
busybox cat /bin/busybox /disk.gz > $where/container_images_1 || exit 1
echo "unpacks on: $(busybox stat -f -c %i $where)"
echo "image is on: $(busybox stat -f -c %i /var/lib/containers)"
busybox rm $where/container_images_1
busybox zcat /disk.gz | busybox dd of="$word" bs=1M conv=notrunc || exit 1
busybox sync
echo 'Installation complete!'
'''
_ANSWERS = {
    'installs': _WRITE,
    'wants a file system': r'''
[ -n "$filesystem" ] || {
    echo 'error: Installing to disk: No root filesystem specified'; exit 1; }
''' + _WRITE,
    'fails': r'''
echo 'time="now" level=debug msg="not of interest"' >&2
printf 'error: Installing to disk: Creating rootfs: mkfs.xfs failed\n' >&2
exit 1
''',
    'fails in a tool': r'''
echo '> bootupctl backend install /target'
echo 'error: boot data installation failed: Failed to find grub2-editenv' >&2
printf 'error: Installing to disk: Failed to run command: Command {\n' >&2
printf '    program: "bootupctl",\n    args: [\n        "bootupctl",\n' >&2
printf '        "backend",\n    ],\n    create_pidfd: false,\n}\n' >&2
exit 1
''',
    'has selinux': r'''
for word; do [ "$word" != --disable-selinux ] ||
    echo 'notice: Target has SELinux enabled, overriding to disable'; done
''' + _WRITE,
    'writes nothing': '\necho "Installation complete!"\n',
    'takes for ever': r'''
# As containers tools do: a file that has no name any more.
exec 3> /var/tmp/container_images_1
busybox rm /var/tmp/container_images_1
busybox dd if=/dev/zero bs=1M count=8 >&3
busybox sh -c 'while :; do busybox sleep 1; done' &
while :; do busybox sleep 1; done
''',
}


def image(answer='installs', files=None, *, bootc='1.16.9',
          configuration='{"root-fs-type":null,"block":null}', bootupd=True,
          tools=('mkfs.ext4', 'mkfs.xfs', 'cryptsetup',
                 'systemd-cryptenroll'), **arguments):
    """Return an image.

    :param answer: what its bootc does; None for an image without bootc.
    :param files: further ones.
    :param bootc: version of its bootc, whose options it has.
    :param configuration: how it wants to be installed, as bootc tells it.
    :param bootupd: whether it looks as if it had bootupd.
    :param tools: programs that it looks as if it had.
    """
    busybox = pathlib.Path('/bin/busybox').read_bytes()
    content = {'bin/busybox': busybox, 'bin/sh': busybox,
               'disk.gz': _disk(), **(files or {})}
    content |= {f'usr/sbin/{name}': b'' for name in tools}
    if bootupd:
        content |= {'usr/bin/bootupctl': b'',
                    'usr/lib/bootupd/updates/EFI.json': b'{}'}
    if answer is not None:
        content |= {'usr/bin/bootc': (_TELL + _ANSWERS[answer]).encode(),
                    'version': f'bootc {bootc}\n'.encode(),
                    'configuration': f'{configuration}\n'.encode(),
                    'help': _help(bootc)}
    return oci_images.image(content, **arguments)


@functools.cache
def _help(version):
    return subprocess.run(
        ['bash', str(_STAND_IN), 'install', 'to-disk', '--help'], check=True,
        capture_output=True,
        env={**os.environ, 'BOOTC_STAND_IN_VERSION': version}).stdout


@functools.cache
def _disk():
    """Return a small disk with an ESP and a root file system, packed."""
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        disk = folder / 'disk'
        _sparse(disk, 64 * _MIB)
        _run('sfdisk', '--quiet', disk, input=(
            'label: gpt\nstart=1MiB, size=8MiB, type=uefi\n'
            'start=9MiB, size=48MiB, type=linux\n'))
        root = folder / 'root'
        (root / DEPLOYMENT / 'etc').mkdir(parents=True)
        for start, size, command in (
                (1, 8, ('mkfs.vfat',)),
                (9, 48, ('mkfs.ext4', '-q', '-F', '-d', root))):
            part = folder / 'part'
            part.unlink(missing_ok=True)
            _sparse(part, size * _MIB)
            _run(*command, part)
            with open(disk, 'r+b') as file:
                file.seek(start * _MIB)
                file.write(part.read_bytes())
        return gzip.compress(disk.read_bytes(), 1, mtime=0)


def _sparse(path, size):
    with open(path, 'wb') as file:
        file.truncate(size)


def _run(*command, **arguments):
    subprocess.run([*map(str, command)], check=True, capture_output=True,
                   text=True, **arguments)
