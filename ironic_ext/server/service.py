# SPDX-License-Identifier: Apache-2.0

"""The boot server as a process: its parts, its threads, its end."""

import concurrent.futures
import errno
import ipaddress
import logging
import os
import socket
import ssl
import sys
import threading

from oslo_config import cfg

from ironic_ext.catalog import iso_files
from ironic_ext.catalog import store
from ironic_ext import host_records
from ironic_ext.images import configured
from ironic_ext.node import tokens
from ironic_ext.server import app
from ironic_ext.server import figures
from ironic_ext.server.http import connections
from ironic_ext.server.http import server
from ironic_ext.server.machines import configs
from ironic_ext.server.machines import identity
from ironic_ext.server.mirror import catalog as catalog_mirror
from ironic_ext.server.mirror import follower
from ironic_ext.server.mirror import hints
from ironic_ext.server.mirror import history
from ironic_ext.server.mirror import host_index
from ironic_ext.server.mirror import host_poller
from ironic_ext.server.mirror import host_records as record_mirror
from ironic_ext.server.mirror import ironic_api
from ironic_ext.server.mirror import kept_hosts
from ironic_ext.server.mirror import leases
from ironic_ext.server.mirror import media_reads
from ironic_ext.server.mirror import modes
from ironic_ext.server.mirror import neutron
from ironic_ext.server.rest import iso_imports
from ironic_ext.server import sharing

LOG = logging.getLogger(__name__)

#: Seconds after which a thread that computes lets others in. Python's five
#: milliseconds, a machine's request would wait for several times.
_SWITCH = 0.0001
_MIB = 1 << 20


class BootServer:
    """The boot server: its parts, started and ended together."""

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
        records = host_records.HostRecords(conf.ext_catalog.connection)
        self._records = record_mirror.RecordMirror(
            records, options.catalog_interval)
        self._history = history.HistoryWriter(records.history())
        self._index = host_index.HostIndex()
        self._modes = modes.Modes(self._mirror)
        self._poller = host_poller.HostPoller(
            api, self._index, interval=options.poll_interval,
            resync_interval=options.resync_interval,
            inventories=options.use_inventories, records=self._records,
            trusted_owners=frozenset(conf.ext_catalog.trusted_owners),
            history=self._history, kept=_kept(conf),
            modes=self._modes)
        self._mirror.tell(self._reread)
        self._notifications = notifications(conf, self._poller.hints)
        self._reads = media_reads.ReadsFollower(
            conf.ext_media.connection, self._index, self._history)
        os.makedirs(conf.ext_catalog.iso_dir, mode=0o755, exist_ok=True)
        directory = iso_files.IsoDirectory(
            conf.ext_catalog.iso_dir, conf.ext_catalog.max_iso_size * _MIB)
        images = configured.store_from(conf, configured.settings_from(
            conf, reader='the boot server'))
        self._imports = iso_imports.IsoImports(
            iso_imports.importer(self._catalog, directory, images),
            self._mirror.follow, conf.ext_catalog.upload_lifetime)
        signer = tokens.Tokens.from_file(options.token_key_file)
        proxies = _proxies(conf)
        rules = identity.Rules(
            machine_identity(conf, has_addresses=self._records.have_addresses(
            ), was_upgraded=records.was_upgraded()),
            options.owners_declare_addresses, proxies)
        self._pools = tuple(concurrent.futures.ThreadPoolExecutor(
            options.threads, name) for name in ('operators', 'machines'))
        application = app.make(conf, app.Parts(
            self._catalog, self._mirror, self._index, self._poller, api,
            self._records, self._history, self._imports, directory,
            signer, self._pools[0], self._pools[1],
            _lessees(conf, api), rules,
            links(conf, signer, self._records),
            conf.ext_boot.config_delivery))
        clients = connections.Connections(
            connections.Limits(options.max_connections,
                               options.max_connections_per_address),
            lambda host: identity.is_of(host, proxies), _tls(conf))
        self._server = server.Server(application, clients, self._end_watches,
                                     application.at_once)
        self._address = options.host_ip, options.port
        self._figures = figures.Figures(
            application.answered, self._index, self._mirror, self._poller,
            api, clients)
        self._metrics = options.metrics_host_ip, options.metrics_port
        self._has_projects = options.auth_strategy == 'keystone'

    def _reread(self, configs: set[str] | None) -> None:
        """Look again at hosts whose configs are other ones."""
        names = self._index.used('config') if configs is None else configs
        self._poller.reread(self._modes.unsure().union(
            host.uuid for name in names
            for host in self._index.users('config', name)))

    def run(self) -> None:
        """Serve until :meth:`stop`.

        :raises: OSError when the port is taken
        """
        listener = listen(*self._address)
        end_metrics = figures.serve(self._figures, *self._metrics) if (
            self._metrics[1]) else lambda: None
        sys.setswitchinterval(_SWITCH)
        self._records.start(self._poller.reread)
        for part in (self._mirror, self._poller, self._imports,
                     self._history, self._reads):
            part.start()
        for heard in self._notifications:
            heard.start()
        if self._has_projects:
            threading.Thread(
                target=sharing.warn, args=(self._catalog, self._index),
                name='catalog-sharing', daemon=True).start()
        LOG.info('The boot server listens on %s port %s', *self._address)
        try:
            self._server.run([listener])
        finally:
            end_metrics()
            self._end()

    def stop(self) -> None:
        """End the watches and the server; from anywhere."""
        self._server.stop()

    def _end_watches(self) -> None:
        # What watches wait for ends them.
        self._index.feed.close()
        self._mirror.feed.close()

    def _end(self) -> None:
        # The records last: the history is in their database.
        for heard in self._notifications:
            heard.stop()
        for part in (self._imports, self._poller, self._mirror,
                     self._reads, self._history, self._records):
            part.stop()
        for pool in self._pools:
            pool.shutdown(wait=False, cancel_futures=True)
        self._catalog.close()


def listen(host: str, port: int) -> socket.socket:
    """Return the socket that clients connect to.

    :raises: OSError
    """
    try:
        family = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family,
                                    backlog=server.BACKLOG)
    except OSError as exc:
        raise OSError(
            f'cannot listen on {host} port {port}: {_reason(exc)}: '
            + ('end what has the port, or set another [ext_server]port'
               if exc.errno == errno.EADDRINUSE
               else 'look at [ext_server]host_ip')) from exc


def _reason(exc: OSError) -> str:
    # socket.create_server() adds the address to it.
    return (exc.strerror or str(exc)).partition(' (while attempting')[0]


def machine_identity(conf: cfg.ConfigOpts, *, has_addresses: bool,
                     was_upgraded: bool) -> str:
    """Return how machines without a token are known, and warn of it.

    :param has_addresses: whether an operator has declared any.
    :param was_upgraded: whether the installation is older than the option.
    """
    options = conf.ext_server
    sources = [name for name, is_there in (
        ('[ext_server]dhcp_lease_files', options.dhcp_lease_files),
        ('[ext_server]use_neutron', options.use_neutron),
        ('addresses of hosts (spec.ip)', has_addresses)) if is_there]
    said = options.machine_identity
    if said == identity.ADDRESS and not sources:
        LOG.warning('[ext_server]machine_identity is "address", and there '
                    'are neither leases, nor Neutron, nor addresses of hosts '
                    '(spec.ip): machines are known by what their nodes '
                    'declare, or by a token')
    if said:
        return str(said)
    if sources and not was_upgraded:
        LOG.info('Machines without a token are known by their address (%s)',
                 ', '.join(sources))
        return identity.ADDRESS
    LOG.warning('Configs go to whoever says the MAC of a host, since '
                '[ext_server]machine_identity is not set and %s. Set it to '
                '"address" or "token", or to "mac" where everybody who '
                'reaches this server is trusted',
                'this installation is older than the option' if was_upgraded
                else 'there are no leases, no Neutron and no addresses of '
                     'hosts (spec.ip)')
    return identity.MAC


def links(conf: cfg.ConfigOpts, signer: tokens.Tokens,
          records: record_mirror.RecordMirror) -> configs.Links:
    """Return what makes what templates know of this server.

    :raises: ValueError
    """
    url = (conf.ext_server.public_url or '').rstrip('/')
    if not url:
        return lambda host: {}
    if not ironic_api.is_url(url):
        raise ValueError(
            '[ext_server]public_url must be a URL of http or https, such as '
            'http://192.0.2.1:8093')
    return lambda host: dict(tokens.links(url, signer.new(
        host.uuid, conf.ext_server.token_lifetime,
        records.generation(host))[0]))


def _kept(conf: cfg.ConfigOpts) -> kept_hosts.KeptHosts | None:
    """Return where it is kept what is known of hosts, None for nowhere."""
    options = conf.ext_server
    if not options.hosts_file or not options.hosts_max_age:
        return None
    return kept_hosts.KeptHosts(options.hosts_file, ironic_api.place(conf),
                                options.hosts_max_age)


def notifications(conf: cfg.ConfigOpts, heard: hints.Hints
                  ) -> list[follower.Follower]:
    """Return what listens to Ironic, nothing where that is not wanted.

    :raises: ValueError
    """
    if not conf.ext_server.notification_topics:
        return []
    try:
        from ironic_ext.server.mirror import notifications as listening
    except ModuleNotFoundError as exc:
        if not str(exc.name).startswith('oslo_messaging'):
            raise
        raise ValueError(
            '[ext_server]notification_topics is set, and oslo.messaging is '
            'not installed: install the extra "notifications", as in pip '
            'install \'.[server,notifications]\', or set no topics'
        ) from exc
    return [listening.connect(conf, heard)]


def _lessees(conf: cfg.ConfigOpts, api: ironic_api.IronicApi
             ) -> identity.Lessees | None:
    """Return what tells who leases an address, None for nothing."""
    options = conf.ext_server
    files = leases.Leases(options.dhcp_lease_files)
    if not options.use_neutron:
        return files.macs if options.dhcp_lease_files else None
    addresses = neutron.connect(conf, api)
    return lambda address: files.macs(address) | addresses.lessees(address)


def _proxies(conf: cfg.ConfigOpts) -> list[identity.Network]:
    try:
        return [ipaddress.ip_network(text)
                for text in conf.ext_server.trusted_proxies]
    except ValueError as exc:
        raise ValueError(f'[ext_server]trusted_proxies: {exc}') from exc


def _tls(conf: cfg.ConfigOpts) -> ssl.SSLContext | None:
    """Return what clients have to speak first, None for nothing.

    :raises: ValueError, OSError
    """
    options = conf.ext_server
    if not options.use_ssl:
        return None
    if not options.cert_file:
        raise ValueError('[ext_server]use_ssl needs [ext_server]cert_file '
                         'and, unless it is in there, key_file')
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(options.cert_file,
                            options.key_file or options.cert_file)
    return context
