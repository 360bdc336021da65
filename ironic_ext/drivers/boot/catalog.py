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
from ironic_ext.catalog import view
from ironic_ext import config_formats
from ironic_ext.drivers.records import boot as boot_record
from ironic_ext import host_records
from ironic_ext.node import boot_plan
from ironic_ext.node import boot_state
from ironic_ext.node import errors
from ironic_ext.node import host as hosts
from ironic_ext.node import tokens

LOG = log.getLogger(__name__)

_LOCK = threading.Lock()
_OPEN: dict[tuple[int, str], '_Opened'] = {}


def sources(node: typing.Any) -> boot_plan.Sources:
    """Return where plans of a node find ISOs and configs.

    The database of the catalog is opened when it is asked.
    """
    project = view.project_of(node.owner or '', node.lessee or '',
                              CONF.ext_catalog.trusted_owners)
    seen = view.View(_Lookup(), project)
    return boot_plan.Sources(
        iso=seen.iso, config=seen.config, project=project,
        directory=CONF.ext_catalog.iso_dir,
        delivery=CONF.ext_boot.config_delivery,
        base_url=(lambda _uuid: _base_url(node))
        if CONF.ext_server.public_url else None)


def records() -> host_records.HostRecords:
    """Return what conductors and boot servers note of hosts.

    :raises: CatalogError, RecordsError
    """
    return _opened().records


def named_iso(task: typing.Any) -> catalog.ISCSICdrom | None:
    """Return the ISO of the catalog that a node's ``boot_iso`` names.

    :raises: InvalidParameterValue, CatalogError
    """
    try:
        return boot_plan.base_of(task.node.instance_info,
                                 sources(task.node)).cdrom
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
    known = dict(hosts.from_node(fields, macs,
                                 declared=_declared(node)).facts)
    if CONF.ext_server.public_url and node.instance_info.get('boot_config'):
        try:
            known |= tokens.links(_public_url(), _token(node))
        except config_formats.ConfigError as exc:
            # Few templates need it; those that do say what is not there.
            LOG.warning('The boot config of node %(node)s cannot name its '
                        'URLs: %(error)s', {'node': node.uuid, 'error': exc})
    return known


def _declared(node: typing.Any) -> str:
    """Return the address that an operator has declared, '' for none."""
    try:
        return _opened().records.of(node.uuid).address
    except (catalog.CatalogError, host_records.RecordsError) as exc:
        LOG.warning('Nobody knows whether an address is declared for node '
                    '%(node)s: %(error)s',
                    {'node': node.uuid, 'error': exc})
        return ''


def _base_url(node: typing.Any) -> str:
    """Return where a node, by a token of its own, finds its config.

    :raises: ConfigError
    """
    return tokens.links(_public_url(), _token(node))['boot']['config_url']


def _public_url() -> str:
    return str(CONF.ext_server.public_url).rstrip('/')


def _token(node: typing.Any) -> str:
    """Return a token of a node, good until its boot ends.

    :raises: ConfigError
    """
    try:
        signer = tokens.Tokens.from_file(CONF.ext_server.token_key_file)
        generation = tokens.Generation(
            boot_record.generation(node)
            or boot_state.created(node.created_at),
            _opened().records.of(node.uuid).generation)
    except (OSError, ValueError, catalog.CatalogError,
            host_records.RecordsError) as exc:
        raise config_formats.ConfigError(config_formats.Finding(
            '', None, f'the token for its URL cannot be made: {exc}'
        )) from exc
    return signer.new(node.uuid, CONF.ext_server.token_lifetime,
                      generation)[0]


class _Lookup:
    """All of the catalog, opened when it is asked."""

    def iso(self, name: str) -> catalog.ISCSICdrom | None:
        return _opened().catalog.find(catalog.ISCSICdrom, name)

    def config(self, name: str) -> catalog.BootConfig | None:
        return _opened().catalog.find(catalog.BootConfig, name)


class _Opened(typing.NamedTuple):
    """What is in the database of [ext_catalog]."""

    catalog: store.Catalog
    records: host_records.HostRecords


def _opened() -> _Opened:
    """Open the database once in each process.

    :raises: DatabaseError, RecordsError
    """
    connection = CONF.ext_catalog.connection
    key = os.getpid(), connection
    with _LOCK:
        if key not in _OPEN:
            opened = _Opened(
                store.Catalog(connection, history=CONF.ext_catalog.history),
                host_records.HostRecords(connection))
            opened.catalog.upgrade()
            opened.records.upgrade()
            _OPEN[key] = opened
        return _OPEN[key]
