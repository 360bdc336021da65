# SPDX-License-Identifier: Apache-2.0

"""Sentences made of what podman and bootc print."""

import testtools

from ironic_ext.bootc import errors
from ironic_python_agent_ext.bootc import podman_output

IMAGE = 'registry.test/os@sha256:0123'
_CHAIN = ('Error: initializing source docker://registry.test/os: '
          'reading manifest sha256:0123 in registry.test/os: ')


class PullErrorTest(testtools.TestCase):

    def error(self, reason, chain=_CHAIN):
        return podman_output.pull_error(IMAGE, [
            'Trying to pull registry.test/os...', f'{chain}{reason}'])

    def test_each_cause_has_its_kind(self):
        for reason, kind in (
                ('manifest unknown: manifest unknown',
                 errors.NoSuchImageError),
                ('name unknown: repository name not known to registry',
                 errors.NoSuchImageError),
                ('unauthorized: authentication required',
                 errors.UnauthorisedError),
                ('denied: requested access to the resource is denied',
                 errors.UnauthorisedError),
                ('unable to retrieve auth token: invalid username/password: '
                 'unauthorized', errors.UnauthorisedError),
                ('tls: failed to verify certificate: x509: certificate '
                 'signed by unknown authority', errors.CertificateError),
                ('http: server gave HTTP response to HTTPS client',
                 errors.CertificateError),
                ('Source image rejected: A signature was required, but no '
                 'signature exists', errors.SignatureError),
                ('Running image docker://registry.test/os is rejected by '
                 'policy.', errors.SignatureError),
                ('choosing an image from manifest list: no image found in '
                 'manifest list for architecture amd64, variant "", OS '
                 'linux', errors.ArchitectureError),
                ('writing blob: adding layer with blob "sha256:12": '
                 'no space left on device', errors.MemoryShortError),
                ('writing blob: adding layer with blob "sha256:12": '
                 'input/output error', errors.StoreError),
                ('dial tcp 192.0.2.1:443: i/o timeout',
                 errors.RegistryTimeoutError)):
            self.assertIs(kind, type(self.error(reason)), reason)

    def test_a_cause_that_is_not_known_is_quoted_without_its_contexts(self):
        error = self.error('something odd: happened here')
        self.assertIs(errors.RegistryError, type(error))
        self.assertEqual(f'image {IMAGE} cannot be pulled: something odd: '
                         'happened here', str(error))

    def test_a_sentence_has_no_control_characters_and_an_end(self):
        error = self.error('\x1b[31mred\x1b[0m\a ' + 'x' * 5000)
        self.assertNotIn('\x1b', str(error))
        self.assertNotIn('\a', str(error))
        self.assertLess(len(str(error)), 800)

    def test_silence_is_no_reason_to_crash(self):
        self.assertIn('cannot be pulled',
                      str(podman_output.pull_error(IMAGE, [])))

    def test_only_what_may_pass_is_tried_again(self):
        for reason, transient in (
                ('dial tcp 192.0.2.1:443: connect: connection refused', True),
                ('received unexpected HTTP status: 503 Service Unavailable',
                 True),
                ('unexpected EOF', True),
                ('manifest unknown: manifest unknown', False),
                ('unauthorized: authentication required', False),
                ('x509: certificate signed by unknown authority', False)):
            self.assertEqual(transient, podman_output.is_transient(
                [_CHAIN + reason]), reason)


class InstallErrorTest(testtools.TestCase):

    def test_bootcs_own_words_are_passed_on_with_their_causes(self):
        error = podman_output.install_error(IMAGE, 1, [
            'time="2026-11-21T19:55:59Z" level=debug msg="noise"',
            'Installing image: docker://registry.test/os',
            '\x1b[31merror:\x1b[0m Installing to disk: Creating rootfs',
            'Caused by:', '    0: mkfs.xfs failed', '    1: out of luck',
            'time="2026-11-21T19:55:59Z" level=debug msg="more noise"'])
        self.assertIs(errors.InstallError, type(error))
        self.assertEqual(
            f'bootc cannot install image {IMAGE}: Installing to disk: '
            'Creating rootfs: mkfs.xfs failed: out of luck', str(error))

    def test_the_cause_that_a_tool_told_comes_first(self):
        told = str(podman_output.install_error(IMAGE, 1, [
            'Installing bootloader via bootupd',
            '> bootupctl backend install --write-uuid /target',
            'error: boot data installation failed: Failed to find '
            '/usr/bin/grub2-editenv',
            '\x1b[31merror:\x1b[0m Installing to disk: Installing: Failed to '
            'run command: Command {',
            '    program: "bootupctl",', '    args: [',
            '        "bootupctl",', '        "backend",',
            '        "/run/bootc/mounts/rootfs",', '    ],',
            '    create_pidfd: false,', '}']))
        self.assertEqual(
            f'bootc cannot install image {IMAGE}: boot data installation '
            'failed: Failed to find /usr/bin/grub2-editenv (Installing to '
            'disk: Installing, by bootupctl backend '
            '/run/bootc/mounts/rootfs)', told)

    def test_words_of_a_tool_that_are_no_error_are_its_cause(self):
        self.assertIn('/dev/sda1: busy (Installing to disk, by wipefs -a)', (
            podman_output.message([
                '> wipefs -a', 'wipefs: /dev/sda1: busy',
                'error: Installing to disk: Failed to run command: Command {',
                '    args: [', '        "wipefs",', '        "-a",', '    ],',
                '}'])))
        self.assertEqual(
            'mkfs.xfs: no room (Installing to disk: Subprocess failed: '
            'ExitStatus(unix_wait_status(256)))', podman_output.message([
                'error: Installing to disk: Subprocess failed: '
                'ExitStatus(unix_wait_status(256))', 'mkfs.xfs: no room']))

    def test_an_image_without_bootc_is_not_bootable(self):
        for code, line in (
                (127, 'Error: crun: executable file `bootc` not found in '
                      '$PATH: No such file or directory: OCI runtime '
                      'attempted to invoke a command that was not found'),
                (127, 'Error: runc: exec failed: unable to start container '
                      'process: exec: "bootc": executable file not found in '
                      '$PATH: OCI runtime attempted to invoke a command')):
            self.assertIsInstance(
                podman_output.install_error(IMAGE, code, [line]),
                errors.NotBootableError)

    def test_podmans_failure_is_not_blamed_on_the_image(self):
        error = podman_output.install_error(
            IMAGE, 125, ['Error: OCI runtime error: crun: no cgroups'])
        self.assertIs(errors.PodmanError, type(error))
        self.assertIn('OCI runtime error: crun: no cgroups', str(error))

    def test_a_signal_is_named(self):
        self.assertIn('signal 9', str(
            podman_output.install_error(IMAGE, 137, ['Copying...'])))

    def test_the_end_of_an_output_stands_in_for_an_error(self):
        self.assertIn('two; three', str(podman_output.install_error(
            IMAGE, 1, ['one', 'two', 'three'])))

    def test_an_image_that_names_no_file_system_is_told_by_bootcs_words(
            self):
        self.assertTrue(podman_output.lacks_file_system(
            ['error: Installing to disk: No root filesystem specified']))
        self.assertFalse(podman_output.lacks_file_system(
            ['error: Installing to disk: mkfs failed']))

    def test_selinux_switched_off_is_told_by_bootcs_words(self):
        self.assertTrue(podman_output.disables_selinux(
            ['notice: Target has SELinux enabled, overriding to disable']))
        self.assertFalse(podman_output.disables_selinux(['notice: none']))
