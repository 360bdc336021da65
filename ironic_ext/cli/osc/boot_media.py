# SPDX-License-Identifier: Apache-2.0

"""``openstack baremetal node boot media``: did the BMC read its medium?"""

import argparse
import collections.abc
import typing

from osc_lib.command import command
from osc_lib import exceptions

from ironic_ext.cli.osc import fields
from ironic_ext.cli.osc import nodes
from ironic_ext.cli.osc import shown

_MEDIA = nodes.Passthru('boot_media', 'boot media', ('vendor',))

_FIELDS = (
    fields.Field('id', 'id'),
    fields.Field('node', 'node'),
    fields.Field('purpose', 'purpose'),
    fields.Field('image', 'image'),
    fields.Field('delivery', 'delivery'),
    fields.Field('slot', 'slot'),
    fields.Field('url', 'url'),
    fields.Field('size', 'size', fields.size),
    fields.Field('created_at', 'created_at', fields.moment),
    fields.Field('expires_at', 'expires_at', fields.moment),
    # Of a file there is no "read": the web server knows, we do not.
    fields.Field('read', 'read.percent', fields.percent),
    fields.Field('read_bytes', 'read.bytes', fields.size),
    fields.Field('sent_bytes', 'read.sent', fields.size),
    fields.Field('requests', 'read.requests'),
    fields.Field('first_read_at', 'read.first_at', fields.moment, 'never'),
    fields.Field('last_read_at', 'read.last_at', fields.moment, 'never'),
    fields.Field('rate', 'read.rate', fields.rate),
    fields.Field('client', 'read.client'))


def media_of(client: typing.Any, node: str) -> list[fields.Resource]:
    """Return the media of a node, the newest last.

    :raises: CommandError when the node cannot tell.
    """
    return [{**medium, 'node': node}
            for medium in _MEDIA.call(client, node, 'GET')['media']]


class ShowBootMedium(shown.Show):
    """Show a node's boot medium, and how much of it the BMC has read"""

    all_fields = _FIELDS

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Add the node and the medium."""
        parser = nodes.add_node(super().get_parser(prog_name))
        parser.add_argument('--id', metavar='<id>',
                            help='Id of the medium; by default the newest')
        return parser

    def resource(self, parsed_args: argparse.Namespace) -> fields.Resource:
        """Ask the node for the medium.

        :raises: CommandError
        """
        node = parsed_args.node
        manager: typing.Any = self.app.client_manager
        found = media_of(manager.baremetal, node)
        if parsed_args.id:
            found = [medium for medium in found
                     if medium['id'] == parsed_args.id]
        if not found:
            raise exceptions.CommandError(
                f'node {node} has no boot medium'
                + (f' {parsed_args.id}' if parsed_args.id else '')
                + ': one is made when it is deployed, and goes when it boots '
                  'from its disk, or is undeployed')
        return found[-1]


class ListBootMedia(shown.List):
    """List the boot media of nodes, and how much of them was read"""

    all_fields = _FIELDS
    listed = ('node', 'purpose', 'image', 'delivery', 'size', 'read',
              'last_read_at', 'rate')

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Add the nodes."""
        return nodes.add_nodes(super().get_parser(prog_name),
                               ', which takes a request for each')

    def resources(self, parsed_args: argparse.Namespace
                  ) -> collections.abc.Iterator[fields.Resource]:
        """Ask one node after the other; one that cannot tell is a failure."""
        manager: typing.Any = self.app.client_manager
        client = manager.baremetal
        for node in _MEDIA.nodes(client, parsed_args.node):
            try:
                yield from media_of(client, node)
            except Exception as error:
                self.failures.append(f'{node}: {error}')


_EJECTED = (
    fields.Field('node', 'node'),
    fields.Field('ejected', 'ejected'),
    fields.Field('boot_device', 'boot_device'),
    fields.Field('error', 'error'))


class EjectBootMedium(shown.Told, command.Lister):
    """End a node's boot from its ISO: the disk boots, the medium goes.

    The disk becomes the boot device at once and for good, and the medium is
    ejected even if the machine runs from it. The ISO boots again after the
    next deployment or rebuild. What was seen is told in words, or as fields
    with -f.
    """

    _seen: list[fields.Resource]

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Add the nodes."""
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument('nodes', metavar='<node>', nargs='+',
                            help='Names or UUIDs of nodes')
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[
            shown.Names, list[fields.Row]]:
        """Ask, and note what was seen."""
        manager: typing.Any = self.app.client_manager
        self._seen = []
        for node in parsed_args.nodes:
            try:
                seen = _MEDIA.delete(manager.baremetal, node)
            except Exception as error:
                seen = {'ejected': False, 'error': str(error)}
            if not seen.get('ejected'):
                seen.setdefault('error', 'the medium is not ejected yet')
            self._seen.append({**seen, 'node': node})
        return (tuple(field.name for field in _EJECTED),
                [tuple(field.of(seen) for field in _EJECTED)
                 for seen in self._seen])

    def words(self) -> collections.abc.Iterator[str]:
        """Say what was ejected."""
        for seen in self._seen:
            if not seen.get('error'):
                yield (f'{seen["node"]}: the medium is ejected, and the disk '
                       'is the boot device'
                       + ('' if seen.get('boot_device') == 'disk'
                          else ' (the BMC does not show it)'))

    def failures(self) -> list[str]:
        """Say which boots did not come to their end."""
        return [f'{seen["node"]}: {seen["error"]}' for seen in self._seen
                if seen.get('error')]
