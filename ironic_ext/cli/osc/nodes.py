# SPDX-License-Identifier: Apache-2.0

"""Nodes on a command line, and what their vendor passthru answers."""

import argparse
import collections.abc
import contextlib
import dataclasses
import typing
from urllib import parse

from ironicclient import exc
from osc_lib import exceptions

from ironic_ext.cli.osc import fields

_INTERFACE = 'redfish-ext'


def add_node(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    """Add the node."""
    parser.add_argument('node', metavar='<node>',
                        help='Name or UUID of the node')
    return parser


def add_nodes(parser: argparse.ArgumentParser, which: str
              ) -> argparse.ArgumentParser:
    """Add any number of nodes.

    :param which: those of the vendor interface that are meant by none.
    """
    parser.add_argument('node', metavar='<node>', nargs='*',
                        help='Names or UUIDs of nodes; by default all with '
                             f'the vendor interface {_INTERFACE}{which}')
    return parser


@dataclasses.dataclass(frozen=True)
class Passthru:
    """A method of the vendor passthru.

    :ivar method: its name.
    :ivar subject: what an interface without the method does not know of.
    :ivar needed: kinds of interfaces that a node needs for it.
    """

    method: str
    subject: str
    needed: tuple[str, ...]

    def call(self, client: typing.Any, node: str, http_method: str,
             arguments: fields.Resource | None = None) -> fields.Resource:
        """Call the method of a node and return what it answers.

        :raises: CommandError when the node's interfaces do not have it.
        """
        with self._told(client, node):
            answer = client.node.vendor_passthru(
                node, self.method, args=arguments, http_method=http_method)
        found: fields.Resource = {} if answer is None else answer.to_dict()
        return found

    def delete(self, client: typing.Any, node: str) -> fields.Resource:
        """Call it with DELETE and return what it answers.

        The client's own way to call it drops that.

        :raises: CommandError when the node's interfaces do not have it.
        """
        path = f'/v1/nodes/{parse.quote(node)}/vendor_passthru/{self.method}'
        with self._told(client, node):
            _response, found = client.http_client.json_request('DELETE', path)
        return found if isinstance(found, dict) else {}

    def nodes(self, client: typing.Any, named: collections.abc.Sequence[str]
              ) -> collections.abc.Sequence[str]:
        """Return the nodes that are named, or all that have the method."""
        kinds = [f'{kind}_interface' for kind in self.needed]
        return named or [
            node.name or node.uuid for node in client.node.list(
                limit=0, fields=['uuid', 'name', *kinds])
            if all(_has_it(getattr(node, kind)) for kind in kinds)]

    @contextlib.contextmanager
    def _told(self, client: typing.Any, node: str
              ) -> collections.abc.Iterator[None]:
        """Say what a node needs whose interfaces do not have the method."""
        try:
            yield
        except exc.BadRequest as error:
            for kind in self.needed:
                self._require(client, node, kind, error)
            raise

    def _require(self, client: typing.Any, node: str, kind: str,
                 error: Exception) -> None:
        field = f'{kind}_interface'
        found = getattr(client.node.get(node, fields=[field]), field)
        if _has_it(found):
            return
        raise exceptions.CommandError(
            f'the {kind} interface of node {node} is "{found}", which does '
            f'not know of {self.subject}: have the conductor enable '
            f'"{_INTERFACE}", then run "openstack baremetal node set '
            f'--{kind}-interface {_INTERFACE} {node}"') from error


def _has_it(interface: str | None) -> bool:
    # idrac-redfish-ext is one of them.
    return bool(interface and interface.endswith(_INTERFACE))
