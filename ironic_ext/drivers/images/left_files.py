# SPDX-License-Identifier: Apache-2.0

"""Files that this host has published and that another one has withdrawn.

Whichever conductor ends a boot withdraws its media, and reaches the files of
its own host alone: one that was down then, or that had the node before, has
what the node's configuration can be read in.
"""

import json

from ironic.common import context as ironic_context
from ironic.common import exception
from ironic import objects
from oslo_log import log

from ironic_ext.drivers.images import delivery

LOG = log.getLogger(__name__)


def sweep() -> None:
    """Remove the files that are on record of no node.

    What fails is logged, and done the next time.
    """
    store = delivery.files()
    try:
        owners = store.owners()
    except OSError as exc:
        LOG.warning('Whether published files are left here cannot be told, '
                    'trying again later: %s', exc)
        return
    for media_id, node in owners.items():
        try:
            if _is_left(media_id, node) and store.unpublish(media_id):
                LOG.info('The file of medium %(id)s, which was published '
                         'here for node %(node)s and ended elsewhere, is '
                         'removed', {'id': media_id, 'node': node})
        except (OSError, exception.IronicException) as exc:
            # What is in the way of one is nothing to the others.
            LOG.warning('The file of medium %(id)s, whose boot another '
                        'conductor has ended, is not removed yet, trying '
                        'again later: %(error)s',
                        {'id': media_id, 'error': exc})


def _is_left(media_id: str, uuid: str) -> bool:
    try:
        node = objects.Node.get_by_uuid(ironic_context.get_admin_context(),
                                        uuid)
    except exception.NodeNotFound:
        return True
    # Whoever has the node may be about to put the file on record, wherever
    # that is.
    return not node.reservation and media_id not in json.dumps(
        node.driver_internal_info)
