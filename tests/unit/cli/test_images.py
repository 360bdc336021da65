# SPDX-License-Identifier: Apache-2.0

"""The `ironic-ext-images` command line, on a store in a directory."""

import contextlib
import hashlib
import io
import json
import os
import pathlib
import subprocess
from unittest import mock

import fixtures
import testtools

from ironic_ext.cli import images as command
from ironic_ext.cli import images_access
from ironic_ext.cli import images_progress
from ironic_ext.cli import images_report
from ironic_ext import images

CONTENT = b'content of an image' * 1000
SHA256 = hashlib.sha256(CONTENT).hexdigest()


class _Terminal(io.StringIO):

    def isatty(self):
        return True


class CommandTestCase(testtools.TestCase):

    def setUp(self):
        super().setUp()
        self.useFixture(fixtures.FakeLogger('ironic_ext'))
        self.folder = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        self.image = self.folder / 'images' / 'a.iso'
        self.image.parent.mkdir()
        self.image.write_bytes(CONTENT)
        self.href = f'file://{self.image}'
        self.config = self.folder / 'ironic.conf'
        self.config.write_text(
            '[conductor]\n'
            f'file_url_allowed_paths = {self.image.parent}\n'
            '[ext_images]\n'
            f'cache_dir = {self.folder}/store\n')
        self.output = self.errors = ''

    def run_command(self, *words):
        output, errors = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(output):
            with contextlib.redirect_stderr(errors):
                try:
                    return command.main(['--config-file', str(self.config),
                                         *map(str, words)])
                except SystemExit as exc:
                    return exc.code
                finally:
                    self.output = output.getvalue()
                    self.errors = errors.getvalue()

    def succeed(self, *words):
        self.assertEqual(0, self.run_command(*words), self.errors)
        return self.output

    def test_a_cloud_that_nobody_has_is_said_to_be_none(self):
        self.useFixture(fixtures.EnvironmentVariable(
            'OS_CLIENT_CONFIG_FILE', str(self.folder / 'clouds.yaml')))
        self.assertEqual(2, self.run_command(
            'fetch', 'glance://11111111-1111-4111-8111-111111111111',
            '--os-cloud', 'nobodys'))
        self.assertIn('--os-cloud: Cloud nobodys was not found',
                      self.errors)
        self.assertNotIn('ironic.conf', self.errors)

    def test_who_cannot_find_a_file_is_this_command(self):
        href = f'file://{self.image.parent}/gone.iso'
        self.assertEqual(1, self.run_command('fetch', href))
        self.assertIn(f'{href} does not exist where this command runs',
                      self.errors)

    def json(self, *words):
        return json.loads(self.succeed(*words, '--json'))

    def test_a_fetched_image_is_listed_and_described(self):
        self.assertEqual(f'sha256:{SHA256}\n',
                         self.succeed('fetch', self.href))
        table = self.succeed('list')
        self.assertIn(SHA256[:12], table)
        self.assertIn('18.6 KiB', table)
        self.assertIn(self.href, table)
        for name in (SHA256, SHA256[:5].upper(), f'sha256:{SHA256}',
                     self.href):
            self.assertIn(f'digest    sha256:{SHA256}',
                          self.succeed('show', name))

    def test_an_empty_store_is_no_error(self):
        self.assertEqual([], self.json('list'))
        self.assertIn('SHA256', self.succeed('list'))
        self.assertEqual({}, self.json('verify'))
        self.assertEqual([], self.json('prune', '--all'))
        self.succeed('rebuild')

    def test_json_has_everything(self):
        self.succeed('fetch', self.href)
        (image,) = self.json('list')
        self.assertEqual(image, self.json('show', SHA256))
        self.assertEqual(len(CONTENT), image['size'])
        self.assertEqual([self.href], image['sources'])
        self.assertEqual([], image['owners'])

    def test_the_directory_of_the_command_line_wins(self):
        self.succeed('--cache-dir', self.folder / 'other', 'fetch',
                     self.href)
        self.assertEqual([], self.json('list'))
        self.assertTrue((self.folder / 'other' / 'objects' / SHA256)
                        .exists())

    def test_an_image_is_put_elsewhere(self):
        target = self.folder / 'out.iso'
        found = self.json('fetch', self.href, '-o', target)
        self.assertEqual(CONTENT, target.read_bytes())
        self.assertIn(found['placed'], ('reflink', 'link', 'copy'))
        self.assertEqual(str(target), found['output'])

    def test_a_wrong_checksum_is_one_line_and_code_1(self):
        self.assertEqual(1, self.run_command('fetch', self.href,
                                             '--checksum', '0' * 64))
        self.assertEqual(1, len(self.errors.splitlines()))
        self.assertIn(SHA256, self.errors)
        self.assertEqual([], self.json('list'))

    def test_an_unknown_reference_is_told_with_the_known_ones(self):
        self.assertEqual(1, self.run_command('fetch', 'nonsense'))
        self.assertIn('file://', self.errors)

    def test_what_is_not_in_the_store_is_told(self):
        for name in ('0000', 'http://me:secret@x/y?sig=z', ''):
            self.assertEqual(1, self.run_command('show', name))
            self.assertNotIn('secret', self.errors)
            self.assertNotIn('sig', self.errors)

    def test_digits_that_fit_several_images_are_refused(self):
        for number in range(17):  # more than there are digits
            self.image.write_bytes(b'%d' % number)
            self.succeed('fetch', self.href)
        firsts = [image['digest'][7] for image in self.json('list')]
        twice = next(d for d in firsts if firsts.count(d) > 1)
        self.assertEqual(1, self.run_command('show', twice))
        self.assertIn('give more digits', self.errors)

    def test_damage_is_found_and_is_code_1(self):
        self.succeed('fetch', self.href)
        self.assertEqual({f'sha256:{SHA256}': True}, self.json('verify'))
        self.assertIn('is sound', self.succeed('verify', SHA256[:8]))
        stored = self.folder / 'store' / 'objects' / SHA256
        stored.unlink()
        stored.write_bytes(CONTENT[:-1] + b'?')
        self.assertEqual(1, self.run_command('verify'))
        self.assertIn('DAMAGED', self.output)
        self.assertIn('1 of 1', self.errors)
        self.assertEqual([], self.json('list'))

    def test_prune_removes_by_age_and_size_and_says_what(self):
        self.succeed('fetch', self.href)
        self.assertEqual([], self.json('prune', '--older-than', '1d'))
        self.assertEqual([], self.json('prune', '--max-size', '1G'))
        (found,) = self.json('prune', '--all', '--dry-run')
        self.assertEqual(f'sha256:{SHA256}', found['digest'])
        self.assertIn('would be freed',
                      self.succeed('prune', '--all', '--dry-run'))
        self.assertEqual(1, len(self.json('list')))
        self.assertIn('1 images', self.succeed('prune', '--all'))
        self.assertEqual([], self.json('list'))

    def test_wrong_usage_is_code_2(self):
        for words in (('prune', '--all', '--max-size', '1G'),
                      ('prune', '--max-size', 'x'),
                      ('prune', '--older-than', '-1'),
                      ('fetch',), ('nonsense',),
                      ('fetch', self.href, '--insecure', '--ca-file', 'x'),
                      ('fetch', self.href, '--key', 'x')):
            self.assertEqual(2, self.run_command(*words), words)

    def test_a_missing_configuration_file_is_told(self):
        self.config.unlink()
        self.assertEqual(1, self.run_command('list'))
        self.assertIn(str(self.config), self.errors)

    def test_the_completion_script_is_one_that_bash_takes(self):
        script = self.succeed('completion', 'bash')
        self.assertIn('--older-than', script)
        subprocess.run(['bash', '-n'], input=script.encode(), check=True)


class AccessTestCase(testtools.TestCase):

    def setUp(self):
        super().setUp()
        folder = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        self.secret = folder / 'secret'
        self.secret.write_text('pa55 word\r\nsecond line\n')
        for name in (images_access.PASSWORD_VARIABLE,
                     images_access.TOKEN_VARIABLE):
            self.useFixture(fixtures.EnvironmentVariable(name))

    def access(self, *words):
        args = command.build_parser().parse_args(
            ['fetch', 'http://x', *map(str, words)])
        return images_access.access(args, True)

    def test_a_secret_is_the_first_line_of_its_file(self):
        found = self.access('--user', 'me', '--password-file', self.secret)
        self.assertEqual(('me', 'pa55 word'),
                         (found.username, found.password))
        self.assertEqual('pa55 word',
                         self.access('--token-file', self.secret).token)

    def test_a_password_comes_from_the_environment_or_a_prompt(self):
        with mock.patch.object(images_access.getpass, 'getpass',
                               return_value='typed'):
            self.assertEqual('typed', self.access('--user', 'me').password)
        os.environ[images_access.PASSWORD_VARIABLE] = 'of the environment'
        self.assertEqual('of the environment',
                         self.access('--user', 'me').password)

    def test_without_a_terminal_a_prompt_is_an_error_not_a_hang(self):
        with mock.patch.object(images_access.getpass, 'getpass',
                               side_effect=EOFError):
            self.assertRaises(images_access.UsageError, self.access,
                              '--user', 'me')

    def test_no_option_takes_a_secret_itself(self):
        with contextlib.redirect_stderr(io.StringIO()):
            self.assertRaises(SystemExit, self.access, '--password', 'x')

    def test_tls_options_reach_the_service(self):
        self.assertIs(True, self.access().verify)
        self.assertIs(False, self.access('--insecure').verify)
        self.assertEqual('ca.pem', self.access('--ca-file', 'ca.pem').verify)
        found = self.access('--cert', 'c.pem', '--key', 'k.pem')
        self.assertEqual(('c.pem', 'k.pem'),
                         (found.client_cert, found.client_key))


class ReportTestCase(testtools.TestCase):

    def test_sizes_are_read_as_people_write_them(self):
        for text, size in (('0', 0), ('10', 10), ('5k', 5120),
                           ('20G', 20 << 30), ('20 GiB', 20 << 30),
                           ('1tb', 1 << 40)):
            self.assertEqual(size, images_report.parsed_size(text))
        for text in ('', 'G', '-1', '1.5G', '1x'):
            self.assertRaises(command.argparse.ArgumentTypeError,
                              images_report.parsed_size, text)

    def test_ages_are_read_as_people_write_them(self):
        for text, age in (('0', 0), ('90', 90), ('90m', 5400),
                          ('12h', 43200), ('30d', 2592000), ('2W', 1209600)):
            self.assertEqual(age, images_report.parsed_age(text))
        for text in ('', 'd', '-1d', '1y'):
            self.assertRaises(command.argparse.ArgumentTypeError,
                              images_report.parsed_age, text)

    def test_what_a_server_named_cannot_move_the_cursor(self):
        image = images.StoredImage('sha256:' + 'a' * 64, 5, {},
                                   ('http://x/\x1b[2J',), None, 0.0,
                                   ('node:\x1b[2J',), False, False)
        self.assertNotIn('\x1b', images_report.table([image]))
        self.assertNotIn('\x1b', images_report.text(image))

    def test_a_bar_is_drawn_on_a_terminal_and_wiped_away(self):
        stream = _Terminal()
        with images_progress.DownloadBar(stream) as bar:
            bar(images.Progress('x', 500, 1000, 250.0, 'downloading'))
            self.assertIn('downloading [###############...', stream.getvalue())
            self.assertIn(' 50 %', stream.getvalue())
            self.assertIn('2 s left', stream.getvalue())
            bar(images.Progress('x', 500, None, 0.0, 'waiting'))
        self.assertTrue(stream.getvalue().endswith('\r\x1b[K'))
        for stream, quiet in ((_Terminal(), True), (io.StringIO(), False)):
            with images_progress.DownloadBar(stream, quiet=quiet) as bar:
                bar(images.Progress('x', 500, 1000, 250.0, 'downloading'))
            self.assertEqual('', stream.getvalue())
