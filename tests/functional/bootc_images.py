# SPDX-License-Identifier: Apache-2.0

"""Small bootable containers for tests of the deploy agent.

Their bootc is a shell script, a stand-in that writes a fixed disk; that of
lab/bootc_stand_in.sh does what bootc does, and takes longer.
"""

import gzip
import pathlib
import subprocess
import tempfile

from tests import oci_images

_MIB = 1 << 20
#: What bootc says when the install is done.
DONE = 'Installation complete!'

#: Tells of what it got, which a test looks for in the agent's log.
_TELL = r'''#!/bin/sh
PATH=/bin
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
    'writes nothing': '\necho "Installation complete!"\n',
    'takes for ever': r'''
busybox sh -c 'while :; do busybox sleep 1; done' &
while :; do busybox sleep 1; done
''',
}


def image(answer='installs', files=None, **arguments):
    """Return an image.

    :param answer: what its bootc does; None for an image without bootc.
    :param files: further ones.
    """
    busybox = pathlib.Path('/bin/busybox').read_bytes()
    content = {'bin/busybox': busybox, 'bin/sh': busybox,
               'disk.gz': _disk(), **(files or {})}
    if answer is not None:
        content['usr/bin/bootc'] = (_TELL + _ANSWERS[answer]).encode()
    return oci_images.image(content, **arguments)


def _disk():
    """Return a small disk with an ESP and a root file system, packed."""
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        disk = folder / 'disk'
        _sparse(disk, 64 * _MIB)
        _run('sfdisk', '--quiet', disk, input=(
            'label: gpt\nstart=1MiB, size=8MiB, type=uefi\n'
            'start=9MiB, size=48MiB, type=linux\n'))
        for start, size, command in (
                (1, 8, ('mkfs.vfat',)),
                (9, 48, ('mkfs.ext4', '-q', '-F'))):
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
