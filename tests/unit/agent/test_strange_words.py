# SPDX-License-Identifier: Apache-2.0

"""Whatever is given, the answer is an error of ours, or is of use."""

import json
import random

import testtools

from ironic_ext.bootc import credentials
from ironic_ext.bootc import errors
from ironic_ext.bootc import options
from ironic_ext.bootc import reference
from ironic_ext.bootc import request

_SEEDS = (
    'oci://r.test:5000/a/b:1', 'docker://[::1]:5000/x@sha256:' + 'a' * 64,
    'me:pw', '{"auths":{"r":{"auth":"bTpw"}}}', 'eyJhdXRocyI6e319',
    'a="b c" d', '20G')
_ODD = 'abzA0:/@.-_[]%# \n\t"\\{}é\0=+'
_VALUES = (None, 5, 1.5, True, [], {}, [1], {'a': 1}, b'x', ['a', 'b'],
           float('nan'), 10 ** 30, 'x' * 100000)
_ARGUMENTS = ('image', 'imgref', 'options', 'trust', 'policy', 'size',
              'store', 'sealed', 'pull_secret', 'node_uuid', 'configdrive')
_ROUNDS = 1500


class StrangeWordsTestCase(testtools.TestCase):

    def setUp(self):
        super().setUp()
        self.random = random.Random(7)

    def text(self):
        """Return something that is nearly right."""
        text = self.random.choice(_SEEDS)
        for _ in range(self.random.randrange(6)):
            place = self.random.randrange(len(text) + 1)
            rest = self.random.choice((
                self.random.choice(_ODD) + text[place:], text[place + 1:],
                text[place:] + text[place:]))
            text = text[:place] + rest
        return text

    def value(self):
        text = self.text()
        return self.random.choice((*_VALUES, text, [text], {text: text}))

    def test_an_image_is_named_or_it_is_not(self):
        named = 0
        for _ in range(_ROUNDS):
            try:
                found = reference.Reference.parse(self.text())
            except errors.ImageNameError:
                continue
            named += 1
            self.assertEqual(found, reference.Reference.parse(str(found)))
            reference.Reference.parse(found.followed)
        self.assertGreater(named, 10)

    def test_a_secret_is_of_use_or_it_is_not(self):
        for _ in range(_ROUNDS):
            try:
                found = credentials.Credential.parse(self.value(), 'r.test')
            except errors.CredentialError:
                continue
            self.assertEqual(found, credentials.Credential.parse(
                json.loads(json.dumps(found.to_dict())), 'r.test'))

    def test_options_can_be_sent_or_are_refused(self):
        names = [*options.kinds(), 'unknown']
        for _ in range(_ROUNDS):
            given = {self.random.choice(names): self.value()}
            try:
                found = options.Options.parse(given)
            except errors.OptionError:
                continue
            self.assertEqual(found, options.Options.parse(
                json.loads(json.dumps(found.to_dict()))))

    def test_arguments_are_read_or_refused(self):
        for _ in range(_ROUNDS):
            given = {'image': 'r.test/os',
                     self.random.choice(_ARGUMENTS): self.value()}
            try:
                found = request.InstallRequest.parse(given, 'token')
            except errors.BootcError:
                continue
            self.assertEqual(found, request.InstallRequest.parse(
                json.loads(json.dumps(found.arguments('token'))), 'token'))
