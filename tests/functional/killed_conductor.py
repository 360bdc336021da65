# SPDX-License-Identifier: Apache-2.0

"""A conductor that is killed at every step of what it does.

The conductor is a child of the test, which ends itself by SIGKILL before each
write of the node or of another database, each request that changes the BMC,
each command, and each file that appears, moves or goes: what is there between
two of them is the same after the one and before the other. What it had
saved of the node is
all that the next conductor has. Driver, sushy, HTTP and the emulator's Redfish
are real, the machine is not.
"""

import json
import os
import signal
import sys
import traceback
import unittest.mock
import urllib.request

# Before anything else of Ironic: it chooses the threading model of tests.
import ironic.tests.unit  # noqa: F401
from ironic.conductor import utils as manager_utils  # noqa: H306
from ironic.drivers.modules.redfish import utils as redfish_utils
from ironic import objects
from ironic.tests import base as ironic_base
from oslo_db.sqlalchemy import enginefacade
import sqlalchemy
from sushy import connector

from tests import file_server
from tests.functional import fake_emulator

# Real ones: the base of unit tests replaces both.
_GET_SYSTEM = redfish_utils.get_system
_SET_DEVICE = manager_utils.node_set_boot_device
_SAVE = objects.Node.save
_FILES = frozenset(('os.rename', 'os.link', 'os.symlink', 'os.remove',
                    'os.mkdir', 'os.rmdir', 'shutil.rmtree'))
_WRITES = os.O_WRONLY | os.O_RDWR
_FIELDS = ('driver_internal_info', 'instance_info')
#: More than any of it has.
_MOST_STEPS = 400


class _Steps:
    """Counts steps of this process, and kills it at one of them."""

    def __init__(self, last, folder):
        self._last = last
        self._folder = str(folder)
        self._count = 0

    def step(self):
        self._count += 1
        if self._count == self._last:
            os.kill(os.getpid(), signal.SIGKILL)

    def watch_files(self, event, arguments):
        """See commands, and what is done to files, as an audit hook."""
        if event == 'subprocess.Popen':
            self.step()
            return
        if event == 'open':
            *paths, _mode, flags = arguments
            if not (isinstance(flags, int) and flags & _WRITES):
                return
        elif event in _FILES:
            paths = arguments[:2]
        else:
            return
        if any(os.fsdecode(path).startswith(self._folder) for path in paths
               if isinstance(path, (str, bytes))):
            self.step()

    def watch_databases(self, connection):
        """See what is written to databases in files."""
        name = connection.engine.url.database
        if name and name.startswith(self._folder):
            self.step()

    def before(self, function):
        """Return a function with a step before it."""
        def stepped(*args, **kwargs):
            self.step()
            return function(*args, **kwargs)
        return stepped


class KilledConductor:
    """For a test of a node with a driver of this suite; see tests.unit."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        # Within a test, Ironic's base forbids to start processes.
        cls.emulator = fake_emulator.shared()

    def setUp(self):
        # Ironic gives unit tests a minute, which this takes on a busy
        # machine.
        with unittest.mock.patch.object(ironic_base, 'BASE_TEST_TIMEOUT',
                                        1800):
            super().setUp()
        self.replace(redfish_utils, 'get_system', _GET_SYSTEM)
        self.boot_device.side_effect = _SET_DEVICE
        self.system = self.emulator.new_system()
        self.node.driver_info = {
            'redfish_address': self.emulator.url,
            'redfish_auth_type': 'basic', 'redfish_username': 'admin',
            'redfish_password': 'password',
            'redfish_system_id': f'/redfish/v1/Systems/{self.system}'}
        self.store()
        root = self.folder / 'http'
        root.mkdir(exist_ok=True)
        self.config(http_url=self.useFixture(
            file_server.FileServer(root)).url, group='deploy')
        self.config(delivery='file', group='ext_media')

    def lose_conductor(self, step, work):
        """Do something in a conductor that is killed at a step.

        The node has what was saved by then.

        :returns: whether it was killed; the work is done otherwise.
        """
        reader, writer = os.pipe()
        engine = enginefacade.writer.get_engine()
        with self.task() as task:
            with engine.connect() as connection:
                database = connection.connection.driver_connection.serialize()
            pid = os.fork()
            if not pid:
                os.close(reader)
                self._be_conductor(step, work, task, writer, database)
        os.close(writer)
        with open(reader) as file:
            saved = file.read().splitlines()
        _pid, status = os.waitpid(pid, 0)
        if not os.WIFSIGNALED(status):
            self.assertEqual(0, os.waitstatus_to_exitcode(status), saved)
        if saved:
            for field, value in json.loads(saved[-1]).items():
                setattr(self.node, field, value)
            self.store()
        return os.WIFSIGNALED(status)

    def _be_conductor(self, step, work, task, writer, database):
        code = 1
        try:
            steps = _Steps(step, self.folder)
            engine = enginefacade.writer.get_engine()
            # The connections are those of the parent, its memory is not.
            engine.dispose(close=False)
            with engine.connect() as connection:
                connection.connection.driver_connection.deserialize(database)

            def save(node, *arguments, **options):
                _SAVE(node, *arguments, **options)
                os.write(writer, json.dumps({
                    field: getattr(node, field) for field in _FIELDS
                }).encode() + b'\n')

            objects.Node.save = steps.before(save)
            for name in ('post', 'patch'):
                setattr(connector.Connector, name, steps.before(
                    getattr(connector.Connector, name)))
            sqlalchemy.event.listen(sqlalchemy.Engine, 'commit',
                                    steps.watch_databases)
            sys.addaudithook(steps.watch_files)
            work(task)
            code = 0
        except BaseException as exc:
            os.write(2, ''.join(traceback.format_exception(exc)).encode())
        finally:
            os._exit(code)

    def at_every_step(self, begin, work, recover, judge, clear=None):
        """Kill a conductor at each step, and let the next one go on.

        :param begin: makes what there is before.
        :param work: takes the conductor's task.
        :param clear: leaves nothing for the next round.
        """
        for step in range(1, _MOST_STEPS):
            begin()
            killed = self.lose_conductor(step, work)
            if killed:
                recover()
            with self.subTest(step=step, killed=killed):
                judge(killed)
            if not killed:
                # The hooks saw something at all.
                self.assertGreater(step, 3)
                return
            if clear is not None:
                clear()
        self.fail('the steps have no end')

    def inserted(self):
        """Return slot -> URL of what is in the machine's drives."""
        return self.emulator.inserted(self.system)

    def lose_medium(self, slot='Cd'):
        """Eject what is in a drive, as a BMC that is reset does."""
        urllib.request.urlopen(urllib.request.Request(
            f'{self.emulator.url}/redfish/v1/Systems/{self.system}/'
            f'VirtualMedia/{slot}/Actions/VirtualMedia.EjectMedia',
            b'{}', {'Content-Type': 'application/json'}), timeout=60).close()

    def device(self):
        """Return the boot device that the BMC shows, and for how long."""
        with urllib.request.urlopen(
                f'{self.emulator.url}/redfish/v1/Systems/{self.system}',
                timeout=60) as answer:
            boot = json.load(answer)['Boot']
        return (boot['BootSourceOverrideTarget'],
                boot['BootSourceOverrideEnabled'])

    def left(self):
        """Return what there is of media, anywhere."""
        return (self.inserted(), self.published(), self.records(),
                list((self.folder / 'http').rglob('*.part')))
