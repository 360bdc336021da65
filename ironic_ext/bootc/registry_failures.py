# SPDX-License-Identifier: Apache-2.0

"""What the failures of requests to registries mean: sentences to act upon.

Texts of requests' exceptions may hold the password of a proxy, so none of
them is ever shown or chained.
"""

import json
import typing
from urllib import parse as urlparse

from ironic_ext.bootc import errors
from ironic_ext.web import failures
_CA = 'give its certificate as bootc_ca'
_TLS = (failures.Kind.CERTIFICATE, failures.Kind.CLIENT, failures.Kind.TLS)


def of_exception(exc: Exception, url: str, name: str, timeout: float
                 ) -> errors.RegistryError:
    """Return what to raise for an exception of requests or urllib3.

    :param url: that was asked; only its host is shown.
    :param name: of the image.
    :param timeout: seconds that were waited at most.
    """
    host = host_of(url)
    found = failures.of_exception(exc, _CA)
    if found.kind is failures.Kind.SILENCE:
        return of_silence(host, name, timeout)
    if found.kind in _TLS:
        advice = ('; is it a registry without TLS (bootc_insecure)?'
                  if found.kind is failures.Kind.TLS else '')
        return errors.CertificateError(
            f'{host} cannot be asked for {name}: {found.text}{advice}')
    return errors.RegistryError(
        f'{host} cannot be reached for {name}: {found.text}')


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
