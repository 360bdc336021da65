# SPDX-License-Identifier: Apache-2.0

"""What follows from what was seen of a node's boot. Pure."""

import collections.abc
import dataclasses
import datetime
import enum
import typing

from ironic_ext.node import boot_state
from ironic_ext.node import next_boot

_Document = collections.abc.Mapping[str, typing.Any]
_INTERFACES = ('boot', 'deploy', 'management', 'power')
# Those that miss something as long as nothing is chosen.
_OF_BOOTS = frozenset(('boot', 'deploy'))
# Any of these in instance_info is a choice.
_CHOICES = (boot_state.ISO_KEY, 'image_source', 'kernel', 'ramdisk')


class State(enum.StrEnum):
    """How one step of a boot looks."""

    OK = 'ok'
    #: It is not its turn yet, or it is over.
    OPEN = 'open'
    WARNING = 'warning'
    FAILED = 'failed'
    #: It could not be looked at.
    UNKNOWN = 'unknown'


@dataclasses.dataclass(frozen=True)
class Seen:
    """What was answered; an error in place of what could not be had.

    :ivar node: Ironic's document.
    :ivar validation: by interface: ``result`` and ``reason``.
    :ivar drives: what the BMC shows of its drives.
    :ivar media: that were made for the node, the newest last.
    :ivar next_boot: see the passthru method of that name.
    :ivar reachable: the media server's address, and why it does not answer
        here, '' where it does; None where there is none to ask.
    :ivar now: of all this.
    """

    node: _Document
    validation: _Document | str
    drives: collections.abc.Sequence[_Document] | str
    media: collections.abc.Sequence[_Document] | str
    next_boot: _Document | str
    reachable: tuple[str, str] | None
    now: datetime.datetime


@dataclasses.dataclass(frozen=True)
class Finding:
    """One step of a boot, as it looks.

    :ivar do: what to do about it, '' for nothing.
    """

    step: str
    state: State
    said: str
    do: str = ''


def of(seen: Seen) -> list[Finding]:
    """Return the steps of a boot, in their order."""
    return [_node(seen.node), _validation(seen),
            _drives(seen), _delivery(seen), _reading(seen), _path(seen),
            _token(seen), _end(seen)]


def place(findings: collections.abc.Iterable[Finding]) -> Finding | None:
    """Return the first step that fails, else the first one to look at.

    Of those that nobody answered for, the one with a remedy comes first.
    """
    found = sorted(findings, key=lambda finding: not finding.do)
    return next((finding for state in (
        State.FAILED, State.WARNING, State.UNKNOWN)
        for finding in found if finding.state is state), None)


def _node(node: _Document) -> Finding:
    said = (f'{node.get("driver")} with {node.get("boot_interface")}, '
            f'{node.get("provision_state")}, {node.get("power_state")}')
    # Stock's names may stand for this suite's classes ([ext_boot]
    # replace_stock).
    if (node.get('boot_interface') not in next_boot.ENDED_BY_CONDUCTORS
            and not boot_state.of(node.get('driver_internal_info')).iso):
        return Finding(
            'node', State.FAILED, said, 'it does not boot by this suite: '
            'openstack baremetal node set --driver redfish-ext '
            '--boot-interface redfish-iso (where [ext_boot]replace_stock has '
            'its interface, deploy it first)')
    if node.get('last_error'):
        return Finding('node', State.FAILED,
                       f'{said}: {_short(node["last_error"])}',
                       'mend what it says, then deploy or rebuild it')
    if node.get('maintenance'):
        return Finding('node', State.WARNING, f'{said}, in maintenance: '
                       f'{_short(node.get("maintenance_reason") or "-")}',
                       'openstack baremetal node maintenance unset, once '
                       'that is mended')
    return Finding('node', State.OK, said)


def _validation(seen: Seen) -> Finding:
    found = seen.validation
    if isinstance(found, str):
        return Finding('validate', State.UNKNOWN, found)
    bad = {name: f'{name}: {_short(found[name].get("reason"))}'
           for name in _INTERFACES
           if name in found and found[name].get('result') is False}
    if bad and _is_idle(seen.node) and not bad.keys() - _OF_BOOTS:
        return Finding('validate', State.OPEN,
                       'nothing is chosen for it to boot',
                       'openstack baremetal node set --instance-info '
                       'boot_iso=..., if it is to boot an ISO')
    if bad:
        return Finding('validate', State.FAILED, '; '.join(bad.values()),
                       'set what is missing, or change what is wrong')
    return Finding('validate', State.OK,
                   f'{", ".join(_INTERFACES)} accept the node')


def _drives(seen: Seen) -> Finding:
    if seen.node.get('boot_interface') == 'iso-sanboot':
        return Finding('drives', State.OPEN, 'none is needed: it boots over '
                       'the network')
    if isinstance(seen.drives, str):
        return Finding('drives', State.UNKNOWN, seen.drives,
                       'see whether the BMC answers at '
                       'driver_info/redfish_address, and has virtual media')
    if not seen.drives:
        return Finding('drives', State.FAILED, 'the BMC shows no virtual '
                       'media', 'it may need a licence for them')
    shown = [f'{_name(drive)}: '
             + (_medium(str(drive.get('image') or 'a medium'))
                if drive.get('image') or drive.get('inserted') else 'empty')
             + (f' ({drive["owner"]})' if drive.get('owner') else '')
             for drive in seen.drives]
    boot = [medium for medium in _media(seen)
            if medium.get('purpose') == 'instance']
    if boot and not _is_over(seen) and not any(
            drive.get('image') for drive in seen.drives):
        return Finding('drives', State.FAILED, '; '.join(shown),
                       'its medium is gone: rebuild the node, or have the '
                       'conductor take it over')
    return Finding('drives', State.OK, '; '.join(shown))


def _name(drive: _Document) -> str:
    """Return what a drive is called; Ironic's own answer has no names."""
    kinds = drive.get('media_types')
    return str(drive.get('name') or drive.get('identity')
               or '/'.join(map(str, kinds if isinstance(kinds, list) else ()))
               or 'a drive')


def _medium(image: str) -> str:
    """Return a medium's name: what is before it in its URL may be secret."""
    return image.partition('?')[0].rstrip('/').rpartition('/')[2] or image


def _delivery(seen: Seen) -> Finding:
    if isinstance(seen.media, str):
        return Finding('delivery', State.UNKNOWN, seen.media,
                       _tell(seen, 'vendor'))
    if not seen.media:
        return Finding('delivery', State.OPEN,
                       'no medium was made: one is when it is deployed')
    newest = seen.media[-1]
    said = f'{newest.get("delivery")} of {newest.get("image") or "an image"}'
    if seen.reachable is None:
        return Finding('delivery', State.OK, said)
    server, problem = seen.reachable
    if problem:
        return Finding('delivery', State.FAILED,
                       f'{said}; {server} does not answer here: {problem}',
                       'look at ironic-media-server and its log, and at '
                       '[ext_media]server_url')
    return Finding('delivery', State.OK, f'{said}; {server} answers here')


def _reading(seen: Seen) -> Finding:
    streams = [medium for medium in _media(seen) if medium.get('read')]
    if not streams:
        return Finding('reading', State.OPEN,
                       'nothing is streamed to it, so no reads are known')
    read = streams[-1]['read']
    said = (f'{read.get("percent")}% by {read.get("requests")} request'
            + ('s' if read.get('requests') != 1 else ''))
    if read.get('requests'):
        return Finding('reading', State.OK, said)
    if _is_over(seen) or seen.node.get('power_state') != 'power on':
        return Finding('reading', State.OPEN, 'never')
    return Finding('reading', State.FAILED, 'never',
                   'the BMC does not reach the media server, or does not '
                   'trust its certificate: try its /healthz from the BMC\'s '
                   'network')


def _path(seen: Seen) -> Finding:
    found = seen.next_boot
    if isinstance(found, str):
        return Finding('boot path', State.UNKNOWN, found,
                       _tell(seen, 'vendor'))
    said = _short(found.get('text') or '')
    if found.get('error'):
        return Finding('boot path', State.WARNING,
                       f'{said} (the BMC: {_short(found["error"])})',
                       'see whether the BMC answers')
    return Finding('boot path', State.OK, said)


def _token(seen: Seen) -> Finding:
    ends = [str(medium['expires_at']) for medium in _media(seen)
            if medium.get('expires_at')]
    if not ends:
        return Finding('token', State.OPEN, 'no URL of it ends by itself')
    try:
        when = datetime.datetime.fromisoformat(ends[-1])
    except ValueError:
        return Finding('token', State.UNKNOWN, ends[-1])
    if when.tzinfo is None:
        when = when.replace(tzinfo=datetime.UTC)
    if when < seen.now and not _is_over(seen):
        return Finding('token', State.FAILED, f'expired at {ends[-1]}',
                       'no conductor looks after the node: see whether one '
                       'runs for its conductor group, then rebuild it')
    return Finding('token', State.OK, f'good until {ends[-1]}')


def _end(seen: Seen) -> Finding:
    state = boot_state.of(seen.node.get('driver_internal_info'))
    cause = state.cause.value if state.cause else '?'
    if state.error:
        return Finding('end', State.WARNING, _short(state.error),
                       'the conductor tries again; see its log')
    if state.ended_at:
        return Finding('end', State.OK, f'its medium is out, ended by {cause}')
    if state.is_ending and state.disk_at and (
            state.cause is boot_state.Cause.REPORT):
        return Finding('end', State.OPEN, 'ended by report: it boots from its '
                       'disk now; the medium goes when Ironic switches it '
                       'the next time, after [ext_boot]eject_after in any '
                       'case')
    if state.is_ending:
        return Finding('end', State.WARNING, f'under way, ended by {cause}: '
                       + ('the medium was not seen out of its drive yet'
                          if state.disk_at else
                          'the disk is not its boot device yet'),
                       'wait a minute, or see the conductor\'s log')
    if not (state.iso or state.begun):
        return Finding('end', State.OPEN, 'no boot of an ISO was begun')
    if state.mode == boot_state.ONCE:
        return Finding('end', State.OPEN, 'it boots this once, until '
                       'the machine reports that it is installed',
                       _tell(seen, 'management'))
    return Finding('end', State.OPEN, 'it boots this each time')


def _tell(seen: Seen, kind: str) -> str:
    """Say how a node gets an interface of ours, if it has another.

    One that names none gets one of Ironic's own where both are enabled.
    """
    field = f'{kind}_interface'
    found = str(seen.node.get(field) or '')
    if not found or found.endswith('redfish-ext'):
        return ''
    ours = 'idrac-redfish-ext' if kind == 'management' and str(
        seen.node.get('driver')).startswith('idrac') else 'redfish-ext'
    return (f'its {kind} interface is {found}: openstack baremetal node set '
            f'--{kind}-interface {ours} ' + (
                'lets it tell' if kind == 'vendor' else
                'has the medium ejected when Ironic switches the machine')
            + ' (in maintenance, while it is active)')


def _media(seen: Seen) -> collections.abc.Sequence[_Document]:
    return () if isinstance(seen.media, str) else seen.media


def _is_idle(node: _Document) -> bool:
    """Tell whether nothing is chosen for a node to boot."""
    info = node.get('instance_info')
    return not isinstance(info, collections.abc.Mapping) or not any(
        map(info.get, _CHOICES))


def _is_over(seen: Seen) -> bool:
    return bool(boot_state.of(
        seen.node.get('driver_internal_info')).ended_at)


def _short(text: object) -> str:
    return ' '.join(str(text).split())[:300]
