# SPDX-License-Identifier: Apache-2.0

"""Which config fits which ISO, and who refers to what.

Pure functions, asked when a host is changed and again when it boots.
"""

import collections.abc

from ironic_ext.catalog import errors
from ironic_ext.catalog import resources

_SHOWN = 10


def require_fit(iso: resources.ISCSICdrom | None, config_name: str, *,
                exists: bool, field: str = 'boot_config') -> None:
    """Refuse a config that must not be used with an ISO.

    The three rules: the config exists; the ISO lists it; an ISO that lists
    none takes none.

    :param iso: None for an ISO that the catalog does not have (it is
        given by URL) and that any config may be tried with.
    :param config_name: '' for no config, which always fits.
    :param exists: whether the catalog has that config.
    :param field: what the user calls the field.
    :raises: InvalidError
    """
    if not config_name:
        return
    if iso is not None:
        name, fitting = iso.metadata.name, iso.spec.boot_configs
        if not fitting:
            raise _invalid(f'{field} "{config_name}" does not fit ISO '
                           f'"{name}": it takes no config; leave '
                           f'{field} out')
        if config_name not in fitting:
            raise _invalid(f'{field} "{config_name}" does not fit '
                           f'ISO "{name}": it lists {listed(fitting)}')
    if not exists:
        raise _invalid(f'{field} "{config_name}" does not exist: '
                       'create the BootConfig first')


def require_bootable(iso: resources.ISCSICdrom) -> None:
    """Refuse an ISO that is not there yet, or not usable.

    :raises: ConflictError
    """
    if iso.status.phase != 'Ready':
        reason = iso.status.error or {
            'Pending': 'nothing was uploaded or fetched yet',
            'Uploading': 'it is being uploaded or fetched'}.get(
                iso.status.phase, 'see its status')
        raise errors.ConflictError(
            f'ISO "{iso.metadata.name}" cannot be booted, it is '
            f'{iso.status.phase}: {reason}')


def isos_listing(config_name: str, isos: collections.abc.Iterable[
        resources.ISCSICdrom]) -> tuple[str, ...]:
    """Return the ISOs that list a config, as ``ISCSICdrom/<name>``."""
    return tuple(f'{iso.kind}/{iso.metadata.name}' for iso in isos
                 if config_name in iso.spec.boot_configs)


def require_unused(kind: str, name: str,
                   referrers: collections.abc.Collection[str]) -> None:
    """Refuse to delete what others refer to.

    :param referrers: such as ``ISCSICdrom/coreos-live``.
    :raises: InUseError
    """
    if referrers:
        raise errors.InUseError(
            f'{kind} "{name}" is in use by {listed(sorted(referrers))}: '
            'change those first', sorted(referrers))


def listed(names: collections.abc.Collection[str]) -> str:
    """Return names as a text that stays readable when there are many."""
    shown = list(names)[:_SHOWN]
    more = len(names) - len(shown)
    return ', '.join(shown) + (f' and {more} more' if more else '')


def _invalid(reason: str) -> errors.InvalidError:
    return errors.InvalidError(errors.Problem('', reason))
