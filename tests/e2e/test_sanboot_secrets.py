# SPDX-License-Identifier: Apache-2.0

"""A script with a password goes to the machine of a declared address.

On a network of its own, where the machine has an address that is not
everybody's: with QEMU's user networking, that of this host which it talks to.
"""

import os
import subprocess
import unittest
import unittest.mock

from lab import boot_iso
from lab import hypervisor
from lab import private_network
from lab import process
from lab import pxe
from lab import stack
from tests.e2e import base
from tests.e2e import test_sanboot

ADDRESS = '192.0.2.1'


class _Lab:
    """A lab that is there already."""

    def __init__(self, lab: pxe.NetworkLab) -> None:
        self._lab = lab

    def get(self, *_media_servers: object) -> pxe.NetworkLab:
        """Return it."""
        return self._lab


class SecretScriptTestCase(test_sanboot.SanbootTestCase):

    firmware = hypervisor.Firmware.BIOS

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        if os.geteuid():
            raise unittest.SkipTest('namespaces and tgtd are for root only')
        # From there on nothing is fetched from elsewhere.
        boot_iso.unpacked_kernel(stack.DEFAULT_CACHE)
        try:
            cls.enterClassContext(private_network.private_network())
        except process.LabError as exc:
            raise unittest.SkipTest(str(exc)) from exc
        subprocess.run(['ip', 'addr', 'add', f'{ADDRESS}/32', 'dev', 'lo'],
                       check=True)
        lab = cls.enterClassContext(pxe.NetworkLab(
            with_boot_server=True, machine_address=ADDRESS))
        patch = unittest.mock.patch.object(test_sanboot, '_LAB', _Lab(lab))
        cls.enterClassContext(patch)

    def ask(self, **source: str) -> str:
        """Return the script that somebody who knows the MAC is given."""
        return self.lab.boot_server.call(
            'GET', f'/ipxe?mac={pxe.mac(self.node)}', **source).text

    def test_a_password_reaches_its_own_machine_and_nobody_else(self):
        server = self.lab.boot_server
        host = f'{test_sanboot.HOSTS}/{self.node.name}'
        process.await_condition(
            lambda: server.call('GET', host).code == 200,
            'the boot server to know the node', timeout=60)
        self.configure()
        self.deploy()
        # The machine was told that it is not known by its address yet; what
        # everybody can read only leads to the boot server.
        self.assertIn(f'chain {server.url}/ipxe', self.lab.script(self.node))
        self.assertNotIn('password', self.lab.script(self.node))
        self.assertNotIn('password', self.ask())
        self.await_console('is for its own machine')

        self.assertEqual(200, server.call('PATCH', host, {
            'spec': {'ip': ADDRESS}}).code)
        self.assertIn('set password', self.ask())
        self.assertNotIn('password', self.ask(source='127.0.0.1'))
        self.restart_machine()
        self.assertIn(base.ARGUMENT, self.arguments())
        self.assertEqual(1, len(self.lab.sessions()))

        self.undeploy()
        self.assertNotIn('password', self.ask())
        self.assert_nothing_left()
