# SPDX-License-Identifier: Apache-2.0

"""Deploying and rebuilding a host from a command line: ask, do, wait."""

import argparse
import sys
import time

from osc_lib import exceptions

from ironic_ext.cli.osc import boot_api
from ironic_ext.cli.osc import fields

_POLL = 1.0     # seconds
_WAIT = 3600.0   # seconds
#: States of Ironic on the way to "active", and that one itself.
_UNDERWAY = ('deploying', 'wait call-back', 'deploy hold')
_DONE = 'active'


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add what to do with a host, and --wait."""
    provision = parser.add_mutually_exclusive_group()
    provision.add_argument(
        '--deploy', dest='target', action='store_const', const='deploy',
        help='Deploy it, so that it boots that now')
    provision.add_argument(
        '--rebuild', dest='target', action='store_const', const='rebuild',
        help='Rebuild it, so that it boots that now: what runs on it ends. '
             'It is asked first')
    parser.add_argument('--yes', action='store_true',
                        help='Rebuild it without being asked')
    parser.add_argument(
        '--wait', metavar='<seconds>', type=float, nargs='?', const=_WAIT,
        help='With --deploy and --rebuild: wait until it is active, at most '
             f'so many seconds (default: {_WAIT:g}); fail when it fails')


def require_consistent(parsed: argparse.Namespace) -> None:
    """Refuse options that mean nothing together.

    :raises: CommandError
    """
    if parsed.wait is not None and not parsed.target:
        raise exceptions.CommandError(
            '--wait is for what takes a time: add --deploy or --rebuild')
    if parsed.yes and parsed.target != 'rebuild':
        raise exceptions.CommandError('--yes is for --rebuild')


def confirm(host: fields.Resource) -> None:
    """Ask whether what a host is now may end.

    :raises: CommandError when it may not, or nobody can be asked.
    """
    name = host['metadata']['name']
    power = host['status'].get('power')
    loses = (f'{name} is {host["status"].get("provisionState")} and '
             f'{power or "of unknown power"}: a rebuild '
             + ('switches it on' if power == 'power off'
                else 'restarts it, ends what runs on it')
             + ', and may overwrite its disks')
    if not sys.stdin.isatty():
        raise exceptions.CommandError(f'{loses}; say --yes for that')
    print(f'{loses}.\nRebuild it? [y/N] ', end='', file=sys.stderr,
          flush=True)
    if sys.stdin.readline().strip().lower() not in ('y', 'yes'):
        raise exceptions.CommandError(f'{name} is left as it is')


def await_active(api: boot_api.BootApi, path: str, found: fields.Resource,
                 seconds: float) -> fields.Resource:
    """Wait until a host is deployed, and tell on the way how far it is.

    :param found: the host as it was when it was asked for.
    :raises: CommandError when that fails, or takes longer.
    """
    deadline = time.monotonic() + seconds
    told = ''
    while True:
        name, status = found['metadata']['name'], found['status']
        state = str(status.get('provisionState'))
        if state == _DONE and not status.get('targetProvisionState'):
            return found
        if state not in (*_UNDERWAY, _DONE):
            why = status.get('lastErrorCause') or status.get('lastError')
            raise exceptions.CommandError(
                f'{name}: {state}' + (f': {why}' if why else ''))
        if state != told:
            print(f'{name}: {state}', file=sys.stderr)
            told = state
        if time.monotonic() >= deadline:
            raise exceptions.CommandError(
                f'{name} is still {state} after {seconds:g} s; it is not '
                'given up')
        time.sleep(_POLL)
        found = api.call('GET', path)


def provision(api: boot_api.BootApi, path: str, parsed: argparse.Namespace
              ) -> fields.Resource:
    """Deploy or rebuild a host; return it as it is then.

    :raises: CommandError
    """
    found: fields.Resource = api.call('POST', f'{path}/provision',
                                      {'target': parsed.target})
    if parsed.wait is not None:
        found = await_active(api, path, found, parsed.wait)
    return found
