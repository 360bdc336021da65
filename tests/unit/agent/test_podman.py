# SPDX-License-Identifier: Apache-2.0

"""What the image's container is given, and when a pull is tried again."""

import os
import pathlib
import time
from unittest import mock

import fixtures
import testtools

from ironic_ext.bootc import errors
from ironic_python_agent_ext.bootc import podman

_IMAGE = 'registry.test/os@sha256:0123'
_LATER = 'Error: pinging registry: connect: connection refused'
_NEVER = 'Error: reading manifest: manifest unknown'
_NO_PARTS = ('Error: partial pull of blob sha256:0123: read zstd:chunked '
             'manifest: fetching partial blob: received unexpected HTTP '
             'status: 501 Unsupported client range')


class ContainerTest(testtools.TestCase):

    def test_devices_storage_and_keys_are_all_that_is_mounted(self):
        found = podman.container_arguments(
            {'/run/state/keys': '/run/keys'}, selinux=False)
        self.assertEqual(
            {'--volume=/dev:/dev',
             '--volume=/var/lib/containers:/var/lib/containers',
             '--volume=/var/tmp:/var/tmp',
             '--volume=/run/state/keys:/run/keys:ro'},
            {word for word in found if word.startswith(
                ('--volume', '-v', '--mount', '--env'))})

    def test_bootc_gets_the_privileges_that_it_asks_for(self):
        found = podman.container_arguments({}, selinux=False)
        for word in ('--privileged', '--pid=host', '--ipc=host',
                     '--entrypoint=bootc', '--pull=never',
                     '--http-proxy=false'):
            self.assertIn(word, found)

    def test_selinux_is_left_to_bootc_where_there_is_any(self):
        wanted = '--security-opt=label=type:unconfined_t'
        self.assertIn(wanted, podman.container_arguments({}, selinux=True))
        self.assertNotIn(wanted,
                         podman.container_arguments({}, selinux=False))


class CallTest(testtools.TestCase):
    """Calls of a program that stands in for podman."""

    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        self.useFixture(fixtures.EnvironmentVariable(
            'PATH', f'{self.folder}:{os.environ["PATH"]}'))
        patcher = mock.patch.object(podman, '_PAUSE', 0)
        patcher.start()
        self.addCleanup(patcher.stop)
        self.caller = podman.Podman(self.folder, {})

    def answer(self, script):
        program = self.folder / 'podman'
        program.write_text(f'#!/bin/sh\n{script}\n')
        program.chmod(0o755)

    def pull(self, **arguments):
        return self.caller.pull(_IMAGE, ['--authfile=/run/auth'],
                                {'HTTPS_PROXY': 'http://proxy.test'},
                                time.monotonic() + 300, **arguments)

    def calls(self):
        return (self.folder / 'calls').read_text().splitlines()

    def test_a_registry_that_may_come_back_is_asked_again(self):
        self.answer(f'echo "$* $HTTPS_PROXY" >> {self.folder}/calls; '
                    f'[ $(wc -l < {self.folder}/calls) = 3 ] || '
                    f'{{ echo "{_LATER}"; exit 125; }}')
        self.pull()
        self.assertEqual(
            [f'pull --authfile=/run/auth docker://{_IMAGE} '
             'http://proxy.test'] * 3, self.calls())

    def test_a_registry_that_does_not_come_back_is_given_up(self):
        self.answer(f'echo >> {self.folder}/calls; echo "{_LATER}"; exit 125')
        self.assertRaises(errors.RegistryError, self.pull)
        self.assertEqual(3, len(self.calls()))

    def test_what_will_not_change_is_not_tried_again(self):
        self.answer(f'echo >> {self.folder}/calls; echo "{_NEVER}"; exit 125')
        self.assertRaises(errors.NoSuchImageError, self.pull)
        self.assertEqual(1, len(self.calls()))

    def test_a_registry_without_parts_of_layers_is_asked_for_whole_ones(
            self):
        self.answer(f'echo "parts: $PARTS" >> {self.folder}/calls; '
                    f'[ -z "$PARTS" ] || {{ echo "{_NO_PARTS}"; exit 125; }}')
        self.pull(parts={'PARTS': 'yes'})
        self.assertEqual(['parts: yes', 'parts: '], self.calls())

    def test_an_image_that_does_not_exist_has_no_whole_layers_either(self):
        self.answer(f'echo >> {self.folder}/calls; echo "{_NEVER}"; exit 125')
        self.assertRaises(errors.NoSuchImageError, self.pull,
                          parts={'PARTS': 'yes'})
        self.assertEqual(1, len(self.calls()))

    def test_the_proxy_of_the_pull_is_not_for_the_image(self):
        self.answer(f'env > {self.folder}/calls')
        self.caller.install(_IMAGE, [], '/dev/sda', time.monotonic() + 300,
                            {})
        self.assertNotIn('PROXY', '\n'.join(self.calls()))

    def test_an_image_is_asked_without_privileges(self):
        self.answer(f'echo "$*" >> {self.folder}/calls; case "$*" in '
                    '*--version) echo bootc 1.1.4;; '
                    '*--help) echo "      --karg <KARG>";; '
                    "*) echo 'warning: unknown key'; "
                    """echo '{"block":["tpm2-luks"]}';; esac""")
        found = self.caller.facts(_IMAGE)
        self.assertEqual(('1.1.4', {'karg': ()}, ('tpm2-luks',)), (
            found.version, found.flags, found.configuration.block))
        self.assertEqual(3, len(self.calls()))
        for call in self.calls():
            self.assertIn('--network=none', call)
            for word in ('--privileged', '--volume', '--pid'):
                self.assertNotIn(word, call)

    def test_an_image_whose_bootc_does_not_run_is_refused(self):
        self.answer('echo "error: no such thing"; exit 1')
        self.assertIn('no such thing', str(self.assertRaises(
            errors.InstallError, self.caller.facts, _IMAGE)))

    def test_the_largest_layer_is_the_image_where_it_tells_of_none(self):
        self.answer('printf "12\\n345\\n6\\n"')
        self.assertEqual(345, self.caller.largest_layer(_IMAGE))
        self.answer('case $1 in image) echo 777;; esac')
        self.assertEqual(777, self.caller.largest_layer(_IMAGE))
        self.answer('echo "Error: no such image"; exit 125')
        self.assertIn('no such image', str(self.assertRaises(
            errors.PodmanError, self.caller.largest_layer, _IMAGE)))

    def test_an_entry_of_history_for_each_layer_is_wanted(self):
        for told, expected in (('3 2', True), ('2 2', True), ('1 2', False),
                               ('0 1', False), ('<nil>', None), ('', None)):
            self.answer(f'echo "{told}"')
            self.assertIs(expected, self.caller.has_history(_IMAGE))
        self.answer('echo "1 2"; exit 125')
        self.assertIsNone(self.caller.has_history(_IMAGE))

    def test_a_podman_that_is_too_old_is_refused(self):
        self.answer('echo podman version 3.4.4')
        error = self.assertRaises(errors.PodmanError, self.caller.version)
        self.assertIn('3.4 of this ramdisk is too old', str(error))

    def test_versions_are_read(self):
        self.answer('echo podman version 5.4.2')
        self.assertEqual((5, 4), self.caller.version())

    def test_a_ramdisk_without_podman_is_told_by_a_sentence(self):
        self.useFixture(fixtures.EnvironmentVariable('PATH', '/nonexistent'))
        error = self.assertRaises(
            errors.PodmanError, podman.Podman(self.folder, {}).version)
        self.assertIn('no podman', str(error))
