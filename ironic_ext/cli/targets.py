# SPDX-License-Identifier: Apache-2.0

"""The `ironic-ext-targets` command: the iSCSI targets of this host.

It needs no Ironic service, but its user or root: the records are private.
Data goes to standard output, everything else to standard error; errors are
one line and exit code 1 (2 for usage). `rebuild` ends with 1 when a target
cannot be made.
"""

import argparse
import collections.abc
import dataclasses
import json
import sys

from oslo_config import cfg

from ironic_ext.cli import version
from ironic_ext import conf as ext_conf
from ironic_ext.conf import state
from ironic_ext import san
from ironic_ext.san import configured

PROG = 'ironic-ext-targets'
_MIB = 1 << 20


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the whole command line."""
    parser = argparse.ArgumentParser(
        prog=PROG, description='Show the iSCSI targets that this host '
        'serves for machines that boot by sanboot, and make those again '
        'that are missing.')
    parser.add_argument(
        '--config-file', metavar='FILE', action='append',
        help='configuration to read [ext_san] from (default: that of '
        'Ironic); may be given more than once')
    version.add_option(parser)
    commands = parser.add_subparsers(metavar='COMMAND', required=True)
    command = commands.add_parser(
        'list', help='list the targets and who needs them')
    command.add_argument('--json', action='store_true',
                         help='print JSON instead of a table')
    command.set_defaults(run=_list)
    command = commands.add_parser(
        'rebuild', help='make what is missing, remove what nobody needs',
        description='Make the targets again that tgtd has forgotten, and '
        'remove those that nobody needs. The conductor does so by itself, '
        'every [ext_san]rebuild_interval seconds.')
    command.set_defaults(run=_rebuild)
    return parser


def table(found: collections.abc.Sequence[san.TargetStatus]) -> str:
    """Return targets for people, a line each."""
    rows = [('STATE', 'SIZE', 'READERS', 'TARGET', 'IMAGE', 'OWNERS')]
    rows += [(one.state, f'{-(-one.size // _MIB)} MiB', str(one.sessions),
              one.iqn, one.image + (' (customised)' if one.customised
                                    else ''), ', '.join(one.owners) or '-')
             for one in found]
    widths = [max(map(len, column)) for column in zip(*rows)]
    return '\n'.join('  '.join(
        cell.ljust(width) for cell, width in zip(row, widths)).rstrip()
        for row in rows)


def _list(args: argparse.Namespace) -> int:
    found = _targets(args).status()
    print(json.dumps([dataclasses.asdict(one) for one in found], indent=2)
          if args.json else table(found))
    return 0


def _rebuild(args: argparse.Namespace) -> int:
    rebuilt = _targets(args).rebuild()
    for what, iqns in dataclasses.asdict(rebuilt).items():
        for iqn in iqns:
            print(f'{what}: {iqn}')
    return 1 if rebuilt.failed else 0


def _targets(args: argparse.Namespace) -> san.Targets:
    conf = cfg.ConfigOpts()
    ext_conf.register_opts(conf)
    conf([], project='ironic', default_config_files=args.config_file)
    state.settle(conf)
    return configured.targets_from(conf)


def main(argv: collections.abc.Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    args = build_parser().parse_args(argv)
    try:
        code: int = args.run(args)
        return code
    except (san.SanError, cfg.Error) as exc:
        print(f'{PROG}: error: {exc}', file=sys.stderr)
    return 1


if __name__ == '__main__':
    sys.exit(main())
