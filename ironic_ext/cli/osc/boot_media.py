# SPDX-License-Identifier: Apache-2.0

"""``openstack baremetal node boot media``: did the BMC read its medium?"""

import argparse
import collections.abc
import datetime
import typing

from cliff import columns
from ironicclient import exc
from osc_lib.command import command
from osc_lib import exceptions

_METHOD = 'boot_media'
_INTERFACE = 'redfish-ext'


class Size(columns.FormattableColumn[int | None]):
    """Bytes: as they are for machines, in binary units for people."""

    unit = ''

    def human_readable(self) -> str:
        """Return the size with a unit."""
        if self._value is None:
            return '-'
        value = float(self._value)
        for unit in ('B', 'KiB', 'MiB', 'GiB'):
            if value < 1024 or unit == 'GiB':
                break
            value /= 1024
        digits = 0 if unit == 'B' or value >= 100 else 1
        return f'{value:.{digits}f} {unit}{self.unit}'


class Rate(Size):
    """Bytes per second."""

    unit = '/s'


class Percent(columns.FormattableColumn[float | None]):
    """A share in percent."""

    def human_readable(self) -> str:
        """Return the share with its sign."""
        return '-' if self._value is None else f'{self._value:g} %'


class Time(columns.FormattableColumn[str | None]):
    """A time in UTC; people see how long ago it was, too."""

    def human_readable(self) -> str:
        """Return the time and the distance from now."""
        if self._value is None:
            return 'never'
        now = datetime.datetime.now(datetime.timezone.utc)
        then = datetime.datetime.strptime(
            self._value, '%Y-%m-%dT%H:%M:%SZ').replace(
                tzinfo=datetime.timezone.utc)
        seconds = round((now - then).total_seconds())
        distance = _duration(abs(seconds))
        return (f'{self._value} ({distance} ago)' if seconds >= 0
                else f'{self._value} (in {distance})')


def _duration(seconds: int) -> str:
    for unit, length in (('d', 86400), ('h', 3600), ('min', 60)):
        if seconds >= 2 * length:
            return f'{seconds // length} {unit}'
    return f'{seconds} s'


class Text(columns.FormattableColumn[typing.Any]):
    """Anything else; what is not there is a dash for people."""

    def human_readable(self) -> str:
        """Return the text or a dash."""
        return '-' if self._value is None else str(self._value)


Column = tuple[str, type[columns.FormattableColumn[typing.Any]], str, str]

#: Field, its type, the group and the key of the answer; in this order.
_FIELDS: tuple[Column, ...] = (
    ('id', Text, '', 'id'),
    ('node', Text, '', 'node'),
    ('purpose', Text, '', 'purpose'),
    ('image', Text, '', 'image'),
    ('delivery', Text, '', 'delivery'),
    ('slot', Text, '', 'slot'),
    ('url', Text, '', 'url'),
    ('size', Size, '', 'size'),
    ('created_at', Time, '', 'created_at'),
    ('expires_at', Time, '', 'expires_at'),
    ('read', Percent, 'read', 'percent'),
    ('read_bytes', Size, 'read', 'bytes'),
    ('sent_bytes', Size, 'read', 'sent'),
    ('requests', Text, 'read', 'requests'),
    ('first_read_at', Time, 'read', 'first_at'),
    ('last_read_at', Time, 'read', 'last_at'),
    ('rate', Rate, 'read', 'rate'),
    ('client', Text, 'read', 'client'),
)
_LISTED = ('node', 'purpose', 'delivery', 'image', 'size', 'read',
           'last_read_at', 'rate')


def _values(medium: dict[str, typing.Any],
            fields: collections.abc.Iterable[Column]
            ) -> tuple[columns.FormattableColumn[typing.Any], ...]:
    out = []
    for _name, kind, group, key in fields:
        source = (medium.get(group) or {}) if group else medium
        value = source.get(key)
        # Files: the web server knows, we do not.
        if group and not source and kind is Time:
            kind = Text
        if key == 'expires_at' and value is None:
            kind = Text
        out.append(kind(value))
    return tuple(out)


def media_of(client: typing.Any, node: str) -> list[dict[str, typing.Any]]:
    """Return the media of a node, the newest last.

    :raises: CommandError when the node cannot tell.
    """
    found: list[dict[str, typing.Any]] = [
        {**medium, 'node': node}
        for medium in _asked(client, node, 'GET')['media']]
    return found


def _asked(client: typing.Any, node: str, http_method: str
           ) -> dict[str, typing.Any]:
    """Call the vendor passthru of a node.

    :raises: CommandError when its vendor interface does not have it.
    """
    try:
        answer = client.node.vendor_passthru(node, _METHOD,
                                             http_method=http_method)
    except exc.BadRequest as error:
        interface = client.node.get(
            node, fields=['vendor_interface']).vendor_interface
        if interface == _INTERFACE:
            raise
        raise exceptions.CommandError(
            f'the vendor interface of node {node} is "{interface}", which '
            'does not know of boot media: have the conductor enable '
            f'"{_INTERFACE}", then run "openstack baremetal node set '
            f'--vendor-interface {_INTERFACE} {node}"') from error
    shown: dict[str, typing.Any] = answer.to_dict()
    return shown


class ShowBootMedium(command.ShowOne):
    """Show a node's boot medium, and how much of it the BMC has read"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Add the node."""
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument('node', metavar='<node>',
                            help='Name or UUID of the node')
        parser.add_argument('--id', metavar='<id>',
                            help='Id of the medium; by default the newest')
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[
            tuple[str, ...], tuple[typing.Any, ...]]:
        """Ask and show.

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
                + ': one is made when it is deployed, and goes with it')
        return (tuple(field[0] for field in _FIELDS),
                _values(found[-1], _FIELDS))


class ListBootMedia(command.Lister):
    """List the boot media of nodes, and how much of them was read"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Add the nodes."""
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument('node', metavar='<node>', nargs='*',
                            help='Names or UUIDs of nodes; by default all '
                                 f'with the vendor interface {_INTERFACE}, '
                                 'which takes a request for each')
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[
            tuple[str, ...], collections.abc.Iterator[
                tuple[typing.Any, ...]]]:
        """Ask and show.

        :raises: CommandError
        """
        manager: typing.Any = self.app.client_manager
        client = manager.baremetal
        nodes = parsed_args.node or [
            node.name or node.uuid for node in client.node.list(
                limit=0, fields=['uuid', 'name', 'vendor_interface'])
            if node.vendor_interface == _INTERFACE]
        by_name = {field[0]: field for field in _FIELDS}
        fields = [by_name[name] for name in _LISTED]
        return (tuple(_LISTED),
                (_values(medium, fields) for node in nodes
                 for medium in media_of(client, node)))


class EjectBootMedium(command.Command):
    """End a node's boot from its ISO: the disk boots, the medium goes

    The disk becomes the boot device at once and for good, and the medium is
    ejected even if the machine runs from it. The ISO boots again after the
    next deployment or rebuild.
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Add the nodes."""
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument('nodes', metavar='<node>', nargs='+',
                            help='Names or UUIDs of nodes')
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        """Ask, and say what was seen.

        :raises: CommandError when a boot of these did not come to its end
        """
        manager: typing.Any = self.app.client_manager
        failures = []
        for node in parsed_args.nodes:
            try:
                seen = _asked(manager.baremetal, node, 'DELETE')
            except Exception as error:
                failures.append(f'{node}: {error}')
                continue
            if not seen.get('ejected'):
                failures.append(f'{node}: the medium is not ejected yet')
                continue
            print(f'{node}: the medium is ejected, and the disk is the '
                  'boot device' + ('' if seen.get('boot_device') == 'disk'
                                   else ' (the BMC does not show it)'))
        if failures:
            raise exceptions.CommandError('\n'.join(failures))
