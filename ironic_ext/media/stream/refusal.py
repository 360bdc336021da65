# SPDX-License-Identifier: Apache-2.0

"""Why a medium is not served: what the client and what the log are told.

A client learns no more than it needs: whoever tries tokens gets the same
404 for all that is unknown.
"""

import typing

from ironic_ext.media.stream import admission
from ironic_ext.media.stream import contract


class Refusal(typing.NamedTuple):
    """An answer instead of the image.

    :ivar extra: further header lines.
    :ivar warning: for the log; '' when it is not worth a line.
    """

    status: int
    text: str
    extra: bytes = b''
    warning: str = ''


NOTHING_HERE = Refusal(404, 'There is nothing here.')
_OVER = Refusal(410, 'This image is not available any more.')


def of_error(error: BaseException, client: str) -> Refusal:
    """Return the answer for a token that opens nothing at the moment."""
    known = isinstance(error, contract.StreamError)
    reason = str(error) if known else repr(error)
    if isinstance(error, contract.ExpiredError | contract.RevokedError):
        return _OVER._replace(warning=f'Refused {client}: {reason}')
    warning = f'Cannot serve {client}: {reason}'
    if isinstance(error,
                  contract.UnavailableError | contract.BaseMissingError):
        return Refusal(503, 'Try again later.', b'Retry-After: 5\r\n',
                       warning)
    return Refusal(500, 'This image cannot be served.', b'', warning)


def of_medium(served: admission.Served, name: str, client: str
              ) -> Refusal | None:
    """Return None when that client may read the medium by that name.

    :param name: the last part of the path, '' in its short forms.
    """
    if name and name != served.stream.name:
        return NOTHING_HERE
    if served.ended is not None:
        return _OVER
    if not served.admits(client):
        return Refusal(403, 'Not from this address.', b'',
                       f'Refused {client}: not in the networks that may '
                       f'read medium {served.stream.id}')
    return None
