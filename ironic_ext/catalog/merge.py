# Licensed under the Apache License, Version 2.0 (the "License"); you may
# not use this file except in compliance with the License. You may obtain
# a copy of the License at
#
#      http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS, WITHOUT
# WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the
# License for the specific language governing permissions and limitations
# under the License.

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
