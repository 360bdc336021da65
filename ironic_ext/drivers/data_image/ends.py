# SPDX-License-Identifier: Apache-2.0

"""A data image ends with what it belongs to: an instance, or the node.

Called in place of Ironic's methods that tear an instance down and delete a
node (see ironic_patches).
"""

import collections.abc
import types
import typing

from oslo_log import log

from ironic_ext.drivers.bmc import drives as redfish_media
from ironic_ext.drivers.data_image import reconciler
from ironic_ext.drivers.data_image import source
from ironic_ext.drivers.data_image import worker
from ironic_ext.drivers.records import data_image as data_image_record

LOG = log.getLogger(__name__)


def tear_down(stock: collections.abc.Callable[..., typing.Any],
              conductor: typing.Any, task: typing.Any, *args: typing.Any,
              **kwargs: typing.Any) -> typing.Any:
    """Remove the image first, and tear the instance down in any case.

    :param stock: Ironic's method of the conductor.
    """
    try:
        worker.end_instance(task)
    except Exception as exc:
        # The reconciler comes back to it.
        LOG.warning('The data image of node %(node)s is not detached yet: '
                    '%(error)s', {'node': task.node.uuid, 'error': exc})
    return stock(conductor, task, *args, **kwargs)


def destroy(stock: collections.abc.Callable[..., typing.Any],
            node: typing.Any, *args: typing.Any, **kwargs: typing.Any
            ) -> typing.Any:
    """Withdraw the image first: afterwards nobody knows of it.

    If the node is not deleted after all, the reconciler delivers it anew.

    :param stock: Ironic's method of the node.
    """
    ending = _withdrawn(node)
    result = stock(node, *args, **kwargs)
    if ending is not None:
        reconciler.conductors_own().later(ending)
    return result


def _withdrawn(node: typing.Any) -> collections.abc.Callable[[], None] | None:
    """Make a node's image unreadable; return what ejects it.

    The BMC is asked when the node is gone already: one that does not answer
    is why some nodes are deleted.
    """
    record = data_image_record.load(node)
    if record is None or record.medium is None:
        return None
    # What is done with media wants a task for its node alone.
    task = types.SimpleNamespace(node=node)
    try:
        source.withdraw(task, record.medium)
    except Exception as exc:
        LOG.warning('The data image of node %(node)s, which is deleted, '
                    'is not withdrawn: %(error)s',
                    {'node': node.uuid, 'error': exc})
    media = data_image_record.media(node)

    def eject() -> None:
        try:
            redfish_media.eject(task, media)
        except Exception as exc:
            LOG.warning('The data image of node %(node)s, which was '
                        'deleted, stays in its drive: %(error)s',
                        {'node': node.uuid, 'error': exc})

    return eject
