# SPDX-License-Identifier: Apache-2.0

"""The lab's media servers: replicas, and what stands before them."""

from collections.abc import Sequence
import pathlib
import selectors
import socket
import sys
import threading
import urllib.request

from lab import process

PROGRAM = str(pathlib.Path(sys.executable).parent / 'ironic-media-server')
#: Where it is on record what BMCs have read.
READS_CONFIG = """\
[ext_media]
connection = sqlite:///{directory}/media.sqlite
"""
#: What conductor and media servers have to agree on.
SHARED_CONFIG = """\
[ext_images]
cache_dir = {directory}/store
min_free_space = 0

""" + READS_CONFIG + """\
delivery = {delivery}
server_url = {url}
"""

_CONFIG = SHARED_CONFIG + """\
overlay_dir = {directory}/overlays-{port}
host_ip = 127.0.0.1
port = {port}
workers = 1
metrics_port = {metrics_port}
stop_timeout = 5

[ext_state]
dir = {directory}/state-{port}

[conductor]
file_url_allowed_paths = {images}
"""


class MediaServer(process.Service):
    """One replica of ironic-media-server.

    :param directory: of the database and the image store, which may be
        those of other replicas.
    :param images: where file:// images are.
    :param extra: further configuration, which counts more.
    """

    def __init__(self, name: str, directory: pathlib.Path,
                 images: pathlib.Path, *, extra: str = '',
                 outlives: bool = False) -> None:
        super().__init__(name, directory, outlives=outlives)
        self.port = process.free_port()
        self.url = f'http://127.0.0.1:{self.port}'
        self.metrics_url = f'http://127.0.0.1:{process.free_port()}/metrics'
        self.config = directory / f'{name}.conf'
        self.config.write_text(_CONFIG.format(
            directory=directory, delivery='stream', url=self.url,
            port=self.port, images=images,
            metrics_port=self.metrics_url.split(':')[2].split('/')[0])
            + extra)

    def command(self) -> Sequence[str]:
        return [PROGRAM, '--config-file', str(self.config)]

    def is_ready(self) -> bool:
        try:
            with urllib.request.urlopen(f'{self.url}/healthz',
                                        timeout=5) as answer:
                return answer.status == 200
        except OSError:
            return False


class LoadBalancer:
    """Passes TCP connections on to one of several servers.

    Its port, and so the URL of the media, stays when a server goes.
    """

    def __init__(self, target: MediaServer) -> None:
        self._target = target
        self._lock = threading.Lock()
        self._pairs: dict[socket.socket, socket.socket] = {}
        self._clients: set[socket.socket] = set()
        self._listener = socket.create_server(('127.0.0.1', 0))
        self.url = f'http://127.0.0.1:{self._listener.getsockname()[1]}'
        self._allowance: int | None = None
        self._held = threading.Event()
        self._released = threading.Event()
        self._selector = selectors.DefaultSelector()
        self._wake, self._woken = socket.socketpair()
        # Else the interpreter waits for it before it stops the lab.
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        """Begin to listen."""
        for one in (self._listener, self._woken):
            self._selector.register(one, selectors.EVENT_READ)
        self._thread.start()

    def stop(self) -> None:
        """Close everything."""
        self._released.set()
        if self._thread.is_alive():
            self._wake.send(b'x')
            self._thread.join()
        for one in (self._listener, self._wake, self._woken):
            one.close()
        self._selector.close()

    def switch(self, target: MediaServer) -> None:
        """Use another server, and cut the connections to the one before."""
        with self._lock:
            self._target = target
            for one in self._pairs:
                one.shutdown(socket.SHUT_RDWR)

    def hold_after(self, count: int) -> None:
        """Pass nothing on any more after some bytes for the clients.

        What is to happen in the midst of a download happens there, however
        fast the machine is.

        :param count: bytes.
        """
        self._released.clear()
        self._held.clear()
        self._allowance = count

    def is_held(self) -> bool:
        """Tell whether nothing is passed on any more."""
        return self._held.is_set()

    def release(self) -> None:
        """Go on after a hold."""
        self._released.set()

    def _run(self) -> None:
        while True:
            for key, _events in self._selector.select():
                if key.fileobj is self._woken:
                    for one in list(self._pairs):
                        self._close(one)
                    return
                if key.fileobj is self._listener:
                    self._accept()
                elif key.fileobj in self._pairs:
                    self._pass_on(key.fileobj)

    def _accept(self) -> None:
        client, _address = self._listener.accept()
        with self._lock:
            try:
                server = socket.create_connection(
                    ('127.0.0.1', self._target.port), timeout=10)
            except OSError:
                client.close()
                return
            for one, other in ((client, server), (server, client)):
                one.settimeout(10)
                self._pairs[one] = other
                self._selector.register(one, selectors.EVENT_READ)
            self._clients.add(client)

    def _pass_on(self, one: socket.socket) -> None:
        try:
            data = one.recv(1 << 16)
            if data:
                self._pairs[one].sendall(data)
                if one not in self._clients:
                    self._count(len(data))
                return
        except OSError:
            pass
        self._close(one)

    def _count(self, count: int) -> None:
        if self._allowance is None:
            return
        self._allowance -= count
        if self._allowance <= 0:
            self._allowance = None
            self._held.set()
            self._released.wait()

    def _close(self, one: socket.socket) -> None:
        with self._lock:
            for end in (one, self._pairs.get(one)):
                if end is not None and self._pairs.pop(end, None):
                    self._clients.discard(end)
                    self._selector.unregister(end)
                    end.close()
