# SPDX-License-Identifier: Apache-2.0

"""Who uses a resource of the catalog, and what of that others are told.

A host that names what its project may not use does not use it: nobody keeps
another's resources from being changed. Those that whoever asks may not see are
mentioned and not named.
"""

import collections.abc

import falcon

from ironic_ext import catalog
from ironic_ext.catalog import resources
from ironic_ext.catalog import rules
from ironic_ext.catalog import view
from ironic_ext.node import host as hosts
from ironic_ext.server.mirror import host_index
from ironic_ext.server.rest import access
from ironic_ext.server.rest import owned

_OTHERS = 'what you may not see'


class Referrers:
    """Finds who uses resources.

    :param lookup: finds ISOs by their names.
    """

    def __init__(self, guard: access.Access, own: owned.Owned,
                 index: host_index.HostIndex, lookup: view.Lookup) -> None:
        self._guard = guard
        self._owned = own
        self._index = index
        self._lookup = lookup

    def of(self, resource: resources.Resource) -> list[str]:
        """Return the hosts that use a resource, by their titles."""
        role = ('image' if isinstance(resource, resources.ISCSICdrom)
                else 'config')
        return [host.title for host in self._index.users(
            role, resource.metadata.name)
            if view.may_use(resource, host.project)]

    def of_pair(self, iso: resources.ISCSICdrom, config: str) -> list[str]:
        """Return the hosts that use an ISO with a config."""
        return [host.title for host in self._index.users('config', config)
                if host.image == iso.metadata.name
                and view.may_use(iso, host.project)]

    def error(self, req: falcon.Request, resource: resources.Resource,
              referrers: collections.abc.Iterable[str], with_what: str = ''
              ) -> catalog.InUseError:
        """Return what refuses, with names of what who asks may see.

        :param referrers: titles, such as ``ISCSICdrom/coreos-live``.
        :param with_what: what it is used with.
        """
        titles = sorted({*referrers})
        shown = [title for title in titles if self._is_seen(req, title)]
        users = ' and '.join(filter(None, (
            rules.listed(shown),
            _OTHERS if len(shown) < len(titles) else '')))
        return catalog.InUseError(
            f'{resource.kind} "{resource.metadata.name}" is in use by {users}'
            f'{with_what}: change those first', shown)

    def _is_seen(self, req: falcon.Request, title: str) -> bool:
        kind, _slash, name = title.partition('/')
        if kind == hosts.KIND:
            namespace, _slash, name = name.partition('/')
            entry = self._index.get(namespace, name)
            return entry is not None and self._guard.sees(req)(
                entry.host.owner, entry.host.lessee)
        iso = self._lookup.iso(name)
        return iso is not None and view.may_use(
            iso, self._owned.project(req))
