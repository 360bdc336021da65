# SPDX-License-Identifier: Apache-2.0

"""Processes whose clock is ahead of the others', by a library of ours.

What a process does to wait stays right, as on a host with a wrong clock.
"""

import pathlib
import shutil
import subprocess
import unittest

_SOURCE = pathlib.Path(__file__).with_name('clock_ahead.c')


def build(folder: pathlib.Path) -> pathlib.Path:
    """Build the library; return its path.

    :raises: SkipTest where there is no compiler.
    """
    compiler = shutil.which('cc') or shutil.which('gcc')
    if compiler is None:
        raise unittest.SkipTest('install gcc and libc6-dev')
    library = folder / 'clock_ahead.so'
    done = subprocess.run(
        [compiler, '-shared', '-fPIC', '-O2', '-Wall', '-Werror', '-o',
         str(library), str(_SOURCE), '-ldl'], capture_output=True, text=True)
    if done.returncode:
        raise unittest.SkipTest(
            f'{compiler} cannot build {_SOURCE.name}: {done.stderr[-500:]}')
    return library


def environment(library: pathlib.Path, seconds: int) -> dict[str, str]:
    """Return what has a process's clock so far ahead."""
    return {'LD_PRELOAD': str(library), 'CLOCK_AHEAD': str(seconds)}
