# SPDX-License-Identifier: Apache-2.0

"""What the tutorial of bootable containers takes, built while one waits.

A deploy ramdisk on an ISO, and a small bootable image, which is pushed to the
lab's registry. Minutes the first time; both are kept in the lab's cache.
"""

import argparse
from collections.abc import Iterator, Sequence
import contextlib
import pathlib
import shlex
import sys
import tempfile
import threading
import time

from lab import agent_ramdisk
from lab import bootc_image
from lab import debian_root
from lab import process
from lab import stack

#: Repository and tag of the image.
NAME = 'os/lab:1'
#: Seconds between two signs of life.
_SIGN = 15
#: Where the agent is reached: its machine has a network of its own.
_AGENT = """\
[DEFAULT]
advertise_host = 127.0.0.1
advertise_port = {port}
"""
_COMMAND = """\
#!/bin/bash
# Build the deploy ISO and the image of this tutorial, and serve them.
cd {tree} && exec {command}
"""
#: In the command that pushes: what is pushed.
SOURCE = 'IMAGE'


def write_command(path: pathlib.Path, iso: pathlib.Path, agent_port: int,
                  push: Sequence[str]) -> None:
    """Write a command that builds both.

    :param iso: to be written.
    :param agent_port: of 127.0.0.1, which leads to the machine's agent.
    :param push: what puts SOURCE, as skopeo names it, into the registry.
    """
    path.write_text(_COMMAND.format(
        tree=shlex.quote(str(pathlib.Path(__file__).parents[2])),
        command=shlex.join([sys.executable, '-m', __name__, str(iso),
                            str(agent_port), *push])))
    path.chmod(0o755)


@contextlib.contextmanager
def _told(what: str) -> Iterator[None]:
    """Say what is done, again and again while it takes its time."""
    started = time.monotonic()
    over = threading.Event()

    def say(text: str) -> None:
        print(f'[{time.monotonic() - started:4.0f} s] {text}', flush=True)

    def go_on() -> None:
        while not over.wait(_SIGN):
            say('...')

    say(what)
    thread = threading.Thread(target=go_on, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
    say('done')


def build(iso: pathlib.Path, agent_port: int, push: Sequence[str],
          cache: pathlib.Path = stack.DEFAULT_CACHE) -> None:
    """Build both, as write_command() has it.

    :raises: LabError when a tool fails.
    """
    with _told('Building the deploy ramdisk: Debian, podman, '
               'ironic-python-agent. Two minutes the first time'):
        agent_ramdisk.ramdisk(cache)
    with (_told(f'Adding the agent part of the suite; writing {iso}'),
          tempfile.TemporaryDirectory() as name):
        config = pathlib.Path(name) / 'etc/ironic-python-agent.d/lab.conf'
        config.parent.mkdir(parents=True)
        config.write_text(_AGENT.format(port=agent_port))
        agent_ramdisk.build_iso(iso, cache, pathlib.Path(name))
    with _told('Building the image: Debian, a stand-in for bootc. Two '
               'minutes the first time'):
        image = bootc_image.build(cache)
    with _told(f'Pushing the image, {image.size >> 20} MiB, to {push[-1]}'):
        debian_root.run(*(f'oci:{image.layout}:latest' if word == SOURCE
                          else word for word in push))


def main() -> int:
    """Build both; return 0 if they are there."""
    parser = argparse.ArgumentParser(prog='build', description=__doc__)
    parser.add_argument('iso', type=pathlib.Path)
    parser.add_argument('agent_port', type=int)
    parser.add_argument('push', nargs=argparse.REMAINDER)
    arguments = parser.parse_args()
    try:
        build(arguments.iso, arguments.agent_port, arguments.push)
    except process.LabError as exc:
        print(f'build: {exc}', file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == '__main__':
    sys.exit(main())
