# SPDX-License-Identifier: Apache-2.0

"""Reading a medium whole, as a machine would, and what is in it.

A medium is its base with the argument of its node. What differs between two
nodes' media is only that: the rest has one digest.
"""

import collections.abc
import hashlib
import http.client
import pathlib
import re
import subprocess
import time
import urllib.error
import urllib.request

from tests.cluster import evidence

_ARGUMENT = re.compile(rb'cluster-\d{4}\.\d{4}')
#: Seconds in which a machine tries again to read what was cut off.
_PATIENCE = 90.0
_PIECE = 1 << 18
#: Of what is not there, and does not come.
_GONE = frozenset((401, 403, 404, 410))


def node_name(number: int) -> str:
    """Return the name of a node."""
    return f'cluster-{number:04}'


def argument(number: int, generation: int) -> str:
    """Return what the medium of a node has to have, and no other one."""
    return f'{node_name(number)}.{generation:04}'


class Download:
    """A medium that comes in parts.

    :param watch: is told how many bytes are here, again and again.
    :ivar attempts: requests that were answered.
    """

    def __init__(self, url: str, watch: collections.abc.Callable[
            [int], None] = lambda _count: None) -> None:
        self._url = url
        self._watch = watch
        self._tag = ''
        self.data = bytearray()
        self.size: int | None = None
        self.attempts = 0

    def go_on(self) -> None:
        """Read on from where it was cut off, to the end if possible.

        :raises: OSError, HTTPException, ValueError when it has changed.
        """
        request = urllib.request.Request(self._url)
        if self.data:
            request.add_header('Range', f'bytes={len(self.data)}-')
        with urllib.request.urlopen(request, timeout=30) as answer:
            self.attempts += 1
            tag = answer.headers.get('ETag', '')
            if answer.status == 200:
                self.data.clear()
                self.size = int(answer.headers['Content-Length'])
            elif tag != self._tag:
                raise ValueError(f'its ETag was {self._tag}, and is {tag}')
            self._tag = tag
            while piece := answer.read(_PIECE):
                self.data += piece
                self._watch(len(self.data))

    def finish(self, patience: float = _PATIENCE) -> bytes:
        """Return all that there is; go on where it was cut off.

        :param patience: seconds.
        :raises: OSError when it does not come, ValueError when it changes.
        """
        deadline = time.monotonic() + patience
        while True:
            error: Exception
            try:
                self.go_on()
                if len(self.data) == self.size:
                    return bytes(self.data)
                error = OSError(f'ends after {len(self.data)} bytes')
            except urllib.error.HTTPError as exc:
                exc.close()
                if exc.code in _GONE:
                    raise
                error = exc
            except (OSError, http.client.HTTPException) as exc:
                error = exc
            if time.monotonic() > deadline:
                raise OSError(str(error))
            time.sleep(0.5)


def fetch(url: str) -> bytes:
    """Return all that a URL has.

    :raises: OSError, ValueError as Download.finish does.
    """
    return Download(url).finish()


def answers(url: str) -> bool:
    """Tell whether anything may still be read there."""
    try:
        with urllib.request.urlopen(url, timeout=30) as answer:
            return bool(answer.read(1))
    except (OSError, http.client.HTTPException):
        return False


def digest(data: bytes, wanted: str, uuid: str) -> str:
    """Return the digest of a medium without what its node alone has."""
    for own in (wanted, wanted.partition('.')[0], uuid):
        data = data.replace(own.encode(), bytes(len(own)))
    return hashlib.sha256(data).hexdigest()


def read(node: str, uuid: str, url: str, wanted: str) -> evidence.Read:
    """Read a medium and note what is in it.

    :param wanted: the argument that it is to have.
    """
    try:
        data = fetch(url)
    except (OSError, ValueError) as exc:
        return evidence.Read(node, url, wanted, error=str(exc))
    found = {match.decode() for match in _ARGUMENT.findall(data)}
    return evidence.Read(node, url, wanted, tuple(sorted(found)),
                         digest(data, wanted, uuid))


def require_injected(data: bytes, base: pathlib.Path, wanted: str,
                     directory: pathlib.Path) -> None:
    """Make sure, by xorriso, that a medium is its base and an argument.

    :raises: AssertionError
    """
    medium = directory / 'medium.iso'
    medium.write_bytes(data)
    trees = []
    for number, image in enumerate((base, medium)):
        folder = directory / str(number)
        subprocess.run(
            ['xorriso', '-indev', str(image), '-osirrox', 'on', '-extract',
             '/', str(folder)], check=True, capture_output=True)
        trees.append({
            str(path.relative_to(folder)): path.read_bytes()
            for path in sorted(folder.rglob('*'))
            if path.is_file() and not path.is_symlink()})
    before, after = trees
    changed = {name for name in before if after.get(name) != before[name]}
    for name in changed:
        text = after[name]
        if not name.endswith(('.cfg', '.img', '.cat', '.bin')):
            raise AssertionError(f'{name} is another one')
        if name.endswith('.cfg') and wanted.encode() not in text:
            raise AssertionError(f'{name} changed, without {wanted}')
    if not any(name.endswith('grub.cfg') for name in changed):
        raise AssertionError('no grub.cfg has changed')
    if not any(wanted.encode() in text for name, text in after.items()
               if name.startswith('openstack/')):
        raise AssertionError('the config drive does not come')
