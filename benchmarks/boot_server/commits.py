# SPDX-License-Identifier: Apache-2.0

"""Another commit of this repository, installed beside this one."""

import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).parents[2]


def installed(commit: str) -> pathlib.Path:
    """Return where the programs of a commit are; install it once.

    It has a virtual environment of its own, with the versions that
    ``constraints.txt`` has now, so that both differ in their code alone. It
    stays in ``.cache`` for the next run.

    :raises: subprocess.CalledProcessError
    """
    found = _run('git', '-C', str(ROOT), 'rev-parse', '--verify',
                 f'{commit}^{{commit}}')
    directory = ROOT / '.cache' / f'commit-{found}'
    programs, done = directory / 'venv' / 'bin', directory / 'done'
    if done.exists():
        return programs
    print(f'{commit} is installed, which takes minutes', flush=True)
    tree = directory / 'tree'
    if not tree.exists():
        _run('git', '-C', str(ROOT), 'worktree', 'add', '--detach',
             str(tree), found)
    try:
        _run(sys.executable, '-m', 'venv', '--clear',
             str(directory / 'venv'))
        _run(str(programs / 'pip'), 'install', '-q', '-c',
             str(ROOT / 'constraints.txt'), f'{tree}[server]')
    finally:
        _run('git', '-C', str(ROOT), 'worktree', 'remove', '--force',
             str(tree))
    done.touch()
    return programs


def _run(*command: str) -> str:
    return subprocess.run(command, check=True, stdout=subprocess.PIPE,
                          text=True).stdout.strip()
