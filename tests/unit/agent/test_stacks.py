# SPDX-License-Identifier: Apache-2.0

"""In which order what lies on a disk is taken down."""

import pathlib
import shutil
from unittest import mock

import fixtures
from ironic_python_agent import config  # noqa: F401
from oslo_concurrency import processutils
import testtools

from ironic_ext.bootc import errors
from ironic_python_agent_ext.bootc import stacks


class StacksTest(testtools.TestCase):

    def setUp(self):
        super().setUp()
        self.block = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        self.calls = []
        self.failure = None
        for target, name, new in (
                (stacks, '_BLOCK', self.block),
                (stacks, '_require_free', lambda *_names: None),
                (stacks.utils, 'execute', self.execute)):
            patcher = mock.patch.object(target, name, new)
            patcher.start()
            self.addCleanup(patcher.stop)

    def execute(self, *command):
        """Do what the kernel would: what is removed is gone."""
        self.calls.append(' '.join(command))
        if self.failure is not None and command[0] != 'wipefs':
            raise self.failure
        if command[0] == 'wipefs':
            return
        for path in self.block.glob('*'):
            name = path / 'dm/name'
            if (command[-1] == f'/dev/{path.name}' or name.exists()
                    and name.read_text().strip() == command[-1]):
                self.assertEqual([], [*path.glob('holders/*'),
                                      *path.glob('*/holders/*')])
                for link in (*self.block.glob(f'*/holders/{path.name}'),
                             *self.block.glob(f'*/*/holders/{path.name}')):
                    link.rmdir()
                shutil.rmtree(path)

    def disk(self, name, *parts):
        for part in parts:
            for place in (self.block / name / part, self.block / part):
                place.mkdir(parents=True, exist_ok=True)
            (self.block / name / part / 'partition').touch()

    def put(self, name, kind, *below, mapping=''):
        (self.block / name / kind).mkdir(parents=True)
        if mapping:
            (self.block / name / 'dm/name').write_text(f'{mapping}\n')
        for one in below:
            (self.block / one / 'holders' / name).mkdir(parents=True)

    def test_volumes_go_before_what_they_lie_on(self):
        self.disk('sda', 'sda1', 'sda2')
        self.put('md127', 'md', 'sda1', 'sdb1')
        self.put('dm-0', 'dm', 'md127', mapping='luks-1')
        self.put('dm-1', 'dm', 'dm-0', mapping='vg0-root')
        self.put('dm-2', 'dm', 'dm-0', mapping='vg0-home')
        stacks.take_down('/dev/sda')
        self.assertEqual([
            'dmsetup remove --retry vg0-root',
            'dmsetup remove --retry vg0-home',
            'dmsetup remove --retry luks-1', 'mdadm --stop /dev/md127',
            'wipefs --all --quiet /dev/sda1',
            'wipefs --all --quiet /dev/sda2', 'udevadm settle'], self.calls)

    def test_what_lies_on_the_whole_disk_or_on_an_arrays_partitions_goes(
            self):
        self.disk('nvme0n1')
        self.put('md0', 'md', 'nvme0n1')
        self.disk('md0', 'md0p1')
        self.put('dm-7', 'dm', 'md0p1', mapping='vg-x')
        stacks.take_down('/dev/nvme0n1')
        self.assertEqual(['dmsetup remove --retry vg-x',
                          'mdadm --stop /dev/md0', 'udevadm settle'],
                         self.calls)

    def test_other_disks_are_left_alone(self):
        self.disk('sda', 'sda1')
        self.put('dm-0', 'dm', 'sdb1', mapping='data')
        self.put('dm-1', 'dm', 'sdaa1', mapping='more')
        stacks.take_down('/dev/sda')
        self.assertEqual(['wipefs --all --quiet /dev/sda1',
                          'udevadm settle'], self.calls)

    def test_what_is_assembled_again_is_taken_down_again(self):
        self.disk('sda', 'sda1')
        self.put('md127', 'md', 'sda1')
        comes_back = iter((True, False))

        def settle(*command):
            self.execute(*command)
            if command == ('udevadm', 'settle') and next(comes_back):
                self.put('md127', 'md', 'sda1')

        with mock.patch.object(stacks.utils, 'execute', settle):
            stacks.take_down('/dev/sda')
        self.assertEqual(2, self.calls.count('mdadm --stop /dev/md127'))
        self.assertEqual(2, self.calls.count(
            'wipefs --all --quiet /dev/sda1'))

    def test_what_always_comes_back_is_named(self):
        self.disk('sda', 'sda1')
        self.put('md127', 'md', 'sda1')

        def settle(*command):
            self.execute(*command)
            if command == ('udevadm', 'settle'):
                self.put('md127', 'md', 'sda1')

        with (mock.patch.object(stacks.utils, 'execute', settle),
              mock.patch.object(stacks, '_BUSY', -1)):
            self.assertIn('comes back', str(self.assertRaises(
                errors.DiskBusyError, stacks.take_down, '/dev/sda')))

    def test_what_cannot_be_taken_down_is_named_before_the_disk_is_touched(
            self):
        self.disk('sda', 'sda1')
        self.put('dm-0', 'dm', 'sda1', mapping='luks-1')
        for failure, why in (
                (FileNotFoundError(2, 'x', 'dmsetup'), 'has no dmsetup'),
                (processutils.ProcessExecutionError(stderr='busy!'),
                 'busy!')):
            self.failure = failure
            message = str(self.assertRaises(
                errors.DiskBusyError, stacks.take_down, '/dev/sda'))
            self.assertIn('/dev/mapper/luks-1', message)
            self.assertIn(why, message)
        self.assertNotIn('wipefs', ' '.join(self.calls))

    def test_a_device_of_an_unknown_kind_is_named(self):
        self.disk('sda', 'sda1')
        self.put('bcache0', 'bcache', 'sda1')
        self.assertIn('/dev/bcache0', str(self.assertRaises(
            errors.DiskBusyError, stacks.take_down, '/dev/sda')))
