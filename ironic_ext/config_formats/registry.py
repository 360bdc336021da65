# SPDX-License-Identifier: Apache-2.0

"""From the name of a format to the format.

Formats are entry points of the namespace ``ironic_ext.boot_config_formats``:
the name is what ``spec.format`` says, the object is a BootConfigFormat.
"""

import functools
import importlib
import logging
import typing

from ironic_ext.config_formats import base
from ironic_ext.config_formats import errors

#: Those of this suite, so that nobody has to look through all that is
#: installed for them.
OWN = {
    'autoinstall': 'cloud_init:AutoinstallFormat',
    'autoyast': 'autoyast:AutoYastFormat',
    'cloud-init': 'cloud_init:CloudInitFormat',
    'esxi': 'esxi:EsxiFormat',
    'ignition': 'ignition:IgnitionFormat',
    'kickstart': 'kickstart:KickstartFormat',
    'plain': 'plain:PlainFormat',
    'preseed': 'preseed:PreseedFormat'}

NAMESPACE = 'ironic_ext.boot_config_formats'

LOG = logging.getLogger(__name__)


def format_for(name: str) -> base.BootConfigFormat:
    """Return the format of a name.

    :raises: ConfigError for one that is not installed.
    """
    if name in OWN:
        return _own(name)
    hint = ''
    try:
        others = _formats()
    except ImportError as exc:
        # As beside the base install.
        others = {}
        hint = (f'; formats of other packages need the package {exc.name}: '
                f'pip install {exc.name}')
    if name in others:
        return others[name]
    import difflib
    known = sorted({*OWN, *others})
    near = difflib.get_close_matches(name, known, 1)
    raise errors.refusal(
        f'format "{name[:60]}" is unknown: use '
        + (f'"{near[0]}"' if near else ', '.join(known)) + hint)


def named(name: str, files: base.Files) -> base.Files:
    """Return files of a format under the names that it knows.

    One file alone may have any name of its owner's; where a format knows
    files by their names, it is the primary one.

    :raises: ConfigError for a format that is not installed.
    """
    kind = format_for(name)
    if (not kind.has_fixed_name or len(files) != 1
            or set(files) & set(kind.primaries)):
        return files
    return {kind.primaries[0]: next(iter(files.values()))}


def names() -> list[str]:
    """Return the names of the installed formats, sorted."""
    return sorted(OWN.keys() | _formats())


@functools.cache
def _own(name: str) -> base.BootConfigFormat:
    module, _, kind = OWN[name].partition(':')
    made: base.BootConfigFormat = getattr(importlib.import_module(
        f'ironic_ext.config_formats.{module}'), kind)()
    return made


@functools.cache
def _formats() -> dict[str, base.BootConfigFormat]:
    # Slow to import.
    from importlib import metadata

    from stevedore import named as named_extensions
    # Those of others alone: ours may lack what only they need.
    manager = named_extensions.NamedExtensionManager(
        NAMESPACE, [point.name for point in metadata.entry_points(
            group=NAMESPACE) if point.name not in OWN],
        invoke_on_load=True, on_load_failure_callback=_log,
        warn_on_missing_entrypoint=False)
    found = {}
    for item in manager:
        made = typing.cast(base.BootConfigFormat, item.obj)
        if made.interface != base.INTERFACE:
            LOG.error(
                'The boot config format %(name)s is left out: it is written '
                'for version %(its)s of the interface, and this is '
                '%(ours)s. Install the package that brings it in a version '
                'that fits', {'name': item.name, 'its': made.interface,
                              'ours': base.INTERFACE})
            continue
        found[item.name] = made
    return found


def _log(manager: typing.Any, entry_point: typing.Any,
         exc: BaseException) -> None:
    LOG.error('The boot config format %(name)s cannot be loaded: %(error)s',
              {'name': entry_point.name, 'error': exc})
