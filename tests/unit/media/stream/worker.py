# SPDX-License-Identifier: Apache-2.0

"""A worker of the media server in a thread, for the unit tests."""

import contextlib
import dataclasses
import http.client
import pathlib
import socket
import threading
import time

import fixtures

from ironic_ext.media import medium
from ironic_ext.media.stream import base
from ironic_ext.media.stream import metrics
from ironic_ext.media.stream import settings
from ironic_ext.media.stream import worker
from tests import media_streams

TOKEN = 'T' * 22
PATH = f'/{TOKEN}/node-1.iso'
MODIFIED = media_streams.MODIFIED
#: Seconds: more than any test needs on a busy machine.
PATIENCE = 20


def await_true(condition, what):
    """Wait until condition() is true.

    :raises: AssertionError when it takes too long.
    """
    end = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > end:
            raise AssertionError(f'waited in vain for {what}')
        time.sleep(0.005)


def stream(path: pathlib.Path, **fields) -> medium.Stream:
    """Return the stream of a plain image."""
    size = path.stat().st_size
    return media_streams.stream({
        'id': 'medium-1', 'name': 'node-1.iso',
        'digest': 'sha256:aa', 'size': size, 'base_digest': 'sha256:aa',
        'base_size': size, **fields})


class Surroundings:
    """The Media and the Bases.

    :ivar media: token -> stream, or the error that ``find`` raises.
    :ivar failure: what every call raises, or None.
    :ivar opened: the bases that were opened.
    """

    def __init__(self):
        self.media = {}
        self.paths = {}
        self.failure = None
        self.lookups = []
        self.opened = []
        self.make_base = base.FileBase

    def find(self, token):
        self.lookups.append(token)
        if self.failure:
            raise self.failure
        found = self.media.get(token)
        if isinstance(found, Exception):
            raise found
        return found

    def still_valid(self, medium_ids):
        if self.failure:
            raise self.failure
        return {found.id for found in self.media.values()
                if isinstance(found, medium.Stream)
                and found.id in medium_ids}

    def record_reads(self, reports):
        raise NotImplementedError

    def open(self, wanted):
        found = self.make_base(self.paths[wanted.base.digest])
        self.opened.append(found)
        return found


class RunningWorker(fixtures.Fixture):
    """A worker that serves on a port of its own.

    :ivar surroundings: what it asks.
    :ivar reports: what it reported.
    """

    def __init__(self, tls=None, **options):
        super().__init__()
        self._tls = tls
        self.settings = dataclasses.replace(
            settings.ServerSettings(tick=0.05, recheck_interval=0.05),
            **options)
        self.surroundings = Surroundings()
        self.reports = []
        self.counters = metrics.SharedCounters(1)

    def _setUp(self):
        listener = socket.socket()
        listener.bind(('127.0.0.1', 0))
        listener.listen(128)
        self.port = listener.getsockname()[1]
        self.worker = worker.Worker(
            listener, self.settings, self.surroundings, self.surroundings,
            self.counters.row(0), self._report, self._tls)
        self.thread = threading.Thread(target=self.worker.run, daemon=True)
        self.thread.start()
        self.addCleanup(listener.close)
        self.addCleanup(self.stop)

    def _report(self, reports):
        self.reports += reports
        return len(reports)

    def stop(self):
        """Stop it and wait until it has ended."""
        with contextlib.suppress(RuntimeError):     # it is closed already
            self.worker.stop()
        self.thread.join(PATIENCE + self.settings.stop_timeout)
        assert not self.thread.is_alive()

    def serve(self, path, token=TOKEN, **fields):
        """Serve a file as a plain image, or with an overlay."""
        found = stream(path, **fields)
        self.surroundings.paths[found.base.digest] = path
        self.surroundings.media[token] = found
        return found

    def count(self, name):
        """Return a counter's value."""
        return next(metric.value for metric in self.counters.read()
                    if metric.name == name)

    def connect(self, receive_buffer=None):
        """Return a connected socket, whose test has to close it."""
        sock = socket.socket()
        sock.settimeout(PATIENCE)
        if receive_buffer:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF,
                            receive_buffer)
        sock.connect(('127.0.0.1', self.port))
        return sock

    def request(self, path=PATH, method='GET', **headers):
        """Ask on a new connection; return the response and its body."""
        connection = http.client.HTTPConnection('127.0.0.1', self.port,
                                                timeout=PATIENCE)
        with contextlib.closing(connection):
            connection.request(method, path, headers={
                name.replace('_', '-'): value
                for name, value in headers.items()})
            response = connection.getresponse()
            return response, response.read()
