# SPDX-License-Identifier: Apache-2.0

"""What a registry wants before it answers: credentials, or some patience.

RFC 9110: WWW-Authenticate (11.6.1) and Retry-After (10.2.3).
"""

import collections.abc
import datetime
import email.utils
import re

_TOKEN = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_PARAMETER = re.compile(
    rf'({_TOKEN})\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))')
_SCHEME = re.compile(rf'({_TOKEN})(?:\s+[A-Za-z0-9._~+/-]+=*(?=\s*(?:,|$)))?')
_BETWEEN = re.compile(r'[\s,]*')
_LONGEST = 8192
#: Seconds to wait for who does not say how long, or says so strangely.
_PATIENCE = 2.0

#: Scheme in small letters -> its parameters, their names in small letters.
Challenges = collections.abc.Mapping[
    str, collections.abc.Mapping[str, str]]


def parse(header: str) -> Challenges:
    """Read a WWW-Authenticate, or several that were put into one.

    Of several challenges of one scheme the first counts; what makes no
    sense ends the list.
    """
    text = header[:_LONGEST]
    found: dict[str, dict[str, str]] = {}
    current: dict[str, str] = {}
    place = 0
    while True:
        place = _match_end(_BETWEEN, text, place)
        if match := _PARAMETER.match(text, place):
            name, quoted, plain = match.groups()
            value = plain or re.sub(r'\\(.)', r'\1', quoted or '')
            current.setdefault(name.lower(), value)
        elif match := _SCHEME.match(text, place):
            current = {}
            found.setdefault(match[1].lower(), current)
        else:
            return found
        place = match.end()


def seconds_to_wait(header: str | None) -> float:
    """Return the seconds that a Retry-After asks for, also as a date."""
    text = (header or '').strip()
    if text.isdecimal() and text.isascii() and len(text) < 10:
        return float(text)
    try:
        moment = email.utils.parsedate_to_datetime(text)
        now = datetime.datetime.now(datetime.UTC)
        return max((moment - now).total_seconds(), 0.0)
    except (TypeError, ValueError, OverflowError):
        return _PATIENCE


def _match_end(pattern: re.Pattern[str], text: str, place: int) -> int:
    match = pattern.match(text, place)
    return match.end() if match else place
