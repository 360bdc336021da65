# SPDX-License-Identifier: Apache-2.0

"""A node of a type of this suite, with everything below it made up."""

import logging
import pathlib
import shutil
import sqlite3
import tempfile
import unittest.mock

import fixtures
from ironic.common import config as ironic_config
from ironic.common import states
from ironic.conductor import task_manager
from ironic.conductor import utils as manager_utils
from ironic.db.sqlalchemy import models
from ironic.drivers.modules import boot_mode_utils
from ironic.drivers.modules.redfish import management
from ironic.drivers.modules.redfish import utils as redfish_utils
from ironic.tests.unit.db import base as db_base
from ironic.tests.unit.db import utils as db_utils
from ironic.tests.unit.objects import utils as obj_utils
from ironic.tests.unit import policy_fixture
from oslo_config import cfg
from oslo_db.sqlalchemy import enginefacade
import sqlalchemy
import sushy

from ironic_ext.drivers.bmc import queue
from ironic_ext.drivers.bmc import slots as redfish_slots
from ironic_ext.drivers.boot import redfish_iso
from ironic_ext.drivers import hardware  # noqa: F401
from ironic_ext import iso
from ironic_ext.media import medium as media
from tests import isos
from tests import unit
from tests.unit.drivers import fake_bmc

HTTP_URL = 'http://192.0.2.1:8080'


def medium(medium_id, purpose='instance', kind='file', **values):
    """Return a medium of a node."""
    return media.Medium(medium_id, media.Purpose(purpose), media.Kind(kind),
                        **values)


def parse_nothing(argv, default_config_files=None):
    """Let the options have their defaults, and no RPC prepared for them."""
    cfg.CONF([], project='ironic', default_config_files=[])


class Database(db_base.Database):
    """Copies an empty database instead of making it anew for each test."""

    def __init__(self, *args, **options):
        super().__init__(*args, **options)
        self._empty = sqlite3.connect(':memory:')
        self._empty.executescript(self._DB)

    def setUp(self):
        fixtures.Fixture.setUp(self)
        self.addCleanup(self.engine.dispose)
        with self.engine.connect() as connection:
            self._empty.backup(connection.connection.driver_connection)


def submit_at_once(row, work, failed=False):
    """Take the place of bmc.queue.submit()."""
    work(row.uuid)


class Clock:
    """Goes on only when somebody sleeps."""

    now = 0.0

    def monotonic(self):
        return self.now

    def sleep(self, seconds):
        self.now += seconds


class Manager:
    """What a periodic task asks of a conductor of one node."""

    def __init__(self, node):
        self._node = node

    def iter_nodes(self, fields, filters):
        assert filters['reserved'] is False
        if self._node.provision_state not in filters['provision_state_in']:
            return []
        return [(self._node.uuid, self._node.driver, '',
                 *(getattr(self._node, name) for name in fields))]


class DriverTestCase(db_base.DbTestCase):

    driver = 'redfish-ext'
    deploy_interface = 'ramdisk'

    def setUp(self):
        # Loading all of the API's policies and preparing RPC would take most
        # of a test's time, and nothing asks for them here.
        with (unittest.mock.patch.object(policy_fixture, 'PolicyFixture',
                                         fixtures.Fixture),
              unittest.mock.patch.object(ironic_config, 'parse_args',
                                         parse_nothing),
              unittest.mock.patch.object(db_base, 'Database', Database)):
            super().setUp()
        # Making the database silences all loggers that exist by then
        # (fileConfig in ironic/db/sqlalchemy/alembic/env.py); other tests
        # of this process look at what ours say.
        for name, logger in logging.root.manager.loggerDict.items():
            if name.startswith('ironic_ext'):
                logger.disabled = False
        self.useFixture(unit.WithoutSync())
        self.useFixture(unit.KeptTables())
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name).resolve()
        self.images = self.folder / 'images'
        self.images.mkdir()
        self.config(enabled_hardware_types=['redfish-ext', 'idrac-ext'],
                    enabled_boot_interfaces=['redfish-iso',
                                             'redfish-virtual-media',
                                             'idrac-redfish-virtual-media'],
                    enabled_deploy_interfaces=['ramdisk', 'direct'],
                    enabled_power_interfaces=['redfish', 'idrac-redfish'],
                    enabled_management_interfaces=['redfish',
                                                   'idrac-redfish'],
                    enabled_inspect_interfaces=['redfish', 'idrac-redfish'],
                    enabled_bios_interfaces=['no-bios'],
                    enabled_firmware_interfaces=['no-firmware'],
                    enabled_raid_interfaces=['no-raid'],
                    enabled_vendor_interfaces=['no-vendor'],
                    enabled_network_interfaces=['noop'])
        # Tests' servers are on loopback addresses; tests of walls between
        # owners say "keystone".
        self.config(auth_strategy='noauth')
        self.config(http_root=str(self.folder / 'http'), http_url=HTTP_URL,
                    group='deploy')
        self.config(file_url_allowed_paths=[str(self.images)],
                    automated_clean=False, node_locked_retry_attempts=0,
                    group='conductor')
        # The class that would say so does it for the first test only.
        self.config(sqlite_retries=False, group='database')
        self.config(dir=str(self.folder / 'state'), group='ext_state')
        self.config(cache_dir=str(self.folder / 'cache'), group='ext_images')
        self.config(insert_retry_interval=0, group='ext_boot')
        # What failed in another test is none of this one's.
        queue.retries.cache_clear()
        # BMCs are waited for in no time.
        self.replace(redfish_slots, 'time', Clock())
        self.bmc = fake_bmc.Bmc()
        self.replace(redfish_utils, 'get_system', lambda node: self.bmc)
        self.boot_device = self.replace(manager_utils, 'node_set_boot_device')
        self.boot_device.side_effect = self.set_boot_device
        self.power = self.replace(manager_utils, 'node_power_action')
        for name in ('sync_boot_mode', 'configure_secure_boot_if_needed',
                     'deconfigure_secure_boot_if_needed'):
            self.replace(boot_mode_utils, name)
        self.node = obj_utils.create_test_node(
            self.context, driver=self.driver, boot_interface='redfish-iso',
            deploy_interface=self.deploy_interface,
            network_interface='noop', provision_state=states.DEPLOYING,
            name='node-7', instance_info={}, driver_internal_info={},
            driver_info=db_utils.get_test_redfish_info())

    def set_boot_device(self, task, device, persistent=False):
        self.bmc.boot = {
            'target': management.BOOT_DEVICE_MAP_REV[device],
            'enabled': (sushy.BOOT_SOURCE_ENABLED_CONTINUOUS if persistent
                        else sushy.BOOT_SOURCE_ENABLED_ONCE)}

    def replace(self, target, name, new=None):
        patch = unittest.mock.patch.object(
            target, name, new or unittest.mock.Mock(
                spec=getattr(target, name)))
        self.addCleanup(patch.stop)
        return patch.start()

    def say(self, **info):
        """Set instance_info."""
        self.node.instance_info = {**self.node.instance_info, **info}
        self.store()

    def be(self, state):
        self.node.provision_state = state
        self.store()

    def store(self):
        """Save the node by one statement; Node.save() needs eight."""
        with enginefacade.writer.using(self.context) as session:
            session.execute(sqlalchemy.update(models.Node).where(
                models.Node.id == self.node.id).values(
                    self.node.do_version_changes_for_db()))
        self.node.obj_reset_changes()

    def task(self, shared=False):
        return task_manager.acquire(self.context, self.node.uuid,
                                    shared=shared)

    def call(self, method, *args):
        """Call a method of the boot interface as the conductor does."""
        with self.task() as task:
            assert isinstance(task.driver.boot, redfish_iso.RedfishIsoBoot)
            try:
                return getattr(task.driver.boot, method)(task, *args)
            finally:
                self.node.refresh()

    def failure(self, kind, method, *args):
        return str(self.assertRaises(kind, self.call, method, *args))

    def published(self):
        folder = self.folder / 'http' / 'ext-media'
        return sorted(folder.iterdir()) if folder.exists() else []

    def records(self):
        return self.node.driver_internal_info.get('ext_media', [])


class RedfishIsoTestCase(DriverTestCase):

    kind = 'hybrid'

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        # Here, since the base class keeps tests from running commands.
        cls.isos = {name: isos.shared(name)
                    for name in (cls.kind, 'plain_rr_joliet')}

    def setUp(self):
        super().setUp()
        self.base = self.images / 'live.iso'
        shutil.copyfile(self.isos[self.kind], self.base)
        self.href = f'file://{self.base}'

    def medium(self):
        """Open what the machine has in its drive."""
        (url,) = self.bmc.inserted
        (path,) = self.published()
        self.assertEqual(f'{HTTP_URL}/ext-media/{path.name}', url)
        image = iso.IsoImage.open(path)
        self.addCleanup(image.__exit__, None, None, None)
        return image

    def arguments(self, image):
        """Return the kernel arguments of every entry of the medium."""
        return [' '.join(entry.arguments)
                for config in iso.inspect(image).configs
                for entry in config.entries]

    def assertClean(self):
        self.assertEqual([], self.bmc.inserted)
        self.assertEqual([], self.published())
        self.assertEqual([], self.records())
