# SPDX-License-Identifier: Apache-2.0

"""How soon watchers of hosts are told of a change."""

import contextlib
import json
import selectors
import socket
import time

from benchmarks.boot_server import sides

_WATCH = ('GET /api/v1/baremetalhosts?watch=true&resourceVersion={} HTTP/1.1'
          '\r\nHost: {}\r\n\r\n')
_HOST = '/api/v1/namespaces/default/baremetalhosts/server00042'
_PATIENCE = 60


def told(server: sides.Server, count: int) -> list[float]:
    """Return the seconds until each of many watchers knew, sorted.

    They begin when the request that changes a host does.

    :raises: SystemExit when one is not told
    """
    listed = server.call('GET', '/api/v1/baremetalhosts?limit=1').json
    version = listed['metadata']['resourceVersion']
    with contextlib.ExitStack() as stack:
        watches = []
        for _number in range(count):
            watch = stack.enter_context(socket.create_connection(
                (server.host, server.port), _PATIENCE))
            watch.sendall(_WATCH.format(version, server.host).encode())
            watches.append(watch)
        _await(watches, b'BOOKMARK')
        began = time.perf_counter()
        # Not with call(): the answer may come after what watchers are told.
        change = stack.enter_context(contextlib.closing(server.connection()))
        change.request('PATCH', _HOST, json.dumps(
            {'spec': {'bootMode': 'once'}}).encode(),
            {'Content-Type': 'application/json'})
        found = [moment - began for moment in _await(watches, b'MODIFIED')]
        if change.getresponse().status != 200:
            raise SystemExit('the host could not be changed')
        return found


def _await(watches: list[socket.socket], word: bytes) -> list[float]:
    """Return when each of some connections had received a word."""
    seen: list[float] = []
    received = dict.fromkeys(watches, b'')
    with selectors.DefaultSelector() as selector:
        for watch in watches:
            selector.register(watch, selectors.EVENT_READ, watch)
        while len(seen) < len(watches):
            events = selector.select(_PATIENCE)
            if not events:
                raise SystemExit(
                    f'{len(watches) - len(seen)} watchers were not told')
            for key, _mask in events:
                more = key.data.recv(1 << 16)
                received[key.data] += more
                if not more:
                    raise SystemExit('a watch ended: '
                                     f'{received[key.data][:200]!r}')
                if word in received[key.data]:
                    seen.append(time.perf_counter())
                    selector.unregister(key.data)
    return sorted(seen)
