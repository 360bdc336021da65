# SPDX-License-Identifier: Apache-2.0

"""The oldest Ironic that is supported, for processes of a site.

Its own package alone, which pip gets the first time: all else is that of this
environment.
"""

import os
import pathlib
import sys

from lab import debian_root
from lab import stack

#: The first release of the series, and how Ironic calls that when others are
#: pinned to it.
_RELEASE = '35.1.0'
PIN = '35.0'


def oldest() -> dict[str, str]:
    """Return what has a program import that Ironic: environment.

    :raises: LabError when pip does not get it.
    """
    folder = debian_root.cached(
        stack.DEFAULT_CACHE, 'ironic-oldest', [_RELEASE], _install)
    return {'PYTHONPATH': os.pathsep.join(filter(None, (
        str(folder), os.environ.get('PYTHONPATH'))))}


def _install(folder: pathlib.Path) -> None:
    debian_root.run(
        sys.executable, '-m', 'pip', 'install', '--quiet', '--no-deps',
        '--disable-pip-version-check', '--target', folder,
        f'ironic=={_RELEASE}')
