# SPDX-License-Identifier: Apache-2.0

"""GRUB's ``test`` and ``[`` (commands/test.c of GNU GRUB 2.06)."""

import collections.abc

#: Tells ``file``, ``dir`` or None of a path.
Kind = collections.abc.Callable[[str], str | None]

_COMPARISONS: dict[str, collections.abc.Callable[[int, int], bool]] = {
    '-eq': lambda a, b: a == b, '-ne': lambda a, b: a != b,
    '-lt': lambda a, b: a < b, '-le': lambda a, b: a <= b,
    '-gt': lambda a, b: a > b, '-ge': lambda a, b: a >= b}
_TEXTS: dict[str, collections.abc.Callable[[str, str], bool]] = {
    '=': lambda a, b: a == b, '==': lambda a, b: a == b,
    '!=': lambda a, b: a != b, '<': lambda a, b: a < b,
    '>': lambda a, b: a > b}


def judge(words: list[str], kind: Kind) -> bool | None:
    """Return what a test says, None when that cannot be told."""
    if len(words) > 256:
        return None
    # "or" of "and" of single tests; brackets are rare enough to be left.
    if '(' in words or ')' in words:
        return None
    result: bool | None = False
    for alternative in _split(words, '-o'):
        all_of: bool | None = True
        for part in _split(alternative, '-a'):
            one = _single(part, kind)
            if one is False:
                all_of = False
                break
            if one is None:
                all_of = None
        if all_of:
            return True
        if all_of is None:
            result = None
    return result


def _split(words: list[str], mark: str) -> list[list[str]]:
    found: list[list[str]] = [[]]
    for number, word in enumerate(words):
        if word == mark and 0 < number < len(words) - 1:
            found.append([])
        else:
            found[-1].append(word)
    return found


def _single(words: list[str], kind: Kind) -> bool | None:
    if words[:1] == ['!'] and len(words) > 1:
        one = _single(words[1:], kind)
        return None if one is None else not one
    if len(words) == 3:
        left, how, right = words
        if how in _TEXTS:
            return _TEXTS[how](left, right)
        if how in _COMPARISONS:
            return _COMPARISONS[how](_number(left), _number(right))
        return None
    if len(words) == 2:
        how, value = words
        if how == '-n':
            return bool(value)
        if how == '-z':
            return not value
        if how in ('-f', '-s'):
            return kind(value) == 'file'
        if how == '-d':
            return kind(value) == 'dir'
        if how == '-e':
            return kind(value) is not None
        # "$x = y" with an empty $x, unquoted.
        return False
    if len(words) == 1:
        return bool(words[0]) and words[0] not in ('-n', '=', '!=')
    return False if not words else None


def _number(text: str) -> int:
    digits = text.lstrip('-')[:12]
    return (int(digits) if digits.isdigit() else 0) * (
        -1 if text.startswith('-') else 1)
