# SPDX-License-Identifier: Apache-2.0

"""Tokens of machines."""

import hmac
import os
import stat
import tempfile
import unittest.mock

import fixtures
import testtools

from ironic_ext.node import tokens

UUID = '6f1b2a30-0000-4000-8000-000000000001'
KEY = b'k' * 32


class TokenTestCase(testtools.TestCase):
    """Tokens."""

    def test_a_token_names_its_node_until_it_ends(self):
        signer = tokens.Tokens([KEY])
        token, _ends = signer.new(UUID, 60)
        self.assertEqual(UUID, signer.read(token).node)
        with unittest.mock.patch('time.time', lambda: 1e9):
            old, _ends = signer.new(UUID, 60)
        error = self.assertRaises(tokens.TokenError, signer.read, old)
        self.assertIn('expired', str(error))

    def test_a_changed_token_is_none(self):
        signer = tokens.Tokens([KEY])
        token, _ends = signer.new(UUID, 60)
        for position in range(len(token)):
            changed = (token[:position]
                       + ('A' if token[position] != 'A' else 'B')
                       + token[position + 1:])
            self.assertRaises(tokens.TokenError, signer.read, changed)
        for other in ('', 'x', token + 'A', token + '=', token[:-1],
                      token + '\n', ' ' + token, 'ä' * 48, 'ä' * 60,
                      token.replace('-', '+').replace('_', '/') + '!'):
            self.assertRaises(tokens.TokenError, signer.read, other)

    def test_keys_can_be_changed_without_an_end_to_tokens(self):
        token, _ends = tokens.Tokens([b'o' * 32]).new(UUID, 60)
        self.assertEqual(UUID,
                         tokens.Tokens([KEY, b'o' * 32]).read(token).node)
        self.assertRaises(tokens.TokenError, tokens.Tokens([KEY]).read,
                          token)

    def test_the_key_is_made_once_and_for_the_owner_only(self):
        path = os.path.join(self.useFixture(fixtures.TempDir()).path, 'key')
        token, _ends = tokens.Tokens.from_file(path).new(
            UUID, 60)
        self.assertEqual(0o600, stat.S_IMODE(os.stat(path).st_mode))
        self.assertEqual(UUID,
                         tokens.Tokens.from_file(path).read(token).node)

    def test_a_file_without_keys_is_refused(self):
        with tempfile.NamedTemporaryFile('w') as file:
            file.write('secret\n')
            file.flush()
            self.assertRaises(ValueError, tokens.Tokens.from_file, file.name)

    def test_a_token_says_which_generation_it_is_of(self):
        signer = tokens.Tokens([KEY])
        generation = tokens.Generation(1 << 31, 7)
        token, _ends = signer.new(UUID, 60, generation)
        self.assertEqual((UUID, generation), signer.read(token))

    def test_signatures_are_compared_in_constant_time(self):
        compared, really = [], hmac.compare_digest

        def compare(one, other):
            compared.append((one, other))
            return really(one, other)

        token, _ends = tokens.Tokens([KEY]).new(UUID, 60)
        signer = tokens.Tokens([KEY, b'o' * 32])
        with unittest.mock.patch.object(tokens.hmac, 'compare_digest',
                                        compare):
            signer.read(token)
        # With every key, whichever is the one.
        self.assertEqual(2, len(compared))
