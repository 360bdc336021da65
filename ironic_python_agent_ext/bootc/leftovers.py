# SPDX-License-Identifier: Apache-2.0

"""Takes down what installs leave: their own end, and that of killed agents.

Whatever is found belongs to an install that nobody waits for any more, since
an agent runs one command at a time.
"""

import contextlib
import os
import pathlib
import shutil
import signal
import time

from oslo_concurrency import processutils
from oslo_log import log

from ironic_ext.bootc import errors
from ironic_python_agent_ext.bootc import installed_root
from ironic_python_agent_ext.bootc import podman
from ironic_python_agent_ext.bootc import storage

LOG = log.getLogger(__name__)

#: Seconds for processes to end by themselves, and again when they were
#: killed; and between two looks.
_PATIENCE, _LOOK = 10.0, 0.05


def remove(caller: podman.Podman | None = None) -> None:
    """End the container, free the store, remove every temporary file.

    :param caller: podman as the install used it; without it, as the killed
        one used it.
    :raises: StoreError when something cannot be taken down.
    """
    store = storage.Store.left()
    if store is not None or any(podman.leftovers()):
        LOG.info('Taking down what an install left')
    # Whatever still pulls has locks that the removal would wait for. conmon
    # is left to podman: it tells when the container has ended.
    _kill(besides='conmon')
    if store is not None:
        _end_container(caller or _as_before())
    _kill()
    _await_attendants()
    if store is not None:
        store.remove()
    try:
        installed_root.release()
    except (OSError, processutils.ProcessExecutionError) as exc:
        raise errors.StoreError(
            f'an installed system stays mounted on {installed_root.PLACE}: '
            f'{exc!s:.300}') from exc
    remove_files()


def remove_files(directory: pathlib.Path | None = None) -> None:
    """Remove the files of an install, or those in a directory of them."""
    path = directory or storage.STATE
    try:
        shutil.rmtree(path)
    except FileNotFoundError:
        pass
    except OSError as exc:
        raise errors.StoreError(
            f'the files of an install cannot be removed: {exc}') from exc


def _end_container(caller: podman.Podman) -> None:
    try:
        caller.remove()
    except errors.BootcError as exc:
        # A store that was not finished has no container, and no podman.
        LOG.warning('No container removed: %s', exc)


def _as_before() -> podman.Podman:
    variables = {}
    for variable, name in (('CONTAINERS_CONF', 'containers.conf'),
                           ('CONTAINERS_STORAGE_CONF', 'storage.conf')):
        path = storage.STATE / 'podman' / name
        if path.exists():
            variables[variable] = str(path)
    return podman.Podman(storage.STATE, variables)


def _await_attendants() -> None:
    """Wait for those who see the container to its end; else kill them.

    One that comes to it after the store is gone makes another one, in what
    lies below.
    """
    kills = time.monotonic() + _PATIENCE
    gives_up = None
    while numbers := [*podman.attendants()]:
        now = time.monotonic()
        if gives_up and now > gives_up:
            LOG.warning('Processes of a container do not end: %s', numbers)
            return
        if now > kills:
            # Counted from the first time: whoever was late to it kills, too.
            gives_up = gives_up or now + _PATIENCE
            for number in numbers:
                # conmon leads a session, of which its last podman is.
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(number, signal.SIGKILL)
        time.sleep(_LOOK)


def _kill(besides: str | None = None) -> None:
    for number in podman.leftovers():
        try:
            name = pathlib.Path(f'/proc/{number}/comm').read_text().strip()
            if name != besides:
                os.kill(number, signal.SIGKILL)
        except (FileNotFoundError, ProcessLookupError):
            continue
