# SPDX-License-Identifier: Apache-2.0

"""Why an image could not be had over HTTP, in one sentence.

Texts of requests' exceptions hold URLs with their queries and passwords, so
none of them is ever shown or chained.
"""

import collections.abc
import http.client
import socket
import ssl

import requests
import urllib3
from urllib3.util import ssl_match_hostname

from ironic_ext.images import errors
from ironic_ext.images.http import headers as http_headers

_RETRIED = (408, 425, 429)
_NOT_RETRIED = (501, 505)
# X509_V_ERR_* of OpenSSL's x509_vfy.h, as SSLCertVerificationError has them.
_NOT_TRUSTED = (2, 18, 19, 20, 21)
_CERTIFICATE = {
    9: 'the certificate of the server is not valid yet: check both clocks',
    10: 'the certificate of the server has expired: renew it there',
    62: 'the certificate of the server is for another host name: use the '
        'name that is in the certificate',
    64: 'the certificate of the server does not name this IP address: use '
        'the name that is in the certificate'}
_UNTRUSTED = ('the certificate of the server is signed by a CA that is not '
              'trusted: give the CA certificate')
# Alerts of RFC 8446, section 6, as OpenSSL words them.
_ALERTS = {
    'CERTIFICATE_REQUIRED': 'the server wants a client certificate',
    'BAD_CERTIFICATE': 'the server rejects the client certificate',
    'UNKNOWN_CA': 'the server rejects the client certificate',
    'CERTIFICATE_EXPIRED': 'the client certificate has expired',
    'CERTIFICATE_UNKNOWN': 'the server rejects the client certificate',
    'KEY_VALUES_MISMATCH': 'the client certificate and its key do not '
                           'belong together',
    'WRONG_VERSION_NUMBER': 'the server does not speak TLS at this port: is '
                            'the URL to begin with http://?',
    'HTTP_REQUEST': 'the server does not speak TLS at this port',
    'UNSUPPORTED_PROTOCOL': 'the server speaks an old TLS version only',
    'PROTOCOL_VERSION': 'the server wants another TLS version',
    'HANDSHAKE_FAILURE': 'the TLS handshake failed: the server wants a '
                         'client certificate or other ciphers'}


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
    chain = list(_chain(exc))
    if isinstance(exc, (requests.exceptions.InvalidURL,
                        requests.exceptions.InvalidSchema,
                        requests.exceptions.MissingSchema,
                        requests.exceptions.InvalidProxyURL,
                        urllib3.exceptions.LocationParseError)):
        what = ('the URL of the proxy' if isinstance(
            exc, requests.exceptions.InvalidProxyURL) else name)
        return errors.HrefError(f'{what} is no valid URL')
    if (final := _final_reason(chain)) is not None:
        kind = (errors.ImageAccessError if 'proxy wants' in final
                or 'client certificate' in final else errors.ImageError)
        return kind(f'cannot download {name}: {final}')
    return TransientError(errors.ImageError(
        f'cannot download {name}: {_passing_reason(chain)}'))


def _final_reason(chain: list[BaseException]) -> str | None:
    """Say what trying again cannot mend, None when it is not that."""
    for exc in chain:
        if isinstance(exc, ssl.SSLCertVerificationError):
            if exc.verify_code in _NOT_TRUSTED:
                return _UNTRUSTED
            return _CERTIFICATE.get(
                exc.verify_code, 'the certificate of the server is not '
                f'accepted ({exc.verify_message})')
        if isinstance(exc, ssl_match_hostname.CertificateError):
            # urllib3 compares names itself where the TLS context does not.
            return _CERTIFICATE[62]
    for exc in chain:
        if isinstance(exc, ssl.SSLError):
            for alert, text in _ALERTS.items():
                if alert in (exc.reason or ''):
                    return text
    for exc in chain:
        if isinstance(exc, socket.gaierror) and exc.errno in (
                socket.EAI_NONAME, getattr(socket, 'EAI_NODATA', None)):
            return ('its host name is not known: check the URL and the name '
                    'service of the conductor')
        if type(exc) is OSError and 'Tunnel connection failed: ' in str(exc):
            # http.client says no more than the status line of the proxy.
            if ' 407' in str(exc) or ' 401' in str(exc):
                return 'the proxy wants other credentials'
            if ' 403' in str(exc):
                return 'the proxy refuses to connect to the server'
    if isinstance(chain[0], ValueError):
        return ('the request cannot be made: check the URL, the credentials '
                'and the TLS settings')
    # requests and ssl report a missing or broken file without a type.
    if type(chain[0]) is OSError:
        return ('a TLS file cannot be read: check the CA bundle, the client '
                'certificate and its key')
    return None


def _passing_reason(chain: list[BaseException]) -> str:
    def any_is(*kinds: type[BaseException]) -> bool:
        return any(isinstance(exc, kinds) for exc in chain)

    where = ' by the proxy' if any_is(requests.exceptions.ProxyError) else ''
    if any_is(ConnectionRefusedError):
        return (f'the connection was refused{where}: is the server running, '
                'and is the port right?')
    if any_is(socket.gaierror):
        return 'the name service does not answer'
    if any_is(requests.exceptions.ConnectTimeout):
        return (f'no connection in time{where}: is the server up and '
                'reachable from the conductor?')
    if any_is(requests.exceptions.Timeout, urllib3.exceptions.TimeoutError,
              TimeoutError):
        return 'the server sends nothing any more'
    if any_is(urllib3.exceptions.ProtocolError, http.client.HTTPException,
              ConnectionResetError, BrokenPipeError, ssl.SSLError):
        return 'the connection broke off'
    return (f'no connection{where}: is the server up and reachable from the '
            'conductor?')


def _chain(exc: BaseException) -> collections.abc.Iterator[BaseException]:
    """Yield an exception and what is wrapped in it, each once."""
    found = [exc]
    seen: set[int] = set()
    while found:
        item = found.pop(0)
        if id(item) in seen:
            continue
        seen.add(id(item))
        yield item
        parts = [*item.args, getattr(item, 'reason', None),
                 item.__cause__, item.__context__]
        found += [part for part in parts if isinstance(part, BaseException)]
