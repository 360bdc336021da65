# SPDX-License-Identifier: Apache-2.0

"""Why a server could not be asked: sentences to act upon.

Texts of requests' exceptions hold URLs with their queries and passwords, so
none of them is ever shown.
"""

import collections.abc
import dataclasses
import enum
import http.client
import socket
import ssl

import requests
import urllib3

from ironic_ext.web import tls


class Kind(enum.Enum):
    """What a failure is about."""

    URL = 'the URL'
    PROXY_URL = 'the URL of the proxy'
    CERTIFICATE = 'the certificate of the server'
    CLIENT = 'the client certificate'
    TLS = 'the TLS handshake'
    PROXY = 'the proxy'
    NAME = 'the host name'
    SETTINGS = 'what the request is made of'
    SILENCE = 'no answer in time'
    NETWORK = 'the connection'


#: What may be gone the next time.
PASSING = frozenset((Kind.SILENCE, Kind.NETWORK))
_URLS = (requests.exceptions.InvalidURL, requests.exceptions.InvalidSchema,
         requests.exceptions.MissingSchema,
         urllib3.exceptions.LocationParseError)


@dataclasses.dataclass(frozen=True)
class Failure:
    """Why a request failed.

    :ivar text: a clause without a full stop, with advice.
    """

    kind: Kind
    text: str


def of_exception(exc: Exception, ca: str) -> Failure:
    """Say what an exception of requests or urllib3 means.

    :param ca: what to do about a CA that is not trusted.
    """
    if isinstance(exc, requests.exceptions.InvalidProxyURL):
        return Failure(Kind.PROXY_URL, 'the URL of the proxy is no valid URL')
    if isinstance(exc, _URLS):
        return Failure(Kind.URL, 'it is no valid URL')
    chain = list(causes(exc))
    if (text := tls.of_certificate(chain, ca)) is not None:
        return Failure(Kind.CERTIFICATE,
                       f'the certificate of the server {text}')
    if (text := tls.of_client(chain)) is not None:
        return Failure(Kind.CLIENT, text)
    if (text := tls.of_handshake(chain)) is not None:
        return Failure(Kind.TLS, text)
    return _lasting(chain) or _passing(chain)


def _lasting(chain: list[BaseException]) -> Failure | None:
    """Say what trying again cannot mend, None when it is not that."""
    for exc in chain:
        if isinstance(exc, socket.gaierror) and exc.errno in (
                socket.EAI_NONAME, getattr(socket, 'EAI_NODATA', None)):
            return Failure(
                Kind.NAME, 'its host name is not known: check the URL and '
                'the name service of this host')
        if type(exc) is OSError and 'Tunnel connection failed: ' in str(exc):
            # http.client says no more than the status line of the proxy.
            if ' 407' in str(exc) or ' 401' in str(exc):
                return Failure(Kind.PROXY,
                               'the proxy wants other credentials')
            if ' 403' in str(exc):
                return Failure(Kind.PROXY, 'the proxy refuses to connect to '
                                           'the server')
    if isinstance(chain[0], ValueError):
        return Failure(
            Kind.SETTINGS, 'the request cannot be made: check the URL, the '
            'credentials and the TLS settings')
    # requests and ssl report a missing or broken file without a type.
    if type(chain[0]) is OSError:
        return Failure(
            Kind.SETTINGS, 'a TLS file cannot be read: check the CA bundle, '
            'the client certificate and its key')
    return None


def _passing(chain: list[BaseException]) -> Failure:
    def any_is(*kinds: type[BaseException]) -> bool:
        return any(isinstance(exc, kinds) for exc in chain)

    where = ' by the proxy' if any_is(requests.exceptions.ProxyError) else ''
    if any_is(ConnectionRefusedError):
        return Failure(
            Kind.NETWORK, f'the connection was refused{where}: is the '
            'server running, and is the port right?')
    if any_is(socket.gaierror):
        return Failure(Kind.NETWORK, 'the name service does not answer')
    if any_is(requests.exceptions.ConnectTimeout):
        return Failure(
            Kind.SILENCE, f'no connection in time{where}: is the server up '
            'and reachable from this host?')
    if any_is(requests.exceptions.Timeout, urllib3.exceptions.TimeoutError,
              TimeoutError):
        return Failure(Kind.SILENCE, 'the server sends nothing any more')
    if any_is(urllib3.exceptions.ProtocolError, http.client.HTTPException,
              ConnectionResetError, BrokenPipeError, ssl.SSLError):
        return Failure(Kind.NETWORK, 'the connection broke off')
    return Failure(
        Kind.NETWORK, f'no connection{where}: is the server up and '
        'reachable from this host?')


def causes(exc: BaseException) -> collections.abc.Iterator[BaseException]:
    """Yield an exception and what is wrapped in it, each once."""
    found: list[object] = [exc]
    seen: set[int] = set()
    while found:
        item = found.pop(0)
        if not isinstance(item, BaseException) or id(item) in seen:
            continue
        seen.add(id(item))
        yield item
        found += [*item.args, getattr(item, 'reason', None),
                  item.__cause__, item.__context__]
