# SPDX-License-Identifier: Apache-2.0

"""The programs as they are installed: each needs the extra of its role.

The base install has none of them, so a module that is missing is told as the
extra that brings it.
"""

import importlib
import sys
import typing


def boot_server() -> int:
    """Run ``ironic-boot-server``."""
    return _run('cli.boot_server', 'server')


def images() -> int:
    """Run ``ironic-ext-images``."""
    return _run('cli.images', 'conductor')


def media_server() -> int:
    """Run ``ironic-media-server``."""
    return _run('cli.media_server', 'server')


def state() -> int:
    """Run ``ironic-ext-state``."""
    return _run('cli.state', 'conductor')


def status() -> int:
    """Run ``ironic-ext-status``."""
    return _run('cli.status', 'conductor')


def doctor() -> int:
    """Run ``ironic-ext-doctor``."""
    return _run('cli.doctor.command', 'client')


def targets() -> int:
    """Run ``ironic-ext-targets``."""
    return _run('cli.targets', 'conductor')


def tgt_account() -> int:
    """Run ``ironic-ext-tgt-account``."""
    return _run('san.tgt.account', 'conductor')


def _run(name: str, extra: str) -> int:
    """Run the main() of a module of the suite.

    :param extra: what has to be installed for it.
    """
    try:
        program: typing.Any = importlib.import_module(
            f'ironic_ext.{name}')
    except ModuleNotFoundError as exc:
        missing = str(exc.name)
        if missing.partition('.')[0] == 'ironic_ext':
            raise
        sys.stderr.write(
            f'{sys.argv[0]}: {missing} is not installed: this program '
            f'needs the extra "{extra}", as in pip install \'.[{extra}]\', '
            'in a clone of its repository\n')
        return 1
    code: int = program.main()
    return code
