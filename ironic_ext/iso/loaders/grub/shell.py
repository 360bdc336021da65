# SPDX-License-Identifier: Apache-2.0

"""GRUB's shell: variables, words, conditions, loops, functions, files.

Follows script/execute.c of GNU GRUB 2.06. What commands do is their own
module's; what a script may spend is bounded here.
"""

import abc
import collections.abc
import fnmatch
import posixpath

from ironic_ext.iso.loaders import boot_entry
from ironic_ext.iso.loaders.grub import disks as grub_disks
from ironic_ext.iso.loaders.grub import script

Place = boot_entry.Place

#: What changes a menu: a branch that cannot be decided matters if it has
#: one of these.
_WEIGHTY = frozenset((
    'menuentry', 'submenu', 'source', '.', 'configfile', 'normal',
    'blscfg', 'default', 'timeout'))

#: Bytes of all files together; real menus stay far below.
MAX_BYTES = 1 << 20
#: Characters of a variable or word.
MAX_VALUE = 4096
#: Words of one command.
MAX_WORDS = 512
#: Files, functions and menus inside one another.
MAX_NESTING = 16
_MAX_STEPS = 20_000
#: Variables by which GRUB 2.06 tells what it can do.
_FEATURES = {f'feature_{name}': 'y' for name in (
    'chainloader_bpb', 'ntldr', 'platform_search_hint', 'default_font_path',
    'all_video_module', 'menuentry_id', 'menuentry_options', '200_final',
    'nativedisk_cmd', 'timeout_style')}


class Stop(Exception):
    """The walk ends: what it may spend is spent."""


class Left(Exception):
    """The script ends here (``return``, ``configfile``, ``exit``)."""


class Shell(abc.ABC):
    """One run of GRUB's shell.

    :ivar env: variables.
    :ivar exported: those that a new context keeps.
    :ivar notes: sentences on what could not be followed, each once.
    :ivar configs: the files that were read.
    """

    def __init__(self, disks: grub_disks.Disks,
                 variables: dict[str, str]) -> None:
        self.disks = disks
        self.env = _FEATURES | variables
        self.exported = {'root', 'prefix', 'cmdpath', 'grub_cpu',
                         'grub_platform', *self.env}
        self.functions: dict[str, script.Script] = {}
        self.notes: dict[str, None] = {}
        self.configs: dict[Place, None] = {}
        self.config = Place('', '')
        self.depth = 0
        self.positional: tuple[str, ...] = ()
        self._steps = 0
        self._bytes = 0
        self._used: set[str] = set()

    @abc.abstractmethod
    def command(self, name: str, words: list[str],
                block: script.Script | None,
                used: set[str]) -> bool | None:
        """Carry out a command; None when its outcome cannot be told.

        :param used: the variables that ``words`` come from.
        """

    def place(self, path: str) -> Place | None:
        """Return what a name means; None if it has no device or root."""
        device = self.env.get('root', '')
        if path.startswith('('):
            device, closed, path = path[1:].partition(')')
            if not closed:
                return None
            if device.startswith('$'):
                return None
        if not path.startswith('/') or '$' in path:
            return None
        return Place(device, posixpath.normpath(path).replace('//', '/'))

    def source(self, place: Place) -> bool:
        data = self.disks.read(place.device, place.path)
        if data is None:
            return False
        self.configs[place] = None
        self.run_text(data, place)
        return True

    def run_text(self, data: bytes, where: Place) -> None:
        self._bytes += len(data) + 64
        if self._bytes > MAX_BYTES or self.depth >= MAX_NESTING:
            self.notes['the configuration is too large, or includes '
                       'itself, and is not followed to its end'] = None
            raise Stop
        before, self.config = self.config, where
        self.depth += 1
        try:
            self.run(script.tree(data.decode('utf-8', 'surrogateescape')))
        finally:
            self.config = before
            self.depth -= 1

    def run(self, statements: script.Script) -> bool | None:
        status: bool | None = True
        for statement in statements:
            self._steps += 1
            if self._steps > _MAX_STEPS:
                self.notes['the configuration runs on and on, and is not '
                           'followed to its end'] = None
                raise Stop
            if isinstance(statement, script.Simple):
                status = self._simple(statement)
            elif isinstance(statement, script.If):
                status = self._if(statement)
            elif isinstance(statement, script.For):
                for value in self._words(statement.words, globs=True):
                    self.env[statement.name] = value
                    status = self.run(statement.body)
            elif isinstance(statement, script.Function):
                self.functions[statement.name] = statement.body
            else:
                self._while(statement)
        return status

    def _if(self, statement: script.If) -> bool | None:
        for condition, body in statement.branches:
            truth = self.run(condition) if condition else True
            if truth is False:
                continue
            status = self.run(body)
            if truth:
                return status
            if _weighty(body):
                self.notes[f'a condition in {self.config.path} depends on '
                           f'the machine; every branch is taken'] = None
        return True

    def _while(self, statement: script.While) -> None:
        for _ in range(MAX_WORDS):
            truth = self.run(statement.condition)
            if truth is None or truth == statement.until:
                return
            self.run(statement.body)

    def _words(self, words: collections.abc.Iterable[script.Word],
               globs: bool = False) -> list[str]:
        """Expand words; an unquoted variable may give none or several."""
        found: list[str] = []
        for word in words:
            if not any(part.variable for part in word.parts):
                fields = [word.value]
            else:
                fields = self._expanded(word)
            for field in fields:
                if (globs and word.bare
                        and any(char in field for char in '*?[')):
                    found += self._globbed(field)
                else:
                    found.append(field)
            if len(found) > MAX_WORDS:
                return found[:MAX_WORDS]
        return found

    def _expanded(self, word: script.Word) -> list[str]:
        fields = ['']
        present = False
        for part in word.parts:
            if not part.variable:
                fields[-1] += part.text
                present = True
                continue
            self._used.add(part.text)
            value = self._value(part.text)
            if part.quoted:
                fields[-1] += value
                present = True
                continue
            pieces = value.split()
            if pieces:
                present = True
                if value[:1].isspace() and fields[-1]:
                    fields.append('')
                fields[-1] += pieces[0]
                fields += pieces[1:]
        fields = [field[:MAX_VALUE] for field in fields[:MAX_WORDS]]
        return fields if present else []

    def _value(self, name: str) -> str:
        if name.isdigit():
            number = int(name[:4]) - 1
            if 0 <= number < len(self.positional):
                return self.positional[number]
            return ''
        if name in '@*':
            return ' '.join(self.positional)[:MAX_VALUE]
        return self.env.get(name, '')

    def _globbed(self, pattern: str) -> list[str]:
        """Return the files that a pattern matches, or it as it is."""
        place = self.place(pattern)
        if place is None:
            return [pattern]
        paths = ['']
        for part in place.path.strip('/').split('/'):
            if not any(char in part for char in '*?['):
                paths = [f'{path}/{part}' for path in paths]
                continue
            paths = [f'{path}/{name}' for path in paths
                     for name in sorted(self.disks.names(
                         place.device, path or '/'))
                     if fnmatch.fnmatchcase(name, part)
                     and not name.startswith('.')][:MAX_WORDS]
        prefix = (pattern[:pattern.index(')') + 1]
                  if pattern.startswith('(') else '')
        found = [prefix + path for path in paths
                 if self.disks.kind(place.device, path)]
        return found or [pattern]

    def _simple(self, statement: script.Simple) -> bool | None:
        if statement.plain is not None and statement.plain[0] != '!':
            name, *words = statement.plain[:MAX_WORDS]
            return self.command(name, words, statement.block, set())
        if not statement.words:
            return self.run(statement.block or ())
        first = self._words(statement.words[:1])
        self._used = set()
        rest = self._words(statement.words[1:], globs=True)
        used = self._used
        if not first:
            first, rest = rest[:1], rest[1:]
            if not first:
                return True
        words = first[1:] + rest
        name = first[0]
        if name == '!':
            status = self.command(words[0], words[1:], statement.block,
                                  used) \
                if words else None
            return None if status is None else not status
        return self.command(name, words, statement.block, used)

    def call(self, body: script.Script, words: list[str]) -> bool | None:
        if self.depth >= MAX_NESTING:
            return None
        before, self.positional = self.positional, tuple(words)
        self.depth += 1
        try:
            return self.run(body)
        finally:
            self.positional = before
            self.depth -= 1


def _weighty(statements: script.Script) -> bool:
    todo = list(statements)
    while todo:
        statement = todo.pop()
        if isinstance(statement, script.Simple):
            names = [word.value.partition('=')[0]
                     for word in statement.words[:2]]
            if any(name in _WEIGHTY for name in names):
                return True
        elif isinstance(statement, script.If):
            for _, body in statement.branches:
                todo += body
        else:
            todo += statement.body
    return False
