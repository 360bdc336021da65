# SPDX-License-Identifier: Apache-2.0

"""What is asked for of a node's data image: checked, and put on record.

Nothing is done about it here; worker.py does that.
"""

import typing

from ironic.common import exception
from ironic.common import states
from ironic.conductor import utils as manager_utils
from ironic.conf import CONF
from oslo_log import log

from ironic_ext.data_image import record as records
from ironic_ext.data_image import spec as specs
from ironic_ext.data_image import status as statuses
from ironic_ext.drivers.images import delivery as media_delivery
from ironic_ext.drivers.records import data_image as data_image_record
from ironic_ext import images
from ironic_ext.images import href as hrefs
from ironic_ext.images import registry
from ironic_ext.media import delivery

LOG = log.getLogger(__name__)

#: Where a data image may be attached and detached.
ALLOWED_STATES = (states.ACTIVE, states.MANAGEABLE, states.AVAILABLE)
#: Where the instance that an image was attached for is still there.
INSTANCE_STATES = frozenset((
    states.ACTIVE, states.DEPLOYING, states.DEPLOYWAIT, states.DEPLOYFAIL,
    states.DEPLOYHOLD, states.DEPLOYDONE, states.RESCUE, states.RESCUING,
    states.RESCUEWAIT, states.RESCUEFAIL, states.UNRESCUING,
    states.UNRESCUEFAIL, states.SERVICING, states.SERVICEWAIT,
    states.SERVICEHOLD, states.SERVICEFAIL, states.ADOPTING))
_EVENT = 'data image'
_MIB = 1 << 20


def attach(task: typing.Any, data: object) -> dict[str, typing.Any]:
    """Record that a node is to have a data image; return the resource.

    :param data: as spec.parse() takes it.
    :raises: InvalidParameterValue, InvalidState
    """
    spec = validate(task, data)
    require_state(task.node)
    return statuses.show(put_on_record(task, spec))


def detach(task: typing.Any) -> dict[str, typing.Any]:
    """Record that the data image is to go; return the resource.

    :raises: InvalidState
    """
    require_state(task.node)
    if data_image_record.load(task.node) is None:
        return statuses.show(None)
    return statuses.show(put_on_record(task, None))


def show(node: typing.Any) -> dict[str, typing.Any]:
    """Return the resource of a node."""
    return statuses.show(data_image_record.load(node))


def validate(task: typing.Any, data: object) -> specs.DataImageSpec:
    """Refuse what cannot work.

    :raises: InvalidParameterValue
    """
    limit = CONF.ext_data_image.max_files_size * _MIB
    try:
        spec = specs.parse(data, specs.Limits(
            file=min(CONF.ext_boot.max_file_size * _MIB, limit),
            total=limit))
        if spec.delivery is specs.Delivery.CONDUCTOR:
            media_delivery.require(task)
            _require_service(spec)
    except (specs.SpecError, images.ImageError,
            delivery.DeliveryError) as exc:
        raise exception.InvalidParameterValue(str(exc)) from exc
    return spec


def require_state(node: typing.Any) -> None:
    """Refuse a change while something else goes on with the node.

    :raises: InvalidState
    """
    if node.provision_state not in ALLOWED_STATES:
        raise exception.InvalidState(
            f'The data image of node {node.uuid} cannot be changed while it '
            f'is {node.provision_state}: wait until it is one of '
            f'{", ".join(ALLOWED_STATES)}.')


def _require_service(spec: specs.DataImageSpec) -> None:
    known = registry.schemes()
    if spec.url is None or registry.is_uuid(spec.url):
        return
    if hrefs.scheme(spec.url) not in known:
        raise specs.SpecError(
            f'{spec.title} has none of the schemes {", ".join(known)}')


def put_on_record(task: typing.Any, spec: specs.DataImageSpec | None
                  ) -> records.Record:
    """Write down what is wanted, whatever state the node is in.

    :param spec: None for a node that has a record and is to have no data
        image any more.
    """
    node = task.node
    instance = node.provision_state in INSTANCE_STATES
    record = data_image_record.load(node)
    if record is not None:
        record = record.ask(spec, instance)
    else:
        assert spec is not None
        record = records.first(spec, instance)
    data_image_record.save(node, record)
    tell(task, f'{spec.title} is to be attached' if spec
         else 'the data image is to be detached')
    return record


def tell(task: typing.Any, what: str) -> None:
    """Write to the node's history; errors of ours are not last_error."""
    LOG.info('Data image of node %(node)s: %(what)s',
             {'node': task.node.uuid, 'what': what})
    manager_utils.node_history_record(
        task.node, event=f'Data image: {what}', event_type=_EVENT,
        user=task.context.user_id)
