# SPDX-License-Identifier: Apache-2.0

"""Which hosts are reached without a proxy: NO_PROXY as curl and Go read it.

Addresses and networks of both families, an IPv6 address also in brackets,
names with what lies below them, and a port where one is given. (requests
alone knows no networks of IPv6, nor its brackets.)
"""

import collections.abc
import ipaddress
import os
import re
from urllib import parse as urlparse

from requests import utils as requests_utils

_PORTS = {'http': 80, 'https': 443}
_WITH_PORT = re.compile(r'(\[[^\]]+\]|[^:]+):(\d+)')


def environment(url: str) -> dict[str, str]:
    """Return the proxies of the environment for a URL.

    :returns: by scheme, as requests wants them; empty for none.
    """
    if excludes(os.environ.get('no_proxy') or os.environ.get('NO_PROXY')
                or '', url):
        return {}
    found: dict[str, str] = requests_utils.get_environ_proxies(url)
    return found


def excludes(no_proxy: str, url: str) -> bool:
    """Tell whether a URL is to be reached without a proxy.

    :param no_proxy: parted by commas or blanks; ``*`` stands for all.
    """
    parts = urlparse.urlsplit(url)
    host = (parts.hostname or '').rstrip('.').lower()
    try:
        port = parts.port or _PORTS.get(parts.scheme, 0)
    except ValueError:
        return False
    return any(_is_meant(entry, host, port) for entry in _entries(no_proxy))


def _entries(text: str) -> collections.abc.Iterator[str]:
    return filter(None, (entry.lower() for entry
                         in text.replace(',', ' ').split()))


def _is_meant(entry: str, host: str, port: int) -> bool:
    if entry == '*':
        return True
    with_port = _WITH_PORT.fullmatch(entry)
    if with_port:
        if int(with_port.group(2)) != port:
            return False
        entry = with_port.group(1)
    try:
        network = ipaddress.ip_network(entry.strip('[]'), strict=False)
    except ValueError:
        name = entry.lstrip('*').strip('.')
        return bool(name) and (host == name or host.endswith(f'.{name}'))
    try:
        return ipaddress.ip_address(host) in network
    except ValueError:
        return False
