# SPDX-License-Identifier: Apache-2.0

"""What each format refuses, with the line, and how it reaches a machine."""

import importlib.metadata
import pathlib
import re

import testtools

from ironic_ext import catalog
from ironic_ext import config_formats
from ironic_ext.config_formats import base
from ironic_ext.config_formats import registry
from ironic_ext import iso
from ironic_ext.iso.loaders import ignition_area
from ironic_ext import server
from tests.unit.config_formats import formats

URL, resolve = formats.URL, formats.resolve


class RegistryTestCase(formats.FormatTestCase):

    def test_every_format_is_found_by_its_name(self):
        self.assertEqual(['autoinstall', 'autoyast', 'cloud-init',
                          'esxi', 'ignition', 'kickstart', 'plain',
                          'preseed'],
                         config_formats.names())

    def test_the_page_has_a_name_for_the_first_file_of_each(self):
        script = (pathlib.Path(server.__file__).parent
                  / 'page/config_editor.js').read_text()
        names = re.search(r'FIRST_FILE = \{(.*?)\}', script, re.DOTALL)[1]
        self.assertEqual(set(config_formats.names()), set(
            re.findall(r"'?([a-z-]+)'?: '", names)))

    def test_an_unknown_format_is_refused_with_the_nearest(self):
        self.assertIn('use "kickstart"', self.refusal('kickstarter', 'x')[1])
        self.assertIn('autoinstall, autoyast, cloud-init',
                      self.refusal('zzz', 'x')[1])


class IgnitionTestCase(formats.FormatTestCase):

    GOOD = '{"ignition": {"version": "3.4.0"}}'

    def test_stable_versions_are_accepted(self):
        for version in ('3.0.0', '3.4.0', '3.6.0'):
            config = resolve('ignition', self.GOOD.replace('3.4.0', version))
            self.assertEqual('application/vnd.coreos.ignition+json',
                             config.content_type('file'))

    def test_broken_json_is_refused_with_line_and_column(self):
        self.assertEqual(
            (3, "is not JSON, at column 8: Expecting ',' delimiter"),
            self.refusal('ignition', '{"ignition":\n {"version": "3.4.0"}\n'
                                     '       "storage": {}}'))

    def test_other_versions_are_refused_with_their_line(self):
        for version, reason in (('2.3.0', 'ign-converter'),
                                ('3.7.0-experimental', 'experimental'),
                                ('4.0.0', 'is unknown'), ('', 'is unknown')):
            line, text = self.refusal(
                'ignition', '{\n\n"ignition":\n{"version": "%s"}}' % version)
            self.assertEqual(4, line)
            self.assertIn(reason, text)
            self.assertIn('from 3.0.0 to 3.6.0', text)

    def test_what_is_no_ignition_config_is_refused(self):
        for text in ('[]', 'null', '{}', '{"ignition": []}', '7',
                     '{"ignition": {"version": 3}}', '[' * 100000,
                     '{"a": NaN}', ''):
            self.refusal('ignition', text)

    def test_butane_is_recognised(self):
        self.assertIn('Butane', self.refusal(
            'ignition', 'variant: fcos\nversion: 1.5.0\n')[1])

    def test_secrets_are_not_in_messages(self):
        self.assertNotIn('hunter2', str(self.refusal(
            'ignition', '{"a": "hunter2" "b": 1}')))
        self.assertNotIn('hunter2', repr(resolve(
            'ignition', {'a': self.GOOD, 'b': 'hunter2'}, primary='a')))

    def test_coreos_gets_it_in_its_area_and_nothing_else_is_changed(self):
        area = ignition_area.IgnitionArea('/images/ignition.img', 4096, ())
        placed = resolve('ignition', self.GOOD).place(
            base.ImageFacts(ignition_area=area))
        self.assertEqual(base.Placement(ignition=self.GOOD.encode()), placed)

    def test_others_get_it_in_the_initrd(self):
        placed = resolve('ignition', self.GOOD).place(base.ImageFacts())
        self.assertEqual(
            dict.fromkeys(('/config.ign', '/usr/lib/ignition/user.ign'),
                          self.GOOD.encode()), placed.initrd_files)
        self.assertEqual('ignition.firstboot ignition.platform.id=metal',
                         placed.arguments)

    def test_an_image_that_cannot_take_it_is_told(self):
        error = self.assertRaises(
            config_formats.ConfigError, resolve('ignition', self.GOOD).place,
            base.ImageFacts(takes_initrd_files=False))
        self.assertIn('by URL', str(error))

    def test_an_area_that_is_too_small_is_known_before_the_injection(self):
        area = ignition_area.IgnitionArea('/images/ignition.img', 64, ())
        self.assertRaises(
            iso.NoSpaceError, resolve('ignition', self.GOOD).place,
            base.ImageFacts(ignition_area=area))

    def test_by_url_ignition_is_told_to_run(self):
        self.assertEqual(
            'ignition.firstboot ignition.platform.id=metal '
            f'ignition.config.url={URL}file',
            resolve('ignition', self.GOOD).arguments_by_url(URL))


class KickstartTestCase(formats.FormatTestCase):

    GOOD = ('# comment\nlang en_US.UTF-8\nrootpw --plaintext admin\n'
            '%include /tmp/part.cfg\n%packages\n@^server\n%end\n'
            '%post --log=/root/log\ncat <<END\n%something\nEND\n%end\n')

    def test_a_kickstart_file_is_accepted(self):
        self.assertEqual('file', resolve('kickstart', self.GOOD).primary)

    def test_a_section_that_is_not_closed_is_refused_with_its_line(self):
        self.assertEqual(
            (2, '%packages is not closed with %end'),
            self.refusal('kickstart', 'reboot\n%packages\n@core\n'))
        self.assertEqual(
            (1, '%packages is not closed with %end'),
            self.refusal('kickstart', '%packages\n@core\n%post\nx\n%end\n'))

    def test_stray_words_are_refused_with_their_line(self):
        self.assertEqual((2, '%end without a section'),
                         self.refusal('kickstart', 'reboot\n%end\n'))
        self.assertEqual(3, self.refusal(
            'kickstart', 'reboot\n\n%pakages\nreboot\n')[0])

    def test_other_formats_are_refused(self):
        for text in (IgnitionTestCase.GOOD, '', '\n# x\n', '<xml/>',
                     'd-i/x y'):
            self.refusal('kickstart', text)

    def test_it_is_found_by_the_iso_label(self):
        for label, where in (
                ('Fedora-S-dvd', 'hd:LABEL=Fedora-S-dvd'),
                ('CentOS 7 x86_64', 'cdrom'), ("a'b;c$d", 'cdrom'),
                ('', 'cdrom'), ('a:b', 'cdrom')):
            placed = resolve('kickstart', {
                'a': 'reboot\n', 'b/c': 'x'}, primary='a').place(
                    base.ImageFacts(volume_id=label))
            self.assertEqual(f'inst.ks={where}:/ks.cfg', placed.arguments)
            self.assertEqual(where == 'cdrom', bool(placed.notes))
            self.assertEqual({'/ks.cfg': b'reboot\n', '/ks/b/c': b'x'},
                             placed.files)

    def test_by_url_the_request_carries_the_mac(self):
        self.assertEqual(f'inst.ks={URL}file inst.ks.sendmac', resolve(
            'kickstart', self.GOOD).arguments_by_url(URL))


class CloudInitTestCase(formats.FormatTestCase):

    GOOD = {'user-data': '#cloud-config\nusers: [default]\n'}

    def test_yaml_scripts_and_multipart_are_accepted(self):
        for text in ('#cloud-config\n', '#cloud-config\n{}\n',
                     '#!/bin/sh\n: %\n', '#include\nhttp://x/\n',
                     '## template: jinja\n#cloud-config\n{{ x }}\n',
                     'Content-Type: multipart/mixed; boundary="x"\n\n--x',
                     '#cloud-config-archive\n- type: text/plain\n'):
            resolve('cloud-init', {'user-data': text})

    def test_broken_yaml_is_refused_with_its_line(self):
        line, reason = self.refusal('cloud-init', {
            'user-data': '#cloud-config\nusers:\n- [a\nb: c\n'})
        self.assertIn(line, (4, 5))
        self.assertIn('is not YAML', reason)
        line, reason = self.refusal('cloud-init', {
            **self.GOOD, 'meta-data': 'a: 1\nb:\tx: y\n'})
        self.assertEqual(2, line)

    def test_hostile_yaml_is_refused_quickly(self):
        laughs = '#cloud-config\na0: &a0 [x]\n' + ''.join(
            f'a{n}: &a{n} [{",".join([f"*a{n - 1}"] * 9)}]\n'
            for n in range(1, 1000))
        merges = laughs.replace('[x]', '{x: 1}').replace(': &', ': &') + (
            'm: {<<: [*a9, *a9]}\n')
        resolve('cloud-init', {'user-data': laughs})
        resolve('cloud-init', {'user-data': merges})
        for text in ('[' * 500000, '{a: ' * 1000, '- ' * 5000, '*x',
                     'a: 1\na: 2', '--- 1\n--- 2', '\x07', '!!x [', '@'):
            self.refusal('cloud-init', {
                'user-data': f'#cloud-config\n{text}\n'})

    def test_what_is_no_mapping_is_refused(self):
        self.assertEqual(
            (2, 'must be a mapping, not a sequence'),
            self.refusal('cloud-init', {
                'user-data': '#cloud-config\n- a\n'}))
        self.refusal('cloud-init', {'user-data': 'users: []\n'})
        self.refusal('cloud-init', {'user-data': ''})

    def test_a_network_config_has_a_version(self):
        for text in ('version: 2\n', 'network:\n  version: 1\n'):
            resolve('cloud-init', {**self.GOOD, 'network-config': text})
        for text in ('version: 3\n', 'ethernets: {}\n', ''):
            self.assertIn('version', self.refusal('cloud-init', {
                **self.GOOD, 'network-config': text})[1])

    def test_files_that_nobody_reads_are_refused(self):
        self.assertIn('does not read', self.refusal(
            'cloud-init', {**self.GOOD, 'userdata': ''})[1])

    def test_the_primary_file_is_user_data(self):
        self.assertIn('user-data', self.refusal('cloud-init', 'x')[1])
        self.refusal('cloud-init', {**self.GOOD, 'meta-data': 'a: 1'},
                     primary='meta-data')

    def test_meta_data_is_made_and_changes_with_the_config(self):
        ids = {resolve('cloud-init', {'user-data': text}).files['meta-data']
               for text in ('#cloud-config\n', '#!/bin/sh\n',
                            '#cloud-config\n')}
        self.assertEqual(2, len(ids))
        self.assertRegex(ids.pop(), r'^instance-id: iid-[0-9a-f]{16}\n$')
        own = resolve('cloud-init', {**self.GOOD, 'meta-data': 'a: 1\n'})
        self.assertEqual('a: 1\n', own.files['meta-data'])

    def test_the_seed_is_where_the_system_has_the_iso(self):
        config = resolve('cloud-init', {**self.GOOD, 'meta-data': ''})
        for facts, arguments, path in (
                (base.ImageFacts(mount_point='/run/live/medium'),
                 'ds=nocloud;s=/run/live/medium/nocloud/', '/nocloud/'),
                (base.ImageFacts(volume_id='CIDATA'), 'ds=nocloud', '/')):
            placed = config.place(facts)
            self.assertEqual(arguments, placed.arguments)
            self.assertEqual({f'{path}user-data', f'{path}meta-data'},
                             set(placed.files))
            self.assertEqual((), placed.notes)

    def test_a_guess_is_told(self):
        placed = resolve('cloud-init', self.GOOD).place(base.ImageFacts())
        self.assertEqual('ds=nocloud;s=/cdrom/nocloud/', placed.arguments)
        self.assertIn('/cdrom is assumed', placed.notes[0])

    def test_by_url_any_release_understands_it(self):
        self.assertEqual(f'ds=nocloud-net;s={URL}', resolve(
            'cloud-init', self.GOOD).arguments_by_url(URL))


class PlainTestCase(formats.FormatTestCase):

    def test_files_go_to_the_root(self):
        config = resolve('plain', {'a/b': 'x', 'c': 'y'})
        self.assertEqual('', config.primary)
        placed = config.place(base.ImageFacts())
        self.assertEqual({'/a/b': b'x', '/c': b'y'}, placed.files)
        self.assertEqual('', placed.arguments)

    def test_nothing_fetches_them_by_url(self):
        self.assertRaises(config_formats.ConfigError,
                          resolve('plain', 'x').arguments_by_url, URL)


class ConfigTestCase(formats.FormatTestCase):

    def test_of_several_files_one_must_be_primary(self):
        files = {'a': 'reboot\n', 'b': 'reboot\n'}
        self.assertIn('(a, b)', self.refusal('kickstart', files)[1])
        self.assertEqual('b', resolve('kickstart', files,
                                      primary='b').primary)
        self.assertEqual('ks.cfg', resolve('kickstart', {
            **files, 'ks.cfg': 'reboot\n'}).primary)

    def test_a_url_is_fit_for_a_kernel_argument(self):
        config = resolve('kickstart', 'reboot\n')
        for url in ('http://x/a b/', 'http://x/a', 'ftp://x/', 'http://x/"/',
                    "http://x/'/", 'http://x/;y/', 'http://x/\n/', 'x/',
                    'http://x/\\/', 'http://\N{SNOWMAN}/'):
            self.assertRaises(config_formats.ConfigError,
                              config.arguments_by_url, url)

    def test_only_the_primary_file_has_the_formats_content_type(self):
        config = resolve('ignition', {
            'a': IgnitionTestCase.GOOD, 'b': 'x'}, primary='a')
        self.assertEqual('text/plain; charset=utf-8',
                         config.content_type('b'))

    def test_a_template_is_judged_after_it_is_filled(self):
        text = '{"ignition": {"version": "{{ node.version }}"}}'
        spec = catalog.BootConfigSpec('ignition', {'a': text}, template=True)
        config_formats.check(spec)
        self.assertEqual(
            IgnitionTestCase.GOOD, config_formats.resolve(
                spec, {'node': {'version': '3.4.0'}}).files['a'])
        self.assertRaises(
            config_formats.ConfigError, config_formats.resolve, spec,
            {'node': {'version': '2.0.0'}})

    def test_a_stored_config_is_checked(self):
        for spec in (catalog.BootConfigSpec('ignition', {'a': '{'}),
                     catalog.BootConfigSpec('ignition', {'a': '{% x %}'},
                                            template=True),
                     catalog.BootConfigSpec('kickstart', {
                         'a': 'x', 'b': 'y'}, template=True)):
            self.assertRaises(config_formats.ConfigError,
                              config_formats.check, spec)


class NamesTest(testtools.TestCase):

    def test_a_file_alone_may_have_any_name(self):
        self.assertEqual({'user-data': 'x'}, config_formats.named(
            'cloud-init', {'node7.yaml': 'x'}))
        for name, files in (('kickstart', {'node7.ks': 'x'}),
                            ('autoinstall', {'autoinstall.yaml': 'x'}),
                            ('cloud-init', {'user-data': 'x'}),
                            ('cloud-init', {'a': 'x', 'b': 'y'})):
            self.assertEqual(files, config_formats.named(name, files))


class OwnFormatsTest(testtools.TestCase):

    def test_they_are_those_of_the_entry_points(self) -> None:
        declared = {
            point.name: point.value for point in
            importlib.metadata.entry_points(group=registry.NAMESPACE)
            if point.value.startswith('ironic_ext.config_formats.')}
        self.assertEqual(
            {name: f'ironic_ext.config_formats.{where}'
             for name, where in registry.OWN.items()}, declared)

    def test_each_is_what_the_plugin_is(self) -> None:
        for name in registry.OWN:
            self.assertIn(name, registry.names())
            self.assertIsInstance(registry.format_for(name),
                                  base.BootConfigFormat)


class FlatcarTest(testtools.TestCase):

    def test_its_own_switch_makes_ignition_run(self):
        config = resolve('ignition', '{"ignition": {"version": "3.4.0"}}')
        self.assertEqual('flatcar.first_boot=1', config.place(
            base.ImageFacts(flatcar=True)).arguments)
        self.assertIn('ignition.firstboot',
                      config.place(base.ImageFacts()).arguments)
