# SPDX-License-Identifier: Apache-2.0

"""Data images and boot images with the manners of several makes of BMCs.

Everything but the machine is real: the driver, sushy, HTTP, the emulator's
Redfish, which fetches the images from a web server.
"""

import dataclasses
import hashlib
import time
import types
import unittest.mock
import uuid

# Before anything else of Ironic: it chooses the threading model of tests.
import ironic.tests.unit  # noqa: F401
from ironic.drivers.modules.redfish import utils as redfish_utils  # noqa
from ironic.tests import base as ironic_base
import sushy

from ironic_ext.data_image import record as records
from ironic_ext.drivers.bmc import boot_slot
from ironic_ext.drivers.bmc import drives
from ironic_ext.drivers.bmc import ejection
from ironic_ext.drivers.bmc import insertion
from ironic_ext.drivers.bmc import slots as redfish_slots
from ironic_ext.media import medium as media
from lab.bmc import fault_proxy
from lab.bmc import vendor_bmc
from tests import file_server
from tests.functional import fake_emulator
from tests.unit.drivers.data_image import base as data_image_base

ATTACHED = records.Phase.ATTACHED
DETACHED = records.Phase.DETACHED
FAILED = records.Phase.FAILED
# Real ones: the base of unit tests replaces both.
_GET_SYSTEM = redfish_utils.get_system
_TIME = time


def _hasty(name, password, salt, _iterations):
    return hashlib.pbkdf2_hmac(name, password, salt, 1)


class _VendorTestCase(data_image_base.DataImageTestCase):

    manners = fault_proxy.Manners

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        # Within a test, Ironic's base forbids to start processes.
        cls.emulator = fake_emulator.shared()

    def setUp(self):
        # Ironic gives unit tests a minute, which real servers on a busy
        # machine may need more than.
        with unittest.mock.patch.object(ironic_base, 'BASE_TEST_TIMEOUT',
                                        600):
            super().setUp()
        self.replace(redfish_utils, 'get_system', _GET_SYSTEM)
        self.replace(redfish_slots, 'time', _TIME)
        # Ironic derives half a second's worth from each node's password, by
        # which it knows a session again.
        self.replace(redfish_utils, 'hashlib', types.SimpleNamespace(**{
            **vars(hashlib), 'pbkdf2_hmac': _hasty}))
        self.proxy = fault_proxy.FaultProxy(self.emulator.url)
        self.addCleanup(self.proxy.stop)
        self.proxy.start()
        self.proxy.manners = self.manners()
        self.config(media_timeout=10, media_poll_interval=0.05,
                    group='ext_boot')
        self.config(connection_attempts=1, group='redfish')
        self.system = self.emulator.new_system()
        self.node.driver_info = {
            'redfish_address': self.proxy.url, 'redfish_auth_type': 'basic',
            'redfish_username': 'admin', 'redfish_password': 'password',
            'redfish_system_id': f'/redfish/v1/Systems/{self.system}'}
        self.node.save()
        self.serve()

    def serve(self):
        """Serve what is published."""
        root = self.folder / 'http'
        root.mkdir(exist_ok=True)
        self.url = self.useFixture(file_server.FileServer(root)).url
        self.config(http_url=self.url, group='deploy')

    def inserted(self):
        """Return what the emulator has in its drives."""
        return self.emulator.inserted(self.system)

    def slot(self, name):
        """Return a slot as sushy shows it."""
        with self.task(shared=True) as task:
            found, = [slot for slot in drives.drives(task)
                      if slot.identity == name]
        return found


class _Common:
    """What works with all of them.

    :ivar expected: the slot of a data image.
    """

    expected = 'Cd'

    def test_an_image_comes_and_goes(self):
        status = self.attach(files={'a': 'one'})
        self.assertPhase(ATTACHED, status)
        self.assertEqual(self.expected, status['slot'])
        path, = self.published()
        first, = self.inserted().values()
        self.assertTrue(first.endswith(path.name))
        # What is there is left alone.
        before = len(self.proxy.requests('POST'))
        self.assertPhase(ATTACHED, self.run_once())
        self.assertEqual(before, len(self.proxy.requests('POST')))

        # Somebody ejects it; some show that a little later.
        self.slot(self.expected).eject_media()
        self.assertEqual({}, self.inserted())
        for _look in range(vendor_bmc.SupermicroX11.LOOKS + 1):
            self.assertPhase(ATTACHED, self.run_once())
        self.assertEqual([first], list(self.inserted().values()))

        # Another takes its place.
        self.assertPhase(ATTACHED, self.attach(files={'a': 'two'}))
        second, = self.inserted().values()
        self.assertNotEqual(first, second)

        self.assertPhase(DETACHED, self.detach())
        self.assertEqual({}, self.inserted())
        self.assertEqual([], self.published())

    def test_a_boot_image_is_inserted_and_ejected(self):
        media_id = uuid.uuid4().hex
        path = self.folder / 'http' / f'{media_id}-SECRET.iso'
        path.write_bytes(self.iso.read_bytes())
        medium = media.Medium(media_id, media.Purpose.INSTANCE,
                              media.Kind.FILE, mark=media_id)
        with self.task() as task:
            slot = insertion.insert(task, f'{self.url}/{path.name}',
                                    medium)
            medium = dataclasses.replace(medium, slot=slot)
            self.assertEqual(1, len(self.inserted()))
            self.assertTrue(drives.shown(task, [medium]))
            ejection.eject(task, [medium])
        self.assertEqual({}, self.inserted())


class EmulatorTestCase(_Common, _VendorTestCase):
    """As sushy-tools has it."""

    def test_wrong_credentials_for_the_image_are_told(self):
        status = self.attach(
            url=f'{self.url}/nope.iso', delivery='bmc', username='u',
            password='hunter2')
        self.assertPhase(FAILED, status)
        self.assertIn('404', status['error']['message'])
        self.assertNotIn('hunter2', str(status))


class Idrac9TestCase(_Common, _VendorTestCase):
    manners = vendor_bmc.Idrac9
    expected = 'CD'

    def test_a_slot_in_use_is_not_fought_for(self):
        foreign = self.folder / 'http' / 'foreign.iso'
        foreign.write_bytes(self.iso.read_bytes())
        self.slot('CD').insert_media(f'{self.url}/{foreign.name}')
        status = self.attach()
        self.assertEqual('RemovableDisk', status['slot'])
        self.assertIn(f'{self.url}/{foreign.name}',
                      self.inserted().values())

    def test_ejecting_nothing_is_an_error_that_harms_nobody(self):
        self.attach()
        slot = self.slot('CD')
        slot.eject_media()
        self.assertPhase(DETACHED, self.detach())


class Idrac10TestCase(_Common, _VendorTestCase):
    driver = 'idrac-ext'
    manners = vendor_bmc.Idrac10
    expected = '1'

    def setUp(self):
        super().setUp()
        self.config(enabled_management_interfaces=[
            'redfish-ext', 'idrac-redfish-ext'])
        self.node.management_interface = 'idrac-redfish-ext'
        self.node.power_interface = 'idrac-redfish'
        self.node.save()

    def test_slot_2_is_never_used(self):
        foreign = self.folder / 'http' / 'foreign.iso'
        foreign.write_bytes(self.iso.read_bytes())
        self.slot('1').insert_media(f'{self.url}/{foreign.name}')
        status = self.attach()
        self.assertPhase(records.Phase.WAITING, status)
        self.assertIn('slot 1 holds', status['reason'])


class Ilo5TestCase(_Common, _VendorTestCase):
    manners = vendor_bmc.Ilo5
    expected = '2'

    def test_a_protocol_type_that_it_does_not_know_is_told(self):
        self.node.driver_info = {**self.node.driver_info,
                                 'vmedia_transport_protocol': 'http'}
        self.node.save()
        status = self.attach()
        self.assertPhase(FAILED, status)
        self.assertIn('TransferProtocolType is unknown',
                      status['error']['message'])


class SupermicroX11TestCase(_Common, _VendorTestCase):
    manners = vendor_bmc.SupermicroX11
    expected = 'CD1'

    def test_what_it_remembers_is_not_taken_for_a_medium(self):
        self.attach()
        self.detach()
        slot = self.slot('CD1')
        self.assertTrue(slot.image)
        self.assertIsNone(slot.inserted)
        self.assertEqual(sushy.CONNECTED_VIA_NOT_CONNECTED,
                         slot.connected_via)
        self.assertPhase(ATTACHED, self.attach())

    def test_the_protocol_is_told_at_once_where_it_is_known(self):
        self.node.driver_info = {**self.node.driver_info,
                                 'vmedia_transport_protocol': 'http'}
        self.node.save()
        self.attach()
        self.assertEqual(1, len(self.proxy.requests('POST', 'InsertMedia')))


class LenovoXccTestCase(_Common, _VendorTestCase):
    manners = vendor_bmc.LenovoXcc
    expected = 'EXT1'


class MegaRacTestCase(_Common, _VendorTestCase):
    manners = vendor_bmc.MegaRac
    expected = 'CD1'


class CiscoUcsTestCase(_Common, _VendorTestCase):
    manners = vendor_bmc.CiscoUcs
    expected = 'CIMCDVD'


class _TaskBmc(vendor_bmc.TaskBmc):
    """Has run a task before, about something else, that failed."""

    def __init__(self):
        super().__init__()
        self.begin('/redfish/v1/UpdateService', 'The update is damaged.')


class TaskBmcTestCase(_VendorTestCase):
    """Answers 202, and says in a task what became of it."""

    manners = _TaskBmc

    def test_what_the_task_says_is_told_at_once(self):
        self.config(media_timeout=300, group='ext_boot')
        status = self.attach()
        self.assertPhase(FAILED, status)
        message = status['error']['message']
        self.assertIn('its task failed: The certificate of the image server '
                      'is not trusted by this BMC.', message)
        self.assertNotIn('damaged', message)

    def test_a_task_of_another_slot_does_not_count(self):
        self.config(media_timeout=1, group='ext_boot')
        self.proxy.manners.other = True
        self.assertIn('accepted the request',
                      self.attach()['error']['message'])


class TwoDrivesTestCase(_VendorTestCase):
    """A medium of somebody else lies in front of the boot medium."""

    manners = vendor_bmc.TwoDrives

    def setUp(self):
        super().setUp()
        folder = self.folder / 'http'
        (folder / 'foreign.iso').write_bytes(self.iso.read_bytes())
        media_id = uuid.uuid4().hex
        path = folder / f'{media_id}-SECRET.iso'
        path.write_bytes(self.iso.read_bytes())
        self.medium = media.Medium(media_id, media.Purpose.INSTANCE,
                                   media.Kind.FILE, mark=media_id)
        self.slot('Cd').insert_media(f'{self.url}/foreign.iso')
        self.slot('Cd2').insert_media(f'{self.url}/{path.name}')

    def set_boot_device(self, stays=False):
        """Have the machine boot from its medium, as the interface does."""
        with self.task() as task:
            redfish_utils.get_system(task.node).set_system_boot_options(
                sushy.BOOT_SOURCE_TARGET_CD,
                enabled=sushy.BOOT_SOURCE_ENABLED_ONCE)
            boot_slot.require(task, [self.medium], stays=stays)
            return boot_slot.chosen(task).identity

    def test_the_machine_is_told_the_drive(self):
        self.assertEqual('Cd2', self.set_boot_device())
        with self.task(shared=True) as task:
            boot = redfish_utils.get_system(task.node).json['Boot']
        self.assertEqual(
            ('UefiTarget', 'PciRoot(0x0)/Usb(Cd2)', 'Once'),
            (boot['BootSourceOverrideTarget'],
             boot['UefiTargetBootSourceOverride'],
             boot['BootSourceOverrideEnabled']))

    def test_what_cannot_stay_is_refused(self):
        message = str(self.assertRaises(
            drives.MediaError, self.set_boot_device, stays=True))
        self.assertIn('foreign.iso" in slot Cd, in front of its boot medium '
                      'in slot Cd2', message)
        self.assertIn('Continuous is not supported', message)

    def test_a_bmc_without_a_way_is_refused(self):
        self.proxy.manners.targets = ('Hdd', 'Cd')
        message = str(self.assertRaises(drives.MediaError,
                                        self.set_boot_device))
        self.assertIn('Eject what is in slot Cd, and try again', message)
