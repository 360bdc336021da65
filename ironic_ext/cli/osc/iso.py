# SPDX-License-Identifier: Apache-2.0

"""``openstack baremetal iso``: the ISOs of the catalog."""

import argparse
import collections.abc
import io
import os
import sys
import time
import typing

from osc_lib.command import command
from osc_lib import exceptions

from ironic_ext.cli.osc import boot_api
from ironic_ext.cli.osc import fields
from ironic_ext.cli.osc import shown
from ironic_ext.cli import progress

_POLL = 1.0     # seconds
_WAIT = 3600.0   # seconds

_FIELDS = (
    fields.Field('name', 'metadata.name'),
    fields.Field('description', 'spec.description'),
    fields.Field('file', 'spec.isoFile'),
    fields.Field('url', 'spec.url'),
    fields.Field('checksum', 'spec.checksum'),
    fields.Field('phase', 'status.phase'),
    fields.Field('size', 'status.isoSize', fields.size),
    fields.Field('received', 'status.received', fields.size),
    fields.Field('digest', 'status.digest'),
    fields.Field('volume_id', 'status.volumeId'),
    fields.Field('system', 'status.system'),
    fields.Field('boot_loaders', 'status.bootLoaders', fields.names),
    fields.Field('boot_paths', 'status.bootPaths', '\n'.join),
    fields.Field('configs', 'spec.bootConfigs', fields.names),
    fields.Field('target_iqn', 'status.targetIQN'),
    fields.Field('portal_ip', 'status.portalIP'),
    fields.Field('project', 'spec.project'),
    fields.Field('shared', 'spec.shared'),
    fields.Field('labels', 'metadata.labels', fields.labels),
    fields.Field('error', 'status.error'))


class ListIsos(shown.List):
    """List the ISOs of the catalog"""

    all_fields = _FIELDS
    listed = ('name', 'phase', 'size', 'volume_id', 'configs', 'project',
              'shared', 'error')

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Add the selector."""
        return boot_api.add_selector(super().get_parser(prog_name))

    def resources(self, parsed_args: argparse.Namespace
                  ) -> collections.abc.Iterable[fields.Resource]:
        """Ask the boot server.

        :raises: CommandError
        """
        return boot_api.BootApi.of(self, parsed_args).list(
            boot_api.ISOS, labelSelector=parsed_args.selector)


class _OneIso(shown.Show):
    all_fields = _FIELDS

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Add the name."""
        return boot_api.add_name(super().get_parser(prog_name), 'ISO')


class ShowIso(_OneIso):
    """Show an ISO of the catalog"""

    def resource(self, parsed_args: argparse.Namespace) -> fields.Resource:
        """Ask the boot server.

        :raises: CommandError
        """
        return boot_api.BootApi.of(self, parsed_args).call(
            'GET', boot_api.item(boot_api.ISOS, parsed_args.name))


class CreateIso(_OneIso):
    """Add an ISO to the catalog, by URL or by upload"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Add where it comes from."""
        parser = super().get_parser(prog_name)
        source = parser.add_mutually_exclusive_group(required=True)
        source.add_argument('--url', metavar='<url>',
                            help='URL that the boot server fetches it from')
        source.add_argument('--file', metavar='<file>',
                            help='File to upload; what was broken off goes '
                                 'on when the command is run again')
        parser.add_argument('--checksum', metavar='<checksum>', default='',
                            help='sha256:<hex>, sha512:<hex> or, of a URL, '
                                 'that of a checksum file')
        parser.add_argument('--description', metavar='<text>', default='',
                            help='What it is, for people')
        parser.add_argument('--config', metavar='<config>', action='append',
                            default=[],
                            help='BootConfig that fits; repeatable')
        boot_api.add_owner(parser)
        _add_wait(parser)
        return parser

    def resource(self, parsed_args: argparse.Namespace) -> fields.Resource:
        """Create, upload and wait.

        :raises: CommandError
        """
        api = boot_api.BootApi.of(self, parsed_args)
        name = parsed_args.name
        path = boot_api.item(boot_api.ISOS, name)
        spec = {'checksum': parsed_args.checksum,
                'description': parsed_args.description,
                'bootConfigs': parsed_args.config,
                **boot_api.owner(parsed_args)}
        spec |= ({'url': parsed_args.url} if parsed_args.url
                 else {'isoFile': f'{name}.iso'})
        if parsed_args.file:
            # Before there is an ISO that waits for it.
            _require_readable(parsed_args.file)
        # A second try goes on with the upload of the first.
        known = api.send('GET', path) if parsed_args.file else None
        if known is None or known.status_code == 404:
            api.call('POST', boot_api.ISOS, {'metadata': {'name': name},
                                             'spec': spec})
        if parsed_args.file:
            found = _upload(api, path, parsed_args.file)
        else:
            found = api.call('GET', path)
        if parsed_args.wait is not None:
            found = _await(api, path, parsed_args.wait)
        return found


class FetchIso(_OneIso):
    """Fetch an ISO again by its URL, or stop fetching it"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Add what else can be done."""
        parser = super().get_parser(prog_name)
        what = parser.add_mutually_exclusive_group()
        what.add_argument('--stop', action='store_true',
                          help='Stop fetching it')
        _add_wait(what)
        return parser

    def resource(self, parsed_args: argparse.Namespace) -> fields.Resource:
        """Ask the boot server.

        :raises: CommandError
        """
        api = boot_api.BootApi.of(self, parsed_args)
        path = boot_api.item(boot_api.ISOS, parsed_args.name)
        found = api.call('DELETE' if parsed_args.stop else 'POST',
                         path + '/fetch')
        if parsed_args.wait is not None:
            found = _await(api, path, parsed_args.wait)
        return found


class SetIso(_OneIso):
    """Change which configs fit an ISO, or what describes it"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Add what can be changed."""
        parser = super().get_parser(prog_name)
        parser.add_argument('--description', metavar='<text>',
                            help='What it is, for people')
        parser.add_argument('--config', metavar='<config>', action='append',
                            help='BootConfig that fits; repeatable, and '
                                 'instead of those that did')
        parser.add_argument('--no-configs', action='store_true',
                            help='None fits')
        return boot_api.add_owner(parser)

    def resource(self, parsed_args: argparse.Namespace) -> fields.Resource:
        """Change what is given of the ISO, and show it."""
        spec: dict[str, typing.Any] = boot_api.owner(parsed_args)
        if parsed_args.description is not None:
            spec['description'] = parsed_args.description
        if parsed_args.config or parsed_args.no_configs:
            spec['bootConfigs'] = parsed_args.config or []
        return boot_api.BootApi.of(self, parsed_args).call(
            'PATCH', boot_api.item(boot_api.ISOS, parsed_args.name),
            {'spec': spec})


class DeleteIso(command.Command):
    """Delete ISOs from the catalog"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Add the names."""
        return boot_api.add_name(super().get_parser(prog_name), 'ISO',
                                 nargs='+')

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        """Delete the ISOs in their order.

        :raises: CommandError when one is left
        """
        boot_api.BootApi.of(self, parsed_args).delete(
            boot_api.ISOS, parsed_args.name)


def _add_wait(parser: typing.Any) -> None:
    parser.add_argument('--wait', metavar='<seconds>', type=float,
                        nargs='?', const=_WAIT,
                        help='Wait until it is ready, at most so many '
                             f'seconds ({_WAIT:g} by default); fail when it '
                             'fails')


def _require_readable(file: str) -> None:
    try:
        with open(file, 'rb'):
            pass
    except OSError as exc:
        raise exceptions.CommandError(f'{file}: {exc.strerror}') from exc


class _Watched(io.BufferedReader):
    """A file that tells how much of it was read."""

    def __init__(self, file: str,
                 note: collections.abc.Callable[[int], None]) -> None:
        super().__init__(io.FileIO(file))
        self._note = note

    def read(self, size: int | None = -1) -> bytes:
        """Read, and tell how much it was."""
        found = super().read(size)
        self._note(len(found))
        return found


def _upload(api: boot_api.BootApi, path: str, file: str
            ) -> fields.Resource:
    start = api.call('GET', path + '/upload')['received']
    headers = {'Content-Type': 'application/octet-stream'}
    try:
        size = os.path.getsize(file)
        with progress.Progress(size, 'uploading', sys.stderr) as bar, (
                _Watched(file, bar)) as stream:
            if 0 < start < size:
                headers['Content-Range'] = f'bytes {start}-{size - 1}/{size}'
                stream.seek(start)
                bar(start)
            return api.call('PUT', path + '/upload', data=stream,
                            headers=headers)
    except OSError as exc:
        raise exceptions.CommandError(f'{file}: {exc.strerror}') from exc


def _await(api: boot_api.BootApi, path: str, seconds: float
           ) -> fields.Resource:
    deadline = time.monotonic() + seconds
    told = ''
    while True:
        found = api.call('GET', path)
        phase = found['status']['phase']
        if phase == 'Ready':
            return found
        if phase == 'Error':
            raise exceptions.CommandError(found['status'].get('error'))
        saying = _saying(found)
        if time.monotonic() >= deadline:
            raise exceptions.CommandError(
                f'the ISO is still {saying} after {seconds:g} s; it is not '
                'given up')
        if saying != told:
            print(saying, file=sys.stderr)
            told = saying
        time.sleep(_POLL)


def _saying(found: fields.Resource) -> str:
    """Return how far an ISO is, in steps that are worth a line."""
    status = found['status']
    if status['phase'] != 'Uploading' or not found['spec'].get('url'):
        return str(status['phase']).lower()
    size, received = status.get('isoSize'), status.get('received') or 0
    if not size:
        return 'fetching'
    return (f'fetching: {received * 10 // size * 10} % of '
            f'{progress.size_text(size)}')
