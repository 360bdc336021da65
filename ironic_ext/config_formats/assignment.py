# SPDX-License-Identifier: Apache-2.0

"""What ``instance_info/boot_config`` of a node means.

Pure; the catalog is asked by a function that is passed in.
"""

import collections.abc
import typing

from ironic_ext import catalog
from ironic_ext.catalog import resources
from ironic_ext.catalog import rules
from ironic_ext.config_formats import configs
from ironic_ext.config_formats import errors

if typing.TYPE_CHECKING:
    from ironic_ext.config_formats import templates

Lookup = collections.abc.Callable[[str], catalog.BootConfig | None]

_FIELD = 'boot_config'


def plan_boot_config(value: object, *, lookup: Lookup,
                     iso: catalog.ISCSICdrom | None,
                     facts: 'templates.Facts', project: str = ''
                     ) -> configs.Config | None:
    """Return the config that a node is to boot with, None for none.

    The catalog's rules hold: a named config must exist and be one that
    the ISO lists. An inline one is in nobody's list; it fits an ISO that
    lists a config of the same format.

    :param value: the name of a BootConfig, or an inline
        ``{"format": ..., "data": {...}}`` with ``primary`` and ``template``
        as in a BootConfig.
    :param lookup: returns a BootConfig that the node may use, or None.
    :param iso: the ISO in the catalog that the node boots, None for one
        by URL.
    :param facts: about the node, for templates.
    :param project: that uses the node, '' for the operator.
    :raises: ConfigError, catalog.InvalidError, catalog.DatabaseError
    """
    if value is None or value == '':
        return None
    if isinstance(value, str):
        return configs.resolve(_named(value, lookup, iso, project), facts)
    if not isinstance(value, collections.abc.Mapping):
        raise errors.refusal(
            f'{_FIELD} must be the name of a BootConfig or an object with '
            f'"format" and "data"')
    spec = resources.parse_boot_config(value, _FIELD)
    if iso is not None:
        _require_format(spec.format, lookup, iso)
    return configs.resolve(spec, facts)


def _named(name: str, lookup: Lookup, iso: catalog.ISCSICdrom | None,
           project: str) -> catalog.BootConfigSpec:
    if not resources.is_name(name):
        raise errors.refusal(
            f'{_FIELD} {name!r:.80} is no name of a BootConfig, which has '
            f'letters, digits, ".", "_" and "-"')
    found = lookup(name)
    rules.require_fit(iso, name, config=found, project=project, field=_FIELD)
    assert found is not None
    return found.spec


def _require_format(name: str, lookup: Lookup, iso: catalog.ISCSICdrom
                    ) -> None:
    found = [lookup(listed) for listed in iso.spec.boot_configs]
    formats = sorted({config.spec.format for config in found if config})
    if name not in formats:
        raise errors.refusal(
            f'the inline {_FIELD} of format "{name}" does not fit ISO '
            f'"{iso.metadata.name}": ' + (
                f'the configs that it lists are {", ".join(formats)}'
                if formats else 'it takes no config'))
