# SPDX-License-Identifier: Apache-2.0

"""A machine boots a Debian-like image from the media server's stream.

QEMU's block driver reads by Range, as a BMC does.
"""

import pathlib

import fixtures
import testtools

from ironic_ext import iso
from ironic_ext import spans
from lab import stack
from tests import guest
from tests import isos
from tests import media_streams

FILES = {'/openstack/latest/meta_data.json': b'{"uuid": "1"}',
         '/openstack/latest/user_data': b'#cloud-config\n' * 9000}
MIB = 1 << 20


class MachineTest(testtools.TestCase):

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        folder = fixtures.TempDir()
        folder.setUp()
        cls.addClassCleanup(folder.cleanUp)
        images = pathlib.Path(folder.path)
        cls.overlay = images / 'node-1.overlay'
        kernel, initrd = guest.make(images, stack.DEFAULT_CACHE)
        # Of the kind that boots with either firmware.
        cls.base = isos.hybrid(images, kernel=kernel, initrd=initrd,
                               payload=64 * MIB)
        with iso.IsoImage.open(cls.base) as opened, iso.inject(
                opened, iso.Injection(
                    append_args=f'{guest.ARGUMENTS} node=one', files=FILES,
                    initrd_files={'/injected': b'here'})) as image:
            image.save(cls.overlay)
            cls.size = image.size

    def _boots(self, firmware):
        folder = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        server = media_streams.Server(
            folder, {media_streams.TOKEN: media_streams.medium(
                self.base, self.overlay)}, workers=2)
        self.addCleanup(server.stop)
        server.start()
        report = guest.boot(
            f'http://127.0.0.1:{server.port}/{media_streams.TOKEN}/'
            'node-1.iso', firmware, 'cd')
        for word in (*guest.ARGUMENTS.split(), 'node=one'):
            self.assertIn(word, report.arguments)
        self.assertEqual('here', report.initrd)
        self.assertEqual(guest.sums(FILES), report.files.get('sr0'))
        server.stop()
        found = spans.joined(span for report in server.reports()
                             for span in report.ranges)
        # It read what it needed: not the payload.
        self.assertGreater(spans.total(found), MIB)
        self.assertLess(spans.total(found), self.size - 48 * MIB)

    def test_a_machine_boots_from_the_stream(self):
        self._boots('bios')

    def test_a_machine_boots_from_the_stream_with_uefi(self):
        self._boots('uefi')
