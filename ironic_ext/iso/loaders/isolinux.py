# SPDX-License-Identifier: Apache-2.0

"""ISOLINUX and SYSLINUX configurations: what they boot, other arguments.

Follows com32/elflink/ldlinux/readconfig.c of SYSLINUX 6. Modules (.c32),
boot sectors and local boot are no kernels and are left alone.
"""

from collections.abc import Iterator
from collections.abc import Sequence
import dataclasses
import functools
import itertools
import re
import typing

from ironic_ext.iso import errors
from ironic_ext.iso import kernel_args
from ironic_ext.iso.loaders import boot_entry
from ironic_ext.iso.loaders import loader

#: Bytes of a line with its line feed: MAX_LINE less the final NUL.
MAX_LINE = 4095
#: Statements of one file; real ones have some hundred.
MAX_LINES = 8192

_BLANK = ''.join(map(chr, range(33)))
_BLANKS = re.compile(r'[\x00-\x20]+')
_MAX_KEPT = 1024        # characters of a line that is kept
_MAX_MENU = 16384       # characters of a file whose labels are kept
_OTHER_TYPES = ('none', 'localboot', 'boot', 'bss', 'pxe', 'fdimage',
                'comboot', 'com32', 'config')
_NOT_KERNELS = ('.c32', '.com', '.cbt', '.bss', '.bs', '.bin', '.0', '.img',
                '.lkrn')
#: Keywords whose value is a label or a command line.
COMMANDS = ('default', 'ontimeout', 'onerror')
_NAMES = ('isolinux.cfg', 'syslinux.cfg')
_DIRECTORIES = (
    '/boot/isolinux', '/isolinux', '/boot/syslinux', '/syslinux',
    '/arch/boot/syslinux', '/boot/x86_64/loader', '/boot/i386/loader',
    '/', '/EFI/BOOT', '/EFI/syslinux')
MENUS = ('menu.c32', 'vesamenu.c32', 'gfxmenu.c32')


class Line(typing.NamedTuple):
    """A statement: ``text[start:end]`` is its value, ``stop`` the line's end.

    ``keyword`` is in lower case, with ``menu`` and its second word joined.
    """

    keyword: str
    value: str
    begin: int
    start: int
    end: int
    stop: int


class _Said(typing.NamedTuple):
    """A line by itself: ``line[start:end]`` is its value."""

    keyword: str
    value: str
    start: int
    end: int


@dataclasses.dataclass
class Label:
    """A label while it is read; no name stands for what is global."""

    name: str = ''
    title: str = ''
    kernel: Line | None = None
    append: Line | None = None
    inherited: Line | None = None
    initrd: str = ''
    other: bool = False
    is_default: bool = False

    @property
    def is_linux(self) -> bool:
        """Whether the label starts a Linux kernel."""
        if self.other or not self.name:
            return False
        if self.kernel is None or not self.kernel.value:
            # The label is the name of the kernel, if of anything.
            return self.append is not None and is_kernel(self.name)
        return self.kernel.keyword == 'linux' or is_kernel(
            self.kernel.value)


def parse(data: bytes, inherited: str | None = None
          ) -> boot_entry.BootConfig:
    """Return the kernels, the included files and the global ``append``.

    Paths are as written: relative to the directory of the configuration.

    :param inherited: the global ``append`` of the file that includes this
        one.
    """
    text = data.decode('utf-8', 'surrogateescape')
    entries: list[boot_entry.BootEntry] = []
    includes: list[str] = []
    statements = list(itertools.islice(read_statements(text), MAX_LINES))
    labels = group_labels(statements)
    global_append = inherited
    for label in labels:
        if not label.name:
            if label.append is not None:
                global_append = label.append.value
            continue
        if label.is_linux:
            entries.append(entry(label, inherited))
        elif label.kernel and label.append:
            includes += _menu_file(
                label.kernel.value + ' ' + label.append.value)
    for line in statements:
        words = split(line.value)
        if line.keyword in ('include', 'menu include', 'config') and words:
            includes.append(words[0])
        elif line.keyword in ('ui', 'default'):
            includes += _menu_file(line.value)
    entries += (entry(Label(name=line.keyword, title=line.keyword,
                            kernel=line), inherited)
                for line in _commands(statements, labels))
    return boot_entry.BootConfig(
        tuple(entries), tuple(dict.fromkeys(includes)), global_append)


def edit(data: bytes, append: Sequence[str], delete: Sequence[str],
         inherits: bool = False) -> bytes:
    """Change the kernel arguments of every Linux label.

    Words are as in kernel_args.edit(). A label with neither an ``append``
    of its own nor a global one gets one; every other byte stays.

    :param inherits: the file is included by one that has a global
        ``append``: labels without one take that.
    :raises KernelArgumentError: when a line would exceed what ISOLINUX
        reads; names the label.
    """
    # A character per byte, for limits are in bytes.
    text = data.decode('latin-1')
    append = [word.encode().decode('latin-1') for word in append]
    delete = [word.encode().decode('latin-1') for word in delete]
    menu = (_menu if len(text) <= _MAX_MENU else _menu.__wrapped__)(text)
    if menu.too_long:
        raise errors.KernelArgumentError(
            f'the ISOLINUX configuration says more than {MAX_LINES} things, '
            f'which no menu does: it is not edited')
    changes: list[tuple[int, int, str]] = []
    for label in menu.labels:
        own = label.append
        if own is not None and (label.is_linux or not label.name):
            changes += _change(own, append, delete, label.name)
        if not label.is_linux or label.kernel is None:
            continue
        changes += _change(label.kernel, (), delete, label.name, skip=1)
        if own is None and label.inherited is None and append \
                and not inherits:
            changes.append(_new_line(text, label.kernel, append, label.name))
    for line in menu.commands:
        changes += _change(line, append, delete, line.keyword, skip=1)
    changes.sort(key=lambda change: change[0])
    return kernel_args.apply(text, changes).encode('latin-1')


def unattended(data: bytes, choice: str, seconds: int) -> bytes:
    """Set a menu's time-out and what starts after it, at its end.

    The last of equal keywords counts; ``PROMPT`` lets ISOLINUX without a
    menu wait as long, and does not matter to a menu.

    :param choice: a label, '' for the default that is.
    """
    lines = ['PROMPT 1', f'TIMEOUT {seconds * 10}']
    if choice:
        lines.append(f'ONTIMEOUT {choice}')
    end = b'' if not data or data.endswith(b'\n') else b'\n'
    return data + end + ('\n'.join(lines) + '\n').encode(
        'utf-8', 'surrogateescape')


class Isolinux:
    """The grammar of ISOLINUX and its kin as a loader."""

    name = 'isolinux'
    places = tuple(loader.Place(directory, _NAMES)
                   for directory in _DIRECTORIES)

    def parse(self, data: bytes, inherited: str | None = None
              ) -> boot_entry.BootConfig:
        """Read a config, see :func:`parse`."""
        return parse(data, inherited)

    def edit(self, data: bytes, append: Sequence[str],
             delete: Sequence[str], inherits: bool = False,
             carriers: frozenset[str] = frozenset()) -> bytes:
        """Add and delete arguments, see :func:`edit`."""
        return edit(data, append, delete, inherits)

    def unattended(self, data: bytes, choice: str, seconds: int) -> bytes:
        """See :func:`unattended`."""
        return unattended(data, choice, seconds)

    def resolve(self, path: str, home: str, directory: str) -> str | None:
        """Take a relative path from where the loader began."""
        return path if path.startswith('/') else f'{home}/{path}'


def read_statements(text: str) -> Iterator[Line]:
    """Yield the lines that say something, without blocks of help text."""
    inside = False
    begin = 0
    while begin < len(text):
        stop = text.find('\n', begin) + 1 or len(text)
        line = text[begin:stop]
        said = (_said if len(line) <= _MAX_KEPT
                else _said.__wrapped__)(line)
        if inside:
            inside = said.keyword != 'endtext'
        elif said.keyword == 'text':
            inside = True
        elif said.keyword and not said.keyword.startswith('#'):
            yield Line(said.keyword, said.value, begin, begin + said.start,
                       begin + said.end, stop)
        begin = stop


# An image is customised for many nodes, and all but a few lines of its
# configurations stay as they are.
@functools.lru_cache(maxsize=512)
def _said(line: str) -> _Said:
    # ISOLINUX cuts a line at its first carriage return.
    body = line.rstrip('\n').split('\r', 1)[0].rstrip(_BLANK)
    words = split(body, 2)
    keyword = words[0].lower() if words else ''
    length = len(body) - len(body.lstrip(_BLANK)) + len(keyword)
    if keyword == 'menu' and len(words) > 1:
        keyword = 'menu ' + words[1].lower()
        length = body.index(words[1], length) + len(words[1])
    value = body[length:].lstrip(_BLANK)
    return _Said(keyword, value, len(body) - len(value), len(body))


class _Menu(typing.NamedTuple):
    """A configuration that is to be edited.

    :ivar commands: the lines that start a kernel without a label.
    """

    labels: tuple[Label, ...]
    commands: tuple[Line, ...]
    too_long: bool


@functools.lru_cache(maxsize=16)
def _menu(text: str) -> _Menu:
    statements = list(itertools.islice(read_statements(text),
                                       MAX_LINES + 1))
    labels = group_labels(statements)
    return _Menu(tuple(labels), tuple(_commands(statements, labels)),
                 len(statements) > MAX_LINES)


def _commands(statements: Sequence[Line], labels: Sequence[Label]
              ) -> Iterator[Line]:
    names = {label.name for label in labels if label.name}
    alone = not names and not any(
        line.keyword in ('include', 'menu include', 'ui')
        for line in statements)
    return (line for line in statements
            if _starts_kernel(line, names, alone))


def group_labels(statements: Sequence[Line]) -> list[Label]:
    """Group statements by label; a global ``append`` is a nameless one."""
    result: list[Label] = []
    label = Label()
    current: Line | None = None
    for line in statements:
        if line.keyword == 'label':
            words = split(line.value, 1)
            label = Label(name=words[0] if words else '')
            label.inherited = current
            result.append(label)
        elif line.keyword in ('menu begin', 'menu end', 'menu separator'):
            label = Label()
        elif line.keyword == 'append':
            if label.name:
                label.append = line
            else:
                current = line
                result.append(Label(append=line))
        elif label.name:
            _read_statement(label, line)
    return result


def _read_statement(label: Label, line: Line) -> None:
    if line.keyword in ('kernel', 'linux'):
        label.kernel, label.other = line, False
    elif line.keyword in _OTHER_TYPES:
        label.kernel, label.other = line, True
    elif line.keyword in ('menu goto', 'menu exit', 'menu quit'):
        label.other = True
    elif line.keyword == 'initrd':
        label.initrd = line.value
    elif line.keyword == 'menu default':
        label.is_default = True
    elif line.keyword == 'menu label':
        label.title = line.value.replace('^', '')


def entry(label: Label, inherited: str | None) -> boot_entry.BootEntry:
    words = split(label.kernel.value, 1) if label.kernel else []
    append = inherited or ''
    if label.append is not None:
        append = label.append.value
    elif label.inherited is not None:
        append = label.inherited.value
    if append == '-':
        append = ''
    text = ' '.join(words[1:] + [append])
    arguments = tuple(text[start:end]
                      for start, end in kernel_args.spans(text))
    initrds = [label.initrd] if label.initrd else [
        word[7:] for word in arguments if word.startswith('initrd=')]
    return boot_entry.BootEntry(
        label.title or label.name, words[0] if words else label.name,
        arguments, tuple(path for item in initrds
                         for path in item.split(',') if path))


def _change(line: Line, append: Sequence[str], delete: Sequence[str],
            label: str, skip: int = 0) -> list[tuple[int, int, str]]:
    """Plan the change of a line's words behind the first ``skip``."""
    if not skip and line.value == '-':
        # The label refuses the global arguments: it has none so far.
        patches = [(line.start, line.end, ' '.join(append))] * bool(append)
    else:
        places = [(line.start + start, line.start + end)
                  for start, end in kernel_args.spans(line.value)]
        if skip > len(places):
            return []
        words = [line.value[start - line.start:end - line.start]
                 for start, end in places[skip:]]
        change = kernel_args.plan(words, append, delete)
        patches = kernel_args.patches(
            places[skip:], change, places[skip - 1][1] if skip else None,
            line.end)
        if patches and not skip and not line.value:
            patches = [(at, end, ' ' + new) for at, end, new in patches]
    _check_length(line.end - line.begin + sum(
        len(new) - (end - start) for start, end, new in patches), label)
    return patches


def _new_line(text: str, kernel: Line, append: Sequence[str],
              label: str) -> tuple[int, int, str]:
    line = text[kernel.begin:kernel.stop]
    indent = line[:len(line) - len(line.lstrip(' \t'))]
    new = indent + 'append ' + ' '.join(append)
    _check_length(len(new), label)
    if not line.endswith('\n'):
        return kernel.stop, kernel.stop, '\n' + new
    return (kernel.stop, kernel.stop,
            new + ('\r\n' if line.endswith('\r\n') else '\n'))


def _check_length(length: int, label: str) -> None:
    if length + 1 > MAX_LINE:
        raise errors.KernelArgumentError(
            'the append line of %s in the ISOLINUX configuration would be '
            '%d bytes long, the limit is %d' % (
                'label %s' % label if label else 'all labels', length,
                MAX_LINE - 1))


def _starts_kernel(line: Line, names: set[str],
                   alone: bool) -> bool:
    """Does ``default`` or its like name a kernel and not a label?

    :param alone: whether there are no labels, here or in other files.
    """
    words = split(line.value)
    if line.keyword not in COMMANDS or not words or words[0] in names \
            or not is_kernel(words[0]):
        return False
    # On its own it may as well be a label of another file.
    return len(words) > 1 or '/' in words[0] or alone


def _menu_file(command: str) -> list[str]:
    """Configurations that a menu module is started with."""
    words = split(command)
    if not words or words[0].lower().rsplit('/', 1)[-1] not in MENUS:
        return []
    return [word for word in words[1:]
            if '=' not in word and word not in ('~', '-')]


def is_kernel(value: str) -> bool:
    """Whether a file of that name is a kernel, as far as names tell.

    iPXE looks like one, and takes its command line for a script.
    """
    words = split(value, 1)
    if not words:
        return False
    name = words[0].lower().rpartition('/')[2]
    return not name.endswith(_NOT_KERNELS) and 'ipxe' not in name


def split(text: str, maxsplit: int = 0) -> list[str]:
    """Split at what SYSLINUX takes for a blank, not at Unicode's."""
    text = text.strip(_BLANK)
    return _BLANKS.split(text, maxsplit) if text else []
