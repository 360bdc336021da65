# SPDX-License-Identifier: Apache-2.0

"""Whether a host went to somebody else, or anew to the same. Pure.

Conductors tell that of hosts whose boot they prepare. Of others, what Ironic
shows of the node before and after is all that there is.
"""

from ironic_ext.node import host as hosts
from ironic_ext.node import next_boot

#: Provision states of Ironic (ironic/common/states.py).
_DEPLOYING = frozenset((
    'deploying', 'wait call-back', 'deploy failed', 'deploy hold'))
_DEPLOYED = frozenset((
    'active', 'error', 'rescuing', 'rescue wait', 'rescue failed', 'rescue',
    'unrescuing', 'unrescue failed', 'servicing', 'service wait',
    'service failed', 'service hold'))


def has_ended(before: hosts.Host, after: hosts.Host) -> bool:
    """Tell whether what a host was used for is over.

    :param before: as it was known until now.
    """
    if after.boot_interface in next_boot.ENDED_BY_CONDUCTORS:
        return False
    if (before.owner, before.lessee, before.instance) != (
            after.owner, after.lessee, after.instance):
        return True
    was, is_now = before.provision_state, after.provision_state
    if was == is_now == 'active' and before.provisioned != after.provisioned:
        # It was something else between two looks.
        return True
    if was in _DEPLOYED:
        return is_now not in _DEPLOYED
    return was in _DEPLOYING and is_now not in _DEPLOYING | _DEPLOYED
