# SPDX-License-Identifier: Apache-2.0

"""Who locks nodes of their own accord, and what is done meanwhile.

Whoever changes a node by Ironic's API gets 409 while it is locked, and
clients such as Metal3 put the machine's power off till then. So no BMC that
does not answer is waited for under a lock, and nothing is downloaded; what a
BMC has accepted and does not show is waited for as long as the options say,
and not again at once.
"""

import ast
import contextlib
import pathlib
import unittest
import unittest.mock

from ironic.common import exception
from ironic.common import states
from ironic.drivers.modules.redfish import utils as redfish_utils
from ironic import objects

from ironic_ext.drivers.bmc import queue
from ironic_ext.drivers.bmc import slots as redfish_slots
from ironic_ext.drivers.boot import leaving
from ironic_ext.drivers.boot import lost
from ironic_ext.drivers.boot import overdue
from ironic_ext.drivers.data_image import ends
from ironic_ext.drivers.data_image import reconciler
from ironic_ext.drivers.data_image import requests
from ironic_ext.drivers.records import boot as boot_record
from ironic_ext.images.http import service as http
from tests import fault_server
from tests.unit.drivers import base
from tests.unit.drivers.boot import sanboot_base
from tests.unit.drivers.data_image import base as data_image_base

_ROOT = pathlib.Path(__file__).resolve().parents[3] / 'ironic_ext'
#: Module and function -> what is done under the lock that it takes. What
#: Ironic calls (deployments, power actions, steps) has Ironic's.
_LOCKS = {
    ('boot/iso_sanboot', '_end_boots'): 'script, target, boot device',
    ('boot/iso_sanboot', '_adopt'): 'script, target, of an ISO that is here',
    ('boot/iso_sanboot', '_release_if_orphaned'): 'a target of this host',
    ('boot/leaving', 'end_left'): 'ejection',
    ('boot/lost', 'keep'): 'insertion, of an image that is here',
    ('boot/lost', '_found'): 'the record',
    ('boot/lost', '_failed'): 'the record',
    ('boot/overdue', 'look'): 'boot device, ejection',
    ('data_image/ends', 'end_left'): 'ejection',
    ('data_image/passthru', 'validate'): 'the record',
    ('data_image/worker', 'run'): 'ejection, insertion, of what is here',
    ('vendor', 'boot_media'): 'boot device, ejection'}
_DONE = {'ext_boot_mode': 'once',
         'ext_boot_completed_at': '2026-01-01T00:00:00Z'}
_MEDIA_TIMEOUT = 60


class KnownLocksTestCase(unittest.TestCase):

    def test_each_is_in_the_table(self):
        found = set()
        for path in (_ROOT / 'drivers').rglob('*.py'):
            name = str(path.relative_to(_ROOT / 'drivers').with_suffix(''))
            for function in ast.walk(ast.parse(path.read_text())):
                if isinstance(function, ast.FunctionDef) and any(
                        map(_locks, ast.walk(function))):
                    found.add((name, function.name))
        self.assertEqual(set(_LOCKS), found)


def _locks(node):
    """Tell whether a call locks a node, or a decorator has that done."""
    if not isinstance(node, ast.Call):
        return False
    if isinstance(node.func, ast.Attribute):
        if node.func.attr == 'upgrade_lock':
            return True
        if node.func.attr in ('acquire', 'node_periodic'):
            # Of node_periodic(), sharing is the default.
            said = {keyword.arg: keyword.value for keyword in node.keywords}
            shared = said.get('shared', said.get('shared_task'))
            return not (node.func.attr == 'node_periodic' and shared is None
                        or isinstance(shared, ast.Constant) and shared.value)
    return False


class _Watched:
    """For tests of a node: sees whether it is locked."""

    def setUp(self):
        super().setUp()
        self.config(media_timeout=_MEDIA_TIMEOUT, group='ext_boot')
        self.dead = False
        #: Whether the node was locked when its BMC was asked.
        self.asked = []
        self.replace(redfish_utils, 'get_system', self.get_system)

    def is_locked(self):
        return objects.Node.get(
            self.context, self.node.uuid).reservation is not None

    def get_system(self, _node):
        self.asked.append(self.is_locked())
        if self.dead:
            raise exception.RedfishConnectionError(
                node=self.node.uuid, error='no route to host')
        return self.bmc

    def waits_for_no_dead_bmc(self, work):
        self.dead = True
        self.asked.clear()
        with self.assertLogs('ironic_ext', 'WARNING') as logs:
            work()
        self.node.refresh()
        self.assertIn('no route to host', ''.join(logs.output))
        self.assertEqual([False], self.asked[:1])
        self.assertNotIn(True, self.asked)
        self.assertFalse(self.is_locked())

    def waits_once(self, work):
        """See how long a BMC is waited for that keeps what it has."""
        clock = redfish_slots.time
        before = clock.now
        with self.assertLogs('ironic_ext', 'WARNING'):
            work()
        self.node.refresh()
        self.assertFalse(self.is_locked())
        waited = clock.now - before
        self.assertTrue(0 < waited <= _MEDIA_TIMEOUT + 5, waited)


class VirtualMediaLocksTestCase(_Watched, base.RedfishIsoTestCase):

    def setUp(self):
        super().setUp()
        self.say(boot_iso=self.href)

    def deploy(self, **info):
        self.say(**info)
        self.call('prepare_instance')
        self.be(states.ACTIVE)
        # As if its time had come.
        self.node.power_state = states.POWER_OFF
        self.store()

    def look_for_ends(self):
        overdue.look(self.node.uuid)

    def look_for_what_left(self):
        leaving.end_left(self.node.uuid)

    def look_for_the_lost(self):
        lost.look(self.node.uuid)

    def test_the_end_of_a_boot(self):
        self.deploy(**_DONE)
        self.say(**_DONE)
        self.waits_for_no_dead_bmc(self.look_for_ends)
        self.assertFalse(overdue.is_due(self.node))
        queue.retries.cache_clear()
        self.dead = False
        self.bmc.slots[0].stuck = True
        self.waits_once(self.look_for_ends)
        self.assertFalse(overdue.is_due(self.node))
        self.assertTrue(overdue.has_failed(self.node))

    def test_an_interface_that_has_left(self):
        self.deploy()
        self.node.boot_interface = 'redfish-virtual-media'
        self.store()
        self.waits_for_no_dead_bmc(self.look_for_what_left)
        # It can be read no more all the same.
        self.assertEqual([], self.published())
        self.assertEqual(1, len(self.records()))
        self.dead = False
        self.bmc.slots[0].stuck = True
        self.waits_once(self.look_for_what_left)
        self.assertFalse(queue.retries().is_due(self.node.uuid,
                                                leaving.end_left))

    def test_a_medium_that_got_lost(self):
        self.deploy()
        self.bmc.slots[0].put(None)
        self.waits_for_no_dead_bmc(self.look_for_the_lost)
        self.assertFalse(lost.is_due(self.node))
        boot_record.save(self.node, boot_record.load(self.node).__class__())
        self.dead = False
        self.bmc.slots[0].deaf = True
        self.waits_once(self.look_for_the_lost)
        self.assertFalse(lost.is_due(self.node))

    def test_somebody_who_ends_it(self):
        self.config(enabled_vendor_interfaces=['redfish-ext', 'no-vendor'])
        self.node.vendor_interface = 'redfish-ext'
        self.deploy()

        def eject():
            with self.task(shared=True) as task:
                error = self.assertRaises(
                    exception.IronicException, task.driver.vendor.boot_media,
                    task, 'DELETE')
                leaving.LOG.warning('%s', error)

        self.waits_for_no_dead_bmc(eject)
        # What was asked for is done when the BMC answers.
        self.assertTrue(overdue.is_due(self.node))
        self.dead = False
        self.look_for_ends()
        self.node.refresh()
        self.assertClean()


class DataImageLocksTestCase(_Watched, data_image_base.DataImageTestCase):

    def reconcile(self):
        reconciler._reconcile(self.node.uuid)

    def test_a_bmc_that_is_dead(self):
        self.ask()
        self.waits_for_no_dead_bmc(self.reconcile)

    def test_a_bmc_that_does_not_insert(self):
        self.ask()
        self.bmc.slots[0].deaf = True
        self.waits_once(self.reconcile)

    def test_its_end_without_its_interface(self):
        self.attach()
        self.node.management_interface = 'redfish'
        self.store()

        def end():
            ends.end_left(self.node.uuid)

        self.waits_for_no_dead_bmc(end)
        self.assertEqual([], self.published())
        self.dead = False
        self.bmc.slots[0].stuck = True
        self.waits_once(end)
        self.assertFalse(queue.retries().is_due(self.node.uuid,
                                                ends.end_left))

    def test_a_download(self):
        with (fault_server.serving() as web,
              seen_downloads(self.is_locked) as downloads):
            web.add('/data.iso', self.iso.read_bytes())
            self.ask(url=f'{web.url}/data.iso')
            self.reconcile()
        self.node.refresh()
        self.assertEqual('attached', requests.show(
            self.node)['status']['phase'].lower())
        self.assertEqual([False], downloads)


class SanbootLocksTestCase(_Watched, sanboot_base.SanbootTestCase):

    def periodic(self, name):
        with self.task(shared=True) as task:
            boot = task.driver.boot
        getattr(boot, name)(base.Manager(self.node),
                            self.context)
        self.node.refresh()

    def test_a_download_for_a_node_that_came_from_another_host(self):
        with (fault_server.serving() as web,
              seen_downloads(self.is_locked) as downloads):
            web.add('/live.iso', self.base.read_bytes())
            self.say(boot_iso=f'{web.url}/live.iso')
            self.be(states.ACTIVE)
            # Ironic has locked it.
            self.call('prepare_instance')
            self.assertEqual(([], None), (downloads, self.record()))
            self.periodic('_adopt')
            self.assertEqual([False], downloads)
            self.assertIn('sanboot', self.script())
            # What is here is not fetched again.
            self.call('clean_up_instance')
            self.call('prepare_instance')
            self.assertIn('sanboot', self.script())
            self.assertEqual([False], downloads)

    def test_the_end_of_a_boot(self):
        self.node.driver = 'redfish-ext'
        self.node.power_interface = self.node.management_interface = 'redfish'
        self.store()
        self.deploy()
        self.say(**_DONE)
        self.waits_for_no_dead_bmc(lambda: self.periodic('_end_boots'))
        # The script leads to the disk in any case.
        self.assertIn('boots from its disk', self.script())
        self.assertTrue(self.record()['done'])
        self.assertFalse(boot_record.load(self.node).disk_seen)


@contextlib.contextmanager
def seen_downloads(is_locked):
    """Give a list of whether the node was locked at each download."""
    seen = []
    fetch = http.HttpImageService.fetch

    def watched(service, href, target, known=None):
        # Nothing is fetched of what is known and has not changed.
        if known is None:
            seen.append(is_locked())
        return fetch(service, href, target, known)

    with unittest.mock.patch.object(http.HttpImageService, 'fetch', watched):
        yield seen
