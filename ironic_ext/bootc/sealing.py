# SPDX-License-Identifier: Apache-2.0

"""Secrets on their way from the conductor to the agent.

The agent logs the arguments of its commands and shows them in its list of
commands, so what is secret among them is encrypted with the agent's token,
which both have and which is in neither.
"""

import base64
import hashlib
import json
import typing

from cryptography import fernet

from ironic_ext.bootc import errors

# Parts this key from others made of the same token.
_PURPOSE = b'ironic-ext bootc'


def seal(secrets: dict[str, typing.Any], token: str) -> str:
    """Encrypt a JSON object with the agent's token."""
    return _cipher(token).encrypt(json.dumps(secrets).encode()).decode()


def unseal(sealed: str, token: str) -> dict[str, typing.Any]:
    """Return what ``seal`` was given.

    :raises: BootcError
    """
    try:
        found = json.loads(_cipher(token).decrypt(sealed.encode()))
    except (fernet.InvalidToken, UnicodeError):
        raise errors.BootcError(
            'the secrets of this deployment were not sealed with this '
            'agent\'s token: deploy again') from None
    return typing.cast(dict[str, typing.Any], found)


def _cipher(token: str) -> fernet.Fernet:
    # The token is random, so that no slow derivation is needed.
    key = hashlib.blake2b(token.encode(), digest_size=32,
                          person=_PURPOSE).digest()
    return fernet.Fernet(base64.urlsafe_b64encode(key))
