# SPDX-License-Identifier: Apache-2.0

"""Where vendors and Ironic's releases differ: one small function each."""

import collections.abc
import contextlib
import functools
import hashlib
import hmac
import os
import types
import typing

from ironic.common import driver_factory
from ironic.common import states
from ironic.conductor import utils as manager_utils
from ironic.drivers import drac
from ironic.drivers.modules.drac import boot as drac_boot
from ironic.drivers.modules import image_utils
from ironic.drivers.modules.redfish import boot as redfish_boot
from ironic.drivers.modules.redfish import utils as redfish_utils
import sushy

_REDFISH = redfish_boot.RedfishVirtualMediaBoot()
_DRAC = drac_boot.DracRedfishVirtualMediaBoot()
_MAX_SESSION_KEYS = 100000

_OF_OURS = 'of_ironic_ext'
#: Boot interfaces that boot ``boot_iso`` with the node's config.
_ISO_BOOTS = frozenset(('redfish-iso', 'iso-sanboot'))

#: Types of this suite -> the stock type whose publisher settings they use.
_STOCK_TYPES = {'redfish-ext': 'redfish', 'idrac-ext': 'idrac'}


def stock_boot(task: typing.Any) -> redfish_boot.RedfishVirtualMediaBoot:
    """Return the stock interface that knows this machine's peculiarities.

    Dell's iDRAC boots virtual media only through its OEM action, and
    iDRAC 10 takes media in slot "1" alone; both live in Ironic's own
    interface for it.
    """
    hardware_type = driver_factory.get_hardware_type(task.node.driver)
    if isinstance(hardware_type, drac.IDRACHardware):
        return _DRAC
    return _REDFISH


def only_slot(task: typing.Any, resource: typing.Any) -> str | None:
    """Return the id of the one slot that boots, None if all of them do.

    :param resource: the sushy System or Manager with the slots.
    """
    try:
        return stock_boot(task)._get_acceptable_media_id(task, resource)
    except AttributeError:
        # Asked about a Manager, which has no managers of its own.
        return None


def insert_media(slot: typing.Any, url: str, **options: typing.Any) -> None:
    """Call sushy's insert_media, and raise what the BMC answered.

    sushy (5.14) looks for words in the message of an error answer, and
    fails with a TypeError of its own when there is no message.

    :raises: SushyError
    """
    try:
        slot.insert_media(url, inserted=True, write_protected=True,
                          **options)
    except (AttributeError, TypeError) as exc:
        if isinstance(exc.__context__, sushy.exceptions.HTTPError):
            raise exc.__context__ from None
        raise


def is_inserted(slot: typing.Any) -> bool:
    """Tell whether a slot has a medium in it.

    Supermicro leaves Image and ImageName as they were after an ejection,
    and shows the slot as NotConnected (community.general issue 6969). The
    schema lets a BMC leave Inserted out: then Image tells.
    """
    if slot.inserted is not None:
        return bool(slot.inserted)
    return (bool(slot.image)
            and slot.connected_via is not sushy.CONNECTED_VIA_NOT_CONNECTED)


def hides_image(slot: typing.Any) -> bool:
    """Tell whether a BMC shows a medium as inserted, but not which.

    Some (seen on older AMI MegaRAC) leave Image and ImageName empty.
    """
    return is_inserted(slot) and not (slot.image or slot.image_name)


def trust(slot: typing.Any, ca: str) -> None:
    """Let a slot verify image servers by these certificates.

    A BMC keeps certificates by slot (VirtualMedia 1.4) and takes no second
    one (409 Conflict): those of the image before go first.

    :param ca: PEM.
    :raises: SushyError
    """
    for certificate in slot.certificates.get_members():
        if certificate.certificate_string == ca:
            return
        certificate.delete()
    several = ca.count('-----BEGIN CERTIFICATE-----') > 1
    slot.certificates.create_member(
        ca, (sushy.CertificateType.PEM_CHAIN if several
             else sushy.CertificateType.PEM))


def transfer_protocol(task: typing.Any, url: str) -> dict[str, typing.Any]:
    """Return the TransferProtocolType to insert with, where it is needed.

    Supermicro X11 and Cisco C845A want it; most find it in the URL, and
    some refuse it. sushy adds it after an error that says so; operators
    whose BMC says nothing set driver_info/vmedia_transport_protocol.
    """
    if not task.node.driver_info.get('vmedia_transport_protocol'):
        return {}
    return {'transfer_protocol': url.partition(':')[0].upper()}


def remember_session_keys() -> None:
    """Spare the CPU what it takes to find the session of a BMC.

    Ironic (35 to 39) derives the key of its cached sessions from the
    password by 600,000 rounds of PBKDF2, which take some tenths of a second
    each time a BMC is asked for anything: with hundreds of nodes to look at
    in a minute that is more than a core. What was derived is kept in this
    process, under a hash that no other process can make.
    """
    if not isinstance(getattr(redfish_utils, 'hashlib', None),
                      types.ModuleType):
        return
    secret = os.urandom(32)
    known: dict[bytes, bytes] = {}

    def pbkdf2_hmac(*arguments: typing.Any) -> bytes:
        key = hmac.digest(secret, repr(arguments).encode(), 'sha256')
        if key not in known:
            if len(known) >= _MAX_SESSION_KEYS:
                known.clear()
            known[key] = hashlib.pbkdf2_hmac(*arguments)
        return known[key]

    redfish_utils.hashlib = types.SimpleNamespace(
        **{**vars(hashlib), 'pbkdf2_hmac': pbkdf2_hmac})


def publish_as_stock_types() -> None:
    """Let Ironic 35 publish images for the types of this suite.

    Up to 35 (2026.1) the publisher settings are found by the name of the
    hardware type, and only stock names are known; from 36 on the boot
    interface has them.
    """
    if hasattr(redfish_boot.RedfishVirtualMediaBoot,
               'image_publisher_settings'):
        return
    stock = image_utils.ImageHandler.update_driver_config

    def update_driver_config(self: typing.Any, driver: str) -> None:
        stock(self, _STOCK_TYPES.get(driver, driver))

    image_utils.ImageHandler.update_driver_config = update_driver_config


def let_boot_iso_nodes_be_rebuilt() -> None:
    """Keep "node rebuild" from failing for nodes with a boot_iso.

    Up to 39 at least, start_deploy() (conductor/deployments.py) ends with an
    UnboundLocalError, "auto_lessee", when a rebuild's node has no
    image_source, since update_image_type() then returns False. True, for
    nodes of these interfaces, only means that the node is saved once more.
    """
    stock = manager_utils.update_image_type
    if getattr(stock, _OF_OURS, False):
        return

    @functools.wraps(stock)
    def update_image_type(context: typing.Any, node: typing.Any) -> bool:
        return stock(context, node) or bool(
            node.boot_interface in _ISO_BOOTS
            and node.instance_info.get('boot_iso'))

    setattr(update_image_type, _OF_OURS, True)
    manager_utils.update_image_type = update_image_type


@contextlib.contextmanager
def keeping_last_error(node: typing.Any
                       ) -> collections.abc.Iterator[None]:
    """Keep why a deploy failed while its clean-up runs.

    Ironic (35 to 39) writes last_error first and cleans up then; powering
    off a machine that is off already clears last_error
    (conductor/utils.py, _not_going_to_change).
    """
    error = node.last_error
    try:
        yield
    finally:
        if (error and node.last_error is None
                and node.provision_state == states.DEPLOYING):
            node.last_error = error
            node.save()
