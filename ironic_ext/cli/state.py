# SPDX-License-Identifier: Apache-2.0

"""`ironic-ext-state`: where the state of this host is, and moving it.

What an older release left elsewhere goes into [ext_state]dir, while no
process uses it: a database of SQLite that is renamed below an open connection
is lost. Errors are one line and exit code 1 (2 for usage).
"""

import argparse
import collections.abc
import contextlib
import os
import sqlite3
import sys

from oslo_config import cfg

from ironic_ext.cli import version
from ironic_ext import conf as ext_conf
from ironic_ext.conf import state

PROG = 'ironic-ext-state'

# Processes that may open what is moved at any moment.
_PROGRAMS = ('ironic-conductor', 'ironic', 'ironic-boot-server',
             'ironic-media-server')
# It has files open that its user alone can see.
_TGTD = 'tgtd'


class StateError(Exception):
    """Nothing was moved; one sentence."""


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the whole command line."""
    parser = argparse.ArgumentParser(
        prog=PROG, description='Show where the state of this host is, and '
        'move what an older release left elsewhere into [ext_state]dir.')
    parser.add_argument(
        '--config-file', metavar='FILE', action='append',
        help='configuration to read (default: that of Ironic); may be given '
        'more than once')
    version.add_option(parser)
    commands = parser.add_subparsers(metavar='COMMAND', required=True)
    command = commands.add_parser('show', help='show where everything is')
    command.set_defaults(run=_show)
    command = commands.add_parser(
        'move', help='move what an older release left',
        description='Move what an older release left into [ext_state]dir. '
        'Stop the conductor, the boot server, the media server and tgtd of '
        'this host first.')
    command.set_defaults(run=_move)
    return parser


def _conf(args: argparse.Namespace) -> cfg.ConfigOpts:
    conf = cfg.ConfigOpts()
    ext_conf.register_opts(conf)
    conf([], project='ironic', default_config_files=args.config_file)
    return conf


def _show(args: argparse.Namespace) -> None:
    conf = _conf(args)
    for place in state.PLACES:
        waits = place.waits(conf)
        path = place.old if waits else place.path(conf)
        print(f'[{place.group}]{place.option}', path,
              '(to be moved)' if waits else '', sep='  ')


def _move(args: argparse.Namespace) -> None:
    conf = _conf(args)
    places = [place for place in state.PLACES if place.waits(conf)]
    if not places:
        print('There is nothing to move.')
        return
    require_unused([place.old for place in places])
    folder = conf.ext_state.dir
    os.makedirs(folder, mode=0o700, exist_ok=True)
    os.chmod(folder, 0o700)
    with contextlib.ExitStack() as stack:
        for place in places:
            if place.is_database:
                stack.enter_context(_alone(place.old))
            if os.lstat(place.old).st_dev != os.stat(folder).st_dev:
                raise StateError(
                    f'{place.old} is on another file system than {folder}: '
                    f'name it in [{place.group}]{place.option}, or copy it '
                    'there yourself')
        for place in places:
            os.rename(place.old, place.new(conf))
            print(f'{place.old} -> {place.new(conf)}')


def require_unused(paths: collections.abc.Sequence[str],
                   proc: str = '/proc') -> None:
    """Make sure that no process has, or will open, what is below paths.

    :raises: StateError
    """
    known = {identity for path in paths for identity in _identities(path)}
    for pid in filter(str.isdigit, os.listdir(proc)):
        if int(pid) == os.getpid():
            continue
        folder = os.path.join(proc, pid)
        name = _name(folder)
        if name in _PROGRAMS:
            raise StateError(f'{name} is running, process {pid}: stop it')
        try:
            handles = os.listdir(os.path.join(folder, 'fd'))
        except OSError:
            if name == _TGTD:
                raise StateError(
                    f'what {name}, process {pid}, has open cannot be seen: '
                    'stop it, or run this as root') from None
            continue
        for handle in handles:
            with contextlib.suppress(OSError):
                info = os.stat(os.path.join(folder, 'fd', handle))
                if (info.st_dev, info.st_ino) in known:
                    raise StateError(f'{name or "a process"}, process {pid}, '
                                     'uses what is to be moved: stop it')


def _name(folder: str) -> str:
    """Return the name of a program, of the script if it is one."""
    try:
        with open(os.path.join(folder, 'cmdline'), 'rb') as file:
            words = [os.path.basename(os.fsdecode(word))
                     for word in file.read(4096).split(b'\0')[:2]]
    except OSError:
        return ''
    if words and words[0].startswith('python') and len(words) > 1:
        return words[1]
    return words[0] if words else ''


def _identities(path: str) -> collections.abc.Iterator[tuple[int, int]]:
    names = [path, *(f'{path}{end}' for end in state.BESIDE)]
    for folder, folders, files in os.walk(path):
        names += [os.path.join(folder, name) for name in (*folders, *files)]
    for name in names:
        with contextlib.suppress(OSError):
            info = os.lstat(name)
            yield info.st_dev, info.st_ino


@contextlib.contextmanager
def _alone(path: str) -> collections.abc.Iterator[None]:
    """Have a database alone and in one file, in the context.

    :raises: StateError when another process has it open.
    """
    try:
        with contextlib.closing(sqlite3.connect(
                path, timeout=0, isolation_level=None)) as database:
            # Only the last connection can end the write-ahead log.
            (mode,) = database.execute('PRAGMA journal_mode=DELETE').fetchone()
            database.execute('BEGIN EXCLUSIVE')
            if mode != 'delete':
                raise StateError(f'{path} is in use')
            yield
    except sqlite3.Error as exc:
        raise StateError(f'{path} is in use, or damaged: {exc}') from exc


def main(argv: collections.abc.Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    args = build_parser().parse_args(argv)
    try:
        args.run(args)
        return 0
    except (StateError, cfg.Error) as exc:
        print(f'{PROG}: error: {exc}', file=sys.stderr)
    except OSError as exc:
        where = f'{os.fsdecode(exc.filename)}: ' if exc.filename else ''
        print(f'{PROG}: error: {where}{exc.strerror or exc}',
              file=sys.stderr)
    return 1


if __name__ == '__main__':
    sys.exit(main())
