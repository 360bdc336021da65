# SPDX-License-Identifier: Apache-2.0

"""A bootable container by the real deploy agent, and a machine that boots it.

The agent is a process of this machine, the disk a file. With a ramdisk and
with Ironic, that is tests/bootc_e2e, which takes longer.
"""

import json
import pathlib
import shutil
import subprocess
import tempfile
import time

import testtools

from ironic_ext.bootc import credentials
from ironic_ext.bootc import options
from ironic_ext.bootc import reference
from ironic_ext.bootc import request
from lab import boot_iso
from lab import bootc_image
from lab import stack
from tests.functional import agent_process
from tests.functional import bootc_agent
from tests.functional import registry
from tests import guest

KEY = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIE lab@example.com'
ARGUMENT = 'e2e.colour=green'
#: Seconds for a boot; a quiet machine takes a twentieth of it.
TIMEOUT = 600


class BootcAgentTestCase(testtools.TestCase):

    def setUp(self):
        super().setUp()
        self.image = bootc_image.build(stack.DEFAULT_CACHE)
        self.registry = self.useFixture(
            registry.Registry({'puller': 'pull-7cQx2vLw'}))
        self.registry.copy(f'oci:{self.image.layout}:latest', 'lab/os')
        self.disk = self.useFixture(agent_process.LoopDisk())
        self.agent = self.useFixture(agent_process.Agent(self.disk.path))
        self.addOnException(lambda _info: self.addDetail(
            'agent', testtools.content.text_content(
                self.agent.log()[-20000:])))

    def install(self, drive, **chosen):
        host = self.registry.host
        command = self.agent.await_end(self.agent.step(
            'bootc_install', request.InstallRequest(
                reference.Reference.parse(
                    f'{host}/lab/os@{self.image.digest}'),
                f'{host}/lab/os:latest',
                options.Options.parse(chosen),
                trust=request.Trust(ca=self.registry.ca),
                size=request.Size(self.image.size, self.image.unpacked_size,
                                  self.image.largest),
                # As on a machine with little memory.
                store=request.Store('zram'),
                credential=credentials.Credential.parse(
                    self.registry.secret, host),
                configdrive=drive).arguments(self.agent.token)))
        self.assertEqual('SUCCEEDED', command['command_status'],
                         command['command_error'])
        self.assertNotIn('pull-7cQx2vLw', self.agent.log())

    def boot(self):
        """Boot the disk and return the machine's report."""
        with tempfile.TemporaryDirectory() as name:
            folder = pathlib.Path(name)
            variables = shutil.copy(guest.OVMF_VARS, folder)
            with open(folder / 'console', 'wb') as console:
                machine = subprocess.Popen([
                    'qemu-system-x86_64', '-accel', 'tcg', '-machine', 'q35',
                    '-m', '768', '-display', 'none', '-monitor', 'none',
                    '-serial', 'stdio', '-net', 'none', '-snapshot',
                    '-drive', 'if=pflash,format=raw,readonly=on,file='
                    f'{guest.OVMF_CODE}',
                    '-drive', f'if=pflash,format=raw,file={variables}',
                    '-drive', f'if=virtio,format=raw,file={self.disk.file}'],
                    stdin=subprocess.DEVNULL, stdout=console,
                    stderr=subprocess.STDOUT)
            try:
                return self._await_report(machine, folder / 'console')
            finally:
                machine.kill()
                machine.wait()

    def _await_report(self, machine, console):
        deadline = time.monotonic() + TIMEOUT
        while True:
            text = console.read_text(errors='replace')
            reports = boot_iso.parse_reports(text)
            if reports:
                return reports[0]
            if machine.poll() is not None or time.monotonic() > deadline:
                self.fail(f'no report on the console:\n{text[-8000:]}')
            time.sleep(0.2)

    def test_what_is_installed_boots_with_arguments_and_config_drive(self):
        drive, _image = bootc_agent.config_drive('hello from the config')
        # It stays quiet: systemd and the report share the console.
        self.install(drive, kargs=[ARGUMENT],
                     karg_delete=[bootc_image.ARGUMENT], authorized_keys=KEY,
                     update_auth=True)
        # The disk is the machine's now.
        self.disk.detach()
        report = self.boot()

        self.assertEqual('uefi', report.firmware)
        self.assertIn(ARGUMENT, report.command_line.split())
        self.assertIn('quiet', report.command_line.split())
        self.assertNotIn(bootc_image.ARGUMENT, report.command_line.split())
        self.assertIn(bootc_image.MARKER, report.files['/etc/lab-marker'])
        self.assertIn(KEY, report.files['/root/.ssh/authorized_keys'])
        self.assertIn('hello from the config', report.files['user_data'])
        self._assert_as_bootc_would(report)
        self.assertIn(f'image={self.registry.host}/lab/os:latest',
                      report.files['/etc/bootc-stand-in/deployment'])

    def _assert_as_bootc_would(self, report):
        """SELinux stays on, nothing is encrypted, updates have a secret."""
        deployment = report.files['/etc/bootc-stand-in/deployment']
        self.assertIn('selinux=host-disabled', deployment)
        self.assertIn('block_setup=direct', deployment)
        self.assertNotIn('selinux=0', report.command_line.split())
        auth, = (text for path, text in report.files.items()
                 if path.endswith('/etc/ostree/auth.json'))
        self.assertEqual({self.registry.host}, {*json.loads(auth)['auths']})
