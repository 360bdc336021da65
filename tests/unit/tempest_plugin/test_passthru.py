# SPDX-License-Identifier: Apache-2.0

"""Vendor passthru by tempest's own client."""

import unittest.mock

from tempest.lib.common import rest_client
import testtools

from ironic_ext_tempest_plugin.services import passthru


class PassthruTestCase(testtools.TestCase):

    def call(self, *words, status='200', data=b'{"a": 1}', **options):
        """Call with the checks of tempest; return what it asked, and got."""
        client = rest_client.RestClient(unittest.mock.Mock(), 'x', 'y')
        answer = unittest.mock.Mock(status=int(status))
        with unittest.mock.patch.multiple(
                client, get=unittest.mock.DEFAULT, put=unittest.mock.DEFAULT,
                delete=unittest.mock.DEFAULT) as asked:
            for mock in asked.values():
                mock.return_value = answer, data
            found = passthru.call(client, 'node-7', 'boot_media', *words,
                                  **options)
        (method,) = [name for name, mock in asked.items() if mock.called]
        return method, asked[method].call_args.args, found

    def test_each_method_is_asked_and_its_answer_read(self):
        path = 'v1/nodes/node-7/vendor_passthru?method=boot_media'
        self.assertEqual(('get', (path,), {'a': 1}), self.call())
        self.assertEqual(('delete', (path,), None),
                         self.call('DELETE', status='204', data=b''))
        self.assertEqual(('put', (path, '{"url": "u"}'), {'a': 1}),
                         self.call('PUT', {'url': 'u'}, status='202'))
