# SPDX-License-Identifier: Apache-2.0

"""From an href to the service of its URL scheme.

Schemes are entry points of the namespace ``ironic_ext.image_services``: the
name is the scheme, the object is called with Settings.
"""

import functools
import logging
import threading
import typing
import uuid

from stevedore import driver
from stevedore import exception
from stevedore import extension

from ironic_ext.images import errors
from ironic_ext.images import href as hrefs
from ironic_ext.images import service
from ironic_ext.images import settings as image_settings

NAMESPACE = 'ironic_ext.image_services'

LOG = logging.getLogger(__name__)
_LOCK = threading.Lock()


def service_for(href: str, settings: image_settings.Settings
                ) -> service.ImageService:
    """Return the service for an href; a bare UUID is an image in Glance.

    :raises: HrefError
    """
    scheme = hrefs.scheme(href)
    glance = settings.glance is not None
    if not scheme and glance and is_uuid(href):
        scheme = 'glance'
    elif not glance and (scheme == 'glance' or is_uuid(href)):
        raise errors.HrefError(
            f'"{hrefs.redacted(href)[:200]}" is an image in Glance: '
            f'{settings.without_glance}')
    elif not scheme:
        raise errors.HrefError(_unknown(href, glance))
    try:
        make = _plugin(scheme)
    except exception.NoMatches as exc:
        raise errors.HrefError(_unknown(href, glance)) from exc
    except exception.MultipleMatches as exc:
        raise errors.HrefError(
            f'more than one package brings a service for {scheme}:// (entry '
            f'points of {NAMESPACE}): remove all but one') from exc
    made: service.ImageService = make(settings)
    if made.interface != service.INTERFACE:
        raise errors.HrefError(
            f'the service for {scheme}:// is written for version '
            f'{made.interface} of the interface, and this is '
            f'{service.INTERFACE}: install the package that brings it in a '
            f'version that fits')
    return made


def schemes() -> list[str]:
    """Return the URL schemes that there are services for, sorted."""
    manager = extension.ExtensionManager(NAMESPACE, invoke_on_load=False,
                                         on_load_failure_callback=_log)
    return sorted(set(manager.names()))


def is_uuid(text: str) -> bool:
    """Tell whether a text is a UUID as Glance writes it."""
    try:
        return str(uuid.UUID(text)) == text.lower()
    except ValueError:
        return False


# Looking an entry point up costs some 100 microseconds each time.
@functools.cache
def _plugin(scheme: str) -> typing.Any:
    """Return what makes the service of a scheme.

    :raises: HrefError when it cannot be loaded, NoMatches, MultipleMatches
    """
    failures: list[BaseException] = []

    def failed(_manager: typing.Any, _entry_point: typing.Any,
               exc: BaseException) -> None:
        failures.append(exc)

    try:
        return driver.DriverManager(NAMESPACE, scheme, invoke_on_load=False,
                                    on_load_failure_callback=failed).driver
    except exception.NoMatches as exc:
        if not failures:
            raise
        raise errors.HrefError(
            f'the service for {scheme}:// cannot be loaded: {failures[0]}'
            + (': install openstacksdk, which the extra "conductor" brings'
               if _lacks_openstack(failures[0]) else '')) from exc


def _lacks_openstack(exc: BaseException) -> bool:
    """Tell whether nothing is wrong but that openstacksdk is not there."""
    return isinstance(exc, ModuleNotFoundError) and str(
        exc.name).partition('.')[0] == 'openstack'


def _log(manager: typing.Any, entry_point: typing.Any,
         exc: BaseException) -> None:
    if entry_point.name == 'glance' and _lacks_openstack(exc):
        # Of the extras only "conductor" has it: who asks for it is told.
        return
    LOG.error('The service for images of %(name)s:// cannot be loaded: '
              '%(error)s', {'name': entry_point.name, 'error': exc})


def _unknown(href: str, glance: bool) -> str:
    known = [f'{scheme}://' for scheme in schemes()
             if glance or scheme != 'glance']
    text = f'"{hrefs.redacted(href)[:200]}" is no image reference: use '
    if glance:
        return f'{text}{", ".join(known)} or the UUID of an image in Glance'
    return f'{text}{" or ".join(known)}'
