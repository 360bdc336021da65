# SPDX-License-Identifier: Apache-2.0

"""A data image ends with what it belongs to: an instance, or the node.

Ironic (35 to 39) tells no management interface that it tears an instance
down, whatever its boot interface, or deletes a node; so the two methods of
Ironic's that do are wrapped.
"""

import functools
import types
import typing

from ironic.conductor import manager
from ironic.objects import node as node_objects
from oslo_log import log

from ironic_ext.drivers.bmc import drives as redfish_media
from ironic_ext.drivers.data_image import reconciler
from ironic_ext.drivers.data_image import source
from ironic_ext.drivers.data_image import worker
from ironic_ext.drivers.records import data_image as data_image_record

LOG = log.getLogger(__name__)

_MARK = 'ext_ends_data_images'


def install() -> None:
    """Wrap Ironic's methods, once in a process."""
    _wrap(manager.ConductorManager, '_do_node_tear_down', _tear_down)
    _wrap(node_objects.Node, 'destroy', _destroy)


def _wrap(owner: type, name: str,
          wrapper: typing.Callable[..., typing.Any]) -> None:
    stock = getattr(owner, name)
    if getattr(stock, _MARK, False):
        return

    @functools.wraps(stock)
    def wrapped(self: typing.Any, *args: typing.Any, **kwargs: typing.Any
                ) -> typing.Any:
        return wrapper(stock, self, *args, **kwargs)

    setattr(wrapped, _MARK, True)
    setattr(owner, name, wrapped)


def _tear_down(stock: typing.Callable[..., typing.Any], self: typing.Any,
               task: typing.Any, *args: typing.Any,
               **kwargs: typing.Any) -> typing.Any:
    try:
        worker.end_instance(task)
    except Exception as exc:
        # The reconciler comes back to it.
        LOG.warning('The data image of node %(node)s is not detached yet: '
                    '%(error)s', {'node': task.node.uuid, 'error': exc})
    return stock(self, task, *args, **kwargs)


def _destroy(stock: typing.Callable[..., typing.Any], node: typing.Any,
             *args: typing.Any, **kwargs: typing.Any) -> typing.Any:
    """Withdraw the image first: afterwards nobody knows of it.

    If the node is not deleted after all, the reconciler delivers it anew.
    """
    ending = _withdrawn(node)
    result = stock(node, *args, **kwargs)
    if ending is not None:
        reconciler.conductors_own().later(ending)
    return result


def _withdrawn(node: typing.Any) -> typing.Callable[[], None] | None:
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
