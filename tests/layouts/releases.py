# SPDX-License-Identifier: Apache-2.0

"""Packages of Debian releases, from the mirrors that this machine's apt uses.

They are unpacked and never installed.
"""

import pathlib
import shutil
import subprocess

from lab import debian_root

_KEYRING = '/usr/share/keyrings/debian-archive-keyring.gpg'


def package(release: str, name: str, cache: pathlib.Path, kept: str
            ) -> pathlib.Path:
    """Return the directory of an unpacked package; fetch it once.

    :param name: of the package; for ``linux-image-...`` without a version,
        the one of the kernel that it stands for is taken.
    :param kept: the directory in it that is of use.
    :raises: LabError
    """
    return debian_root.cached(
        cache, f'{name}-{release}', (release, name, kept),
        lambda folder: _fetch(release, name, kept, folder))


def _fetch(release: str, name: str, kept: str, folder: pathlib.Path) -> None:
    """Have apt download and unpack, with lists of its own."""
    mirror = next(line for line in debian_root.run(
        'apt-get', 'indextargets', '--format', '$(REPO_URI)',
        'Created-By: Packages', 'Component: main').splitlines()
        if not line.rstrip('/').endswith('-security'))
    for needed in ('lists/partial', 'cache/archives/partial', 'got', 'all'):
        (folder / needed).mkdir(parents=True)
    (folder / 'sources.list').write_text(
        f'deb [signed-by={_KEYRING}] {mirror} {release} main\n')
    options = [word for setting in (
        f'Etc::SourceList={folder / "sources.list"}',
        'Etc::SourceParts=/dev/null', f'State::Lists={folder / "lists"}',
        f'Cache={folder / "cache"}') for word in ('-o', f'Dir::{setting}')]
    debian_root.run('apt-get', *options, '-qq', 'update')
    if name.startswith('linux-image-'):
        depends = debian_root.run('apt-cache', *options, 'depends',
                                  '--no-recommends', name)
        name = next(line.split()[-1] for line in depends.splitlines()
                    if 'Depends: linux-image-' in line)
    # The names of files are those of the working directory.
    subprocess.run(['apt-get', *options, '-qq', 'download', name],
                   cwd=folder / 'got', check=True, capture_output=True)
    archive, = (folder / 'got').glob('*.deb')
    debian_root.run('dpkg-deb', '-x', archive, folder / 'all')
    (folder / kept).parent.mkdir(parents=True, exist_ok=True)
    (folder / 'all' / kept).rename(folder / kept)
    for used in ('lists', 'cache', 'got', 'all'):
        shutil.rmtree(folder / used)
