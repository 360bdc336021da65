# SPDX-License-Identifier: Apache-2.0

"""The iPXE script of a host that asks the boot server."""

from ironic_ext import catalog
from ironic_ext.node import host as hosts
from ironic_ext.node import targets
from ironic_ext import san
from ironic_ext.san import ipxe as scripts


def script(host: hosts.Host, iso: catalog.ISCSICdrom | None, mac: str
           ) -> str:
    """Return what a host boots.

    :param iso: its ISO, None for what the catalog does not have.
    :param mac: as hosts.mac() writes it.
    """
    if host.boots_locally:
        return scripts.local(host.name)
    if iso is None:
        return problem(f'The ISO of {host.name} is not in the catalog')
    name = iso.metadata.name
    if iso.status.phase != 'Ready':
        return problem(f'ISO {name} is not ready, it is {iso.status.phase}')
    try:
        target = targets.of_iso(iso.status)
    except san.SanError:
        return problem(f'The iSCSI target of ISO {name} makes no sense')
    if target is None:
        return problem(f'ISO {name} has no iSCSI target')
    return scripts.sanboot(name, host.name, mac, target)


def problem(sentence: str) -> str:
    """Return a script that shows a sentence and ends in an error."""
    return scripts.problem(sentence)
