# SPDX-License-Identifier: Apache-2.0

"""Tests for where state is, and for moving it while nobody uses it."""

import contextlib
import dataclasses
import io
import os
import pathlib
import signal
import sqlite3
import subprocess
import sys

import fixtures
from oslo_config import cfg
import testtools

from ironic_ext.cli import state as command
from ironic_ext import conf as ext_conf
from ironic_ext.conf import state
from ironic_ext import walls


class StateTestCase(testtools.TestCase):

    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        self.log = self.useFixture(fixtures.FakeLogger())
        self.old = self.folder / 'old'
        self.old.mkdir()
        self.new = self.folder / 'new'
        self.useFixture(fixtures.MonkeyPatch(
            'ironic_ext.conf.state.PLACES', tuple(
                dataclasses.replace(place, old=str(
                    self.old / os.path.basename(place.old)))
                for place in state.PLACES)))
        # Others may run on this host meanwhile.
        self.program = f'ironic-server-{os.getpid()}'
        self.useFixture(fixtures.MonkeyPatch(
            'ironic_ext.cli.state._PROGRAMS', (self.program,)))
        self.file = self.folder / 'ironic.conf'
        self.file.write_text(f'[ext_state]\ndir = {self.new}\n')

    def conf(self):
        conf = cfg.ConfigOpts()
        ext_conf.register_opts(conf)
        conf([], default_config_files=[str(self.file)])
        for place in state.PLACES:
            # Groups share what is set, whatever conf they are part of.
            self.addCleanup(conf.clear_default, place.option, place.group)
        return conf

    def settled(self):
        conf = self.conf()
        state.settle(conf)
        return conf

    def leave(self):
        """Leave what an older release has."""
        (self.old / 'ext-images').mkdir()
        (self.old / 'ext-images' / 'x').write_text('image')
        (self.old / 'ext-boot.key').write_text('key')
        path = self.old / 'ext-media.sqlite'
        database = sqlite3.connect(path)
        self.addCleanup(database.close)
        database.execute('PRAGMA journal_mode=WAL')
        database.execute('CREATE TABLE t (x)')
        database.execute('INSERT INTO t VALUES (7)')
        database.commit()
        return database

    def run_command(self, *arguments):
        output, error = io.StringIO(), io.StringIO()
        with (contextlib.redirect_stdout(output),
              contextlib.redirect_stderr(error)):
            code = command.main(['--config-file', str(self.file),
                                 *arguments])
        return code, output.getvalue() + error.getvalue()

    def test_all_state_is_in_one_directory_that_is_closed_to_others(self):
        conf = self.settled()
        self.assertEqual(0o700, self.new.stat().st_mode & 0o777)
        for place in state.PLACES:
            self.assertEqual(str(self.new), os.path.dirname(
                place.path(conf)), place)
        self.assertEqual('', self.log.output)

    def test_the_command_and_the_options_agree_on_names(self):
        conf = self.conf()
        for place in state.PLACES:
            self.assertEqual(place.new(conf), place.path(conf))

    def test_what_an_older_release_left_is_used_where_it_is(self):
        self.leave()
        conf = self.settled()
        self.assertEqual(str(self.old / 'ext-images'),
                         conf.ext_images.cache_dir)
        self.assertEqual(f'sqlite:///{self.old}/ext-media.sqlite',
                         conf.ext_media.connection)
        self.assertEqual(str(self.new / 'isos'), conf.ext_catalog.iso_dir)
        self.assertIn('ironic-ext-state move', self.log.output)
        self.assertTrue(walls.wall_of(conf).refuses(
            os.path.realpath(self.old / 'ext-boot.key'), '/'))

    def test_a_setting_counts_for_more(self):
        self.leave()
        with self.file.open('a') as file:
            file.write('[ext_images]\ncache_dir = /elsewhere\n')
        self.assertEqual('/elsewhere', self.settled().ext_images.cache_dir)

    def test_an_open_directory_is_a_warning(self):
        self.new.mkdir(mode=0o755)
        self.settled()
        self.assertIn('has mode 0755', self.log.output)

    def test_a_directory_that_cannot_be_made_is_named_with_its_option(self):
        self.new.write_text('')
        self.settled()
        self.assertIn(f'[ext_state]dir, {self.new}, cannot be made: ',
                      self.log.output)
        self.assertIn('Make it with mode 0700', self.log.output)

    def test_state_is_moved_and_found_there(self):
        self.leave().close()
        code, said = self.run_command('show')
        self.assertIn('(to be moved)', said)
        self.assertEqual((0, 3), (*self.run_command('move')[:1], len(
            list(self.new.iterdir()))))
        self.assertEqual([], list(self.old.iterdir()))
        conf = self.settled()
        self.assertEqual('', self.log.output)
        self.assertEqual('key', pathlib.Path(
            conf.ext_server.token_key_file).read_text())
        with contextlib.closing(sqlite3.connect(
                self.new / 'media.sqlite')) as found:
            self.assertEqual([(7,)], found.execute(
                'SELECT x FROM t').fetchall())
        self.assertEqual((0, 'There is nothing to move.\n'),
                         self.run_command('move'))

    def assertNothingMoved(self, said):
        before = sorted(path.name for path in self.old.iterdir())
        code, output = self.run_command('move')
        self.assertEqual(1, code)
        self.assertIn(said, output)
        self.assertEqual(before, sorted(
            path.name for path in self.old.iterdir()))

    def test_an_open_database_is_not_moved(self):
        database = self.leave()
        self.assertNothingMoved('in use')
        database.close()
        self.assertEqual(0, self.run_command('move')[0])

    def other_process(self, *arguments):
        process = subprocess.Popen(
            arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.addCleanup(process.communicate)
        self.addCleanup(process.kill)
        return process

    def test_a_file_that_a_process_has_open_is_not_moved(self):
        self.leave().close()
        path = self.old / 'ext-images' / 'x'
        process = self.other_process(
            sys.executable, '-c', 'import sys; f = open(sys.argv[1]); '
            'print(1, flush=True); sys.stdin.read()', str(path))
        process.stdout.readline()
        self.assertNothingMoved(f'process {process.pid}')
        process.send_signal(signal.SIGKILL)
        process.wait()
        self.assertEqual(0, self.run_command('move')[0])

    def test_a_server_that_runs_is_told_from_one_that_does_not(self):
        self.leave().close()
        program = self.folder / self.program
        program.write_text('import sys; print(1, flush=True); '
                           'sys.stdin.read()')
        process = self.other_process(sys.executable, str(program))
        process.stdout.readline()
        self.assertNothingMoved(f'{self.program} is running')
