# SPDX-License-Identifier: Apache-2.0

"""JSON merge patch (RFC 7386): null removes, objects merge, all else wins."""

import collections.abc
import typing


def patched(target: typing.Any, patch: typing.Any) -> typing.Any:
    """Return what ``target`` is with a merge patch; both stay as they are.

    :param target: a JSON value.
    :param patch: a JSON value; nesting is bounded by what parsed it.
    """
    if not isinstance(patch, collections.abc.Mapping):
        return patch
    result = (dict(target) if isinstance(target, collections.abc.Mapping)
              else {})
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = patched(result.get(key), value)
    return result
