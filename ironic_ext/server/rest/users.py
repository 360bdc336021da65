# SPDX-License-Identifier: Apache-2.0

"""Users and passwords of a file, as Ironic's http_basic has them.

By oslo.middleware, of which only parts are used: its file is a global option.
It answers sooner who has no such user, which would tell names of users.
"""

import typing

from oslo_middleware import basic_auth
import webob.exc  # type: ignore[import-untyped]


class Users:
    """The users of a file, which may change at any time."""

    def __init__(self, path: str) -> None:
        """Read the file once.

        :raises: oslo_middleware's ConfigInvalid, webob's HTTPException
        """
        basic_auth.validate_auth_file(path)
        self._path = path

    def name(self, environ: dict[str, typing.Any]) -> str:
        """Return whose login a request has, '' for none.

        Whoever is asked for, one password is verified.
        """
        try:
            name, password = basic_auth.parse_token(
                basic_auth.parse_header(environ))
        except (webob.exc.HTTPException, ValueError):
            return ''
        try:
            found, is_known = self._entry(name)
            basic_auth.auth_entry(found, password)
        except (webob.exc.HTTPException, OSError, ValueError):
            return ''
        return name if is_known else ''

    def _entry(self, name: str) -> tuple[str, bool]:
        """Return the entry of a user, or one that takes as long.

        :raises: OSError
        """
        other = ''
        with open(self._path) as file:
            for line in map(str.strip, file):
                if name and line.startswith(f'{name}:'):
                    return line, True
                other = other or line
        return other, False
