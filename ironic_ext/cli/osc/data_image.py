# SPDX-License-Identifier: Apache-2.0

"""``openstack baremetal node data image``: an ISO for a running machine.

A password comes from a file, the environment or a prompt: what is on the
command line, every user of the host can see.
"""

import argparse
import base64
import collections.abc
import contextlib
import getpass
import logging
import os
import sys
import time
import typing

from ironicclient import exc
from osc_lib.command import command
from osc_lib import exceptions

from ironic_ext.cli.osc import boot_media

METHOD = 'data_image'
PASSWORD_VARIABLE = 'DATA_IMAGE_PASSWORD'
_INTERFACE = 'redfish-ext'
_POLL_SECONDS = 1.0
_WAIT_SECONDS = 900
# keystoneauth logs the body of every request with --debug.
_REQUEST_LOGS = ('keystoneauth.session', 'keystoneauth')

Resource = dict[str, typing.Any]
# Name for people -> where it is in the resource.
_FIELDS: tuple[tuple[str, type[typing.Any], tuple[str, ...]], ...] = (
    ('phase', boot_media.Text, ('status', 'phase')),
    ('reason', boot_media.Text, ('status', 'reason')),
    ('url', boot_media.Text, ('spec', 'url')),
    ('files', boot_media.Text, ('spec', 'files')),
    ('label', boot_media.Text, ('spec', 'label')),
    ('username', boot_media.Text, ('spec', 'username')),
    ('checksum', boot_media.Text, ('spec', 'checksum')),
    ('delivery', boot_media.Text, ('spec', 'delivery')),
    ('apply', boot_media.Text, ('spec', 'apply')),
    ('inserted', boot_media.Text, ('status', 'inserted')),
    ('attached_image', boot_media.Text, ('status', 'attached_image', 'url')),
    ('digest', boot_media.Text, ('status', 'attached_image', 'digest')),
    ('size', boot_media.Size, ('status', 'attached_image', 'size')),
    ('slot', boot_media.Text, ('status', 'slot')),
    ('device', boot_media.Text, ('status', 'device')),
    ('error_count', boot_media.Text, ('status', 'error', 'count')),
    ('error', boot_media.Text, ('status', 'error', 'message')),
    ('last_reconciled', boot_media.Time, ('status', 'last_reconciled')),
    ('next_attempt', boot_media.Time, ('status', 'next_attempt')),
    ('generation', boot_media.Text, ('generation',)))
_LISTED = ('phase', 'attached_image', 'slot', 'device', 'error_count',
           'reason')


class _Node:
    """The data image of a node, through the API."""

    def __init__(self, client: typing.Any, name: str) -> None:
        self._client = client
        self.name = name

    def get(self) -> Resource:
        return self._call('GET')

    def put(self, spec: Resource) -> Resource:
        with _requests_unlogged():
            return self._call('PUT', spec)

    def delete(self) -> None:
        self._call('DELETE')

    def _call(self, http_method: str, spec: Resource | None = None
              ) -> Resource:
        try:
            answer = self._client.node.vendor_passthru(
                self.name, METHOD, args=spec, http_method=http_method)
        except exc.BadRequest as error:
            self._require_interface('vendor_interface', error)
            self._require_interface('management_interface', error)
            raise
        found: Resource = answer.to_dict() if answer is not None else {}
        return found

    def _require_interface(self, field: str, error: Exception) -> None:
        found = getattr(self._client.node.get(self.name, fields=[field]),
                        field)
        kind = field.partition('_')[0]
        if found and found.endswith('redfish-ext'):
            return
        raise exceptions.CommandError(
            f'the {kind} interface of node {self.name} is "{found}", which '
            f'does not know of data images: have the conductor enable '
            f'"{_INTERFACE}", then run "openstack baremetal node set '
            f'--{kind}-interface {_INTERFACE} {self.name}"') from error


@contextlib.contextmanager
def _requests_unlogged() -> collections.abc.Iterator[None]:
    loggers = [logging.getLogger(name) for name in _REQUEST_LOGS]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(max(logger.level, logging.INFO))
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def _value(resource: Resource, path: tuple[str, ...]) -> typing.Any:
    value: typing.Any = resource
    for key in path:
        value = (value or {}).get(key)
    return None if value == '' else value


def _row(resource: Resource, names: collections.abc.Collection[str] = ()
         ) -> tuple[typing.Any, ...]:
    return tuple(
        boot_media.Text(None) if (value := _value(resource, path)) is None
        else kind(value)
        for name, kind, path in _FIELDS if not names or name in names)


class _Change(command.Command):
    """What commands that change a data image have in common."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Add the node and --wait."""
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument('node', metavar='<node>',
                            help='Name or UUID of the node')
        parser.add_argument(
            '--wait', metavar='<seconds>', type=float, nargs='?',
            const=_WAIT_SECONDS,
            help='Wait until it is done, at most so many seconds '
                 f'({_WAIT_SECONDS} by default); fail when it fails')
        return parser

    def _node(self, parsed_args: argparse.Namespace) -> _Node:
        manager: typing.Any = self.app.client_manager
        return _Node(manager.baremetal, parsed_args.node)

    def _await(self, node: _Node, seconds: float,
               settled: collections.abc.Callable[[Resource], bool]) -> None:
        """Wait for the data image to be as wanted.

        :raises: CommandError
        """
        deadline = time.monotonic() + seconds
        said = ''
        while True:
            resource = node.get()
            status = resource['status']
            if settled(resource):
                return
            if status['phase'] == 'failed':
                raise exceptions.CommandError(
                    f'the data image of node {node.name} failed: '
                    f'{status["error"]["message"]} (it is tried again at '
                    f'{status["next_attempt"]})')
            saying = ': '.join(filter(None, (status['phase'],
                                             status.get('reason'))))
            if saying != said:
                print(saying, file=self.app.stderr)
                said = saying
            if time.monotonic() >= deadline:
                raise exceptions.CommandError(
                    f'the data image of node {node.name} is still {saying} '
                    f'after {seconds:g} s; it is not given up')
            time.sleep(_POLL_SECONDS)


class AttachDataImage(_Change):
    """Attach an ISO to a machine, without booting from it

    The conductor keeps it attached: it goes in again after a reset of the
    BMC or a manual eject. The password of --username is read from
    --password-file, from the environment (DATA_IMAGE_PASSWORD) or from a
    prompt.
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Add the fields of a data image."""
        parser = super().get_parser(prog_name)
        what = parser.add_mutually_exclusive_group(required=True)
        what.add_argument('--url', metavar='<url>',
                          help='URL of the ISO')
        what.add_argument(
            '--file', metavar='<dest>=<src>', action='append',
            help='Make an ISO that has the file <src> at <dest>; repeatable')
        parser.add_argument(
            '--label', metavar='<label>',
            help='Label of an ISO of files: cidata for cloud-init, '
                 'config-2 for a config drive')
        parser.add_argument('--username', metavar='<user>',
                            help='User for the URL')
        parser.add_argument(
            '--password-file', metavar='<file>',
            help='File with the password for the URL; "-" is the standard '
                 'input')
        # OpenStackClient takes --insecure for itself, wherever it is.
        parser.add_argument('--image-insecure', action='store_true',
                            help='Do not verify the certificate of the '
                                 'URL\'s server')
        parser.add_argument('--image-ca', metavar='<file>',
                            help='Certificates to verify it by, PEM')
        parser.add_argument(
            '--checksum', metavar='<checksum>',
            help='sha256:<hex>, sha512:<hex> or the URL of a checksum file')
        parser.add_argument('--device', choices=('cdrom', 'usb'),
                            help='What the machine sees; by default what is '
                                 'free, a CD drive first')
        parser.add_argument('--apply', choices=('immediate', 'on_reboot'),
                            help='When it goes in; immediate by default')
        parser.add_argument(
            '--delivery', choices=('conductor', 'bmc'),
            help='Who fetches the ISO from the URL; the conductor by '
                 'default, which verifies and keeps it')
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        """Ask for the image, and wait if so told.

        :raises: CommandError
        """
        node = self._node(parsed_args)
        resource = node.put(_spec(parsed_args))
        if parsed_args.wait is not None:
            self._await(node, parsed_args.wait,
                        lambda seen: _is_attached(seen,
                                                  resource['generation']))


def _is_attached(resource: Resource, generation: int) -> bool:
    """Tell whether what was asked for is done.

    :raises: CommandError when somebody else asked for something else.
    """
    if resource['generation'] != generation:
        raise exceptions.CommandError(
            'another data image was asked for meanwhile')
    phase, spec = resource['status']['phase'], resource['spec'] or {}
    return bool(phase == 'attached'
                or phase == 'waiting' and spec.get('apply') == 'on_reboot')


def _spec(parsed_args: argparse.Namespace) -> Resource:
    spec: Resource = {
        'url': parsed_args.url, 'label': parsed_args.label,
        'username': parsed_args.username,
        'checksum': parsed_args.checksum, 'device': parsed_args.device,
        'apply': parsed_args.apply, 'delivery': parsed_args.delivery}
    if parsed_args.file:
        spec['files'] = dict(_file(text) for text in parsed_args.file)
    if parsed_args.image_insecure:
        spec['insecure'] = True
    if parsed_args.image_ca:
        spec['ca'] = _read(parsed_args.image_ca).decode(errors='replace')
    if parsed_args.username:
        spec['password'] = _password(parsed_args)
    elif parsed_args.password_file:
        raise exceptions.CommandError('--password-file needs --username')
    return {key: value for key, value in spec.items() if value is not None}


def _file(text: str) -> tuple[str, typing.Any]:
    dest, equals, src = text.partition('=')
    if not (dest and equals and src):
        raise exceptions.CommandError(
            f'--file {text}: write <path in the image>=<local file>')
    data = _read(src)
    try:
        return dest, data.decode()
    except UnicodeDecodeError:
        return dest, {'content': base64.b64encode(data).decode(),
                      'encoding': 'base64'}


def _read(path: str) -> bytes:
    try:
        with open(path, 'rb') as file:
            return file.read()
    except OSError as error:
        raise exceptions.CommandError(
            f'{path} cannot be read: {error.strerror}') from error


def _password(parsed_args: argparse.Namespace) -> str:
    if parsed_args.password_file == '-':
        return sys.stdin.readline().rstrip('\r\n')
    if parsed_args.password_file:
        return _read(parsed_args.password_file).decode(
            errors='replace').rstrip('\r\n')
    if PASSWORD_VARIABLE in os.environ:
        return os.environ[PASSWORD_VARIABLE]
    if not sys.stdin.isatty():
        raise exceptions.CommandError(
            'there is no terminal to ask for the password: use '
            f'--password-file or {PASSWORD_VARIABLE} in the environment')
    return getpass.getpass(f'Password of {parsed_args.username}: ')


class DetachDataImage(_Change):
    """Detach the data image of a machine"""

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        """Ask for it to go, and wait if so told.

        :raises: CommandError
        """
        node = self._node(parsed_args)
        node.delete()
        if parsed_args.wait is not None:
            self._await(node, parsed_args.wait, lambda seen: (
                seen['status']['phase'] == 'detached'))


class ShowDataImage(command.ShowOne):
    """Show the data image of a machine, and what its BMC shows of it"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Add the node."""
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument('node', metavar='<node>',
                            help='Name or UUID of the node')
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[
            tuple[str, ...], tuple[typing.Any, ...]]:
        """Ask and show.

        :raises: CommandError
        """
        manager: typing.Any = self.app.client_manager
        resource = _Node(manager.baremetal, parsed_args.node).get()
        return (tuple(name for name, _kind, _path in _FIELDS),
                _row(resource))


class ListDataImages(command.Lister):
    """List the data images of machines"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Add the nodes."""
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument('node', metavar='<node>', nargs='*',
                            help='Names or UUIDs of nodes; by default all '
                                 f'with the vendor interface {_INTERFACE} '
                                 'that have a data image')
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[
            tuple[str, ...], collections.abc.Iterator[
                tuple[typing.Any, ...]]]:
        """Ask and show.

        :raises: CommandError
        """
        manager: typing.Any = self.app.client_manager
        client = manager.baremetal
        names = parsed_args.node or [
            node.name or node.uuid for node in client.node.list(
                limit=0, fields=['uuid', 'name', 'vendor_interface',
                                 'management_interface'])
            if node.vendor_interface == _INTERFACE
            and (node.management_interface or '').endswith('redfish-ext')]

        def rows() -> collections.abc.Iterator[tuple[typing.Any, ...]]:
            for name in names:
                resource = _Node(client, name).get()
                if parsed_args.node or resource['generation']:
                    yield (boot_media.Text(name), *_row(resource, _LISTED))

        return (('node', *(name for name, _kind, _path in _FIELDS
                           if name in _LISTED)), rows())
