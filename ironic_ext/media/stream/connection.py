# SPDX-License-Identifier: Apache-2.0

"""One connection of a reader of media: whether it may, and what it gets."""

import asyncio
import functools
import socket
import time
import typing

from ironic_ext.media.stream import admission
from ironic_ext.media.stream import contract
from ironic_ext.media.stream.http import body as bodies
from ironic_ext.media.stream.http import connection
from ironic_ext.media.stream.http import request as requests
from ironic_ext.media.stream.http import response as responses
from ironic_ext.media.stream import reads
from ironic_ext.media.stream import refusal
from ironic_ext.media.stream import route


class Host(connection.Host, typing.Protocol):
    """What a connection asks of its worker."""

    @property
    def admissions(self) -> admission.Admissions:
        """The media that are served."""

    @property
    def reads(self) -> reads.ReadLog:
        """Where it is noted what went out."""

    def fetch(self, served: admission.Served, source: bodies.Source,
              offset: int, length: int) -> 'asyncio.Task[bytes]':
        """Read from a base that is elsewhere, in a thread."""

    def warn(self, sentence: str) -> None:
        """Log a sentence, the same one once in a while."""


class Connection(connection.Connection):
    """A client's connection.

    :ivar served: the medium of the response under way, or None.
    """

    __slots__ = ('served', '_worker', '_target', '_route', '_granted',
                 '_reads')

    def __init__(self, worker: Host, sock: socket.socket, client: str
                 ) -> None:
        self._worker = worker
        self.served: admission.Served | None = None
        # A client asks for one image all the time: its path, what that
        # says, and the medium once it may read it.
        self._target = b''
        self._route: tuple[str, str] | None = None
        self._granted: admission.Served | None = None
        self._reads: reads.Reader | None = None
        super().__init__(worker, sock, client)

    # Answering.

    def _answer(self, request: requests.Request) -> None:
        if request.target != self._target:
            self._target = request.target
            self._route = route.of(request)
            self._granted = None
        granted = self._granted
        if granted is not None and granted.fresh_until > time.monotonic():
            self._send_medium(request, granted)
            return
        if self._route is None:
            self._answer_other(request)
            return
        token, name = self._route
        served = self._worker.admissions.at_hand(token)
        if served is not None:
            self._answer_medium(request, name, served)
            return
        self._state = connection.WAITING
        self._worker.admissions.admit(token).add_done_callback(
            functools.partial(self._admitted, request, name))

    def _answer_other(self, request: requests.Request) -> None:
        if request.path() not in (b'/healthz', b'/readyz'):
            self._turn_down(request, refusal.NOTHING_HERE)
        elif self._worker.stopping or not self._worker.admissions.answering:
            self._turn_down(request, refusal.Refusal(503, 'Not ready.'))
        else:
            self._send(responses.sentence(200, 'Ready.', self._worker.date,
                                          request))

    def _admitted(self, request: requests.Request, name: str,
                  task: 'asyncio.Task[admission.Served | None]') -> None:
        """Go on with a request whose token was looked up."""
        if self._state is connection.CLOSED or task.cancelled():
            return
        self._state = connection.READING
        error = task.exception()
        served = None if error else task.result()
        if served is not None:
            self._answer_medium(request, name, served)
        else:
            self._turn_down(request, refusal.of_error(error, self._client)
                            if error else refusal.NOTHING_HERE)
        self._go_on()

    def _answer_medium(self, request: requests.Request, name: str,
                       served: admission.Served) -> None:
        refused = refusal.of_medium(served, name, self._client)
        if refused is not None:
            self._turn_down(request, refused)
            return
        self._granted = served
        self._reads = self._sender.reader = self._worker.reads.reader(
            served.stream, self._client)
        self._send_medium(request, served)

    def _send_medium(self, request: requests.Request,
                     served: admission.Served) -> None:
        response = served.representation.answer(request, self._worker.date)
        reader = self._reads
        if reader is not None and response.pieces:
            self.served = served
            served.used = self._worker.clock
            if not reader.requests:
                reader.first_at = time.time()
            reader.requests += 1
        self._send(response)

    def _turn_down(self, request: requests.Request, why: refusal.Refusal
                   ) -> None:
        if why.warning:
            self._worker.warn(why.warning)
        self._send(responses.sentence(
            why.status, why.text, self._worker.date, request, why.extra))

    # Sending.

    def _sent(self) -> None:
        self.served = None

    def _failed(self, error: bodies.SourceError) -> None:
        served = self.served
        if served is not None:
            self._worker.warn(f'Ended a response of medium '
                              f'{served.stream.id}: {error}')
            if isinstance(error, bodies.TruncatedError):
                error = contract.BaseChangedError(str(error))
            if isinstance(error, contract.BaseChangedError):
                self._worker.admissions.base_failed(served, error)
        self.abort()

    def _bring(self) -> None:
        assert self.served is not None
        self._worker.fetch(
            self.served, *self._sender.wanted()).add_done_callback(
                self._brought)

    def _brought(self, task: 'asyncio.Task[bytes]') -> None:
        if self._state is connection.CLOSED or task.cancelled():
            return
        try:
            data = task.result()
        except bodies.SourceError as exc:
            self._failed(exc)
        else:
            self._supply(data)

    def close(self) -> None:
        """Close the socket and forget everything."""
        super().close()
        self.served = self._granted = None
