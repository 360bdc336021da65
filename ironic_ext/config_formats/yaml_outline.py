# SPDX-License-Identifier: Apache-2.0

"""Tells whether a text is YAML, and what its uppermost keys are.

Works on the parser's events: no object is built, so that aliases, merges
and tags of a hostile document cost nothing.
"""

import dataclasses
import typing

import yaml

#: libyaml's parser where PyYAML was built with it; it is 10 times faster.
_LOADER: typing.Any = getattr(yaml, 'CSafeLoader', yaml.SafeLoader)
_DEEPEST = 100
_KEPT = 2


class OutlineError(Exception):
    """The text is not YAML.

    :ivar line: counted from 1, None where it is not known.
    """

    def __init__(self, reason: str, line: int | None) -> None:
        """Keep the line, None where it is unknown."""
        super().__init__(reason)
        self.line = line


@dataclasses.dataclass(frozen=True)
class Entry:
    """A key of the outline.

    :ivar line: of the key, counted from 1.
    :ivar kind: ``scalar``, ``mapping``, ``sequence`` or ``alias``.
    :ivar value: of a scalar, as it is written.
    """

    line: int
    kind: str
    value: str = ''


Outline = dict[tuple[str, ...], Entry]


def read(text: str) -> Outline:
    """Return the two uppermost levels of keys; () is the document itself.

    An empty document has no entry at all.

    :raises: OutlineError
    """
    try:
        return _read(text)
    except yaml.MarkedYAMLError as exc:
        mark = exc.problem_mark or exc.context_mark
        problem = exc.problem or exc.context or 'malformed'
        raise OutlineError(str(problem)[:200],
                           mark.line + 1 if mark else None) from exc
    except yaml.YAMLError as exc:
        # A character that YAML does not allow; the message quotes it.
        raise OutlineError('it has a character that YAML does not allow',
                           None) from exc


def _read(text: str) -> Outline:
    found: Outline = {}
    anchors: set[str] = set()
    documents = 0
    # Of each open collection: the key that comes next is to be read ("?"),
    # or the last key of a mapping, or "-" in a sequence.
    stack: list[str] = []
    key_line = 1
    event: typing.Any
    for event in yaml.parse(text, Loader=_LOADER):
        line = event.start_mark.line + 1
        if isinstance(event, yaml.DocumentStartEvent):
            documents += 1
            if documents > 1:
                raise OutlineError('a second document begins; one is read',
                                   line)
        if isinstance(event, yaml.CollectionEndEvent):
            stack.pop()
            _advance(stack)
        if not isinstance(event, yaml.NodeEvent):
            continue
        if isinstance(event, yaml.AliasEvent):
            if event.anchor not in anchors:
                raise OutlineError('an alias stands for nothing', line)
        elif event.anchor:
            anchors.add(event.anchor)
        is_key = bool(stack) and stack[-1] == '?'
        if is_key and isinstance(event, yaml.ScalarEvent):
            stack[-1] = 'K' + event.value
            key_line = line
            continue
        if len(stack) <= _KEPT and '-' not in stack and not is_key:
            path = tuple(key[1:] for key in stack)
            if path and path in found:
                raise OutlineError('the key is there twice', line)
            found[path] = _entry(event, key_line if path else line)
        if isinstance(event, yaml.CollectionStartEvent):
            if len(stack) >= _DEEPEST:
                raise OutlineError(f'it is nested deeper than {_DEEPEST}',
                                   line)
            stack.append('?' if isinstance(event, yaml.MappingStartEvent)
                         else '-')
        else:
            _advance(stack)
    return found


def _advance(stack: list[str]) -> None:
    """Note that a value, or a key that is no scalar, is complete."""
    if stack and stack[-1] != '-':
        stack[-1] = 'K' if stack[-1] == '?' else '?'


def _entry(event: typing.Any, line: int) -> Entry:
    if isinstance(event, yaml.MappingStartEvent):
        return Entry(line, 'mapping')
    if isinstance(event, yaml.SequenceStartEvent):
        return Entry(line, 'sequence')
    if isinstance(event, yaml.AliasEvent):
        return Entry(line, 'alias')
    return Entry(line, 'scalar', event.value)
