# SPDX-License-Identifier: Apache-2.0

"""What the lab's ISO writes to a serial port, read back."""

import testtools

from lab import boot_iso

_CONSOLE = """\
ISOLINUX 6.04\r
[    0.000000] Linux version 6.1\r
\r
LAB-REPORT-BEGIN\r
LAB-CMDLINE console=ttyS0 quiet a=1\r
LAB-FIRMWARE bios\r
LAB-FILE-BEGIN site/a b.txt\r
Hello\r
\r
world\r
LAB-FILE-END site/a b.txt\r
LAB-FILE-BEGIN empty\r
\r
LAB-FILE-END empty\r
LAB-REPORT-END\r
"""


class ParseReportsTestCase(testtools.TestCase):

    def test_a_report_is_found_between_other_output(self):
        report, = boot_iso.parse_reports(_CONSOLE)
        self.assertEqual('console=ttyS0 quiet a=1', report.command_line)
        self.assertEqual('bios', report.firmware)
        self.assertEqual({'site/a b.txt': 'Hello\n\nworld', 'empty': ''},
                         report.files)

    def test_initrd_and_network_are_told_apart_from_the_medium(self):
        shown = ''.join(
            f'LAB-FILE-BEGIN {name}\r\n{text}\r\nLAB-FILE-END {name}\r\n'
            for name, text in (('initrd:/config.ign', '{}'),
                               ('url:http://10.0.2.2:8093/ks', 'text')))
        report, = boot_iso.parse_reports(_CONSOLE.replace(
            'LAB-REPORT-END', shown + 'LAB-REPORT-END'))
        self.assertEqual({'/config.ign': '{}'}, report.initrd)
        self.assertEqual({'http://10.0.2.2:8093/ks': 'text'}, report.fetched)
        self.assertEqual({'site/a b.txt', 'empty'}, set(report.files))

    def test_every_boot_has_a_report_of_its_own_oldest_first(self):
        second = _CONSOLE.replace('a=1', 'a=2')
        self.assertEqual(
            ['a=1', 'a=2'],
            [report.command_line.split()[-1] for report in
             boot_iso.parse_reports(_CONSOLE + second)])

    def test_a_report_that_is_not_complete_is_none(self):
        cut = _CONSOLE[:_CONSOLE.index('LAB-REPORT-END')]
        self.assertEqual([], boot_iso.parse_reports(cut))

    def test_media_that_come_and_go_are_told_apart_from_reports(self):
        medium = ('LAB-MEDIUM-BEGIN\r\nLAB-FILE-BEGIN a\r\nb\r\n'
                  'LAB-FILE-END a\r\nLAB-MEDIUM-END\r\n')
        empty = 'LAB-MEDIUM-BEGIN\r\n\r\nLAB-MEDIUM-END\r\n'
        console = _CONSOLE + medium + empty
        self.assertEqual([{'a': 'b'}, {}], boot_iso.parse_media(console))
        self.assertEqual(1, len(boot_iso.parse_reports(console)))
