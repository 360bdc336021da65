# SPDX-License-Identifier: Apache-2.0

"""Boot configs that `ironic-iso inject` puts into an image."""

import contextlib
import importlib.metadata
import importlib.util
import io
import pathlib
import sys
from unittest import mock

import fixtures
import testtools

from ironic_ext.cli import iso as command
from ironic_ext.cli.iso import config as config_option
from ironic_ext.config_formats import registry
from ironic_ext import iso
from tests import isos

IGNITION = '{"ignition": {"version": "3.4.0"}}'


class ConfigOptionTestCase(testtools.TestCase):

    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        self.made = self.folder / 'made.iso'

    def inject(self, *configs, kind='lorax_like', url=None):
        words = [word for config in configs for word in ('--config', config)]
        words += ['--config-url', url] if url else []
        errors = io.StringIO()
        with (contextlib.redirect_stderr(errors),
              contextlib.redirect_stdout(io.StringIO())):
            code = command.main(['inject', str(isos.shared(kind)), *words,
                                 '-o', str(self.made)])
        return code, errors.getvalue()

    def file(self, name, content):
        path = self.folder / name
        path.write_text(content)
        return path

    def test_a_kickstart_is_where_its_argument_says(self):
        source = self.file('ks.cfg', 'text\n')
        code, errors = self.inject(f'kickstart={source}')
        self.assertEqual(0, code)
        # The label has a blank.
        self.assertIn('warning: the label of this ISO', errors)
        with iso.IsoImage.open(self.made) as image:
            self.assertEqual(b'text\n', image.read_file('/ks.cfg'))
            for config in iso.inspect(image).configs:
                for entry in config.entries:
                    self.assertIn('/ks.cfg', ' '.join(entry.arguments))

    def test_a_format_of_another_system_is_a_warning(self):
        kickstart = self.file('ks.cfg', 'text\n')
        ignition = self.file('config.ign', IGNITION)
        for config, kind, words in (
                (f'kickstart={kickstart}', 'ubuntu_like',
                 'an ISO of Ubuntu (/casper), which reads no kickstart '
                 'config; that is for Anaconda'),
                (f'ignition={ignition}', 'ubuntu_like', 'CoreOS and Flatcar'),
                (f'kickstart={kickstart}', 'coreos_like', 'of CoreOS')):
            code, errors = self.inject(config, kind=kind)
            self.assertEqual(0, code, errors)
            self.assertIn('warning: this looks like', errors)
            self.assertIn(words, errors)
            self.made.unlink()
        for config, kind in ((f'ignition={ignition}', 'coreos_like'),
                             (f'kickstart={kickstart}', 'isolinux_bios')):
            _, errors = self.inject(config, kind=kind)
            self.assertNotIn('looks like', errors)
            self.made.unlink()

    def test_several_files_are_one_config(self):
        options = [f'cloud-init={self.file(name, content)}'
                   for name, content in (('user-data', '#cloud-config\n{}\n'),
                                         ('meta-data', 'instance-id: a\n'))]
        code, errors = self.inject(*options, kind='ubuntu_like')
        self.assertEqual(0, code, errors)
        with iso.IsoImage.open(self.made) as image:
            self.assertEqual(b'instance-id: a\n',
                             image.read_file('/nocloud/meta-data'))

    def test_by_url_the_arguments_alone_are_injected(self):
        source = self.file('ks.cfg', 'text\n')
        code, errors = self.inject(f'kickstart={source}',
                                   url='http://192.0.2.1/configs')
        self.assertEqual((0, ''), (code, errors))
        with iso.IsoImage.open(self.made) as image:
            self.assertRaises(iso.IsoError, image.read_file, '/ks.cfg')
            for config in iso.inspect(image).configs:
                for entry in config.entries:
                    self.assertIn('inst.ks=http://192.0.2.1/configs/ks.cfg',
                                  entry.arguments)

    def test_a_url_without_a_config_or_a_way_is_refused(self):
        with contextlib.redirect_stderr(io.StringIO()) as errors:
            code = command.main([
                'inject', str(isos.shared('lorax_like')), '--append', 'a',
                '--config-url', 'http://192.0.2.1/', '--dry-run'])
        self.assertEqual(2, code)
        self.assertIn('--config', errors.getvalue())
        source = self.file('notes', 'x')
        self.assertIn('no kernel argument', self.refusal(
            f'plain={source}', url='http://192.0.2.1/'))
        self.assertIn('blanks', self.refusal(
            f'kickstart={self.file("ks.cfg", "text")}', url='http://a b/'))

    def refusal(self, *configs, url=None, code=1):
        found, errors = self.inject(*configs, url=url)
        self.assertEqual(code, found)
        self.assertFalse(self.made.exists())
        self.assertEqual(1, errors.count('\n'), errors)
        return errors

    def test_a_config_that_does_not_parse_is_refused_with_its_line(self):
        source = self.file('config.ign', '{\n oops')
        self.assertIn('line 2', self.refusal(f'ignition={source}'))

    def test_an_unknown_format_is_refused(self):
        self.assertIn('kickstart', self.refusal(
            f'kickstar={self.file("ks.cfg", "text")}'))

    def test_without_stevedore_a_slip_is_told_by_our_formats(self):
        registry._formats.cache_clear()
        self.addCleanup(registry._formats.cache_clear)
        with mock.patch.dict(sys.modules, {'stevedore': None}):
            said = self.refusal(f'kickstrat={self.file("ks.cfg", "text")}')
        self.assertIn('format "kickstrat" is unknown: use "kickstart"; '
                      'formats of other packages need the package stevedore',
                      said)

    def test_help_lists_what_is_not_refused_then(self):
        plugin = importlib.metadata.EntryPoint(
            'site-answers', 'site_answers:Format', registry.NAMESPACE)
        self.useFixture(fixtures.MonkeyPatch(
            'importlib.metadata.entry_points', lambda group: [plugin]))
        self.assertIn('site-answers', config_option.formats())
        self.useFixture(fixtures.MonkeyPatch(
            'importlib.util.find_spec', lambda name: None))
        self.assertEqual(sorted(registry.OWN), config_option.formats())

    def test_what_is_no_config_is_refused(self):
        # As of --file, the command line itself is wrong.
        self.assertIn('FORMAT=FILE', self.refusal('kickstart', code=2))
        source = self.file('a', 'b')
        self.assertIn('given twice', self.refusal(
            f'plain={source}', f'plain={source}'))
        self.assertIn('one format', self.refusal(
            f'plain={source}', f'ignition={self.file("c", IGNITION)}'))
        (self.folder / 'binary').write_bytes(b'\xff')
        self.assertIn('UTF-8', self.refusal(
            f'plain={self.folder / "binary"}'))
        self.assertIn('No such file', self.refusal('plain=/nowhere/x'))
