# SPDX-License-Identifier: Apache-2.0

"""The catalog as one project has it: what is its own, and what is shared.

What is another project's is not there, so that its name tells nothing.
"""

import typing

from ironic_ext.catalog import resources


class Lookup(typing.Protocol):
    """Finds resources by their names."""

    def iso(self, name: str) -> resources.ISCSICdrom | None:
        """Return an ISO, or None."""

    def config(self, name: str) -> resources.BootConfig | None:
        """Return a BootConfig with its data, or None."""


class View:
    """What the nodes of a project may use. Raises what the lookup raises.

    :param project: '' for the operator, who has everything.
    """

    def __init__(self, lookup: Lookup, project: str) -> None:
        self._lookup = lookup
        self._project = project

    def iso(self, name: str) -> resources.ISCSICdrom | None:
        """Return an ISO, or None."""
        found = self._lookup.iso(name)
        return found if found and may_use(found, self._project) else None

    def config(self, name: str) -> resources.BootConfig | None:
        """Return a BootConfig with its data, or None."""
        found = self._lookup.config(name)
        return found if found and may_use(found, self._project) else None


def may_use(resource: resources.Resource, project: str) -> bool:
    """Tell whether a resource is there for a project.

    :param project: '' for the operator.
    """
    spec = resource.spec
    return not project or spec.shared or spec.project == project
