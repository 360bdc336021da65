# SPDX-License-Identifier: Apache-2.0

"""The media server's processes: workers, the recorder, and who minds them.

Each worker has a listening socket of its own on the same port, and the
kernel deals connections out (SO_REUSEPORT). The parent holds all of them,
so connections wait for the next worker when one dies. Nobody else's socket
shares the port: another server would get some of the connections, and would
not know their media.
"""

import collections.abc
import errno
import gc
import logging
import multiprocessing
import os
import resource
import socket
import ssl
import threading

import cotyledon
from cotyledon import types as cotyledon_types

from ironic_ext.media.stream import contract
from ironic_ext.media.stream import metrics
from ironic_ext.media.stream import recorder
from ironic_ext.media.stream import settings as server_settings
from ironic_ext.media.stream import worker

LOG = logging.getLogger(__name__)

#: Called once in each process, after it was forked.
Connect = collections.abc.Callable[
    [], tuple[contract.Media, contract.Bases]]

#: Seconds beyond ``stop_timeout`` until a process is ended by force.
_PATIENCE = 5


class Shared:
    """What the parent makes for all processes."""

    def __init__(self, settings: server_settings.ServerSettings,
                 connect: Connect) -> None:
        """Open the sockets.

        :raises: OSError when the address is not free.
        """
        self.settings = settings
        self.connect = connect
        self.workers = settings.workers or os.cpu_count() or 1
        self.counters = metrics.SharedCounters(self.workers)
        self.listeners = [_listener(settings, settings.port)]
        self.port = self.listeners[0].getsockname()[1]
        for _ in range(self.workers - 1):
            self.listeners.append(_listener(settings, self.port, first=False))
        self.metrics = _metrics_listener(settings)
        # Of packets, so that no report is ever half there.
        self.channels = [
            socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            for _ in range(self.workers)]

    def close_listeners(self, but: int | None = None, *,
                        but_metrics: bool = False) -> None:
        """Take no more connections in this process, save by one of them."""
        for worker_id, listener in enumerate(self.listeners):
            if worker_id != but:
                listener.close()
        if self.metrics is not None and not but_metrics:
            self.metrics.close()


def _listener(settings: server_settings.ServerSettings, port: int, *,
              first: bool = True) -> socket.socket:
    """Return a listening socket.

    :param first: of this server. It wants the port for itself alone, and
        shares it only once it has it.
    :raises: OSError when the address is not free.
    """
    family = (socket.AF_INET6 if ':' in settings.host else socket.AF_INET)
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        if family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY,
                                settings.host != '::')
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if not first:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        listener.bind((settings.host, port))
        if first:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        listener.listen(settings.backlog)
    except OSError as exc:
        listener.close()
        raise _unavailable(settings.host, port, '', exc) from exc
    return listener


def _metrics_listener(settings: server_settings.ServerSettings
                      ) -> socket.socket | None:
    """Return the socket of Prometheus' page, None for no page.

    :raises: OSError when the address is not free.
    """
    host, port = settings.metrics_host, settings.metrics_port
    if port is None:
        return None
    try:
        return socket.create_server(
            (host, port),
            family=socket.AF_INET6 if ':' in host else socket.AF_INET)
    except OSError as exc:
        raise _unavailable(host, port, 'metrics_', exc) from exc


def _unavailable(host: str, port: int, prefix: str, exc: OSError) -> OSError:
    """Return what is raised where nothing can listen.

    :param prefix: of the options that name the address.
    """
    found = OSError(
        f'cannot listen on {host} port {port}: {exc.strerror}: '
        + (f'end what has the port, such as another ironic-media-server, or '
           f'set another [ext_media]{prefix}port'
           if exc.errno == errno.EADDRINUSE else
           f'look at [ext_media]{prefix}host_ip and {prefix}port'))
    found.errno = exc.errno
    return found


def tls_context(tls: server_settings.TlsSettings) -> ssl.SSLContext:
    """Return the context of the settings.

    :raises: OSError (ssl.SSLError) when a file is missing or unfit.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion[tls.minimum_version]
    context.load_cert_chain(tls.certificate_file, tls.key_file)
    if tls.ciphers:
        context.set_ciphers(tls.ciphers)
    if tls.client_ca_file:
        context.load_verify_locations(tls.client_ca_file)
        context.verify_mode = ssl.CERT_REQUIRED
    context.set_alpn_protocols(['http/1.1'])
    return context


class _Worker(cotyledon.Service):
    """One worker process."""

    name = 'media'

    def __init__(self, worker_id: cotyledon_types.WorkerId,
                 shared: Shared) -> None:
        super().__init__(worker_id)
        settings = shared.settings
        # A socket is closed when nobody has it any more.
        shared.close_listeners(but=worker_id)
        self._tls_settings = settings.tls
        self._tls = tls_context(settings.tls) if settings.tls else None
        self._counters = shared.counters.row(worker_id)
        self._counters.set(metrics.PID, os.getpid())
        channel = shared.channels[worker_id][0]
        channel.setblocking(False)
        media, bases = shared.connect()
        self._worker = worker.Worker(
            shared.listeners[worker_id], settings, media, bases,
            self._counters,
            lambda reports: recorder.send(channel, reports), self._tls)
        self._done = threading.Event()

    def run(self) -> None:
        """Serve until terminated."""
        try:
            self._worker.run()
        finally:
            self._counters.set(metrics.PID, 0)
            self._done.set()

    def terminate(self) -> None:
        """Let running requests end."""
        self._worker.stop()
        self._done.wait()

    def reload(self) -> None:
        """Take a new certificate for connections to come."""
        if self._tls is None or self._tls_settings is None:
            return
        try:
            self._tls.load_cert_chain(self._tls_settings.certificate_file,
                                      self._tls_settings.key_file)
        except OSError as exc:
            LOG.error('The certificate in use is kept, the new one is unfit: '
                      '%s', exc)


class _Recorder(cotyledon.Service):
    """The recorder process."""

    name = 'recorder'

    def __init__(self, worker_id: cotyledon_types.WorkerId,
                 shared: Shared) -> None:
        super().__init__(worker_id)
        shared.close_listeners(but_metrics=True)
        media, _bases = shared.connect()
        self._recorder = recorder.Recorder(
            [channel for _end, channel in shared.channels], shared.counters,
            media, shared.settings)
        self._done = threading.Event()
        if shared.metrics is not None:
            self._recorder.answer(shared.metrics)

    def run(self) -> None:
        """Gather until terminated."""
        try:
            self._recorder.run()
        finally:
            self._done.set()

    def terminate(self) -> None:
        """Write what is left."""
        self._recorder.stop()
        self._done.wait()

    def reload(self) -> None:
        """There is nothing to be read again."""


def run(settings: server_settings.ServerSettings, connect: Connect) -> None:
    """Serve until SIGTERM; ends the process (SystemExit).

    Dead workers are started again. SIGHUP makes them read the certificate
    again; connections that are open keep the old one.

    :param connect: called in each process for its own media and bases.
    :raises: OSError when the address is not free or a certificate is unfit.
    """
    if settings.tls:
        tls_context(settings.tls)       # fail here rather than in a worker
    _raise_file_limit()
    shared = Shared(settings, connect)
    manager = cotyledon.ServiceManager(
        graceful_shutdown_timeout=round(settings.stop_timeout) + _PATIENCE,
        mp_context=multiprocessing.get_context('fork'))
    workers = manager.add(_Worker, shared.workers, args=(shared,))
    manager.add(_Recorder, 1, args=(shared,))

    def died(service: object, worker_id: int, code: int) -> None:
        if service == workers and code:
            counters = shared.counters.row(worker_id)
            counters.add('crashes_total')
            counters.set('open_connections', 0)

    manager.register_hooks(on_terminate=shared.close_listeners,
                           on_dead_worker=died)
    if shared.metrics is not None:
        LOG.info('Metrics at http://%s:%d/metrics', settings.metrics_host,
                 shared.metrics.getsockname()[1])
    LOG.info('Serving media at %s://%s:%d with %d workers',
             'https' if settings.tls else 'http',
             f'[{settings.host}]' if ':' in settings.host else settings.host,
             shared.port, shared.workers)
    # What is never looked at again stays shared between the processes.
    gc.collect()
    gc.freeze()
    manager.run()


def _raise_file_limit() -> None:
    """Allow as many connections and files as the system lets us have."""
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
