# SPDX-License-Identifier: Apache-2.0

"""Tests for the names of images in registries."""

import testtools

from ironic_ext.bootc import errors
from ironic_ext.bootc import reference

SHA256 = 'sha256:' + 'a1' * 32
SHA512 = 'sha512:' + 'b2' * 64


class ReferenceTestCase(testtools.TestCase):

    def parsed(self, text):
        return reference.Reference.parse(text)

    def refused(self, text):
        return str(self.assertRaises(errors.ImageNameError, self.parsed,
                                     text))

    def test_a_name_is_taken_apart(self):
        for text, wanted in (
                ('oci://quay.io/fedora/fedora-bootc:42',
                 ('quay.io', 'fedora/fedora-bootc', '42', None)),
                ('docker://r.test:5000/os',
                 ('r.test:5000', 'os', 'latest', None)),
                (f'oci://r.test/a/b__c/d-e.f@{SHA256}',
                 ('r.test', 'a/b__c/d-e.f', None, SHA256)),
                (f'r.test/os:1@{SHA512}', ('r.test', 'os', '1', SHA512)),
                ('OCI://[2001:db8::1]:5000/os:v1.2_3-x',
                 ('[2001:db8::1]:5000', 'os', 'v1.2_3-x', None)),
                ('docker://docker.io/debian:13',
                 ('docker.io', 'library/debian', '13', None)),
                (' oci://localhost/os ', ('localhost', 'os', 'latest',
                                          None))):
            self.assertEqual(reference.Reference(*wanted), self.parsed(text))

    def test_a_name_reads_as_it_was_written(self):
        for text in ('r.test:5000/a/b:1', f'r.test/a@{SHA256}',
                     f'r.test/a:1@{SHA256}'):
            self.assertEqual(text, str(self.parsed(f'oci://{text}')))

    def test_what_lies_on_a_machine_is_refused(self):
        for text in ('containers-storage:r.test/os',
                     'containers-storage://r.test/os', 'dir:/tmp/image',
                     'oci-archive:/tmp/os.tar', 'oci:/tmp/os',
                     'docker-daemon:os:1', 'file:///os', 'ostree:r.test/x'):
            self.assertIn('cannot be deployed', self.refused(text))

    def test_a_host_may_have_the_name_of_a_transport(self):
        self.assertEqual('docker:5000',
                         self.parsed('docker:5000/os').registry)

    def test_what_names_no_image_is_refused(self):
        for text in (None, 5, '', '  ', 'fedora', 'oci://quay.io',
                     'oci://quay.io/', 'oci:///os', 'oci://r.test/OS',
                     'oci://r.test/a//b', 'oci://r.test/../x',
                     'oci://r.test/os:', 'oci://r.test/os:a b',
                     'oci://r.test/os@sha256:abc', 'oci://r.test/os@md5:ab',
                     'oci://-r.test/os', 'oci://r.test:x/os',
                     'oci://r.test/os?a=b', 'oci://r.test/os#a',
                     'oci://r.test/' + 'a' * 300, 'oci://r_test/os',
                     'oci://r.test/os:' + 'a' * 129):
            self.refused(text)

    def test_a_password_in_a_name_is_refused_and_not_shown(self):
        for text in ('oci://me:SecretWord@r.test/os',
                     'oci://me:SecretWord@r.test',
                     f'oci://me:SecretWord@r.test/os@{SHA256}',
                     'me:SecretWord@r.test/os:1'):
            self.assertNotIn('SecretWord', self.refused(text))

    def test_a_pinned_name_has_its_digest_alone(self):
        found = self.parsed('oci://r.test/os:1').pinned(SHA256)
        self.assertEqual(f'r.test/os@{SHA256}', str(found))

    def test_updates_follow_the_tag_where_there_is_one(self):
        for text, wanted in (
                ('r.test/os:1', 'r.test/os:1'),
                ('r.test/os', 'r.test/os:latest'),
                (f'r.test/os:1@{SHA256}', 'r.test/os:1'),
                (f'r.test/os@{SHA256}', f'r.test/os@{SHA256}')):
            self.assertEqual(wanted, self.parsed(text).followed)

    def test_a_registry_is_asked_for_the_digest_first(self):
        for text, wanted in (('r.test/os:1', '1'),
                             (f'r.test/os:1@{SHA256}', SHA256)):
            self.assertEqual(wanted, self.parsed(text).version)

    def test_a_scope_holds_what_is_below_it(self):
        found = self.parsed('quay.io/fedora/bootc:1')
        for scope in ('quay.io', 'quay.io/fedora', 'quay.io/fedora/',
                      'quay.io/fedora/bootc'):
            self.assertTrue(found.lies_in(scope), scope)
        for scope in ('', 'quay.i', 'quay.io/fed', 'quay.io/fedora/boo',
                      'io', 'quay.io:443'):
            self.assertFalse(found.lies_in(scope), scope)

    def test_a_digest_of_a_stranger_is_looked_at(self):
        found = self.parsed('r.test/os')
        found.pinned(SHA256).checked()
        for digest in ('sha256:abc', '../x', '', f'{SHA256}\n'):
            self.assertRaises(errors.ImageNameError,
                              found.pinned(digest).checked)


class ShortNamesTestCase(testtools.TestCase):

    def test_dockers_short_names_are_those_of_containers_tools(self):
        for text in ('docker.io/fedora', 'oci://index.docker.io/fedora',
                     'docker://docker.io/library/fedora'):
            self.assertEqual('docker.io/library/fedora:latest', str(
                reference.Reference.parse(text)))
        self.assertEqual('docker.io/team/os:1', str(
            reference.Reference.parse('docker.io/team/os:1')))

    def test_what_the_machine_would_ask_docker_for_is_refused(self):
        for text in ('team/os', 'oci://registry/os:1', 'oci://Team/os'):
            self.assertIn('docker.io/', str(self.assertRaises(
                errors.ImageNameError, reference.Reference.parse, text)))
        for text in ('localhost/os', 'registry:5000/os'):
            reference.Reference.parse(text)
