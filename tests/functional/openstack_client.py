# SPDX-License-Identifier: Apache-2.0

"""OpenStackClient within the process: its start takes seconds each time."""

import contextlib
import dataclasses
import io
import logging
import os
import unittest.mock

from ironicclient import shell as standalone
from openstackclient import shell


@dataclasses.dataclass(frozen=True)
class Result:
    """How a command ended."""

    returncode: int
    stdout: str
    stderr: str


def run(environment: dict[str, str], *arguments: str) -> Result:
    """Run ``openstack baremetal ...``, with the plugins that are installed.

    :param environment: what is added to the process's own.
    """
    return _run(shell.main, ['baremetal', *arguments], environment)


def run_standalone(environment: dict[str, str], *arguments: str) -> Result:
    """Run ``baremetal ...``, the command of python-ironicclient alone.

    :param environment: what is added to the process's own.
    """
    return _run(standalone.main, list(arguments), environment)


def _run(main, arguments: list[str], environment: dict[str, str]) -> Result:
    stdout, stderr = io.StringIO(), io.StringIO()
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    try:
        with (unittest.mock.patch.dict(os.environ, environment),
              contextlib.redirect_stdout(stdout),
              contextlib.redirect_stderr(stderr)):
            code = main(arguments)
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)
    return Result(code, stdout.getvalue(), stderr.getvalue())
