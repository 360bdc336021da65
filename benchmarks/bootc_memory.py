# SPDX-License-Identifier: Apache-2.0

"""Install a bootable container on a machine with little memory.

The suite's agent part beside the stock agent's own command, in the same
ramdisk, on the same emulated machine, whose free memory is set to a multiple
of the unpacked image. Measured are the memory that was left at the least,
and the seconds. podman, registry and agent are real; bootc is a stand-in, or
that of an image of your own (``--layout``: an OCI image layout, as "skopeo
copy" writes it to ``oci:DIR``, with layers of gzip). Needs root, and some
minutes for each run.
"""

import argparse
import collections.abc
import contextlib
import dataclasses
import gzip
import json
import os
import pathlib
import re
import secrets
import subprocess
import sys
import tempfile
import time
import typing

import requests

from ironic_ext.bootc import reference
from ironic_ext.bootc import request
from lab import agent_ramdisk
from lab import bootc_image
from lab import hypervisor
from lab import process
from lab import stack
from tests.functional import registry

_MIB = 1 << 20
_DISK = 8 << 30
#: What the ramdisk itself takes, agent and kernel with it, MiB; the machine
#: has this and what is to be free.
_RAMDISK = 640
#: Seconds until the agent answers, and until it is done.
_START = 900
_INSTALL = 2 * 3600

# Memory is taken until as much is left as is asked for; then what is left
# is told twice a second.
_START_SCRIPT = r"""#!/bin/sh
wanted=$(sed -n 's/.*lab\.free=\([0-9]*\).*/\1/p' /proc/cmdline)
available() { sed -n 's/^MemAvailable: *\([0-9]*\) kB/\1/p' /proc/meminfo; }
# Port 9999, in the state LISTEN.
until grep -q ':270F .* 0A ' /proc/net/tcp /proc/net/tcp6; do sleep 1; done
# The agent has looked at the hardware by then.
sleep 5
mkdir /ballast
mount -t ramfs ramfs /ballast
while [ "$(available)" -gt "$wanted" ]; do
    head -c 1048576 /dev/zero >> /ballast/file
done
echo "LAB-READY $(available)" > /dev/ttyS0
while :; do
    echo "LAB-AVAILABLE $(available)" > /dev/ttyS0
    sleep 0.5
done
"""

# Debian 12's podman does not know an option that the stock agent gives it.
_PODMAN = """#!/bin/bash
for word; do
    shift
    case $word in --retry-delay=*) ;; *) set -- "$@" "$word" ;; esac
done
exec /usr/bin/podman "$@"
"""

_REGISTRIES = """\
[[registry]]
location = "{host}"
insecure = true
"""


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What became of one install.

    :ivar free: bytes that were free before it.
    :ivar least: bytes that were free at the least.
    :ivar error: None, or why it failed.
    """

    agent: str
    free: int
    least: int
    seconds: float
    error: str | None


class Machine:
    """A machine that boots the ramdisk directly."""

    def __init__(self, directory: pathlib.Path, host: str, free: int) -> None:
        added = directory / 'added-files'
        self._write(added / 'etc/lab-start', _START_SCRIPT)
        self._write(added / 'usr/local/bin/podman', _PODMAN)
        self._write(added / 'etc/containers/registries.conf.d/lab.conf',
                    _REGISTRIES.format(host=host))
        vmlinuz, initrd = agent_ramdisk.build(
            directory, stack.DEFAULT_CACHE, added)
        disks = []
        # The smaller one is the agent's choice to install on.
        for name, size in (('disk', _DISK), ('scratch', 2 * _DISK)):
            with open(directory / name, 'wb') as file:
                file.truncate(size)
            disks += ['-drive',
                      f'file={directory / name},format=raw,if=virtio']
        self.token = secrets.token_hex(32)
        self._port = process.free_port()
        self._console = directory / 'console'
        self._command = [
            'qemu-system-x86_64', '-accel', 'tcg', '-machine', 'pc',
            '-m', str(_RAMDISK + free // _MIB), '-display', 'none',
            '-monitor', 'none', '-serial', f'file:{self._console}',
            '-no-reboot', '-kernel', str(vmlinuz), '-initrd', str(initrd),
            '-append', f'console=ttyS0 quiet ipa-agent-token={self.token} '
            f'ipa-debug=1 ipa-advertise-host=127.0.0.1 '
            f'lab.free={free // 1024}',
            *disks, '-nic', 'user,model=virtio-net-pci,hostfwd=tcp:127.0.0.1:'
            f'{self._port}-:9999']

    @staticmethod
    def _write(path: pathlib.Path, text: str) -> None:
        path.parent.mkdir(parents=True)
        path.write_text(text)
        path.chmod(0o755)

    def __enter__(self) -> typing.Self:
        self._qemu = subprocess.Popen(self._command,
                                      stdin=subprocess.DEVNULL)
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._qemu.kill()
        self._qemu.wait()

    def told(self, word: str) -> list[int]:
        """Return the numbers of kB that the machine told with a word."""
        text = self._console.read_text(errors='replace')
        return [int(number) for number in re.findall(
            rf'{word} (\d+)\b', text)]

    def await_ready(self) -> int:
        """Return the bytes that are free once all is ready."""
        return process.await_condition(
            lambda: self._console.exists() and self.told('LAB-READY'),
            'the agent to start', timeout=_START)[0] * 1024

    def run(self, command: str, parameters: collections.abc.Mapping
            ) -> str | None:
        """Run a command of the agent; return its error, if any."""
        url = f'http://127.0.0.1:{self._port}/v1/commands/'
        token = {'agent_token': self.token}
        answer = requests.post(
            url, params=token,
            json={'name': command, 'params': parameters}, timeout=120)
        if not answer.ok:
            return answer.text
        found = answer.json()

        def done() -> dict | None:
            if self._qemu.poll() is not None:
                return {'command_error': {'message': 'the machine ended'}}
            with contextlib.suppress(requests.RequestException, ValueError):
                now = requests.get(
                    url + found['id'], params=token, timeout=60).json()
                if now['command_status'] != 'RUNNING':
                    return now
            if 'Out of memory: Killed process' in self._console.read_text(
                    errors='replace') and self._agent_is_gone():
                return {'command_error': {
                    'message': 'out of memory: the agent was killed'}}
            return None

        try:
            result = process.await_condition(
                done, 'the install', timeout=_INSTALL, interval=1)
        except process.LabError as exc:
            return str(exc)
        failure = result.get('command_error') or {}
        return failure.get('details') or failure.get('message') or (
            None if result.get('command_status') == 'SUCCEEDED'
            else str(result)[:500])

    def _agent_is_gone(self) -> bool:
        return 'the agent ended with' in self._console.read_text(
            errors='replace')


def _ours(name: str, image: bootc_image.BootcImage, token: str,
          store: request.Store = request.Store()) -> tuple[str, dict]:
    wanted = reference.Reference.parse(f'oci://{name}')
    return 'bootc.install', request.InstallRequest(
        image=wanted.pinned(image.digest), imgref=wanted.followed,
        trust=request.Trust(insecure=True), store=store,
        size=request.Size(image.size, image.unpacked_size, image.largest)
    ).arguments(token)


def _on_a_disk(name: str, image: bootc_image.BootcImage, token: str
               ) -> tuple[str, dict]:
    return _ours(name, image, token,
                 request.Store('disk', device='/dev/vdb'))


def _stock(name: str, image: bootc_image.BootcImage, token: str
           ) -> tuple[str, dict]:
    return 'standby.execute_bootc_install', {'image_source': f'oci://{name}'}


#: What is measured; "scratch" has a second disk for the image.
_AGENTS = {'ironic-ext': _ours, 'scratch': _on_a_disk, 'stock': _stock}


def image_of(layout: pathlib.Path) -> bootc_image.BootcImage:
    """Return the first image of an OCI image layout."""
    def blob(digest: str) -> pathlib.Path:
        return layout / 'blobs' / digest.replace(':', '/')

    index = json.loads((layout / 'index.json').read_text())
    digest = index['manifests'][0]['digest']
    layers = json.loads(blob(digest).read_text())['layers']
    unpacked = []
    for layer in layers:
        with gzip.open(blob(layer['digest'])) as file:
            unpacked.append(file.seek(0, os.SEEK_END))
    return bootc_image.BootcImage(
        layout, sum(layer['size'] for layer in layers), sum(unpacked),
        max(unpacked), digest)


def measure(agent: str, ratio: float, image: bootc_image.BootcImage
            ) -> Outcome:
    """Install once.

    :param ratio: free memory, as a multiple of the unpacked image.
    """
    with contextlib.ExitStack() as context:
        served = registry.Registry(tls=False)
        served.setUp()
        context.callback(served.cleanUp)
        served.copy(f'oci:{image.layout}', 'lab/os', '1',
                    '--preserve-digests')
        host = f'{hypervisor.HOST}:{served.port}'
        directory = pathlib.Path(context.enter_context(
            tempfile.TemporaryDirectory(prefix='bootc-memory-')))
        machine = context.enter_context(Machine(
            directory, host, int(image.unpacked_size * ratio)))
        free = machine.await_ready()
        command, parameters = _AGENTS[agent](
            f'{host}/lab/os:1', image, machine.token)
        started = time.monotonic()
        error = machine.run(command, parameters)
        return Outcome(agent, free,
                       min(machine.told('LAB-AVAILABLE')) * 1024,
                       time.monotonic() - started, error)


def _short(error: str) -> str:
    """Return an error in one line: what failed, and the end, which is why."""
    words = ' '.join(error.split())
    return words if len(words) < 300 else f'{words[:60]} ... {words[-220:]}'


def main() -> int:
    """Print a table; with --json, one object for each line of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--agents', nargs='+', choices=_AGENTS,
                        default=list(_AGENTS))
    parser.add_argument('--ratios', nargs='+', type=float, default=[1.6],
                        help='free memory as a multiple of the image')
    parser.add_argument('--layout', type=pathlib.Path, metavar='DIR',
                        help='install the image of an OCI image layout')
    parser.add_argument('--json', action='store_true')
    arguments = parser.parse_args()
    image = (bootc_image.build(stack.DEFAULT_CACHE)
             if arguments.layout is None else image_of(arguments.layout))
    print(f'image: {image.unpacked_size / _MIB:.0f} MiB, compressed '
          f'{image.size / _MIB:.0f} MiB', file=sys.stderr)
    if not arguments.json:
        print('agent       free MiB  x image  least MiB  seconds  result')
    for ratio in arguments.ratios:
        for agent in arguments.agents:
            found = measure(agent, ratio, image)
            if arguments.json:
                print(json.dumps(dataclasses.asdict(found)), flush=True)
                continue
            print(f'{agent:10} {found.free / _MIB:9.0f} '
                  f'{found.free / image.unpacked_size:8.2f} '
                  f'{found.least / _MIB:10.0f} {found.seconds:8.0f}  '
                  + (_short(found.error) if found.error else 'installed'),
                  flush=True)
    return 0


if __name__ == '__main__':
    sys.exit(main())
