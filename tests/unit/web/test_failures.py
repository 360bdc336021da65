# SPDX-License-Identifier: Apache-2.0

"""What exceptions of requests mean, without a word of their texts."""

import socket
import ssl

import requests
import testtools
import urllib3

from ironic_ext.web import failures

SECRET = 'http://me:SecretWord@h.test/?token=SecretWord'


def nested(cause: BaseException) -> Exception:
    """Wrap an exception as requests and urllib3 do."""
    inner = urllib3.exceptions.MaxRetryError(None, SECRET, cause)
    return requests.exceptions.ConnectionError(inner)


class FailuresTest(testtools.TestCase):

    def assertSays(self, kind: failures.Kind, text: str, exc: Exception
                   ) -> None:
        found = failures.of_exception(exc, 'give it as x')
        self.assertEqual(kind, found.kind)
        self.assertIn(text, found.text)
        self.assertNotIn('SecretWord', found.text)

    def test_a_certificate_is_judged_first(self) -> None:
        for code, text in ((10, 'has expired'), (62, 'another host name'),
                           (18, 'not trusted: give it as x'),
                           (7, 'is not accepted (broken)')):
            cause = ssl.SSLCertVerificationError(1, 'x')
            cause.verify_code, cause.verify_message = code, 'broken'
            self.assertSays(failures.Kind.CERTIFICATE, text, nested(cause))

    def test_an_alert_says_whose_fault_it_is(self) -> None:
        for reason, kind in (
                ('TLSV13_ALERT_CERTIFICATE_REQUIRED', failures.Kind.CLIENT),
                ('WRONG_VERSION_NUMBER', failures.Kind.TLS)):
            cause = ssl.SSLError(1, 'x')
            cause.reason = reason
            self.assertSays(kind, 'server', nested(cause))

    def test_what_lasts_is_told_from_what_passes(self) -> None:
        for cause, kind, text in (
                (socket.gaierror(socket.EAI_NONAME, 'x'),
                 failures.Kind.NAME, 'not known'),
                (socket.gaierror(socket.EAI_AGAIN, 'x'),
                 failures.Kind.NETWORK, 'name service'),
                (OSError('Tunnel connection failed: 407 x'),
                 failures.Kind.PROXY, 'other credentials'),
                (ConnectionRefusedError(), failures.Kind.NETWORK, 'refused'),
                (TimeoutError(), failures.Kind.SILENCE, 'nothing any more')):
            self.assertSays(kind, text, nested(cause))
            self.assertEqual(
                kind in (failures.Kind.NETWORK, failures.Kind.SILENCE),
                kind in failures.PASSING)

    def test_a_circle_of_causes_has_an_end(self) -> None:
        one, two = ValueError('a'), ValueError('b')
        one.__cause__, two.__cause__ = two, one
        self.assertEqual([one, two], list(failures.causes(one)))
