# SPDX-License-Identifier: Apache-2.0

"""What the formats of installers refuse, and how they reach a machine."""

import shutil
import subprocess

from ironic_ext import config_formats
from ironic_ext.config_formats import base
from tests.unit.config_formats import formats

URL, resolve = formats.URL, formats.resolve


class AutoinstallTestCase(formats.FormatTestCase):

    GOOD = '#cloud-config\nautoinstall:\n  version: 1\n  identity: {}\n'

    def test_answers_are_placed_and_asked_for(self):
        config = resolve('autoinstall', {'user-data': self.GOOD})
        self.assertEqual(
            'autoinstall ds=nocloud;s=/cdrom/nocloud/',
            config.place(base.ImageFacts(mount_point='/cdrom')).arguments)
        self.assertEqual(f'autoinstall ds=nocloud-net;s={URL}',
                         config.arguments_by_url(URL))

    def test_answers_stand_below_autoinstall_with_a_version(self):
        for text, line, reason in (
                ('#cloud-config\nversion: 1\n', None, 'no mapping'),
                ('#cloud-config\nautoinstall:\n', 2, 'no mapping'),
                ('#cloud-config\nautoinstall:\n  x: 1\n', 2, 'version: 1'),
                ('#cloud-config\nautoinstall:\n  x: 1\n  version: 2\n', 4,
                 'version: 1'),
                ('#!/bin/sh\n', 1, 'must be YAML')):
            found = self.refusal('autoinstall', {'user-data': text})
            self.assertEqual(line, found[0], text)
            self.assertIn(reason, found[1])


class PreseedTestCase(formats.FormatTestCase):

    GOOD = ('#_preseed_V1\nd-i debian-installer/locale string en_US\n'
            'd-i partman/confirm boolean true\n'
            'd-i pkgsel/include string \\\n  a \\\n  b\n'
            '# further ones\nd-i a/b note\n')

    def test_what_debconf_accepts_is_accepted(self):
        resolve('preseed', self.GOOD + 'd-i a/b seen true\n')
        if shutil.which('debconf-set-selections') is None:
            self.skipTest('debconf-set-selections is missing')
        subprocess.run(['debconf-set-selections', '--checkonly'],
                       input=self.GOOD.encode(), check=True,
                       capture_output=True)

    def test_bad_lines_are_refused_with_their_number(self):
        for line, reason in (('d-i a/b', 'needs owner'),
                             ('d-i a/b strnig x', 'is no type'),
                             ('d-i a/b boolean yes', 'true or false'),
                             ('d-i a/b string \\', 'the file ends')):
            found = self.refusal('preseed', f'{self.GOOD}{line}\n')
            self.assertEqual(9, found[0])
            self.assertIn(reason, found[1])

    def test_every_bad_line_is_told(self):
        error = self.assertRaises(config_formats.ConfigError, resolve,
                                  'preseed', 'a\n\nb\n')
        self.assertEqual([1, 3], [found.line for found in error.findings])

    def test_nothing_is_no_preseed_file(self):
        self.assertIn('answers nothing', self.refusal('preseed', '#x\n')[1])

    def test_one_file_goes_into_the_initrd(self):
        placed = resolve('preseed', self.GOOD).place(base.ImageFacts())
        self.assertEqual('auto=true priority=critical', placed.arguments)
        self.assertEqual({'/preseed.cfg': self.GOOD.encode()},
                         placed.initrd_files)

    def test_several_go_onto_the_iso(self):
        placed = resolve('preseed', {
            'preseed.cfg': self.GOOD, 'more.cfg': self.GOOD}).place(
                base.ImageFacts())
        self.assertEqual('auto=true priority=critical preseed/file=/cdrom/'
                         'preseed/preseed.cfg', placed.arguments)
        self.assertEqual({'/preseed/preseed.cfg', '/preseed/more.cfg'},
                         set(placed.files))
        self.assertEqual({}, placed.initrd_files)

    def test_by_url(self):
        self.assertEqual(f'auto=true priority=critical url={URL}file',
                         resolve('preseed', self.GOOD).arguments_by_url(URL))


class BareAutoinstallTest(formats.FormatTestCase):

    BARE = 'autoinstall.yaml'

    def test_answers_alone_go_to_the_root_of_the_medium(self):
        for text in ('version: 1\nidentity: {}\n',
                     'autoinstall:\n  version: 1\n'):
            config = resolve('autoinstall', {self.BARE: text})
            self.assertEqual(
                base.Placement('autoinstall',
                               {'/autoinstall.yaml': text.encode()}),
                config.place(base.ImageFacts('UBUNTU', '/cdrom')))

    def test_they_need_a_version_and_cannot_be_fetched(self):
        self.assertIn('version: 1', self.refusal(
            'autoinstall', {self.BARE: 'identity: {}\n'})[1])
        config = resolve('autoinstall', {self.BARE: 'version: 1\n'})
        self.assertIn('#cloud-config', str(self.assertRaises(
            config_formats.ConfigError, config.arguments_by_url, URL)))


class AutoYastTest(formats.FormatTestCase):

    GOOD = ('<?xml version="1.0"?>\n<!DOCTYPE profile>\n'
            '<profile xmlns="http://www.suse.com/1.0/yast2ns"/>\n')

    def test_it_goes_where_yast_looks_by_itself(self):
        config = resolve('autoyast', self.GOOD)
        content = {'/autoinst.xml': self.GOOD.encode()}
        self.assertEqual(base.Placement(initrd_files=content),
                         config.place(base.ImageFacts()))
        self.assertEqual(base.Placement(files=content), config.place(
            base.ImageFacts(takes_initrd_files=False)))
        self.assertEqual(f'autoyast={URL}file',
                         config.arguments_by_url(URL))
        self.assertTrue(config.format.installs)

    def test_what_is_none_is_refused_with_its_line(self):
        for text, line, reason in (
                ('<profile>\n<x>\n</profile>', 3, 'is not XML'),
                ('#!/bin/sh\n', 1, 'is not XML'),
                ('<config/>', 1, 'its root is "config"'),
                ('<!DOCTYPE p [<!ENTITY a "b">]>\n<profile/>', 1,
                 'declares an entity')):
            found = self.refusal('autoyast', text)
            self.assertEqual(line, found[0], text)
            self.assertIn(reason, found[1])


class EsxiTestCase(formats.FormatTestCase):

    GOOD = ('# none is asked\nvmaccepteula\ninstall --firstdisk\n'
            'rootpw x\n%post --interpreter=python\nimport time\n')

    def test_it_is_named_as_the_installer_reads_its_cd(self):
        config = resolve('esxi', {'ks.cfg': self.GOOD})
        self.assertEqual(
            base.Placement('ks=cdrom:/KS.CFG',
                           {'/KS.CFG': self.GOOD.encode()}),
            config.place(base.ImageFacts(system='ESXi')))
        self.assertEqual(f'ks={URL}ks.cfg', config.arguments_by_url(URL))
        self.assertEqual('', config.format.misfit(
            base.ImageFacts(system='ESXi')))

    def test_what_anaconda_reads_is_none(self):
        line, reason = self.refusal('esxi', 'text\nreboot\n')
        self.assertEqual(1, line)
        self.assertIn('"text" is no command', reason)
        for text, missing in (('install --firstdisk\n', 'vmaccepteula'),
                              ('accepteula\nreboot\n%post\ninstall\n',
                               '"upgrade"')):
            self.assertIn(missing, self.refusal('esxi', text)[1])
        resolve('esxi', '%include /vmfs/volumes/x/rest.cfg\n')

    def test_several_files_go_by_url(self):
        config = resolve('esxi', {'ks.cfg': self.GOOD, 'rest.cfg': ''})
        self.assertIn('one file', str(self.assertRaises(
            config_formats.ConfigError, config.place, base.ImageFacts())))
        self.assertEqual(f'ks={URL}ks.cfg', config.arguments_by_url(URL))
