# SPDX-License-Identifier: Apache-2.0

"""A stranger's ISO, inspected by a process of its own with a budget.

A small ISO can name its own files in circles, or nest what no parser should
follow; whatever that costs ends with the process.
"""

import dataclasses
import json
import os
import pathlib
import resource
import subprocess
import sys

from ironic_ext.iso import errors
from ironic_ext.iso.facts import inspection
from ironic_ext.iso import image as images

#: Bytes of address space; an honest ISO needs a tenth.
_MEMORY = 1 << 30
#: Seconds, on a processor and on the clock.
_CPU = 30
_PATIENCE = 120
_MAX_OUTPUT = 1 << 20
#: Ways that are told of an image, and characters for each.
_PATHS = 32
_SENTENCE = 500


@dataclasses.dataclass(frozen=True)
class Summary:
    """What the catalog keeps of an ISO.

    :ivar loaders: firmware and name of each boot loader.
    :ivar paths: a sentence for each way in which a machine boots it.
    :ivar system: whose ISO it is, '' if that cannot be told.
    """

    volume_id: str
    loaders: tuple[tuple[str, str], ...]
    paths: tuple[str, ...] = ()
    system: str = ''


def inspect(path: str, *, cpu: int = _CPU, memory: int = _MEMORY,
            patience: float = _PATIENCE) -> Summary:
    """Look into an ISO.

    :param path: that other processes of this user can open.
    :param cpu: seconds on a processor.
    :param memory: bytes.
    :param patience: seconds on the clock.
    :raises: IsoError, also when it costs more than that
    """
    place = pathlib.Path(__file__).parents[3]
    try:
        done = subprocess.run(
            [sys.executable, '-m', __name__, path, str(cpu), str(memory)],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL, timeout=patience, check=False,
            # No secrets of this process, no modules of another directory.
            cwd='/', env={'PYTHONPATH': str(place), 'LC_ALL': 'C.UTF-8'})
    except subprocess.TimeoutExpired:
        raise _too_expensive(path) from None
    if done.returncode or len(done.stdout) > _MAX_OUTPUT:
        raise _too_expensive(path)
    found = json.loads(done.stdout)
    if 'error' in found:
        raise errors.IsoError(found['error'])
    return Summary(found['volume_id'], tuple(
        (firmware, name) for firmware, name in found['loaders']),
        tuple(found['paths']), found['system'])


def _too_expensive(path: str) -> errors.IsoError:
    return errors.IsoError(
        f'{path} costs more time or memory to look into than any honest '
        'image: it is damaged, or made to do so')


def _inspected(path: str) -> dict[str, object]:
    try:
        with images.IsoImage.open(path) as image:
            found = inspection.inspect(image)
    except (errors.IsoError, OSError) as exc:
        return {'error': str(exc)}
    except RecursionError:
        return {'error': f'{path} nests something too deeply'}
    return {'volume_id': found.volume_id, 'system': found.system,
            'loaders': list(dict.fromkeys(
                (loader.firmware, loader.name)
                for loader in found.loaders)),
            'paths': list(dict.fromkeys(map(
                _sentence, found.boot_paths)))[:_PATHS]}


def _sentence(path: inspection.Path) -> str:
    """Say what happens on one way, in a line of bounded length."""
    takes = (f'; takes no kernel arguments: {path.no_arguments}'
             if path.no_arguments else '; takes kernel arguments')
    found = (f'{path.firmware} from {path.medium}: {path.loader} starts '
             f'{path.unattended}{takes}')
    return ' '.join(found.split())[:_SENTENCE]


def _main() -> None:
    path, cpu, memory = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    # By a signal that nothing handles.
    resource.setrlimit(resource.RLIMIT_CPU, (cpu, cpu))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.write(1, json.dumps(_inspected(path)).encode())


if __name__ == '__main__':
    _main()
