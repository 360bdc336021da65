# SPDX-License-Identifier: Apache-2.0

"""`ironic-iso`: look into bootable ISOs and inject config into them.

It needs no Ironic and no root. Data goes to standard output, everything
else to standard error; errors are one line and exit code 1 (2 for usage).
"""

import argparse
import collections.abc
import contextlib
import dataclasses
import os
import re
import stat
import sys

from ironic_ext.cli import completion
from ironic_ext.cli import errors
from ironic_ext.cli.iso import bases
from ironic_ext.cli.iso import options
from ironic_ext.cli.iso import report
from ironic_ext.cli.iso import sources
from ironic_ext.cli import progress
from ironic_ext import iso
from ironic_ext import printable

PROG = options.PROG
_CHUNK = 1 << 20

#: Seconds before a default that was chosen starts.
_TIMEOUT = 5

CommandError = errors.CommandError
_UsageError = errors.UsageError


# The commands

def _opened(args: argparse.Namespace
            ) -> contextlib.AbstractContextManager[iso.IsoImage]:
    return bases.opened(args.iso, base=getattr(args, 'base', None),
                        download=args.download)


def _inspect(args: argparse.Namespace) -> None:
    with _opened(args) as image:
        inspection = iso.inspect(image)
    if args.json:
        import json
        print(json.dumps(inspection.as_dict(), indent=2))
    else:
        print(report.inspection_text(inspection))


def _ls(args: argparse.Namespace) -> None:
    with _opened(args) as image:
        entry = image.stat(args.path)
        entries = image.listdir(args.path) if entry.is_dir else [entry]
    for line in report.listing(entries, long=args.long):
        print(line)


def _cat(args: argparse.Namespace) -> None:
    with _opened(args) as image:
        size = image.stat(args.path).size
        out = sys.stdout.buffer
        out.write(image.read_file(args.path, 0, _CHUNK))
        for offset in range(_CHUNK, size, _CHUNK):
            out.write(image.read_file(args.path, offset, _CHUNK))
        out.flush()


def _extract(args: argparse.Namespace) -> None:
    from ironic_ext.cli.iso import extraction
    with _opened(args) as image:
        count = extraction.extract(image, args.path or ['/'],
                                   args.directory)
    _say(f'{count} files written to {args.directory}')


def _show(args: argparse.Namespace) -> None:
    from ironic_ext.iso.facts import difference
    with contextlib.ExitStack() as opened:
        smap = None
        if bases.is_file(args.iso) and not bases.is_overlay(args.iso):
            image = opened.enter_context(iso.IsoImage.open(args.iso))
        else:
            smap = opened.enter_context(bases.mapped(
                args.iso, args.base, download=args.download))
            image = bases.image_of(smap, args.iso)
        base = opened.enter_context(bases.opened(
            args.base, download=args.download))
        found = difference.compare(image, base, smap)
        if found.other_base:
            _say(f'warning: {args.base} seems not to be the base of '
                 f'{args.iso}: most of its files are missing or replaced '
                 f'there')
        print(report.difference_json(found, image) if args.json
              else report.difference_text(found, image))


def _pxe(args: argparse.Namespace) -> None:
    from ironic_ext.cli.iso import pxe
    _check_firmware([args.for_])
    with _opened(args) as image:
        boot = pxe.plan(image, entry=args.entry, firmware=args.for_,
                        append=' '.join(args.append),
                        delete=args.delete, url=args.url)
        for warning in boot.warnings:
            _say(f'warning: {warning}')
        pxe.write(boot, args.directory, args.url)
    print(f'wrote "{printable.escaped(boot.title)}" to '
          f'{printable.escaped(args.directory)}: '
          + ', '.join([*boot.files, 'cmdline', 'boot.ipxe']))


def _reset(args: argparse.Namespace) -> None:
    from ironic_ext.iso.plan import reset
    _check_target(args.output, args.iso, args.force)
    with _opened(args) as image, reset.reset(image) as smap:
        if not smap.literal_bytes and len(smap.segments) == 1:
            raise CommandError(f'{args.iso} has nothing to reset: its areas '
                               f'are as it came with them')
        _write_image(smap, args.output)


def _inject(args: argparse.Namespace) -> None:
    target = args.output or args.overlay
    if not target and not args.dry_run:
        raise _UsageError('inject: give -o OUT.iso, --overlay FILE or '
                          '--dry-run')
    if not (args.append or args.delete or args.file or args.initrd_file
            or args.esp_file or args.network_keyfile or args.config
            or args.default
            or args.timeout is not None):
        raise _UsageError('inject: give at least one of --append, --delete, '
                          '--file, --initrd-file, --esp-file, '
                          '--network-keyfile, --config, --timeout and '
                          '--default')
    if args.config_url and not args.config:
        raise _UsageError('inject: --config-url says where the files of '
                          '--config are: give these, too')
    _check_firmware(args.for_)
    if args.timeout is not None:
        from ironic_ext.iso import injection as injections
        if not 1 <= args.timeout <= injections.MAX_TIMEOUT:
            raise _UsageError(f'inject: --timeout takes 1 to '
                              f'{injections.MAX_TIMEOUT} seconds')
    if not args.dry_run:
        _check_target(target, args.iso, args.force)
    found = sources.read({
        '--file': args.file, '--initrd-file': args.initrd_file,
        '--esp-file': args.esp_file}, args.mode, taken=args.iso == '-')
    files, inside = found['--file'], found['--initrd-file']
    injection = iso.Injection(
        append_args=' '.join(args.append), delete_args=tuple(args.delete),
        files=files.files, initrd_files=inside.files,
        esp_files=found['--esp-file'].files,
        media_check=args.media_check, modes=files.modes,
        initrd_modes=inside.modes, default=args.default,
        timeout=(_TIMEOUT if args.default and args.timeout is None
                 else args.timeout))
    if injection.empty and not args.config and not args.network_keyfile:
        raise CommandError('there is nothing to inject: --append has no '
                           'argument')
    with _opened(args) as image:
        notes: tuple[str, ...] = ()
        if args.network_keyfile:
            injection = _with_network(args.network_keyfile, image, injection)
        if args.config:
            from ironic_ext.cli.iso import config
            injection, notes = config.added(
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
            written = report.Written(
                target=None if args.dry_run else target,
                size=smap.size, base_size=image.size,
                literal_bytes=smap.literal_bytes,
                content_id=smap.digest if args.json else '',
                sha256=_sha256(smap) if args.sha256 else None,
                warnings=warnings, boot_paths=smap.arrivals,
                complete=smap.complete)
    print(written.json() if args.json else written.text(),
          file=sys.stderr if target == '-' and not args.dry_run
          else sys.stdout)


def _check_firmware(names: collections.abc.Iterable[str]) -> None:
    """Refuse what no image boots by.

    :raises: UsageError
    """
    from ironic_ext.iso import boot_path
    for name in names:
        if not boot_path.is_name(name):
            raise _UsageError(f'--for "{name}": unknown firmware: use '
                              + ', '.join(boot_path.FIRMWARES))


def _with_network(paths: list[str], image: iso.IsoImage,
                  injection: iso.Injection) -> iso.Injection:
    from ironic_ext.cli.iso import network
    keyfiles = network.files(paths, image)
    for path in keyfiles:
        if path in injection.initrd_files:
            raise CommandError(f'{path} is given twice')
    return dataclasses.replace(
        injection, initrd_files={**injection.initrd_files, **keyfiles},
        initrd_modes={**injection.initrd_modes,
                      **dict.fromkeys(keyfiles, network.MODE)})


def _write(args: argparse.Namespace) -> None:
    _check_target(args.output, args.base, args.force)
    smap = bases.mapped(args.overlay, args.base, download=args.download)
    with smap:
        for warning in smap.warnings:
            _say(f'warning: {warning}')
        _write_image(smap, args.output)


def _completion(args: argparse.Namespace) -> None:
    from ironic_ext.cli.iso import config
    from ironic_ext.iso import boot_path
    print(completion.script(args.parser, args.shell, {
        '--for': boot_path.FIRMWARES,
        '--config': [f'{name}=' for name in config.formats()]}), end='')


# Input and output

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
    if bases.is_file(base) and os.path.samestat(found, os.stat(base)):
        raise CommandError(f'{target} is the ISO itself, which is never '
                           f'changed; name another output')
    if not force:
        raise CommandError(f'{target} exists; --force replaces it')


def _check_stdout(base: str) -> None:
    """Refuse to stream an image into the file it is read from."""
    if not bases.is_file(base):
        return
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


def _sha256(smap: iso.SegmentMap) -> str:
    """Return the digest of the image as a file (hex)."""
    import hashlib
    found = hashlib.sha256()
    with progress.Progress(smap.size, 'hashing', sys.stderr) as bar:
        for offset in range(0, smap.size, _CHUNK):
            chunk = smap.read(offset, _CHUNK)
            found.update(chunk)
            bar(len(chunk))
    return found.hexdigest()


def _say(text: str) -> None:
    print(f'{PROG}: {printable.escaped(text)}', file=sys.stderr)


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
        import difflib
        known = re.findall('--[a-z][a-z-]+', args.own.format_help())
        near = difflib.get_close_matches(
            rest[0].partition('=')[0], known, 1, 0.7)
        args.own.error('unrecognized arguments: ' + ' '.join(rest) + (
            f' (did you mean {near[0]}?)' if near else ''))
    return args


_COMMANDS: options.Commands = {
    'inspect': _inspect, 'ls': _ls, 'cat': _cat, 'extract': _extract,
    'inject': _inject, 'show': _show, 'write': _write, 'reset': _reset,
    'pxe': _pxe, 'completion': _completion}


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the whole command line."""
    return options.build_parser(_COMMANDS)


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
