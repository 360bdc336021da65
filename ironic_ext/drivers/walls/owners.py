# SPDX-License-Identifier: Apache-2.0

"""Who owns nodes here: the operator alone, or others beside the operator."""

from ironic.conf import CONF

from ironic_ext import conf
from ironic_ext import walls

conf.register_opts(CONF)


def is_standalone() -> bool:
    """Tell whether whoever may use Ironic's API is the operator.

    Without Keystone there are no projects, and so no other owners.
    """
    return bool(CONF.auth_strategy != 'keystone')


def fence() -> walls.Fence:
    """Return the fence around what nodes name."""
    return walls.fence_of(CONF, strict=not is_standalone())
