# SPDX-License-Identifier: Apache-2.0

"""Disks that may hold an image meanwhile."""

from unittest import mock

from ironic_python_agent import config  # noqa: F401
from ironic_python_agent import hardware
import testtools

from ironic_ext.bootc import errors
from ironic_python_agent_ext.bootc import disks

_NODE = {'uuid': 'u', 'properties': {
    'skip_block_devices': [{'name': '/dev/sdb'}]}}


class Manager(hardware.GenericHardwareManager):
    """Knows three disks; what is skipped, is the stock manager's doing."""

    def list_block_devices(self, include_partitions=False,
                           all_serial_and_wwn=False):
        return [hardware.BlockDevice(name, 'x', 1 << 30, False)
                for name in ('/dev/sda', '/dev/sdb', '/dev/sdc')]


class SkippedDisksTest(testtools.TestCase):

    def setUp(self):
        super().setUp()
        manager = Manager()
        for target, name, new in (
                (hardware, 'dispatch_to_managers',
                 lambda method, *args, **kwargs: getattr(manager, method)(
                     *args, **kwargs)),
                (disks, '_is_blank', lambda _device: True),
                (disks.machine, 'block_size',
                 {'/dev/sda': 3, '/dev/sdb': 2, '/dev/sdc': 1}.__getitem__)):
            patcher = mock.patch.object(target, name, new)
            patcher.start()
            self.addCleanup(patcher.stop)

    def node(self, node):
        patcher = mock.patch.object(hardware, 'NODE', node)
        patcher.start()
        self.addCleanup(patcher.stop)

    def test_a_blank_disk_that_the_node_skips_is_not_taken(self):
        self.node(None)
        self.assertEqual('/dev/sdb', disks.blank_disk('/dev/sda'))
        self.node(_NODE)
        self.assertEqual('/dev/sdc', disks.blank_disk('/dev/sda'))

    def test_a_disk_that_the_node_skips_is_refused_by_name(self):
        self.node(_NODE)
        disks.require_not_skipped('/dev/sdc')
        self.assertIn('/dev/sdb', str(self.assertRaises(
            errors.StoreError, disks.require_not_skipped, '/dev/sdb')))
