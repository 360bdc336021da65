# SPDX-License-Identifier: Apache-2.0

"""The command line of `ironic-iso`: commands and options.

It is made for each run, of a command that may be run for each of many
nodes: what would make it slower is left out.
"""

import argparse
import collections.abc
import functools
import os
import sys
import typing

from ironic_ext.cli import completion

PROG = 'ironic-iso'
Commands = collections.abc.Mapping[
    str, collections.abc.Callable[[argparse.Namespace], None]]

_EXAMPLES = '''\
examples:
  ironic-iso inspect fedora.iso
  ironic-iso inject fedora.iso --append "inst.ks=cdrom:/ks.cfg" \\
      --file /ks.cfg=./ks.cfg -o node1.iso
  ironic-iso inject fedora.iso --append hostname=node1 --overlay node1.overlay
  ironic-iso write node1.overlay --base fedora.iso -o node1.iso
'''


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


class _Formatter(argparse.HelpFormatter):
    """Knows the terminal's width without the import that this takes.

    argparse makes one for every option that is added.
    """

    def __init__(self, prog: str) -> None:
        super().__init__(prog, width=_width())


class _RawFormatter(_Formatter, argparse.RawDescriptionHelpFormatter):
    """Leaves descriptions as they are."""


class _Parser(argparse.ArgumentParser):
    """A parser, of a subcommand, too, that is made fast.

    :param formats: the help lists the formats of boot configs.
    """

    def __init__(self, formats: bool = False, **settings: typing.Any
                 ) -> None:
        settings.setdefault('formatter_class', _Formatter)
        super().__init__(**settings)
        self._lists_formats = formats

    def format_help(self) -> str:
        """Return the help; what is installed is looked up only here."""
        if self._lists_formats:
            from ironic_ext.cli.iso import config
            self.epilog = 'formats of --config: ' + ', '.join(
                config.formats())
        return super().format_help()


@functools.cache
def _width() -> int:
    """Return the columns that help may have, as argparse counts them."""
    columns = os.environ.get('COLUMNS', '')
    if columns.isdigit() and int(columns):
        return int(columns) - 2
    try:
        return os.get_terminal_size(sys.stdout.fileno()).columns - 2
    except (AttributeError, OSError, ValueError):
        return 78


def build_parser(run: Commands) -> argparse.ArgumentParser:
    """Return the parser of the whole command line.

    :param run: name of a command -> what carries it out, for ``args.run``.
    """
    parser = _Parser(
        prog=PROG, description='Look into bootable ISO images, and inject '
        'kernel arguments and files into them without copying them.',
        epilog=_EXAMPLES,
        formatter_class=_RawFormatter)
    parser.add_argument('--version', action=_Version, nargs=0,
                        help='print the version and exit')
    # Without the name, argparse would format a usage line to have it.
    commands = parser.add_subparsers(metavar='COMMAND', required=True,
                                     prog=PROG)
    _add_reading_commands(commands, run)
    _add_inject(commands, run)
    _add_write(commands, run)
    _add_reset(commands, run)
    _add_pxe(commands, run)
    command = commands.add_parser(
        'completion', help='print a shell completion script',
        description='Print a completion script: for bash, put '
        '`source <(ironic-iso completion bash)` into ~/.bashrc.')
    command.add_argument('shell', choices=completion.SHELLS,
                         help='whose script')
    command.set_defaults(run=run['completion'], parser=parser)
    for command in commands.choices.values():
        command.set_defaults(own=command)
    return parser


def _add_image(command: argparse.ArgumentParser, *,
               overlay: bool = True) -> None:
    """Add the image that a command works on."""
    command.add_argument(
        'iso', metavar='ISO', help='a file, a device, a URL (http, https), '
        'of which only what is needed is fetched, or - for standard input')
    _add_download(command)
    if overlay:
        command.add_argument(
            '--base', metavar='ISO', help='the first argument is an '
            'overlay, and this the ISO that it was made from')


def _add_download(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        '--download', action='store_true', help='fetch the whole ISO of a '
        'URL first: for servers that answer no ranges')


def _add_reading_commands(commands: typing.Any, run: Commands) -> None:
    command = commands.add_parser(
        'inspect', help='say what an ISO boots and what can be injected',
        description='Say what an ISO boots, by which boot loaders, and what '
        'can be injected into it.')
    _add_image(command)
    command.add_argument('--json', action='store_true',
                         help='print JSON instead of text')
    command.set_defaults(run=run['inspect'])

    command = commands.add_parser('ls', help='list a directory of an ISO')
    _add_image(command)
    command.add_argument('path', metavar='PATH', nargs='?', default='/',
                         help='directory of the ISO (default: /)')
    command.add_argument('-l', '--long', action='store_true',
                         help='show type, size in bytes and link target')
    command.set_defaults(run=run['ls'])

    command = commands.add_parser('cat', help='print a file of an ISO')
    _add_image(command)
    command.add_argument('path', metavar='PATH', help='file of the ISO')
    command.set_defaults(run=run['cat'])

    command = commands.add_parser(
        'extract', help='copy files of an ISO into a directory')
    _add_image(command)
    command.add_argument('path', metavar='PATH', nargs='*',
                         help='files and directories; all, without any')
    _add_directory(command)
    command.set_defaults(run=run['extract'])

    command = commands.add_parser(
        'show', help='say what was injected into an ISO',
        description='Compare a customised image, or an overlay, with the '
        'ISO that it was made from.')
    _add_image(command, overlay=False)
    command.add_argument('--base', metavar='ISO', required=True,
                         help='the ISO that it was made from')
    command.add_argument('--json', action='store_true',
                         help='print JSON instead of text')
    command.set_defaults(run=run['show'])


def _add_directory(command: argparse.ArgumentParser) -> None:
    command.add_argument('-d', '--directory', metavar='DIR', required=True,
                         help='where the files go: new, or empty')


def _add_pxe(commands: typing.Any, run: Commands) -> None:
    command = commands.add_parser(
        'pxe', help='write what an ISO boots for a network boot',
        description='Write kernel and initrds of an ISO, the kernel\'s '
        'arguments ("cmdline") and an iPXE script ("boot.ipxe").')
    _add_image(command)
    _add_directory(command)
    command.add_argument(
        '--entry', metavar='ENTRY', default='', help='title or label of '
        'the boot menu\'s entry; the default is what starts unattended')
    command.add_argument(
        '--for', metavar='FIRMWARE', default='all', dest='for_',
        help='whose boot menu it is: bios, uefi, uefi-x64, ... '
        '(default: all)')
    command.add_argument(
        '--append', metavar='ARGS', action='append', default=[],
        help='kernel arguments to append')
    command.add_argument(
        '--delete', metavar='ARG', action='append', default=[],
        help='kernel argument to remove')
    command.add_argument(
        '--url', default='', help='of the directory on your web server; '
        'the script names files beside it otherwise')
    command.set_defaults(run=run['pxe'])


def _add_reset(commands: typing.Any, run: Commands) -> None:
    command = commands.add_parser(
        'reset', help='empty the areas that a CoreOS ISO reserves',
        description='Write a CoreOS ISO with the kernel arguments that it '
        'came with and without an Ignition config.')
    _add_image(command)
    _add_output(command)
    command.set_defaults(run=run['reset'])


def _add_output(command: argparse.ArgumentParser) -> None:
    command.add_argument('-o', '--output', metavar='OUT.iso', required=True,
                         help='image to write; - is standard output')
    command.add_argument('--force', action='store_true',
                         help='replace an existing output')


def _add_inject(commands: typing.Any, run: Commands) -> None:
    command = commands.add_parser(
        'inject', help='add kernel arguments and files to an ISO',
        description='Write a customised image, or an overlay: a small file '
        'that together with the ISO is the customised image. The ISO itself '
        'is never changed.', formats=True)
    _add_image(command, overlay=False)
    command.add_argument(
        '--append', metavar='ARGS', action='append', default=[],
        help='kernel arguments to append in every boot configuration')
    command.add_argument(
        '--delete', metavar='ARG', action='append', default=[],
        help='kernel argument to remove: "quiet" removes quiet and '
        'quiet=..., "console=tty0" removes just that')
    command.add_argument(
        '--file', metavar='DEST=SRC', action='append', default=[],
        help='add or replace a file of the ISO, or, below DEST, all files '
        'of the directory SRC; SRC - is standard input')
    command.add_argument(
        '--initrd-file', metavar='DEST=SRC', action='append', default=[],
        help='add a file, or a directory\'s, to every initrd that is booted')
    command.add_argument(
        '--esp-file', metavar='DEST=SRC', action='append', default=[],
        help='add or replace a file, or a directory\'s, of the EFI system '
        'partition')
    command.add_argument(
        '--network-keyfile', metavar='FILE', action='append', default=[],
        help='a NetworkManager keyfile for the network of the initrd, and '
        'of the live system after it')
    command.add_argument(
        '--mode', metavar='DEST=MODE', action='append', default=[],
        help='permissions of an injected file, as 0755; the default is '
        'those of SRC')
    command.add_argument(
        '--timeout', metavar='SECONDS', type=int,
        help='let the boot menu start its default by itself after so many '
        'seconds')
    command.add_argument(
        '--default', metavar='ENTRY', default='',
        help='let that entry of the boot menu start by itself, named by its '
        'title or label (inspect lists them); after --timeout, or 5 seconds')
    command.add_argument(
        '--config', metavar='FORMAT=FILE', action='append', default=[],
        help='put a boot config where the ISO\'s system looks for it, with '
        'the kernel arguments that it needs; again for each file of the '
        'format')
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
        help='inject what goes, and warn of what does not arrive, or has no '
        'place in the ISO at all')
    command.add_argument('--dry-run', action='store_true',
                         help='plan and report, write nothing')
    command.add_argument('--json', action='store_true',
                         help='report as JSON')
    command.add_argument('--sha256', action='store_true',
                         help='read the whole result and report its digest, '
                         'as boot_iso_checksum takes it')
    where = command.add_mutually_exclusive_group()
    where.add_argument('-o', '--output', metavar='OUT.iso',
                       help='write the whole image; - is standard output')
    where.add_argument('--overlay', metavar='FILE',
                       help='write an overlay; - is standard output')
    command.add_argument('--force', action='store_true',
                         help='replace an existing output')
    command.set_defaults(run=run['inject'])


def _add_write(commands: typing.Any, run: Commands) -> None:
    command = commands.add_parser(
        'write', help='write the image that an overlay describes')
    command.add_argument('overlay', metavar='OVERLAY',
                         help='overlay file; - is standard input')
    command.add_argument('--base', metavar='ISO', required=True,
                         help='the ISO that the overlay was made from')
    _add_download(command)
    _add_output(command)
    command.set_defaults(run=run['write'])
