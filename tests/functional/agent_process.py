# SPDX-License-Identifier: Apache-2.0

"""The real deploy agent as a process, fenced to disks of the test.

It runs in mount and process namespaces of its own, below an init that starts
it again when it is killed, as a ramdisk's does. Its hardware manager knows
the test's loop devices and no other disk.
"""

import os
import pathlib
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import textwrap
import time

import fixtures
import requests

GIB = 1 << 30
#: Seconds for what takes a few on a quiet machine.
PATIENCE = 600

#: As much of a node as the agent looks at.
NODE = {'uuid': 'e3e1a4f0-5f2c-4d5e-8b7e-0d1f8c1d2a3b', 'instance_info': {},
        'properties': {}, 'driver_internal_info': {}}

_FENCE = '''\
import os

from ironic_python_agent import errors
from ironic_python_agent import hardware


class Fence(hardware.GenericHardwareManager):
    """Lets the agent see the disks of the test alone."""

    def evaluate_hardware_support(self):
        return 99

    def initialize(self):
        pass

    def execute_bootc_install(self, *arguments, **more):
        """Leave the step to whoever comes before the stock manager."""
        raise errors.IncompatibleHardwareMethodError

    def list_block_devices(self, include_partitions=False,
                           all_serial_and_wwn=False):
        return [hardware.BlockDevice(
            name=path, model='loop', rotational=False, serial=path,
            size=int(open(f'/sys/class/block/{os.path.basename(path)}/size'
                          ).read()) * 512)
            for path in os.environ['FENCED_DISKS'].split()]
'''
_INIT = '''\
set -e
mount --make-rprivate /
# crun wants no controllers in hybrid cgroups.
umount /sys/fs/cgroup/unified 2>/dev/null || true
mount -t tmpfs -o mode=755 tmpfs /run
mkdir -p /run/lock /var/lib/containers
cd "$1"
while [ -e wanted ]; do
    "$2" -c 'import sys; from ironic_python_agent.cmd import agent
sys.exit(agent.run())' --config-file agent.conf >> log 2>&1 &
    echo $! > pid.new
    mv pid.new pid
    wait $! || true
done
'''


class LoopDisk(fixtures.Fixture):
    """A sparse file as a disk.

    :param size: bytes; Ironic's agent takes no root disk below 4 GiB.
    """

    def __init__(self, size=5 * GIB):
        self._size = size

    def _setUp(self):
        with tempfile.NamedTemporaryFile(prefix='loop-disk-',
                                         delete=False) as file:
            self.addCleanup(os.unlink, file.name)
            file.truncate(self._size)
        #: Where the content is.
        self.file = pathlib.Path(file.name)
        self.path = subprocess.run(
            ['losetup', '--find', '--show', '--partscan', file.name],
            check=True, capture_output=True, text=True).stdout.strip()
        self._is_attached = True
        self.addCleanup(self.detach)

    def detach(self):
        """Leave the file alone; the device may be another one's now."""
        if self._is_attached:
            self._is_attached = False
            subprocess.run(['losetup', '--detach', self.path], check=True)

    def partition(self, number):
        return f'{self.path}p{number}'


class Agent(fixtures.Fixture):
    """ironic-python-agent, to be told what to do over HTTP.

    :param disks: paths of the disks that it sees.
    :param environment: further variables.
    """

    def __init__(self, *disks, environment=None):
        self._disks = disks
        self._environment = environment or {}
        self.token = secrets.token_hex(32)

    def _setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix='agent-'))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        with socket.socket() as sock:
            sock.bind(('127.0.0.1', 0))
            self._port = sock.getsockname()[1]
        self._write_fence()
        self.temporary = self.folder / 'tmp'
        self.temporary.mkdir()
        (self.folder / 'wanted').touch()
        (self.folder / 'agent.conf').write_text(textwrap.dedent(f'''\
            [DEFAULT]
            debug = True
            agent_token = {self.token}
            listen_host = 127.0.0.1
            listen_port = {self._port}
            advertise_host = 127.0.0.1
            hardware_initialization_delay = 0
            disk_wait_attempts = 0
            '''))
        (self.folder / 'init').write_text(_INIT)
        environment = {
            'PATH': os.environ['PATH'], 'TMPDIR': str(self.temporary),
            'PYTHONPATH': os.pathsep.join([
                str(self.folder / 'fence'), os.getcwd()]),
            'FENCED_DISKS': ' '.join(self._disks), 'LC_ALL': 'C.UTF-8',
            'PYTHONDONTWRITEBYTECODE': '1', **self._environment}
        self._unshare = subprocess.Popen(
            ['unshare', '--mount', '--pid', '--fork', '--kill-child',
             '--mount-proc', 'sh', str(self.folder / 'init'),
             str(self.folder), sys.executable],
            env=environment, stdin=subprocess.DEVNULL)
        self.addCleanup(self._stop)
        self._environment = environment
        self.await_start()

    def _write_fence(self):
        """Make a distribution whose entry point the agent finds."""
        folder = self.folder / 'fence'
        metadata = folder / 'disk_fence-1.dist-info'
        metadata.mkdir(parents=True)
        (folder / 'disk_fence.py').write_text(_FENCE)
        (metadata / 'METADATA').write_text(
            'Metadata-Version: 2.1\nName: disk-fence\nVersion: 1\n')
        (metadata / 'entry_points.txt').write_text(
            '[ironic_python_agent.hardware_managers]\n'
            'disk-fence = disk_fence:Fence\n')

    def await_start(self):
        """Wait until the agent takes commands."""
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                # Until the port is the agent's, it may be somebody's.
                if 'started_at' in requests.get(self._url('status'),
                                                timeout=30).json():
                    return
            except (requests.RequestException, ValueError):
                pass
            if (self._unshare.poll() is not None
                    or time.monotonic() > deadline):
                raise RuntimeError('the agent does not start:\n'
                                   + self.log()[-4000:])
            time.sleep(0.1)

    def log(self):
        """Return what the agent has logged so far."""
        try:
            return (self.folder / 'log').read_text(errors='replace')
        except FileNotFoundError:
            return ''

    def start(self, name, **parameters):
        """Start a command and return its number."""
        answer = requests.post(
            self._url(f'commands?agent_token={self.token}'),
            json={'name': name, 'params': parameters}, timeout=PATIENCE)
        if not answer.ok:
            raise RuntimeError(f'{name}: {answer.text}')
        return answer.json()['id']

    def command(self, number):
        """Return a command as the conductor sees it."""
        answer = requests.get(
            self._url(f'commands/{number}?agent_token={self.token}'),
            timeout=PATIENCE)
        answer.raise_for_status()
        return answer.json()

    def await_end(self, number):
        """Return a command that has ended."""
        return self.await_command(
            number, lambda command: command['command_status'] != 'RUNNING')

    def await_command(self, number, condition):
        """Return a command as soon as it is as wanted."""
        deadline = time.monotonic() + PATIENCE
        while not condition(command := self.command(number)):
            if (time.monotonic() > deadline
                    or command['command_status'] != 'RUNNING'):
                raise RuntimeError(f'command stays {command}\n'
                                   + self.log()[-4000:])
            time.sleep(0.1)
        return command

    def step(self, step, arguments, node=None):
        """Start a deploy step and return the command's number."""
        return self.start(
            'deploy.execute_deploy_step', ports=[],
            step={'interface': 'deploy', 'step': step, 'args': arguments},
            node={**NODE, **(node or {})})

    def kill(self):
        """Kill the agent alone, and wait for the next one."""
        before = (self.folder / 'pid').read_text()
        self.inside('kill', '-KILL', before.strip())
        deadline = time.monotonic() + PATIENCE
        while (self.folder / 'pid').read_text() == before:
            if time.monotonic() > deadline:
                raise RuntimeError('no agent came after the killed one')
            time.sleep(0.05)
        self.await_start()

    def inside(self, *command):
        """Run a command where the agent runs, and return its output."""
        return subprocess.run(
            ['nsenter', '--target', str(self._init()), '--mount', '--pid',
             *command], env=self._environment, stdin=subprocess.DEVNULL,
            check=True, capture_output=True, text=True).stdout

    def _init(self):
        number = self._unshare.pid
        children = pathlib.Path(f'/proc/{number}/task/{number}/children')
        return int(children.read_text().split()[0])

    def _stop(self):
        (self.folder / 'wanted').unlink(missing_ok=True)
        if self._unshare.poll() is None:
            # What outlives processes, such as compressed memory.
            try:
                self.inside(
                    sys.executable, '-c',
                    'from ironic_python_agent import config\n'
                    'from ironic_python_agent_ext.bootc import leftovers\n'
                    'leftovers.remove()')
            except (IndexError, OSError, subprocess.SubprocessError):
                # There is no agent, or it never started.
                pass
        self._unshare.send_signal(signal.SIGKILL)
        self._unshare.wait()

    def _url(self, path):
        return f'http://127.0.0.1:{self._port}/v1/{path}'
