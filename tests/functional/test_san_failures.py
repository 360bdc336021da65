# SPDX-License-Identifier: Apache-2.0

"""iSCSI targets on full disks, and of conductors that are killed."""

import hashlib
import os
import signal

import fixtures

from ironic_ext import images
from ironic_ext import iso
from ironic_ext import san
from ironic_ext.san import exports
from ironic_ext.san import target_records
from ironic_ext.san.tgt import targets as tgt
from tests.functional import file_systems
from tests.functional import san_targets
from tests.functional import tgtd
from tests import isos

_MIB = 1 << 20


class FailureTest(san_targets.SanTestCase):

    def test_a_full_disk_is_told_before_anything_is_made(self) -> None:
        mount = self.small_disk('1m')
        targets = self.targets(root=str(mount))
        error = self.assertRaises(
            san.NoSpaceError, targets.export, 'node:1', self.customised,
            self.base)
        self.assertIn('no room to serve file:///isos/base.iso', str(error))
        self.assertEqual([], os.listdir(mount / 'targets'))
        self.assertEqual([], self.names())

    def test_a_disk_that_fills_up_meanwhile_leaves_nothing(self) -> None:
        mount = self.small_disk('5m')
        targets = self.targets(root=str(mount))
        write = self.customised.write

        def filling(path: str, *, mode: int) -> None:
            (mount / 'other').write_bytes(bytes(4 * _MIB))
            write(path, mode=mode)

        self.useFixture(fixtures.MockPatchObject(
            self.customised, 'write', filling))
        error = self.assertRaises(
            san.NoSpaceError, targets.export, 'node:1', self.customised,
            self.base)
        self.assertIn('No space left on device', str(error))
        self.assertEqual([], os.listdir(mount / 'targets'))
        self.assertEqual([], self.names())

    def test_with_reflinks_an_image_needs_room_for_its_changes_only(
            self) -> None:
        disk = file_systems.formatted(
            self.folder / 'disk', 400 * _MIB,
            'mkfs.xfs', '-q', '-m', 'reflink=1')
        mount = self.mounted('-o', 'loop', str(disk))
        path = isos.KINDS['lorax_like'].build(mount, payload=32 * _MIB)
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        self.base = images.BaseImage(
            str(path), 'file:///isos/base.iso', path.stat().st_size,
            f'sha256:{digest}')
        facts = os.statvfs(mount)
        # Not enough for a copy.
        min_free = facts.f_bavail * facts.f_frsize - 16 * _MIB
        image = self.injected(append_args='host=one')
        found = self.targets(root=str(mount / 'exports'),
                             min_free=min_free).export('node:1', image,
                                                       self.base)
        self.assertEqual(image.read(0, image.size), tgtd.content(found))
        # The other way it is refused.
        error = self.assertRaises(
            san.NoSpaceError, self.targets(
                root=str(self.folder / 'exports'),
                min_free=1 << 60).export, 'node:1', image, self.base)
        self.assertIn('reflinks', str(error))

    def _die(self, owner: object, name: str) -> None:
        """Export in another process that is killed in the middle.

        :param owner: of the function that it does not survive.
        """
        child = os.fork()
        if not child:
            try:
                setattr(owner, name, lambda *_args, **_kwargs: os.kill(
                    os.getpid(), signal.SIGKILL))
                self.targets().export('node:1', self.customised, self.base)
            finally:
                os._exit(1)
        _, status = os.waitpid(child, 0)
        self.assertEqual(signal.SIGKILL, os.WTERMSIG(status))

    def _test_killed(self, owner: object, name: str) -> None:
        # A clean-up of the node, then of what has no node.
        self._die(owner, name)
        targets = self.targets()
        targets.release('node:1')
        targets.rebuild()
        self.assertEqual([], self.names())
        self.assertEqual([], self.files())
        accounts = self.tgtd.tgtadm('--mode', 'account', '--op', 'show')
        self.assertNotIn('ironic-', accounts)
        # Or the deployment goes on.
        self._die(owner, name)
        found = targets.export('node:1', self.customised, self.base)
        self.assertEqual(self.customised.read(0, self.customised.size),
                         tgtd.content(found))
        targets.release('node:1')

    def test_killed_before_there_is_a_record(self) -> None:
        self._test_killed(target_records.TargetRecords, 'write')

    def test_killed_before_there_is_an_image(self) -> None:
        self._test_killed(iso.SegmentMap, 'write')

    def test_killed_while_the_image_is_written(self) -> None:
        self._test_killed(os, 'fchmod')

    def test_killed_before_there_is_a_target(self) -> None:
        self._test_killed(tgt.TgtDaemon, 'serve')

    def test_killed_before_the_target_has_a_lun(self) -> None:
        self._test_killed(tgt.TgtDaemon, '_fill')

    def test_killed_before_the_target_has_a_password(self) -> None:
        self._test_killed(tgt.TgtDaemon, '_add_account')

    def test_killed_when_all_is_done(self) -> None:
        self._test_killed(exports, '_location')
