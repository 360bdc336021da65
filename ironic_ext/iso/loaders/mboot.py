# SPDX-License-Identifier: Apache-2.0

"""ESXi's loader mboot: one ``boot.cfg`` with one kernel.

Lines ``key=value``; ``kernelopt`` is the command line, ``prefix`` a
directory of kernel and modules. Reference: esx-boot, mboot/README and
mboot/config.c. From a CD, UEFI starts isobounce in the El Torito image, and
that the mboot in the image's ``/EFI/BOOT``, which reads the file beside it
(isobounce.c).
"""

from collections.abc import Sequence
import posixpath
import re

from ironic_ext.iso import errors
from ironic_ext.iso import kernel_args
from ironic_ext.iso.loaders import boot_entry
from ironic_ext.iso.loaders import files as file_systems
from ironic_ext.iso.loaders import loader

_LINE = re.compile(rb'[ \t]*(\w+)[ \t]*=[ \t]*([^\r\n]*)')
_SECONDS = 5
_NAME = 'boot.cfg'
#: Where the mboot of a CD reads for UEFI.
UEFI_CONFIG = f'/EFI/BOOT/{_NAME}'
_MODULE = 'mboot.c32'


def _values(data: bytes) -> dict[bytes, re.Match[bytes]]:
    """Return the lines with a key; the last of a key counts."""
    found = {}
    position = 0
    while position < len(data):
        match = _LINE.match(data, position)
        if match:
            found[match[1].lower()] = match
        end = data.find(b'\n', position)
        position = len(data) if end < 0 else end + 1
    return found


def is_config(data: bytes) -> bool:
    """Tell whether a file is one of mboot's: others are called so, too."""
    return {b'kernel', b'modules'} <= _values(data).keys()


def parse(data: bytes) -> boot_entry.BootConfig:
    """Return the one entry."""
    values = _values(data)
    if not {b'kernel', b'modules'} <= values.keys():
        return boot_entry.BootConfig()
    text = {key.decode(): match[2].decode('utf-8', 'surrogateescape').strip()
            for key, match in values.items()}
    return boot_entry.BootConfig((boot_entry.BootEntry(
        text.get('title', ''),
        posixpath.join(text.get('prefix', ''), text['kernel']),
        tuple(text.get('kernelopt', '').split())),))


def edit(data: bytes, append: Sequence[str], delete: Sequence[str]) -> bytes:
    """Change ``kernelopt``; every other byte stays.

    :raises: KernelArgumentError
    """
    values = _values(data)
    if not is_config(data):
        return data
    match = values.get(b'kernelopt')
    words = tuple(match[2].decode('utf-8', 'surrogateescape').split()
                  if match else ())
    changed = kernel_args.edit(words, append, delete)
    if changed == words:
        return data
    text = ' '.join(changed)
    if len(text) > kernel_args.MAX_LENGTH:
        raise errors.KernelArgumentError(
            f'kernelopt would be {len(text)} bytes long, the limit is '
            f'{kernel_args.MAX_LENGTH}')
    new = text.encode('utf-8', 'surrogateescape')
    if match:
        return data[:match.start(2)] + new + data[match.end(2):]
    at = values[b'kernel'].end()
    end = b'\r\n' if data.startswith(b'\r\n', at) else b'\n'
    return data[:at] + end + b'kernelopt=' + new + data[at:]


def of_label(module: str, words: Sequence[str]) -> str | None:
    """Return the file that a label of ISOLINUX has mboot read, if it does.

    :param module: that the label starts.
    :param words: what the module is told.
    """
    if posixpath.basename(module).lower() != _MODULE or '-c' not in words:
        return None
    rest = list(words)[list(words).index('-c') + 1:]
    return rest[0] if rest else None


def follow(files: file_systems.Files, path: str) -> boot_entry.Walk | None:
    """Return where mboot goes with a file; None if it is none of its."""
    found = files.read(path)
    if found is None or not is_config(found[1]):
        return None
    where, data = found
    entry, = parse(data).entries
    place = boot_entry.Place('iso', where)
    start = boot_entry.Start(
        entry.title, 'linux', place, boot_entry.Place('iso', _absolute(
            entry.kernel, where)), entry.arguments, choice=entry.title)
    seconds = _values(data).get(b'timeout')
    return boot_entry.Walk(
        (place,), (start,), start, float(seconds[2][:6])
        if seconds and seconds[2][:6].isdigit() else float(_SECONDS),
        menu=place)


def _absolute(path: str, config: str) -> str:
    return '/' + posixpath.normpath(posixpath.join(
        posixpath.dirname(config), path)).lstrip('/')


class Mboot:
    """``boot.cfg`` as a loader's grammar."""

    name = 'mboot'
    places = (loader.Place('/', (_NAME,)), loader.Place('/EFI/BOOT', (_NAME,)))

    def parse(self, data: bytes, inherited: str | None = None
              ) -> boot_entry.BootConfig:
        """See :func:`parse`; nothing is inherited."""
        return parse(data)

    def edit(self, data: bytes, append: Sequence[str],
             delete: Sequence[str], inherits: bool = False,
             carriers: frozenset[str] = frozenset()) -> bytes:
        """Add and delete arguments, see :func:`edit`."""
        return edit(data, append, delete)

    def unattended(self, data: bytes, choice: str, seconds: int) -> bytes:
        """Set the time-out; there is one entry."""
        match = _values(data).get(b'timeout')
        if match:
            return (data[:match.start(2)] + b'%d' % seconds
                    + data[match.end(2):])
        return data.rstrip(b'\r\n') + b'\ntimeout=%d\n' % seconds

    def resolve(self, path: str, home: str, directory: str) -> str | None:
        """Paths begin at the configuration's directory."""
        return posixpath.join(directory, path)
