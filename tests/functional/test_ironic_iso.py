# SPDX-License-Identifier: Apache-2.0

"""The `ironic-iso` command, run as people run it."""

import json
import os
import pathlib
import signal
import stat
import subprocess
import sys

import fixtures
import testtools

from tests.functional import judges
from tests import iso_cases
from tests import iso_parts
from tests import isos

_ROOT = pathlib.Path(__file__).resolve().parents[2]


class IronicIsoTestCase(testtools.TestCase):

    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        self.base = isos.shared('lorax_like')

    def run_command(self, *words, stdin=b'', status=0):
        done = subprocess.run(
            [sys.executable, '-m', 'ironic_ext.cli.iso', *map(str, words)],
            cwd=_ROOT, input=stdin, capture_output=True)
        self.assertEqual(status, done.returncode, done.stderr.decode())
        self.assertNotIn(b'Traceback', done.stderr)
        return done

    def assert_error(self, done, *parts):
        """One line on standard error, in the usual form."""
        text = done.stderr.decode()
        self.assertTrue(text.startswith('ironic-iso: error: '), text)
        self.assertEqual(1, text.count('\n'), text)
        for part in parts:
            self.assertIn(part, text)
        self.assertEqual(b'', done.stdout)


class ReadingTestCase(IronicIsoTestCase):

    def test_inspect_says_what_boots_and_what_can_be_injected(self):
        text = self.run_command('inspect', self.base).stdout.decode()
        for part in ('LORAX LIKE', 'El Torito, sector', 'UEFI  GRUB',
                     '/EFI/BOOT/grub.cfg in the ESP (grub)', 'Rescue',
                     '/images/pxeboot/vmlinuz', 'kernel arguments  yes',
                     'initrd files      yes', 'FAT12'):
            self.assertIn(part, text)

    def test_inspect_gives_the_reason_for_what_cannot_be_injected(self):
        text = self.run_command(
            'inspect', isos.shared('udf_bridge')).stdout.decode()
        self.assertRegex(text, 'files +no: a UDF file system')

    def test_inspect_as_json_is_json(self):
        facts = json.loads(self.run_command(
            'inspect', '--json', self.base).stdout)
        self.assertEqual('LORAX LIKE', facts['volume_id'])
        self.assertEqual(self.base.stat().st_size, facts['size'])
        self.assertIn('files', facts['can'])

    def test_every_kind_of_image_can_be_inspected(self):
        for kind in isos.BUILDERS:
            done = self.run_command('inspect', isos.shared(kind.name))
            self.assertIn(b'Injection', done.stdout, kind.name)

    def test_ls_lists_names_and_long_shows_sizes_and_links(self):
        image = isos.shared('hard_links')
        names = self.run_command('ls', image).stdout.decode().split()
        self.assertIn('first.txt', names)
        rows = self.run_command('ls', '-l', image).stdout.decode()
        self.assertRegex(rows, r'(?m)^- +150 first\.txt$')
        self.assertRegex(rows, r'(?m)^l .* link -> docs/before\.txt$')
        self.assertRegex(rows, r'(?m)^d +- docs$')

    def test_ls_of_a_file_names_the_file(self):
        done = self.run_command('ls', self.base, '/docs/guide.txt')
        self.assertEqual(b'guide.txt\n', done.stdout)

    def test_options_may_stand_between_the_image_and_the_path(self):
        done = self.run_command('ls', self.base, '-l', '/docs/guide.txt')
        self.assertRegex(done.stdout.decode(), r'^- +\d+ guide\.txt\n$')

    def test_cat_prints_the_exact_bytes_of_a_file(self):
        path = '/images/pxeboot/vmlinuz'
        done = self.run_command('cat', self.base, path)
        self.assertEqual(iso_parts.FAKE_KERNEL, done.stdout)

    def test_a_reader_that_leaves_early_is_no_error_message(self):
        child = subprocess.Popen(
            [sys.executable, '-m', 'ironic_ext.cli.iso', 'cat',
             isos.shared('esp_fat32'), '/images/efiboot.img'],
            cwd=_ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        child.stdout.read(10)
        child.stdout.close()
        with child.stderr:
            self.assertEqual(b'', child.stderr.read())
        self.assertEqual(128 + signal.SIGPIPE, child.wait(30))

    def test_errors_are_one_line(self):
        missing = self.folder / 'missing.iso'
        self.assert_error(self.run_command('inspect', missing, status=1),
                          str(missing))
        text = self.folder / 'text.iso'
        text.write_text('no image\n')
        self.assert_error(self.run_command('inspect', text, status=1),
                          str(text))
        self.assert_error(self.run_command('ls', self.base, '/no',
                                           status=1), '/no')
        self.assert_error(self.run_command('cat', self.base, '/docs',
                                           status=1), '/docs')
        self.assert_error(self.run_command('ls', self.folder, status=1),
                          str(self.folder))

    def test_every_truncation_of_an_image_ends_in_a_sentence(self):
        whole = self.base.read_bytes()
        cut = self.folder / 'cut.iso'
        for size in (0, 100, 32768, 34816, 36000, 60000, 200000):
            cut.write_bytes(whole[:size])
            for command in ('inspect', 'ls'):
                done = subprocess.run(
                    [sys.executable, '-m', 'ironic_ext.cli.iso', command,
                     cut], cwd=_ROOT, capture_output=True)
                self.assertNotIn(b'Traceback', done.stderr, size)
                if done.returncode:
                    self.assert_error(done)


class InjectTestCase(IronicIsoTestCase):

    def inject(self, *words, **options):
        return self.run_command('inject', self.base, '--append',
                                'ironic.test=1', *words, **options)

    def test_an_overlay_written_out_is_the_image_written_at_once(self):
        direct, overlay, late = (self.folder / name for name in (
            'direct.iso', 'node.overlay', 'late.iso'))
        self.inject('-o', direct)
        self.inject('--overlay', overlay)
        self.run_command('write', overlay, '--base', self.base, '-o', late)
        self.assertEqual(direct.read_bytes(), late.read_bytes())
        self.assertIn(b'ironic.test=1', judges.isoinfo_file(
            direct, '/EFI/BOOT/grub.cfg', '-R'))

    def test_standard_output_and_input_carry_images_and_overlays(self):
        direct = self.folder / 'direct.iso'
        self.inject('-o', direct)
        streamed = self.inject('-o', '-')
        self.assertEqual(direct.read_bytes(), streamed.stdout)
        self.assertIn(b'differ from the ISO', streamed.stderr)
        overlay = self.inject('--overlay', '-').stdout
        again = self.run_command('write', '-', '--base', self.base, '-o',
                                 '-', stdin=overlay)
        self.assertEqual(direct.read_bytes(), again.stdout)

    def test_files_come_from_files_and_from_standard_input(self):
        source = self.folder / 'a=b.cfg'
        source.write_bytes(b'text\n')
        out = self.folder / 'out.iso'
        self.inject('--file', f'/ks.cfg={source}', '--file',
                    '/openstack/latest/user_data=-', '-o', out,
                    stdin=b'\x00binary')
        self.assertEqual(b'text\n',
                         judges.isoinfo_file(out, '/ks.cfg', '-R'))
        self.assertEqual(b'\x00binary', judges.isoinfo_file(
            out, '/openstack/latest/user_data', '-R'))

    def test_arguments_are_appended_and_deleted_as_often_as_asked(self):
        out = self.folder / 'out.iso'
        self.inject('--append', 'b=2 c', '--delete', 'quiet', '--delete',
                    'inst.rescue', '-o', out)
        config = judges.isoinfo_file(out, '/EFI/BOOT/grub.cfg', '-R')
        self.assertNotIn(b'quiet', config)
        self.assertNotIn(b'inst.rescue', config)
        self.assertEqual(3, config.count(b'ironic.test=1 b=2 c'))

    def test_a_dry_run_reports_and_writes_nothing(self):
        out = self.folder / 'out.iso'
        done = self.inject('--dry-run', '--json', '-o', out)
        self.assertFalse(out.exists())
        report = json.loads(done.stdout)
        self.assertIsNone(report['target'])
        self.assertGreater(report['size'], 0)
        self.assertRegex(report['content_id'], '^[0-9a-f]{64}$')
        self.assertIsNone(report['sha256'])

    def test_the_base_is_never_the_output(self):
        base = self.folder / 'base.iso'
        base.write_bytes(self.base.read_bytes())
        link, hard = self.folder / 'link.iso', self.folder / 'hard.iso'
        link.symlink_to(base)
        os.link(base, hard)
        for target in (base, link, hard):
            done = self.run_command('inject', base, '--append', 'a',
                                    '--force', '-o', target, status=1)
            self.assert_error(done, 'is the ISO itself')
        with base.open('r+b') as stream:
            done = subprocess.run(
                [sys.executable, '-m', 'ironic_ext.cli.iso', 'inject', base,
                 '--append', 'a', '-o', '-'], cwd=_ROOT, stdout=stream,
                stderr=subprocess.PIPE)
        self.assertEqual(1, done.returncode)
        self.assertEqual(self.base.read_bytes(), base.read_bytes())

    def test_an_existing_output_is_replaced_only_by_force(self):
        out = self.folder / 'out.iso'
        out.write_text('precious')
        self.assert_error(self.inject('-o', out, status=1), '--force')
        self.assertEqual('precious', out.read_text())
        self.inject('-o', out, '--force')
        self.assertGreater(out.stat().st_size, 100000)

    def test_a_device_or_pipe_is_not_replaced_by_a_file(self):
        pipe = self.folder / 'pipe'
        os.mkfifo(pipe)
        self.assert_error(self.inject('-o', pipe, '--force', status=1),
                          'not a regular file')
        self.assertTrue(stat.S_ISFIFO(pipe.stat().st_mode))

    def test_an_overlay_of_another_base_is_refused(self):
        overlay = self.folder / 'node.overlay'
        self.inject('--overlay', overlay)
        done = self.run_command(
            'write', overlay, '--base', isos.shared('hybrid'), '-o',
            self.folder / 'out.iso', status=1)
        self.assert_error(done, 'base')
        self.assertFalse((self.folder / 'out.iso').exists())

    def test_only_the_owner_reads_an_overlay(self):
        overlay = self.folder / 'node.overlay'
        self.inject('--overlay', overlay)
        self.assertEqual(0o600, stat.S_IMODE(overlay.stat().st_mode))

    def test_what_cannot_be_injected_is_an_error_with_the_reason(self):
        plain = isos.shared('rr_only')
        out = self.folder / 'out.iso'
        for words, reason in (
                (['--append', 'a=1'], 'boot configuration'),
                (['--initrd-file', f'/x={__file__}'], 'initrd'),
                (['--append', 'a\nb'], 'ewline'),
                (['--append', 'a="b'], 'quot'),
                (['--file', f'/../x={__file__}'], '..'),
                (['--file', f'/x={self.folder}/none'], 'none'),
                (['--file', f'/x={self.folder}'], 'no file'),
                (['--file', f'/x={__file__}', '--file', f'/x={__file__}'],
                 'twice')):
            done = self.run_command('inject', plain, *words, '-o', out,
                                    status=1)
            self.assert_error(done, reason)
        self.assertFalse(out.exists())
        self.assertEqual([], list(self.folder.iterdir()))

    def test_usage_errors_have_exit_code_2(self):
        for words in ([], ['inject'], ['inject', self.base],
                      ['inject', self.base, '-o', 'x.iso'],
                      ['inject', self.base, '--file', 'x', '-o', 'x.iso'],
                      ['inject', self.base, '--file', '/a=-', '--file',
                       '/b=-', '-o', 'x.iso'],
                      ['inject', self.base, '-o', 'a', '--overlay', 'b'],
                      ['write', 'x'], ['completion', 'fish']):
            done = self.run_command(*words, status=2)
            self.assertIn(b'error: ', done.stderr)

    def test_a_menu_that_waits_is_told_with_what_arrives(self):
        said = self.run_command('inject', iso_cases.shared('waiting_menu'),
                                '--append', 'a=1', '--dry-run').stdout
        self.assertIn(b': everything arrives; unattended: waits for a key',
                      said)

    def test_a_slip_in_an_option_is_told_by_the_command_itself(self):
        said = self.run_command('inject', 'x', '--apend', 'a=1',
                                status=2).stderr
        self.assertIn(b'usage: ironic-iso inject', said)
        self.assertIn(b'--apend a=1 (did you mean --append?)', said)

    def test_version_and_completion_are_printed(self):
        self.assertTrue(self.run_command('--version').stdout.startswith(
            b'ironic-iso '))
        self.assertIn(b'complete -o', self.run_command(
            'completion', 'bash').stdout)
