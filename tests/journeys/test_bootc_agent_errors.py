# SPDX-License-Identifier: Apache-2.0

"""What goes wrong with installs: provoked for real, told in a sentence."""

import json
import os
import signal
import socket
import sys

from ironic_ext.bootc import credentials
from ironic_ext.bootc import request
from tests.functional import agent_process
from tests.functional import bootc_agent

_SIGSTORE_KEY = """\
-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEeJaGfIoKWSsSMUeuzurYnk5K8+Tr
38Ash6p33Txgjw2I7I9p1wmSUQRit4HSv3Cbw9HJ0VhvZDufs5l5CiNcMQ==
-----END PUBLIC KEY-----
"""
_IMPATIENT = """\
import dataclasses
import json
import sys

from ironic_python_agent import config
from ironic_ext.bootc import errors
from ironic_ext.bootc import request
from ironic_python_agent_ext.bootc import install

wanted = request.InstallRequest.parse(json.loads(sys.argv[1]), sys.argv[2])
wanted = dataclasses.replace(
    wanted, options=dataclasses.replace(wanted.options, timeout=8))
try:
    install.Install(wanted, sys.argv[3]).run()
except errors.InstallTimeoutError as exc:
    print(exc)
"""


class ErrorsTest(bootc_agent.BootcAgentTestCase):

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        # Holds the image, and not a second time its largest layer.
        cls.small = cls.use(agent_process.LoopDisk(96 << 20))

    def test_an_image_that_is_not_there(self):
        wanted = self.push()
        missing = self.request(
            f'{self.registry.host}/none@{wanted.image.digest}',
            size=wanted.size)
        self.assert_failed('NoSuchImageError', 'has no image',
                           self.deploy(missing))

    def test_a_wrong_password(self):
        login = credentials.Credential.parse(
            f'{bootc_agent.USER}:wrong-one', self.registry.host)
        command = self.deploy(self.push(), credential=login)
        self.assert_failed('UnauthorisedError', 'with these credentials',
                           command)
        self.assertNotIn('wrong-one', self.agent.log())

    def test_an_authority_that_is_not_trusted(self):
        command = self.deploy(self.push(), trust=request.Trust())
        self.assert_failed('CertificateError', 'unknown authority', command)

    def test_a_registry_that_is_not_there(self):
        wanted = self.push()
        with socket.socket() as nobody:
            # Taken, so that no other test's server gets it.
            nobody.bind(('127.0.0.1', 0))
            host = f'127.0.0.1:{nobody.getsockname()[1]}'
            command = self.deploy(self.request(
                f'{host}/os@{wanted.image.digest}', size=wanted.size))
        self.assert_failed('RegistryError', 'refused', command)

    def test_an_image_without_bootc(self):
        self.assert_failed('NotBootableError', 'no bootc in it',
                           self.deploy(self.push(None)))

    def test_an_image_that_does_not_say_it_is_bootable(self):
        self.push(None, name='plain', labels={})
        self.assert_failed(
            'NotBootableError', 'no label containers.bootc=1', self.deploy(
                self.request(f'{self.registry.host}/plain:latest')))

    def test_bootcs_own_words_without_debug_noise(self):
        command = self.deploy(self.push('fails'))
        self.assert_failed(
            'InstallError', 'Installing to disk: Creating rootfs: mkfs.xfs '
            'failed', command)

    def test_the_cause_that_a_tool_told_comes_first(self):
        command = self.deploy(self.push('fails in a tool'))
        self.assert_failed(
            'InstallError', ': boot data installation failed: Failed to find '
            'grub2-editenv (Installing to disk, by bootupctl backend)',
            command)

    def assert_untouched(self, kind, text, wanted, **changes):
        """Have something on the disk that a refusal must leave there."""
        self.agent.inside('wipefs', '--all', '--force', '--quiet',
                          self.disk.path)
        self.agent.inside('mkfs.ext4', '-q', '-F', '-L', 'before',
                          self.disk.path)
        self.assert_failed(kind, text, self.deploy(wanted, **changes))
        self.assertEqual('before\n', self.agent.inside(
            'blkid', '--probe', '--output', 'value', '--match-tag', 'LABEL',
            self.disk.path))

    def test_wishes_of_the_image_are_looked_at_before_the_disk_is_touched(
            self):
        encrypted = self.push(configuration='{"block":["tpm2-luks"]}',
                              marker='encrypted')
        self.assert_untouched('NoTpmError', 'no TPM 2.0', encrypted)
        self.assert_untouched(
            'ImageWishError', '"block_setup" is direct', encrypted,
            options={'block_setup': 'direct'})

    def test_an_option_that_the_images_bootc_lacks_leaves_the_disk_alone(
            self):
        self.assert_untouched(
            'ImageWishError', 'bootc 1.1.4, which does not know '
            '--karg-delete', self.push(bootc='1.1.4', marker='old'),
            options={'karg_delete': ['quiet']})

    def test_an_image_without_bootupd_leaves_the_disk_alone(self):
        without = self.push(bootupd=False, marker='without bootupd')
        self.assert_untouched('ImageWishError', 'has no bootupd', without)
        self.assert_deployed(self.deploy(
            without, options={'bootloader': 'none'}))

    def test_an_image_without_mkfs_leaves_the_disk_alone(self):
        self.assert_untouched('ImageWishError', 'has no mkfs.btrfs',
                              self.push(), options={'filesystem': 'btrfs'})

    def test_an_image_without_history_leaves_the_disk_alone(self):
        self.assert_untouched('ImageWishError', 'Truncated history',
                              self.push(history=False, marker='no history'))

    def test_an_image_too_large_to_unpack_leaves_the_disk_alone(self):
        # The registry told of a small one, and it packs well.
        self.assert_untouched(
            'MemoryShortError', 'layer by layer', self.push(
                files={'large': b'\0' * (48 << 20)}, marker='large'),
            size=request.Size(1 << 20, 20 << 20, 1 << 20),
            store=request.Store('disk', allow_target_disk=False,
                                device=self.small.path))

    def test_an_image_that_is_bound_to_what_is_no_image_is_refused(self):
        self.assert_untouched(
            'ImageWishError', 'x.image', self.push(files={
                'usr/lib/bootc/bound-images.d/x.image': b'nothing'},
                marker='bound'))

    def test_an_install_that_writes_nothing(self):
        # What an earlier install wrote, does not count.
        self.assert_deployed(self.deploy(self.push()))
        self.agent.inside('wipefs', '--all', '--force', self.disk.path)
        command = self.deploy(self.push('writes nothing'))
        self.assert_failed('VerifyError', 'after the install', command)

    def test_too_little_memory(self):
        command = self.deploy(
            self.push(), size=request.Size(1 << 40, 3 << 40),
            store=request.Store('memory'))
        self.assert_failed('DiskSizeError', 'too small', command)
        command = self.deploy(
            self.push(), size=request.Size(1 << 40, 1 << 20),
            store=request.Store('memory'))
        self.assert_failed('MemoryShortError', 'MiB of free memory', command)

    def test_an_image_larger_than_it_is_said_to_be(self):
        # The store is made for a small one.
        wanted = self.push(files={'large': b'\0' * (96 << 20)})
        with self.scratch_disk_with_content():
            command = self.deploy(
                wanted, size=request.Size(1 << 10, 1 << 10),
                store=request.Store('disk', allow_target_disk=True))
        self.assert_failed('MemoryShortError', 'is larger than', command)

    def test_a_policy_that_rejects_what_it_does_not_know(self):
        command = self.deploy(self.push(), policy=request.SignaturePolicy(
            'reject-unknown', scopes=('registry.test',)))
        self.assert_failed('SignatureError', 'policy', command)

    def test_a_policy_that_knows_the_registry(self):
        command = self.deploy(self.push(), policy=request.SignaturePolicy(
            'reject-unknown', scopes=(self.registry.host,)))
        self.assert_deployed(command)

    def test_a_sigstore_signature_that_is_not_there_or_cannot_be_checked(
            self):
        command = self.deploy(self.push(), policy=request.SignaturePolicy(
            'sigstore', (_SIGSTORE_KEY,)))
        self.assertIn(command['command_error']['type'],
                      ('PodmanError', 'SignatureError'))
        self.assert_failed(command['command_error']['type'], 'signature',
                           command)

    def test_an_install_that_takes_too_long(self):
        # Operators cannot give less than a minute.
        arguments = self.push('takes for ever').arguments(self.agent.token)
        said = self.agent.inside(
            sys.executable, '-W', 'ignore', '-c', _IMPATIENT,
            json.dumps(arguments), self.agent.token, self.disk.path)
        self.assertIn('was not pulled and installed within 8 s', said)
        self.assert_nothing_is_left()

    def test_a_scratch_disk_that_is_in_use(self):
        with self.scratch_disk_with_content():
            self.agent.inside('mount', self.scratch.path, '/mnt')
            command = self.deploy(self.push(), store=request.Store(
                'disk', device=self.scratch.path))
            self.agent.inside('umount', '/mnt')
        self.assert_failed('StoreError', 'busy', command)

    def test_a_secret_that_was_sealed_for_another_agent(self):
        arguments = self.push().arguments('of-another-agent' * 4)
        command = self.agent.await_end(
            self.agent.step('bootc_install', arguments))
        self.assert_failed('BootcError', 'not sealed with this agent',
                           command)


class KilledTest(bootc_agent.BootcAgentTestCase):
    """An agent that dies leaves debris; the next one takes it down."""

    def await_phase(self, number, phase):
        return self.agent.await_command(number, lambda command: (
            (command['command_result'] or {}).get('progress', {}).get(
                'phase') == phase))

    def test_amid_a_pull(self):
        wanted = self.push()
        server = self.registry._server
        server.send_signal(signal.SIGSTOP)
        self.addCleanup(server.send_signal, signal.SIGCONT)
        self.await_phase(self.start(wanted), 'pulling')
        self.agent.kill()
        server.send_signal(signal.SIGCONT)
        self.assert_deployed(self.deploy(wanted))

    def test_amid_an_install_of_which_progress_was_told(self):
        number = self.start(self.push('takes for ever'))
        command = self.await_phase(number, 'installing')
        self.assertEqual('RUNNING', command['command_status'])
        self.assertIn('written', command['command_result']['progress'])
        self.agent.await_command(number, lambda command: (
            command['command_result']['progress']['unpacked'] >= 8 << 20))
        self.assertIn('bootc install: pulling', self.log())
        self.agent.kill()
        self.assert_deployed(self.deploy(self.push()))

    def test_amid_an_install_from_compressed_memory(self):
        wanted = self.push('takes for ever')
        number = self.agent.step('bootc_install', self.request(
            str(wanted.image), size=wanted.size,
            store=request.Store('zram')).arguments(self.agent.token))
        self.await_phase(number, 'installing')
        device = json.loads(self.agent.inside(
            'cat', '/run/ironic-bootc/store.json'))['device']
        # The kernel's number of one disk; names are given anew.
        path = f'/sys/block/{os.path.basename(device)}/diskseq'
        before = self.read(path)
        self.agent.kill()
        self.assertEqual(before, self.read(path))
        self.assert_deployed(self.deploy(self.push()))
        self.assertNotEqual(before, self.read(path))

    def read(self, path):
        return self.agent.inside('sh', '-c', f'cat {path} 2>&1 || true')
