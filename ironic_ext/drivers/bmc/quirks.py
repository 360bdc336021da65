# SPDX-License-Identifier: Apache-2.0

"""Where vendors differ: one small function each."""

import http
import typing

from ironic.common import driver_factory
from ironic.drivers import drac
from ironic.drivers.modules.drac import boot as drac_boot
from ironic.drivers.modules.redfish import boot as redfish_boot
import sushy

from ironic_ext.drivers import ironic_private

_REDFISH = redfish_boot.RedfishVirtualMediaBoot()
_DRAC = drac_boot.DracRedfishVirtualMediaBoot()


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
        return ironic_private.acceptable_slot(stock_boot(task), task,
                                              resource)
    except AttributeError:
        # Asked about a Manager, which has no managers of its own.
        return None


def insert_media(slot: typing.Any, url: str, **options: typing.Any) -> None:
    """Call sushy's insert_media, and raise what the BMC answered.

    Some BMCs answer an error without a message. sushy (5.14) looks for
    words in it, and fails with a TypeError of its own.

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

    Some (seen on older AMI MegaRAC) leave Image and ImageName empty; some
    leave Image empty and have a word of their own for a name ("mymedia-
    read-only" on Supermicro, quadsproject/badfish issue 126).
    """
    return (is_inserted(slot) and not slot.image
            and '/' not in (slot.image_name or ''))


def takes_media(slot: typing.Any) -> bool:
    """Tell whether a slot can be asked for a medium by the standard.

    Some (Huawei, Fujitsu) have an action of their own instead of
    InsertMedia. Those without any action are written to (Lenovo).
    """
    actions = (slot.json or {}).get('Actions') or {}
    return '#VirtualMedia.InsertMedia' in actions or not actions.get('Oem')


def is_busy(exc: Exception) -> bool:
    """Tell whether a BMC refused what it may do a moment later.

    409 stands for a task that runs, or a slot that is not ready yet.
    """
    return (isinstance(exc, sushy.exceptions.HTTPError)
            and exc.status_code == http.HTTPStatus.CONFLICT)


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
