# SPDX-License-Identifier: Apache-2.0

"""Installs by the real deploy agent, with real podman and registry."""

import base64
import dataclasses
import json
import pathlib
import re
import subprocess
import tempfile

from ironic_python_agent_ext.bootc import podman
from tests.functional import agent_process
from tests.functional import bootc_agent
from tests.functional import bootc_images
from tests import oci_images


@dataclasses.dataclass(frozen=True)
class _Plain:
    """An install without any wishes."""

    command: dict
    log: str
    #: The secret for updates in the installed system.
    auth: set[str]


class InstallTest(bootc_agent.BootcAgentTestCase):

    _plain = None

    def plain(self):
        """Return an install without any wishes; one serves several tests."""
        if self._plain is None:
            command = self.deploy(self.push())
            self.assert_deployed(command)
            type(self)._plain = _Plain(command, self.log(), self.auth())
        return self._plain

    def auth(self):
        """Return which registries the installed system has a secret of."""
        path = f'/{bootc_images.DEPLOYMENT}/etc/ostree/auth.json'
        text = subprocess.run(
            ['debugfs', '-R', f'cat {path}', self.disk.partition(2)],
            check=True, capture_output=True, text=True).stdout
        return {*json.loads(text or '{"auths": {}}')['auths']}

    def test_an_image_is_installed_and_nothing_is_left(self):
        self.assertIn(f'is installed on {self.disk.path}',
                      self.plain().command['command_result']['deploy_result'])

    def test_the_image_is_told_what_the_operator_wants(self):
        self.assert_deployed(self.deploy(self.push(), options={
            'kargs': ['quiet', 'x="a b"'], 'karg_delete': ['rhgb'],
            'root_size': '1G', 'stateroot': 'main',
            'authorized_keys': 'ssh-ed25519 AAAA me@test'}))
        said = self.said('arguments')
        for word in ('install to-disk', '--wipe', '--root-size=1024M',
                     '--karg=quiet', '--karg=x="a b"', '--karg-delete=rhgb',
                     '--stateroot=main',
                     f'--target-imgref={self.registry.host}/os:stable'):
            self.assertIn(word, said)
        self.assertEqual(self.disk.path, said.split()[-1])
        self.assertEqual('ssh-ed25519 AAAA me@test', self.said('keys'))

    def test_layers_are_unpacked_where_the_image_lies(self):
        log = self.plain().log
        self.assertEqual(self.said('image is on', log),
                         self.said('unpacks on', log))
        self.assertTrue(self.said('image is on', log))

    def test_an_old_bootc_finds_a_temporary_directory_that_is_mounted(self):
        self.assert_deployed(self.deploy(self.push(bootc='1.1.4',
                                                   marker='old')))

    def test_nothing_is_wished_that_nobody_asked_for(self):
        said = self.said('arguments', self.plain().log)
        for flag in ('--block-setup', '--disable-selinux', '--bootloader'):
            self.assertNotIn(flag, said)

    def test_selinux_is_switched_off_on_demand_and_with_a_warning(self):
        wanted = self.push('has selinux')
        self.assert_deployed(self.deploy(wanted))
        self.assertNotIn('switches off', self.log())
        self.assert_deployed(self.deploy(wanted,
                                         options={'selinux': 'disabled'}))
        self.assertIn('--disable-selinux', self.said('arguments'))
        self.assertRegex(self.log(), 'WARNING.*switches off')

    def test_images_that_the_image_is_bound_to_are_fetched_with_it(self):
        bound = f'{self.registry.host}/team/app:1'
        self.registry.push('team/app', oci_images.image(marker='app'), '1')
        wanted = self.push(files={
            'usr/lib/bootc/bound-images.d/app.image':
            f'[Image]\nImage={bound}\n'.encode()}, name='bound')
        self.assert_deployed(self.deploy(wanted))
        self.assertIn('"GET /v2/team/app/manifests/1',
                      self.registry.log())
        for choice in ('skip', 'pull'):
            before = len(self.registry.log())
            self.assert_deployed(self.deploy(
                wanted, options={'bound_images': choice}))
            self.assertNotIn('/v2/team/app', self.registry.log()[before:])

    def test_the_secret_for_updates_is_left_in_the_installed_system(self):
        self.assertEqual(set(), self.plain().auth)
        self.assert_deployed(self.deploy(
            self.push(), options={'update_auth': True}))
        self.assertEqual({self.registry.host}, self.auth())
        self.assertEqual('', self.agent.inside(
            'sh', '-c', 'ls -d /run/ironic-bootc-root 2>/dev/null; true'))

    def test_credentials_are_gone_before_the_image_runs(self):
        log = self.plain().log
        state = self.said('state', log)
        self.assertIn('/run/ironic-bootc/podman/containers.conf', state)
        self.assertNotIn('auth.json', state)
        self.assertNotIn('/run/ironic-bootc/pull', state)
        # The ramdisk's /tmp is not the container's.
        self.assertEqual('', self.said('temporary', log))

    def test_the_image_gets_no_proxy_of_the_pull(self):
        wanted = self.push()
        self.assert_deployed(self.deploy(wanted, trust=bootc_agent.request
                                         .Trust(ca=self.registry.ca,
                                                proxy='http://127.0.0.1:1',
                                                no_proxy='127.0.0.1')))
        self.assertNotIn('127.0.0.1:1 ', self.said('variables') + ' ')

    def test_an_image_that_names_no_file_system_gets_ext4(self):
        self.assert_deployed(self.deploy(self.push('wants a file system')))
        self.assertIn('--filesystem=ext4', self.said('arguments'))

    def test_the_config_drive_is_the_last_partition_until_the_next_install(
            self):
        drive, image = bootc_agent.config_drive('hello')
        self.assert_deployed(self.deploy(self.push(), configdrive=drive))
        last = pathlib.Path(self.disk.partition(3)).read_bytes()
        self.assertEqual(image, last[:len(image)])
        self.assertEqual(64 << 20, len(last) >> 20 << 20)
        self.assertNotIn(drive[:60], self.agent.log())
        self.assert_deployed(self.deploy(self.push(marker='second')))
        self.assertFalse(pathlib.Path(self.disk.partition(3)).exists()
                         and bootc_agent.content(self.disk.partition(3)))

    def test_layers_are_fetched_in_parts_by_a_podman_that_does_it_well(self):
        with tempfile.TemporaryDirectory() as name:
            folder = pathlib.Path(name)
            oci_images.write_directory(bootc_images.image(), folder / 'gzip')
            subprocess.run(
                ['skopeo', 'copy', '--insecure-policy', '--dest-decompress',
                 f'dir:{folder}/gzip', f'dir:{folder}/plain'], check=True,
                capture_output=True)
            image = self.registry.copy(
                f'dir:{folder}/plain', 'chunked', 'latest',
                '--dest-compress-format=zstd:chunked')
        self.assert_deployed(self.deploy(self.request(image)))
        version = re.search(r'(\d+)\.(\d+)',
                            self.agent.inside('podman', '--version'))
        # The config is one of them.
        whole = set(re.findall(r'"GET /v2/chunked/blobs/(\S+) HTTP/1.1" 200',
                               self.registry.log()))
        in_parts = (int(version[1]), int(version[2])) >= podman.PARTS
        self.assertEqual(1 if in_parts else 2, len(whole))

    def test_a_tag_is_pinned_before_it_is_pulled(self):
        wanted = self.push()
        tagged = self.request(f'{self.registry.host}/os:latest')
        self.assert_deployed(self.deploy(tagged))
        self.assertIn(f'@{wanted.image.digest} is installed', self.log())

    def test_root_device_hints_decide_where_to(self):
        wanted = self.push()
        node = {'properties': {'root_device': {
            'serial': self.scratch.path}}}
        command = self.agent.await_end(self.agent.step(
            'bootc_install', wanted.arguments(self.agent.token), node))
        # The smaller disk was taken, and is too small.
        self.assert_failed('DiskSizeError', 'the disk of 512 MiB',
                           command)
        node['properties']['root_device']['serial'] = 'none'
        command = self.agent.await_end(self.agent.step(
            'bootc_install', wanted.arguments(self.agent.token), node))
        self.assert_failed('NoDiskError', 'no disk to install on', command)

    def test_the_command_of_the_extension_does_the_same(self):
        # The agent goes by the node that it was told of last.
        steps = self.agent.command(self.agent.start(
            'deploy.get_deploy_steps', node=agent_process.NODE, ports=[]))
        self.assertIn('bootc_install', str(steps['command_result']))
        wanted = self.push().arguments(self.agent.token)
        command = self.agent.await_end(
            self.agent.start('bootc.install', **wanted))
        self.assert_deployed(command)


class StockStepTest(bootc_agent.BootcAgentTestCase):
    """What stock Ironic's deploy interface "bootc" asks for."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        # Stock Ironic has no way to name an authority.
        cls.agent.inside('sh', '-c', f'''
            mount -t tmpfs tmpfs /etc/containers/certs.d 2>/dev/null || {{
                mkdir -p /etc/containers/certs.d
                mount -t tmpfs tmpfs /etc/containers/certs.d; }}
            mkdir -p /etc/containers/certs.d/{cls.registry.host}
            cp {cls.registry.ca_path} /etc/containers/certs.d/{
                cls.registry.host}/ca.crt''')

    def step(self, **arguments):
        return self.agent.await_end(self.agent.step(
            'execute_bootc_install', {
                'image_source': f'oci://{self.registry.host}/os:latest',
                'configdrive': None, **arguments},
            {'instance_info': {
                'bootc_authorized_keys': 'ssh-ed25519 AAAA stock'}}))

    def test_it_installs(self):
        self.push()
        # What stock Ironic makes of "deployer:c0rrect-h0rse" of a config.
        secret = base64.b64encode(base64.b64encode(
            f'{bootc_agent.USER}:{bootc_agent.PASSWORD}'.encode())).decode()
        command = self.step(oci_pull_secret=secret)
        self.assert_deployed(command)
        self.assertNotIn(secret, json.dumps(command))
        self.assertNotIn(secret, self.agent.log())
        self.assertEqual('ssh-ed25519 AAAA stock', self.said('keys'))

    def test_without_a_secret_the_registry_says_no(self):
        self.push()
        self.assert_failed('UnauthorisedError', 'registry',
                           self.step(oci_pull_secret=None))
