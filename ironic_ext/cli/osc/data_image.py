# SPDX-License-Identifier: Apache-2.0

"""``openstack baremetal node data image``: an ISO for a running machine.

A password comes from a file, the environment or a prompt: what is on the
command line, every user of the host can see.
"""

import abc
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

from osc_lib.command import command
from osc_lib import exceptions

from ironic_ext.cli.osc import fields
from ironic_ext.cli.osc import nodes
from ironic_ext.cli.osc import shown

PASSWORD_VARIABLE = 'DATA_IMAGE_PASSWORD'
_POLL_SECONDS = 1.0
_WAIT_SECONDS = 900
# keystoneauth logs the body of every request with --debug.
_REQUEST_LOGS = ('keystoneauth.session', 'keystoneauth')

_IMAGE = nodes.Passthru('data_image', 'data images',
                        ('vendor', 'management'))

_FIELDS = (
    fields.Field('phase', 'status.phase'),
    fields.Field('reason', 'status.reason'),
    fields.Field('url', 'spec.url'),
    fields.Field('files', 'spec.files', fields.names),
    fields.Field('label', 'spec.label'),
    fields.Field('username', 'spec.username'),
    fields.Field('checksum', 'spec.checksum'),
    fields.Field('delivery', 'spec.delivery'),
    fields.Field('apply', 'spec.apply'),
    fields.Field('inserted', 'status.inserted'),
    fields.Field('attached_image', 'status.attached_image.url'),
    fields.Field('digest', 'status.attached_image.digest'),
    fields.Field('size', 'status.attached_image.size', fields.size),
    fields.Field('slot', 'status.slot'),
    fields.Field('device', 'status.device'),
    fields.Field('error_count', 'status.error.count'),
    fields.Field('error', 'status.error.message'),
    fields.Field('last_reconciled', 'status.last_reconciled', fields.moment),
    fields.Field('next_attempt', 'status.next_attempt', fields.moment),
    fields.Field('generation', 'generation'))


class _Node:
    """The data image of a node, through the API."""

    def __init__(self, client: typing.Any, name: str) -> None:
        self._client = client
        self.name = name

    def get(self) -> fields.Resource:
        return _IMAGE.call(self._client, self.name, 'GET')

    def put(self, spec: fields.Resource) -> fields.Resource:
        with _requests_unlogged():
            return _IMAGE.call(self._client, self.name, 'PUT', spec)

    def delete(self) -> None:
        _IMAGE.call(self._client, self.name, 'DELETE')


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


class _Change(shown.Told, command.ShowOne):
    """What commands that change a data image have in common."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Add the node and --wait."""
        parser = nodes.add_node(super().get_parser(prog_name))
        parser.add_argument(
            '--wait', metavar='<seconds>', type=float, nargs='?',
            const=_WAIT_SECONDS,
            help='Wait until it is done, at most so many seconds '
                 f'({_WAIT_SECONDS} by default); fail when it fails')
        return parser

    @abc.abstractmethod
    def change(self, node: _Node, parsed_args: argparse.Namespace
               ) -> fields.Resource | None:
        """Ask for the change, and wait if so told.

        :returns: the data image then, as far as it is known.
        :raises: CommandError
        """

    def take_action(self, parsed_args: argparse.Namespace
                    ) -> tuple[shown.Names, fields.Row]:
        """Return the fields of the data image, for who wants them.

        :raises: CommandError
        """
        node = self._node(parsed_args)
        resource = self.change(node, parsed_args)
        if self.in_words(parsed_args):
            return (), ()
        seen = node.get() if resource is None else resource
        return (tuple(field.name for field in _FIELDS),
                tuple(field.of(seen) for field in _FIELDS))

    def words(self) -> tuple[str, ...]:
        """Return none: what is waited for is said meanwhile."""
        return ()

    def _node(self, parsed_args: argparse.Namespace) -> _Node:
        manager: typing.Any = self.app.client_manager
        return _Node(manager.baremetal, parsed_args.node)

    def _await(self, node: _Node, seconds: float,
               settled: collections.abc.Callable[[fields.Resource], bool]
               ) -> fields.Resource:
        """Wait for the data image to be as wanted; say what is seen.

        :raises: CommandError
        """
        deadline = time.monotonic() + seconds
        said = ''
        while True:
            resource = node.get()
            status = resource['status']
            is_settled = settled(resource)
            if not is_settled and status['phase'] == 'failed':
                raise exceptions.CommandError(
                    f'the data image of node {node.name} failed: '
                    f'{status["error"]["message"]} (it is tried again at '
                    f'{status["next_attempt"]})')
            saying = _saying(status)
            if saying != said:
                print(saying, file=self.app.stderr)
                said = saying
            if is_settled:
                return resource
            if time.monotonic() >= deadline:
                raise exceptions.CommandError(
                    f'the data image of node {node.name} is still {saying} '
                    f'after {seconds:g} s; it is not given up')
            time.sleep(_POLL_SECONDS)


def _saying(status: fields.Resource) -> str:
    """Say in a line how a data image stands."""
    if status['phase'] == 'attached':
        return f'attached: the BMC shows it in slot {status["slot"]}'
    return ': '.join(filter(None, (status['phase'], status.get('reason'))))


class AttachDataImage(_Change):
    """Attach an ISO to a machine, without booting from it.

    The conductor keeps it attached: it goes in again after a reset of the
    BMC or a manual eject. The password of --username is read from
    --password-file, from the environment (DATA_IMAGE_PASSWORD) or from a
    prompt. With -f the data image is shown.
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

    def change(self, node: _Node, parsed_args: argparse.Namespace
               ) -> fields.Resource | None:
        """Ask for the image, and wait if so told.

        :raises: CommandError
        """
        resource = node.put(_spec(parsed_args))
        if parsed_args.wait is None:
            return resource
        return self._await(node, parsed_args.wait,
                           lambda seen: _is_attached(
                               seen, resource['generation']))


def _is_attached(resource: fields.Resource, generation: int) -> bool:
    """Tell whether what was asked for is done.

    :raises: CommandError when somebody else asked for something else.
    """
    if resource['generation'] != generation:
        raise exceptions.CommandError(
            'another data image was asked for meanwhile')
    phase, spec = resource['status']['phase'], resource['spec'] or {}
    return bool(phase == 'attached'
                or phase == 'waiting' and spec.get('apply') == 'on_reboot')


def _spec(parsed_args: argparse.Namespace) -> fields.Resource:
    spec: fields.Resource = {
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
    """Detach the data image of a machine; with -f it is shown"""

    def change(self, node: _Node, parsed_args: argparse.Namespace
               ) -> fields.Resource | None:
        """Ask for it to go, and wait if so told.

        :raises: CommandError
        """
        node.delete()
        if parsed_args.wait is None:
            return None
        return self._await(node, parsed_args.wait, lambda seen: (
            seen['status']['phase'] == 'detached'))


class ShowDataImage(shown.Show):
    """Show the data image of a machine, and what its BMC shows of it"""

    all_fields = _FIELDS

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Add the node."""
        return nodes.add_node(super().get_parser(prog_name))

    def resource(self, parsed_args: argparse.Namespace) -> fields.Resource:
        """Ask the node.

        :raises: CommandError
        """
        manager: typing.Any = self.app.client_manager
        return _Node(manager.baremetal, parsed_args.node).get()


class ListDataImages(shown.List):
    """List the data images of machines"""

    all_fields = (fields.Field('node', 'node'), *_FIELDS)
    listed = ('node', 'phase', 'reason', 'attached_image', 'slot', 'device',
              'error_count')

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Add the nodes."""
        return nodes.add_nodes(super().get_parser(prog_name),
                               ' that have a data image')

    def resources(self, parsed_args: argparse.Namespace
                  ) -> collections.abc.Iterator[fields.Resource]:
        """Ask one node after the other; one that cannot tell is a failure."""
        manager: typing.Any = self.app.client_manager
        client = manager.baremetal
        for name in _IMAGE.nodes(client, parsed_args.node):
            try:
                resource = _Node(client, name).get()
            except Exception as error:
                self.failures.append(f'{name}: {error}')
                continue
            if parsed_args.node or resource['generation']:
                yield {'node': name, **resource}
