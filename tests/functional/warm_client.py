# SPDX-License-Identifier: Apache-2.0

"""``openstack`` for scripts, without the two seconds that each start takes.

A process loads the client once and forks for each command. The program of
that name only hands over its arguments, directory and files.
"""

import array
import json
import logging
import os
import pathlib
import signal
import socket
import sys

from lab import process

_PROGRAM = '''\
#!{python} -IS
import array, json, os, socket, sys
client = socket.socket(socket.AF_UNIX)
client.connect({path!r})
client.sendmsg([json.dumps(
    [sys.argv[1:], os.getcwd(), dict(os.environ)]).encode() + b"\\n"],
    [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [0, 1, 2]))])
sys.exit(int(client.recv(16) or b"1"))
'''
_MAX = 1 << 17      # bytes of arguments and environment


class WarmClient(process.Service):
    """The process, and a directory with the program for PATH."""

    def __init__(self, directory: pathlib.Path) -> None:
        super().__init__('warm-client', directory)
        self._socket = directory / 'client.socket'
        self.programs = directory / 'warm'
        self.programs.mkdir()
        program = self.programs / 'openstack'
        program.write_text(_PROGRAM.format(python=sys.executable,
                                           path=str(self._socket)))
        program.chmod(0o755)

    def command(self):
        return [sys.executable, '-m', 'tests.functional.warm_client',
                str(self._socket)]

    def environment(self):
        return {**super().environment(), 'PYTHONPATH': str(
            pathlib.Path(__file__).parents[2])}

    def is_ready(self):
        return self._socket.exists()


def _run(connection: socket.socket) -> int:
    """Be the command that is asked for; return its exit code."""
    from openstackclient import shell

    data, found, _flags, _address = connection.recvmsg(
        _MAX, socket.CMSG_SPACE(3 * array.array('i').itemsize))
    files = array.array('i')
    files.frombytes(found[0][2])
    while not data.endswith(b'\n'):
        data += connection.recv(_MAX)
    arguments, directory, environment = json.loads(data)
    for number, file in enumerate(files):
        os.dup2(file, number)
    os.chdir(directory)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = ['openstack', *arguments]
    try:
        code = shell.main(arguments)
    except SystemExit as exc:
        code = exc.code if isinstance(exc.code, int) else 1
    sys.stdout.flush()
    sys.stderr.flush()
    return code or 0


def main() -> None:
    """Serve on the socket of the first argument, until it is killed."""
    from openstackclient import shell

    # Everything that any command imports.
    for words in (['baremetal', 'node', 'list', '--help'],
                  ['baremetal', 'boot', 'apply', '--help']):
        try:
            shell.main(words)
        except SystemExit:
            pass
        # Each command sets up its own.
        logging.getLogger().handlers.clear()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(sys.argv[1])
        listener.listen()
        while True:
            connection, _address = listener.accept()
            if os.fork():
                connection.close()
                continue
            code = 1
            try:
                code = _run(connection)
            finally:
                connection.sendall(str(code).encode())
                os._exit(code)


if __name__ == '__main__':
    main()
