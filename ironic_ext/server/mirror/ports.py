# SPDX-License-Identifier: Apache-2.0

"""Which MACs nodes have, by the ports that Ironic has of them. In memory."""

import collections
import collections.abc

from ironic_ext.node import host as hosts
from ironic_ext.server.mirror import ironic_api

_Ports = collections.abc.Iterable[ironic_api.Node]


class Ports:
    """Ports as they were seen last. Its owner guards it.

    What takes ports in returns the nodes that have other MACs than before.
    """

    def __init__(self) -> None:
        # By UUID of the port: MAC, node.
        self._ports: dict[str, tuple[str, str]] = {}
        self._macs: dict[str, set[str]] = collections.defaultdict(set)

    def macs(self, node: str) -> collections.abc.Collection[str]:
        """Return the MACs of a node."""
        return self._macs.get(node, ())

    def knows(self, port: ironic_api.Node) -> bool:
        """Tell whether nothing is new about a port."""
        return self._ports.get(port['uuid']) == _pair(port)

    def recall(self, node: str, macs: collections.abc.Iterable[str]) -> None:
        """Note MACs of which the ports are not known yet."""
        self._macs[node] = set(macs)

    def take(self, ports: _Ports) -> set[str]:
        """Take ports in, and let others be."""
        return {node for port in ports for node in self._take(port)}

    def take_all(self, ports: _Ports) -> set[str]:
        """Take in all ports there are."""
        found = {port['uuid']: _pair(port) for port in ports}
        macs: dict[str, set[str]] = collections.defaultdict(set)
        for mac, node in found.values():
            macs[node].add(mac)
        old, self._macs, self._ports = self._macs, macs, found
        return {node for node in {*old, *macs}
                if old.get(node) != macs.get(node)}

    def take_all_of(self, node: str, ports: _Ports) -> set[str]:
        """Take in all ports that a node has."""
        there = {port['uuid']: port for port in ports}
        gone = [uuid for uuid, (_mac, owner) in self._ports.items()
                if owner == node and uuid not in there]
        for uuid in gone:
            self._macs[node].discard(self._ports.pop(uuid)[0])
        return {*self.take(there.values()), *([node] if gone else [])}

    def _take(self, port: ironic_api.Node) -> set[str]:
        mac, node = _pair(port)
        old = self._ports.get(port['uuid'])
        if old == (mac, node):
            return set()
        touched = {node}
        if old is not None:
            self._macs[old[1]].discard(old[0])
            touched.add(old[1])
        self._ports[port['uuid']] = mac, node
        self._macs[node].add(mac)
        return touched


def _pair(port: ironic_api.Node) -> tuple[str, str]:
    return hosts.mac(port.get('address')), str(port.get('node_uuid'))
