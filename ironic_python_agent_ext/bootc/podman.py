# SPDX-License-Identifier: Apache-2.0

"""Calls of podman: pull an image, run its bootc, remove what is left.

podman 4.3 (Debian 12) to 5.x; flags that only newer ones know, such as
``pull --retry-delay``, are not used.
"""

import collections.abc
import os
import pathlib
import re
import time

from ironic_ext.bootc import errors
from ironic_python_agent_ext.bootc.image import facts as image_facts
from ironic_python_agent_ext.bootc import podman_output
from ironic_python_agent_ext.bootc import process
from ironic_python_agent_ext.bootc import pull_files

#: The container's name: there is one at a time.
CONTAINER = 'ironic-bootc'
#: What a leftover of ours is known by, in its environment.
MARK = 'IRONIC_BOOTC'

#: The first podman whose containers.conf has all that is written into it.
_OLDEST = (4, 0)
_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'
#: Seconds of calls that only look or remove.
_SHORT = 120.0
#: Pulls until a registry that cannot be reached is given up, and seconds
#: between them.
_PULLS = 3
_PAUSE = 5.0

#: The first podman that fetches layers in parts (zstd:chunked) so that they
#: can be read again as they were, which bootc does. What 4.3 has fetched so
#: "did not match" its digest then.
PARTS = (5, 4)

# Percent of garbage that podman, a Go program, lets grow beside what it
# uses. Go's own 100 is for machines with more memory.
_GARBAGE = '40'

Told = collections.abc.Callable[[str], None]


class Podman:
    """podman, as one install uses it."""

    def __init__(self, directory: pathlib.Path,
                 variables: collections.abc.Mapping[str, str]) -> None:
        """Take what each call has in its environment.

        :param directory: for podman's temporary files, which are as large
            as layers.
        """
        self._environment = {
            'PATH': os.environ.get('PATH', _PATH), 'LC_ALL': 'C',
            'HOME': '/nonexistent', 'TMPDIR': str(directory), MARK: '1',
            'GOGC': _GARBAGE,
            **variables}

    def version(self) -> tuple[int, ...]:
        """Return podman's version.

        :raises: PodmanError when there is none, or one that is too old.
        """
        outcome = self._call(['--version'])
        match = re.search(r'version (\d+)\.(\d+)', ' '.join(outcome.lines))
        if outcome.code != 0 or match is None:
            raise errors.PodmanError(
                'podman does not work in this ramdisk: '
                + podman_output.message(outcome.lines))
        found = int(match[1]), int(match[2])
        if found < _OLDEST:
            raise errors.PodmanError(
                f'podman {match[1]}.{match[2]} of this ramdisk is too old: '
                f'{_OLDEST[0]}.{_OLDEST[1]} is the first that will do')
        return found

    def pull(self, image: str, flags: collections.abc.Sequence[str],
             variables: collections.abc.Mapping[str, str], deadline: float,
             on_line: Told | None = None,
             on_tick: collections.abc.Callable[[], None] | None = None,
             parts: collections.abc.Mapping[str, str] | None = None
             ) -> None:
        """Fetch an image; try again what may succeed later.

        Registries that cannot give parts of a layer, as that of GitHub when
        several are asked for at once, are asked for whole layers.

        :param image: registry/repository@digest, or :tag.
        :param flags: of ``podman pull``.
        :param variables: what the pull alone has in its environment.
        :param deadline: in terms of time.monotonic().
        :param parts: variables that have podman fetch layers in parts.
        :raises: BootcError of the kind that fits.
        """
        left = _PULLS
        while True:
            outcome = self._call(
                ['pull', *flags, f'docker://{image}'], deadline,
                {**variables, **(parts or {})}, on_line, on_tick)
            if outcome.code == 0:
                return
            if parts and podman_output.is_about_parts(outcome.lines):
                parts = None
                continue
            left -= 1
            if (left and podman_output.is_transient(outcome.lines)
                    and time.monotonic() + _PAUSE < deadline):
                time.sleep(_PAUSE)
                continue
            raise podman_output.pull_error(image, outcome.lines)

    def facts(self, image: str) -> image_facts.Facts:
        """Ask a pulled image's bootc what it is, and how it installs.

        It runs without privileges, network and devices.

        :raises: BootcError where there is no bootc that runs.
        """
        version = self._ask(image, ['--version'])
        if version.code != 0:
            raise podman_output.install_error(image, version.code,
                                              version.lines)
        told = self._ask(image, ['install', 'to-disk', '--help'])
        wishes = self._ask(image, ['install', 'print-configuration'])
        return image_facts.Facts(
            image_facts.version_of(version.lines),
            image_facts.flags_of(told.lines) if told.code == 0 else None,
            image_facts.configuration_of(wishes.lines)
            if wishes.code == 0 else None)

    def _ask(self, image: str, arguments: list[str]) -> process.Outcome:
        return self._call(
            ['run', '--rm', f'--name={CONTAINER}', '--pull=never',
             '--http-proxy=false', '--network=none', '--log-driver=none',
             '--entrypoint=bootc', image, *arguments])

    def largest_layer(self, image: str) -> int:
        """Return the bytes of a pulled image's largest layer, unpacked.

        All of the image, where it does not tell of its layers (their history
        is optional in the OCI image specification).

        :raises: PodmanError
        """
        for arguments in (
                ['history', '--human=false', '--format', '{{.Size}}', image],
                ['image', 'inspect', '--format', '{{.Size}}', image]):
            outcome = self._call(arguments)
            found = [int(line) for line in outcome.lines if line.isdigit()]
            if outcome.code == 0 and any(found):
                return max(found)
        raise errors.PodmanError(
            f'podman does not tell the size of image {image}: '
            + podman_output.message(outcome.lines))

    def has_history(self, image: str) -> bool | None:
        """Tell whether an image has an entry of history for each layer.

        None where podman does not tell.
        """
        outcome = self._call(['image', 'inspect', '--format',
                              '{{len .History}} {{len .RootFS.Layers}}',
                              image])
        found = ' '.join(outcome.lines).split()
        if outcome.code != 0 or len(found) != 2 or not all(
                word.isdigit() for word in found):
            return None
        return int(found[0]) >= int(found[1])

    def mount(self, image: str) -> pathlib.Path:
        """Mount a pulled image, and return where; the store takes it down.

        :raises: PodmanError
        """
        outcome = self._call(['image', 'mount', image])
        place = pathlib.Path(outcome.lines[-1] if outcome.lines else '')
        if outcome.code != 0 or not place.is_absolute():
            raise errors.PodmanError(
                f'podman cannot mount image {image}: '
                + podman_output.message(outcome.lines))
        return place

    def unmount(self, image: str) -> None:
        """Unmount an image, which bootc's own podman is to find as it was.

        :raises: PodmanError
        """
        outcome = self._call(['image', 'unmount', image])
        if outcome.code != 0:
            raise errors.PodmanError(
                f'podman cannot unmount image {image}: '
                + podman_output.message(outcome.lines))

    def install(self, image: str, flags: collections.abc.Sequence[str],
                device: str, deadline: float,
                mounts: collections.abc.Mapping[str, str],
                selinux: bool = False, on_line: Told | None = None,
                on_tick: collections.abc.Callable[[], None] | None = None
                ) -> process.Outcome:
        """Run ``bootc install to-disk`` of an image inside of itself.

        :param flags: of bootc.
        :param mounts: files for bootc alone, host's path -> container's.
        :returns: how it ended, well or not.
        """
        return self._call(
            [*container_arguments(mounts, selinux), image, 'install',
             'to-disk', *flags, device], deadline, on_line=on_line,
            on_tick=on_tick)

    def remove(self) -> None:
        """End and remove the container, if there is one.

        :raises: PodmanError
        """
        outcome = self._call(['rm', '--force', '--time=0', '--ignore',
                              CONTAINER])
        if outcome.code != 0:
            raise errors.PodmanError(
                'the container of an install cannot be removed: '
                + podman_output.message(outcome.lines))

    def _call(self, arguments: list[str], deadline: float | None = None,
              variables: collections.abc.Mapping[str, str] | None = None,
              on_line: Told | None = None,
              on_tick: collections.abc.Callable[[], None] | None = None
              ) -> process.Outcome:
        if deadline is None:
            deadline = time.monotonic() + _SHORT
        environment = {**self._environment, **(variables or {})}
        try:
            return process.run(['podman', *arguments], environment, deadline,
                               on_line, on_tick)
        except FileNotFoundError:
            raise errors.PodmanError(
                'this ramdisk has no podman: build it with the element '
                'ironic-ext-bootc') from None
        except process.DeadlineError:
            raise errors.InstallTimeoutError(
                f'podman {arguments[0]} did not end in time') from None


def container_arguments(mounts: collections.abc.Mapping[str, str],
                        selinux: bool) -> list[str]:
    """Return the arguments of ``podman run`` up to the image.

    bootc asks for the privileges, for PID 1, for the storage of images, and
    for a /var/tmp that is that of PID 1: it writes layers there, unpacked.
    The tenant's program gets nothing else: no file beyond those of mounts,
    no proxy of the pull.
    """
    found = ['run', '--rm', f'--name={CONTAINER}', '--pull=never',
             '--http-proxy=false', '--network=host', '--privileged',
             '--pid=host', '--ipc=host', '--log-driver=none',
             '--volume=/dev:/dev',
             f'--volume={pull_files.GRAPH}:{pull_files.GRAPH}',
             f'--volume={pull_files.TEMPORARY}:{pull_files.TEMPORARY}']
    found += [f'--volume={path}:{inside}:ro'
              for path, inside in mounts.items()]
    if selinux:
        found.append('--security-opt=label=type:unconfined_t')
    return [*found, '--entrypoint=bootc']


def attendants() -> collections.abc.Iterator[int]:
    """Yield the numbers of processes that see the container to its end.

    conmon has an environment of its own (podman 4.3, configureConmonEnv in
    libpod/oci_conmon_common.go), and the container's name as an argument. It
    waits for the podman that it starts last, to clean up after the container.
    """
    name = CONTAINER.encode()
    for path in pathlib.Path('/proc').glob('[0-9]*/cmdline'):
        try:
            if (path.with_name('comm').read_text().strip() == 'conmon'
                    and name in path.read_bytes().split(b'\0')):
                yield int(path.parent.name)
        except OSError:
            # It ended meanwhile, or is another user's.
            continue


def leftovers() -> collections.abc.Iterator[int]:
    """Yield the numbers of processes that an earlier install left."""
    mark = f'{MARK}=1'.encode()
    for path in pathlib.Path('/proc').glob('[0-9]*/environ'):
        try:
            if mark in path.read_bytes().split(b'\0'):
                yield int(path.parent.name)
        except OSError:
            # It ended meanwhile, or is another user's.
            continue
