# SPDX-License-Identifier: Apache-2.0

"""Boot configs on the command line of `ironic-iso`: ``FORMAT=FILE``.

Some formats need packages that the base install has not; they are imported
when such a config is given.
"""

import collections.abc
import os

from ironic_ext.cli import errors
from ironic_ext import iso

#: Bytes of one file; far above any boot config.
_MAX_FILE = 16 << 20
#: What a module is installed by, where it is called otherwise.
_PACKAGES = {'yaml': 'PyYAML'}


class ConfigOptionError(errors.CommandError):
    """A config cannot be used; the message is for a person."""


def added(options: collections.abc.Sequence[str], image: iso.IsoImage,
          injection: iso.Injection, url: str | None = None
          ) -> tuple[iso.Injection, tuple[str, ...]]:
    """Return the injection with a config, and what should be known of it.

    :param options: ``FORMAT=FILE``, all of one format; a file keeps its
        name, which some formats know files by (user-data, meta-data).
    :param url: below which the machine fetches the files, which are not
        put into the image then.
    :raises: UsageError, ConfigOptionError, IsoError, OSError
    """
    name, files = _read(options)
    from ironic_ext import config_formats
    try:
        config = config_formats.resolve(config_formats.Spec(
            name, config_formats.named(name, files)))
        if url:
            delivery = config_formats.Delivery(
                'url', lambda: f'{url.rstrip("/")}/')
        else:
            delivery = config_formats.Delivery()
        facts = config_formats.ImageFacts.of(image)
        placement = delivery.place(config, facts)
        misfit = config.format.misfit(facts)
        return placement.onto(injection), (
            *((misfit,) if misfit else ()), *placement.notes)
    except ImportError as exc:
        raise ConfigOptionError(
            f'--config needs the package {exc.name}: pip install '
            f'{_PACKAGES.get(str(exc.name), exc.name)}') from exc
    except config_formats.ConfigError as exc:
        raise ConfigOptionError(f'--config: {exc}') from exc


def formats() -> list[str]:
    """Return the names of all formats that --config takes here."""
    import importlib.metadata
    import importlib.util

    from ironic_ext.config_formats import registry
    if importlib.util.find_spec('stevedore') is None:
        # It loads those of other packages.
        return sorted(registry.OWN)
    plugins = importlib.metadata.entry_points(group=registry.NAMESPACE)
    return sorted({*registry.OWN, *(plugin.name for plugin in plugins)})


def _read(options: collections.abc.Sequence[str]
          ) -> tuple[str, dict[str, str]]:
    """Return the format, and file name -> content."""
    formats: set[str] = set()
    files: dict[str, str] = {}
    for option in options:
        name, equals, path = option.partition('=')
        file = os.path.basename(path)
        if not (name and equals and file):
            raise errors.UsageError(
                f'--config "{option}" is not FORMAT=FILE')
        if file in files:
            raise ConfigOptionError(f'--config: {file} is given twice')
        formats.add(name)
        with open(path, 'rb') as stream:
            content = stream.read(_MAX_FILE + 1)
        if len(content) > _MAX_FILE:
            raise ConfigOptionError(
                f'{path} has more than {_MAX_FILE} bytes, too many for a '
                f'boot config')
        try:
            files[file] = content.decode()
        except UnicodeDecodeError as exc:
            raise ConfigOptionError(f'{path} is no text in UTF-8') from exc
    if len(formats) > 1:
        raise ConfigOptionError(
            f'--config: one image takes one format, not '
            f'{" and ".join(sorted(formats))}')
    return formats.pop(), files
