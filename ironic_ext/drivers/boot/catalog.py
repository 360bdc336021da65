# SPDX-License-Identifier: Apache-2.0

"""The catalog of ISOs and boot configs as a conductor asks it.

And the place where the boot server has a node's config.
"""

import os
import threading
import typing

from ironic.common import exception
from ironic.conf import CONF
from oslo_log import log

from ironic_ext import catalog
from ironic_ext.catalog import store
from ironic_ext import config_formats
from ironic_ext.node import boot_plan
from ironic_ext.node import errors
from ironic_ext.node import host as hosts
from ironic_ext.node import tokens

LOG = log.getLogger(__name__)

_LOCK = threading.Lock()
_OPEN: dict[tuple[int, str], store.Catalog] = {}


def sources() -> boot_plan.Sources:
    """Return where plans find ISOs and configs.

    The database of the catalog is opened when it is asked.
    """
    return boot_plan.Sources(
        iso=lambda name: _opened().find(catalog.ISCSICdrom, name),
        config=lambda name: _opened().find(catalog.BootConfig, name),
        directory=CONF.ext_catalog.iso_dir,
        delivery=CONF.ext_boot.config_delivery,
        base_url=_base_url if CONF.ext_server.public_url else None)


def named_iso(task: typing.Any) -> catalog.ISCSICdrom | None:
    """Return the ISO of the catalog that a node's ``boot_iso`` names.

    :raises: InvalidParameterValue, CatalogError
    """
    try:
        return boot_plan.base_of(task.node.instance_info, sources()).cdrom
    except errors.PlanError as exc:
        raise exception.InvalidParameterValue(str(exc)) from exc


def facts(task: typing.Any) -> dict[str, typing.Any]:
    """Return what the templates of boot configs know of a node.

    The same as from the boot server, which sees nodes by the API; with
    where it has the node's config and takes its report.
    """
    node = task.node
    fields = {name: getattr(node, name, None) for name in hosts.FIELDS}
    macs = [port.address for port in task.ports]
    known = dict(hosts.from_node(fields, macs).facts)
    if CONF.ext_server.public_url and node.instance_info.get('boot_config'):
        try:
            known |= tokens.links(_public_url(), _token(node.uuid))
        except config_formats.ConfigError as exc:
            # Few templates need it; those that do say what is not there.
            LOG.warning('The boot config of node %(node)s cannot name its '
                        'URLs: %(error)s', {'node': node.uuid, 'error': exc})
    return known


def _base_url(node_uuid: str) -> str:
    """Return where a node, by a token of its own, finds its config.

    :raises: ConfigError
    """
    return tokens.links(_public_url(), _token(node_uuid))['boot'][
        'config_url']


def _public_url() -> str:
    return str(CONF.ext_server.public_url).rstrip('/')


def _token(node_uuid: str) -> str:
    """Return a token of a node.

    :raises: ConfigError
    """
    try:
        signer = tokens.Tokens.from_file(CONF.ext_server.token_key_file)
    except (OSError, ValueError) as exc:
        raise config_formats.ConfigError(config_formats.Finding(
            '', None, f'the token for its URL cannot be signed: {exc}'
        )) from exc
    return signer.new(node_uuid, CONF.ext_server.token_lifetime)[0]


def _opened() -> store.Catalog:
    """Open the catalog once in each process.

    :raises: DatabaseError
    """
    key = os.getpid(), CONF.ext_catalog.connection
    with _LOCK:
        if key not in _OPEN:
            opened = store.Catalog(CONF.ext_catalog.connection,
                                   history=CONF.ext_catalog.history)
            opened.upgrade()
            _OPEN[key] = opened
        return _OPEN[key]
