# SPDX-License-Identifier: Apache-2.0

"""``make tempest``: the plugin's tests, by real tempest.

With Keystone, Ironic, boot server and media server as they are. Ends with
tempest's exit code.
"""

import argparse
import contextlib
import pathlib
import shutil
import sys
import tempfile
import time
import typing

from lab import boot_server
from tests.functional import keystone
from tests.tempest import sites
from tests.tempest import workspace

_MIDDLEWARE = """\
[keystone_authtoken]
auth_type = password
auth_url = {url}
www_authenticate_uri = {url}
username = admin
password = {password}
user_domain_id = default
project_name = admin
project_domain_id = default
"""


def main() -> int:
    """Run, and return the exit code."""
    parser = argparse.ArgumentParser(
        prog='python -m tests.tempest',
        description='Run the plugin of tempest against a site of its own.')
    parser.add_argument('expression', nargs='?', default='',
                        help='part of the names of the tests to run')
    parser.add_argument('--made-up', action='store_true',
                        help='with a BMC that has no machine: what the '
                             'machine does is not seen')
    args = parser.parse_args()
    began = time.monotonic()
    directory = pathlib.Path(tempfile.mkdtemp(prefix='tempest-'))
    try:
        code = _run(directory, args.expression,
                    sites.made_up if args.made_up else sites.machine)
    finally:
        shutil.rmtree(directory, ignore_errors=True)
    print(f'tempest ended with {code} after '
          f'{time.monotonic() - began:.0f} seconds')
    return code


def _run(directory: pathlib.Path, expression: str,
         made: typing.Callable[[pathlib.Path], typing.Any]) -> int:
    for name in ('keystone', 'boot', 'site'):
        (directory / name).mkdir()
    with contextlib.ExitStack() as held:
        identity = keystone.Process(directory / 'keystone')
        identity.prepare()
        held.callback(identity.stop)
        identity.start()
        site = held.enter_context(made(directory / 'site'))
        identity.add_endpoint('baremetal', site.ironic.url)
        server = boot_server.Process(
            directory / 'boot', site.ironic.url,
            options='auth_strategy = keystone', extra=_MIDDLEWARE.format(
                url=identity.url, password=keystone.PASSWORD))
        held.callback(server.stop)
        server.start()
        return workspace.Workspace(
            directory / 'workspace', identity, boot_server_url=server.url,
            **site.options).run(expression)


if __name__ == '__main__':
    sys.exit(main())
