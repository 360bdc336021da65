# SPDX-License-Identifier: Apache-2.0

"""``make unit-trixie``: unit tests on Debian 13, whose Python is 3.13.

In a root of mmdebstrap, which sees this tree and has an environment of its
own; both are kept in the cache. As root, since that changes the root.
"""

import argparse
import hashlib
import os
import pathlib
import shutil
import subprocess
import sys

from lab import debian_root
from lab import process
from lab import stack
from tests import iso_cache

_RELEASE = 'trixie'
_TREE = pathlib.Path(__file__).parents[1]
#: Python and what builds its extensions, and what the tests are judged by.
_PACKAGES = (
    'ca-certificates', 'gcc', 'git', 'libc6-dev', 'libvirt-dev', 'make',
    'pkg-config', 'python3-dev', 'python3-venv',
    'btrfs-progs', 'cpio', 'curl', 'dosfstools', 'e2fsprogs', 'fdisk', 'gdisk',
    'genisoimage', 'grub-common', 'grub-efi-amd64-bin', 'grub-pc-bin',
    'grub-rescue-pc', 'iproute2', 'isolinux', 'isomd5sum',
    'libarchive-tools', 'lz4', 'mtools', 'openssl', 'procps', 'shellcheck',
    'skopeo', 'syslinux-common', 'syslinux-utils', 'systemd',
    'systemd-boot-efi', 'udev', 'xfsprogs', 'xorriso', 'xz-utils', 'zsh',
    'zstd')
#: What of this system is there, too, for pip.
_SYSTEM = ('/etc/resolv.conf', '/etc/hosts', '/etc/pip.conf',
           '/etc/ssl/certs/ca-certificates.crt')
_INSTALL_FROM = ('setup.cfg', 'setup.py', 'requirements.txt',
                 'constraints.txt', 'lab/requirements.txt')
#: $1 is the root, $BOUND what is there at the same place, a line each. ISOs
#: of its own tools are not those that others of this tree use meanwhile.
_ENTER = """\
set -eu
root=$1; shift
mount --make-rprivate /
mount -t proc proc "$root/proc"
mount --rbind /dev "$root/dev"
mount --rbind /sys "$root/sys"
mount -t tmpfs tmpfs "$root/tmp"
printf '%s\\n' "$BOUND" | while read -r path; do
    if [ -d "$path" ]; then mkdir -p "$root$path"
    else [ -e "$root$path" ] || : > "$root$path"; fi
    mount --bind "$path" "$root$path"
done
mkdir -p "$root/isos" "$root$TREE/$ISOS"
mount --bind "$root/isos" "$root$TREE/$ISOS"
exec chroot "$root" sh -c 'cd "$0" && exec "$@"' "$TREE" "$@"
"""
_TEST = """\
python3 --version
stestr="/venv/bin/stestr --repo-url /tmp/results"
mkdir /tmp/results
$stestr init
exec $stestr --test-path tests/unit run "$@"
"""


class Root:
    """The root, in the cache."""

    def __init__(self) -> None:
        self._root = debian_root.cached(
            stack.DEFAULT_CACHE, f'{_RELEASE}-root', _PACKAGES,
            lambda path: debian_root.make(path / 'root', _PACKAGES,
                                          release=_RELEASE)) / 'root'

    def run(self, *command: str) -> int:
        """Run a command in it, in this tree; return its exit code."""
        bound = [str(_TREE), *filter(os.path.exists, _SYSTEM)]
        if (_TREE / '.git').is_file():
            bound.append(debian_root.run(
                'git', '-C', _TREE, 'rev-parse', '--path-format=absolute',
                '--git-common-dir').strip())
        own = {name: value for name, value in os.environ.items()
               if name.startswith('PIP_') and name != 'PIP_FIND_LINKS'
               or name.endswith(('_proxy', '_PROXY'))}
        return subprocess.run(
            ['unshare', '--mount', '--pid', '--fork', '--kill-child', 'sh',
             '-c', _ENTER, 'sh', str(self._root), *command],
            stdin=subprocess.DEVNULL, env={
                **own, 'BOUND': '\n'.join(bound), 'TREE': str(_TREE),
                'ISOS': str(iso_cache.FOLDER.relative_to(_TREE)),
                'PATH': '/venv/bin:/usr/sbin:/usr/bin:/sbin:/bin',
                'HOME': '/root', 'LANG': 'C.UTF-8',
                'BASE_TEST_TIMEOUT': '600'}).returncode

    def install(self) -> None:
        """Have the suite and what it needs in the environment.

        :raises: LabError
        """
        # A copy of the cache is another tree's.
        wanted = hashlib.sha256(str(_TREE).encode() + b''.join(
            (_TREE / name).read_bytes() for name in _INSTALL_FROM)
        ).hexdigest()
        note = self._root / 'venv/installed'
        if note.exists() and note.read_text() == wanted:
            return
        for command in (
                ('python3', '-m', 'venv', '/venv'),
                ('/venv/bin/pip', 'install', '-q', '-c', 'constraints.txt',
                 '-r', 'lab/requirements.txt', '-e',
                 '.[conductor,agent,server,test]')):
            if self.run(*command):
                raise process.LabError(f'{" ".join(command)} failed')
        note.write_text(wanted)


def main() -> int:
    """Run, and return the exit code."""
    parser = argparse.ArgumentParser(
        prog='python -m tests.debian13',
        description='Run the unit tests on Debian 13.')
    parser.add_argument('expression', nargs='?', default='',
                        help='part of the names of the tests to run')
    args = parser.parse_args()
    if os.geteuid() or not shutil.which('mmdebstrap'):
        print('install mmdebstrap, and be root', file=sys.stderr)
        return 2
    try:
        root = Root()
        root.install()
    except process.LabError as exc:
        print(exc, file=sys.stderr)
        return 2
    # Its /tmp is one for each command.
    return root.run('sh', '-c', _TEST, 'sh',
                    *filter(None, [args.expression]))


if __name__ == '__main__':
    sys.exit(main())
