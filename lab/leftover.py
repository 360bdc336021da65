# SPDX-License-Identifier: Apache-2.0

"""A lab that outlives the process that started it: written down, stopped.

A process is known by its id and its start time, so that an id that has been
given to somebody else's process since is left alone.
"""

import contextlib
import json
import os
import pathlib
import shutil
import signal

import libvirt

from lab import process
from lab import stack


def _start_time(pid: int) -> str | None:
    """Return field 22 of /proc/PID/stat, see proc(5); None if it is over."""
    try:
        text = pathlib.Path(f'/proc/{pid}/stat').read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    fields = text.rpartition(')')[2].split()
    return None if fields[0] == 'Z' else fields[19]


def record(path: pathlib.Path, lab: stack.Lab, link: pathlib.Path) -> None:
    """Write down what stop() needs.

    :param link: leads into the lab, and goes with it.
    """
    path.write_text(json.dumps({
        'directory': str(lab.directory),
        'link': str(link),
        'libvirt': lab.hypervisor.uri,
        'files': [str(file) for service in lab.services()
                  for file in service.leaves],
        'processes': [[service.pid, _start_time(service.pid)]
                      for service in lab.services()]}))


def stop(path: pathlib.Path) -> bool:
    """Stop what was written down; tell whether there was anything."""
    try:
        state = json.loads(path.read_text())
    except FileNotFoundError:
        return False
    with contextlib.suppress(libvirt.libvirtError):
        libvirt.registerErrorHandler(lambda context, error: None, None)
        connection = libvirt.open(state['libvirt'])
        for domain in connection.listAllDomains():
            with contextlib.suppress(libvirt.libvirtError):
                domain.destroy()
        connection.close()
    for pid, when in state['processes']:
        _stop_group(pid, when)
    for started in pathlib.Path(state['directory']).rglob('*.pid'):
        _stop_started(started)
    for file in state.get('files', ()):
        pathlib.Path(file).unlink(missing_ok=True)
    shutil.rmtree(state['directory'], ignore_errors=True)
    pathlib.Path(state['link']).unlink(missing_ok=True)
    path.unlink()
    return True


def _stop_started(path: pathlib.Path) -> None:
    """Stop what somebody has started in the lab, if it is that still."""
    with contextlib.suppress(OSError, ValueError):
        pid = int(path.read_text())
        if str(path.parent) in pathlib.Path(
                f'/proc/{pid}/cmdline').read_text():
            started = _start_time(pid)
            if started is not None:
                _stop_group(pid, started)


def _stop_group(pid: int, started: str) -> None:
    for number in (signal.SIGTERM, signal.SIGKILL):
        if _start_time(pid) != started:
            return
        os.killpg(pid, number)
        with contextlib.suppress(process.LabError):
            process.await_condition(lambda: _start_time(pid) != started,
                                    f'process {pid} to end', timeout=15)
