# SPDX-License-Identifier: Apache-2.0

"""Tests for what is looked at before and after an upgrade."""

import contextlib
import importlib.metadata
import io
import json
import pathlib
import sqlite3

import fixtures
import testtools
from testtools import matchers

from ironic_ext.cli import status
from ironic_ext.media import records

_CONFIG = '''
[DEFAULT]
enabled_hardware_types = redfish-ext
enabled_boot_interfaces = redfish-iso
[ext_state]
dir = {folder}/state
[ext_images]
cache_dir = {folder}/state/images
[ext_media]
connection = sqlite:///{folder}/state/media.sqlite
overlay_dir = {folder}/state/overlays
server_url = http://192.0.2.1:8092
[ext_catalog]
connection = sqlite:///{folder}/state/catalog.sqlite
iso_dir = {folder}/state/isos
[ext_san]
export_dir = {folder}/state/exports
[ext_server]
public_url = http://192.0.2.1:8093
'''
_SECRET = 'correct-horse'


def _not_installed(name):
    raise importlib.metadata.PackageNotFoundError(name)


class StatusTestCase(testtools.TestCase):

    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        self.state = self.folder / 'state'
        for name in ('images', 'overlays', 'isos', 'exports'):
            (self.state / name).mkdir(mode=0o700, parents=True)
        self.state.chmod(0o700)
        self.useFixture(fixtures.MonkeyPatch(
            'ironic_ext.conf.state.PLACES', ()))

    def checked(self, more=''):
        """Return the exit code, and code and details by check."""
        file = self.folder / 'ironic.conf'
        file.write_text(_CONFIG.format(folder=self.folder) + more)
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            code = status.main(['--config-file', str(file), 'upgrade',
                                'check', '--json'])
        return code, {check['check']: (check['result'], check['details'])
                      for check in json.loads(out.getvalue())['checks']}

    def test_what_is_made_by_its_first_user_is_a_note(self):
        (self.state / 'exports').rmdir()
        code, found = self.checked()
        self.assertEqual(0, code)
        for check, words in (('Database revisions', 'revision none'),
                             ('Stores', 'exports is not there yet')):
            result, details = found.pop(check)
            self.assertEqual(0, result)
            self.assertIn(words, details)
            self.assertIn('nothing to do', details)
        self.assertEqual({(0, None)}, set(found.values()))

    def test_tables_of_another_version_are_named(self):
        records.MediaRecords(
            f'sqlite:///{self.state}/media.sqlite').close()
        self.assertNotIn('tables of media', self.checked()[1][
            'Database revisions'][1])
        with contextlib.closing(sqlite3.connect(
                self.state / 'media.sqlite')) as database, database:
            database.execute('UPDATE ext_media_alembic_version '
                             "SET version_num = '9999'")
        code, found = self.checked()
        self.assertEqual(2, code)
        self.assertIn('tables of media have revision 9999',
                      found['Database revisions'][1])
        self.assertIn('newer', found['Database revisions'][1])

    def test_a_database_that_is_away_is_told_without_its_password(self):
        code, found = self.checked(
            '[ext_media]\nconnection = mysql+pymysql://ironic:'
            f'{_SECRET}@127.0.0.1:1/x\n')
        self.assertEqual(2, code)
        self.assertIn('[ext_media]connection',
                      found['Database revisions'][1])
        self.assertNotIn(_SECRET, found['Database revisions'][1])

    def test_what_is_not_configured_is_named(self):
        _code, found = self.checked(
            '[DEFAULT]\nenabled_boot_interfaces = redfish-virtual-media\n'
            '[ext_media]\nserver_url =\n')
        result, details = found['Configuration']
        self.assertEqual(1, result)
        for name in ('enabled_boot_interfaces', '[ext_media]server_url'):
            self.assertIn(name, details)
        self.assertNotIn('enabled_vendor_interfaces', details)

    def test_each_warning_says_what_is_to_be_done_if_anything(self):
        self.useFixture(fixtures.MonkeyPatch(
            'importlib.metadata.version', _not_installed))
        _code, found = self.checked(
            '[DEFAULT]\nenabled_hardware_types = redfish\n'
            'enabled_boot_interfaces = redfish-virtual-media\n'
            '[ext_media]\nserver_url =\n[ext_server]\npublic_url =\n')
        warnings = [text for result, details in found.values() if result == 1
                    for text in details.split('; [')]
        self.assertThat(len(warnings), matchers.GreaterThan(5))
        for text in warnings:
            self.assertIn('nothing to do', text.lower())

    def test_a_directory_that_cannot_be_made_is_to_be_made(self):
        self.useFixture(fixtures.MonkeyPatch(
            'os.access', lambda path, mode: False))
        _code, found = self.checked(
            f'[ext_san]\nexport_dir = {self.folder}/a/b\n')
        self.assertIn(f'{self.folder}/a/b is not there yet: make it',
                      found['Stores'][1])
        self.assertIn(f'may not write to {self.folder}', found['Stores'][1])

    def test_interfaces_that_nodes_get_unless_told_are_a_note(self):
        both = ('[DEFAULT]\nenabled_management_interfaces = '
                'redfish,redfish-ext\n'
                'enabled_vendor_interfaces = no-vendor,redfish-ext\n')
        result, details = self.checked(both)[1]['Configuration']
        self.assertEqual(0, result)
        for kind in ('management', 'vendor'):
            self.assertIn(f'--{kind}-interface redfish-ext', details)
            self.assertIn(f'[DEFAULT]default_{kind}_interface', details)
        # Of Ironic's own types that default would make nodes impossible.
        details = self.checked(
            both + 'enabled_hardware_types = redfish,redfish-ext\n')[1][
                'Configuration'][1]
        self.assertNotIn('default_', details)
        self.assertEqual((0, None), self.checked(
            both + 'default_management_interface = redfish-ext\n'
            'default_vendor_interface = redfish-ext\n')[1]['Configuration'])

    def test_notifications_that_nobody_sends_are_named(self):
        wanted = '[ext_server]\nnotification_topics = boot1\n'
        result, details = self.checked(wanted)[1]['Notifications']
        self.assertEqual(1, result)
        for words in ('notification_level is not set', 'driver is not set',
                      'versioned_notifications_topics of Ironic has not '
                      'boot1'):
            self.assertIn(words, details)
        self.assertEqual((0, None), self.checked(
            wanted + '[DEFAULT]\nnotification_level = info\n'
            'versioned_notifications_topics = boot1,others\n'
            '[oslo_messaging_notifications]\ndriver = messagingv2\n')[1][
                'Notifications'])
        with fixtures.MonkeyPatch('importlib.util.find_spec',
                                  lambda name: None):
            result, details = self.checked(wanted)[1]['Notifications']
        self.assertEqual(2, result)
        self.assertIn('the extra "notifications"', details)

    def test_directories_that_cannot_be_used_are_named(self):
        (self.state / 'exports').rmdir()
        (self.state / 'overlays').rmdir()
        (self.state / 'overlays').write_text('')
        self.state.chmod(0o755)
        result, details = self.checked()[1]['Stores']
        self.assertEqual(2, result)
        for words in ('exports is not there yet', 'overlays is no directory',
                      'state is open to other users'):
            self.assertIn(words, details)

    def test_state_where_others_read_is_a_failure(self):
        for setting in (f'[deploy]\nhttp_root = {self.folder}\n',
                        f'[ext_images]\nowner_file_paths = {self.state}\n',
                        '[conductor]\nfile_url_allowed_paths = '
                        f'{self.folder}\n[ext_images]\ncache_dir = '
                        f'{self.folder}/images\n'):
            result, details = self.checked(setting)[1]['Unsafe directories']
            self.assertEqual(2, result)
            self.assertIn('move it elsewhere', details)
        # Ironic's own default is above the state.
        self.assertEqual(0, self.checked(
            '[conductor]\nfile_url_allowed_paths = '
            f'{self.folder}\n')[1]['Unsafe directories'][0])

    def test_a_name_in_two_distributions_is_a_failure(self):
        ours = ('ironic.hardware.types', 'redfish-ext', 'ironic-ext')
        others = ('ironic.hardware.types', 'redfish', 'ironic')
        self.assertEqual([], status.clashes([ours, others, ours]))
        (found,) = status.clashes([ours, others, (*ours[:2], 'their-ext')])
        self.assertIn('redfish-ext', found)
        self.assertIn('their-ext', found)

    def test_a_file_that_is_not_there_is_one_line(self):
        errors = io.StringIO()
        with contextlib.redirect_stderr(errors):
            self.assertEqual(255, status.main([
                '--config-file', str(self.folder / 'none'), 'upgrade',
                'check']))
        self.assertEqual(1, errors.getvalue().count('\n'))
