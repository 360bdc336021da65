# SPDX-License-Identifier: Apache-2.0

"""A conductor that is killed at every step of an end, or of a beginning."""

import contextlib
import unittest.mock

# Before anything else of Ironic: it chooses the threading model of tests.
import ironic.tests.unit  # noqa: F401
from ironic.common import states  # noqa: H306
from ironic.conductor import task_manager

from ironic_ext.data_image import record as data_image_records
from ironic_ext.drivers.boot import leaving
from ironic_ext.drivers.data_image import requests as data_image_requests
from ironic_ext.drivers.data_image import worker as data_images
from ironic_ext.drivers.records import boot as boot_record
from ironic_ext.node import boot_state
from tests.functional import killed_conductor
from tests.unit.drivers import base
from tests.unit.drivers.data_image import base as data_image_base

NOTHING = ({}, [], [], [])


class EndsKilledTestCase(killed_conductor.KilledConductor,
                         base.RedfishIsoTestCase):

    def setUp(self):
        super().setUp()
        self.config(enabled_management_interfaces=['redfish', 'redfish-ext'])
        self.node.management_interface = 'redfish-ext'
        self.say(boot_iso=self.href, boot_iso_files={'/etc/motd': 'hello'})

    def deploy(self):
        self.be(states.DEPLOYING)
        self.call('prepare_instance')
        self.be(states.ACTIVE)

    def deploy_once(self, **info):
        self.say(boot_iso=self.href, ext_boot_mode='once',
                 ext_boot_completed_at=None)
        self.deploy()
        self.say(**info)

    def undeploy(self):
        self.be(states.DELETING)
        self.call('clean_up_instance')

    @staticmethod
    def clean_up(task):
        task.driver.boot.clean_up_instance(task)

    def again(self, work):
        """Have the next conductor do it."""
        with self.task() as task:
            work(task)
        self.node.refresh()

    def assertNothingLeft(self, _killed=True):
        self.assertEqual(NOTHING, self.left())
        self.assertFalse(boot_record.exists(self.node))

    def assertBootsFromDisk(self, _killed=True):
        self.assertEqual(NOTHING, self.left())
        self.assertEqual(('Hdd', 'Continuous'), self.device())
        state = boot_record.load(self.node)
        self.assertTrue(state.disk_seen and state.ended_at, state)
        # Its tokens read nothing more.
        self.assertGreater(boot_record.generation(self.node), state.begun)

    def at_every_step_of_an_end(self, work, **info):
        self.at_every_step(
            lambda: self.deploy_once(**info), work,
            lambda: self.again(work), self.assertBootsFromDisk,
            self.undeploy)

    def test_an_undeployment(self):
        self.at_every_step(self.deploy, self.clean_up, self.undeploy,
                           self.assertNothingLeft)

    def test_what_localboot_ends(self):
        self.at_every_step_of_an_end(
            lambda task: task.driver.boot.end_boot(
                task, boot_state.Cause.LOCAL_BOOT), boot_iso=None)

    def test_what_another_interface_ends(self):
        def begin():
            self.node.boot_interface = 'redfish-iso'
            self.deploy()
            self.node.boot_interface = 'redfish-virtual-media'
            self.store()

        def end(task):
            # The database is in the memory of the test's own process.
            with unittest.mock.patch.object(
                    task_manager, 'acquire',
                    lambda *_arguments, **_options: contextlib.nullcontext(
                        task)):
                leaving.end_left(self.node.uuid)

        self.at_every_step(begin, end, lambda: self.again(end),
                           self.assertNothingLeft)


class DataImageKilledTestCase(killed_conductor.KilledConductor,
                              data_image_base.DataImageTestCase):

    @staticmethod
    def end(task):
        data_image_requests.detach(task)
        data_images.run(task)

    def begin(self):
        self.assertPhase(data_image_records.Phase.ATTACHED,
                         self.attach(files={'a': 'one'}))

    def judge(self, _killed):
        self.assertPhase(data_image_records.Phase.DETACHED)
        self.assertEqual(NOTHING, self.left())

    def test_a_data_image(self):
        self.at_every_step(self.begin, self.end, self.detach, self.judge)
