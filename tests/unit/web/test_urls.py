# SPDX-License-Identifier: Apache-2.0

"""What of a URL may be shown."""

import testtools

from ironic_ext.web import urls


class RedactedTestCase(testtools.TestCase):
    """Whoever sees a log is not to get in."""

    def test_secrets_are_left_out(self):
        for href, shown in (
                ('https://user:S3cret@example.com:8443/a.iso?sig=x#f',
                 'https://example.com:8443/a.iso'),
                ('oci://example.com/a:b', 'oci://example.com/a:b'),
                ('live', 'live'), ('a?token=x', 'a'),
                ('http://[::1', '(malformed URL)')):
            self.assertEqual(shown, urls.redacted(href))
