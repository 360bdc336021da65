# SPDX-License-Identifier: Apache-2.0

"""What an unfinished install left mapped onto a disk."""

import pathlib
from unittest import mock

import fixtures
from ironic_python_agent import config  # noqa: F401
import testtools

from ironic_python_agent_ext.bootc import disks


class FreeTest(testtools.TestCase):

    def setUp(self):
        super().setUp()
        self.block = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        self.execute = mock.Mock(spec=disks.utils.execute,
                                 return_value=('', ''))
        for target, name, new in ((disks, '_BLOCK', self.block),
                                  (disks.utils, 'execute', self.execute)):
            patcher = mock.patch.object(target, name, new)
            patcher.start()
            self.addCleanup(patcher.stop)

    def map(self, place, device, name):
        (self.block / place / 'holders' / device).mkdir(parents=True)
        (self.block / device / 'dm').mkdir(parents=True)
        (self.block / device / 'dm/name').write_text(f'{name}\n')

    def removed(self):
        return [call.args[-1] for call in self.execute.call_args_list]

    def test_an_encrypted_root_of_an_unfinished_install_is_closed(self):
        self.map('sda/sda4', 'dm-0', 'luks-root')
        disks.free('/dev/sda')
        self.execute.assert_called_once_with(
            'dmsetup', 'remove', '--retry', 'luks-root')

    def test_what_lies_on_the_whole_disk_is_closed(self):
        self.map('nvme0n1', 'dm-0', 'whole')
        self.map('nvme0n1/nvme0n1p2', 'dm-1', 'part')
        disks.free('/dev/nvme0n1')
        self.assertEqual(['whole', 'part'], self.removed())

    def test_other_disks_are_left_alone(self):
        self.map('sdb/sdb1', 'dm-0', 'data')
        self.map('sdaa/sdaa1', 'dm-1', 'more')
        disks.free('/dev/sda')
        self.assertEqual([], self.removed())

    def test_a_ramdisk_without_dmsetup_goes_on(self):
        self.map('sda/sda4', 'dm-0', 'luks-root')
        self.execute.side_effect = FileNotFoundError('dmsetup')
        disks.free('/dev/sda')
