# SPDX-License-Identifier: Apache-2.0

"""Who owns nodes here: the operator alone, or others beside the operator."""

import typing

from ironic.conf import CONF

from ironic_ext.catalog import view
from ironic_ext import conf
from ironic_ext import walls

conf.register_opts(CONF)


def is_standalone() -> bool:
    """Tell whether whoever may use Ironic's API is the operator.

    Without Keystone there are no projects, and so no other owners.
    """
    return bool(CONF.auth_strategy != 'keystone')


def project(node: typing.Any) -> str:
    """Return the project that the images of a node count for.

    That of its lessee, or of its owner who has named a lessee on their own
    account. '' where nobody but the operator has nodes.
    """
    if node is None or is_standalone():
        return ''
    owner = str(node.owner or '')
    found = view.project_of(owner, str(node.lessee or ''),
                            CONF.ext_catalog.trusted_owners)
    return owner if found == view.NOBODY else found


def fence() -> walls.Fence:
    """Return the fence around what nodes name."""
    return walls.fence_of(CONF, strict=not is_standalone())
