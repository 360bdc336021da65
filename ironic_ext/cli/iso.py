# SPDX-License-Identifier: Apache-2.0

"""`ironic-iso`: look into bootable ISOs and inject config into them.

It needs no Ironic and no root. Data goes to standard output, everything
else to standard error; errors are one line and exit code 1 (2 for usage).
"""

import argparse
import collections.abc
import os
import stat
import sys

from ironic_ext.cli import completion
from ironic_ext.cli import errors
from ironic_ext.cli import iso_options
from ironic_ext.cli import iso_report
from ironic_ext.cli import progress
from ironic_ext import iso

PROG = iso_options.PROG
_CHUNK = 1 << 20
#: Bytes read of one file to inject; far above any configuration or initrd
#: addition, far below what would fill the memory.
_MAX_SOURCE = 1 << 30

#: Seconds before a default that was chosen starts.
_TIMEOUT = 5

CommandError = errors.CommandError


class _UsageError(CommandError):
    """The command line itself is wrong."""


# The commands

def _inspect(args: argparse.Namespace) -> None:
    with iso.IsoImage.open(args.iso) as image:
        inspection = iso.inspect(image)
    if args.json:
        import json
        print(json.dumps(inspection.as_dict(), indent=2))
    else:
        print(iso_report.inspection_text(inspection))


def _ls(args: argparse.Namespace) -> None:
    with iso.IsoImage.open(args.iso) as image:
        entry = image.stat(args.path)
        entries = image.listdir(args.path) if entry.is_dir else [entry]
    for line in iso_report.listing(entries, long=args.long):
        print(line)


def _cat(args: argparse.Namespace) -> None:
    with iso.IsoImage.open(args.iso) as image:
        size = image.stat(args.path).size
        out = sys.stdout.buffer
        out.write(image.read_file(args.path, 0, _CHUNK))
        for offset in range(_CHUNK, size, _CHUNK):
            out.write(image.read_file(args.path, offset, _CHUNK))
        out.flush()


def _inject(args: argparse.Namespace) -> None:
    target = args.output or args.overlay
    if not target and not args.dry_run:
        raise _UsageError('inject: give -o OUT.iso, --overlay FILE or '
                          '--dry-run')
    if not (args.append or args.delete or args.file or args.initrd_file
            or args.config or args.default or args.timeout is not None):
        raise _UsageError('inject: give at least one of --append, --delete, '
                          '--file, --initrd-file, --config, --timeout and '
                          '--default')
    if args.config_url and not args.config:
        raise _UsageError('inject: --config-url says where the files of '
                          '--config are: give these, too')
    if not args.dry_run:
        _check_target(target, args.iso, args.force)
    files, initrd_files = _read_sources(args.file, args.initrd_file)
    modes, initrd_modes = _modes(args, files, initrd_files)
    injection = iso.Injection(
        append_args=' '.join(args.append), delete_args=tuple(args.delete),
        files=files, initrd_files=initrd_files,
        media_check=args.media_check, modes=modes,
        initrd_modes=initrd_modes, default=args.default,
        timeout=(_TIMEOUT if args.default and args.timeout is None
                 else args.timeout))
    if injection.empty and not args.config:
        raise CommandError('there is nothing to inject: --append has no '
                           'argument')
    with iso.IsoImage.open(args.iso) as image:
        notes: tuple[str, ...] = ()
        if args.config:
            from ironic_ext.cli import iso_config
            injection, notes = iso_config.added(
                args.config, image, injection, args.config_url)
        with iso.inject(image, injection, for_=args.for_ or ('all',),
                        partial=args.partial) as smap:
            warnings = (*notes, *smap.warnings)
            for warning in warnings:
                _say(f'warning: {warning}')
            if not args.dry_run:
                if args.overlay:
                    _write_overlay(smap, args.overlay)
                else:
                    _write_image(smap, args.output)
            report = iso_report.Written(
                target=None if args.dry_run else target,
                size=smap.size, base_size=image.size,
                literal_bytes=smap.literal_bytes, digest=smap.digest,
                warnings=warnings, boot_paths=smap.arrivals)
    print(report.json() if args.json else report.text(),
          file=sys.stderr if target == '-' and not args.dry_run
          else sys.stdout)


def _write(args: argparse.Namespace) -> None:
    _check_target(args.output, args.base, args.force)
    if args.overlay == '-':
        smap = iso.SegmentMap.parse(sys.stdin.buffer.read(), base=args.base,
                                    name='standard input')
    else:
        smap = iso.SegmentMap.load(args.overlay, base=args.base)
    with smap:
        for warning in smap.warnings:
            _say(f'warning: {warning}')
        _write_image(smap, args.output)


def _completion(args: argparse.Namespace) -> None:
    print(completion.script(args.parser, args.shell), end='')


# Input and output

def _read_sources(files: list[str], initrd_files: list[str]
                  ) -> tuple[dict[str, bytes], dict[str, bytes]]:
    """Read what DEST=SRC options name; at most one is standard input."""
    taken = 0
    found: tuple[dict[str, bytes], dict[str, bytes]] = ({}, {})
    for option, texts, group in (('--file', files, found[0]),
                                 ('--initrd-file', initrd_files, found[1])):
        for text in texts:
            destination, equals, source = text.partition('=')
            if not (destination and equals and source):
                raise _UsageError(f'{option} "{text}" is not DEST=SRC')
            if destination in group:
                raise CommandError(f'{option}: {destination} is given twice')
            taken += source == '-'
            if taken > 1:
                raise _UsageError('only one SRC can be standard input')
            group[destination] = _read_source(source)
    return found


def _modes(args: argparse.Namespace, files: dict[str, bytes],
           initrd_files: dict[str, bytes]
           ) -> tuple[dict[str, int], dict[str, int]]:
    """Return the permissions of files: the sources' own, or as told."""
    found: tuple[dict[str, int], dict[str, int]] = ({}, {})
    for texts, modes in ((args.file, found[0]),
                         (args.initrd_file, found[1])):
        for text in texts:
            destination, _, source = text.partition('=')
            if source != '-':
                status = os.stat(source)
                if stat.S_ISREG(status.st_mode):
                    modes[destination] = stat.S_IMODE(status.st_mode)
    for text in args.mode:
        destination, _, digits = text.rpartition('=')
        if not destination or len(digits) > 5 or digits.strip('01234567'):
            raise _UsageError(f'--mode "{text}" is not DEST=MODE, such as '
                              f'/run.sh=0755')
        if destination not in files and destination not in initrd_files:
            raise CommandError(f'--mode: {destination} is not injected')
        for content, modes in zip((files, initrd_files), found):
            if destination in content:
                modes[destination] = int(digits or '0', 8)
    return found


def _read_source(source: str) -> bytes:
    if source == '-':
        content = sys.stdin.buffer.read(_MAX_SOURCE + 1)
    else:
        with open(source, 'rb') as stream:
            content = stream.read(_MAX_SOURCE + 1)
    if len(content) > _MAX_SOURCE:
        raise CommandError(f'{source} has more than {_MAX_SOURCE} bytes, '
                           f'too many to inject')
    return content


def _check_target(target: str, base: str, force: bool) -> None:
    """Refuse a target that must not be written.

    :raises: CommandError
    """
    if target == '-':
        if sys.stdout.isatty():
            raise CommandError('standard output is a terminal; redirect it '
                               'or name a file')
        _check_stdout(base)
        return
    try:
        found = os.stat(target)
    except FileNotFoundError:
        return
    if not stat.S_ISREG(found.st_mode):
        # The result is renamed into place, which would replace the node.
        raise CommandError(f'{target} is not a regular file; to fill a '
                           f'device, use "-o -" and redirect it')
    if os.path.samestat(found, os.stat(base)):
        raise CommandError(f'{target} is the ISO itself, which is never '
                           f'changed; name another output')
    if not force:
        raise CommandError(f'{target} exists; --force replaces it')


def _check_stdout(base: str) -> None:
    """Refuse to stream an image into the file it is read from."""
    try:
        found = os.fstat(sys.stdout.fileno())
    except (OSError, ValueError):
        return
    if os.path.samestat(found, os.stat(base)):
        raise CommandError('standard output is the ISO itself, which is '
                           'never changed; name another output')


def _write_overlay(smap: iso.SegmentMap, target: str) -> None:
    if target == '-':
        sys.stdout.buffer.write(smap.dump())
        sys.stdout.buffer.flush()
    else:
        smap.save(target)


def _write_image(smap: iso.SegmentMap, target: str) -> None:
    with progress.Progress(smap.size, 'writing', sys.stderr) as bar:
        if target != '-':
            umask = os.umask(0)
            os.umask(umask)
            smap.write(target, mode=0o666 & ~umask, progress=bar)
            return
        for offset in range(0, smap.size, _CHUNK):
            chunk = smap.read(offset, _CHUNK)
            sys.stdout.buffer.write(chunk)
            bar(len(chunk))
        sys.stdout.buffer.flush()


def _say(text: str) -> None:
    print(f'{PROG}: {iso_report.printable(text)}', file=sys.stderr)


def _parsed(parser: argparse.ArgumentParser,
            argv: collections.abc.Sequence[str] | None
            ) -> argparse.Namespace:
    """Parse a command line.

    In "ls ISO -l PATH", argparse up to Python 3.11 has given PATH its
    default before it comes to -l (https://bugs.python.org/issue15112).
    """
    args, rest = parser.parse_known_args(argv)
    if len(rest) == 1 and not rest[0].startswith('-') and (
            args.run is _ls and args.path == '/'):
        args.path = rest.pop()
    if rest:
        parser.error('unrecognized arguments: ' + ' '.join(rest))
    return args


_COMMANDS: iso_options.Commands = {
    'inspect': _inspect, 'ls': _ls, 'cat': _cat, 'inject': _inject,
    'write': _write, 'completion': _completion}


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the whole command line."""
    return iso_options.build_parser(_COMMANDS)


def main(argv: collections.abc.Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    args = _parsed(build_parser(), argv)
    try:
        args.run(args)
        sys.stdout.flush()
        return 0
    except BrokenPipeError:
        # The reader left, as head(1) does. What is buffered has no reader
        # either: without this, Python would complain at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + 13
    except KeyboardInterrupt:
        return 128 + 2
    except _UsageError as exc:
        _say(f'error: {exc}')
        return 2
    except (CommandError, iso.IsoError) as exc:
        _say(f'error: {exc}')
    except OSError as exc:
        where = f'{os.fsdecode(exc.filename)}: ' if exc.filename else ''
        _say(f'error: {where}{exc.strerror or exc}')
    return 1


if __name__ == '__main__':
    sys.exit(main())
