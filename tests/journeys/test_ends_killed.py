# SPDX-License-Identifier: Apache-2.0

"""A conductor that is killed at every step of an end, or of a beginning."""

import contextlib
import http.server
import threading
import unittest.mock

import fixtures
# Before anything else of Ironic: it chooses the threading model of tests.
import ironic.tests.unit  # noqa: F401
from ironic.common import states  # noqa: H306
from ironic.conductor import task_manager
from ironic.conductor import utils as manager_utils

from ironic_ext.data_image import record as data_image_records
from ironic_ext.drivers.bmc import queue
from ironic_ext.drivers.boot import leaving
from ironic_ext.drivers.data_image import requests as data_image_requests
from ironic_ext.drivers.data_image import worker as data_images
from ironic_ext.drivers.records import boot as boot_record
from ironic_ext.node import boot_state
from tests.functional import killed_conductor
from tests.unit.drivers import base
from tests.unit.drivers.data_image import base as data_image_base

NOTHING = ({}, [], [], [])
AGENT = {'ipa-api-url': 'http://192.0.2.2:6385'}
REPORTED = {'ext_boot_completed_at': '2026-01-01T00:00:00Z'}


class _AnyAnswer(http.server.BaseHTTPRequestHandler):

    def do_GET(self):
        self.send_response(200)
        self.send_header('Content-Length', '2048')
        self.end_headers()
        if self.command == 'GET':
            self.wfile.write(bytes(2048))

    do_HEAD = do_GET

    def log_message(self, *arguments):
        """Nobody wants to know."""


class AnyImage(fixtures.Fixture):
    """Has an image at each URL: the emulator downloads what it is told."""

    def _setUp(self):
        server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), _AnyAnswer)
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        self.addCleanup(server.server_close)
        self.addCleanup(thread.join)
        self.addCleanup(server.shutdown)
        self.url = f'http://127.0.0.1:{server.server_port}'


class RedfishIsoKilled(killed_conductor.KilledConductor,
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

    @staticmethod
    def prepare(task):
        task.driver.boot.prepare_instance(task)

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

    def assertBootsOneMedium(self, _killed=True):
        inserted, published, records, parts = self.left()
        (url,), (path,) = inserted.values(), published
        self.assertEqual(path.name, url.rpartition('/')[2])
        self.assertEqual((1, []), (len(records), parts))
        self.assertEqual(('Cd', 'Continuous'), self.device())
        self.assertEqual(boot_record.generation(self.node),
                         boot_record.load(self.node).begun)

    def look(self):
        """Do what a conductor does for its nodes now and then."""
        with self.task(shared=True) as task:
            boot = task.driver.boot
        with unittest.mock.patch.object(queue, 'submit',
                                        base.submit_at_once):
            boot._end_boots(base.Manager(self.node), self.context)
        self.node.refresh()

    def at_every_step_of_an_end(self, work, recover=None, **info):
        self.at_every_step(
            lambda: self.deploy_once(**info), work,
            recover or (lambda: self.again(work)), self.assertBootsFromDisk,
            self.undeploy)


class FilesOrStreams:
    """What is tried with both."""

    def test_an_undeployment(self):
        self.at_every_step(self.deploy, self.clean_up, self.undeploy,
                           self.assertNothingLeft)

    def test_what_is_put_back(self):
        def begin():
            self.deploy()
            self.lose_medium()
            self.assertEqual({}, self.inserted())

        def keep(task):
            task.driver.boot.keep_medium(task)

        def clear():
            self.undeploy()
            self.assertNothingLeft()

        self.at_every_step(begin, keep, lambda: self.again(keep),
                           self.assertBootsOneMedium, clear)

    def test_what_a_report_ends(self):
        def end(task):
            # In two steps, as the machine runs and is then restarted.
            task.driver.boot.end_boot(task, boot_state.Cause.REPORT)
            task.driver.boot.restarts(task)

        def recover():
            # As often as it likes: the installer may still run.
            self.look()
            self.look()
            if self.records():
                self.again(lambda task: task.driver.boot.restarts(task))

        self.node.power_state = states.POWER_ON
        self.at_every_step_of_an_end(end, recover, **REPORTED)


class EndsKilledTestCase(FilesOrStreams, RedfishIsoKilled):

    def test_what_localboot_ends(self):
        self.at_every_step_of_an_end(
            lambda task: task.driver.boot.end_boot(
                task, boot_state.Cause.LOCAL_BOOT), boot_iso=None)

    def test_what_a_deletion_of_virtual_media_ends(self):
        def delete(task):
            task.driver.management.detach_virtual_media(task)

        def recover():
            if boot_record.load(self.node).cause is None:
                # Who asked for it got an error, and nothing was done.
                self.assertBootsOneMedium()
                self.again(delete)
            else:
                self.look()

        self.node.power_state = states.POWER_ON
        self.at_every_step_of_an_end(delete, recover)

    def test_a_rescue_in_the_place_of_a_boot_for_once(self):
        self.replace(manager_utils, 'is_fast_track').return_value = False

        def begin():
            self.deploy_once()
            self.node.driver_info = {**self.node.driver_info,
                                     'rescue_iso': self.href}
            self.be(states.RESCUING)

        def rescue(task):
            task.driver.boot.clean_up_instance(task)
            task.driver.boot.prepare_ramdisk(task, dict(AGENT))

        def unrescue():
            self.be(states.UNRESCUING)
            self.call('clean_up_ramdisk')
            self.call('prepare_instance')

        self.at_every_step(
            begin, rescue, unrescue,
            lambda killed: killed and self.assertBootsFromDisk(),
            self.undeploy)

    def test_the_end_of_such_a_rescue(self):
        self.replace(manager_utils, 'is_fast_track').return_value = False

        def begin():
            self.deploy_once()
            self.node.driver_info = {**self.node.driver_info,
                                     'rescue_iso': self.href}
            self.be(states.RESCUING)
            self.call('clean_up_instance')
            self.call('prepare_ramdisk', dict(AGENT))
            self.be(states.UNRESCUING)

        def unrescue(task):
            task.driver.boot.clean_up_ramdisk(task)
            task.driver.boot.prepare_instance(task)

        self.at_every_step(begin, unrescue, lambda: self.again(unrescue),
                           self.assertBootsFromDisk, self.undeploy)

    def test_a_deletion(self):
        # A new one each time: a fork loses threads.
        def conductors_own():
            made = queue.BmcQueue(1)
            self.addCleanup(made.stop)
            return made

        self.replace(queue, 'conductors_own', conductors_own)
        gone = self.folder / 'gone'

        def delete(task):
            # A file stands for the row that is gone at one stroke.
            leaving.destroy(lambda _node: gone.touch(), task.node)

        def recover():
            # Nobody knows of a node that is gone.
            if not gone.exists():
                self.again(delete)

        def judge(_killed):
            self.assertEqual(({}, []), self.left()[:2])

        def clear():
            gone.unlink()
            self.undeploy()

        self.at_every_step(self.deploy, delete, recover, judge, clear)

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


class AgentKilledTestCase(killed_conductor.KilledConductor,
                          base.RedfishIsoTestCase):

    deploy_interface = 'direct'

    def setUp(self):
        super().setUp()
        self.replace(manager_utils, 'is_fast_track').return_value = False
        self.node.driver_info = {**self.node.driver_info,
                                 'deploy_iso': self.href}
        self.store()

    @staticmethod
    def prepare(task):
        task.driver.boot.prepare_ramdisk(task, dict(AGENT))

    def undeploy(self):
        self.be(states.DELETING)
        self.call('clean_up_ramdisk')
        self.call('clean_up_instance')

    def test_its_beginning(self):
        self.at_every_step(
            lambda: self.be(states.DEPLOYING), self.prepare, self.undeploy,
            lambda killed: killed and self.assertEqual(NOTHING, self.left()))

    def test_its_end(self):
        def begin():
            self.be(states.DEPLOYING)
            self.call('prepare_ramdisk', dict(AGENT))

        self.at_every_step(
            begin, lambda task: task.driver.boot.clean_up_ramdisk(task),
            lambda: self.call('clean_up_ramdisk'),
            lambda _killed: self.assertEqual(NOTHING, self.left()))


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

    def test_its_end(self):
        self.at_every_step(self.begin, self.end, self.detach, self.judge)

    def test_its_beginning(self):
        def attach(task):
            data_image_requests.attach(task, {'files': {'a': 'one'}})
            data_images.run(task)

        def recover():
            if self.record() is None:
                # Who asked for it got an error, and nothing was done.
                self.assertEqual(NOTHING, self.left())
                self.begin()
            else:
                self.run_once()

        def judge(_killed):
            self.assertPhase(data_image_records.Phase.ATTACHED)
            inserted, published, _records, parts = self.left()
            (url,), (path,) = inserted.values(), published
            self.assertEqual(path.name, url.rpartition('/')[2])
            self.assertEqual([], parts)

        def clear():
            self.detach()
            self.judge(True)

        self.at_every_step(lambda: None, attach, recover, judge, clear)
