# SPDX-License-Identifier: Apache-2.0

"""The iPXE script of a host that asks the boot server."""

from ironic_ext import catalog
from ironic_ext.catalog import resources
from ironic_ext import san
from ironic_ext.san import location
from ironic_ext.san import script as scripts
from ironic_ext.server import hosts


def script(host: hosts.Host, iso: catalog.ISCSICdrom | None, mac: str
           ) -> str:
    """Return what a host boots.

    :param iso: its ISO, None for what the catalogue does not have.
    :param mac: as hosts.mac() writes it.
    """
    if host.boots_locally:
        return scripts.local(host.name)
    if iso is None:
        return problem(f'The ISO of {host.name} is not in the catalogue')
    name = iso.metadata.name
    if iso.status.phase != 'Ready':
        return problem(f'ISO {name} is not ready, it is {iso.status.phase}')
    try:
        target = target_of(iso.status)
    except san.SanError:
        return problem(f'The iSCSI target of ISO {name} makes no sense')
    if target is None:
        return problem(f'ISO {name} has no iSCSI target')
    return scripts.sanboot(name, host.name, mac, target)


def problem(sentence: str) -> str:
    """Return a script that shows a sentence and ends in an error."""
    return scripts.problem(sentence)


def target_of(status: resources.ISCSICdromStatus) -> san.Location | None:
    """Return the target of an ISO, None if it has none.

    :raises: SanError when it makes no sense.
    """
    if not (status.target_iqn and status.portal_ip):
        return None
    return san.Location(
        status.target_iqn, status.portal_ip.strip('[]'),
        status.portal_port or location.PORT,
        location.LUN if status.lun is None else status.lun)
