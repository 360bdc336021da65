# SPDX-License-Identifier: Apache-2.0

"""``openstack baremetal host boot``: what hosts boot, and their configs."""

import argparse
import collections.abc
import contextlib
import typing

from osc_lib import exceptions

from ironic_ext.cli.osc import boot_api
from ironic_ext.cli.osc import fields
from ironic_ext.cli.osc import provisioning
from ironic_ext.cli.osc import shown

_LOCAL = 'localboot'

_FIELDS: tuple[fields.Field, ...] = (
    fields.Field('name', 'name'),
    fields.Field('node', 'metadata.uid'),
    fields.Field('macs', 'status.macs', fields.names),
    fields.Field('ip', 'spec.ip'),
    fields.Field('ips', 'status.ips', fields.names),
    fields.Field('iso', 'spec.image'),
    fields.Field('config', 'config'),
    fields.Field('mode', 'mode'),
    fields.Field('completed_at', 'status.bootCompletedAt'),
    fields.Field('next_boot', 'status.nextBoot.text'),
    # What is wrong with it.
    fields.Field('boot_medium', 'status.bootMedium.error'),
    fields.Field('data_image', 'spec.dataImage.url'),
    fields.Field('data_image_phase', 'status.dataImage.phase'),
    fields.Field('power', 'status.power'),
    fields.Field('state', 'status.provisionState'),
    fields.Field('maintenance', 'status.maintenance'),
    fields.Field('error', 'status.lastErrorCause'),
    fields.Field('last_error', 'status.lastError'))


def _seen(resource: fields.Resource) -> fields.Resource:
    """Add the name as other commands take it, the config and the mode.

    A mode is that of an ISO: what boots from its disk has none.
    """
    spec, status = resource['spec'], resource['status']
    namespace, name = (resource['metadata'][key]
                       for key in ('namespace', 'name'))
    inline = '(inline)' if status.get('inlineConfig') else None
    return {**resource,
            'name': name if namespace == 'default' else f'{namespace}/{name}',
            'config': spec.get('bootConfigRef') or inline,
            'mode': (None if spec.get('image') == _LOCAL
                     else spec.get('bootMode'))}


class ListHostBoots(shown.List):
    """List what hosts boot"""

    all_fields = _FIELDS
    listed = ('name', 'macs', 'iso', 'config', 'mode', 'power', 'state')

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Add the search."""
        parser = boot_api.add_url(super().get_parser(prog_name))
        parser.add_argument('--search', metavar='<text>', default='',
                            help='Part of a name, a MAC or an IP')
        return parser

    def resources(self, parsed_args: argparse.Namespace
                  ) -> collections.abc.Iterable[fields.Resource]:
        """Ask the boot server.

        :raises: CommandError
        """
        return map(_seen, boot_api.BootApi.of(self, parsed_args).list(
            boot_api.HOSTS, search=parsed_args.search))


class _OneHost(shown.Show):
    all_fields = _FIELDS

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Add the host."""
        parser = boot_api.add_url(super().get_parser(prog_name))
        parser.add_argument('host', metavar='<host>',
                            help='Name, or namespace/name')
        return parser


class ShowHostBoot(_OneHost):
    """Show what a host boots"""

    all_fields = (*_FIELDS, fields.Field('ironic_node', 'links.node'),
                  fields.Field('console_enabled', 'links.consoleEnabled'))

    def resource(self, parsed_args: argparse.Namespace) -> fields.Resource:
        """Ask the boot server.

        :raises: CommandError
        """
        api = boot_api.BootApi.of(self, parsed_args)
        path = boot_api.host_path(parsed_args.host)
        found = api.call('GET', path)
        with contextlib.suppress(exceptions.CommandError):
            # A server of another release has none.
            found = {**found, 'links': api.call('GET', f'{path}/links')}
        return _seen(found)


class ShowHostHistory(shown.List):
    """Show what happened to a host, the newest first"""

    all_fields = (fields.Field('at', 'at'), fields.Field('about', 'kind'),
                  fields.Field('what', 'text'))
    listed = ('at', 'about', 'what')

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Add the host, and how much of it."""
        parser = boot_api.add_url(super().get_parser(prog_name))
        parser.add_argument('host', metavar='<host>',
                            help='Name, or namespace/name')
        parser.add_argument('--limit', metavar='<number>', type=int,
                            default=50,
                            help='Events to show, 200 at most (default: 50)')
        return parser

    def resources(self, parsed_args: argparse.Namespace
                  ) -> collections.abc.Iterable[fields.Resource]:
        """Ask the boot server.

        :raises: CommandError
        """
        found: list[fields.Resource] = boot_api.BootApi.of(
            self, parsed_args).call(
                'GET', boot_api.host_path(parsed_args.host) + '/history',
                params={'limit': parsed_args.limit})['items']
        return found


class SetHostBoot(_OneHost):
    """Choose what a host boots; it is not rebooted unless that is asked for"""

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
                            help='Until the machine reports that it is '
                                 'installed, or as long as it is assigned')
        address = parser.add_mutually_exclusive_group()
        address.add_argument('--ip', metavar='<address>',
                             help='Address by which the boot server knows '
                                  'the machine')
        address.add_argument('--no-ip', action='store_true',
                             help='Declare no address')
        provisioning.add_options(parser)
        return parser

    def resource(self, parsed_args: argparse.Namespace) -> fields.Resource:
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
        if parsed_args.ip or parsed_args.no_ip:
            spec['ip'] = parsed_args.ip
        provisioning.require_consistent(parsed_args)
        if not spec and not parsed_args.target:
            raise exceptions.CommandError(
                'say what to change: --iso, --local, --config, --no-config, '
                '--mode, --ip, --no-ip, --deploy or --rebuild')
        api = boot_api.BootApi.of(self, parsed_args)
        path = boot_api.host_path(parsed_args.host)
        if parsed_args.target == 'rebuild' and not parsed_args.yes:
            # Before anything is changed.
            provisioning.confirm(api.call('GET', path))
        found = api.call('PATCH', path, {'spec': spec}) if spec else {}
        if parsed_args.target:
            found = provisioning.provision(api, path, parsed_args)
        return _seen(found)
