# SPDX-License-Identifier: Apache-2.0

"""What the boot server refuses: one sentence each, without secrets."""

import collections.abc
import typing


class ServerError(Exception):
    """A request cannot be served.

    :ivar code: the HTTP status.
    :ivar reason: Kubernetes' word for it.
    """

    code = 500
    reason = 'InternalError'

    def __init__(self, message: str, causes: collections.abc.Sequence[
            dict[str, typing.Any]] = ()) -> None:
        """Keep the sentence that the client gets.

        :param causes: what is wrong with which field.
        """
        super().__init__(message)
        self.causes = tuple(causes)


class BadRequestError(ServerError):
    """The request is malformed, or asks for what can never be."""

    code, reason = 400, 'BadRequest'


class UnauthorizedError(ServerError):
    """Nobody knows who asks."""

    code, reason = 401, 'Unauthorized'


class ForbiddenError(ServerError):
    """Who asks may not."""

    code, reason = 403, 'Forbidden'


class NotFoundError(ServerError):
    """There is no such thing."""

    code, reason = 404, 'NotFound'


class TimedOutError(ServerError):
    """The client takes too long."""

    code, reason = 408, 'Timeout'


class ConflictError(ServerError):
    """The state of things does not allow it."""

    code, reason = 409, 'Conflict'


class GoneError(ServerError):
    """What changed since then is no longer known."""

    code, reason = 410, 'Expired'


class PreconditionError(ServerError):
    """If-Match does not match."""

    code, reason = 412, 'PreconditionFailed'


class TooLargeError(ServerError):
    """The body has too many bytes."""

    code, reason = 413, 'RequestEntityTooLarge'


class MediaTypeError(ServerError):
    """The body is of a type that is not understood."""

    code, reason = 415, 'UnsupportedMediaType'


class TooManyError(ServerError):
    """The server does enough of that already."""

    code, reason = 429, 'TooManyRequests'


class IronicError(ServerError):
    """Ironic does not do what it was asked."""

    code, reason = 502, 'BadGateway'


class UnavailableError(ServerError):
    """The server cannot say yet."""

    code, reason = 503, 'ServiceUnavailable'


class BusyError(UnavailableError):
    """More ask than can be served: nothing that the log has for each."""
