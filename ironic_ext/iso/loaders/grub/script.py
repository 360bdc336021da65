# SPDX-License-Identifier: Apache-2.0

"""GRUB's script language: words, commands, and the tree that they form.

The lexer follows grub-core/script/yylex.l of GRUB 2.06: quotes, escapes,
line continuation, comments, separators, blocks; the tree its parser.y.
Nothing is executed here.
"""

from collections.abc import Iterator
import functools
import re
import typing

_RESERVED = ('!', 'time', 'do', 'elif', 'else', 'if', 'then', 'until',
             'while')

_CLOSING = ('then', 'elif', 'else', 'fi', 'do', 'done')

_COMMENT = re.compile(r'#[^\n]*')
_VARIABLE = re.compile(r'\$(?:\{(\w+|[?#*@])\}|([A-Za-z_]\w*|\d+|[?#*@]))',
                       re.ASCII)
_CHARS = re.compile(r'[^{}|&$;<> \t\r\n\'"\\]+')
#: Blanks, and behind them a word that is what it says, if there is one.
_BLANKS_AND_WORD = re.compile(
    r'(?:[ \t]|\r(?=\n))*'
    r'([^{}|&$;<> \t\r\n\'"\\#][^{}|&$;<> \t\r\n\'"\\]*'
    r'(?=[ \t\n{}|&;<>]|\Z))?')
#: What a word may become others by: a variable, a pattern.
_SPECIAL = re.compile(r'[$*?\[]')
_ESCAPE = re.compile(r'\\(\r?\n|.|\Z)', re.DOTALL)
_SINGLE = re.compile(r"'([^']*)('|\Z)")
_DOUBLE = re.compile(r'"((?:\\.|[^\\"])*)("|\\?\Z)', re.DOTALL)
_DOUBLE_ESCAPE = re.compile(r'\\(\r?\n|[$\\"])')
_IN_QUOTES = re.compile(
    r'\\(\r?\n|[$\\"])|\$(?:\{(\w+|[?#*@])\}|([A-Za-z_]\w*|\d+|[?#*@]))',
    re.ASCII)

#: A line in which every quote is closed and that ends no other way.
_CLOSED = re.compile(
    r'''[ \t]*(?:#[^\n]*|(?:[^'"\\\n]|\\[^\r\n]|'[^'\n]*'|'''
    r'''"(?:[^"\\\n]|\\[^\n])*")*)\n''')
_MAX_LINE = 1024        # characters of a line that is kept

#: Blocks inside one another that are followed.
MAX_DEPTH = 64
_MAX_KEPT = 65536       # characters of a file whose tree is kept


class Part(typing.NamedTuple):
    """A piece of a word: text, or the name of a variable."""

    text: str
    variable: bool
    quoted: bool


class Word(typing.NamedTuple):
    """A word's place, and its value with variables as ``$name``.

    ``bare``: written without quotes and escapes, so it may be reserved.
    """

    start: int
    end: int
    value: str
    bare: bool
    parts: tuple[Part, ...]


class Command(typing.NamedTuple):
    """A simple command and the character that ended it ('' at the end)."""

    words: tuple[Word, ...]
    terminator: str


class Simple(typing.NamedTuple):
    """A command with its words and, for a menu entry, its block.

    ``plain``: the words' values where none of them has what a variable or
    a pattern has, else None.
    """

    words: tuple[Word, ...]
    block: 'Script | None'
    plain: tuple[str, ...] | None = None


class If(typing.NamedTuple):
    """Conditions and what each guards; an ``else`` has no conditions."""

    branches: 'tuple[tuple[Script, Script], ...]'


class For(typing.NamedTuple):
    """A loop over words."""

    name: str
    words: tuple[Word, ...]
    body: 'Script'


class While(typing.NamedTuple):
    """A loop with a condition; ``until`` turns that round."""

    condition: 'Script'
    body: 'Script'
    until: bool


class Function(typing.NamedTuple):
    """The definition of a function."""

    name: str
    body: 'Script'


Statement = Simple | If | For | While | Function
Script = tuple[Statement, ...]
Token = Word | str


def tokens(text: str) -> Iterator[Token]:
    """Yield words and separators (one character each)."""
    position = 0
    while match := _BLANKS_AND_WORD.match(text, position):
        position = match.end()
        value = match.group(1)
        if value:
            yield Word(match.start(1), position, value, True,
                       (Part(value, False, False),))
            continue
        if position == len(text):
            break
        char = text[position]
        if char == '#':
            comment = _COMMENT.match(text, position)
            position = comment.end() if comment else len(text)
        elif char in '\n;|&<>{}':
            yield char
            position += 1
        else:
            word = _word(text, position)
            position = max(word.end, position + 1)
            if text[word.start:word.end].strip('\\\r\n'):
                yield word


def commands(text: str) -> Iterator[Command]:
    """Yield the simple commands, with words like ``then`` left out."""
    words: list[Word] = []
    for token in tokens(text):
        if isinstance(token, str):
            yield Command(tuple(words), token)
            words = []
        elif words or not token.bare or token.value not in _RESERVED:
            words.append(token)
    yield Command(tuple(words), '')


def tree(text: str) -> Script:
    """Return the statements of a script; what is malformed ends a block.

    :raises: RecursionError never: what is nested deeper than MAX_DEPTH is
        left out.
    """
    return (_tree if len(text) <= _MAX_KEPT else _tree.__wrapped__)(text)


@functools.lru_cache(maxsize=32)
def _tree(text: str) -> Script:
    parser = _Parser(tokens_by_line(text))
    found: list[Statement] = []
    while not parser.done:
        found += parser.block((), 0)
        # A bracket or word that closes nothing is passed over.
        parser.skip()
    return tuple(found)


def tokens_by_line(text: str) -> list[Token]:
    """Return what tokens() yields, but for the places of words.

    An image is customised for many nodes, and all but a few lines of its
    configurations stay as they are.
    """
    found: list[Token] = []
    position = 0
    while position < len(text):
        end = text.find('\n', position) + 1
        line = text[position:end]
        known = _line(line) if len(line) <= _MAX_LINE else None
        if known is None:
            found += tokens(text[position:])
            break
        found += known
        position = end
    return found


@functools.lru_cache(maxsize=512)
def _line(text: str) -> tuple[Token, ...] | None:
    """Return the tokens of a line, None if the last may go on behind it."""
    return tuple(tokens(text)) if _CLOSED.fullmatch(text) else None


class _Parser:
    """Recursive descent over tokens."""

    def __init__(self, found: list[Token]) -> None:
        self.tokens = found
        self.position = 0
        self._end = len(found)

    @property
    def done(self) -> bool:
        return self.position >= self._end

    def skip(self) -> None:
        self.position += 1

    def _peek(self) -> Token | None:
        return (self.tokens[self.position] if self.position < self._end
                else None)

    def _reserved(self) -> str:
        """Return the reserved word or bracket at hand, or ''."""
        token = self._peek()
        if isinstance(token, str):
            return '}' if token == '}' else ''
        if token is not None and token.bare and token.value in _CLOSING:
            return token.value
        return ''

    def block(self, ends: tuple[str, ...], depth: int) -> Script:
        """Read statements up to one of the words that end the block."""
        found: list[Statement] = []
        while self.position < self._end:
            token = self.tokens[self.position]
            if isinstance(token, str):
                closing = '}' if token == '}' else ''
            else:
                closing = (token.value if token.bare
                           and token.value in _CLOSING else '')
            if closing:
                if closing in ends or not ends or closing == '}':
                    break
                self.skip()
            elif isinstance(token, str) and token != '{':
                self.skip()
            else:
                statement = self._statement(depth)
                if statement is not None and depth < MAX_DEPTH:
                    found.append(statement)
        return tuple(found)

    def _statement(self, depth: int) -> Statement | None:
        token = self._peek()
        if isinstance(token, Word) and token.bare:
            if token.value == 'if':
                return self._if(depth)
            if token.value in ('while', 'until'):
                self.skip()
                condition = self._nested(('do',), depth)
                body = self._nested(('done',), depth)
                return While(condition, body, token.value == 'until')
            if token.value == 'for':
                return self._for(depth)
            if token.value == 'function':
                self.skip()
                name = self._peek()
                self.skip()
                while self._peek() == '\n':
                    self.skip()
                if self._peek() == '{' and isinstance(name, Word):
                    return Function(name.value, self._braces(depth))
                return None
        return self._simple(depth)

    def _nested(self, ends: tuple[str, ...], depth: int) -> Script:
        """Read a block and the word that ends it."""
        if depth >= MAX_DEPTH:
            # Without this, nesting would be bounded by the stack alone.
            self.position = len(self.tokens)
            return ()
        found = self.block(ends, depth + 1)
        if self._reserved() in ends:
            self.skip()
        return found

    def _if(self, depth: int) -> If:
        self.skip()
        branches: list[tuple[Script, Script]] = []
        while True:
            condition = self._nested(('then',), depth)
            if depth >= MAX_DEPTH:
                break
            body = self.block(('elif', 'else', 'fi'), depth + 1)
            branches.append((condition, body))
            closing = self._reserved()
            if closing in ('elif', 'else', 'fi'):
                self.skip()
            if closing == 'else':
                branches.append(((), self._nested(('fi',), depth)))
            if closing != 'elif':
                break
        return If(tuple(branches))

    def _for(self, depth: int) -> For:
        self.skip()
        words = self._words()
        while self._peek() in ('\n', ';'):
            self.skip()
        if self._reserved() == 'do':
            self.skip()
        body = self._nested(('done',), depth)
        name = words[0].value if words else ''
        return For(name, words[2:], body)

    def _words(self) -> tuple[Word, ...]:
        found: list[Word] = []
        for position in range(self.position, self._end):
            token = self.tokens[position]
            if isinstance(token, str):
                break
            found.append(token)
        self.position += len(found)
        return tuple(found)

    def _simple(self, depth: int) -> Simple:
        words = self._words()
        block = None
        if self._peek() == '{':
            block = self._braces(depth)
        plain: tuple[str, ...] | None = tuple([word.value for word in words])
        if not plain or _SPECIAL.search('\n'.join(plain)):
            plain = None
        return Simple(words, block, plain)

    def _braces(self, depth: int) -> Script:
        self.skip()
        return self._nested(('}',), depth)


def _word(text: str, start: int) -> Word:
    """Read the word at ``start``, perhaps just a line continuation."""
    parts: list[Part] = []
    bare = True
    position = start
    while position < len(text):
        char = text[position]
        match = _CHARS.match(text, position)
        if match:
            parts.append(Part(match.group(), False, False))
        elif char == '\\':
            bare = False
            match = _ESCAPE.match(text, position)
            if match and not match.group(1).endswith('\n'):
                parts.append(Part(match.group(1), False, True))
        elif char == "'":
            bare = False
            match = _SINGLE.match(text, position)
            if match:
                parts.append(Part(match.group(1), False, True))
        elif char == '"' or text.startswith('$"', position):
            bare = False
            match = _DOUBLE.match(text, position + (char == '$'))
            if match:
                parts += _quoted(match.group(1))
        elif char == '$':
            match = _VARIABLE.match(text, position)
            if match:
                parts.append(Part(match.group(1) or match.group(2), True,
                                  False))
            else:
                parts.append(Part('$', False, False))
                position += 1
                continue
        elif char == '\r' and not text.startswith('\n', position + 1):
            # GRUB's reader skips carriage returns.
            position += 1
            continue
        else:
            break
        if match is None:
            break
        position = match.end()
    value = ''.join(('$' + part.text) if part.variable else part.text
                    for part in parts)
    return Word(start, position, value, bare, tuple(parts))


def _quoted(body: str) -> Iterator[Part]:
    """Yield the parts of what stands in double quotes."""
    done = 0
    for match in _IN_QUOTES.finditer(body):
        if match.start() > done:
            yield Part(body[done:match.start()], False, True)
        escaped = match.group(1)
        if escaped is None:
            yield Part(match.group(2) or match.group(3), True, True)
        elif not escaped.endswith('\n'):
            yield Part(escaped, False, True)
        done = match.end()
    if done < len(body) or not body:
        yield Part(body[done:], False, True)
