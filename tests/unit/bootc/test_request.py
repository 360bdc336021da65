# SPDX-License-Identifier: Apache-2.0

"""Tests for what the conductor asks the agent to install."""

import json

import testtools

from ironic_ext.bootc import credentials
from ironic_ext.bootc import errors
from ironic_ext.bootc import options
from ironic_ext.bootc import reference
from ironic_ext.bootc import request
from ironic_ext.bootc import sealing

TOKEN = 'the-token-of-the-agent'
PINNED = 'r.test:5000/os@sha256:' + 'a1' * 32
SECRETS = ('SecretWord', 'SecretDrive', 'SecretProxy')


def full():
    return request.InstallRequest(
        image=reference.Reference.parse(PINNED), imgref='r.test:5000/os:1',
        options=options.Options.parse({'kargs': 'a b'}),
        trust=request.Trust(ca='-----BEGIN', mirrors=('m.test/x',),
                            proxy='http://me:SecretProxy@p.test',
                            no_proxy='.test'),
        policy=request.SignaturePolicy('sigstore', ('PUBLIC KEY',),
                                       ('r.test:5000',)),
        size=request.Size(10, 30),
        store=request.Store('disk', True, '/dev/disk/by-id/x'),
        node_uuid='1be26c0b-03f2-4d2e-ae87-c02d7f33c123',
        credential=credentials.Credential.parse('me:SecretWord',
                                                'r.test:5000'),
        configdrive='SecretDrive')


class InstallRequestTestCase(testtools.TestCase):

    def refused(self, arguments, token=TOKEN):
        return str(self.assertRaises(
            errors.BootcError, request.InstallRequest.parse, arguments,
            token))

    def test_what_is_sent_is_what_arrives(self):
        for asked in (full(), request.InstallRequest(
                reference.Reference.parse(PINNED), PINNED)):
            sent = json.loads(json.dumps(asked.arguments(TOKEN)))
            self.assertEqual(asked,
                             request.InstallRequest.parse(sent, TOKEN))

    def test_the_arguments_show_no_secret(self):
        sent = json.dumps(full().arguments(TOKEN))
        for secret in SECRETS:
            self.assertNotIn(secret, sent)
            self.assertNotIn(secret, repr(full()))

    def test_only_the_agent_they_are_for_can_read_them(self):
        sent = full().arguments(TOKEN)
        for token in ('another-token', None, ''):
            self.assertIn('token', self.refused(sent, token))
        sent['sealed'] = sent['sealed'][:-4] + 'AAAA'
        self.assertIn('deploy again', self.refused(sent))

    def test_a_person_needs_to_name_the_image_alone(self):
        found = request.InstallRequest.parse(
            {'image': 'oci://r.test/os', 'options': {'kargs': 'x'}})
        self.assertEqual('r.test/os:latest', str(found.image))
        self.assertEqual('r.test/os:latest', found.imgref)
        self.assertEqual(('x',), found.options.kargs)
        self.assertIsNone(found.credential)
        self.assertEqual(request.Store(), found.store)

    def test_unknown_arguments_are_named(self):
        self.assertIn('"imgae"', self.refused(
            {'image': PINNED, 'imgae': PINNED}))
        for name, of in (('trust', {'ca': 5}), ('policy', {'keys': 'x'}),
                         ('size', {'unpacked': -1}), ('size', {'a': 1}),
                         ('store', {'allow_target_disk': 'no'})):
            self.assertIn(f'"{name}"', self.refused(
                {'image': PINNED, name: of}))
        for name in ('trust', 'policy', 'size', 'store'):
            message = self.refused({'image': PINNED, name: {'what': 1}})
            self.assertIn(f'"{name}"', message)
            self.assertIn('what', message)
            self.assertIn(f'"{name}"', self.refused(
                {'image': PINNED, name: 'text'}))

    def test_an_image_must_be_named(self):
        self.assertIn('no image', self.refused({}))

    def test_bad_options_are_found_in_the_agent_too(self):
        self.assertIn('filesystem', self.refused(
            {'image': PINNED, 'options': {'filesystem': 'zfs'}}))

    def test_a_policy_that_cannot_be_is_refused(self):
        for values in ({'kind': 'cosign'}, {'kind': 'sigstore'},
                       {'kind': 'gpg', 'keys': ()}):
            self.assertRaises(errors.OptionError, request.SignaturePolicy,
                              **values)

    def test_a_store_that_cannot_be_is_refused(self):
        for values in ({'kind': 'tape'}, {'device': '/etc/passwd'},
                       {'device': '/dev/../etc/passwd'}, {'device': 5}):
            self.assertRaises(errors.OptionError, request.Store, **values)

    def test_a_step_asks_for_no_secret(self):
        # Ironic shows the arguments of steps.
        self.assertEqual({'image', 'options'}, {*request.ARGSINFO})


class SealingTestCase(testtools.TestCase):

    def test_the_same_secret_never_looks_the_same(self):
        first, second = (sealing.seal({'a': 'b'}, TOKEN) for _ in range(2))
        self.assertNotEqual(first, second)
        self.assertEqual({'a': 'b'}, sealing.unseal(first, TOKEN))

    def test_what_is_not_sealed_is_refused(self):
        for text in ('', 'x', 'ünseal', '====', 'gAAAAA=='):
            self.assertRaises(errors.BootcError, sealing.unseal, text, TOKEN)
