# SPDX-License-Identifier: Apache-2.0

"""Users and passwords of a file, as Ironic's http_basic has them.

By oslo.middleware, of which only parts are used: its file is a global option.
It answers sooner who has no such user, which would tell names of users, and
passes over lines that it cannot read.
"""

import logging
import re
import threading
import typing

from oslo_middleware import basic_auth
import webob.exc  # type: ignore[import-untyped]

LOG = logging.getLogger(__name__)

_OPTION = '[ext_server]http_basic_auth_user_file'
#: As bcrypt writes them: cost, salt of 22 characters, digest of 31.
_HASH = re.compile(
    r'\$2[aby]\$(?:0[4-9]|[12]\d|3[01])\$[./A-Za-z0-9]{53}')


class Users:
    """The users of a file, which may change at any time. Thread-safe."""

    def __init__(self, path: str) -> None:
        """Read the file once.

        :raises: ValueError when somebody could not log in by it.
        """
        _entries, wrong = _read(path)
        if wrong:
            raise ValueError(wrong)
        self._path = path
        self._saying = threading.Lock()
        self._said = ''

    def name(self, environ: dict[str, typing.Any]) -> str:
        """Return whose login a request has, '' for none.

        Whoever is asked for, one password is verified.
        """
        try:
            name, password = basic_auth.parse_token(
                basic_auth.parse_header(environ))
        except (webob.exc.HTTPException, ValueError):
            return ''
        entries, wrong = _read(self._path)
        self._say(wrong)
        other = next(iter(entries.values()), '')
        try:
            basic_auth.auth_entry(entries.get(name, other), password)
        except (webob.exc.HTTPException, ValueError):
            return ''
        return name if name in entries else ''

    def _say(self, wrong: str) -> None:
        """Log what is wrong with the file now, once."""
        with self._saying:
            is_news = wrong != self._said
            self._said = wrong
        if is_news and wrong:
            LOG.error('%s', wrong)
        elif is_news:
            LOG.info('%s: %s is well again', _OPTION, self._path)


def _read(path: str) -> tuple[dict[str, str], str]:
    """Return the entries of a file by user, and the first thing wrong.

    Lines that begin with # are comments, as for Apache.
    """
    entries: dict[str, str] = {}
    wrong = ''
    try:
        with open(path, encoding='utf-8', errors='replace') as file:
            for number, line in enumerate(map(str.strip, file), 1):
                if not line or line.startswith('#'):
                    continue
                name, _colon, hashed = line.partition(':')
                if _colon and name and _HASH.fullmatch(hashed):
                    entries.setdefault(name, line)
                else:
                    wrong = wrong or _wrong_line(path, number, line)
    except OSError as exc:
        return {}, (f'{_OPTION}: {path}: {exc.strerror}: make it by '
                    f'"htpasswd -cB {path} USER"')
    if not entries and not wrong:
        wrong = (f'{_OPTION}: {path} has no users: add one by '
                 f'"htpasswd -B {path} USER"')
    return entries, wrong


def _wrong_line(path: str, number: int, line: str) -> str:
    """Say what is wrong, without what may be a password."""
    name, colon, _hashed = line.partition(':')
    if not colon or not name:
        return (f'{_OPTION}: {path}: line {number} is not USER:HASH: remove '
                f'it, and add a user by "htpasswd -B {path} USER"')
    return (f'{_OPTION}: {path}: line {number}: the password of {name} is no '
            f'bcrypt hash: set it by "htpasswd -B {path} {name}"')
