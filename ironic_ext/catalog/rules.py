# SPDX-License-Identifier: Apache-2.0

"""Which config fits which ISO, and who refers to what.

Pure functions, asked when a host is changed and again when it boots.
"""

import collections.abc

from ironic_ext.catalog import errors
from ironic_ext.catalog import resources
from ironic_ext.catalog import view

_SHOWN = 10


def require_fit(iso: resources.ISCSICdrom | None, config_name: str, *,
                config: resources.BootConfig | None, project: str = '',
                field: str = 'boot_config') -> None:
    """Refuse a config that must not be used with an ISO.

    The rules: the config exists; the ISO lists it; an ISO that lists none
    takes none; a stranger's ISO, which shows to its owner what is put into
    it, takes what is the owner's own, or open to any ISO.

    :param iso: None where the catalog has none: it is given by URL, or the
        node boots from its disk.
    :param config_name: '' for no config, which always fits.
    :param config: of that name, None if there is none for the project.
    :param project: that uses the node, '' for the operator.
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
    if config is None:
        raise _invalid(f'{field} "{config_name}" does not exist: '
                       f'create the BootConfig first{view.hint(project)}')
    if iso is None and project not in ('', config.spec.project) and (
            not config.spec.any_iso):
        # An ISO by URL, or a disk.
        raise _invalid(f'{field} "{config_name}" is not the project\'s own, '
                       'and goes with an ISO of the catalog alone that lists '
                       'it: take one, or let anyISO be set in the BootConfig')


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


def require_own_file(iso: resources.ISCSICdrom, others:
                     collections.abc.Iterable[resources.ISCSICdrom]) -> None:
    """Refuse an ISO whose file another one is.

    :raises: ConflictError
    """
    if iso.spec.iso_file and any(other.spec.iso_file == iso.spec.iso_file
                                 for other in others):
        raise errors.ConflictError(
            'spec.isoFile is taken: give another name of a file')


def isos_listing(config: resources.BootConfig,
                 isos: collections.abc.Iterable[resources.ISCSICdrom]
                 ) -> tuple[str, ...]:
    """Return the ISOs that list a config, as ``ISCSICdrom/<name>``.

    Anybody may list the name of what is not theirs; that does not count.
    """
    return tuple(f'{iso.kind}/{iso.metadata.name}' for iso in isos
                 if config.metadata.name in iso.spec.boot_configs
                 and view.may_use(config, iso.spec.project))


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
