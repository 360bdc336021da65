# SPDX-License-Identifier: Apache-2.0

"""A site's own URL scheme, from a distribution of its own."""

import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

import testtools

from ironic_ext.images import registry
from tests import fault_server

_ROOT = pathlib.Path(__file__).parents[2]
_EXAMPLE = _ROOT / 'doc/source/contributor/examples/mirror_images.py'
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


class SchemeTestCase(testtools.TestCase):

    def test_a_site_adds_a_scheme_by_an_entry_point(self):
        # The example of the documentation, as a distribution of its own.
        with (tempfile.TemporaryDirectory() as name,
              fault_server.serving() as mirror):
            mirror.add('/pub/live.iso', b'Hello.')
            folder = pathlib.Path(name)
            shutil.copy(_EXAMPLE, folder)
            info = folder / 'mirror_images-1.0.dist-info'
            info.mkdir()
            (info / 'METADATA').write_text(
                'Metadata-Version: 2.1\nName: mirror-images\nVersion: 1.0\n')
            (info / 'entry_points.txt').write_text(
                f'[{registry.NAMESPACE}]\n'
                'mirror = mirror_images:MirrorImageService\n')
            result = subprocess.run(
                [sys.executable, '-c', f'import sys\nsys.path.append({name!r}'
                 f')\n{_USE}'], stdin=subprocess.DEVNULL,
                capture_output=True, text=True, cwd=_ROOT,
                # Entry points of this path are not to be kept for others.
                env={**os.environ, 'IMAGE_MIRROR': f'{mirror.url}/pub',
                     'XDG_CACHE_HOME': name})
        self.assertEqual('', result.stderr)
        said = result.stdout.split()
        self.assertEqual(['Hello.', "b'ell'"], said[:2])
        self.assertIn('mirror', said)
        self.assertIn('https', said)
