# SPDX-License-Identifier: Apache-2.0

"""Reads the fields of a JSON document and collects what is wrong with it.

A document is a stranger's: every value is checked, every unknown field
refused, and all problems are told at once.
"""

import collections.abc
import difflib
import re
import typing

from ironic_ext.catalog import errors

_SHOWN = 60
#: Unknown fields that are told; a stranger may send a million.
_MOST_UNKNOWN = 10


class Fields:
    """One JSON object of a document.

    Every method takes the field's name and returns its value, or the
    default when it is missing, null or wrong; call :meth:`finish` last.
    """

    def __init__(self, value: object, path: str,
                 problems: list[errors.Problem]) -> None:
        """Read an object; anything else is a problem.

        :param path: of the object in its document, '' for the document.
        :param problems: what is wrong is appended here.
        """
        self._path = path
        self._problems = problems
        self._known: set[str] = set()
        self._values: dict[str, typing.Any] = {}
        if isinstance(value, collections.abc.Mapping):
            self._values = dict(value)
        else:
            self._add(path, f'must be an object, not {_kind(value)}')

    def path(self, name: str) -> str:
        """Return the path of a field."""
        return f'{self._path}.{name}' if self._path else name

    def complain(self, name: str, reason: str) -> None:
        """Note a problem with a field."""
        self._add(self.path(name), reason)

    def text(self, name: str, default: str = '', *,
             pattern: re.Pattern[str] | None = None, rule: str = '',
             longest: int = 1024) -> str:
        """Read one line of text.

        :param pattern: what the whole value must match, if it is not ''.
        :param rule: the pattern in words.
        :param longest: characters.
        """
        value = self._value(name)
        if value is None:
            return default
        return self._text(name, value, pattern, rule, longest) or default

    def flag(self, name: str, default: bool) -> bool:
        """Read true or false."""
        value = self._value(name)
        if value is None:
            return default
        if not isinstance(value, bool):
            self.complain(name, f'must be true or false, not {_kind(value)}')
            return default
        return value

    def number(self, name: str, lowest: int, highest: int) -> int | None:
        """Read a whole number in a range."""
        value = self._value(name)
        if value is None:
            return None
        if (isinstance(value, bool) or not isinstance(value, int)
                or not lowest <= value <= highest):
            self.complain(name, f'must be a whole number from {lowest} to '
                                f'{highest}')
            return None
        return value

    def texts(self, name: str, *, pattern: re.Pattern[str] | None = None,
              rule: str = '', most: int = 1000) -> tuple[str, ...]:
        """Read a list of different lines of text.

        :param most: items.
        """
        value = self._value(name)
        if value is None:
            return ()
        if isinstance(value, (str, bytes)) or not isinstance(
                value, collections.abc.Sequence):
            self.complain(name, f'must be a list, not {_kind(value)}')
            return ()
        if len(value) > most:
            self.complain(name, f'has {len(value)} items; {most} are the '
                                'most')
            return ()
        found = [self._text(f'{name}[{index}]', item, pattern, rule, 1024)
                 for index, item in enumerate(value)]
        for index, item in enumerate(found):
            if item and item in found[:index]:
                self.complain(f'{name}[{index}]', f'"{item}" is there twice')
        return tuple(found)

    def mapping(self, name: str) -> dict[str, typing.Any]:
        """Read an object with keys of the user's own."""
        value = self._value(name)
        if value is None:
            return {}
        if not isinstance(value, collections.abc.Mapping):
            self.complain(name, f'must be an object, not {_kind(value)}')
            return {}
        return dict(value)

    def nested(self, name: str) -> 'Fields':
        """Read an object; one that is missing has no fields."""
        value = self._value(name)
        return Fields({} if value is None else value, self.path(name),
                      self._problems)

    def finish(self) -> None:
        """Refuse every field that nobody asked for."""
        unknown = [name for name in self._values if name not in self._known]
        for name in unknown[:_MOST_UNKNOWN]:
            known = difflib.get_close_matches(str(name), self._known, 1, 0.5)
            self.complain(
                str(name)[:_SHOWN],
                'is no known field'
                + (f'; "{known[0]}" is' if known else
                   f'; there are {", ".join(sorted(self._known))}'))

    def _value(self, name: str) -> typing.Any:
        self._known.add(name)
        return self._values.get(name)

    def _text(self, name: str, value: object,
              pattern: re.Pattern[str] | None, rule: str, longest: int
              ) -> str:
        if not isinstance(value, str):
            self.complain(name, f'must be text, not {_kind(value)}')
            return ''
        if len(value) > longest:
            self.complain(name, f'has {len(value)} characters; {longest} '
                                'are the most')
        elif value and not value.isprintable():
            self.complain(name, 'must be one line of printable text')
        elif pattern is not None and value and not pattern.fullmatch(value):
            self.complain(name, f'"{value[:_SHOWN]}" {rule}')
        else:
            return value
        return ''

    def _add(self, path: str, reason: str) -> None:
        self._problems.append(errors.Problem(path, reason))


def _kind(value: object) -> str:
    if value is None:
        return 'null'
    if isinstance(value, bool):
        return 'true or false'
    if isinstance(value, str):
        return 'text'
    if isinstance(value, (int, float)):
        return 'a number'
    if isinstance(value, collections.abc.Mapping):
        return 'an object'
    return 'a list'
