# SPDX-License-Identifier: Apache-2.0

"""Scripts of iPXE with a password or the URL of a stream: who gets them.

What is published for a MAC, whoever knows the MAC can read. A boot server
that knows machines by their addresses has the script instead, and what is
published leads there.
"""

import typing

from ironic.common import exception
from ironic.conf import CONF
from oslo_log import log

from ironic_ext import catalog
from ironic_ext.drivers.boot import catalog as boot_catalog
from ironic_ext import host_records
from ironic_ext.san import ipxe as script
from ironic_ext.san import location

LOG = log.getLogger(__name__)


def published(node: typing.Any, text: str,
              target: location.Location | str) -> str:
    """Return the script to publish for a node.

    :param text: that boots the target.
    :raises: InstanceDeployFailure, SanError
    """
    if not script.has_secret(target):
        return text
    if not _is_told_apart():
        LOG.warning(
            'The script of node %s has a password or the URL of its image, '
            'and whoever reaches [deploy]http_url and knows a MAC of the '
            'node can read it. Set [ext_server]public_url, and '
            '[ext_server]machine_identity to "address", for conductors and '
            'boot servers', node.uuid)
        return text
    try:
        boot_catalog.records().keep_script(node.uuid, text)
    except (catalog.CatalogError, host_records.RecordsError) as exc:
        raise exception.InstanceDeployFailure(
            f'the script of node {node.uuid} cannot be given to the boot '
            f'server: {exc}') from exc
    return script.elsewhere(str(CONF.ext_server.public_url).rstrip('/'))


def forget(node: typing.Any) -> None:
    """Have no script of a node at the boot server."""
    if not _is_told_apart():
        return
    try:
        boot_catalog.records().keep_script(node.uuid, '')
    except (catalog.CatalogError, host_records.RecordsError) as exc:
        # What it leads to is gone in any case.
        LOG.warning('The boot server still has a script of node %(node)s: '
                    '%(error)s', {'node': node.uuid, 'error': exc})


def _is_told_apart() -> bool:
    """Tell whether a boot server knows machines by their addresses."""
    return bool(CONF.ext_server.public_url
                and CONF.ext_server.machine_identity == 'address')
