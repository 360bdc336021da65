# SPDX-License-Identifier: Apache-2.0

"""A running node with data images, on the made-up machine."""

import dataclasses
import io

from ironic.common import states
import sushy

from ironic_ext.data_image import content
from ironic_ext.data_image import record
from ironic_ext.drivers.data_image import requests as data_image_requests
from ironic_ext.drivers.data_image import worker as data_images
from ironic_ext.drivers.records import data_image as data_image_record
from ironic_ext.drivers.records import media as node_media
from tests.unit.drivers import base
from tests.unit.drivers import fake_bmc

BOOT_ID = 'b' * 32
BOOT_MEDIUM = base.medium(BOOT_ID, mark=BOOT_ID)
BOOT_URL = f'{base.HTTP_URL}/ext-media/{BOOT_ID}-SECRET.iso'
FOREIGN = 'http://user:hunter2@192.0.2.9/rescue.iso?token=TOP'


def usb_slot(identity='Usb'):
    return fake_bmc.Slot(identity, [sushy.VIRTUAL_MEDIA_FLOPPY,
                                    sushy.VIRTUAL_MEDIA_USBSTICK])


class DataImageTestCase(base.DriverTestCase):

    def setUp(self):
        super().setUp()
        self.config(enabled_management_interfaces=[
            'redfish', 'redfish-ext', 'idrac-redfish'])
        self.config(delivery='file', group='ext_media')
        self.config(backoff_base=30, backoff_ceiling=3600,
                    group='ext_data_image')
        self.node.management_interface = 'redfish-ext'
        self.node.power_state = states.POWER_ON
        self.be(states.ACTIVE)
        self.iso = self.images / 'data.iso'
        self.write(self.iso)

    def write(self, path, **files):
        output = io.BytesIO()
        content.build(files or {'data': b'1'}, 'DATA', output)
        path.write_bytes(output.getvalue())
        return f'file://{path}'

    def wish(self, **spec):
        if not {'url', 'files'} & spec.keys():
            spec['url'] = f'file://{self.iso}'
        return spec

    def ask(self, **spec):
        """Ask for a data image, as the API does."""
        with self.task() as task:
            resource = data_image_requests.attach(task, self.wish(**spec))
        self.node.refresh()
        return resource

    def attach(self, **spec):
        """Ask for a data image, and have it brought about."""
        self.ask(**spec)
        return self.run_once()

    def run_once(self, **options):
        with self.task(shared=True) as task:
            data_images.run(task, **options)
        self.node.refresh()
        return self.status()

    def detach(self):
        with self.task() as task:
            data_image_requests.detach(task)
        return self.run_once()

    def status(self):
        return data_image_requests.show(self.node)['status']

    def record(self):
        return data_image_record.load(self.node)

    def assertPhase(self, phase, status=None):
        status = status or self.status()
        self.assertEqual(phase, record.Phase(status['phase']), status)

    def boot_from(self, slot):
        """Put a boot image of the node into a slot."""
        slot.put(BOOT_URL)
        node_media.save(self.node, dataclasses.replace(
            BOOT_MEDIUM, slot=slot.path))
