# SPDX-License-Identifier: Apache-2.0

"""A site's own URL scheme and format, from a distribution of its own."""

import os
import pathlib
import subprocess
import sys
import tempfile

import testtools

from ironic_ext.config_formats import registry as formats
from ironic_ext.images import registry
from tests import fault_server

_ROOT = pathlib.Path(__file__).parents[2]
_EXAMPLES = _ROOT / 'doc/source/contributor/examples'
_USE = '''
import io
from ironic_ext.images import registry
from ironic_ext.images import settings
service = registry.service_for('mirror://live.iso', settings.Settings())
found = io.BytesIO()
service.download('mirror://live.iso', found)
print(found.getvalue().decode(), service.read_range('mirror://live.iso', 1, 3),
      *registry.schemes())
'''


_USE_FORMATS = '''
import logging, sys
logging.basicConfig(stream=sys.stdout)
from ironic_ext import config_formats
from ironic_ext.config_formats import registry
print(*config_formats.names())
kind = registry.format_for('site-answers')
print(kind.validate({'answers.toml': 'disk = '}, 'answers.toml')[0])
files = {'answers.toml': 'disk = "sda"'}
found = kind.place(files, 'answers.toml', config_formats.ImageFacts())
print(found.arguments, *found.files.items())
print(kind.arguments_by_url('answers.toml', 'http://host/t/x/'))
'''


class ExamplesTestCase(testtools.TestCase):
    """The examples of the documentation, each as a distribution."""

    def use(self, program, namespace, points, files, **environment):
        """Run a program where files are installed; return what it says."""
        with tempfile.TemporaryDirectory() as name:
            folder = pathlib.Path(name)
            for file, text in files.items():
                (folder / file).write_text(text)
            info = folder / 'site-1.0.dist-info'
            info.mkdir()
            (info / 'METADATA').write_text(
                'Metadata-Version: 2.1\nName: site\nVersion: 1.0\n')
            (info / 'entry_points.txt').write_text(
                f'[{namespace}]\n' + '\n'.join(points) + '\n')
            result = subprocess.run(
                [sys.executable, '-c', f'import sys\nsys.path.append({name!r}'
                 f')\n{program}'], stdin=subprocess.DEVNULL,
                capture_output=True, text=True, cwd=_ROOT,
                # Entry points of this path are not to be kept for others.
                env={**os.environ, 'XDG_CACHE_HOME': name, **environment})
        self.assertEqual('', result.stderr)
        return result.stdout

    def test_a_site_adds_a_scheme_by_an_entry_point(self):
        with fault_server.serving() as mirror:
            mirror.add('/pub/live.iso', b'Hello.')
            said = self.use(
                _USE, registry.NAMESPACE,
                ['mirror = mirror_images:MirrorImageService'],
                {'mirror_images.py': (
                    _EXAMPLES / 'mirror_images.py').read_text()},
                IMAGE_MIRROR=f'{mirror.url}/pub').split()
        self.assertEqual(['Hello.', "b'ell'"], said[:2])
        self.assertIn('mirror', said)
        self.assertIn('https', said)

    def test_a_site_adds_a_format_but_none_of_another_version(self):
        example = (_EXAMPLES / 'site_answers.py').read_text()
        newer = example.replace('interface = 1', 'interface = 2')
        self.assertNotEqual(example, newer)
        said = self.use(
            _USE_FORMATS, formats.NAMESPACE,
            ['site-answers = site_answers:SiteAnswersFormat',
             'newer = newer:SiteAnswersFormat'],
            {'site_answers.py': example, 'newer.py': newer}).splitlines()
        self.assertIn('The boot config format newer is left out: it is '
                      'written for version 2 of the interface', said[0])
        self.assertIn('site-answers', said[1].split())
        self.assertNotIn('newer', said[1].split())
        self.assertIn('answers.toml: ', said[2])
        self.assertEqual(
            ["site.answers=medium ('/answers.toml', b'disk = \"sda\"')",
             'site.answers=http://host/t/x/answers.toml'], said[3:])
