# SPDX-License-Identifier: Apache-2.0

"""`ironic-ext-images`: look into the image store of this host, and fill it.

It needs no Ironic service, but its user: the store is private. Data goes to
standard output, everything else to standard error; errors are one line and
exit code 1 (2 for usage). `verify` ends with 1 when it found damage.
"""

import argparse
import collections.abc
import dataclasses
import json
import os
import sys
import typing

from oslo_config import cfg

from ironic_ext.cli import completion
from ironic_ext.cli import images_access
from ironic_ext.cli import images_progress
from ironic_ext.cli import images_report
from ironic_ext.cli import progress
from ironic_ext.cli import version
from ironic_ext import conf as ext_conf
from ironic_ext.conf import state
from ironic_ext import images
from ironic_ext.images import configured
from ironic_ext import printable

PROG = 'ironic-ext-images'

_EXAMPLES = '''\
examples:
  ironic-ext-images list
  ironic-ext-images fetch https://images.example.org/live.iso \\
      --checksum https://images.example.org/SHA256SUMS
  ironic-ext-images prune --older-than 30d --dry-run
'''


class CommandError(Exception):
    """A command cannot be carried out; the message is for a person."""


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the whole command line."""
    parser = argparse.ArgumentParser(
        prog=PROG, description='Look into the store of base images, fetch '
        'images into it, verify them and remove them.', epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        '--config-file', metavar='FILE', action='append',
        help='configuration to read [ext_images] from (default: that of '
        'Ironic); may be given more than once')
    parser.add_argument('--cache-dir', metavar='DIR',
                        help='directory of the store, instead of '
                        '[ext_images]cache_dir')
    version.add_option(parser)
    commands = parser.add_subparsers(metavar='COMMAND', required=True)
    _add_reading_commands(commands)
    _add_fetch(commands)
    _add_housekeeping_commands(commands)
    command = commands.add_parser(
        'completion', help='print a shell completion script',
        description='Print a completion script: for bash, put '
        f'`source <({PROG} completion bash)` into ~/.bashrc.')
    command.add_argument('shell', choices=completion.SHELLS,
                         help='whose script')
    command.set_defaults(run=_completion, parser=parser)
    return parser


def _add_reading_commands(commands: typing.Any) -> None:
    command = commands.add_parser('list', help='list the stored images')
    command.add_argument('--json', action='store_true',
                         help='print JSON instead of a table')
    command.set_defaults(run=_list)

    command = commands.add_parser('show', help='describe a stored image')
    command.add_argument('image', metavar='IMAGE', help='digest, its first '
                         'digits, or a URL that it was had from')
    command.add_argument('--json', action='store_true',
                         help='print JSON instead of text')
    command.set_defaults(run=_show)


def _add_fetch(commands: typing.Any) -> None:
    command = commands.add_parser(
        # In full: "--password x" is not to be taken for --password-file.
        'fetch', allow_abbrev=False,
        help='get an image into the store, or make sure that it is there '
        'and current',
        description='Get an image into the store. What is there already is '
        'not downloaded again; a download that was interrupted goes on.')
    command.add_argument('href', metavar='URL',
                         help='where the image is')
    command.add_argument('--checksum', metavar='SUM',
                         help='sha256:<hex>, sha512:<hex> or the URL of a '
                         'checksum file')
    command.add_argument('-o', '--output', metavar='FILE',
                         help='put the image there as well, without a copy '
                         'where the file system can; replaces the file')
    command.add_argument('--quiet', action='store_true',
                         help='no progress bar')
    command.add_argument('--json', action='store_true',
                         help='print JSON instead of text')
    images_access.add_options(command)
    command.set_defaults(run=_fetch)


def _add_housekeeping_commands(commands: typing.Any) -> None:
    command = commands.add_parser(
        'verify', help='digest stored images again; damaged ones are removed',
        description='Digest stored images again. Damaged ones are removed, '
        'and downloaded again when they are asked for.')
    command.add_argument('images', metavar='IMAGE', nargs='*',
                         help='as for show; all when none is named')
    command.add_argument('--json', action='store_true',
                         help='print JSON instead of text')
    command.set_defaults(run=_verify)

    command = commands.add_parser(
        'prune', help='remove images, the least recently used first',
        description='Remove images, the least recently used first, and '
        'downloads that nobody goes on with. Images in use, or kept for a '
        'node, stay. Without a limit those of the configuration count.')
    command.add_argument('--dry-run', action='store_true',
                         help='say what would be removed, remove nothing')
    command.add_argument('--max-size', metavar='SIZE',
                         type=images_report.parsed_size,
                         help='until the store has at most that size, such '
                         'as 20G; a bare number is bytes')
    command.add_argument('--older-than', metavar='AGE',
                         type=images_report.parsed_age,
                         help='what was not used for so long, such as 12h '
                         'or 30d; a bare number is seconds')
    command.add_argument('--all', action='store_true',
                         help='everything that may go')
    command.add_argument('--json', action='store_true',
                         help='print JSON instead of text')
    command.set_defaults(run=_prune)

    command = commands.add_parser(
        'rebuild', help='make the index again from what is on record beside '
        'the images')
    command.set_defaults(run=_rebuild)


# The commands

def _list(args: argparse.Namespace) -> None:
    found = _store(args).versions()
    if args.json:
        print(json.dumps([images_report.as_dict(image) for image in found],
                         indent=2))
    else:
        print(images_report.table(found))


def _show(args: argparse.Namespace) -> None:
    image = _find(_store(args), args.image)
    print(json.dumps(images_report.as_dict(image), indent=2) if args.json
          else images_report.text(image))


def _fetch(args: argparse.Namespace) -> None:
    access = images_access.access(args, configured.verify_from(_conf(args)))
    store = _store(args, access, images_access.glance(args))
    with images_progress.DownloadBar(sys.stderr, quiet=args.quiet) as bar:
        with store.lease(args.href, args.checksum, bar) as image:
            how = image.place(args.output) if args.output else None
            digest, size = image.digest, image.size
    if args.json:
        print(json.dumps({'digest': digest, 'size': size,
                          'output': args.output, 'placed': how}, indent=2))
    else:
        print(digest)


def _verify(args: argparse.Namespace) -> None:
    store = _store(args)
    found = ([_find(store, text) for text in args.images]
             or store.versions())
    results = {}
    for image in found:
        with progress.Progress(image.size, 'verifying', sys.stderr) as bar:
            results[image.digest] = store.verify(
                image.digest, images_progress.in_steps(bar))
    if args.json:
        print(json.dumps(results, indent=2))
    else:
        for digest, sound in results.items():
            print(digest, 'is sound' if sound else 'WAS DAMAGED, removed')
    damaged = list(results.values()).count(False)
    if damaged:
        raise CommandError(f'{damaged} of {len(results)} images were damaged')


def _prune(args: argparse.Namespace) -> None:
    if args.all:
        if args.max_size is not None or args.older_than is not None:
            raise images_access.UsageError(
                'prune: --all goes without --max-size and --older-than')
        args.older_than = 0
    removed = _store(args).prune(max_size=args.max_size,
                                 older_than=args.older_than,
                                 dry_run=args.dry_run)
    if args.json:
        print(json.dumps([{'digest': f'sha256:{found.sha256}',
                           'size': found.size} for found in removed],
                         indent=2))
        return
    for found in removed:
        print(f'sha256:{found.sha256}', progress.size_text(found.size))
    total = progress.size_text(sum(found.size for found in removed))
    verb = 'would be freed' if args.dry_run else 'freed'
    print(f'{len(removed)} images, {total} {verb}')


def _rebuild(args: argparse.Namespace) -> None:
    _store(args).rebuild()


def _completion(args: argparse.Namespace) -> None:
    print(completion.script(args.parser, args.shell), end='')


# The store

def _conf(args: argparse.Namespace) -> cfg.ConfigOpts:
    conf = cfg.ConfigOpts()
    ext_conf.register_opts(conf)
    configured.register_ironic_opts(conf)
    conf([], project='ironic', default_config_files=args.config_file)
    state.settle(conf)
    return conf


def _store(args: argparse.Namespace, access: images.Access | None = None,
           glance: collections.abc.Callable[[], typing.Any] | None = None
           ) -> images.ImageStore:
    conf = _conf(args)
    settings = dataclasses.replace(
        configured.settings_from(conf, access, glance=glance,
                                 reader='this command'),
        without_glance='name its cloud of clouds.yaml by --os-cloud',
        glance_login='the cloud of --os-cloud in clouds.yaml')
    return configured.store_from(conf, settings, args.cache_dir)


def _find(store: images.ImageStore, text: str) -> images.StoredImage:
    """Return the image that a person means.

    :raises: CommandError
    """
    wanted = text.lower().removeprefix('sha256:')
    found = [image for image in store.versions()
             if image.digest.removeprefix('sha256:').startswith(wanted)
             or images.redacted(text) in image.sources]
    if not found:
        raise CommandError(f'there is no image "{images.redacted(text)}" in '
                           f'the store; `{PROG} list` shows what is')
    if len(found) > 1 and '://' not in text:
        raise CommandError(f'"{text}" stands for {len(found)} images: give '
                           'more digits')
    return found[0]


def _say(text: str) -> None:
    print(f'{PROG}: {printable.escaped(text)}', file=sys.stderr)


def main(argv: collections.abc.Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    args = build_parser().parse_args(argv)
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
    except images_access.UsageError as exc:
        _say(f'error: {exc}')
        return 2
    except (CommandError, images.ImageError, cfg.Error) as exc:
        _say(f'error: {exc}')
    except OSError as exc:
        where = f'{os.fsdecode(exc.filename)}: ' if exc.filename else ''
        _say(f'error: {where}{exc.strerror or exc}')
    return 1


if __name__ == '__main__':
    sys.exit(main())
