# SPDX-License-Identifier: Apache-2.0

"""Debian's root file systems, made by mmdebstrap from the system's own apt.

Mirrors and proxies, and the release unless it is told, are those that apt of
this machine uses. What is made is kept in a cache under a name of what it is
made from.
"""

from collections.abc import Callable, Iterable, Sequence
import fcntl
import hashlib
import os
import pathlib
import shutil
import subprocess
import tempfile

from lab import process

#: What no machine of the lab reads.
_EXCLUDED = ('/usr/share/doc/*', '/usr/share/man/*', '/usr/share/info/*',
             '/usr/share/locale/*', '/usr/share/lintian/*')
_APT_SETTINGS = ('Acquire::Check-', 'Acquire::ftp::', 'Acquire::http::',
                 'Acquire::https::', 'Acquire::Retries')


def run(*command: str | pathlib.Path, environment: dict[str, str] | None
        = None) -> str:
    """Run a command and return what it prints.

    :raises: LabError with the end of what it said.
    """
    try:
        result = subprocess.run(
            [str(word) for word in command], stdin=subprocess.DEVNULL,
            capture_output=True, text=True, errors='replace',
            env={**os.environ, **(environment or {})})
    except FileNotFoundError as exc:
        raise process.LabError(f'{command[0]} is not installed') from exc
    if result.returncode:
        raise process.LabError(
            f'{command[0]} ended with {result.returncode}: '
            f'{(result.stderr or result.stdout)[-1500:]}')
    return result.stdout


def digest(*inputs: str | bytes) -> str:
    """Return a short name of what something is made from."""
    state = hashlib.sha256()
    for one in inputs:
        data = one.encode() if isinstance(one, str) else one
        state.update(b'%d:' % len(data) + data)
    return state.hexdigest()[:16]


def cached(cache: pathlib.Path, name: str, inputs: Iterable[str | bytes],
           make: Callable[[pathlib.Path], None]) -> pathlib.Path:
    """Return cache/name-<digest of inputs>; make(path) makes it if missing.

    Older ones of that name go: one is some hundred MB.

    :param make: gets the path of an empty directory to fill.
    """
    cache.mkdir(parents=True, exist_ok=True)
    path = cache / f'{name}-{digest(*inputs)}'
    with open(cache / f'{name}.lock', 'w') as lock:
        # Tests that run at the same time want it at the same time.
        fcntl.flock(lock, fcntl.LOCK_EX)
        if path.is_dir():
            return path
        # Also what a killed process left: nobody else makes it now.
        for old in (*cache.glob(f'{name}-*'), *cache.glob(f'.{name}-*')):
            shutil.rmtree(old)
        with tempfile.TemporaryDirectory(dir=cache,
                                         prefix=f'.{name}-') as work:
            new = pathlib.Path(work) / 'new'
            new.mkdir()
            make(new)
            new.rename(path)
    return path


def _sources() -> tuple[str, str]:
    """Return the release's name and the lines of a sources.list."""
    targets = run('apt-get', 'indextargets', '--format',
                  '$(CODENAME)|deb $(REPO_URI) $(RELEASE) $(COMPONENT)',
                  'Created-By: Packages', 'Origin: Debian').splitlines()
    # "bookworm" is shorter than "bookworm-updates" and its like.
    release = min((target.partition('|')[0] for target in targets),
                  key=len, default='')
    if not release:
        raise process.LabError(
            'apt knows no packages of Debian: run "apt-get update" on a '
            'Debian system')
    lines = sorted({target.partition('|')[2] for target in targets})
    return release, ''.join(f'{line}\n' for line in lines)


def make(target: pathlib.Path, packages: Sequence[str],
         hooks: Sequence[str] = (), release: str = '') -> None:
    """Write a minimal root file system: a tar archive, or a directory.

    :param target: a name with ``.tar``, or without for a directory.
    :param hooks: shell commands that change it at the end; "$1" is its root.
    :param release: its name, by default that of this machine.
    :raises: LabError when mmdebstrap fails.
    """
    ours, sources = _sources()
    if release:
        sources = sources.replace(f' {ours}', f' {release}')
    with tempfile.TemporaryDirectory() as name:
        directory = pathlib.Path(name)
        settings = [line for line in run('apt-config', 'dump').splitlines()
                    if line.startswith(_APT_SETTINGS)]
        (directory / 'apt.conf').write_text(
            ''.join(f'{line}\n' for line in settings))
        (directory / 'sources.list').write_text(sources)
        command = ['mmdebstrap', '--quiet', '--variant=minbase',
                   f'--include={",".join(packages)}',
                   f'--aptopt={directory}/apt.conf']
        command += [f'--dpkgopt=path-exclude={path}' for path in _EXCLUDED]
        command += [f'--customize-hook={hook}' for hook in hooks]
        run(*command, release or ours, target, directory / 'sources.list')
