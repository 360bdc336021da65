# SPDX-License-Identifier: Apache-2.0

"""NetworkManager keyfiles: where the initrd of an image looks for them.

CoreOS' live system takes those of ``/etc/coreos-firstboot-network``, for
itself and for what it installs (coreos-installer, ``--network-keyfile``);
other initrds with NetworkManager read its own directory.
"""

import collections.abc
import configparser
import os

from ironic_ext.cli import errors
from ironic_ext import iso
from ironic_ext.iso.loaders import argument_areas

_COREOS = '/etc/coreos-firstboot-network/'
_OTHERS = '/etc/NetworkManager/system-connections/'
_SUFFIX = '.nmconnection'
_MAX_BYTES = 1 << 20
#: NetworkManager ignores what others can read.
MODE = 0o600


def files(paths: collections.abc.Sequence[str], image: iso.IsoImage
          ) -> dict[str, bytes]:
    """Return the files for the initrd: path -> content.

    :raises: CommandError, IsoError, OSError
    """
    directory = _COREOS if argument_areas.reserved(image) else _OTHERS
    found: dict[str, bytes] = {}
    for path in paths:
        with open(path, 'rb') as stream:
            content = stream.read(_MAX_BYTES + 1)
        _require_keyfile(path, content)
        name = os.path.basename(path)
        if not name.endswith(_SUFFIX):
            name += _SUFFIX
        if directory + name in found:
            raise errors.CommandError(
                f'--network-keyfile: {name} is given twice')
        found[directory + name] = content
    return found


def _require_keyfile(path: str, content: bytes) -> None:
    """Refuse what NetworkManager would pass over without a word.

    :raises: CommandError
    """
    if len(content) > _MAX_BYTES:
        raise errors.CommandError(f'{path} has more than {_MAX_BYTES} bytes, '
                                  f'too many for a keyfile')
    parser = configparser.ConfigParser(
        delimiters=('=',), comment_prefixes=('#',), interpolation=None,
        strict=False)
    try:
        parser.read_string(content.decode())
    except UnicodeDecodeError as exc:
        raise errors.CommandError(f'{path} is no text in UTF-8') from exc
    except configparser.MissingSectionHeaderError as exc:
        raise errors.CommandError(
            f'{path} is no keyfile of NetworkManager: it begins, in line '
            f'{exc.lineno}, without a section such as [connection]') from exc
    except configparser.ParsingError as exc:
        lines = ', '.join(str(number) for number, _line in exc.errors)
        raise errors.CommandError(
            f'{path} is no keyfile of NetworkManager: what is in line '
            f'{lines} is neither a section nor "key=value"') from exc
    for key in ('id', 'type'):
        if not parser.get('connection', key, fallback=''):
            raise errors.CommandError(
                f'{path} is no keyfile of NetworkManager: it has no "{key}" '
                f'in a section [connection]')
