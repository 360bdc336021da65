# SPDX-License-Identifier: Apache-2.0

"""iPXE boots a machine from a stream, while media servers come and go.

Without Ironic: an operator's own iPXE script needs no more than the URL.
"""

import collections.abc
import concurrent.futures
import pathlib
import tempfile

from oslo_config import cfg
import testtools

from ironic_ext import conf as options
from ironic_ext.images import configured
from ironic_ext import iso
from ironic_ext.media import delivery
from ironic_ext.media import medium as media
from ironic_ext.media import publish
from ironic_ext.media import records
from lab import media_server
from lab import process
from lab import stack
from tests import guest
from tests import isos

NODE = '1be26c0b-03f2-4d2e-ae87-c02d7f33c123'
ARGUMENTS = f'{guest.ARGUMENTS} node=seven'
#: Bytes of an image that are less than its kernel has.
_PART = 4 << 20


class SanbootTestCase(testtools.TestCase):

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.folder = pathlib.Path(folder.name)
        cls.images = cls.folder / 'images'
        cls.images.mkdir()
        kernel, initrd = guest.make(cls.folder, stack.DEFAULT_CACHE)
        cls.iso = isos.KINDS['hybrid'].build(cls.images, kernel=kernel,
                                             initrd=initrd)

    def setUp(self) -> None:
        super().setUp()
        folder = tempfile.TemporaryDirectory(dir=self.folder)
        self.addCleanup(folder.cleanup)
        self.directory = pathlib.Path(folder.name)
        self.servers = []
        for name in ('one', 'other'):
            server = media_server.MediaServer(name, self.directory,
                                              self.images)
            self.addCleanup(server.stop)
            server.start()
            self.servers.append(server)
        self.balancer = media_server.LoadBalancer(self.servers[0])
        self.addCleanup(self.balancer.stop)
        self.balancer.start()

        conf = cfg.ConfigOpts()
        options.register_opts(conf)
        configured.register_ironic_opts(conf)
        conf(['--config-file', str(self.servers[0].config)])
        self.store = configured.store_from(conf,
                                           configured.settings_from(conf))
        self.records = records.MediaRecords(conf.ext_media.connection)
        self.addCleanup(self.records.close)

    def deliver(self) -> str:
        """Make a stream; return its URL as the machine reaches it."""
        deliveries = delivery.Deliveries(
            NODE, 'node-7',
            delivery.Settings(media.Kind.STREAM, self.balancer.url.replace(
                '127.0.0.1', '10.0.2.2')),
            publish.MediaStore('', ''), lambda: self.records,
            lambda: self.store)
        medium = deliveries.new(media.Purpose.INSTANCE)
        with self.store.lease(f'file://{self.iso}') as base:
            with iso.IsoImage.open(base.path) as image, iso.inject(
                    image, iso.Injection(
                        append_args=ARGUMENTS,
                        initrd_files={'/injected': b'here'})) as customised:
                return deliveries.deliver(
                    medium, customised,
                    media.Origin(base.digest, base.size, base.href)).url

    def read_bytes(self) -> int:
        """Return how much of the medium is on record as read."""
        (_medium, reads), = self.records.of_node(NODE)
        return reads.distinct

    def boot(self, *interruptions: collections.abc.Callable[[], None]
             ) -> None:
        """Boot; call each in the midst of reading the image."""
        url = self.deliver()
        self.balancer.hold_after(_PART)
        with concurrent.futures.ThreadPoolExecutor() as executor:
            boot = executor.submit(guest.sanboot, url, 'bios')
            try:
                for number, interruption in enumerate(interruptions):
                    if number:
                        self.balancer.release()
                        self.balancer.hold_after(_PART)
                    self.interrupt(boot, interruption)
            finally:
                self.balancer.release()
            report = boot.result()
        for word in ARGUMENTS.split():
            self.assertIn(word, report.arguments)
        self.assertEqual('here', report.initrd)
        process.await_condition(
            lambda: self.read_bytes() > _PART,
            'what was read afterwards to be on record', timeout=60)

    def interrupt(self, boot: concurrent.futures.Future,
                  meanwhile: collections.abc.Callable[[], None]) -> None:
        """Do something while the machine waits for the image's next part."""
        process.await_condition(
            lambda: boot.done() or self.balancer.is_held(),
            'the machine to read its kernel', timeout=guest.TIMEOUT)
        if boot.done():
            self.fail(f'the machine did not read that far: {boot.result()}')
        meanwhile()

    def test_a_boot_survives_a_server_killed_and_goes_on_from_a_replica(
            self):
        def restart():
            self.servers[0].kill()
            self.servers[0].start()

        def switch():
            self.servers[0].kill()
            self.balancer.switch(self.servers[1])

        self.boot(restart, switch)
