# SPDX-License-Identifier: Apache-2.0

"""``openstack baremetal host boot``: what hosts boot, and their configs."""

import argparse
import typing

from cliff import columns
from osc_lib.cli import format_columns
from osc_lib.command import command
from osc_lib import exceptions

from ironic_ext.cli.osc import boot_api

_COLUMNS = ('name', 'macs', 'iso', 'config', 'mode', 'power', 'state')
_SHOWN = ('name', 'node', 'macs', 'ips', 'iso', 'config', 'mode',
          'completed_at', 'boot_medium', 'data_image',
          'data_image_phase', 'power', 'state', 'maintenance', 'last_error')
_LOCAL = 'localboot'

Rows = tuple[tuple[str, ...], typing.Any]


class _Text(columns.FormattableColumn[str | None]):
    """A text; people see nothing where machines see that there is none."""

    def human_readable(self) -> str:
        """Return the text."""
        return self._value or ''


def _fields(resource: boot_api.Resource) -> dict[str, typing.Any]:
    metadata = resource['metadata']
    spec, status = resource['spec'], resource['status']
    namespace = metadata['namespace']
    return {
        # As the other commands take it.
        'name': (metadata['name'] if namespace == 'default'
                 else f'{namespace}/{metadata["name"]}'),
        'node': metadata['uid'],
        'macs': format_columns.ListColumn(status['macs']),
        'ips': format_columns.ListColumn(status['ips']),
        'iso': spec['image'],
        'config': _Text(spec.get('bootConfigRef') or (
            '(inline)' if status.get('inlineConfig') else None)),
        'mode': spec['bootMode'],
        'completed_at': _Text(status.get('bootCompletedAt')),
        # What is wrong with it.
        'boot_medium': _Text(status.get('bootMedium', {}).get('error')),
        'data_image': _Text(spec.get('dataImage', {}).get('url')),
        'data_image_phase': _Text(
            status.get('dataImage', {}).get('phase')),
        'power': _Text(status['power']),
        'state': _Text(status['provisionState']),
        'maintenance': status['maintenance'],
        'last_error': _Text(status.get('lastError'))}


def _shown(resource: boot_api.Resource) -> Rows:
    values = _fields(resource)
    return _SHOWN, tuple(values[name] for name in _SHOWN)


class ListHostBoots(command.Lister):
    """List what hosts boot"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Add the search."""
        parser = boot_api.add_url(super().get_parser(prog_name))
        parser.add_argument('--search', metavar='<text>', default='',
                            help='Part of a name, a MAC or an IP')
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Rows:
        """Ask and show."""
        found = boot_api.BootApi.of(self, parsed_args).list(
            boot_api.HOSTS, search=parsed_args.search)
        return _COLUMNS, (tuple(values[name] for name in _COLUMNS)
                          for values in map(_fields, found))


class _OneHost(command.ShowOne):
    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Add the host."""
        parser = boot_api.add_url(super().get_parser(prog_name))
        parser.add_argument('host', metavar='<host>',
                            help='Name, or namespace/name')
        return parser


class ShowHostBoot(_OneHost):
    """Show what a host boots"""

    def take_action(self, parsed_args: argparse.Namespace) -> Rows:
        """Ask and show."""
        return _shown(boot_api.BootApi.of(self, parsed_args).call(
            'GET', boot_api.host_path(parsed_args.host)))


class SetHostBoot(_OneHost):
    """Choose what a host boots; it is not rebooted"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Add the choice."""
        parser = super().get_parser(prog_name)
        image = parser.add_mutually_exclusive_group()
        image.add_argument('--iso', metavar='<iso>',
                           help='ISO of the catalog')
        image.add_argument('--local', action='store_true',
                           help='Boot from the disk')
        config = parser.add_mutually_exclusive_group()
        config.add_argument('--config', metavar='<config>',
                            help='BootConfig that the ISO lists')
        config.add_argument('--no-config', action='store_true',
                            help='No config')
        parser.add_argument('--mode', choices=('once', 'forever'),
                            help='Until the installed system reports, or '
                                 'as long as it is assigned')
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Rows:
        """Choose.

        :raises: CommandError
        """
        spec: dict[str, typing.Any] = {}
        if parsed_args.iso or parsed_args.local:
            spec['image'] = parsed_args.iso or _LOCAL
        if parsed_args.config or parsed_args.no_config:
            spec['bootConfigRef'] = parsed_args.config
        if parsed_args.mode:
            spec['bootMode'] = parsed_args.mode
        if not spec:
            raise exceptions.CommandError(
                'say what to change: --iso, --local, --config, --no-config '
                'or --mode')
        return _shown(boot_api.BootApi.of(self, parsed_args).call(
            'PATCH', boot_api.host_path(parsed_args.host), {'spec': spec}))
