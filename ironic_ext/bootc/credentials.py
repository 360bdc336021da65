# SPDX-License-Identifier: Apache-2.0

"""One secret for a registry, in the forms that people have it in.

What is read here serves conductor and podman alike: the forms become logins,
and these an auth file (containers-auth.json(5)). Credential helpers are left
out: they are programs of somebody else's machine.
"""

import base64
import collections.abc
import dataclasses
import json
import typing

from ironic_ext.bootc import errors
from ironic_ext.bootc import reference

# Docker's own registry has had several names.
_DOCKER_HUB = 'docker.io'
_HUB_NAMES = ('index.docker.io', 'registry-1.docker.io')
# What Docker writes as the user beside an identity token.
_TOKEN_USER = '<token>'
_MAX_SECRET = 256 << 10


@dataclasses.dataclass(frozen=True)
class Login:
    """What a registry is shown."""

    username: str = dataclasses.field(default='', repr=False)
    password: str = dataclasses.field(default='', repr=False)
    #: OAuth 2 refresh token; goes before user and password.
    identity_token: str | None = dataclasses.field(default=None, repr=False)

    @property
    def basic(self) -> str:
        """Base64 of user and password, as RFC 7617 has it."""
        return base64.b64encode(
            f'{self.username}:{self.password}'.encode()).decode()

    def to_dict(self) -> dict[str, str]:
        """Return an entry of an auth file."""
        if self.identity_token is None:
            return {'auth': self.basic}
        return {'auth': self.basic, 'identitytoken': self.identity_token}


@dataclasses.dataclass(frozen=True)
class Credential:
    """Logins by registry, or by the part of a registry they are for."""

    #: "host[:port][/path]" -> login.
    logins: collections.abc.Mapping[str, Login] = dataclasses.field(
        repr=False)

    @classmethod
    def parse(cls, secret: object, registry: str) -> typing.Self:
        """Read a secret in any of its forms.

        ``user:password``; the same in base64, as ``auth`` of Docker's
        config.json; that file itself, also in base64 as Kubernetes has it;
        or an identity token, with or without "Bearer" before it.

        :param registry: "host[:port]" that a secret is for which does not
            say it itself.
        :raises: CredentialError; the message does not quote the secret.
        """
        if isinstance(secret, collections.abc.Mapping):
            return cls(_of_config(secret))
        if not isinstance(secret, str) or not secret.strip():
            raise errors.CredentialError(
                'the secret for the registry is no text')
        text = secret.strip()
        if len(text) > _MAX_SECRET:
            raise errors.CredentialError(
                f'the secret for the registry has more than {_MAX_SECRET} '
                'characters')
        config = _json(text)
        if config is not None:
            return cls(_of_config(config))
        return cls({registry: _login(text)})

    def for_image(self, image: reference.Reference) -> Login | None:
        """Return the login for an image: of the longest name that fits."""
        scope = self._scope_of(image)
        return None if scope is None else self.logins[scope]

    def narrowed(self, images: collections.abc.Iterable[reference.Reference]
                 ) -> 'Credential | None':
        """Return the logins for some images alone, None if there are none."""
        found = {}
        for image in images:
            scope = self._scope_of(image)
            if scope is not None:
                found[scope] = self.logins[scope]
        return Credential(found) if found else None

    def _scope_of(self, image: reference.Reference) -> str | None:
        fitting = [scope for scope in self.logins
                   if scope == image.registry or image.lies_in(scope)]
        return max(fitting, key=len) if fitting else None

    def to_dict(self) -> dict[str, typing.Any]:
        """Return the content of an auth file, which podman reads."""
        return {'auths': {scope: login.to_dict()
                          for scope, login in self.logins.items()}}


def _json(text: str) -> collections.abc.Mapping[str, typing.Any] | None:
    """Return the config.json that a text is, also in base64."""
    for candidate in (text, _from_base64(text)):
        if candidate is None or not candidate.lstrip().startswith('{'):
            continue
        try:
            found = json.loads(candidate)
        except (ValueError, RecursionError):
            raise errors.CredentialError(
                'the secret for the registry starts like a config.json of '
                'Docker and is no JSON') from None
        if isinstance(found, dict):
            return found
    return None


def _from_base64(text: str) -> str | None:
    try:
        found = base64.b64decode(''.join(text.split()), validate=True).decode()
    except ValueError:  # of base64 as of UTF-8
        return None
    return found.strip('\0\r\n')


def _login(text: str) -> Login:
    word, _blank, token = text.partition(' ')
    if word.lower() == 'bearer' and token.strip():
        return _identity(token.strip())
    decoded = _from_base64(text)
    plain = text if ':' in text else decoded
    if plain is not None and ':' in plain and plain.isprintable():
        username, _colon, password = plain.partition(':')
        if not username or not password:
            raise errors.CredentialError(
                'the secret for the registry lacks the user or the password '
                'beside ":"')
        return Login(username, password)
    return _identity(text)


def _identity(token: str) -> Login:
    if not token.isprintable() or not token.isascii() or ' ' in token:
        raise errors.CredentialError(
            'the secret for the registry is neither user:password, nor an '
            'auth of Docker\'s config.json, nor a token')
    return Login(_TOKEN_USER, '', token)


def _of_config(config: collections.abc.Mapping[str, typing.Any]
               ) -> dict[str, Login]:
    auths = config.get('auths')
    if not isinstance(auths, collections.abc.Mapping):
        raise errors.CredentialError(
            'the secret for the registry is a JSON object without "auths", '
            'unlike a config.json of Docker')
    found = {}
    for place, entry in auths.items():
        login = _entry(entry)
        if login is not None:
            found[_scope(str(place))] = login
    return found


def _entry(entry: object) -> Login | None:
    if not isinstance(entry, collections.abc.Mapping):
        return None
    token = entry.get('identitytoken')
    if isinstance(token, str) and token:
        return _identity(token)
    auth = entry.get('auth')
    if isinstance(auth, str) and auth:
        return _login(auth)
    username, password = entry.get('username'), entry.get('password')
    if isinstance(username, str) and isinstance(password, str) and username:
        return Login(username, password)
    # Docker leaves {} where a credential helper has the secret.
    return None


def _scope(place: str) -> str:
    """Return "host[:port][/path]" of a key of ``auths``."""
    scheme, colon, rest = place.partition('://')
    host, slash, path = (rest if colon else place).partition('/')
    if colon or host in _HUB_NAMES:
        # Docker's own form is a URL, of which the host counts.
        slash = path = ''
    if host in _HUB_NAMES:
        host = _DOCKER_HUB
    return f'{host}{slash}{path}'.rstrip('/')
