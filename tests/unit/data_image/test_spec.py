# SPDX-License-Identifier: Apache-2.0

"""Tests for the description of a data image."""

import base64
import json

import testtools

from ironic_ext.data_image import spec

LIMITS = spec.Limits(file=1000, total=1500)
URL = 'https://images.example.com/data.iso?signature=TOP'
SUM = 'sha256:' + 'a' * 64
PEM = '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n'


def parse(**data):
    return spec.parse(data, LIMITS)


class ParseTestCase(testtools.TestCase):

    def refusal(self, data):
        return str(self.assertRaises(spec.SpecError, spec.parse, data,
                                     LIMITS))

    def test_a_url_is_enough(self):
        found = parse(url=URL)
        self.assertEqual(URL, found.url)
        self.assertIs(spec.Apply.IMMEDIATE, found.apply)
        self.assertIs(spec.Delivery.CONDUCTOR, found.delivery)
        self.assertIsNone(found.device)

    def test_every_field_is_taken(self):
        found = parse(url=URL, username='u', password='p', ca=PEM,
                      checksum=SUM, device='usb', apply='on_reboot',
                      delivery='conductor')
        self.assertEqual(('u', 'p', PEM, SUM, spec.Device.USB,
                          spec.Apply.ON_REBOOT),
                         (found.username, found.password, found.ca,
                          found.checksum, found.device, found.apply))

    def test_an_unknown_field_is_refused_with_the_nearest_known(self):
        self.assertIn('did you mean checksum?',
                      self.refusal({'url': URL, 'cheksum': SUM}))
        self.assertIn('there are url, files',
                      self.refusal({'url': URL, 'qqq': 1}))

    def test_what_contradicts_itself_is_refused(self):
        for data, words in (
                ({}, 'either a url or files'),
                ({'url': URL, 'files': {'a': 'b'}}, 'either a url or files'),
                ({'url': URL, 'label': 'X'}, 'label goes with files'),
                ({'files': {'a': 'b'}, 'checksum': SUM},
                 'checksum goes with a url'),
                ({'files': {'a': 'b'}, 'delivery': 'bmc'},
                 'delivery goes with a url'),
                ({'url': URL, 'username': 'u'}, 'go together'),
                ({'url': URL, 'password': 'p'}, 'go together'),
                ({'url': URL, 'insecure': True, 'ca': PEM}, 'exclude'),
                ({'url': URL, 'checksum': SUM, 'delivery': 'bmc'},
                 'a BMC verifies none'),
                ({'url': 'file:///data.iso', 'delivery': 'bmc'},
                 'needs an http'),
                ({'url': 'file:///data.iso', 'username': 'u',
                  'password': 'p'}, 'goes with an http')):
            with self.subTest(data):
                self.assertIn(words, self.refusal(data))

    def test_what_is_malformed_is_refused(self):
        for data, words in (
                ('text', 'JSON object'),
                ({'url': 5}, 'url is a text'),
                ({'url': ''}, 'url is a text'),
                ({'url': 'data.iso'}, 'must be a URL'),
                ({'url': 'http:///data.iso'}, 'malformed'),
                ({'url': 'http://[::1/data.iso'}, 'malformed'),
                ({'url': 'http://h:port/data.iso'}, 'malformed'),
                ({'url': 'http://h/a b'}, 'malformed'),
                ({'url': 'http://h/\r\nHost: x'}, 'control characters'),
                ({'url': 'http://h/' + 'x' * 3000}, 'longer than 2048'),
                ({'url': URL, 'insecure': 'no'}, 'true or false'),
                ({'url': URL, 'ca': 'none'}, 'no PEM'),
                ({'url': URL, 'checksum': 'sha256:12'}, 'malformed'),
                ({'url': URL, 'device': 'floppy'},
                 'one of cdrom, usb, not "floppy"'),
                ({'url': URL, 'device': ['usb']}, 'one of cdrom, usb'),
                ({'url': URL, 'apply': 'never'}, 'immediate, on_reboot'),
                ({'url': URL, 'delivery': 'pigeon'}, 'conductor, bmc'),
                ({'files': {'a': 'b'}, 'label': 'no good'}, 'label has'),
                ({'files': {'a': 'b'}, 'label': 'x' * 33}, 'label has')):
            with self.subTest(data):
                self.assertIn(words, self.refusal(data))

    def test_credentials_in_the_url_are_refused_and_not_repeated(self):
        message = self.refusal({'url': 'http://me:hunter2@h/data.iso'})
        self.assertIn('username and password', message)
        self.assertNotIn('hunter2', message)


class FilesTestCase(testtools.TestCase):

    def refusal(self, files):
        return str(self.assertRaises(spec.SpecError, parse, files=files))

    def test_text_and_base64_are_taken(self):
        found = parse(label='cidata', files={
            'meta-data': 'id: é',
            '/a/b': {'content': base64.b64encode(b'\0\xff').decode(),
                     'encoding': 'base64'},
            'empty': {'content': '', 'encoding': 'text'}})
        self.assertEqual({'meta-data': 'id: é'.encode(), 'a/b': b'\0\xff',
                          'empty': b''}, found.files)
        self.assertEqual('cidata', found.label)

    def test_a_label_is_made_up_when_there_is_none(self):
        self.assertEqual('DATA', parse(files={'a': ''}).label)

    def test_bad_paths_are_refused(self):
        for path in ('', '/', 'a/', 'a//b', '../a', 'a/./b', 'a\0b', 'a*',
                     'a:b', 'a;1', 'a\\b', 'x' * 65, '\ud800',
                     '/'.join('abcdefghi')):
            with self.subTest(path):
                self.assertIn('files: ', self.refusal({path: 'x'}))

    def test_one_path_for_two_things_is_refused(self):
        self.assertIn('as a file and as a directory',
                      self.refusal({'a': 'x', 'a/b': 'y'}))
        self.assertIn('twice', self.refusal({'a': 'x', '/a': 'y'}))

    def test_bad_contents_are_refused(self):
        for content, words in (
                (5, 'must be text'), (None, 'must be text'),
                ({'content': 'x', 'mode': 1}, 'content and encoding only'),
                ({'content': 'x', 'encoding': 'rot13'}, 'text or base64'),
                ({'content': '#', 'encoding': 'base64'}, 'is not base64'),
                ('\ud800', 'not valid Unicode')):
            with self.subTest(content):
                self.assertIn(words, self.refusal({'a': content}))

    def test_no_files_and_too_many_are_refused(self):
        self.assertIn('one at least', self.refusal({}))
        self.assertIn('one at least', self.refusal(['a']))
        self.assertIn('more than 1000', self.refusal(
            {f'f{n}': '' for n in range(1001)}))

    def test_what_is_too_large_is_refused_before_it_is_decoded(self):
        # Not base64 at all: that it is too large must be seen first.
        huge = {'content': '#' * 8000, 'encoding': 'base64'}
        self.assertIn('larger than the limit of 1000', self.refusal(
            {'a': huge}))
        self.assertIn('1500 bytes in all', self.refusal(
            {'a': 'x' * 999, 'b': 'x' * 999}))


class ShowTestCase(testtools.TestCase):

    def test_json_is_good_both_ways(self):
        for found in (parse(url=URL, username='u', password='p', ca=PEM,
                            device='cdrom'),
                      parse(url=URL, insecure=True, delivery='bmc'),
                      parse(label='X', files={'a': 'é', 'b': {
                          'content': '/w==', 'encoding': 'base64'}})):
            text = json.dumps(found.to_json())
            self.assertEqual(found, spec.parse(json.loads(text), LIMITS))

    def test_nothing_secret_is_shown(self):
        found = parse(url=URL, username='me', password='hunter2',
                      checksum='http://h/sums?token=TOP')
        for text in (repr(found), found.title,
                     json.dumps(found.redacted())):
            self.assertNotIn('hunter2', text)
            self.assertNotIn('TOP', text)
        self.assertEqual('******', found.redacted()['password'])
        self.assertEqual('me', found.redacted()['username'])
        self.assertEqual('https://images.example.com/data.iso',
                         found.redacted()['url'])

    def test_of_files_the_sizes_are_shown(self):
        found = parse(files={'user-data': 'password: hunter2'})
        self.assertEqual({'user-data': {'size': 17}},
                         found.redacted()['files'])
        self.assertNotIn('hunter2', repr(found))

    def test_another_time_to_apply_is_the_same_medium(self):
        found = parse(url=URL)
        self.assertTrue(found.same_medium(parse(url=URL, apply='on_reboot')))
        self.assertFalse(found.same_medium(parse(url=URL, device='usb')))
