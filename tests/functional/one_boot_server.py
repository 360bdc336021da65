# SPDX-License-Identifier: Apache-2.0

"""A boot server and a host, which the tests of a class share."""

import testtools

from tests import boot_server
from tests import ironic_stand_in

HOSTS = '/api/v1/namespaces/default/baremetalhosts'
ISOS, CONFIGS = '/api/v1/iscsi-cdroms', '/api/v1/bootconfigs'
#: Seconds: more than any step needs on a busy machine.
PATIENCE = 60
MAC = '52:54:00:00:00:01'


def config(name, text='text\n'):
    """Return a config as it is created over REST."""
    return {'metadata': {'name': name}, 'spec': {
        'format': 'kickstart', 'data': {'ks.cfg': text}}}


class OneServerTestCase(testtools.TestCase):
    """Requests to that server."""

    options = ('auth_strategy = noauth\n'
               'trusted_proxies = 127.0.0.9/32, 127.0.0.1/32')

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.ironic = ironic_stand_in.IronicStandIn()
        cls.ironic.setUp()
        cls.addClassCleanup(cls.ironic.cleanUp)
        cls.node = cls.ironic.known.add('server1', MAC)
        fixture = boot_server.BootServer(cls.ironic.url,
                                         options=cls.options)
        fixture.setUp()
        cls.addClassCleanup(fixture.cleanUp)
        cls.server, cls.directory = fixture.process, fixture.directory

    def call(self, method, path, body=None, code=200, **headers):
        """Send a request; return the answer, which has that code."""
        found = self.server.call(method, path, body, **headers)
        self.assertEqual(code, found.code, found.data[:1000])
        return found
