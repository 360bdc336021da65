# SPDX-License-Identifier: Apache-2.0

"""What all commands have in common: errors of one line, and -f json|yaml."""

import importlib.metadata
import json
import os
import pathlib
import subprocess
import sys

import fixtures
import testtools
import yaml

from tests import boot_server
from tests.functional import warm_client
from tests import ironic_stand_in

#: What stands for arguments that are required, by their names.
_ARGUMENTS = {
    'boot_apply': ('-F', '{folder}/none.yaml'),
    'boot_config_create': ('nobody', '--config-format', 'kickstart',
                           '--file', '{folder}/none.cfg'),
    'host_boot_set': ('nobody', '--local'),
    'iso_create': ('nobody', '--file', '{folder}/none.iso'),
    'iso_set': ('nobody', '--description', 'x'),
    'node_data_image_attach': ('nobody', '--url', 'http://192.0.2.1/x.iso')}
#: They are about all that there are, and need no argument.
_LISTS = ('boot_config_list', 'host_boot_list', 'iso_list',
          'node_boot_media_list', 'node_data_image_list')
#: They print nothing, or a file as it is.
_TEXTS = ('boot_config_delete', 'boot_config_preview', 'iso_delete')
_PROGRAMS = {
    'ironic-boot-server': ('--config-file', '{folder}/none'),
    'ironic-ext-doctor': ('nobody', '--ca-file', '{folder}/none'),
    'ironic-ext-images': ('--config-file', '{folder}/none', 'list'),
    'ironic-ext-state': ('--config-file', '{folder}/none', 'show'),
    'ironic-ext-status': ('--config-file', '{folder}/none', 'upgrade',
                          'check'),
    'ironic-ext-targets': ('--config-file', '{folder}/none', 'list'),
    'ironic-ext-tgt-account': (),
    'ironic-iso': ('inspect', '{folder}/none.iso'),
    'ironic-media-server': ('--config-file', '{folder}/none')}


def _commands():
    """Return the commands of the distribution, without "baremetal"."""
    return sorted(point.name.removeprefix('baremetal_') for point
                  in importlib.metadata.entry_points(
                      group='openstack.baremetal.v1')
                  if point.value.startswith('ironic_ext.'))


class EveryCommandTestCase(testtools.TestCase):
    """One Ironic and one boot server, which know nothing that is named."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        ironic = ironic_stand_in.IronicStandIn()
        ironic.setUp()
        cls.addClassCleanup(ironic.cleanUp)
        ironic.known.add('server1', '52:54:00:00:00:01',
                         vendor_interface='no-vendor',
                         management_interface='redfish')
        server = boot_server.BootServer(ironic.url)
        server.setUp()
        cls.addClassCleanup(server.cleanUp)
        cls.folder = server.directory
        # A process of its own: what is printed depends on nobody's logging.
        client = warm_client.WarmClient(cls.folder)
        cls.addClassCleanup(client.stop)
        client.start()
        cls.program = client.programs / 'openstack'
        cls.environment = {
            **os.environ,
            'OS_AUTH_TYPE': 'none', 'OS_ENDPOINT': ironic.url,
            'IRONIC_BOOT_SERVER_URL': server.process.url}

    def run_command(self, name, *arguments, **environment):
        return subprocess.run(
            [self.program, 'baremetal', *name.split('_'), *arguments],
            stdin=subprocess.DEVNULL, capture_output=True, text=True,
            env={**self.environment, **environment})

    def arguments(self, name):
        return () if name in _LISTS else tuple(
            each.format(folder=self.folder)
            for each in _ARGUMENTS.get(name, ('nobody',)))

    def assert_one_line(self, found, name):
        said = (found.stderr or '').strip()
        self.assertEqual(1, found.returncode, (name, said))
        self.assertEqual(1, len(said.splitlines()), (name, said))

    def test_what_is_not_there_is_one_line(self):
        names = set(_commands()) - set(_LISTS)
        self.assertTrue(names)
        for name in sorted(names):
            self.assert_one_line(
                self.run_command(name, *self.arguments(name)), name)
        # What fails leaves nothing behind.
        self.assertEqual([], json.loads(self.run_command(
            'iso_list', '-f', 'json').stdout))

    def test_a_boot_server_that_does_not_answer_is_one_line(self):
        gone = 'http://127.0.0.1:9'
        (self.folder / 'none.iso').touch()
        self.addCleanup((self.folder / 'none.iso').unlink)
        # Without what fails before it is asked.
        for name in set(_commands()) - {'boot_apply', 'boot_config_create'}:
            if name.startswith('node_'):
                continue
            found = self.run_command(name, *self.arguments(name),
                                     IRONIC_BOOT_SERVER_URL=gone)
            self.assert_one_line(found, name)
            self.assertIn(gone, found.stderr)

    def test_wrong_arguments_are_said_with_the_usage(self):
        for name in _commands():
            found = self.run_command(name, *self.arguments(name),
                                     '--nonsense')
            self.assertEqual(2, found.returncode, (name, found.stderr))
            self.assertIn('--nonsense', found.stderr)

    def test_lists_and_what_is_shown_come_as_json_and_yaml(self):
        for name in _LISTS:
            for form, read in (('json', json.loads),
                               ('yaml', yaml.safe_load)):
                found = self.run_command(name, '-f', form)
                self.assertEqual(0, found.returncode, (name, found.stderr))
                self.assertIsInstance(read(found.stdout), list)
        for name in set(_commands()) - set(_LISTS) - set(_TEXTS):
            # Past its usage, and as far as the server.
            self.assertEqual(1, self.run_command(
                name, *self.arguments(name), '-f', 'yaml').returncode, name)


class EveryProgramTestCase(testtools.TestCase):
    """Those that are installed beside them."""

    def test_bad_arguments_are_one_line(self):
        folder = self.useFixture(fixtures.TempDir()).path
        programs = {
            point.name for point in importlib.metadata.entry_points(
                group='console_scripts')
            if point.value.startswith('ironic_ext.')}
        self.assertEqual(programs, set(_PROGRAMS))
        running = {name: subprocess.Popen(
            [pathlib.Path(sys.executable).parent / name,
             *(each.format(folder=folder) for each in arguments)],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True)
            for name, arguments in _PROGRAMS.items()}
        for name, process in running.items():
            _output, said = process.communicate(timeout=300)
            self.assertNotIn(process.returncode, (0, None), name)
            self.assertEqual(1, len(said.splitlines()), (name, said))
