# SPDX-License-Identifier: Apache-2.0

"""Keys of Redfish sessions, derived once instead of at every request."""

import hmac
import os
import types
import typing

_MAX_KEYS = 100000


def remembering(stock: types.ModuleType) -> types.SimpleNamespace:
    """Return hashlib with a pbkdf2_hmac() that remembers what it derived.

    Under a hash that no other process can make, so that passwords are no
    easier to find than before.

    :param stock: hashlib.
    """
    secret = os.urandom(32)
    known: dict[bytes, bytes] = {}

    def pbkdf2_hmac(*arguments: typing.Any) -> bytes:
        key = hmac.digest(secret, repr(arguments).encode(), 'sha256')
        if key not in known:
            if len(known) >= _MAX_KEYS:
                known.clear()
            known[key] = stock.pbkdf2_hmac(*arguments)
        return known[key]

    return types.SimpleNamespace(
        **{**vars(stock), 'pbkdf2_hmac': pbkdf2_hmac})
