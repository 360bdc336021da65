# SPDX-License-Identifier: Apache-2.0

"""What is known of Ironic's nodes, on disk: for a server that starts again.

It may be out of date, and is worth nothing but time: a file that cannot be
read is begun anew, and one that cannot be written is done without.
"""

import collections.abc
import contextlib
import dataclasses
import datetime
import json
import logging
import os
import sqlite3
import typing

from ironic_ext.node import boot_state
from ironic_ext.server.mirror import ironic_api

LOG = logging.getLogger(__name__)

#: Of the tables; a file of another one is begun anew.
_VERSION = 1
#: Seconds that clocks may differ by.
_SKEW = 300
#: Seconds after which it is written that nothing has changed.
_QUIET = 60.0
#: Hosts that are written in one transaction.
_BATCH = 200
#: Seconds that one writer waits for another.
_BUSY = 5
_TABLES = """
    CREATE TABLE IF NOT EXISTS host (uuid TEXT PRIMARY KEY, row TEXT NOT NULL)
        WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS fact (name TEXT PRIMARY KEY, value TEXT)
        WITHOUT ROWID;
"""


@dataclasses.dataclass(frozen=True)
class KeptHost:
    """A node as it was last seen.

    :ivar node: as ironic_api.IronicApi.node() returns it.
    :ivar inspected: when the inspection ended that found ``ips``.
    """

    node: ironic_api.Node
    macs: tuple[str, ...] = ()
    inspected: str = ''
    ips: tuple[str, ...] = ()


class KeptHosts:
    """The file. For one thread, and one process at a time.

    Nothing is raised: what fails is logged, and nothing is kept from then
    on.
    """

    def __init__(self, path: str, source: str, max_age: float) -> None:
        """Name the file; nothing is opened yet.

        :param source: which Ironic it is; what another one said is of no
            use.
        :param max_age: seconds after which nothing of it is believed.
        """
        self._path = path
        self._source = source
        self._max_age = max_age
        self._database: sqlite3.Connection | None = None
        self._noted = datetime.datetime.fromtimestamp(0, datetime.UTC)

    def load(self) -> tuple[list[KeptHost], datetime.datetime | None]:
        """Return what is kept, and when Ironic was seen last.

        :returns: no time where nothing is to be used.
        """
        try:
            try:
                return self._read()
            except (sqlite3.DatabaseError, ValueError, LookupError,
                    TypeError) as exc:
                LOG.warning('%(path)s ([ext_server]hosts_file) cannot be '
                            'read and is begun anew: %(error)s',
                            {'path': self._path, 'error': exc})
                self._begin_anew()
        except (sqlite3.Error, OSError) as exc:
            self._give_up(exc)
        return [], None

    def save(self, changed: collections.abc.Mapping[str, KeptHost | None],
             seen: datetime.datetime) -> None:
        """Keep what has changed.

        :param changed: by UUID; None for a node that is gone.
        :param seen: when Ironic was seen.
        """
        if self._database is None or not changed and (
                seen - self._noted).total_seconds() < _QUIET:
            return
        rows = list(changed.items())
        try:
            for start in range(0, max(len(rows), 1), _BATCH):
                with self._database:
                    for uuid, host in rows[start:start + _BATCH]:
                        self._write(uuid, host)
                    self._note('seen', seen.isoformat())
        except sqlite3.Error as exc:
            self._give_up(exc)
        else:
            self._noted = seen

    def close(self) -> None:
        """Close the file."""
        if self._database is not None:
            with contextlib.suppress(sqlite3.Error):
                self._database.close()
            self._database = None

    def _read(self) -> tuple[list[KeptHost], datetime.datetime | None]:
        database = self._open()
        facts = dict(database.execute('SELECT name, value FROM fact'))
        if facts.get('source') != self._source:
            if facts:
                LOG.info('%s is of another Ironic, and is begun anew',
                         self._path)
            self._begin_anew()
            return [], None
        seen = datetime.datetime.fromisoformat(facts['seen'])
        age = (datetime.datetime.now(datetime.UTC) - seen).total_seconds()
        if not -_SKEW <= age <= self._max_age:
            LOG.warning('What %(path)s has of hosts is of %(seen)s, and is '
                        'not used ([ext_server]hosts_max_age)',
                        {'path': self._path, 'seen': facts['seen']})
            self._begin_anew()
            return [], None
        return [_host(json.loads(row)) for (row,) in database.execute(
            'SELECT row FROM host')], seen

    def _open(self) -> sqlite3.Connection:
        """Open the file, for this user alone."""
        os.makedirs(os.path.dirname(self._path) or '.', mode=0o700,
                    exist_ok=True)
        os.close(os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC,
                         0o600))
        self._database = sqlite3.connect(self._path, timeout=_BUSY)
        # Inline configs are in there, and go with their node.
        self._database.execute('PRAGMA secure_delete = ON')
        if self._database.execute('PRAGMA user_version').fetchone() not in (
                (0,), (_VERSION,)):
            raise ValueError('it is of another version')
        self._database.executescript(_TABLES)
        self._database.execute(f'PRAGMA user_version = {_VERSION}')
        return self._database

    def _begin_anew(self) -> None:
        self.close()
        for end in ('', '-journal'):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self._path + end)
        with self._open():
            self._note('source', self._source)
            self._note('seen', datetime.datetime.fromtimestamp(
                0, datetime.UTC).isoformat())

    def _note(self, name: str, value: str) -> None:
        assert self._database is not None
        self._database.execute('REPLACE INTO fact VALUES (?, ?)',
                               (name, value))

    def _write(self, uuid: str, host: KeptHost | None) -> None:
        assert self._database is not None
        if host is None:
            self._database.execute('DELETE FROM host WHERE uuid = ?',
                                   (uuid,))
            return
        self._database.execute('REPLACE INTO host VALUES (?, ?)', (
            uuid, json.dumps(_row(host), separators=(',', ':'))))

    def _give_up(self, exc: Exception) -> None:
        self.close()
        LOG.warning('What is known of hosts cannot be kept in %(path)s '
                    '([ext_server]hosts_file), so that a start has to wait '
                    'for Ironic: %(error)s',
                    {'path': self._path, 'error': exc})


def _row(host: KeptHost) -> dict[str, typing.Any]:
    return {'node': {**host.node, 'boot': host.node['boot'].to_json()},
            'macs': host.macs, 'inspected': host.inspected, 'ips': host.ips}


def _host(row: dict[str, typing.Any]) -> KeptHost:
    node = row['node']
    node['boot'] = boot_state.of({boot_state.KEY: node['boot']})
    if not isinstance(node['uuid'], str):
        raise TypeError('a node has no UUID')
    return KeptHost(node, tuple(row['macs']), row['inspected'],
                    tuple(row['ips']))
