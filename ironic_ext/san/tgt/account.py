# SPDX-License-Identifier: Apache-2.0

"""Adds an account to tgtd without its password on a command line.

tgtadm takes passwords as arguments only, which everybody on the host can
read in the process list. Here it is given a placeholder instead, and talks
to tgtd through a relay that puts the password in its place. How requests
look stays between tgtadm and tgtd, since that differs by their version.

Run as a command, with root's rights where the caller has none.
"""

import argparse
import collections.abc
import contextlib
import json
import os
import secrets
import select
import socket
import subprocess
import sys
import tempfile
import threading

#: tgtd(8): TGT_IPC_SOCKET, and the default. The control port is appended.
_VARIABLE = 'TGT_IPC_SOCKET'
_SOCKET = '/var/run/tgtd/socket'
#: As tgtadm puts it.
NOT_CONNECTED = 'Transport endpoint is not connected'
#: Bytes; tgtadm's own buffers have 4096.
_MAX_REQUEST = 1 << 16
_TIMEOUT = 30.0


def add(username: str, password: str, control_port: int) -> str:
    """Add an account to the tgtd of that control port.

    :returns: what tgtadm complains about, '' when all is well.
    :raises: OSError
    """
    path = f'{os.environ.get(_VARIABLE, _SOCKET)}.{control_port}'
    with contextlib.ExitStack() as stack:
        tgtd = stack.enter_context(socket.socket(socket.AF_UNIX))
        tgtd.settimeout(_TIMEOUT)
        try:
            tgtd.connect(path)
        except OSError:
            return NOT_CONNECTED
        folder = stack.enter_context(
            tempfile.TemporaryDirectory(prefix='ironic-ext-tgt-'))
        listener = stack.enter_context(socket.socket(socket.AF_UNIX))
        # tgtadm appends the control port.
        listener.bind(f'{folder}/relay.0')
        listener.listen(1)
        listener.settimeout(_TIMEOUT)
        return _add(username, password, f'{folder}/relay', listener, tgtd)


def _add(username: str, password: str, path: str, listener: socket.socket,
         tgtd: socket.socket) -> str:
    # Of the same length, as the request has its length in it.
    placeholder = secrets.token_hex(len(password))[:len(password)]
    relay = threading.Thread(target=_serve, args=(
        listener, tgtd, placeholder.encode(), password.encode()))
    relay.start()
    try:
        done = subprocess.run(
            ['tgtadm', '--control-port', '0', '--lld', 'iscsi', '--mode',
             'account', '--op', 'new', '--user', username, '--password',
             placeholder],
            env={**os.environ, _VARIABLE: path}, stdin=subprocess.DEVNULL,
            capture_output=True, text=True, timeout=_TIMEOUT)
    except subprocess.TimeoutExpired:
        return 'tgtd does not answer'
    finally:
        # Wakes a relay that nobody has called.
        listener.shutdown(socket.SHUT_RDWR)
        relay.join()
    if not done.returncode and not done.stderr:
        return ''
    return done.stderr.strip() or f'tgtadm ended with {done.returncode}'


def _serve(listener: socket.socket, tgtd: socket.socket, placeholder: bytes,
           password: bytes) -> None:
    """Pass one request on, and its answer back."""
    # What fails here, tgtadm sees as a closed connection.
    with contextlib.suppress(OSError):
        tgtadm, _ = listener.accept()
        with tgtadm:
            tgtadm.settimeout(_TIMEOUT)
            request = b''
            # It may come in pieces.
            while placeholder not in request:
                piece = tgtadm.recv(_MAX_REQUEST)
                if not piece or len(request) > _MAX_REQUEST:
                    return
                request += piece
            tgtd.sendall(request.replace(placeholder, password))
            _copy(tgtadm, tgtd)


def _copy(one: socket.socket, other: socket.socket) -> None:
    """Copy both ways until either side ends."""
    while True:
        ready, _, _ = select.select([one, other], [], [], _TIMEOUT)
        for source in ready:
            data = source.recv(_MAX_REQUEST)
            if not data:
                return
            (other if source is one else one).sendall(data)
        if not ready:
            return


def main(argv: collections.abc.Sequence[str] | None = None) -> int:
    """Add the account whose name and password are read from stdin."""
    parser = argparse.ArgumentParser(
        description='Add an account to tgtd: {"username": ..., '
                    '"password": ...} is read from the standard input.')
    parser.add_argument('--control-port', metavar='NUMBER', type=int,
                        default=0,
                        help='which tgtd of this host: the port number that '
                             'it was started with, tgtd -C (default: 0)')
    arguments = parser.parse_args(argv)
    try:
        facts = json.load(sys.stdin)
        complaint = add(str(facts['username']), str(facts['password']),
                        arguments.control_port)
    except (ValueError, TypeError, KeyError):
        complaint = 'the standard input has no username and password'
    except OSError as exc:
        complaint = f'tgtadm cannot be run: {exc.strerror or exc}'
    if complaint:
        print(complaint, file=sys.stderr)
    return 1 if complaint else 0


if __name__ == '__main__':
    sys.exit(main())
