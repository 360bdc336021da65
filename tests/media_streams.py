# Licensed under the Apache License, Version 2.0 (the "License"); you may
# not use this file except in compliance with the License. You may obtain
# a copy of the License at
#
#      http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS, WITHOUT
# WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the
# License for the specific language governing permissions and limitations
# under the License.

"""A media server for tests and benchmarks, its catalogue being a JSON file.

The file is read at every call, so a test revokes a medium by writing it:

    {"settings": {...}, "media": {"<token>": {"base_path": ..., "revoked":
     false, ... the fields of Medium}}}

Reports are appended, one JSON line each, to ``<file>.reads``.
"""

import dataclasses
import json
import logging
import pathlib
import sys
import time
import typing

from ironic_ext import iso
from ironic_ext.media.stream import base
from ironic_ext.media.stream import catalogue
from ironic_ext.media.stream import server
from ironic_ext.media.stream import settings

TOKEN = 'AAAAAAAAAAAAAAAAAAAAAA'
#: Seconds since the epoch: 2026-01-01.
MODIFIED = 1767225600


def medium(base_path: pathlib.Path, overlay: pathlib.Path | None = None,
           **fields: typing.Any) -> dict[str, typing.Any]:
    """Return the catalogue's entry of an image file, or of its overlay."""
    size = base_path.stat().st_size
    digest = f'sha256:{base_path.name}'
    entry = {'id': 'medium-1', 'node': 'node-1', 'name': 'node-1.iso',
             'digest': digest, 'size': size, 'last_modified': MODIFIED,
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
    """Write a catalogue; a server that runs sees the old or the new one."""
    new = path.with_suffix('.new')
    new.write_text(json.dumps({'settings': options, 'media': media}))
    new.rename(path)


class FileCatalogue:
    """The Catalogue and the Bases of one process."""

    def __init__(self, path: str) -> None:
        self._path = path

    def _media(self) -> dict[str, dict[str, typing.Any]]:
        try:
            with open(self._path) as stream:
                found = json.load(stream)['media']
        except (OSError, ValueError) as exc:
            raise catalogue.CatalogueError(str(exc)) from exc
        return found

    def find(self, token: str) -> catalogue.Medium | None:
        entry = self._media().get(token)
        if entry is None:
            return None
        if entry.get('revoked'):
            raise catalogue.RevokedError(f'medium {entry["id"]} was revoked')
        if (entry.get('expires_at') or float('inf')) <= time.time():
            raise catalogue.ExpiredError(f'medium {entry["id"]} expired')
        fields = {field.name: entry[field.name]
                  for field in dataclasses.fields(catalogue.Medium)
                  if field.name in entry}
        fields['networks'] = tuple(fields.get('networks', ()))
        return catalogue.Medium(**fields)

    def still_valid(self, medium_ids: typing.Collection[str]
                    ) -> frozenset[str]:
        return frozenset(
            entry['id'] for entry in self._media().values()
            if entry['id'] in medium_ids and not entry.get('revoked'))

    def record_reads(self, reports: typing.Sequence[catalogue.ReadReport]
                     ) -> None:
        with open(f'{self._path}.reads', 'a') as stream:
            for report in reports:
                stream.write(json.dumps(dataclasses.asdict(report)) + '\n')

    def open(self, wanted: catalogue.Medium) -> base.FileBase:
        for entry in self._media().values():
            if entry['base_digest'] == wanted.base_digest:
                return base.FileBase(entry['base_path'])
        raise catalogue.BaseMissingError('nobody has this base')


def main() -> None:
    """Serve the catalogue of the first argument until SIGTERM."""
    path = sys.argv[1]
    logging.basicConfig(
        level=logging.INFO,
        format='%(asctime)s %(process)d %(levelname)s %(message)s')
    with open(path) as stream:
        options = json.load(stream)['settings']
    if options.get('tls'):
        options['tls'] = settings.TlsSettings(**options['tls'])

    def connect() -> tuple[FileCatalogue, FileCatalogue]:
        both = FileCatalogue(path)
        return both, both

    server.run(settings.ServerSettings(**{'host': '127.0.0.1', **options}),
               connect)


if __name__ == '__main__':
    main()
