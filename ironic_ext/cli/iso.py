# SPDX-License-Identifier: Apache-2.0

"""`ironic-iso`: look into bootable ISOs and inject config into them.

It needs no Ironic and no root. Data goes to standard output, everything
else to standard error; errors are one line and exit code 1 (2 for usage).
"""

import argparse
import collections.abc
import json
import os
import stat
import sys
import typing

from ironic_ext.cli import completion
from ironic_ext.cli import iso_config
from ironic_ext.cli import iso_report
from ironic_ext.cli import progress
from ironic_ext import iso

PROG = 'ironic-iso'
_CHUNK = 1 << 20
#: Bytes read of one file to inject; far above any configuration or initrd
#: addition, far below what would fill the memory.
_MAX_SOURCE = 1 << 30

_EXAMPLES = '''\
examples:
  ironic-iso inspect fedora.iso
  ironic-iso inject fedora.iso --append "inst.ks=cdrom:/ks.cfg" \\
      --file /ks.cfg=./ks.cfg -o node1.iso
  ironic-iso inject fedora.iso --append hostname=node1 --overlay node1.overlay
  ironic-iso write node1.overlay --base fedora.iso -o node1.iso
'''


class CommandError(Exception):
    """A command cannot be carried out; the message is for a person."""


class _UsageError(CommandError):
    """The command line itself is wrong."""


class _Version(argparse.Action):
    """Print the version and exit."""

    def __call__(self, *args: typing.Any) -> typing.NoReturn:
        # Only here: this import takes as long as planning an image does.
        import importlib.metadata
        try:
            version = importlib.metadata.version('ironic-ext')
        except importlib.metadata.PackageNotFoundError:
            version = '(not installed)'
        print(PROG, version)
        sys.exit(0)


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the whole command line."""
    parser = argparse.ArgumentParser(
        prog=PROG, description='Look into bootable ISO images, and inject '
        'kernel arguments and files into them without copying them.',
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--version', action=_Version, nargs=0,
                        help='print the version and exit')
    commands = parser.add_subparsers(metavar='COMMAND', required=True)
    _add_reading_commands(commands)
    _add_inject(commands)
    _add_write(commands)
    command = commands.add_parser(
        'completion', help='print a shell completion script',
        description='Print a completion script: for bash, put '
        '`source <(ironic-iso completion bash)` into ~/.bashrc.')
    command.add_argument('shell', choices=completion.SHELLS)
    command.set_defaults(run=_completion, parser=parser)
    return parser


def _add_reading_commands(commands: typing.Any) -> None:
    command = commands.add_parser(
        'inspect', help='say what an ISO boots and what can be injected',
        description='Say what an ISO boots, by which boot loaders, and what '
        'can be injected into it.')
    command.add_argument('iso', metavar='ISO')
    command.add_argument('--json', action='store_true',
                         help='print JSON instead of text')
    command.set_defaults(run=_inspect)

    command = commands.add_parser('ls', help='list a directory of an ISO')
    command.add_argument('iso', metavar='ISO')
    command.add_argument('path', metavar='PATH', nargs='?', default='/')
    command.add_argument('-l', '--long', action='store_true',
                         help='show type, size in bytes and link target')
    command.set_defaults(run=_ls)

    command = commands.add_parser('cat', help='print a file of an ISO')
    command.add_argument('iso', metavar='ISO')
    command.add_argument('path', metavar='PATH')
    command.set_defaults(run=_cat)


def _add_inject(commands: typing.Any) -> None:
    command = commands.add_parser(
        'inject', help='add kernel arguments and files to an ISO',
        description='Write a customised image, or an overlay: a small file '
        'that together with the ISO is the customised image. The ISO itself '
        'is never changed.')
    command.add_argument('iso', metavar='ISO')
    command.add_argument(
        '--append', metavar='ARGS', action='append', default=[],
        help='kernel arguments to append in every boot configuration')
    command.add_argument(
        '--delete', metavar='ARG', action='append', default=[],
        help='kernel argument to remove: "quiet" removes quiet and '
        'quiet=..., "console=tty0" removes just that')
    command.add_argument(
        '--file', metavar='DEST=SRC', action='append', default=[],
        help='add or replace a file of the ISO; SRC - is standard input')
    command.add_argument(
        '--initrd-file', metavar='DEST=SRC', action='append', default=[],
        help='add a file to every initrd that is booted')
    command.add_argument(
        '--mode', metavar='DEST=MODE', action='append', default=[],
        help='permissions of an injected file, as 0755; the default is '
        'those of SRC')
    command.add_argument(
        '--config', metavar='FORMAT=FILE', action='append', default=[],
        help='put a boot config where the ISO\'s system looks for it, with '
        'the kernel arguments that it needs: ignition, kickstart, '
        'cloud-init, autoinstall, preseed or plain; again for each file of '
        'the format')
    command.add_argument(
        '--config-url', metavar='URL',
        help='do not put the files of --config into the ISO: the kernel '
        'arguments make the machine fetch them from below this URL')
    command.add_argument(
        '--media-check', choices=('drop', 'keep', 'reimplant'),
        default='drop',
        help='what to do about a checksum that the ISO carries of itself: '
        'drop the kernel argument that asks for the check (default), '
        'replace it by one over the volume descriptors only, or keep it, '
        'to fail')
    command.add_argument(
        '--for', metavar='FIRMWARE', action='append', default=[],
        dest='for_', help='refuse the injection unless everything arrives '
        'when the machine boots by bios, uefi or uefi-x64, uefi-aa64, ...; '
        'the default is all ways in which the ISO boots')
    command.add_argument(
        '--partial', action='store_true',
        help='inject what goes, and warn of what does not arrive')
    command.add_argument('--dry-run', action='store_true',
                         help='plan and report, write nothing')
    command.add_argument('--json', action='store_true',
                         help='report as JSON')
    where = command.add_mutually_exclusive_group()
    where.add_argument('-o', '--output', metavar='OUT.iso',
                       help='write the whole image; - is standard output')
    where.add_argument('--overlay', metavar='FILE',
                       help='write an overlay; - is standard output')
    command.add_argument('--force', action='store_true',
                         help='replace an existing output')
    command.set_defaults(run=_inject)


def _add_write(commands: typing.Any) -> None:
    command = commands.add_parser(
        'write', help='write the image that an overlay describes')
    command.add_argument('overlay', metavar='OVERLAY',
                         help='overlay file; - is standard input')
    command.add_argument('--base', metavar='ISO', required=True,
                         help='the ISO that the overlay was made from')
    command.add_argument('-o', '--output', metavar='OUT.iso', required=True,
                         help='image to write; - is standard output')
    command.add_argument('--force', action='store_true',
                         help='replace an existing output')
    command.set_defaults(run=_write)


# The commands

def _inspect(args: argparse.Namespace) -> None:
    with iso.IsoImage.open(args.iso) as image:
        inspection = iso.inspect(image)
    if args.json:
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
            or args.config):
        raise _UsageError('inject: give at least one of --append, --delete, '
                          '--file, --initrd-file and --config')
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
        initrd_modes=initrd_modes)
    if injection.empty and not args.config:
        raise CommandError('there is nothing to inject: --append has no '
                           'argument')
    with iso.IsoImage.open(args.iso) as image:
        notes: tuple[str, ...] = ()
        if args.config:
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
    except (CommandError, iso.IsoError,
            iso_config.ConfigOptionError) as exc:
        _say(f'error: {exc}')
    except OSError as exc:
        where = f'{os.fsdecode(exc.filename)}: ' if exc.filename else ''
        _say(f'error: {where}{exc.strerror or exc}')
    return 1


if __name__ == '__main__':
    sys.exit(main())
