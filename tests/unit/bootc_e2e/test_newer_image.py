# SPDX-License-Identifier: Apache-2.0

"""One more layer on an image, as skopeo and tar read it."""

import json
import pathlib
import subprocess
import tempfile

import testtools

from tests.bootc_e2e import newer_image
from tests import oci_images


class NewerImageTestCase(testtools.TestCase):

    def _made(self, kind):
        folder = pathlib.Path(self.enterContext(
            tempfile.TemporaryDirectory()))
        old = oci_images.image({'usr/share/a': b'old'}, kind=kind)
        oci_images.write_directory(old, folder / 'old')
        digest = newer_image.make(folder / 'old', folder / 'new')
        self.assertNotEqual(old.digest, digest)
        # Reads every blob, and holds it against its digest.
        subprocess.run(
            ['skopeo', 'copy', '--insecure-policy', '--preserve-digests',
             '--quiet', f'dir:{folder}/new', f'dir:{folder}/copy'],
            check=True, capture_output=True)
        copied = (folder / 'copy/manifest.json').read_bytes()
        self.assertEqual(digest, oci_images.digest(copied))
        return folder / 'copy', json.loads(copied)

    def test_either_standard_gets_one_more_layer_with_the_file(self):
        for kind in oci_images.OCI, oci_images.DOCKER:
            folder, manifest = self._made(kind)
            layer = manifest['layers'][-1]
            self.assertEqual(manifest['layers'][0]['mediaType'],
                             layer['mediaType'])
            listed = subprocess.run(
                ['tar', '-tzf', folder / layer['digest'].partition(':')[2]],
                check=True, capture_output=True, text=True).stdout.split()
            self.assertEqual(['usr/', 'usr/share/', newer_image.PATH],
                             listed)
            config = json.loads((folder / manifest['config']['digest']
                                 .partition(':')[2]).read_text())
            self.assertEqual(len(manifest['layers']),
                             len(config['rootfs']['diff_ids']))
