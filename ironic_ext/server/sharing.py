# SPDX-License-Identifier: Apache-2.0

"""Says at start what of the catalog every project may use by no decision.

Older releases knew no projects, so that all of theirs is shared.
"""

import logging
import typing

from ironic_ext import catalog
from ironic_ext.catalog import rules
from ironic_ext.catalog import store
from ironic_ext.server.mirror import host_index

LOG = logging.getLogger(__name__)

#: Seconds for Ironic to tell its nodes.
_PATIENCE = 600.0
_MOST = 100


def warn(known: store.Catalog, index: host_index.HostIndex,
         patience: float = _PATIENCE) -> None:
    """Log what is shared and nobody's, with the hosts that use it.

    :param patience: seconds to wait for the hosts.
    """
    index.loaded.wait(patience)
    try:
        found = undecided(known, index)
        if len(found) > _MOST:
            found[_MOST:] = [f'And {len(found) - _MOST} more of the catalog']
        for text in found:
            LOG.warning(
                '%s is shared with all projects and belongs to none, as all '
                'that an older release had: set spec.project, and '
                'spec.shared to false if it is not for all', text)
    except catalog.CatalogError as exc:
        LOG.warning('The catalog cannot be looked through: %s', exc)


def undecided(known: store.Catalog, index: host_index.HostIndex
              ) -> list[str]:
    """Return what is shared and nobody's, with who uses it.

    :raises: DatabaseError
    """
    found = []
    for kind, role in ((catalog.BootConfig, 'config'),
                       (catalog.ISCSICdrom, 'image')):
        after = ''
        while True:
            page = known.page(typing.cast(typing.Any, kind), after=after)
            for one in page.items:
                if one.spec.shared and not one.spec.project:
                    name = one.metadata.name
                    users = sorted(
                        host.title for host in index.users(role, name))
                    found.append(f'{kind.kind} "{name}" (' + (
                        f'used by {rules.listed(users)})' if users
                        else 'used by no host)'))
            after = page.following
            if not after:
                break
    return found
