# SPDX-License-Identifier: Apache-2.0

"""GRUB 2 configuration files: what they boot, and other kernel arguments.

Nothing is executed: conditions are not decided, and a command is a
kernel's when its name is ``linux`` in one of its spellings, or when it is
the first module of Xen. BLS entries are systemd_boot's.
"""

from collections.abc import Iterator
from collections.abc import Sequence
import dataclasses
import functools
import itertools
import re

from ironic_ext.iso import errors
from ironic_ext.iso import kernel_args
from ironic_ext.iso.loaders import boot_entry
from ironic_ext.iso.loaders.grub import script
from ironic_ext.iso.loaders import loader

# linux, linux16, linuxefi, linux32, linux$suffix, $linux, ${linux_cmd}...
_LINUX = re.compile(r'linux(16|32|efi|\$\w+)?|\$linux\w*')
_INITRD = re.compile(r'initrd(16|efi|\$\w+)?|\$initrd\w*')
#: Of other programs (GNU Mach, memory tests) the modules are no kernels.
_HYPERVISOR = re.compile(r'multiboot2?|xen_hypervisor')
_XEN = re.compile(r'.*/xen[^/]*')
_MODULE = re.compile(r'module2?|xen_module')
_INCLUDES = ('source', '.', 'configfile', 'normal')
_NAMES = ('grub.cfg', 'loopback.cfg', 'boot.conf')
_DIRECTORIES = (
    '/boot/grub', '/boot/grub2', '/boot/grub/x86_64-efi',
    '/boot/grub/i386-pc', '/grub', '/grub2', '/', '/EFI/*')
_OPTIONS_WITH_VALUE = ('--class', '--users', '--hotkey', '--source', '--id')

_VARIABLE = re.compile(r'\$(?:\{(\w+|[?#*@])\}|([A-Za-z_]\w*|\d+|[?#*@]))',
                       re.ASCII)
_SAFE_WORD = re.compile(r'[A-Za-z0-9_./:=,+@%-]+')
_ASSIGNMENT = re.compile(r'(\w+)=(.*)', re.DOTALL | re.ASCII)
_ROOT_PREFIX = re.compile(r'\((?:\$\w+|[\w,-]+)\)(?=/)')
_QUOTED = re.compile(r'([^"=]*=)?"([^"]*)"')
_PLAIN_VALUE = re.compile(r'(\w+=)(["\']?)([^"\'\\]*)\2', re.ASCII)
_HEX_ESCAPE = re.compile(r'\\x[0-9A-Fa-f]{2}')

# Real files stay below these; a hostile one must not multiply our work.
_MAX_DEPTH = 64         # of nested blocks
_MAX_TITLE = 256        # characters
_MAX_TITLES = 4         # of submenus around an entry that are shown
_MAX_INCLUDES = 256     # of one file
_MAX_VALUE = 512        # characters of a variable
_MAX_INITRDS = 64       # of one entry
_MAX_ALTERNATIVES = 16  # kernels in one menu entry
_MAX_ENTRIES = 2048     # kernels of one file
_MAX_KEPT = 65536       # characters of a file whose commands are kept


def parse(data: bytes) -> boot_entry.BootConfig:
    """Return the kernels that a configuration names and its includes.

    Includes are ``/path`` or ``$prefix/path`` (``$cmdpath/path``): a
    ``(device)`` or ``($variable)`` in front is dropped, variables that the
    file itself sets are replaced. Never fails: what cannot be understood
    is left out.
    """
    entries: list[boot_entry.BootEntry] = []
    includes: dict[str, None] = {}
    variables: dict[str, str] = {}
    titles: list[str] = []
    pending: list[int] = []     # entries that the next initrd belongs to
    complete = False            # they have had one already
    title = ''
    for role, command in _loading(data.decode('utf-8', 'surrogateescape')):
        words = command.words
        if len(entries) >= _MAX_ENTRIES:
            break
        if words:
            name, values = words[0].value, [w.value for w in words[1:]]
            if role and _MODULE.fullmatch(name):
                values = values[_options(words):]
                # Such an initrd is one of several, not their end.
                complete = complete and role == 'kernel'
            if role == 'kernel' and values:
                # The alternatives of an "if" share the initrd behind it.
                pending = [] if complete else pending[-_MAX_ALTERNATIVES:]
                complete = False
                pending.append(len(entries))
                entries.append(boot_entry.BootEntry(
                    title, values[0], tuple(values[1:])))
            elif role == 'initrd' and values:
                complete = not _MODULE.fullmatch(name)
                for index in pending:
                    initrds = entries[index].initrds + tuple(values)
                    entries[index] = dataclasses.replace(
                        entries[index], initrds=initrds[:_MAX_INITRDS])
            elif name in _INCLUDES and values:
                path = _include(values[0], variables)
                if path and len(includes) < _MAX_INCLUDES:
                    includes[path] = None
            else:
                _assign(values if name == 'set' else [name], variables)
        if command.terminator == '{':
            opens = bool(words) and words[0].value in ('menuentry', 'submenu')
            if opens:
                pending = []
            if len(titles) < _MAX_DEPTH:
                titles.append(_menu_title(words) if opens else '')
                title = _title(titles)
        elif command.terminator == '}' and titles:
            titles.pop()
            title = _title(titles)
    return boot_entry.BootConfig(tuple(entries), tuple(includes))


def edit(data: bytes, append: Sequence[str], delete: Sequence[str],
         carriers: frozenset[str] = frozenset()) -> bytes:
    """Change the kernel arguments of every Linux command.

    Words are as in kernel_args.edit(); every other byte stays.

    :param carriers: variables that hold kernel arguments: words to delete
        go from where these are set, too.

    :raises KernelArgumentError: for a word that GRUB cannot pass on as it
        is, or when a command line would exceed kernel_args.MAX_LENGTH.
    """
    quoted = {word: quote(word) for word in append}
    text = data.decode('utf-8', 'surrogateescape')
    # An image is customised for many nodes. What is larger than any real
    # configuration would only take up memory.
    find = (_linux_commands if len(text) <= _MAX_KEPT
            else _linux_commands.__wrapped__)
    changes: list[tuple[int, int, str]] = []
    found = find(text)
    if len(found) > _MAX_ENTRIES:
        raise errors.KernelArgumentError(
            f'the GRUB configuration starts more than {_MAX_ENTRIES} '
            f'kernels, which no menu does: it is not edited')
    for words in found:
        file = words[1 + _options(words)]
        arguments = words[2 + _options(words):]
        values = [word.value for word in arguments]
        change = kernel_args.plan(values, append, delete)
        size = len(' '.join(kernel_args.changed(values, change)).encode(
            'utf-8', 'surrogateescape'))
        if size > kernel_args.MAX_LENGTH:
            raise errors.KernelArgumentError(
                'the arguments of the kernel %s in the GRUB configuration '
                'would be %d bytes long, the limit is %d'
                % (file.value, size, kernel_args.MAX_LENGTH))
        change = change._replace(
            middle=tuple(quoted[word] for word in change.middle),
            end=tuple(quoted[word] for word in change.end))
        changes += kernel_args.patches(
            [(word.start, word.end) for word in arguments], change,
            file.end, file.end)
    if carriers and delete:
        changes += _in_variables(text, carriers, delete)
        changes.sort(key=lambda change: change[0])
    return kernel_args.apply(text, changes).encode(
        'utf-8', 'surrogateescape')


def _in_variables(text: str, carriers: frozenset[str],
                  delete: Sequence[str]
                  ) -> Iterator[tuple[int, int, str]]:
    """Yield the changes where variables with arguments are set."""
    for command in script.commands(text):
        words = command.words
        if words and words[0].value == 'set':
            words = words[1:]
        if not words or words[0].value.partition('=')[0] not in carriers:
            continue
        raw = text[words[0].start:words[0].end]
        match = _PLAIN_VALUE.fullmatch(raw)
        # A value with escapes and pieces stays; that is seen afterwards.
        if match:
            start = words[0].start + match.start(3)
            new = kernel_args.edit_text(match.group(3), (), delete)
            if new != match.group(3):
                yield start, start + len(match.group(3)), new


def quote(word: str) -> str:
    """Quote a kernel argument so that GRUB hands exactly it to the kernel.

    GRUB puts a word that has a space into double quotes of its own, so
    ``a="b c"`` arrives as ``"a=b c"``, which the kernel reads alike; quotes
    around text without a space are dropped.

    A backslash is accepted in ``\\xHH`` only, as in udev-escaped labels: the
    GRUB of Fedora and its kin passes it on as it is. GRUB 2.06 as Debian
    builds it doubles every backslash (measured).

    :raises KernelArgumentError: for any other backslash, a single quote and
        a double quote inside a value: GRUB 2.06 puts a backslash in front
        of them on the kernel's command line.
    """
    rest = _HEX_ESCAPE.sub('', word)
    for char, name in (("'", 'single quote'), ('\\', 'backslash')):
        if char in rest:
            raise errors.KernelArgumentError(
                'GRUB cannot pass the kernel argument %s on unchanged: it '
                'holds a %s' % (word, name))
    match = _QUOTED.fullmatch(word)
    plain = ''.join(match.groups('')) if match else word
    if '"' in plain or '\n' in word or '\r' in word:
        raise errors.KernelArgumentError(
            'GRUB cannot pass the kernel argument %s on unchanged: double '
            'quotes work around the whole value or word only' % word)
    if _SAFE_WORD.fullmatch(plain):
        return plain
    return "'%s'" % plain


def unattended(data: bytes, choice: str, seconds: int) -> bytes:
    """Set a menu's time-out and default, at the end of what makes it.

    :param choice: as the variable ``default`` has it, '' for the one that
        is.
    :raises: KernelArgumentError for a title that cannot be written.
    """
    lines = [f'set timeout={seconds}']
    if choice:
        if "'" in choice or '\n' in choice:
            raise errors.KernelArgumentError(
                f'the menu entry {choice!r} cannot be made GRUB\'s default '
                f'by its title')
        lines.insert(0, f"set default='{choice}'")
    end = b'' if not data or data.endswith(b'\n') else b'\n'
    return data + end + ('\n'.join(lines) + '\n').encode(
        'utf-8', 'surrogateescape')


class Grub:
    """GRUB's grammar as a loader."""

    name = 'grub'
    places = tuple(loader.Place(directory, _NAMES)
                   for directory in _DIRECTORIES)

    def parse(self, data: bytes, inherited: str | None = None
              ) -> boot_entry.BootConfig:
        """See :func:`parse`; nothing is inherited."""
        return parse(data)

    def edit(self, data: bytes, append: Sequence[str],
             delete: Sequence[str], inherits: bool = False,
             carriers: frozenset[str] = frozenset()) -> bytes:
        """Add and delete arguments, see :func:`edit`."""
        return edit(data, append, delete, carriers)

    def unattended(self, data: bytes, choice: str, seconds: int) -> bytes:
        """See :func:`unattended`."""
        return unattended(data, choice, seconds)

    def resolve(self, path: str, home: str, directory: str) -> str | None:
        """Drop a device, and replace the variables that are known."""
        path = path.partition(')')[2] if path.startswith('(') else path
        for names, value in (
                (('$prefix', '${prefix}'), home),
                (('$config_directory', '${config_directory}'), directory),
                (('$root', '${root}', '$isoroot', '${isoroot}'), '')):
            for name in names:
                if path.startswith(name + '/'):
                    path = value.rstrip('/') + path[len(name):]
        if '$' in path or not path.startswith('/'):
            return None
        return path


def _title(titles: Sequence[str]) -> str:
    return '>'.join(title for title in titles[:_MAX_TITLES] if title)


def _menu_title(words: Sequence[script.Word]) -> str:
    skip = False
    for word in words[1:]:
        if skip:
            skip = False
        elif word.value in _OPTIONS_WITH_VALUE:
            skip = True
        elif not word.value.startswith('--'):
            return word.value[:_MAX_TITLE]
    return ''


def _assign(values: Sequence[str], variables: dict[str, str]) -> None:
    match = _ASSIGNMENT.fullmatch(values[0]) if values else None
    if match:
        variables[match.group(1)] = _expand(match.group(2), variables)


def _expand(value: str, variables: dict[str, str]) -> str:
    def known(match: re.Match[str]) -> str:
        name = match.group(1) or match.group(2)
        text = variables.get(name, '')
        return text if text and len(text) <= _MAX_VALUE else '$' + name
    return value if len(value) > _MAX_VALUE \
        else _VARIABLE.sub(known, value)


def _include(value: str, variables: dict[str, str]) -> str | None:
    path = _ROOT_PREFIX.sub('', _expand(value, variables), count=1)
    if path.startswith(('/', '$prefix/', '$cmdpath/')) \
            and '$' not in path[1:]:
        return path
    return None


@functools.lru_cache(maxsize=16)
def _linux_commands(text: str) -> tuple[tuple[script.Word, ...], ...]:
    """Return the words of every command that loads a kernel."""
    return tuple(itertools.islice((
        command.words for role, command in _loading(text)
        if role == 'kernel'
        and len(command.words) > 1 + _options(command.words)),
        _MAX_ENTRIES + 1))


def _loading(text: str) -> Iterator[tuple[str, script.Command]]:
    """Yield each command with what it loads: kernel, initrd, or neither."""
    of_module = ''
    for command in script.commands(text):
        name = command.words[0].value if command.words else ''
        role = ''
        if _LINUX.fullmatch(name):
            role, of_module = 'kernel', ''
        elif _INITRD.fullmatch(name):
            role = 'initrd'
        elif _HYPERVISOR.fullmatch(name):
            of_module = 'kernel' if any(
                _XEN.fullmatch(word.value)
                for word in command.words[1:3]) else ''
        elif _MODULE.fullmatch(name) and of_module:
            # Xen's first module is its kernel, the next are initrds.
            role, of_module = of_module, 'initrd'
        yield role, command


def _options(words: Sequence[script.Word]) -> int:
    """Return how many options a module has before its file."""
    if not _MODULE.fullmatch(words[0].value):
        return 0
    return sum(1 for _ in itertools.takewhile(
        lambda word: word.value.startswith('--'), words[1:]))
