# SPDX-License-Identifier: Apache-2.0

"""The page "Add to a running Ironic", followed to the letter.

Its settings and scripts are what runs here, on an Ironic with nodes that
were active before. IRONIC_BIN names the folder with the programs of another
Ironic than the one of the tests, with this suite installed beside it. The
machines alone are made up.
"""

from collections.abc import Mapping, Sequence
import json
import os
import pathlib
import subprocess
import sys

import fixtures
import testtools

from lab import bare_metal
from tests import file_server
from tests.functional import boot_matrix
from tests.functional import fake_emulator
from tests import isos

_EXAMPLES = (pathlib.Path(__file__).resolve().parents[2]
             / 'doc/source/admin/examples')
_PROGRAMS = pathlib.Path(
    os.environ.get('IRONIC_BIN') or pathlib.Path(sys.executable).parent)
#: What an operator with Redfish machines has.
_CONFIG = """
[DEFAULT]
enabled_management_interfaces = redfish
enabled_vendor_interfaces = no-vendor,redfish
[ext_boot]
leaving_interval = 2
"""
_STOCK = {'driver': 'redfish', 'boot_interface': 'redfish-virtual-media',
          'management_interface': 'redfish', 'vendor_interface': 'redfish'}
# Here, since Ironic's base of unit tests keeps tests from running commands.
_ISO = isos.shared('hybrid')


class _Ironic(bare_metal.Ironic):
    """An Ironic to which the suite is added.

    :ivar settings: files beside ironic.conf, by which that is done.
    """

    settings: Sequence[pathlib.Path] = ()

    def command(self) -> Sequence[str]:
        return [*super().command(), *(
            word for path in self.settings
            for word in ('--config-file', str(path)))]

    def restart(self, *settings: pathlib.Path) -> None:
        """Start it again with other settings."""
        self.stop()
        self.settings = settings
        self.start()


class RunningIronicTestCase(testtools.TestCase):

    def setUp(self):
        super().setUp()
        directory = pathlib.Path(self.useFixture(
            fixtures.TempDir()).path).resolve()
        self.root = directory / 'http'
        for name in ('http', 'bmc', 'ironic'):
            (directory / name).mkdir()
        self.url = self.useFixture(file_server.FileServer(self.root)).url
        (self.root / 'live.iso').write_bytes(_ISO.read_bytes())
        self.emulator = fake_emulator.FakeEmulator(directory / 'bmc')
        self.ironic = _Ironic(
            directory / 'ironic', http_root=self.root, http_url=self.url,
            images=directory, hardware_types='redfish',
            boot_interfaces='redfish-virtual-media', extra=_CONFIG,
            programs=_PROGRAMS)
        self.ironic.create_schema()
        for service in (self.emulator, self.ironic):
            self.addCleanup(service.stop)
            service.start()
        self.states = boot_matrix.States(self.ironic)

    def deployed(self, number):
        """Return a machine that runs a live system by Ironic's own means."""
        host = boot_matrix.Host(self.states, self.emulator, self.root, None,
                                number)
        host.create(**_STOCK, instance_info={
            'boot_iso': f'{self.url}/live.iso'})
        host.provision('active', 'active')
        self.assertEqual(['Cd'], list(host.inserted()))
        return host

    def run_script(self, name, host):
        """Run what the page shows."""
        done = subprocess.run(
            ['sh', str(_EXAMPLES / name), host.uuid],
            stdin=subprocess.DEVNULL, capture_output=True, text=True,
            env={**os.environ, **self.ironic.client_environment(),
                 'PATH': f'{pathlib.Path(sys.executable).parent}:'
                         f'{os.environ["PATH"]}'})
        self.assertEqual(0, done.returncode, done.stderr)
        return done.stdout

    def assertWorks(self, host):
        """See that the node is in service."""
        validated: Mapping[str, Mapping[str, object]] = json.loads(
            host.call('GET', '/validate'))
        for interface in ('power', 'management', 'boot', 'deploy'):
            self.assertTrue(validated[interface]['result'], validated)
        for state in ('power off', 'power on'):
            host.call('PUT', '/states/power', {'target': state})
            host.await_power(state)

    def published(self):
        return [path.name for path in self.root.rglob('*.iso')
                if path.name != 'live.iso']

    def test_the_suite_comes_and_goes(self):
        moved, stays = self.deployed(1), self.deployed(2)
        before = moved.inserted(), stays.inserted()

        self.ironic.restart(_EXAMPLES / 'running-ironic.conf')
        drivers = [driver['name'] for driver
                   in self.ironic.get('/v1/drivers')['drivers']]
        self.assertEqual({'redfish', 'redfish-ext'}, set(drivers))
        for host in (moved, stays):
            self.assertWorks(host)
        self.assertEqual(before, (moved.inserted(), stays.inserted()))

        self.assertIn('boot', self.run_script('move-node.sh', moved))
        self.assertEqual(before[0], moved.inserted())
        moved.provision('rebuild', 'active')
        ours, = moved.inserted().values()
        self.assertIn('/ext-media/', ours)
        # The other node's is Ironic's own, and stays.
        self.assertEqual({ours.rpartition('/')[2], f'boot-{stays.uuid}.iso'},
                         set(self.published()))
        self.assertWorks(moved)
        self.assertEqual(f'{moved.uuid} None ext_boot ext_media\n',
                         self.run_script('nodes-left.sh', moved))

        self.run_script('move-node-back.sh', moved)
        moved.remember_url(ours)
        left = boot_matrix.Seen('empty', '*', 404, 'gone', '', '')
        self.assertEqual(left, moved.await_seen(left))
        self.assertEqual('', self.run_script('nodes-left.sh', moved))
        # Ironic's own interfaces rebuild no node that has a boot_iso alone.
        moved.provision('deleted', 'available')
        moved.patch(instance_info__boot_iso=f'{self.url}/live.iso')
        moved.provision('active', 'active')
        self.assertNotIn('/ext-media/', str(moved.inserted()))
        self.assertEqual(['Cd'], list(moved.inserted()))

        self.ironic.restart()
        for host in (moved, stays):
            self.assertWorks(host)
        self.assertEqual(before[1], stays.inserted())
        for host in (moved, stays):
            host.provision('deleted', 'available')
            self.assertEqual({}, host.inserted())
