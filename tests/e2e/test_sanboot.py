# SPDX-License-Identifier: Apache-2.0

"""Machines boot their ISO with iPXE, over iSCSI and HTTP, until it is done.

Firmware, iPXE's ROM, Ironic's boot.ipxe, the node's script, tgtd or the
media server, the ISO's own boot loader.
"""

import atexit
import contextlib
import os
import unittest
import unittest.mock

from lab import hypervisor
from lab import process
from lab import pxe
from tests.e2e import base

BOOT_DEVICE = r'^/redfish/v1/Systems/[^/]+$'
GIVEN = 'iqn.2001-04.com.example:appliance'
NO_TARGET = 'Could not open SAN device: No such device'
NO_PORTAL = 'Could not open SAN device: Connection '
#: What the kernel says with BIOS, and with UEFI.
IBFT = '(?i)iBFT found at|ACPI: IBFT'
HOSTS = '/api/v1/namespaces/default/baremetalhosts'


class _Lab:
    """Starts the lab when first asked and stops it as the process ends."""

    def __init__(self) -> None:
        self._lab: pxe.NetworkLab | None = None

    def get(self, *_media_servers: object) -> pxe.NetworkLab:
        if self._lab is None:
            exit_stack = contextlib.ExitStack()
            atexit.register(exit_stack.close)
            self._lab = exit_stack.enter_context(
                pxe.NetworkLab(media_servers=1, with_boot_server=True))
        return self._lab


_LAB = _Lab()


class SanbootTestCase(base.EndToEndTestCase):
    """A node that boots over the network."""

    def setUp(self) -> None:
        if os.geteuid():
            raise unittest.SkipTest('tgtd obeys root only')
        with unittest.mock.patch.object(base, '_SHARED_LAB', _LAB):
            super().setUp()
        self.lab: pxe.NetworkLab
        self.addCleanup(self._restore_services)

    def _restore_services(self) -> None:
        for service in (self.lab.tgtd, self.lab.ironic):
            if service.pid is None:
                service.start()

    def be_driven(self, **info: object) -> None:
        """Set driver_info; None removes a key."""
        self.lab.ironic.call('PATCH', f'/v1/nodes/{self.node.identity}', [
            {'op': 'remove', 'path': f'/driver_info/{key}'}
            if value is None else
            {'op': 'add', 'path': f'/driver_info/{key}', 'value': value}
            for key, value in info.items()])

    def configure(self, **extra: object) -> None:
        """Give the node the lab's ISO and a config of its own."""
        self.say(**{'kernel_append_params': base.ARGUMENT,
                    'boot_iso_files': base.FILES, **extra})

    def say(self, **info: object) -> None:
        """Set instance_info, by the API: the CLI is slow to start."""
        self.lab.ironic.call('PATCH', f'/v1/nodes/{self.node.identity}', [
            {'op': 'add', 'path': '/instance_info',
             'value': {'boot_iso': f'file://{self.lab.iso}', **info}}])

    def deploy(self) -> dict:
        """Deploy and return the active node."""
        self.node.ask('active')
        return self.node.await_state('active', timeout=300)

    def refuse_to_deploy(self) -> str:
        """Deploy in vain, and return why."""
        self.node.ask('active')
        node = self.node.await_state('deploy failed', timeout=300)
        return node['last_error']

    def undeploy(self) -> dict:
        """Undeploy and return the available node."""
        self.node.ask('deleted')
        return self.node.await_state('available', timeout=300)

    def by_http(self) -> None:
        """Let the machine read from the media server, where it sees it."""
        self.be_driven(
            sanboot_transport='http',
            external_media_url=self.lab.media_servers[0].url.replace(
                '127.0.0.1', hypervisor.HOST))

    def uri(self) -> str:
        """Return what the script boots, '' for nothing."""
        return ''.join(line.removeprefix('sanboot ')
                       for line in self.lab.script(self.node).splitlines()
                       if line.startswith('sanboot '))

    def boot(self, seen: int = 0) -> list[str]:
        """Deploy, and return the kernel arguments that the machine had."""
        self.deploy()
        return self.arguments(seen)

    def arguments(self, seen: int = 0) -> list[str]:
        """Wait for a report; machines are slow to read over the network."""
        report = self.node.await_report(seen, timeout=300)
        self.assertEqual(self.firmware.value, report.firmware)
        return report.command_line.split()

    def await_console(self, text: str, times: int = 1) -> None:
        process.await_condition(
            lambda: self.node.machine.console().count(text) >= times,
            f'"{text}" on the console', timeout=300, interval=0.2)

    def restart_machine(self) -> None:
        """Switch the machine off and on again."""
        self.lab.ironic.call(
            'PUT', f'/v1/nodes/{self.node.identity}/states/power',
            {'target': 'rebooting'})

    def complete(self) -> None:
        """Report that the installed system runs, as it would."""
        server = self.lab.boot_server
        process.await_condition(
            lambda: server.call('GET', f'{HOSTS}/{self.node.name}').code
            == 200, 'the boot server to know the node', timeout=60)
        made = server.call('POST', f'{HOSTS}/{self.node.name}/token')
        token = made.json['path'].split('/')[2]
        report = f'/api/v1/boot-complete?token={token}'
        self.assertEqual(202, server.call('POST', report).code)
        process.await_condition(
            lambda: server.call('POST', report).code == 204,
            'the conductor to end the boot', timeout=60)

    def assert_local(self) -> None:
        """The machine leaves iPXE from now on; nothing is held for it."""
        process.await_condition(
            lambda: self.lab.script(self.node).endswith('\nexit 0\n'),
            'the script to leave iPXE', timeout=60)
        process.await_condition(
            lambda: not self.lab.targets(), 'the target to go', timeout=60)

    def assert_nothing_left(self) -> None:
        super().assert_nothing_left()
        self.assertEqual([], self.lab.targets())
        self.assertEqual([], self.lab.exported())


class BootTests:
    """The same node, ISO and config by every way, whatever the firmware."""

    def test_it_boots_by_iscsi_until_done_and_by_http(self):
        # The kernel is to say what it finds.
        self.configure(ext_boot_mode='once', sanboot_ibft=True,
                       kernel_append_params=f'{base.ARGUMENT} loglevel=7')
        arguments = self.boot()
        self.assertIn(base.ARGUMENT, arguments)
        self.assertIn('rd.iscsi.firmware=1', arguments)
        self.assertRegex(self.node.machine.console(), IBFT)
        self.assertTrue(self.uri().startswith(
            f'iscsi:{hypervisor.HOST}::{self.lab.tgtd.port}:1:iqn.'),
            self.uri())
        self.assertEqual(1, len(self.lab.targets()))

        self.complete()
        self.assert_local()
        self.restart_machine()
        self.await_console(f'{self.node.name} boots from its disk')
        self.assertEqual(1, len(self.node.machine.reports()))
        self.undeploy()
        self.assert_nothing_left()

        self.by_http()
        self.configure()
        self.assertIn(base.ARGUMENT, self.boot(seen=1))
        self.assertTrue(self.uri().startswith(
            f'http://{hypervisor.HOST}:{self.lab.media_servers[0].port}/'))
        self.assertEqual([], self.lab.targets())
        token = self.uri().split('/')[-2]
        self.assertNotIn(token, self.lab.ironic.ironic_log.read_text())
        self.undeploy()
        self.assert_nothing_left()
        self.finish()

    def finish(self) -> None:
        """What is left to try, if anything."""


class BiosSanbootTestCase(BootTests, SanbootTestCase):

    firmware = hypervisor.Firmware.BIOS

    def finish(self) -> None:
        """The same arguments, and the files, by virtual media."""
        self.be_driven(external_media_url=None, sanboot_transport=None)
        pxe.unplug(self.node.machine)
        self.lab.ironic.call(
            'PATCH', f'/v1/nodes/{self.node.identity}',
            [{'op': 'replace', 'path': '/boot_interface',
              'value': 'redfish-iso'}])
        self.configure()
        self.deploy()
        self.assert_config_arrived(self.node.await_report(2, timeout=300))
        self.undeploy()
        self.assert_nothing_left()

    def test_a_boot_survives_that_tgtd_is_killed_and_restarted(self):
        self.configure()
        self.deploy()
        process.await_condition(self.lab.sessions, 'the machine to log in',
                                timeout=300, interval=0.05)
        # iPXE does not open again what it has not opened once.
        self.await_console('Booting from SAN device')
        self.lab.tgtd.kill()
        self.lab.tgtd.start()
        # The conductor makes the target again, and iPXE logs in again.
        self.assertIn(base.ARGUMENT, self.arguments())
        self.undeploy()
        self.assert_nothing_left()

    def test_a_target_made_by_hand_boots_and_what_is_wrong_is_shown(self):
        self.lab.tgtd.add(GIVEN, self.lab.iso)
        self.addCleanup(self.lab.tgtd.remove)
        portal = f'{hypervisor.HOST}:{self.lab.tgtd.port}'
        self.be_driven(sanboot_target={'iqn': GIVEN, 'portal': portal})
        self.say()
        self.boot()
        self.assertTrue(self.uri().endswith(f':1:{GIVEN}'))
        self.undeploy()
        # Not Ironic's to remove.
        self.assertEqual([GIVEN], self.lab.targets())

        self.be_driven(sanboot_target={'iqn': f'{GIVEN}x',
                                       'portal': portal})
        self.say()
        self.deploy()
        self.await_console(NO_TARGET)
        self.undeploy()

        self.be_driven(sanboot_target={
            'iqn': GIVEN,
            'portal': f'{hypervisor.HOST}:{process.free_port()}'})
        self.say()
        self.deploy()
        self.await_console(NO_PORTAL)
        self.undeploy()

    def test_killed_between_target_and_power_on_leaks_nothing(self):
        self.configure()
        hang = self.lab.proxy.hang_next('PATCH', BOOT_DEVICE)
        self.node.ask('active')
        hang.await_request(300)
        self.assertEqual(1, len(self.lab.targets()))
        self.lab.ironic.kill()
        hang.release()

        self.lab.ironic.start()
        node = self.node.await_state('deploy failed', timeout=300)
        self.assertRegex(node['last_error'], '(?i)conductor')
        self.undeploy()
        self.assert_nothing_left()

    def test_a_full_disk_ends_in_a_sentence_and_leaves_nothing(self):
        self.configure()
        with contextlib.ExitStack() as stack:
            try:
                stack.enter_context(self.lab.full_disk())
            except process.LabError as exc:
                if 'permission denied' not in str(exc):
                    raise
                self.skipTest(f'nothing can be mounted here: {exc}')
            self.assertIn('there is no room to serve',
                          self.refuse_to_deploy())
        self.assertEqual('', self.lab.script(self.node))
        self.assertEqual([], self.lab.targets())
        self.undeploy()
        self.assert_nothing_left()


class UefiSanbootTestCase(BootTests, SanbootTestCase):

    firmware = hypervisor.Firmware.UEFI
