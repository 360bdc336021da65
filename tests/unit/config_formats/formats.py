# SPDX-License-Identifier: Apache-2.0

"""What the tests of formats share."""

import testtools

from ironic_ext import catalog
from ironic_ext import config_formats

URL = 'http://192.0.2.1:8082/api/v1/bootconfig/token/'


def resolve(name, data, **spec):
    """Return a config of those files."""
    if isinstance(data, str):
        data = {'file': data}
    return config_formats.resolve(catalog.BootConfigSpec(name, data, **spec))


class FormatTestCase(testtools.TestCase):

    def refusal(self, name, data, **spec):
        """Return (line, reason) of the one thing that is wrong."""
        error = self.assertRaises(config_formats.ConfigError, resolve, name,
                                  data, **spec)
        self.assertEqual(1, len(error.findings), str(error))
        return error.findings[0].line, error.findings[0].reason
