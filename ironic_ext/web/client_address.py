# SPDX-License-Identifier: Apache-2.0

"""Which addresses are one client's, for a server that counts connections."""

import socket

_MAPPED = bytes(10) + b'\xff\xff'


def client_of(address: str) -> bytes:
    """Return what all addresses of one client have in common.

    Whoever has one address of an IPv6 network of 64 bits has all of them
    (RFC 4291, 2.5.1). An IPv4 address is the same mapped into IPv6.

    :param address: of IPv4 or IPv6, with a zone or not; anything else is
        one client.
    """
    if ':' not in address:
        return address.encode()
    packed = socket.inet_pton(socket.AF_INET6, address.partition('%')[0])
    if packed.startswith(_MAPPED):
        return socket.inet_ntoa(packed[12:]).encode()
    return packed[:8]
