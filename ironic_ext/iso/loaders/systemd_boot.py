# SPDX-License-Identifier: Apache-2.0

"""Boot Loader Specification entries: ``loader/entries/*.conf``.

systemd-boot and GRUB's blscfg read them. Entries of other EFI programs
(``efi``, ``uki``) have a command line of their own and are left alone.
"""

from collections.abc import Iterator
from collections.abc import Sequence
import re

from ironic_ext.iso import errors
from ironic_ext.iso import kernel_args
from ironic_ext.iso.loaders import boot_entry
from ironic_ext.iso.loaders import loader

_LINE = re.compile(r'([ \t]*)([^\s#]\S*)([ \t]*)([^\r\n]*)')


def parse(data: bytes) -> boot_entry.BootConfig:
    """Return the entry of a file, if it starts a kernel."""
    title = kernel = ''
    arguments: list[str] = []
    initrds: list[str] = []
    for match in _lines(data.decode('utf-8', 'surrogateescape')):
        key, value = match.group(2), match.group(4).strip(' \t')
        if key == 'title':
            title = value
        elif key == 'linux':
            kernel = value
        elif key == 'initrd':
            # GRUB takes several on one line.
            initrds += value.split(' ')
        elif key == 'options':
            arguments += [value[start:end] for start, end
                          in kernel_args.spans(value)]
    if not kernel:
        return boot_entry.BootConfig()
    return boot_entry.BootConfig((boot_entry.BootEntry(
        title, kernel, tuple(arguments),
        tuple(path for path in initrds if path)),))


def edit(data: bytes, append: Sequence[str], delete: Sequence[str]) -> bytes:
    """Change the kernel arguments of a file that starts a kernel.

    Words are as in kernel_args.edit(). Deleted words go from every
    ``options`` line, new ones come to the last one, or into a line behind
    ``linux``; every other byte stays.

    :raises KernelArgumentError: when the options would be longer than
        kernel_args.MAX_LENGTH.
    """
    text = data.decode('utf-8', 'surrogateescape')
    lines = list(_lines(text))
    kernels = [match for match in lines if match.group(2) == 'linux']
    options = [match for match in lines if match.group(2) == 'options']
    if not kernels:
        return data
    changes: list[tuple[int, int, str]] = []
    target = _target(options)
    for index, match in enumerate(options):
        new = kernel_args.edit_text(
            match.group(4), append if index == target else (), delete)
        if new and match.group(3, 4) == ('', ''):
            new = ' ' + new
        changes.append((match.start(4), match.end(4), new))
    if not options and append:
        indent, at = kernels[-1].group(1), kernels[-1].end()
        end = '\r\n' if text.startswith('\r\n', at) else '\n'
        changes.append((at, at, end + indent + 'options '
                        + ' '.join(append)))
    length = sum(len(new.encode('utf-8', 'surrogateescape'))
                 for _start, _end, new in changes)
    if length > kernel_args.MAX_LENGTH:
        raise errors.KernelArgumentError(
            'the options of the boot entry would be %d bytes long, the '
            'limit is %d' % (length, kernel_args.MAX_LENGTH))
    return kernel_args.apply(text, changes).encode(
        'utf-8', 'surrogateescape')


def add_initrd(data: bytes, path: str) -> bytes:
    """Return an entry that loads one more initrd, behind its others."""
    text = data.decode('utf-8', 'surrogateescape')
    lines = [match for match in _lines(text)
             if match.group(2) in ('linux', 'initrd')]
    if not lines:
        return data
    indent, at = lines[-1].group(1), lines[-1].end()
    end = '\r\n' if text.startswith('\r\n', at) else '\n'
    return (text[:at] + f'{end}{indent}initrd {path}' + text[at:]).encode(
        'utf-8', 'surrogateescape')


def unattended(data: bytes, choice: str, seconds: int) -> bytes:
    """Set time-out and default in ``loader.conf``; every other line stays.

    :param choice: name of an entry's file, '' for the default that is.
    """
    text = data.decode('utf-8', 'surrogateescape')
    new = {'timeout': str(seconds)} | ({'default': choice} if choice else {})
    kept = [line for line in text.splitlines(keepends=True)
            if line.split()[:1] not in [[key] for key in new]]
    if kept and not kept[-1].endswith('\n'):
        kept[-1] += '\n'
    return ''.join([*kept, *(f'{key} {value}\n' for key, value
                             in new.items())]).encode(
        'utf-8', 'surrogateescape')


class SystemdBoot:
    """Boot Loader Specification entries as a loader's grammar."""

    name = 'systemd-boot'
    places = (loader.Place('/loader/entries', suffix='.conf'),)

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
        """See :func:`unattended`."""
        return unattended(data, choice, seconds)

    def resolve(self, path: str, home: str, directory: str) -> str | None:
        """Every path starts at the root; EFI's backslash separates, too."""
        return '/' + path.replace('\\', '/').lstrip('/')


def _target(options: Sequence[re.Match[str]]) -> int:
    """Which line gets new words: the first with a separator, or the last."""
    for index, match in enumerate(options):
        if set(kernel_args.SEPARATORS).intersection(match.group(4).split()):
            return index
    return len(options) - 1


def _lines(text: str) -> Iterator[re.Match[str]]:
    """Yield the lines with a key: indent, key, gap, value."""
    position = 0
    while position < len(text):
        match = _LINE.match(text, position)
        if match:
            yield match
        end = text.find('\n', position)
        position = len(text) if end < 0 else end + 1
