# SPDX-License-Identifier: Apache-2.0

"""Where media are: ``/<token>/<name>``, ``/<token>.iso``, ``.img`` or none."""

import re

from ironic_ext.media.stream.http import request as requests

_ROUTE = re.compile(rb'/([A-Za-z0-9_-]{16,128})'
                    rb'(?:\.iso|\.img|/([A-Za-z0-9._~-]{1,255}))?')


def of(request: requests.Request) -> tuple[str, str] | None:
    """Return the token and the name ('' in the short forms).

    None when the path is not that of a medium.
    """
    match = _ROUTE.fullmatch(request.target) or _ROUTE.fullmatch(
        request.path())
    if not match:
        return None
    return match[1].decode(), (match[2] or b'').decode()
