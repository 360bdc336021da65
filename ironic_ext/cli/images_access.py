# SPDX-License-Identifier: Apache-2.0

"""Options of a command line for credentials and TLS of an image server.

A secret is never a word of the command line, where every user of the host
could read it: it comes from a file, the environment or a prompt.
"""

import argparse
import collections.abc
import dataclasses
import getpass
import os
import typing

from ironic_ext import images

PASSWORD_VARIABLE = 'IRONIC_EXT_IMAGES_PASSWORD'
TOKEN_VARIABLE = 'IRONIC_EXT_IMAGES_TOKEN'
# Far more than any password or token has.
_MAX_SECRET = 64 << 10


class UsageError(Exception):
    """The command line itself is wrong."""


def add_options(command: argparse.ArgumentParser) -> None:
    """Add the options to a command."""
    group = command.add_argument_group(
        'access', 'Without --password-file the password is that of '
        f'${PASSWORD_VARIABLE}, else it is asked for. ${TOKEN_VARIABLE} '
        'holds a bearer token, if there is no --user.')
    group.add_argument('--user', metavar='NAME',
                       help='user name on the image server')
    group.add_argument('--password-file', metavar='FILE',
                       help='file with the password in its first line')
    group.add_argument('--token-file', metavar='FILE',
                       help='file with a bearer token in its first line')
    group.add_argument('--ca-file', metavar='FILE',
                       help='certificates to verify the server by')
    group.add_argument('--insecure', action='store_true',
                       help='do not verify the server')
    group.add_argument('--cert', metavar='FILE',
                       help='client certificate, PEM')
    group.add_argument('--key', metavar='FILE',
                       help='its private key, if not in the same file')
    group.add_argument('--os-cloud', metavar='NAME',
                       help='the cloud of clouds.yaml whose Glance images '
                       'named by UUID come from')


def access(args: argparse.Namespace, verify: bool | str) -> images.Access:
    """Return the access that the options describe.

    :param verify: what holds without --ca-file and --insecure.
    :raises: UsageError, OSError
    """
    if args.insecure and args.ca_file:
        raise UsageError('--insecure goes without --ca-file')
    if args.user and args.token_file:
        raise UsageError('--user goes without --token-file')
    if args.password_file and not args.user:
        raise UsageError('--password-file needs --user')
    if args.key and not args.cert:
        raise UsageError('--key needs --cert')
    found = images.Access(
        verify=False if args.insecure else args.ca_file or verify,
        client_cert=args.cert, client_key=args.key)
    if args.user:
        return dataclasses.replace(found, username=args.user,
                                   password=_password(args))
    token = (_secret(args.token_file) if args.token_file
             else os.environ.get(TOKEN_VARIABLE))
    return dataclasses.replace(found, token=token or None)


def glance(args: argparse.Namespace
           ) -> collections.abc.Callable[[], typing.Any] | None:
    """Return what Settings.glance is to be."""
    if not args.os_cloud:
        return None

    def connect() -> typing.Any:
        # Only here: this import takes longer than most commands.
        import openstack
        from openstack import exceptions
        try:
            return openstack.connect(args.os_cloud).image
        except exceptions.ConfigException as exc:
            raise UsageError(f'--os-cloud: {exc}') from exc

    return connect


def _password(args: argparse.Namespace) -> str:
    if args.password_file:
        return _secret(args.password_file)
    from_environment = os.environ.get(PASSWORD_VARIABLE)
    if from_environment is not None:
        return from_environment
    try:
        return getpass.getpass(f'Password of {args.user}: ')
    except EOFError:
        raise UsageError('there is no terminal to ask for the password on: '
                         'use --password-file') from None


def _secret(path: str) -> str:
    with open(path, encoding='utf-8') as file:
        return file.read(_MAX_SECRET).partition('\n')[0].rstrip('\r')
