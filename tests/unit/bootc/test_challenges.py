# SPDX-License-Identifier: Apache-2.0

"""What a registry wants before it answers."""

import datetime
import email.utils

import testtools

from ironic_ext.bootc import challenges

BEARER = 'Bearer realm="https://t.test/x?a=b,c",service="s",scope="r:x:pull"'
VALUES = {'realm': 'https://t.test/x?a=b,c', 'service': 's',
          'scope': 'r:x:pull'}


class ChallengesTestCase(testtools.TestCase):

    def test_several_challenges_are_told_apart_in_any_order(self):
        for header in (f'{BEARER}, Basic realm="x"',
                       f'Basic realm="x", {BEARER}',
                       f'Negotiate, Basic realm="x",{BEARER}',
                       f'Negotiate a1b2c3==, {BEARER} , Basic realm=x',
                       f'NTLM , basic Realm = "x" , {BEARER}'):
            found = challenges.parse(header)
            self.assertEqual(VALUES, found['bearer'], header)
            self.assertEqual({'realm': 'x'}, found['basic'], header)

    def test_names_are_read_in_any_case_and_values_without_quotes(self):
        self.assertEqual(
            {'bearer': {'realm': 'https://t.test/y', 'service': 'a"b'}},
            challenges.parse(r'BEARER Realm=https://t.test/y, '
                             r'SERVICE="a\"b"'))

    def test_what_makes_no_sense_is_nothing(self):
        for header in ('', ',', '"', '=', 'x' * 90000, 'Bearer "', '\0',
                       ',' * 90000):
            self.assertEqual({}, challenges.parse(header).get('bearer', {}))

    def test_the_first_of_a_scheme_counts(self):
        self.assertEqual({'realm': 'a'}, challenges.parse(
            'Basic realm=a, Basic realm=b')['basic'])


class WaitTestCase(testtools.TestCase):

    def test_seconds_and_dates_are_read(self):
        self.assertEqual(17.0, challenges.seconds_to_wait('17'))
        soon = datetime.datetime.now(datetime.UTC) + datetime.timedelta(
            seconds=60)
        wait = challenges.seconds_to_wait(
            email.utils.format_datetime(soon, usegmt=True))
        self.assertTrue(50 < wait <= 60, wait)
        self.assertEqual(0.0, challenges.seconds_to_wait(
            'Fri, 31 Dec 1999 23:59:59 GMT'))

    def test_strange_words_mean_a_short_time(self):
        for text in (None, '', 'soon', '-5', '9' * 40, '1e9', '\u0665'):
            self.assertTrue(0 < challenges.seconds_to_wait(text) < 5, text)
