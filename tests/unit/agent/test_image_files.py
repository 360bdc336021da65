# SPDX-License-Identifier: Apache-2.0

"""Files of an image, whose links may lead anywhere."""

import pathlib

import fixtures
import testtools

from ironic_ext.bootc import errors
from ironic_python_agent_ext.bootc.image import files

_BOUND = 'usr/lib/bootc/bound-images.d'


class ImageFilesTest(testtools.TestCase):

    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        self.root = self.folder / 'root'
        (self.root / _BOUND).mkdir(parents=True)

    def write(self, path, text):
        (self.root / path).parent.mkdir(parents=True, exist_ok=True)
        (self.root / path).write_text(text)

    def bind(self, name, target):
        (self.root / _BOUND / name).symlink_to(target)

    def bound(self):
        return [str(image) for image in files.bound_images(self.root, 'os')]

    def refused(self):
        return str(self.assertRaises(errors.ImageWishError, self.bound))

    def test_bound_images_are_found_through_their_links(self):
        self.assertEqual([], self.bound())
        self.write('usr/share/app.container',
                   '[Unit]\nAfter=a\nAfter=b\n[Container]\n'
                   'Image=quay.io/x/app:1\n')
        self.write('usr/share/db.image', '[Image]\nImage = quay.io/x/db@'
                   f'sha256:{"a" * 64}\n')
        self.bind('app.container', '/usr/share/app.container')
        self.bind('db.image', '../../../share/db.image')
        self.assertEqual(['quay.io/x/app:1',
                          f'quay.io/x/db@sha256:{"a" * 64}'], self.bound())

    def test_a_link_that_leads_out_of_the_image_does_not(self):
        (self.folder / 'secret.image').write_text(
            '[Image]\nImage=quay.io/of/the:ramdisk\n')
        self.bind('a.image', '../' * 12 + str(self.folder / 'secret.image'))
        self.assertIn('a.image', self.refused())
        self.bind('b.image', 'b.image')
        self.assertIn('image', self.refused())

    def test_what_makes_no_sense_is_refused_by_name(self):
        for text in ('', 'Image=x', '[Image]\nImage=short\n', '[Image]\n',
                     '\0\1\2', '[Image]\nImage=oci:/x\n'):
            self.write(f'{_BOUND}/x.image', text)
            self.assertIn('x.image', self.refused())

    def test_an_image_bound_to_too_many_is_refused(self):
        for number in range(70):
            self.bind(f'{number}.image', '/none')
        self.assertIn('more than', self.refused())

    def test_a_unified_kernel_is_known(self):
        self.assertFalse(files.is_unified(self.root))
        self.write('boot/EFI/Linux/6.1.efi', '')
        self.assertTrue(files.is_unified(self.root))

    def test_programs_are_found_through_links_in_the_image(self):
        self.assertEqual(set(), files.tools(self.root))
        self.write('usr/bin/mkfs.ext4', '')
        (self.root / 'usr/sbin').symlink_to('bin')
        self.write('usr/libexec/bootupd', '')
        (self.root / 'usr/bin/bootupctl').symlink_to('/usr/libexec/bootupd')
        self.assertEqual({'bootupctl', 'mkfs.ext4'}, files.tools(self.root))
        (self.root / 'usr/libexec/bootupd').unlink()
        self.assertEqual({'mkfs.ext4'}, files.tools(self.root))

    def test_boot_loaders_for_bootupd_are_known(self):
        self.assertFalse(files.has_boot_payload(self.root))
        self.write('usr/lib/bootupd/updates/EFI.json', '{}')
        self.assertTrue(files.has_boot_payload(self.root))
