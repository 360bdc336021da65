# SPDX-License-Identifier: Apache-2.0

"""Tests for the content of nodes that is kept on disk, not in memory."""

import gzip
import hashlib
import io
import os
import tracemalloc

from ironic.common import exception

from ironic_ext.data_image import content as iso_content
from ironic_ext.images import spool
from tests.unit.drivers import base

_MIB = 1 << 20
_SIZE = 24 * _MIB


class ContentTestCase(base.RedfishIsoTestCase):

    def setUp(self):
        super().setUp()
        self.content = os.urandom(_SIZE)
        file = self.images / 'large.bin'
        file.write_bytes(self.content)
        drive = io.BytesIO()
        iso_content.build({'openstack/latest/user_data': self.content},
                          'config-2', drive)
        packed = self.images / 'drive.gz'
        packed.write_bytes(gzip.compress(drive.getvalue(), 1))
        self.say(boot_iso=self.href,
                 boot_iso_files={'/a.bin': {'href': f'file://{file}'},
                                 '/b.bin': {'href': f'file://{file}'}},
                 configdrive=f'file://{packed}')

    def peak(self, method):
        """Return the bytes that a call had in memory at most."""
        tracemalloc.start()
        try:
            self.call(method)
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    def assertArrived(self, image):
        wanted = hashlib.sha256(self.content).digest()
        for path in ('/a.bin', '/b.bin', '/openstack/latest/user_data'):
            self.assertEqual(wanted, hashlib.sha256(
                image.read_file(path)).digest())

    def test_what_is_large_is_never_in_memory(self):
        # Three times 24 MiB, and the drive twice more.
        self.assertGreater(_SIZE, self.peak('validate'))
        self.assertGreater(_SIZE, self.peak('prepare_instance'))
        self.assertArrived(self.medium())
        self.assertEqual(0, spool.BUDGET.taken)
        self.assertEqual([], list((self.folder / 'state/content').iterdir()))

    def test_a_stream_is_no_different(self):
        self.config(delivery='stream', server_url='http://192.0.2.1:8092',
                    connection=f'sqlite:///{self.folder}/media.sqlite',
                    group='ext_media')
        self.assertGreater(_SIZE, self.peak('prepare_instance'))

    def test_all_nodes_share_one_budget(self):
        self.config(content_space=60, group='ext_boot')
        self.assertIn('[ext_boot]content_space', self.failure(
            exception.InvalidParameterValue, 'validate'))
        self.assertEqual(0, spool.BUDGET.taken)
