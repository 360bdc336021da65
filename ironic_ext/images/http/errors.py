# SPDX-License-Identifier: Apache-2.0

"""Why an image could not be had over HTTP, in one sentence.

Exceptions of requests are never chained: their texts hold URLs with queries
and passwords.
"""

from ironic_ext.images import errors
from ironic_ext.images.http import headers as http_headers
from ironic_ext.web import failures

_RETRIED = (408, 425, 429)
_NOT_RETRIED = (501, 505)
_CA = 'give the CA certificate'
_ACCESS = (failures.Kind.CLIENT, failures.Kind.PROXY)


class TransientError(Exception):
    """A failure that may be gone the next time.

    :ivar error: what to raise if it is not.
    :ivar retry_after: seconds that the server asks to wait, or 0.
    """

    def __init__(self, error: errors.ImageError,
                 retry_after: float = 0) -> None:
        super().__init__(str(error))
        self.error = error
        self.retry_after = retry_after


class ChangedError(TransientError):
    """The source has another version of the image than a moment ago."""

    def __init__(self, name: str) -> None:
        super().__init__(errors.ImageChangedError(
            f'{name} changes while it is read: publish a new version in one '
            'step, and let all servers behind its URL send the same ETag'))


def of_status(name: str, status: int, headers: http_headers.Headers, *,
              credentials: bool = False
              ) -> errors.ImageError | TransientError:
    """Return what to raise for an answer that is no success.

    :param name: of the image, fit for messages.
    :param credentials: whether the request had some.
    """
    text = f'the image server answered {status} for {name}'
    if status == 401:
        return errors.ImageAccessError(
            f'{text}: ' + ('it does not accept these credentials'
                           if credentials else 'it wants credentials'))
    if status == 403:
        return errors.ImageAccessError(
            f'{text}: it refuses access: check the URL, whether it has '
            'expired, and the credentials')
    if status == 407:
        return errors.ImageAccessError(
            f'the proxy wants other credentials to get {name}')
    if status in (404, 410):
        return errors.ImageNotFoundError(f'{text}: check the URL')
    if status in _RETRIED or (status >= 500 and status not in _NOT_RETRIED):
        return TransientError(
            errors.ImageError(f'{text}: try again later'),
            http_headers.retry_after(headers))
    return errors.ImageError(f'{text}: check the URL')


def of_exception(name: str, exc: Exception
                 ) -> errors.ImageError | TransientError:
    """Return what to raise for an exception of requests or urllib3.

    :param name: of the image, fit for messages.
    """
    found = failures.of_exception(exc, _CA)
    if found.kind is failures.Kind.URL:
        return errors.HrefError(f'{name} is no valid URL')
    if found.kind is failures.Kind.PROXY_URL:
        return errors.HrefError(found.text)
    kind = (errors.ImageAccessError if found.kind in _ACCESS
            else errors.ImageError)
    error = kind(f'cannot download {name}: {found.text}')
    return (TransientError(error) if found.kind in failures.PASSING
            else error)
