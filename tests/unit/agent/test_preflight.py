# SPDX-License-Identifier: Apache-2.0

"""Wishes of image and node that do not go together, found before the wipe."""

import testtools

from ironic_ext.bootc import errors
from ironic_ext.bootc import options
from ironic_python_agent_ext.bootc.image import facts as image_facts
from ironic_python_agent_ext.bootc.image import files as image_files
from ironic_python_agent_ext.bootc import machine
from ironic_python_agent_ext.bootc import preflight

_PLAIN = machine.Machine(1 << 30)
_SAFE = machine.Machine(1 << 30, tpm2=True, device_mapper=True)


class LayoutTest(testtools.TestCase):

    def layout(self, machine=_SAFE, unified=False, image=None, bootupd=True,
               tools=frozenset(image_files.TOOLS), history=None, **given):
        wishes = image_facts.Configuration(**(image or {}))
        return preflight.layout(
            'os', options.Options.parse(given), image_facts.Facts(
                '1.16.9', None, wishes, unified, bootupd, tools, history),
            machine)

    def refused(self, kind, **given):
        return str(self.assertRaises(kind, self.layout, **given))

    def test_the_image_decides_what_the_node_leaves_open(self):
        found = self.layout(image={'block': ('tpm2-luks', 'direct'),
                                   'filesystem': 'xfs'})
        self.assertEqual(preflight.Layout('tpm2-luks', 'xfs', False), found)
        self.assertEqual(preflight.Layout('direct', None, False),
                         self.layout())

    def test_the_node_decides_where_the_image_allows_it(self):
        found = self.layout(image={'block': ('tpm2-luks', 'direct'),
                                   'filesystem': 'xfs'},
                            block_setup='direct', filesystem='ext4')
        self.assertEqual(preflight.Layout('direct', 'ext4', False), found)

    def test_a_block_setup_that_the_image_does_not_allow_is_refused(self):
        message = self.refused(errors.ImageWishError,
                               image={'block': ('tpm2-luks',)},
                               block_setup='direct')
        self.assertIn('"block_setup" is direct', message)
        self.assertIn('allows tpm2-luks alone', message)
        self.refused(errors.ImageWishError, image={'block': ('direct',)},
                     block_setup='tpm2-luks')

    def test_an_image_that_says_nothing_of_it_allows_any_block_setup(self):
        self.assertTrue(self.layout(block_setup='tpm2-luks').encrypted)
        self.assertFalse(self.layout().encrypted)

    def test_an_image_that_allows_no_block_setup_is_refused(self):
        for wanted in {}, {'block_setup': 'direct'}:
            self.assertIn('empty "block"', self.refused(
                errors.ImageWishError, image={'block': ()}, **wanted))

    def test_encryption_needs_a_tpm_whoever_wants_it(self):
        for wanted in ({'image': {'block': ('tpm2-luks',)}},
                       {'image': {'block': ('direct', 'tpm2-luks')},
                        'block_setup': 'tpm2-luks'}):
            self.assertIn('no TPM 2.0', self.refused(
                errors.NoTpmError, machine=_PLAIN, **wanted))
            self.assertIn('device mapper', self.refused(
                errors.NoTpmError, machine=machine.Machine(1, tpm2=True),
                **wanted))
            self.assertTrue(self.layout(**wanted).encrypted)

    def test_a_secret_cannot_be_left_on_a_disk_that_the_image_encrypts(self):
        self.assertIn('update_auth', self.refused(
            errors.ImageWishError, image={'block': ('tpm2-luks',)},
            update_auth=True))

    def test_composefs_cannot_do_without_a_boot_loader(self):
        for wanted in ({'unified': True, 'bootloader': 'none'},
                       {'composefs_backend': True,
                        'image': {'bootloader': 'none'}},
                       {'unified': True, 'image': {'bootloader': 'none'}}):
            self.assertIn('bootloader', self.refused(
                errors.ImageWishError, **wanted))
        self.assertTrue(self.layout(unified=True).composefs)

    def test_ostree_needs_the_history_of_each_layer(self):
        self.assertIn('Truncated history', self.refused(
            errors.ImageWishError, history=False))
        for known in True, None:
            self.layout(history=known)
        self.layout(history=False, composefs_backend=True)

    def test_a_unified_kernel_takes_no_arguments(self):
        for name in 'kargs', 'karg_delete':
            self.assertIn(f'"{name}"', self.refused(
                errors.ImageWishError, unified=True, **{name: ['quiet']}))
            self.layout(composefs_backend=True, **{name: ['quiet']})

    def test_an_image_without_bootupd_needs_composefs_or_no_loader(self):
        for wanted in ({}, {'bootloader': 'grub'},
                       {'image': {'bootloader': 'grub'}}):
            message = self.refused(errors.ImageWishError, bootupd=False,
                                   **wanted)
            self.assertIn('image os has no bootupd', message)
            self.assertIn('composefs_backend', message)
        for wanted in ({'composefs_backend': True}, {'unified': True},
                       {'bootloader': 'none'},
                       {'image': {'bootloader': 'none'}}):
            self.layout(bootupd=False, **wanted)
        # The program is as much needed as what it installs.
        self.assertIn('no bootupd', self.refused(
            errors.ImageWishError, tools={'mkfs.ext4'}))
        # Nobody could look, or bootc asks for another one.
        self.layout(bootupd=None, tools=None)
        self.layout(bootupd=False, machine=machine.Machine(1, zipl=True))

    def test_an_image_without_a_program_that_is_needed_is_refused(self):
        for program, wanted in (
                ('mkfs.btrfs', {'filesystem': 'btrfs'}),
                ('mkfs.xfs', {'image': {'filesystem': 'xfs'}}),
                ('mkfs.ext4', {}),
                ('cryptsetup', {'block_setup': 'tpm2-luks'}),
                ('systemd-cryptenroll', {'image': {
                    'block': ('tpm2-luks',)}})):
            self.assertIn(f'image os has no {program}', self.refused(
                errors.ImageWishError,
                tools={*image_files.TOOLS} - {program}, **wanted))
        self.layout(tools={'bootupctl', 'mkfs.ext4'})

    def test_another_loader_than_that_of_bootupd_needs_composefs(self):
        for loader in 'systemd', 'grub-cc':
            self.assertIn('option "bootloader"', self.refused(
                errors.ImageWishError, bootloader=loader))
            self.assertIn('configuration of image os', self.refused(
                errors.ImageWishError, image={'bootloader': loader}))
            self.layout(bootloader=loader, composefs_backend=True)

    def test_grub_needs_bootupd_with_composefs_as_well(self):
        for loader in 'grub', 'grub-cc':
            for wanted in ({'bootloader': loader},
                           {'image': {'bootloader': loader}}):
                message = self.refused(
                    errors.ImageWishError, bootupd=False, unified=True,
                    **wanted)
                self.assertIn(f'bootloader {loader}, and image os has no '
                              'bootupd', message)
        self.layout(bootupd=False, unified=True, bootloader='systemd')


class FlagsTest(testtools.TestCase):

    FACTS = image_facts.Facts('1.9.0', {
        'wipe': (), 'bootloader': ('grub', 'systemd')})

    def test_a_flag_that_the_images_bootc_lacks_is_refused_by_version(self):
        message = str(self.assertRaises(
            errors.ImageWishError, preflight.require_flags, 'os',
            ['--wipe', '--karg-delete=quiet'], self.FACTS))
        for word in ('bootc 1.9.0', '--karg-delete', 'bootc 1.15.1'):
            self.assertIn(word, message)
        preflight.require_flags('os', ['--wipe', '--bootloader=grub'],
                                self.FACTS)

    def test_a_value_that_the_images_bootc_lacks_is_refused(self):
        self.assertIn('grub, systemd', str(self.assertRaises(
            errors.ImageWishError, preflight.require_flags, 'os',
            ['--bootloader=none'], self.FACTS)))

    def test_bootc_without_a_help_text_is_taken_at_its_word(self):
        preflight.require_flags('os', ['--any'], image_facts.Facts('1.0'))
