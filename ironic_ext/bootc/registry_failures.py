# SPDX-License-Identifier: Apache-2.0

"""What the failures of requests to registries mean: sentences to act upon.

Texts of requests' exceptions may hold the password of a proxy, so none of
them is ever shown or chained.
"""

import collections.abc
import json
import ssl
import typing
from urllib import parse as urlparse

import requests
import urllib3

from ironic_ext.bootc import errors

# X509_V_ERR_* of OpenSSL's x509_vfy.h.
_CERTIFICATES = {
    9: 'is not valid yet: check both clocks',
    10: 'has expired: renew it there',
    62: 'is for another host name: use the name that is in the certificate',
    64: 'does not name this IP address: use the name that is in the '
        'certificate'}
_UNTRUSTED = ('is signed by an authority that is not trusted: give its '
              'certificate as bootc_ca')


def of_exception(exc: Exception, url: str, name: str, timeout: float
                 ) -> errors.RegistryError:
    """Return what to raise for an exception of requests or urllib3.

    :param url: that was asked; only its host is shown.
    :param name: of the image.
    :param timeout: seconds that were waited at most.
    """
    host = host_of(url)
    causes = [*_chain(exc)]
    for cause in causes:
        if isinstance(cause, ssl.SSLCertVerificationError):
            what = _CERTIFICATES.get(cause.verify_code, _UNTRUSTED)
            return errors.CertificateError(
                f'the certificate of {host} {what}')
    if isinstance(exc, requests.exceptions.ProxyError):
        return errors.RegistryError(
            f'the proxy does not lead to {host}: check its URL, user and '
            'password')
    if isinstance(exc, requests.exceptions.SSLError):
        return errors.CertificateError(
            f'{host} does not speak TLS as it should: is it a registry '
            'without TLS (bootc_insecure)?')
    if isinstance(exc, requests.exceptions.Timeout) or any(
            isinstance(cause, urllib3.exceptions.ReadTimeoutError)
            for cause in causes):
        return of_silence(host, name, timeout)
    if isinstance(exc, requests.exceptions.ConnectionError):
        return errors.RegistryError(
            f'{host} cannot be reached: check the name, the port and the '
            'network')
    return errors.RegistryError(f'{host} gives no usable answer for {name}')


def of_silence(host: str, name: str, timeout: float
               ) -> errors.RegistryTimeoutError:
    """Return what to raise where there was no answer for so many seconds."""
    return errors.RegistryTimeoutError(
        f'the registry {host}, asked for {name}, does not answer in '
        f'{timeout:.0f} seconds: try again, or look at network and proxy')


def of_status(where: str, status: int, body: bytes, name: str, *,
              credentials: bool, wait: str | None = None
              ) -> errors.RegistryError:
    """Return what to raise for an answer that is none.

    :param where: kind and host of the server.
    :param credentials: whether the server could have been shown some.
    :param wait: its Retry-After.
    """
    if status in (401, 403) or _codes(body) & {'UNAUTHORIZED', 'DENIED'}:
        return errors.UnauthorisedError(
            f'the {where} does not accept the credentials for {name}, or '
            'there is no such image' if credentials else
            f'the {where} wants credentials for {name} (image_pull_secret), '
            'or there is no such image')
    if status == 404:
        return errors.NoSuchImageError(f'the {where} has no image {name}')
    if status == 429:
        later = (f'in {wait} seconds' if wait and wait.isdecimal()
                 and len(wait) < 10 else 'later')
        return errors.RegistryError(
            f'the {where} was asked too often for {name}: try again {later}, '
            'or give credentials')
    advice = 'try again later' if status >= 500 else 'see its log'
    return errors.RegistryError(
        f'the {where} answers {status} for {name}: {advice}')


def host_of(url: str) -> str:
    """Return the host of a URL, which is what may be shown of it."""
    try:
        return urlparse.urlsplit(url).netloc.rpartition('@')[2][
            :100] or '(no URL)'
    except ValueError:
        return '(malformed URL)'


def json_object(body: bytes) -> dict[str, typing.Any]:
    """Return a JSON object, or {} of what is none."""
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _codes(body: bytes) -> set[str]:
    """Return the error codes of an answer, see the specification."""
    found = json_object(body).get('errors')
    return {str(error.get('code')) for error in found
            if isinstance(error, dict)} if isinstance(found, list) else set()


def _chain(exc: BaseException) -> collections.abc.Iterator[BaseException]:
    """Yield an exception and those that it was made of."""
    waiting: list[object] = [exc]
    seen = set()
    while waiting:
        one = waiting.pop()
        if isinstance(one, BaseException) and id(one) not in seen:
            seen.add(id(one))
            yield one
            waiting += [*one.args, one.__cause__, one.__context__,
                        getattr(one, 'reason', None)]
