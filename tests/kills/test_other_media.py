# SPDX-License-Identifier: Apache-2.0

"""The kills of the journeys in longer work, and where media are others."""

import contextlib
import shutil
import subprocess
import tempfile
import types
import unittest.mock

# Before anything else of Ironic: it chooses the threading model of tests.
import ironic.tests.unit  # noqa: F401
from ironic.common import states  # noqa: H306
from ironic.conductor import task_manager
from ironic.conf import CONF

from ironic_ext.drivers.boot import catalog
from ironic_ext.drivers.boot import iso_sanboot
from ironic_ext.drivers.boot import leaving
from ironic_ext.drivers.images import delivery as media_delivery
from ironic_ext.drivers.records import boot as boot_record
from ironic_ext.media import tokens
from ironic_ext.node import boot_state
from ironic_ext.san import configured
from tests.functional import killed_conductor
from tests.functional import tgtd
from tests.journeys import test_ends_killed as ends
from tests.unit.drivers import base
from tests.unit.drivers.boot import sanboot_base

# Real ones: the bases of unit tests replace both.
_POPEN = subprocess.Popen
_TARGETS_FROM = configured.targets_from


class _Deployments:
    """What is tried with files and with streams."""

    def test_a_deployment(self):
        self.at_every_step(
            lambda: self.be(states.DEPLOYING), self.prepare, self.undeploy,
            lambda killed: killed and self.assertNothingLeft())

    def test_a_rebuild(self):
        def begin():
            self.deploy()
            self.be(states.DEPLOYING)

        def clear():
            self.undeploy()
            self.assertNothingLeft()

        self.at_every_step(begin, self.prepare,
                           lambda: self.again(self.prepare),
                           self.assertBootsOneMedium, clear)


class DeploymentsKilledTestCase(_Deployments, ends.RedfishIsoKilled):
    """The media are published files."""


class StreamsKilledTestCase(_Deployments, ends.FilesOrStreams,
                            ends.RedfishIsoKilled):
    """The media are a media server's: rows, and bases that are held."""

    def setUp(self):
        super().setUp()
        server = self.useFixture(ends.AnyImage())
        self.config(connection=f'sqlite:///{self.folder}/media.sqlite',
                    delivery='stream', server_url=server.url,
                    group='ext_media')
        self.database = media_delivery.known()
        self.addCleanup(self.database.close)

    def left(self):
        inserted, published, records, parts = super().left()
        self.assertEqual([], published)
        streams = [stream.id for stream, _reads
                   in self.database.of_node(self.node.uuid)]
        held = [owner.removeprefix('media:') for _digest, owner
                in media_delivery._store().holds('media:')]
        self.assertEqual(streams, held)
        return inserted, streams, records, parts

    def assertBootsOneMedium(self, _killed=True):
        (url,), (stream,), (row,), parts = (
            self.inserted().values(), *self.left()[1:])
        self.assertEqual(
            (stream, tokens.digest(url.rsplit('/', 2)[1]), []),
            (row['id'], row['mark'], parts))
        self.assertEqual(stream, self.database.find(
            url.rsplit('/', 2)[1]).id)


class ConfigMediaKilledTestCase(_Deployments, ends.RedfishIsoKilled):
    """A config drive lies beside the boot medium, which cannot tell of it."""

    def setUp(self):
        super().setUp()
        shutil.copyfile(self.isos['plain_rr_joliet'], self.base)
        self.say(configdrive={'user_data': '#cloud-config'})

    def assertBootsOneMedium(self, _killed=True):
        inserted, published, records, parts = self.left()
        self.assertEqual({'Cd', 'Usb'}, inserted.keys())
        self.assertEqual(
            ({row['id'] for row in records}, 2, []),
            ({path.name.partition('-')[0] for path in published},
             len(records), parts))
        self.assertEqual(('Cd', 'Continuous'), self.device())

    def test_an_undeployment(self):
        self.at_every_step(self.deploy, self.clean_up, self.undeploy,
                           self.assertNothingLeft)

    def test_what_is_put_back(self):
        def begin():
            self.deploy()
            self.lose_medium('Cd')
            self.lose_medium('Usb')

        def keep(task):
            task.driver.boot.keep_medium(task)

        def clear():
            self.undeploy()
            self.assertNothingLeft()

        self.at_every_step(begin, keep, lambda: self.again(keep),
                           self.assertBootsOneMedium, clear)


class SanbootKilledTestCase(killed_conductor.KilledConductor,
                            sanboot_base.SanbootTestCase):

    def setUp(self):
        super().setUp()
        # One whose BMC shows the boot device.
        self.node.driver = 'redfish-ext'
        self.node.power_interface = self.node.management_interface = 'redfish'
        self.say(boot_iso=self.href, boot_iso_files={'/etc/motd': 'hello'},
                 sanboot_transport='http')

    def deploy(self):
        self.be(states.DEPLOYING)
        super().deploy()

    def deploy_once(self):
        self.say(ext_boot_mode='once', ext_boot_completed_at=None)
        self.deploy()
        self.say(**ends.REPORTED)

    def undeploy(self):
        self.be(states.DELETING)
        self.call('clean_up_instance')

    def look(self):
        with self.task(shared=True) as task:
            boot = task.driver.boot
        boot._end_boots(base.Manager(self.node), self.context)
        self.node.refresh()

    def judge_nothing(self, killed=True):
        self.assertNothingLeft()
        self.assertEqual(ends.NOTHING, self.left())
        self.assertFalse(boot_record.exists(self.node))

    def judge_boot(self, _killed=True):
        (path,) = self.published()
        self.assertIn(path.name, self.script())
        self.assertEqual(1, len(self.records()))
        self.assertEqual(boot_record.generation(self.node),
                         boot_record.load(self.node).begun)

    def judge_gone(self):
        self.assertEqual([], self.published())
        self.assertFalse(self.script_path.exists())

    def again(self, work):
        """Have the next conductor do it."""
        with self.task() as task:
            work(task)
        self.node.refresh()

    def judge_disk(self, _killed=True):
        self.assertEqual(ends.NOTHING, self.left())
        self.assertIn('boots from its disk', self.script())
        self.assertEqual(('Hdd', 'Continuous'), self.device())
        state = boot_record.load(self.node)
        self.assertTrue(state.disk_seen and state.ended_at, state)
        self.assertGreater(boot_record.generation(self.node), state.begun)

    def test_an_undeployment(self):
        self.at_every_step(
            self.deploy, lambda task: task.driver.boot.clean_up_instance(task),
            self.undeploy, self.judge_nothing)

    def test_a_deployment(self):
        self.at_every_step(
            lambda: self.be(states.DEPLOYING),
            lambda task: task.driver.boot.prepare_instance(task),
            self.undeploy, lambda killed: killed and self.judge_nothing())

    def test_a_rebuild(self):
        def begin():
            self.deploy()
            self.be(states.DEPLOYING)

        def clear():
            self.undeploy()
            self.judge_nothing()

        self.at_every_step(
            begin, lambda task: task.driver.boot.prepare_instance(task),
            lambda: self.call('prepare_instance'), self.judge_boot, clear)

    def test_what_a_report_ends(self):
        self.at_every_step(
            self.deploy_once, lambda task: task.driver.boot.end_boot(
                task, boot_state.Cause.REPORT),
            self.look, self.judge_disk, self.undeploy)

    def test_what_another_interface_ends(self):
        def begin():
            self.node.boot_interface = 'iso-sanboot'
            self.deploy()
            self.node.boot_interface = 'ipxe'
            self.store()

        def end(task):
            # The database is in the memory of the test's own process.
            with unittest.mock.patch.object(
                    task_manager, 'acquire',
                    lambda *_arguments, **_options: contextlib.nullcontext(
                        task)):
                leaving.end_left(self.node.uuid)

        self.at_every_step(begin, end, lambda: self.again(end),
                           self.judge_nothing)

    def test_a_deletion(self):
        gone = self.folder / 'gone'

        def delete(task):
            # A file stands for the row that is gone at one stroke.
            leaving.destroy(lambda _node: gone.touch(), task.node)

        def recover():
            if not gone.exists():
                self.again(delete)

        def clear():
            gone.unlink()
            self.undeploy()

        self.at_every_step(self.deploy, delete, recover,
                           lambda _killed: self.judge_gone(), clear)


class IscsiKilledTestCase(SanbootKilledTestCase):
    """The ISO is a target of tgtd, its password the boot server's to tell."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.tgtd = tgtd.Tgtd()
        cls.tgtd.setUp()
        cls.addClassCleanup(cls.tgtd.cleanUp)

    def setUp(self):
        super().setUp()
        self.replace(subprocess, 'Popen', _POPEN)
        self.replace(configured, 'targets_from', _TARGETS_FROM)
        # Where a killed conductor leaves the socket it gave tgtadm.
        self.replace(tempfile, 'tempdir', str(self.folder))
        self.exports = self.folder / 'exports'
        self.config(export_dir=str(self.exports), chap='customised',
                    portal=str(self.tgtd.portal),
                    tgt_control_port=self.tgtd.control_port,
                    group='ext_san')
        self.config(public_url='http://192.0.2.9:8088',
                    machine_identity='address', group='ext_server')
        self.say(sanboot_transport='iscsi')

    def look_after(self):
        """Do what a conductor does for targets now and then."""
        iso_sanboot.IsoSanboot()._look_after_targets(types.SimpleNamespace(
            iter_nodes=lambda: [(self.node.uuid,)]), self.context)

    def secret(self):
        """Return the script that the boot server has for the machine."""
        return catalog.records().of(self.node.uuid).script

    def assertNoTarget(self):
        self.assertEqual([], [
            line for line in self.tgtd.tgtadm(
                '--mode', 'target', '--op', 'show').splitlines()
            if line.startswith('Target ')])
        self.assertNotIn('ironic-', self.tgtd.tgtadm(
            '--mode', 'account', '--op', 'show'))
        targets = self.exports / 'targets'
        self.assertEqual([], list(targets.rglob('*'))
                         if targets.exists() else [])

    def judge_gone(self):
        super().judge_gone()
        self.look_after()
        self.assertNoTarget()
        self.assertEqual('', self.secret())

    def judge_nothing(self, killed=True):
        super().judge_nothing(killed)
        self.judge_gone()

    def judge_disk(self, _killed=True):
        self.look_after()
        super().judge_disk()
        self.assertNoTarget()
        self.assertEqual('', self.secret())

    def judge_boot(self, _killed=True):
        self.assertEqual(ends.NOTHING, self.left())
        targets = _TARGETS_FROM(CONF)
        (found,) = targets.find(self.owner())
        self.assertEqual([(found.iqn, 'served')], [
            (target.iqn, target.state) for target in targets.status()])
        self.assertIn(b'hello', tgtd.content(found))
        self.assertIn(found.uri(), self.secret())
        self.assertIn(found.chap.password, self.secret())
        self.assertIn('chain http://192.0.2.9:8088/ipxe', self.script())
        self.assertEqual(boot_record.generation(self.node),
                         boot_record.load(self.node).begun)

    def test_what_a_tgtd_that_began_anew_gets(self):
        def begin():
            self.deploy()
            self.tgtd.kill()
            self.tgtd.start()

        def rebuild(task):
            _TARGETS_FROM(CONF).rebuild()

        self.at_every_step(begin, rebuild, self.look_after, self.judge_boot,
                           self.undeploy)
