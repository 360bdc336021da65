# SPDX-License-Identifier: Apache-2.0

"""The whole path of a bootable container: registry, Ironic, agent, disk.

Everything is real but bootc in the image, which is a stand-in. The machine
is emulated, so this takes minutes: "make e2e-bootc" runs it. With
DEPLOY_RAMDISK=<path> it takes the ramdisk <path>.kernel and <path>.initramfs,
as ironic-python-agent-builder names them, in place of its own.
"""

import base64
import contextlib
import json
import os
import pathlib
import re
import tempfile

import testtools

from lab import agent_ramdisk
from lab import boot_iso
from lab import bootc_image
from lab import hypervisor
from lab import private_network
from lab import process
from lab import stack
from tests.bootc_e2e import trial_machine
from tests.e2e import base
from tests.functional import registry

PASSWORD = 'pull-7cQx2vLw'
KEY = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIE lab@example.com'
ARGUMENT = 'e2e.colour=green'
#: Bytes; the machine's only disk.
DISK = 8 << 30
#: What was on that disk: a volume of LVM on software RAID, both running.
STACK = """\
#!/bin/sh
exec > /dev/ttyS0 2>&1
modprobe -a raid1 dm_mod
printf 'label: gpt\\nsize=1GiB\\n,\\n' | sfdisk --quiet /dev/vda
udevadm settle
mkdir -p /run/lock/lvm
mdadm --create /dev/md127 --run --force --level=1 --raid-devices=1 \\
    /dev/vda1 &&
pvcreate -ff -y /dev/md127 && vgcreate old /dev/md127 &&
lvcreate -y -W n -n data -L 512M old
echo "LAB-STACK $(ls -d /sys/class/block/vda1/holders/* \\
    /sys/class/block/md127/holders/* | tr '\\n' ' ')"
"""
#: MiB of a machine whose ramdisk is a whole distribution.
LARGE_MEMORY = 4096
#: Seconds: a machine under TCG shares its cores with others.
DEPLOY_TIMEOUT = 3 * 3600
BOOT_TIMEOUT = 3600


class DeployTestCase(testtools.TestCase):
    """A lab with a private registry, and a machine that has a past."""

    #: Whether the machine has a TPM 2.0.
    tpm = False

    def setUp(self):
        super().setUp()
        cache = stack.DEFAULT_CACHE
        image = bootc_image.build(cache)
        folder = pathlib.Path(self.enter(tempfile.TemporaryDirectory()))
        iso = folder / 'agent.iso'
        self.memory = agent_ramdisk.MEMORY
        if ramdisk := os.environ.get('DEPLOY_RAMDISK'):
            self.memory = LARGE_MEMORY
            boot_iso.write(iso, pathlib.Path(f'{ramdisk}.kernel'),
                           pathlib.Path(f'{ramdisk}.initramfs'))
        else:
            added = folder / 'added/etc'
            added.mkdir(parents=True)
            (added / 'lab-start').write_text(STACK)
            (added / 'lab-start').chmod(0o755)
            agent_ramdisk.build_iso(iso, cache, added.parent)
        boot_iso.unpacked_kernel(cache)
        # From here on nothing is fetched from elsewhere.
        self.enter(private_network.private_network())
        self.registry = self.useFixture(registry.Registry(
            {'puller': PASSWORD}, names=[hypervisor.HOST]))
        self.registry.copy(f'oci:{image.layout}:latest', 'lab/os', '1')
        self.lab = self.enter(stack.Lab(
            drivers=stack.Drivers(deploy_interface='bootc-ext')))
        iso.rename(self.lab.images / iso.name)
        self.addOnException(self._attach_logs)
        self.node = self._make_node(self.lab.images / iso.name)

    def enter(self, manager):
        """Enter a context that the test's end leaves."""
        value = manager.__enter__()
        self.addCleanup(manager.__exit__, None, None, None)
        return value

    def _make_node(self, iso):
        port = process.free_port()
        node = self.lab.create(
            'bootc', hypervisor.Firmware.UEFI, hypervisor.Hardware(
                memory=self.memory, disk=DISK, agent_port=port,
                tpm=self.tpm))
        host = self.registry.host
        self.lab.ironic.cli(
            'node', 'set', node.name,
            '--property', 'cpu_arch=x86_64',
            '--driver-info', f'deploy_iso=file://{iso}',
            '--driver-info', 'kernel_append_params='
            f'ipa-advertise-host=127.0.0.1 ipa-advertise-port={port}',
            '--driver-info', f'bootc_ca={self.registry.ca}',
            # The same registry, where the machine finds it.
            '--driver-info', f'bootc_mirrors={host}={hypervisor.HOST}:'
            f'{self.registry.port}')
        # By which the agent finds out whose it is.
        self.lab.ironic.call('POST', '/v1/ports', {
            'address': hypervisor.MAC, 'node_uuid': node.identity})
        node.provide()
        return node

    def _attach_logs(self, exc_info):
        log = self.lab.ironic.ironic_log.read_text(errors='replace')
        lines = [line for line in log.splitlines()
                 if ' DEBUG ' not in line and ' ironic.api ' not in line]
        for name, text in (
                ('ironic.log', '\n'.join(lines[-80:])),
                ('console', self.node.machine.console()[-8000:]
                 if hasattr(self, 'node') else ''),
                ('registry.log', self.registry.log()[-2000:])):
            self.addDetail(name, testtools.content.text_content(text))

    def _secret(self):
        """Return a config.json: mirrors are not shown the registry's."""
        auth = base64.b64encode(self.registry.secret.encode()).decode()
        mirror = f'{hypervisor.HOST}:{self.registry.port}'
        return json.dumps({'auths': {host: {'auth': auth} for host in (
            self.registry.host, mirror)}})

    def _set(self, **options):
        """Say what is to be installed, and return its name."""
        name = f'{self.registry.host}/lab/os:1'
        self.node.set_instance_info(
            image_source=f'oci://{name}',
            image_pull_secret=self._secret(), bootc=json.dumps(options))
        return name

    def _deploy(self):
        self.node.ask('active', configdrive=base.CONFIG_DRIVE)
        self.node.await_state('active', timeout=DEPLOY_TIMEOUT)


class BootcDeployTestCase(DeployTestCase):

    def test_a_private_image_is_installed_and_boots_with_its_config(self):
        name = self._set(kargs=[ARGUMENT],
                         karg_delete=[bootc_image.ARGUMENT],
                         authorized_keys=KEY)
        self._deploy()
        if 'DEPLOY_RAMDISK' not in os.environ:
            self.assertIn('md127/holders/dm-0', self._before_the_install())
        report = self.node.await_report(timeout=BOOT_TIMEOUT)

        self.assertEqual('uefi', report.firmware)
        arguments = report.command_line.split()
        self.assertIn(ARGUMENT, arguments)
        self.assertNotIn(bootc_image.ARGUMENT, arguments)
        # Of the image's own arguments, what was not to be deleted.
        self.assertIn('quiet', arguments)
        self.assertEqual(bootc_image.MARKER,
                         report.files['/etc/lab-marker'])
        self.assertEqual(KEY, report.files[
            '/root/.ssh/authorized_keys'].strip())
        self.assertIn(f'image={name}\n', report.files[
            '/etc/bootc-stand-in/deployment'])
        self.assertIn('selinux=host-disabled\n', report.files[
            '/etc/bootc-stand-in/deployment'])
        self.assertNotIn('selinux=0', arguments)
        self.assertEqual(base.HOSTNAME, json.loads(
            report.files[base.META_DATA])['hostname'])
        self._assert_no_secret_is_told()

        self.node.request('undeploy')
        self.node.await_state('available')
        self.assertFalse(self.node.machine.is_on())
        self.assertEqual([], self.lab.published())

    def _before_the_install(self):
        """Return what lay on the disk, as the ramdisk told it."""
        told = re.findall(r'LAB-STACK (.*)', self.node.machine.console())
        return told[0] if told else ''

    def _assert_no_secret_is_told(self):
        for path in (self.lab.ironic.ironic_log,
                     self.lab.ironic.log_path):
            self.assertNotIn(PASSWORD, path.read_text(errors='replace'))
        self.assertNotIn(PASSWORD, self.node.machine.console())
        self.assertNotIn(PASSWORD, json.dumps(self.node.show()))
        with contextlib.suppress(FileNotFoundError):
            self.assertNotIn(PASSWORD, self.lab.web.log_path.read_text())


class EncryptedTestCase(DeployTestCase):

    tpm = True

    def test_the_disk_is_encrypted_and_the_tpm_opens_it_at_each_start(self):
        self._set(block_setup='tpm2-luks')
        self._deploy()
        report = self.node.await_report(timeout=BOOT_TIMEOUT)

        self.assertIn('block_setup=tpm2-luks\n', report.files[
            '/etc/bootc-stand-in/deployment'])
        self.assertIn('luks.uuid=', report.command_line)
        self.assertEqual('/dev/mapper/root', report.files[
            bootc_image.ROOT_DEVICE].strip())
        self.assertEqual(base.HOSTNAME, json.loads(
            report.files[base.META_DATA])['hostname'])
        self.assertEqual(
            ['vfat', 'ext4', 'crypto_LUKS', 'iso9660'],
            [part['type'] for part in trial_machine.partitions(
                self.node.machine.disk_path)][1:])
