# SPDX-License-Identifier: Apache-2.0

"""What a bootc tells of itself, the stand-in's two versions and strange ones.
"""

import os
import pathlib
import subprocess

import testtools

from ironic_python_agent_ext.bootc.image import facts

_STAND_IN = (pathlib.Path(__file__).resolve().parents[3]
             / 'lab/bootc_stand_in.sh')


def told(version, *arguments):
    return subprocess.run(
        ['bash', str(_STAND_IN), *arguments], check=True, text=True,
        capture_output=True, env={
            **os.environ, 'BOOTC_STAND_IN_VERSION': version}
    ).stdout.splitlines()


class FactsTest(testtools.TestCase):

    def test_versions_are_read(self):
        for version in ('1.1.4', '1.16.9'):
            self.assertEqual(version, facts.version_of(
                told(version, '--version')))
        self.assertIsNone(facts.version_of(['podman version 5.4', '']))

    def test_flags_are_those_of_the_version(self):
        old, new = (facts.flags_of(told(version, 'install', 'to-disk',
                                        '--help'))
                    for version in ('1.1.4', '1.16.9'))
        for flag in ('wipe', 'karg', 'bound-images', 'disable-selinux'):
            self.assertIn(flag, old)
        for flag in facts.SINCE:
            self.assertIn(flag, new)
        self.assertEqual({'bound-images'}, {*facts.SINCE} & {*old})
        self.assertEqual(('grub', 'grub-cc', 'systemd', 'none'),
                         new['bootloader'])

    def test_both_ways_to_list_values_are_read(self):
        self.assertEqual(
            {'bootloader': ('grub', 'systemd'), 'help': (),
             'filesystem': ('xfs', 'ext4'), 'karg': ()},
            facts.flags_of([
                'Options:', '      --bootloader <BOOTLOADER>',
                '          Its loader [possible values: grub, systemd]',
                '  -h, --help', '      --filesystem <FS>', '',
                '          Possible values:', '          - xfs: The one',
                '          - ext4', '      --karg <KARG>',
                '          Two words - and a dash']))
        self.assertIsNone(facts.flags_of(['what?']))

    def test_the_configuration_is_read_among_warnings(self):
        found = facts.configuration_of([
            'warning: "10-x.toml": Unknown key a',
            '{"root-fs-type":null,"block":["tpm2-luks","direct"],'
            '"filesystem":{"root":{"type":"xfs"}},"bootloader":"systemd"}'])
        self.assertEqual(facts.Configuration(
            'xfs', ('tpm2-luks', 'direct'), 'systemd'), found)
        self.assertEqual(facts.Configuration(), facts.configuration_of(
            told('1.16.9', 'install', 'print-configuration')))

    def test_a_configuration_that_makes_no_sense_is_none(self):
        for line in ('', '{', '{"a":' * 90000, '[1]', 'error: no'):
            self.assertIsNone(facts.configuration_of([line]))
        self.assertEqual(facts.Configuration(), facts.configuration_of(
            ['{"block":5,"filesystem":[],"root-fs-type":{},'
             '"bootloader":"\\u001b[1m"}']))
