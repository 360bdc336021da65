# SPDX-License-Identifier: Apache-2.0

"""Tests for the URLs of streamed images."""

import re

import testtools

from ironic_ext.media import tokens

TOKEN = 'AbCdEfGhIjKlMnOpQrSt_-'


class TokensTestCase(testtools.TestCase):

    def test_tokens_have_128_random_bits_and_are_never_the_same(self):
        made = {tokens.new_token() for _n in range(100)}
        self.assertEqual(100, len(made))
        for token in made:
            self.assertTrue(re.fullmatch('[A-Za-z0-9_-]{22}', token), token)

    def test_what_is_kept_does_not_have_the_token(self):
        kept = tokens.digest(TOKEN)
        self.assertEqual(64, len(kept))
        self.assertNotIn(TOKEN, kept)
        self.assertNotEqual(kept, tokens.digest(TOKEN[:-1] + 'A'))

    def test_a_url_ends_in_the_nodes_name_and_iso(self):
        self.assertEqual(
            f'https://x:8092/base/{TOKEN}/node-7.example.iso',
            tokens.url('https://x:8092/base/', TOKEN,
                       tokens.file_name('node-7.example')))

    def test_a_name_cannot_leave_its_place_in_the_url(self):
        self.assertEqual('..-..-a-b-c-d.iso',
                         tokens.file_name('../../a b?c#d'))

    def test_a_url_that_would_be_too_long_goes_without_the_name(self):
        name = tokens.file_name('a' * 60)
        for limit, wanted in ((0, name), (200, name), (80, f'{TOKEN}.iso')):
            url = tokens.url('http://192.0.2.1:8092', TOKEN, name, limit)
            self.assertEqual(wanted, url.rpartition('/')[2])
            self.assertTrue(not limit or len(url) <= limit)

    def test_a_url_that_just_fits_keeps_the_name(self):
        url = tokens.url('http://x', TOKEN, 'node.iso')
        self.assertEqual(
            url, tokens.url('http://x', TOKEN, 'node.iso', len(url)))

    def test_every_url_is_recognised_by_the_digest_of_its_token(self):
        for text in (f'http://x/{TOKEN}/node-7.iso', f'x {TOKEN}.iso y',
                     f'http://x/{TOKEN}.iso node-7.iso'):
            self.assertEqual({tokens.digest(TOKEN)},
                             tokens.digests_in(text))

    def test_a_removable_disk_has_a_name_of_its_own(self):
        for url in (f'http://x/{TOKEN}/node-7.iso', f'http://x/{TOKEN}.iso'):
            found = tokens.removable(url)
            self.assertEqual(url[:-4] + '.img', found)
            self.assertEqual({tokens.digest(TOKEN)},
                             tokens.digests_in(found))
            self.assertNotIn(TOKEN, tokens.masked(found))

    def test_no_token_is_seen_where_none_is(self):
        for text in ('', 'http://x/live.iso', f'http://x/{TOKEN}a/x.iso',
                     f'{"a" * 32}-{TOKEN}.iso', f'/{TOKEN}/Actions'):
            self.assertEqual(frozenset(), tokens.digests_in(text), text)
            self.assertEqual(text, tokens.masked(text))

    def test_the_token_is_masked_wherever_a_log_has_a_url(self):
        text = f"POST {{'Image': 'http://x/{TOKEN}/node-7.iso'}}: 500"
        self.assertEqual("POST {'Image': 'http://x/***/node-7.iso'}: 500",
                         tokens.masked(text))
