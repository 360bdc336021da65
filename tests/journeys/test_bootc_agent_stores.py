# SPDX-License-Identifier: Apache-2.0

"""Where images lie while they are installed: real memory and disks."""

import sys

from ironic_ext.bootc import request
from tests.functional import bootc_agent

#: Makes a store at a disk's end, tells where that is, and takes it down.
_AT_THE_END = """\
import os
import pathlib
import sys

from ironic_python_agent import config
from ironic_python_agent_ext.bootc import leftovers
from ironic_python_agent_ext.bootc import storage
from ironic_python_agent_ext.bootc import storage_plan

storage.STATE.mkdir(mode=0o700)
store = storage.Store.make(storage_plan.StorePlan(
    storage_plan.TARGET, 64 << 20, device=sys.argv[1]))
settings = pathlib.Path('/sys/block', os.path.basename(store.device), 'loop')
print(*((settings / name).read_text() for name in ('offset', 'sizelimit')))
store.remove()
leftovers.remove_files()
"""


class StoresTest(bootc_agent.BootcAgentTestCase):

    def assert_store(self, name, kind, **arguments):
        self.assert_deployed(self.deploy(
            self.push(), store=request.Store(kind, **arguments)))
        self.assertIn(f'The image lies on {name}', self.log())

    def test_memory(self):
        self.assert_store('tmpfs', 'auto')

    def test_compressed_memory(self):
        self.assert_store('zram', 'zram')

    def test_a_disk_that_the_operator_names(self):
        self.assert_store('disk', 'disk', device=self.scratch.path)

    def test_a_blank_disk(self):
        self.assert_store('disk', 'disk')

    def test_a_disk_with_content_is_not_taken_for_a_blank_one(self):
        with self.scratch_disk_with_content():
            command = self.deploy(self.push(), store=request.Store('disk'))
        self.assert_failed('StoreError', 'is to lie on a disk', command)

    def test_the_end_of_the_disk_that_is_installed_to(self):
        drive, image = bootc_agent.config_drive('hello')
        with self.scratch_disk_with_content():
            command = self.deploy(
                self.push(), configdrive=drive,
                store=request.Store('disk', allow_target_disk=True))
        self.assert_deployed(command)
        self.assertIn('The image lies on target', self.log())
        with open(self.disk.partition(3), 'rb') as partition:
            self.assertEqual(image, partition.read(len(image)))

    def test_a_store_at_a_disks_end_leaves_its_partition_table_alone(self):
        told = self.agent.inside(sys.executable, '-W', 'ignore', '-c',
                                 _AT_THE_END, self.disk.path)
        offset, size = map(int, told.split()[-2:])
        whole = int(self.agent.inside('blockdev', '--getsize64',
                                      self.disk.path))
        self.assertEqual(64 << 20, size)
        self.assertLessEqual(offset + size, whole - 33 * 512)
        self.assert_nothing_is_left()
