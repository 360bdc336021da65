# SPDX-License-Identifier: Apache-2.0

"""Collects what a site is like, from BMCs, databases and directories."""

import collections.abc
import concurrent.futures
import pathlib

import sqlalchemy

from tests.cluster import evidence
from tests.cluster import reading
from tests.cluster import site as sites
from tests.cluster import work

#: What hosts keep for media, and where nothing else is: what goes with a
#: medium, and what goes when a media server starts, too.
AT_ONCE = ('http', 'tmp')
ALL = (*AT_ONCE, 'overlays')
_EXPORTS = ('state/exports',)
_LIVE = sqlalchemy.text(
    'SELECT id, node FROM ext_medium WHERE revoked_at IS NULL')


def collect(site: sites.Site,
            machines: collections.abc.Sequence[work.Machine],
            references: collections.abc.Set[str],
            reads: collections.abc.Iterable[evidence.Read],
            folders: collections.abc.Sequence[str] = ALL
            ) -> evidence.Evidence:
    """Return what the site is like now, and what was read.

    :param folders: of hosts, of which files are noted.
    """
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        nodes = tuple(pool.map(lambda machine: _node(site, machine),
                               machines))
        urls = [url for machine in machines for url in machine.ended]
        answering = tuple(url for url, found in zip(
            urls, pool.map(reading.answers, urls), strict=True) if found)
    return evidence.Evidence(
        nodes, tuple(reads), frozenset(references),
        tuple(sorted(_files(site, folders))),
        tuple(_records(site)), tuple(_files(site, _EXPORTS)), answering)


def _node(site: sites.Site, machine: work.Machine) -> evidence.Node:
    # In this order: what Ironic says last is to be so.
    bmc = site.bmcs.look(machine.number)
    node = machine.show()
    return evidence.Node(
        node['name'], node['uuid'], node['provision_state'],
        node['power_state'], bmc, machine.argument,
        bool(node['reservation']), node['maintenance'],
        node['last_error'] or '')


def _records(site: sites.Site
             ) -> collections.abc.Iterator[evidence.Record]:
    engine = sqlalchemy.create_engine(
        site.addresses.databases['ext_media'],
        poolclass=sqlalchemy.NullPool)
    with engine.connect() as connection:
        for row in connection.execute(_LIVE):
            yield evidence.Record(row.id, row.node)


def _files(site: sites.Site, folders: collections.abc.Sequence[str]
           ) -> collections.abc.Iterator[str]:
    for host in (*site.named('c'), *site.named('m'), *site.named('b')):
        folder = site.directory / host
        for name in folders:
            for path in (folder / name).rglob('*'):
                if not path.is_dir() and not _is_lock(path):
                    yield f'{host}:{path.relative_to(folder)}'


def _is_lock(path: pathlib.Path) -> bool:
    return path.suffix == '.lock'
