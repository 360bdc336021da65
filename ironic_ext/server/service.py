# SPDX-License-Identifier: Apache-2.0

"""The boot server as a process: its parts, its threads, its end."""

import ipaddress
import logging
import os
import sys
import typing

from cheroot.ssl import builtin
from cheroot import wsgi
from oslo_config import cfg

from ironic_ext.catalog import iso_files
from ironic_ext.catalog import store
from ironic_ext.images import configured
from ironic_ext.node import tokens
from ironic_ext.server import app
from ironic_ext.server.front import listener
from ironic_ext.server.front import short_cut
from ironic_ext.server.machines import answers as machine_answers
from ironic_ext.server.machines import identity as machines
from ironic_ext.server.mirror import catalog as catalog_mirror
from ironic_ext.server.mirror import host_index
from ironic_ext.server.mirror import host_poller
from ironic_ext.server.mirror import ironic_api
from ironic_ext.server.mirror import leases
from ironic_ext.server.mirror import neutron
from ironic_ext.server.rest import access
from ironic_ext.server.rest import iso_imports

LOG = logging.getLogger(__name__)

#: Seconds after which a thread that computes lets others in. Python's five
#: milliseconds, a machine's request would wait for several times.
_SWITCH = 0.0005
#: Seconds that a client may send or take nothing.
_STALL = 30
_STOP = 5
_MIB = 1 << 20


class BootServer:
    """The server."""

    def __init__(self, conf: cfg.ConfigOpts) -> None:
        """Open what is needed; nothing runs yet.

        :raises: CatalogError, OSError, ValueError, and what oslo.policy
            raises
        """
        options = conf.ext_server
        api = ironic_api.connect(conf)
        self._catalog = store.Catalog(conf.ext_catalog.connection,
                                      history=conf.ext_catalog.history)
        self._mirror = catalog_mirror.CatalogMirror(
            self._catalog, options.catalog_interval)
        self._index = host_index.HostIndex()
        self._poller = host_poller.HostPoller(
            api, self._index, interval=options.poll_interval,
            resync_interval=options.resync_interval,
            inventories=options.use_inventories)
        os.makedirs(conf.ext_catalog.iso_dir, mode=0o755, exist_ok=True)
        directory = iso_files.IsoDirectory(
            conf.ext_catalog.iso_dir, conf.ext_catalog.max_iso_size * _MIB)
        images = configured.store_from(conf, configured.settings_from(conf))
        self._imports = iso_imports.IsoImports(
            iso_imports.importer(self._catalog, directory, images),
            self._mirror.follow, conf.ext_catalog.upload_lifetime)
        signer = tokens.Tokens.from_file(options.token_key_file)
        lessees, proxies = _lessees(conf, api), _proxies(conf)
        configs = machines.Configs(self._mirror)
        answers = machine_answers.Answers(
            machines.Finder(self._index, signer, lessees), configs, proxies)
        at_hand = machine_answers.Answers(
            machines.Finder(self._index, signer,
                            _ask_nobody if lessees else None),
            machines.ConfigsAtHand(self._mirror.at_hand, configs), proxies)
        self._server = _listener(conf, app.make(conf, app.Parts(
            self._catalog, self._mirror, self._index, self._poller, api,
            self._imports, directory, signer, answers)), at_hand)

    def run(self) -> None:
        """Serve until :meth:`stop`.

        :raises: OSError when the port is taken
        """
        self._server.prepare()
        sys.setswitchinterval(_SWITCH)
        for part in (self._mirror, self._poller, self._imports):
            part.start()
        LOG.info('The boot server listens on %s port %s',
                 *self._server.bind_addr[:2])
        try:
            self._server.serve()
        finally:
            self._end()

    def stop(self) -> None:
        """End the watches and the server; from another thread."""
        # In this order: what watches wait for ends them.
        self._index.feed.close()
        self._mirror.feed.close()
        self._server.stop()

    def _end(self) -> None:
        for part in (self._imports, self._poller, self._mirror):
            part.stop()
        self._catalog.close()


def _lessees(conf: cfg.ConfigOpts, api: ironic_api.IronicApi
             ) -> machines.Lessees | None:
    """Return what tells who leases an address, None for nothing."""
    options = conf.ext_server
    files = leases.Leases(options.dhcp_lease_files)
    if not options.use_neutron:
        return files.macs if options.dhcp_lease_files else None
    addresses = neutron.connect(conf, api)
    return lambda address: files.macs(address) | addresses.lessees(address)


def _ask_nobody(address: str) -> typing.NoReturn:
    raise LookupError(address)


def _proxies(conf: cfg.ConfigOpts) -> list[machines.Network]:
    try:
        return [ipaddress.ip_network(text)
                for text in conf.ext_server.trusted_proxies]
    except ValueError as exc:
        raise ValueError(f'[ext_server]trusted_proxies: {exc}') from exc


def _listener(conf: cfg.ConfigOpts, application: access.Application,
              at_hand: machine_answers.Answers) -> wsgi.Server:
    options = conf.ext_server
    server = listener.Listener(
        (options.host_ip, options.port), application,
        threads=options.threads + options.max_watches,
        short_cut=short_cut.ShortCut(at_hand).reply,
        request_queue_size=512, timeout=_STALL, shutdown_timeout=_STOP,
        server_name=short_cut.SERVER)
    # Bytes; a body's size is each resource's own.
    server.max_request_header_size = 32 << 10
    if options.use_ssl:
        if not options.cert_file:
            raise ValueError('[ext_server]use_ssl needs '
                             '[ext_server]cert_file and, unless it is in '
                             'there, key_file')
        server.ssl_adapter = builtin.BuiltinSSLAdapter(
            options.cert_file, options.key_file or options.cert_file)
    return server
