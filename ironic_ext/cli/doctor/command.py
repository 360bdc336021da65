# SPDX-License-Identifier: Apache-2.0

"""The command ``ironic-ext-doctor NODE``.

Logs in as ``openstack`` does, by clouds.yaml and OS_... of the environment.
The exit code is 0 when no step fails, 1 when one does or cannot be looked at,
2 for usage.
"""

import argparse
import collections.abc
import dataclasses
import json
import sys
import typing

from keystoneauth1 import exceptions as login_errors
import openstack
from openstack import exceptions as sdk_errors

from ironic_ext.cli.doctor import diagnosis
from ironic_ext.cli.doctor import look
from ironic_ext.cli import version
from ironic_ext import printable

PROG = 'ironic-ext-doctor'
_LOGIN = ('name a cloud of clouds.yaml by --os-cloud or OS_CLOUD, or set '
          'OS_AUTH_URL, OS_USERNAME, OS_PASSWORD and so on; for an Ironic '
          'without Keystone set OS_AUTH_TYPE=none, and OS_ENDPOINT to its URL')


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(
        prog=PROG, description='Walk the boot of a node, from its '
        'configuration to its end, and say where it stands and what to do. '
        'Nothing is changed. Logs in as "openstack" does (clouds.yaml, OS_...'
        ' of the environment).')
    parser.add_argument('node', metavar='NODE', help='name or UUID')
    parser.add_argument('--os-cloud', metavar='NAME',
                        help='cloud of clouds.yaml')
    parser.add_argument('--ca-file', metavar='FILE',
                        help='certificates that the media server is trusted '
                             'by')
    parser.add_argument('--json', action='store_true',
                        help='print JSON instead of lines')
    version.add_option(parser)
    return parser


def text(findings: collections.abc.Sequence[diagnosis.Finding]) -> str:
    """Return what was found for people, a line or two for each step."""
    width = max(len(finding.step) for finding in findings)
    lines = []
    for finding in findings:
        # A BMC and a node's owner have their words in it.
        lines.append(f'{finding.step:{width}}  {finding.state.value:7}  '
                     f'{printable.escaped(finding.said)}')
        if finding.do:
            lines.append(f'{"":{width}}  {"":7}  -> {finding.do}')
    found = diagnosis.place(findings)
    lines.append('No step fails.' if found is None else
                 f'Look at "{found.step}" first.')
    return '\n'.join(lines)


def as_json(node: str, findings: collections.abc.Sequence[
        diagnosis.Finding]) -> str:
    """Return the same for programs."""
    found = diagnosis.place(findings)
    return json.dumps({
        'node': node, 'look_at': found.step if found else None,
        'steps': [dataclasses.asdict(finding) for finding in findings]},
        indent=2)


def main(argv: collections.abc.Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    args = build_parser().parse_args(argv)
    try:
        cloud = openstack.connect(cloud=args.os_cloud)
        client: typing.Any = cloud.baremetal
        seen = look.at(client, args.node, args.ca_file or True)
    except (login_errors.AuthPluginException,
            login_errors.Unauthorized) as exc:
        refused = isinstance(exc, login_errors.Unauthorized)
        print(f'{PROG}: error: '
              + ('the login is refused' if refused else
                 'there is no login to Ironic') + f': {_LOGIN}',
              file=sys.stderr)
        return 1
    except (look.LookError, sdk_errors.SDKException,
            login_errors.ClientException, OSError) as exc:
        print(f'{PROG}: error: {printable.escaped(str(exc))}',
              file=sys.stderr)
        return 1
    findings = diagnosis.of(seen)
    print(as_json(args.node, findings) if args.json else text(findings))
    return int(any(finding.state in (diagnosis.State.FAILED,
                                     diagnosis.State.UNKNOWN)
                   for finding in findings))
