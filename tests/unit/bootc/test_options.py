# SPDX-License-Identifier: Apache-2.0

"""Tests for the options of a bootc install."""

import json
import pathlib

import testtools

from ironic_ext.bootc import errors
from ironic_ext.bootc import options

KEY = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHk me@example'
NAME = 'quay.io/fedora/fedora-bootc:42'
_DOC = (pathlib.Path(__file__).resolve().parents[3]
        / 'doc' / 'source' / 'reference' / 'bootc-options.rst')


class ParseTestCase(testtools.TestCase):

    def refused(self, **given):
        return str(self.assertRaises(errors.OptionError,
                                     options.Options.parse, given))

    def test_nothing_needs_to_be_said(self):
        for given in (None, {}, {'filesystem': None}):
            self.assertEqual(options.Options(), options.Options.parse(given))

    def test_an_unknown_option_is_told_the_nearest_known_one(self):
        for name, meant in (('file_system', 'filesystem'),
                            ('root-size', 'root_size'),
                            ('karg', 'kargs'),
                            ('authorised_keys', 'authorized_keys')):
            self.assertIn(f'did you mean "{meant}"?',
                          self.refused(**{name: 'x'}))

    def test_an_option_like_no_other_is_told_all_of_them(self):
        message = self.refused(qqq=1)
        for name in options.kinds():
            self.assertIn(name, message)

    def test_what_is_no_object_is_refused(self):
        for given in ('filesystem=xfs', ['xfs'], 5):
            self.assertRaises(errors.OptionError, options.Options.parse,
                              given)

    def test_choices_are_named_to_whom_misses_them(self):
        message = self.refused(filesystem='zfs')
        self.assertIn("'zfs'", message)
        self.assertIn('xfs, ext4, btrfs', message)

    def test_every_choice_can_be_made(self):
        for name, kind in options.kinds().items():
            for choice in kind.choices:
                found = options.Options.parse({name: choice})
                self.assertEqual(choice, getattr(found, name))

    def test_sizes_have_the_units_of_bootc(self):
        for text, size in (('10', 10 << 20), (10, 10 << 20),
                           ('10M', 10 << 20), ('10g', 10 << 30),
                           (' 2T ', 2 << 40)):
            self.assertEqual(
                size, options.Options.parse({'root_size': text}).root_size)

    def test_sizes_that_are_none_are_refused(self):
        for size in ('', '0', '-1', '1.5G', '10K', True, '9' * 30, [1]):
            self.assertIn('root_size', self.refused(root_size=size))

    def test_flags_are_read_as_people_write_them(self):
        for value, wanted in ((True, True), ('true', True), ('No', False),
                              (0, False), ('1', True)):
            self.assertIs(wanted, options.Options.parse(
                {'generic_image': value}).generic_image)
        self.assertIn('generic_image', self.refused(generic_image='maybe'))

    def test_a_line_of_kernel_arguments_is_parted_as_kernels_do(self):
        self.assertEqual(
            ('console=ttyS0,115200', 'a="b  c"', 'quiet'),
            options.Options.parse({
                'kargs': ' console=ttyS0,115200  a="b  c"\tquiet\n'}).kargs)

    def test_kernel_arguments_of_a_list_stay_as_they_are(self):
        self.assertEqual(('a b', 'c'), options.Options.parse(
            {'kargs': ['a b', 'c']}).kargs)

    def test_kernel_arguments_that_cannot_be_are_refused(self):
        for value in ('a="b', [1], [''], ['a\nb'], ['a' * 3000], {'a': 1},
                      ['a'] * 300, b'a'):
            self.assertIn('karg_delete', self.refused(karg_delete=value))

    def test_keys_are_a_text_or_lines(self):
        for value in (KEY, f'\n{KEY}\n\n', [KEY], ['', KEY]):
            self.assertEqual(f'{KEY}\n', options.Options.parse(
                {'authorized_keys': value}).authorized_keys)

    def test_keys_that_are_none_are_refused_without_showing_them(self):
        private = '-----BEGIN OPENSSH PRIVATE KEY-----\nSecretKey\n'
        for value in (private, 'SecretKey', '', [], [5], 'a' * 70000,
                      f'{KEY}\nSecretKey'):
            message = self.refused(authorized_keys=value)
            self.assertIn('authorized_keys', message)
            self.assertNotIn('SecretKey', message)

    def test_the_update_source_is_named_without_a_scheme(self):
        for value in (NAME, f'oci://{NAME}', f'docker://{NAME}'):
            self.assertEqual(NAME, options.Options.parse(
                {'target_imgref': value}).target_imgref)
        self.assertIn('names no registry',
                      self.refused(target_imgref='fedora'))

    def test_a_time_that_makes_no_sense_is_refused(self):
        for value in (0, 59, -5, 'soon', True, 10 ** 9):
            self.assertIn('timeout', self.refused(timeout=value))
        self.assertEqual(90, options.Options.parse({'timeout': '90'}).timeout)

    def test_a_state_root_cannot_lead_elsewhere(self):
        for value in ('../x', 'a/b', '-a', '', 5):
            self.assertIn('stateroot', self.refused(stateroot=value))

    def test_what_was_read_can_be_sent_and_read_again(self):
        found = options.Options.parse({
            'filesystem': 'xfs', 'root_size': '20G',
            'block_setup': 'tpm2-luks', 'kargs': 'a b', 'karg_delete': ['c'],
            'authorized_keys': KEY, 'target_imgref': NAME,
            'target_transport': 'registry', 'bound_images': 'pull',
            'bootloader': 'systemd', 'generic_image': True,
            'stateroot': 'os', 'composefs_backend': True,
            'allow_missing_verity': True, 'uki_addon': 'debug more',
            'bootupd_skip_boot_uuid': True, 'selinux': 'disabled',
            'update_auth': True,
            'enforce_sigpolicy': True, 'timeout': 600})
        sent = json.loads(json.dumps(found.to_dict()))
        self.assertEqual({*options.kinds()}, {*sent})
        self.assertEqual(found, options.Options.parse(sent))

    def test_defaults_are_not_sent(self):
        self.assertEqual({}, options.Options().to_dict())


class CombinationsTestCase(testtools.TestCase):

    def refused(self, **given):
        return str(self.assertRaises(
            errors.OptionError, options.Options.parse(given).checked))

    def test_what_cannot_work_together_is_refused(self):
        for given, word in (
                ({'uki_addon': 'x'}, 'composefs_backend'),
                ({'allow_missing_verity': True}, 'composefs_backend'),
                ({'composefs_backend': True, 'bootloader': 'none'}, 'none'),
                ({'bootupd_skip_boot_uuid': True, 'bootloader': 'systemd'},
                 'bootupd'),
                ({'update_auth': True, 'block_setup': 'tpm2-luks'},
                 'encrypted'),
                ({'target_transport': 'oci'}, 'path'),
                ({'target_transport': 'oci-archive',
                  'target_imgref': 'r.test/os:1'}, 'path'),
                ({'target_imgref': '/srv/os'}, 'path'),
                ({'target_transport': 'containers-storage'},
                 'target_imgref')):
            self.assertIn(word, self.refused(**given))

    def test_other_transports_take_a_path_or_a_name(self):
        for transport, name in (('oci', '/srv/os:1'),
                                ('oci-archive', '/srv/os.tar'),
                                ('containers-storage', 'r.test/os:1')):
            found = options.Options.parse({
                'target_transport': transport, 'target_imgref': name})
            self.assertIn(f'--target-imgref={name}', found.checked().arguments(
                target_imgref=NAME, root_size=1 << 30))

    def test_a_path_cannot_lead_elsewhere(self):
        for path in ('/srv/../etc', '/a b', '/', '/x\ny'):
            self.assertRaises(errors.OptionError, options.Options.parse,
                              {'target_imgref': path})


class ArgumentsTestCase(testtools.TestCase):

    def arguments(self, *, given=None, **planned):
        return options.Options.parse(given).arguments(
            target_imgref=NAME, root_size=10 << 30, **planned)

    def test_an_install_without_options(self):
        self.assertEqual(
            ['--wipe', '--skip-fetch-check', '--root-size=10240M',
             f'--target-imgref={NAME}'], self.arguments())

    def test_an_install_with_all_options(self):
        found = self.arguments(given={
            'filesystem': 'btrfs', 'block_setup': 'tpm2-luks',
            'kargs': 'a b="c d"', 'karg_delete': 'quiet rhgb',
            'authorized_keys': KEY, 'target_imgref': 'r.test/os:2',
            'target_transport': 'oci', 'bound_images': 'skip',
            'bootloader': 'none', 'generic_image': True, 'stateroot': 'os',
            'composefs_backend': True, 'enforce_sigpolicy': True,
            'allow_missing_verity': True, 'uki_addon': ['one', 'two'],
            'bootupd_skip_boot_uuid': True, 'selinux': 'disabled'},
            authorized_keys_path='/keys', filesystem='ext4')
        self.assertEqual(
            ['--wipe', '--skip-fetch-check', '--root-size=10240M',
             '--target-imgref=r.test/os:2', '--block-setup=tpm2-luks',
             '--filesystem=btrfs', '--target-transport=oci',
             '--bound-images=skip', '--bootloader=none', '--stateroot=os',
             '--root-ssh-authorized-keys=/keys', '--karg=a',
             '--karg=b="c d"', '--karg-delete=quiet', '--karg-delete=rhgb',
             '--uki-addon=one', '--uki-addon=two',
             '--generic-image', '--composefs-backend',
             '--allow-missing-verity', '--enforce-container-sigpolicy',
             '--bootupd-skip-boot-uuid', '--disable-selinux'], found)

    def test_an_image_that_names_no_file_system_gets_one(self):
        self.assertIn('--filesystem=ext4', self.arguments(
            filesystem=options.FALLBACK_FILESYSTEM))

    def test_a_value_never_becomes_a_flag_of_its_own(self):
        found = self.arguments(given={'kargs': ['--via-loopback']})
        self.assertIn('--karg=--via-loopback', found)
        self.assertNotIn('--via-loopback', found)


class DocumentationTestCase(testtools.TestCase):

    def test_the_documentation_has_the_options_as_they_are(self):
        words = ' '.join(_DOC.read_text().split())
        table = words[words.index('Meaning * -'):]
        place = 0
        for name, kind in options.kinds().items():
            row = f'* - ``{name}`` - {kind.takes} - {kind.help}'
            # They stand in one order.
            place = table.find(row, place)
            self.assertNotEqual(-1, place, row)
