# SPDX-License-Identifier: Apache-2.0

"""The iSCSI target of an ISO, as the catalog has it."""

from ironic_ext.catalog import resources
from ironic_ext import san
from ironic_ext.san import location


def of_iso(status: resources.ISCSICdromStatus) -> san.Location | None:
    """Return the target of an ISO, None if it has none.

    :raises: SanError when it makes no sense.
    """
    if not (status.target_iqn and status.portal_ip):
        return None
    return san.Location(
        status.target_iqn, status.portal_ip.strip('[]'),
        status.portal_port or location.PORT,
        location.LUN if status.lun is None else status.lun)
