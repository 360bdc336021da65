# SPDX-License-Identifier: Apache-2.0

"""What tests of downloads over HTTP have in common."""

import random

from oslotest import base

from ironic_ext.images.http import service as http
from ironic_ext.images import settings as image_settings
from tests import fault_server as faults
from tests import memory_target

MIB = 1 << 20
CONTENT = random.Random(1).randbytes(3 * MIB + 17)
OTHER = random.Random(2).randbytes(3 * MIB + 99)


def settings(**facts):
    return image_settings.Settings(**{
        'retry_interval': 0.01, 'retry_ceiling': 0.05, 'retries': 3,
        'stall_timeout': 10, 'connect_timeout': 10,
        'access': image_settings.Access(proxies={}), **facts})


class DownloadTestCase(base.BaseTestCase):

    def setUp(self):
        super().setUp()
        context = faults.serving()
        self.server = context.__enter__()
        self.addCleanup(context.__exit__, None, None, None)
        self.url = f'{self.server.url}/a.iso'
        self.target = memory_target.MemoryTarget()
        self.service = http.HttpImageService(settings())

    def serve(self, content=CONTENT, **facts):
        return self.server.add('/a.iso', content, **facts)

    def fetch(self, known=None):
        return self.service.fetch(self.url, self.target, known)

    def assertDownloaded(self, content=CONTENT):
        self.assertEqual([], self.target.missing())
        if content != self.target.content:  # megabytes are no message
            self.fail('the content differs')

    def assertFails(self, kind, text):
        failure = self.assertRaises(kind, self.fetch)
        self.assertIn(text, str(failure))
        self.assertNotIn('\n', str(failure))
        return failure
