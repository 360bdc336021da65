# SPDX-License-Identifier: Apache-2.0

"""What `ironic-iso` says, from values."""

import json

import testtools

from ironic_ext.cli.iso import report
from ironic_ext import iso
from ironic_ext.iso.facts import inspection
from ironic_ext.iso.loaders import boot_entry


def _inspection(**facts) -> iso.Inspection:
    entry = boot_entry.BootEntry('Live', '/vmlinuz', ('a=1', 'quiet'),
                                 ('/i',))
    defaults = {
        'path': 'a.iso', 'size': 5 << 30, 'volume_id': 'LIVE',
        'system': '', 'publisher_id': '', 'application_id': '', 'udf': False,
        'media_check': None,
        'trees': (inspection.Tree('rock ridge', 'LIVE', 100, 0),),
        'partitions': (), 'boot_images': (), 'esps': (), 'boot_paths': (),
        'loaders': (inspection.Loader('uefi', 'GRUB', '/EFI/x.efi'),
                    inspection.Loader('bios', 'ISOLINUX', 'sector 1')),
        'configs': (inspection.Config('/a.cfg', 'iso', 'grub', (entry,)),
                    inspection.Config('/b.cfg', 'esp', 'grub', (entry,)),
                    inspection.Config('/c.cfg', 'esp', 'grub', ())),
        'can': ('kernel_arguments', 'files'),
        'cannot': {'initrd_files': 'no initrd is named'}, 'notes': ()}
    return iso.Inspection(**{**defaults, **facts})


class ListingTestCase(testtools.TestCase):

    def test_long_lines_up_sizes_and_shows_targets(self):
        entries = [iso.Entry('/d', True, ()),
                   iso.Entry('/file', False, ((0, 12345),)),
                   iso.Entry('/link', False, (), link_target='../x\n')]
        self.assertEqual(['d     - d', '- 12345 file',
                          'l     0 link -> ../x\\n'],
                         report.listing(entries, long=True))

    def test_an_empty_directory_has_no_lines(self):
        self.assertEqual([], report.listing([], long=True))


class InspectionTestCase(testtools.TestCase):

    def test_loaders_are_in_order_of_firmware(self):
        text = report.inspection_text(_inspection())
        self.assertLess(text.index('BIOS  ISOLINUX'),
                        text.index('UEFI  GRUB'))

    def test_equal_configs_are_shown_once(self):
        text = report.inspection_text(_inspection())
        self.assertEqual(1, text.count('a=1 quiet'))
        self.assertIn('the same entries as /a.cfg in the ISO', text)
        self.assertIn('no kernel of its own', text)

    def test_what_cannot_be_injected_has_its_reason(self):
        text = report.inspection_text(_inspection())
        self.assertIn('initrd files      no: no initrd is named', text)
        self.assertIn('kernel arguments  yes', text)

    def test_an_image_without_loader_says_so_and_has_no_empty_sections(self):
        text = report.inspection_text(_inspection(
            loaders=(), configs=()))
        self.assertIn('the image does not boot', text)
        self.assertNotIn('Partitions', text)
        self.assertNotIn('Notes', text)

    def test_names_from_the_image_are_escaped(self):
        text = report.inspection_text(_inspection(
            volume_id='EVIL\x1b]0;x\x07'))
        self.assertNotIn('\x1b', text)
        self.assertNotIn('\x07', text)


class WrittenTestCase(testtools.TestCase):

    def _written(self, target):
        return report.Written(target, 3 << 20, 2 << 20, 1536, 'sha256:0',
                              ('beware',))

    def test_the_report_names_the_file_and_what_differs(self):
        self.assertEqual(
            'wrote o.iso: 3.0 MiB, of which 1.5 KiB differ from the ISO',
            self._written('o.iso').text())

    def test_a_dry_run_says_that_nothing_was_written(self):
        self.assertIn('nothing written', self._written(None).text())

    def test_json_has_every_value(self):
        self.assertEqual(
            {'target': None, 'size': 3 << 20, 'base_size': 2 << 20,
             'literal_bytes': 1536, 'content_id': '0', 'sha256': None,
             'warnings': ['beware'], 'boot_paths': [], 'complete': True},
            json.loads(self._written(None).json()))
