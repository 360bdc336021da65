# SPDX-License-Identifier: Apache-2.0

"""Images of this tree's Containerfiles, and hardened containers of them.

No registry is asked: the base is a Debian that mmdebstrap makes from the
system's own apt, and pip asks whom it asks on this machine. Images and
containers lie in a store of their own, which is gone afterwards.
"""

import collections.abc
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

import fixtures

from lab import debian_root
from lab import process
from lab import stack

_TREE = pathlib.Path(__file__).parents[1]
BASE = 'localhost/debian:latest'
#: User and group of the images.
USER = 42422
_PACKAGES = ('ca-certificates', 'python3', 'python3-venv')
#: Seconds that a build may take on a busy machine.
_BUILD = 2400
#: crun takes no controllers in a hybrid hierarchy of cgroups.
_APART = ('unshare', '--mount', 'sh', '-c',
          'umount /sys/fs/cgroup/unified 2>/dev/null; exec "$@"', 'sh')
# Those of the system may be more than this process may set.
_LIMITS = ('--ulimit', 'nofile=4096:4096', '--ulimit', 'nproc=4096:4096')


def require() -> None:
    """Skip a test where there can be no containers.

    :raises: SkipTest
    """
    if os.geteuid():
        raise unittest.SkipTest('only root can make a Debian and its images')
    for program in ('podman', 'mmdebstrap'):
        if shutil.which(program) is None:
            raise unittest.SkipTest(f'{program} is not installed')
    if subprocess.run([*_APART, 'true'], capture_output=True).returncode:
        raise unittest.SkipTest('this kernel makes no namespaces of mounts')


class Store(fixtures.Fixture):
    """Images, and the containers that run from them.

    :ivar context: what is committed of this tree, as a fresh clone has it.
    """

    directory: pathlib.Path
    context: pathlib.Path

    def _setUp(self) -> None:
        folder = tempfile.TemporaryDirectory(prefix='containers-')
        self.addCleanup(folder.cleanup)
        self.directory = pathlib.Path(folder.name)
        self.directory.chmod(0o755)
        self._podman = [
            *_APART, 'podman', '--root', str(self.directory / 'root'),
            '--runroot', str(self.directory / 'run'),
            '--tmpdir', str(self.directory / 'tmp'),
            '--cgroup-manager', 'cgroupfs', '--events-backend', 'file']
        self.addCleanup(self._end)
        root = debian_root.cached(
            stack.DEFAULT_CACHE, 'container-base', _PACKAGES,
            lambda path: debian_root.make(path / 'root.tar', _PACKAGES))
        self.run('import', str(root / 'root.tar'), BASE)
        self.context = self.directory / 'context'
        self.context.mkdir()
        tree = subprocess.run(['git', '-C', str(_TREE), 'archive', 'HEAD'],
                              stdout=subprocess.PIPE, check=True).stdout
        subprocess.run(['tar', '-x', '-C', str(self.context)], input=tree,
                       check=True)

    def run(self, *arguments: str, timeout: float = 300) -> str:
        """Run podman; return what it printed.

        :raises: LabError with what it said
        """
        done = subprocess.run(
            [*self._podman, *arguments], stdin=subprocess.DEVNULL,
            capture_output=True, text=True, errors='replace',
            timeout=timeout)
        if done.returncode:
            raise process.LabError(
                f'podman {arguments[0]} ended with {done.returncode}: '
                f'{(done.stderr + done.stdout)[-3000:]}')
        return done.stdout

    def build(self, tag: str, file: pathlib.Path, *options: str,
              **arguments: str) -> str:
        """Build an image, and return its name.

        :param arguments: of the build.
        """
        name = f'localhost/{tag}:latest'
        given = [f'--build-arg={key}={value}'
                 for key, value in {'BASE': BASE, **arguments}.items()]
        self.run('build', '--format', 'docker', '--network', 'host',
                 '--pull=never', *_LIMITS, *self._pip(), *given, *options,
                 '--tag', name, '--file', str(file), str(self.context),
                 timeout=_BUILD)
        return name

    def start(self, name: str, image: str, folder: pathlib.Path,
              *arguments: str, health_url: str = '') -> list[str]:
        """Return the command line of a container.

        :param folder: what it sees of this machine, at the same place.
        :param health_url: what the health check asks.
        """
        return [*self._podman, 'run', '--rm', '--name', name,
                '--network', 'host', '--cgroups', 'disabled', *_LIMITS,
                '--read-only', '--tmpfs', '/tmp', '--cap-drop', 'all',
                '--security-opt', 'no-new-privileges',
                '--volume', f'{folder}:{folder}',
                '--env', f'HEALTH_URL={health_url}', image, *arguments]

    def _pip(self) -> list[str]:
        """Return what gives a build this machine's settings of pip."""
        said = subprocess.run(
            [sys.executable, '-m', 'pip', 'config', 'list'], check=True,
            capture_output=True, text=True).stdout
        settings = {}
        for line in said.splitlines():
            name, _is, value = line.partition('=')
            settings[name.rpartition('.')[2]] = value.strip("'")
        mounts = {}
        if 'cert' in settings:
            mounts['/etc/pip-authorities.pem'] = settings['cert']
            settings['cert'] = '/etc/pip-authorities.pem'
        # A folder of this machine.
        settings.pop('find-links', None)
        file = self.directory / 'pip.conf'
        file.write_text('[global]\n' + ''.join(
            f'{name} = {value}\n' for name, value in settings.items()))
        mounts['/etc/pip.conf'] = str(file)
        return [f'--volume={source}:{target}:ro'
                for target, source in mounts.items()]

    def _end(self) -> None:
        self.run('rm', '--all', '--force', '--time', '0')
        # Layers have owners and mounts of their own.
        self.run('system', 'reset', '--force')


class Contained(process.Service):
    """A service of the lab in a container.

    As a site would run it: its image's own user, a root that it cannot
    write to, no privileges. It sees the folder of its site alone.
    """

    url: str
    _container: tuple[Store, str, pathlib.Path]
    #: Of an image that has no entry point of its own.
    program = ''

    def contain(self, store: Store, image: str, folder: pathlib.Path
                ) -> None:
        """Take what it runs from, and what it sees; before the start."""
        self._container = store, image, folder

    def start(self) -> None:
        """Start, with what there is being its user's.

        :raises: LabError
        """
        subprocess.run(['chown', '-R', f'{USER}:{USER}',
                        str(self._container[2])], check=True)
        super().start()

    def stop(self) -> None:
        """Stop, and see that its name is free: podman may be at it still."""
        super().stop()
        self._container[0].run('rm', '--force', '--ignore', '--time', '0',
                               self.name)

    def command(self) -> collections.abc.Sequence[str]:
        """Return the command line."""
        store, image, folder = self._container
        _program, *arguments = super().command()
        return store.start(self.name, image, folder,
                           *((self.program,) if self.program else ()),
                           *arguments, health_url=f'{self.url}/healthz')

    def is_healthy(self) -> bool:
        """Tell what the health check of its image says."""
        try:
            self._container[0].run('healthcheck', 'run', self.name)
        except process.LabError:
            return False
        return True

    def inside(self, *command: str) -> str:
        """Return what a command in the container prints.

        :raises: LabError when it fails
        """
        return self._container[0].run('exec', self.name, *command)
