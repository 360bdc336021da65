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


def main() -> int:
    """Run, and return the exit code."""
    parser = argparse.ArgumentParser(
        prog='python -m tests.tempest',
        description='Run the plugin of tempest against a site of its own.')
    parser.add_argument('expression', nargs='?', default='',
                        help='part of the names of the tests to run')
    kind = parser.add_mutually_exclusive_group()
    kind.add_argument('--made-up', dest='site', action='store_const',
                      const=sites.made_up, default=sites.machine,
                      help='with a BMC that has no machine: what the '
                           'machine does is not seen')
    kind.add_argument('--agents', dest='site', action='store_const',
                      const=sites.agents,
                      help='with agents in their machines: a rescue to its '
                           'end, and a bootable container. Takes a quarter '
                           'of an hour, and needs root')
    kind.add_argument('--cloud-init', dest='site', action='store_const',
                      const=sites.cloud_init,
                      help='with a Debian live system: its cloud-init gets '
                           'the user data')
    kind.add_argument('--official', dest='site', action='store_const',
                      const=sites.fake_hardware,
                      help='the API tests of ironic-tempest-plugin, on an '
                           'Ironic that has the suite')
    args = parser.parse_args()
    began = time.monotonic()
    directory = pathlib.Path(tempfile.mkdtemp(prefix='tempest-'))
    try:
        code = _run(directory, args.expression, args.site)
    finally:
        shutil.rmtree(directory, ignore_errors=True)
    print(f'tempest ended with {code} after '
          f'{time.monotonic() - began:.0f} seconds')
    return code


def _run(directory: pathlib.Path, expression: str,
         made: typing.Callable[[pathlib.Path, keystone.Process],
                               typing.Any]) -> int:
    for name in ('keystone', 'boot', 'site'):
        (directory / name).mkdir()
    with contextlib.ExitStack() as held:
        identity = keystone.Process(directory / 'keystone')
        identity.prepare()
        held.callback(identity.stop)
        identity.start()
        site = held.enter_context(made(directory / 'site', identity))
        identity.add_endpoint('baremetal', site.ironic.url)
        options = dict(site.options)
        if options:
            server = boot_server.Process(
                directory / 'boot', site.ironic.url,
                options='auth_strategy = keystone',
                extra=sites.MIDDLEWARE.format(
                    url=identity.url, password=keystone.PASSWORD))
            held.callback(server.stop)
            server.start()
            options['boot_server_url'] = server.url
        return workspace.Workspace(
            directory / 'workspace', identity, site.baremetal,
            **options).run(site.tests, expression)


if __name__ == '__main__':
    sys.exit(main())
