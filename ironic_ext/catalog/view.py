# SPDX-License-Identifier: Apache-2.0

"""The catalog as one project has it: what is its own, and what is shared.

What is another project's is not there, so that its name tells nothing.
"""

import collections.abc
import typing

from ironic_ext.catalog import resources

#: Of whom nothing is known but that what is shared is theirs, too; no project
#: has a blank for its name.
NOBODY = ' '
#: Stands for all owners in ``[ext_catalog]trusted_owners``.
ANY = '*'


class Lookup(typing.Protocol):
    """Finds resources by their names."""

    def iso(self, name: str) -> resources.ISCSICdrom | None:
        """Return an ISO, or None."""

    def config(self, name: str) -> resources.BootConfig | None:
        """Return a BootConfig with its data, or None."""


class View:
    """What the nodes of a project may use. Raises what the lookup raises.

    :ivar project: '' for the operator, who has everything; NOBODY for
        those who have what is shared.
    """

    __slots__ = ('_lookup', 'project')

    def __init__(self, lookup: Lookup, project: str) -> None:
        self._lookup = lookup
        self.project = project

    def iso(self, name: str) -> resources.ISCSICdrom | None:
        """Return an ISO, or None."""
        found = self._lookup.iso(name)
        return found if found and may_use(found, self.project) else None

    def config(self, name: str) -> resources.BootConfig | None:
        """Return a BootConfig with its data, or None."""
        found = self._lookup.config(name)
        return found if found and may_use(found, self.project) else None


def project_of(owner: str, lessee: str,
               trusted: collections.abc.Collection[str]) -> str:
    """Return the project whose part of the catalog a node has.

    An owner may set the lessee of a node as they please, and nothing tells
    whether that project knows of it. So a lessee that an owner has named has
    what is shared, as long as the operator does not trust that owner; and so
    has nobody what is the owner's, which the lessee would read.

    :param owner: '' for the operator, who alone names lessees then.
    :param lessee: '' for none.
    :param trusted: owners who lease to those only who know of it, or ANY.
    :returns: '' for the operator, NOBODY for what is shared alone.
    """
    if (not lessee or not owner or lessee == owner or owner in trusted
            or ANY in trusted):
        return lessee or owner
    return NOBODY


def hint(project: str) -> str:
    """Return what else to say where something is not there, '' for nothing.

    The same whether it is another project's or not there at all.

    :param project: see project_of().
    """
    return ('' if project != NOBODY else
            ' (the node is leased, and its owner is not in '
            '[ext_catalog]trusted_owners: it has what is shared)')


def may_use(resource: resources.Resource, project: str) -> bool:
    """Tell whether a resource is there for a project.

    :param project: '' for the operator.
    """
    spec = resource.spec
    return not project or spec.shared or spec.project == project
