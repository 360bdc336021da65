# SPDX-License-Identifier: Apache-2.0

"""The `ironic-iso` command line; what it writes is a functional test's."""

import contextlib
import io
import pathlib
from unittest import mock

import fixtures
import testtools

from ironic_ext.cli.iso import command
from ironic_ext.cli.iso import sources
from ironic_ext import iso
from tests import isos


class _Output(io.StringIO):

    def __init__(self):
        super().__init__()
        self.buffer = io.BytesIO()


class CommandTestCase(testtools.TestCase):

    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        self.base = self.folder / 'base.iso'
        self.base.write_bytes(b'no image')
        self.output, self.errors = _Output(), io.StringIO()

    def run_command(self, *words):
        with contextlib.redirect_stdout(self.output):
            with contextlib.redirect_stderr(self.errors):
                return command.main([str(word) for word in words])

    def injected(self, *words):
        """The Injection that a command line asks for."""
        with mock.patch.object(iso.IsoImage, 'open') as opened:
            opened.side_effect = iso.IsoError('stop here')
            with mock.patch.object(iso, 'Injection') as made:
                self.assertEqual(1, self.run_command(
                    'inject', self.base, '--dry-run', *words))
        return made.call_args.kwargs

    def test_arguments_of_several_options_are_one_line(self):
        found = self.injected('--append', 'a=1', '--append', 'b c',
                              '--delete', 'quiet', '--delete', 'x=1')
        self.assertEqual('a=1 b c', found['append_args'])
        self.assertEqual(('quiet', 'x=1'), found['delete_args'])
        self.assertEqual('drop', found['media_check'])

    def test_a_source_may_contain_equals_signs(self):
        source = self.folder / 'a=b'
        source.write_bytes(b'content')
        found = self.injected('--file', f'/x={source}',
                              '--initrd-file', f'/y={source}')
        self.assertEqual({'/x': b'content'}, found['files'])
        self.assertEqual({'/y': b'content'}, found['initrd_files'])

    def test_standard_input_is_one_source_only(self):
        self.assertEqual(2, self.run_command(
            'inject', self.base, '--dry-run', '--file', '/a=-',
            '--initrd-file', '/b=-'))
        self.assertIn('only one SRC', self.errors.getvalue())

    def test_what_no_image_could_do_is_wrong_usage(self):
        for words, said in (
                (('--for', 'ufi'), 'unknown firmware: use bios, uefi, uefi-'),
                (('--for', 'uefi from usb'), 'unknown firmware'),
                (('--timeout', '0'), '1 to 3600 seconds')):
            self.assertEqual(2, self.run_command(
                'inject', self.base, '--dry-run', '--append', 'a', *words))
            self.assertIn(said, self.errors.getvalue())
        self.assertEqual(2, self.run_command(
            'pxe', self.base, '-d', self.folder / 'new', '--for', 'ufi'))
        self.injected('--append', 'a', '--for', 'uefi-x64 from cd',
                      '--timeout', '3600')

    def test_a_base_of_another_image_is_warned_of(self):
        for other, warns in (('ubuntu_like', True), ('hybrid', False)):
            self.assertEqual(0, self.run_command(
                'show', isos.shared('hybrid'), '--base', isos.shared(other)))
            self.assertEqual(
                warns, 'seems not to be the base' in self.errors.getvalue())
            self.errors.truncate(0)

    def test_a_source_beyond_the_limit_is_refused_without_reading_it(self):
        with mock.patch.object(sources, '_MAX_BYTES', 3):
            self.assertEqual(1, self.run_command(
                'inject', self.base, '--dry-run', '--file',
                f'/x={self.base}'))
        self.assertIn('too many to inject', self.errors.getvalue())

    def test_an_error_with_line_breaks_stays_one_line(self):
        with mock.patch.object(iso.IsoImage, 'open') as opened:
            opened.side_effect = iso.IsoError('bad\nname \x1b[2J')
            self.assertEqual(1, self.run_command('ls', self.base))
        self.assertEqual('ironic-iso: error: bad\\nname \\x1b[2J\n',
                         self.errors.getvalue())

    def test_an_interrupt_is_no_traceback(self):
        with mock.patch.object(iso.IsoImage, 'open') as opened:
            opened.side_effect = KeyboardInterrupt
            self.assertEqual(130, self.run_command('ls', self.base))
        self.assertEqual('', self.errors.getvalue())

    def test_an_image_does_not_go_to_a_terminal(self):
        self.output.isatty = lambda: True
        self.assertEqual(1, self.run_command(
            'inject', self.base, '--append', 'a', '-o', '-'))
        self.assertIn('terminal', self.errors.getvalue())

    def test_warnings_of_a_plan_are_shown(self):
        smap = mock.MagicMock(size=1, literal_bytes=1, digest='sha256:0',
                              warnings=('beware',))
        smap.__enter__.return_value = smap
        with mock.patch.object(iso.IsoImage, 'open'):
            with mock.patch.object(iso, 'inject', return_value=smap):
                with mock.patch.object(command.report.Written, 'text',
                                       return_value='done'):
                    self.assertEqual(0, self.run_command(
                        'inject', self.base, '--append', 'a', '--dry-run'))
        self.assertEqual('ironic-iso: warning: beware\n',
                         self.errors.getvalue())
        self.assertEqual('done\n', self.output.getvalue())
