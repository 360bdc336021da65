# SPDX-License-Identifier: Apache-2.0

"""What is wrong with a site, from what was collected. Pure.

In a site at rest each node is in a state that its BMC confirms, each medium
that may be read is in the drive of its node, and nothing else is left.
"""

import collections
import collections.abc
import dataclasses
import enum

from tests.cluster import evidence

#: In these a node has its medium, or nothing, and stays as it is.
_WITH_MEDIUM = 'active'
_WITHOUT = frozenset(('available', 'manageable', 'enroll'))
#: These tell the truth: something failed, and an operator is to act.
_FAILED = frozenset(('deploy failed', 'error', 'clean failed'))
_POWER = {True: 'power on', False: 'power off'}


class Kind(enum.Enum):
    """What may be wrong."""

    FILE = 'file left'
    URL = 'URL answers'
    RECORD = 'record left'
    TARGET = 'target left'
    DRIVE = 'medium in a drive'
    BYTES = 'wrong bytes'
    STATE = 'false state'


@dataclasses.dataclass(frozen=True)
class Finding:
    """One thing that is wrong.

    :ivar where: node, host, path or URL.
    """

    kind: Kind
    where: str
    what: str

    def __str__(self) -> str:
        return f'{self.kind.value}: {self.where}: {self.what}'


def judge(site: evidence.Evidence) -> list[Finding]:
    """Return all that is wrong."""
    return [*_bytes(site), *_states(site), *_records(site), *_files(site),
            *(Finding(Kind.TARGET, name, 'an iSCSI target of no node')
              for name in site.targets),
            *(Finding(Kind.URL, url, 'is answered, though its medium ended')
              for url in site.answering)]


def _bytes(site: evidence.Evidence) -> collections.abc.Iterator[Finding]:
    for read in site.reads:
        if read.error:
            yield Finding(Kind.BYTES, read.node,
                          f'{read.url} cannot be read: {read.error}')
        elif read.arguments != (read.argument,):
            yield Finding(
                Kind.BYTES, read.node,
                f'its medium has {", ".join(read.arguments) or "nothing"} '
                f'in place of {read.argument}')
        elif read.digest not in site.references:
            yield Finding(Kind.BYTES, read.node,
                          f'{read.url} has other bytes than its base')


def _states(site: evidence.Evidence) -> collections.abc.Iterator[Finding]:
    for node in site.nodes:
        for what in _false(node):
            yield Finding(Kind.STATE, node.name, what)
        drives = ', '.join(f'{url} in {drive}' for drive, url
                           in sorted(node.bmc.drives.items()))
        if node.provision_state in _WITHOUT and drives:
            yield Finding(Kind.DRIVE, node.name,
                          f'is {node.provision_state}, with {drives}')
        elif len(node.bmc.drives) > 1:
            yield Finding(Kind.DRIVE, node.name, f'has {drives}')


def _false(node: evidence.Node) -> collections.abc.Iterator[str]:
    state = node.provision_state
    if state not in _FAILED | _WITHOUT | {_WITH_MEDIUM}:
        yield f'stays {state}'
    if node.held:
        yield f'is {state}, and locked for ever'
    if node.power_state != _POWER[node.bmc.power]:
        yield (f'is {node.power_state}, and its BMC says '
               f'{_POWER[node.bmc.power]}')
    if node.maintenance:
        yield f'is in maintenance: {node.last_error}'
    if state == _WITH_MEDIUM and not node.bmc.drives:
        yield 'is active, and its BMC has no medium'
    if state in _FAILED and not node.last_error:
        yield f'is {state}, and nothing says why'


def _inserted(site: evidence.Evidence) -> dict[str, int]:
    return {node.uuid: len(node.bmc.drives) for node in site.nodes}


def _records(site: evidence.Evidence) -> collections.abc.Iterator[Finding]:
    inserted = _inserted(site)
    # What failed keeps its medium until an operator acts.
    failed = {node.uuid for node in site.nodes
              if node.provision_state in _FAILED}
    counted: dict[str, list[str]] = collections.defaultdict(list)
    for record in site.records:
        counted[record.node].append(record.id)
    for node, ids in sorted(counted.items()):
        if node in failed:
            continue
        if len(ids) > inserted.get(node, 0):
            yield Finding(
                Kind.RECORD, node,
                f'{", ".join(sorted(ids))} may be read, and its drives have '
                f'{inserted.get(node, 0)} of them')


def _files(site: evidence.Evidence) -> collections.abc.Iterator[Finding]:
    used = [record.id for record in site.records]
    used += [url for node in site.nodes
             for url in node.bmc.drives.values()]
    for path in site.files:
        name = path.rpartition('/')[2]
        stem = name.split('.')[0]
        if not any(stem and stem in text for text in used):
            yield Finding(Kind.FILE, path, 'belongs to no medium')
