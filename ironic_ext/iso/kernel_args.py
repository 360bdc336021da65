# SPDX-License-Identifier: Apache-2.0

"""Kernel arguments: words of a command line, and how to change them.

Words are split as the Linux kernel does (lib/cmdline.c, next_arg): blanks
separate, double quotes group, no escape character exists. Quoting for a
particular boot loader is that boot loader's module.
"""

from collections.abc import Sequence
import re
import typing

from ironic_ext.iso import errors

#: Bytes. The largest COMMAND_LINE_SIZE of the architectures that boot from
#: an ISO (s390x) and the longest line that ISOLINUX reads. x86 and arm64
#: kernels keep 2048 bytes with the final NUL and drop the rest in silence:
#: see X86_MAX_LENGTH.
MAX_LENGTH = 4096

#: Bytes of a command line that an x86 or arm64 kernel keeps.
X86_MAX_LENGTH = 2047

#: Installers of Debian and Ubuntu: words before it are for the live system,
#: words after it persist into the installed one. The kernel gives what
#: follows "--" to init.
SEPARATORS = ('---', '--')

_CONTROL = re.compile(r'[\x00-\x08\x0a-\x1f\x7f-\x9f]')
_WORD = re.compile(r'(?:[^ \t"]+|"[^"]*(?:"|$))+')
_CONTROL_NAMES = {'\n': 'a newline', '\r': 'a carriage return',
                  '\0': 'a NUL'}


class Change(typing.NamedTuple):
    """What edit() does to a list of words, by position.

    ``kept`` has a flag per word; ``middle`` is to be inserted before word
    number ``place`` (which may be the number of words), ``end`` behind the
    last word.
    """

    kept: tuple[bool, ...]
    place: int
    middle: tuple[str, ...]
    end: tuple[str, ...]


def parse(text: str) -> tuple[str, ...]:
    """Split a command line into the words that the kernel sees.

    Words keep their double quotes.

    :raises KernelArgumentError: for control characters (newline, NUL...),
        unbalanced double quotes, characters outside UTF-8, or more than
        MAX_LENGTH bytes.
    """
    found = _CONTROL.search(text)
    if found:
        char = found.group()
        raise errors.KernelArgumentError(
            'the kernel arguments contain %s at character %d; a command line'
            ' is one line of printable text' % (
                _CONTROL_NAMES.get(char, 'control character 0x%02x'
                                   % ord(char)), found.start() + 1))
    if text.count('"') % 2:
        raise errors.KernelArgumentError(
            'the kernel arguments have an unbalanced double quote')
    try:
        length = len(text.encode())
    except UnicodeEncodeError as exc:
        raise errors.KernelArgumentError(
            'the kernel arguments are not valid UTF-8') from exc
    if length > MAX_LENGTH:
        raise errors.KernelArgumentError(
            'the kernel arguments are %d bytes long, the limit is %d'
            % (length, MAX_LENGTH))
    return tuple(text[start:end] for start, end in spans(text))


def spans(text: str) -> list[tuple[int, int]]:
    """Start and end of every word; an open quote runs to the end."""
    return [match.span() for match in _WORD.finditer(text)]


def edit(words: Sequence[str], append: Sequence[str],
         delete: Sequence[str]) -> tuple[str, ...]:
    """Return the words without ``delete`` and with ``append``.

    ``delete`` items: a bare name removes that word and every ``name=...``;
    an item with ``=`` removes exactly that word. Appended words go before
    the first bare ``---`` or ``--``, else to the end. If ``append`` itself
    holds such a separator, what follows it goes to the end.
    """
    return changed(words, plan(words, append, delete))


def changed(words: Sequence[str], change: Change) -> tuple[str, ...]:
    """Return the words with a change that was planned for them."""
    result: list[str] = []
    for index, word in enumerate(words):
        if index == change.place:
            result += change.middle
        if change.kept[index]:
            result.append(word)
    if change.place == len(words):
        result += change.middle
    return tuple(result) + change.end


def plan(words: Sequence[str], append: Sequence[str],
         delete: Sequence[str]) -> Change:
    """The positions of edit(), for texts that keep all their other bytes."""
    exact = {_plain(item) for item in delete}
    bare = {item for item in exact if '=' not in item}
    kept = (True,) * len(words) if not exact else tuple(
        not (_plain(word) in exact or _plain(word).split('=', 1)[0] in bare)
        for word in words)
    cuts = [i for i, word in enumerate(words)
            if kept[i] and word in SEPARATORS]
    own = [i for i, word in enumerate(append) if word in SEPARATORS]
    if cuts and own:
        return Change(kept, cuts[0], tuple(append[:own[0]]),
                      tuple(append[own[0] + 1:]))
    return Change(kept, cuts[0] if cuts else len(words), tuple(append), ())


def edit_text(text: str, append: Sequence[str],
              delete: Sequence[str]) -> str:
    """edit() for a command line as text: other bytes stay as they are."""
    places = spans(text)
    change = plan([text[start:end] for start, end in places], append, delete)
    return apply(text, patches(places, change, None, len(text)))


def patches(places: Sequence[tuple[int, int]], change: Change,
            head: int | None, end: int) -> list[tuple[int, int, str]]:
    """Replacements ``(start, end, text)`` that carry out a change.

    :param places: start and end of the words that ``change`` was planned
        for.
    :param head: end of a word in front of them, or None if there is none.
    :param end: where to insert when there is no word at all.
    """
    result: list[tuple[int, int, str]] = []
    # A removed word takes the blanks before it along, or those behind it
    # when nothing is left in front of it.
    before = head
    leading = head is None
    for index, (first, last) in enumerate(places):
        if index == change.place and change.middle:
            result.append((first, first, ' '.join(change.middle) + ' '))
            leading = False
        if change.kept[index]:
            leading = False
        elif leading:
            behind = places[index + 1][0] if index + 1 < len(places) else last
            result.append((first, behind, ''))
        else:
            result.append((first if before is None else before, last, ''))
        before = last
    tail = change.end
    if change.place == len(places):
        tail = change.middle + tail
    if tail:
        at = end if before is None else before
        result.append((at, at, ('' if leading else ' ') + ' '.join(tail)))
    return result


def apply(text: str, changes: Sequence[tuple[int, int, str]]) -> str:
    """Replace ``text[start:end]`` for every (start, end, new), in order."""
    out: list[str] = []
    done = 0
    for start, end, new in changes:
        out += [text[done:start], new]
        done = end
    return ''.join(out) + text[done:]


def _plain(word: str) -> str:
    # The kernel reads a="b c" and "a=b c" as the same argument.
    return word.replace('"', '')
