# SPDX-License-Identifier: Apache-2.0

"""A media server for tests and benchmarks, its records being a JSON file.

The file is read at every call, so a test revokes a medium by writing it:

    {"settings": {...}, "media": {"<token>": {"base_path": ..., "revoked":
     false, ... the columns of a medium}}}

Reports are appended, one JSON line each, to ``<file>.reads``.
"""

import contextlib
import dataclasses
import json
import logging
import os
import pathlib
import socket
import sys
import time
import typing

from ironic_ext import iso
from ironic_ext.media import medium as media
from ironic_ext.media.stream import base
from ironic_ext.media.stream import contract
from ironic_ext.media.stream import server
from ironic_ext.media.stream import settings
from lab import process

TOKEN = 'AAAAAAAAAAAAAAAAAAAAAA'
#: Seconds since the epoch: 2026-01-01.
MODIFIED = 1767225600


def stream(fields: typing.Mapping[str, typing.Any]) -> media.Stream:
    """Return a stream of flat fields: those of the database's table.

    Others are left out.
    """
    values = {'node': 'node-1', 'purpose': 'instance', 'image': '',
              'created_at': MODIFIED, **fields}
    return media.Stream(
        media.Medium(values['id'], media.Purpose(values['purpose']),
                     media.Kind.STREAM, image=values['image'],
                     size=values['size']),
        base=media.Origin(values['base_digest'], values['base_size'],
                          values['image'], values.get('base_href'),
                          values.get('base_etag', ''),
                          values.get('base_fenced', False)),
        networks=tuple(values.get('networks', ())),
        **{name: values[name] for name in (
            'node', 'name', 'size', 'digest', 'created_at', 'overlay_size',
            'expires_at', 'revoked_at', 'overlay_path') if name in values})


def medium(base_path: pathlib.Path, overlay: pathlib.Path | None = None,
           **fields: typing.Any) -> dict[str, typing.Any]:
    """Return the record of an image file, or of its overlay."""
    size = base_path.stat().st_size
    digest = f'sha256:{base_path.name}'
    entry = {'id': 'medium-1', 'node': 'node-1', 'name': 'node-1.iso',
             'digest': digest, 'size': size, 'created_at': MODIFIED,
             'base_digest': digest, 'base_size': size,
             'base_path': str(base_path)}
    if overlay is not None:
        with iso.SegmentMap.load(overlay, base=base_path) as image:
            entry.update(digest=image.digest, size=image.size,
                         overlay_path=str(overlay))
    entry.update(fields)
    return entry


def write(path: pathlib.Path, media: dict[str, dict[str, typing.Any]],
          **options: typing.Any) -> None:
    """Write records; a server that runs sees the old or the new one."""
    new = path.with_suffix('.new')
    new.write_text(json.dumps({'settings': options, 'media': media}))
    new.rename(path)


class Server(process.Service):
    """The media server, as its own process.

    :ivar media: the JSON file that it serves from.
    """

    def __init__(self, directory: pathlib.Path,
                 media: dict[str, dict[str, typing.Any]],
                 **options: typing.Any) -> None:
        super().__init__('media-server', directory)
        self.port = process.free_port()
        self.media = directory / 'media.json'
        self._options = {'port': self.port, 'stop_timeout': 10, **options}
        self.publish(media)

    def publish(self, media: dict[str, dict[str, typing.Any]]) -> None:
        """Serve these media from now on."""
        write(self.media, media, **self._options)

    def command(self) -> typing.Sequence[str]:
        return [sys.executable, '-m', 'tests.media_streams',
                str(self.media)]

    def environment(self) -> typing.Mapping[str, str]:
        return {**os.environ,
                'PYTHONPATH': str(pathlib.Path(__file__).parents[1])}

    def is_ready(self) -> bool:
        try:
            with socket.create_connection(('127.0.0.1', self.port), 1):
                return True
        except OSError:
            return False

    def processes(self) -> list[int]:
        """Return the server's processes, its parent first."""
        return family(self.pid) if self.pid else []

    def workers(self) -> list[int]:
        """Return the processes that serve."""
        found = []
        for pid in self.processes()[1:]:
            with contextlib.suppress(OSError):
                title = pathlib.Path(f'/proc/{pid}/cmdline').read_bytes()
                if b'media worker' in title:
                    found.append(pid)
        return found

    def reports(self) -> list[contract.ReadReport]:
        """Return what was recorded so far."""
        path = pathlib.Path(f'{self.media}.reads')
        if not path.exists():
            return []
        return [contract.ReadReport(**json.loads(line))
                for line in path.read_text().splitlines()]


def family(pid: int) -> list[int]:
    """Return a process and its descendants, whichever thread forked."""
    children = [int(child) for listing
                in pathlib.Path(f'/proc/{pid}/task').glob('*/children')
                for child in listing.read_text().split()]
    return [pid, *(found for child in children for found in family(child))]


def memory(pid: int) -> int:
    """Return bytes of a family's memory, shared pages counted once."""
    total = 0
    for member in family(pid):
        rollup = pathlib.Path(f'/proc/{member}/smaps_rollup').read_text()
        total += int(rollup.partition('\nPss:')[2].split()[0]) * 1024
    return total


class FileMedia:
    """The Media and the Bases of one process."""

    def __init__(self, path: str) -> None:
        self._path = path

    def _media(self) -> dict[str, dict[str, typing.Any]]:
        try:
            with open(self._path) as stream:
                found = json.load(stream)['media']
        except (OSError, ValueError) as exc:
            raise contract.UnavailableError(str(exc)) from exc
        return found

    def find(self, token: str) -> media.Stream | None:
        entry = self._media().get(token)
        if entry is None:
            return None
        if entry.get('revoked'):
            raise contract.RevokedError(f'medium {entry["id"]} was revoked')
        if (entry.get('expires_at') or float('inf')) <= time.time():
            raise contract.ExpiredError(f'medium {entry["id"]} expired')
        return stream(entry)

    def still_valid(self, medium_ids: typing.Collection[str]
                    ) -> frozenset[str]:
        return frozenset(
            entry['id'] for entry in self._media().values()
            if entry['id'] in medium_ids and not entry.get('revoked'))

    def record_reads(self, reports: typing.Sequence[contract.ReadReport]
                     ) -> None:
        with open(f'{self._path}.reads', 'a') as stream:
            for report in reports:
                stream.write(json.dumps(dataclasses.asdict(report)) + '\n')

    def open(self, wanted: media.Stream) -> base.FileBase:
        for entry in self._media().values():
            if entry['base_digest'] == wanted.base.digest:
                return base.FileBase(entry['base_path'])
        raise contract.BaseMissingError('nobody has this base')


def main() -> None:
    """Serve the media of the first argument until SIGTERM."""
    path = sys.argv[1]
    logging.basicConfig(
        level=logging.INFO,
        format='%(asctime)s %(process)d %(levelname)s %(message)s')
    with open(path) as stream:
        options = json.load(stream)['settings']
    if options.get('tls'):
        options['tls'] = settings.TlsSettings(**options['tls'])

    def connect() -> tuple[FileMedia, FileMedia]:
        both = FileMedia(path)
        return both, both

    server.run(settings.ServerSettings(**{'host': '127.0.0.1', **options}),
               connect)


if __name__ == '__main__':
    main()
