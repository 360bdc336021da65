# SPDX-License-Identifier: Apache-2.0

"""Targets and who needs them: files, records, what is left by failures."""

import hashlib
import ipaddress
import json
import os
import pathlib
import threading
import types
import typing

import fixtures
import testtools

from ironic_ext import san
from ironic_ext.san import daemon as daemons
from ironic_ext.san import exports
from tests import unit

_PORTAL = san.Portal('192.0.2.1')


class FakeDaemon:
    """Serves in memory; can be told to fail."""

    def __init__(self) -> None:
        self.targets: dict[str, daemons.Target] = {}
        self.failing: Exception | None = None
        self.made = 0

    def require(self) -> None:
        self._ask()

    def serve(self, target: daemons.Target) -> None:
        self._ask()
        if self.targets.get(target.iqn) != target:
            self.targets[target.iqn] = target
            self.made += 1

    def withdraw(self, iqn: str, chap: san.Chap | None = None) -> None:
        self._ask()
        self.targets.pop(iqn, None)

    def served(self) -> dict[str, daemons.Served]:
        self._ask()
        return {iqn: daemons.Served(iqn, target.path, 0, target.__eq__)
                for iqn, target in self.targets.items()}

    def _ask(self) -> None:
        if self.failing is not None:
            raise self.failing


class Base:
    """An image of the store."""

    href = 'http://isos.example.com/a.iso'

    def __init__(self, path: pathlib.Path) -> None:
        content = path.read_bytes()
        self.path = str(path)
        self.size = len(content)
        self.digest = f'sha256:{hashlib.sha256(content).hexdigest()}'

    def place(self, path: str) -> str:
        os.link(self.path, path)
        return 'link'


class Image:
    """A customised image, or the base as it is."""

    def __init__(self, base: Base, added: bytes = b'') -> None:
        self.content = pathlib.Path(base.path).read_bytes() + added
        self.size = len(self.content)
        self.digest = f'sha256:{hashlib.sha256(added).hexdigest()}'
        self.literal_bytes = len(added)
        self.segments = (types.SimpleNamespace(offset=0),) * (
            2 if added else 1)
        self.failing: Exception | None = None
        self.written = 0

    def write(self, path: str, *, mode: int = 0o644) -> None:
        self.written += 1
        with open(f'{path}.part', 'wb') as file:
            file.write(self.content)
            os.fchmod(file.fileno(), mode)
        if self.failing is not None:
            raise self.failing
        os.rename(f'{path}.part', path)


class ExportsTestCase(testtools.TestCase):

    def setUp(self) -> None:
        super().setUp()
        self.useFixture(unit.WithoutSync())
        folder = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        self.logs = self.useFixture(fixtures.FakeLogger())
        self.root = folder / 'exports'
        path = folder / 'base.iso'
        path.write_bytes(b'base' * 1024)
        self.base = Base(path)
        self.plain = Image(self.base)
        self.image = Image(self.base, b'config of one')
        self.daemon = FakeDaemon()

    def exports(self, **settings: typing.Any) -> exports.Exports:
        return exports.Exports(san.Settings(
            str(self.root), **{'portal': _PORTAL, **settings}), self.daemon)

    def left(self) -> list[str]:
        return sorted(str(path.relative_to(self.root))
                      for path in self.root.rglob('*') if path.is_file())

    def record(self) -> pathlib.Path:
        found, = self.root.rglob('target.json')
        return found


class ExportTest(ExportsTestCase):

    def test_a_target_serves_the_image_to_all_who_need_it(self) -> None:
        targets = self.exports()
        found = targets.export('node:1', self.image, self.base)
        self.assertEqual(found,
                         targets.export('node:2', self.image, self.base))
        self.assertEqual(1, self.image.written)
        served, = self.daemon.targets.values()
        self.assertEqual(self.image.content,
                         pathlib.Path(served.path).read_bytes())
        self.assertEqual({'node:1', 'node:2'}, targets.owners())
        targets.release('node:1')
        self.assertEqual([found], targets.find('node:2'))
        self.assertEqual([], targets.find('node:1'))
        targets.release('node:2')
        self.assertEqual(({}, []), (self.daemon.targets, self.left()))

    def test_only_what_was_made_for_a_node_has_a_password(self) -> None:
        for chap, plain, customised in (('none', False, False),
                                        ('customised', False, True),
                                        ('all', True, True)):
            targets = self.exports(chap=chap)
            for image, has in ((self.plain, plain),
                               (self.image, customised)):
                found = targets.export('node:1', image, self.base)
                self.assertEqual(has, found.chap is not None)
                if found.chap:
                    self.assertEqual(16, len(found.chap.password))
            targets.release('node:1')

    def test_a_password_stays_the_same_as_long_as_the_target(self) -> None:
        first = self.exports().export('node:1', self.image, self.base)
        again = self.exports().export('node:2', self.image, self.base)
        self.assertEqual(first, again)

    def test_the_machines_portal_counts(self) -> None:
        found = self.exports(portal=None).export(
            'node:1', self.plain, self.base,
            portal=san.Portal('2001:db8::1', 7))
        self.assertEqual(('2001:db8::1', 7), (found.portal, found.port))

    def test_without_a_portal_nothing_is_made(self) -> None:
        self.assertRaises(
            san.PortalError, self.exports(portal=None).export, 'node:1',
            self.plain, self.base)
        self.assertEqual([], self.left())

    def test_a_target_that_is_given_is_none_to_make(self) -> None:
        given = san.Location('iqn.2000-01.com.example:isos', '192.0.2.1')
        error = self.assertRaises(
            san.SanError, self.exports().export, 'node:1', self.plain,
            self.base, given=given)
        self.assertIn('"static"', str(error))

    def test_a_base_without_a_digest_has_no_name(self) -> None:
        self.base.digest = ''
        self.assertRaises(san.SanError, self.exports().export, 'node:1',
                          self.plain, self.base)

    def test_many_at_a_time_make_one_target(self) -> None:
        targets = self.exports()
        threads = [threading.Thread(target=targets.export, args=(
            f'node:{number}', self.image, self.base))
            for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual((1, 1), (self.image.written, self.daemon.made))
        self.assertEqual(8, len(targets.owners()))

    def test_some_come_while_others_go(self) -> None:
        targets = self.exports()

        def come_and_go(owner: str) -> None:
            for _ in range(6):
                targets.export(owner, self.image, self.base)
                targets.release(owner)

        threads = [threading.Thread(target=come_and_go, args=(str(number),))
                   for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(({}, []), (self.daemon.targets, self.left()))


class FailureTest(ExportsTestCase):

    def test_a_failed_write_leaves_nothing(self) -> None:
        full = OSError(28, 'No space left on device')
        wrapped = RuntimeError('cannot write')
        wrapped.__cause__ = full
        for failure, kind in ((full, san.NoSpaceError),
                              (wrapped, san.NoSpaceError),
                              (OSError(5, 'I/O error'), san.SanError),
                              (KeyError('x'), KeyError)):
            self.image.failing = failure
            self.assertRaises(kind, self.exports().export, 'node:1',
                              self.image, self.base)
            self.assertEqual(({}, []), (self.daemon.targets, self.left()))

    def test_a_failed_export_takes_nothing_from_others(self) -> None:
        targets = self.exports()
        found = targets.export('node:1', self.image, self.base)
        self.daemon.failing = san.TargetDaemonError('no')
        self.assertRaises(san.TargetDaemonError, targets.export, 'node:2',
                          self.image, self.base)
        self.daemon.failing = None
        self.assertEqual({'node:1'}, targets.owners())
        self.assertEqual([found], targets.find('node:1'))

    def test_an_image_that_does_not_fit_is_told_in_numbers(self) -> None:
        facts = types.SimpleNamespace(f_bavail=3, f_frsize=1 << 20)
        self.useFixture(fixtures.MockPatchObject(
            exports.os, 'statvfs', lambda path: facts))
        self.useFixture(fixtures.MockPatchObject(
            exports.blocks, 'can_share', lambda *args: False))
        self.image.size = 5 << 20
        error = self.assertRaises(
            san.NoSpaceError, self.exports(min_free=1 << 20).export,
            'node:1', self.image, self.base)
        self.assertIn('it needs 5 MiB there, 3 MiB are free and 1 MiB have '
                      'to stay free', str(error))
        self.assertEqual([], self.left())

    def test_what_shares_blocks_or_is_a_link_needs_no_room(self) -> None:
        facts = types.SimpleNamespace(f_bavail=0, f_frsize=1 << 20)
        self.useFixture(fixtures.MockPatchObject(
            exports.os, 'statvfs', lambda path: facts))
        self.exports().export('node:1', self.plain, self.base)
        self.useFixture(fixtures.MockPatchObject(
            exports.blocks, 'can_share', lambda *args: True))
        self.image.literal_bytes = 0
        self.exports().export('node:1', self.image, self.base)

    def test_what_cannot_be_withdrawn_is_so_by_the_next_rebuild(
            self) -> None:
        targets = self.exports()
        found = targets.export('node:1', self.image, self.base)
        self.daemon.failing = san.TargetDaemonError('no answer')
        self.assertRaises(san.TargetDaemonError, targets.release, 'node:1')
        self.daemon.failing = None
        self.assertEqual([], targets.find('node:1'))
        self.assertIn(found.iqn, self.daemon.targets)
        self.assertEqual((found.iqn,), targets.rebuild().removed)
        self.assertEqual(({}, []), (self.daemon.targets, self.left()))

    def test_the_next_release_withdraws_what_has_no_owners_left(
            self) -> None:
        targets = self.exports()
        targets.export('node:1', self.image, self.base)
        self.daemon.failing = san.TargetDaemonError('no answer')
        self.assertRaises(san.TargetDaemonError, targets.release, 'node:1')
        self.daemon.failing = None
        targets.release('node:1')
        self.assertEqual(({}, []), (self.daemon.targets, self.left()))

    def test_a_release_does_all_it_can(self) -> None:
        targets = self.exports()
        targets.export('node:1', self.plain, self.base)
        targets.export('node:1', self.image, self.base)
        withdraw = self.daemon.withdraw
        refused: list[str] = []

        def refuse_once(iqn: str, chap: san.Chap | None = None) -> None:
            if not refused:
                refused.append(iqn)
                raise san.TargetDaemonError('no')
            withdraw(iqn, chap)

        self.daemon.withdraw = refuse_once
        self.assertRaises(san.TargetDaemonError, targets.release, 'node:1')
        self.assertEqual(refused, list(self.daemon.targets))


class RebuildTest(ExportsTestCase):

    def test_where_nothing_was_made_nobody_is_asked(self) -> None:
        self.daemon.failing = san.TargetDaemonError('no answer')
        self.assertEqual(san.Rebuilt(), self.exports().rebuild())

    def test_nothing_is_done_twice(self) -> None:
        targets = self.exports()
        found = targets.export('node:1', self.image, self.base)
        self.assertEqual(san.Rebuilt(), targets.rebuild())
        self.daemon.targets.clear()
        self.assertEqual(san.Rebuilt(made=(found.iqn,)), targets.rebuild())
        self.assertEqual(san.Rebuilt(), targets.rebuild())

    def test_an_image_that_is_gone_is_told_with_its_owners(self) -> None:
        targets = self.exports()
        found = targets.export('node:1', self.image, self.base)
        next(self.root.rglob('image.iso')).unlink()
        self.assertEqual('lost', targets.status()[0].state)
        self.assertEqual(san.Rebuilt(failed=(found.iqn,)),
                         targets.rebuild())
        self.assertIn('node:1', self.logs.output)
        # The next deployment makes it again.
        self.assertEqual(found, targets.export('node:1', self.image,
                                               self.base))
        self.assertEqual('served', targets.status()[0].state)

    def test_a_damaged_record_stops_nobody_else_and_nothing_is_removed(
            self) -> None:
        targets = self.exports()
        targets.export('node:1', self.image, self.base)
        damaged = self.record()
        targets.export('node:2', self.plain, self.base)
        for text in ('', '[]', '{"iqn": 1}', '[' * 100000):
            damaged.write_text(text)
            self.daemon.targets.clear()
            rebuilt = targets.rebuild()
            self.assertEqual((1, 1), (len(rebuilt.made),
                                      len(rebuilt.failed)))
            self.assertEqual({'node:2'}, targets.owners())
            self.assertEqual(1, len(targets.status()))
            error = self.assertRaises(san.SanError, targets.export,
                                      'node:1', self.image, self.base)
            self.assertIn('remove its directory', str(error))
        self.assertTrue(damaged.with_name('image.iso').exists())

    def test_a_target_whose_files_were_removed_by_hand_goes(self) -> None:
        targets = self.exports()
        found = targets.export('node:1', self.image, self.base)
        folder = self.record().parent
        for path in folder.iterdir():
            path.unlink()
        folder.rmdir()
        self.assertEqual(san.Rebuilt(removed=(found.iqn,)),
                         targets.rebuild())
        self.assertEqual({}, self.daemon.targets)

    def test_targets_of_others_are_none_of_ours(self) -> None:
        other = daemons.Target('iqn.2000-01.com.example:other',
                               '/srv/targets/other/image.iso', 'x')
        self.daemon.serve(other)
        self.assertEqual(san.Rebuilt(), self.exports().rebuild())
        self.assertEqual([other], list(self.daemon.targets.values()))

    def test_what_is_being_worked_on_is_left_alone(self) -> None:
        targets = self.exports()
        found = targets.export('node:1', self.image, self.base)
        self.daemon.targets.clear()
        key = self.record().parent.name
        with targets._records.locked(key):
            self.assertEqual(san.Rebuilt(), targets.rebuild())
        self.assertEqual((found.iqn,), targets.rebuild().made)

    def test_a_folder_that_a_killed_conductor_left_goes(self) -> None:
        (self.root / 'targets' / ('a' * 32)).mkdir(parents=True)
        (self.root / 'targets' / ('a' * 32) / 'x.part').touch()
        (self.root / 'targets' / 'notes').mkdir()
        self.exports().rebuild()
        self.assertEqual(['notes'], os.listdir(self.root / 'targets'))

    def test_other_settings_change_what_is_served(self) -> None:
        self.exports().export('node:1', self.image, self.base)
        networks = (ipaddress.ip_network('192.0.2.0/24'),)
        targets = self.exports(networks=networks)
        self.assertEqual('down', targets.status()[0].state)
        self.assertEqual(1, len(targets.rebuild().made))
        served, = self.daemon.targets.values()
        self.assertEqual(networks, served.networks)

    def test_a_record_is_secret_and_says_no_more_than_it_has_to(
            self) -> None:
        found = self.exports().export('node:1', self.image, self.base)
        self.assertEqual(0o600, self.record().stat().st_mode & 0o777)
        self.assertEqual(0o700,
                         (self.root / 'targets').stat().st_mode & 0o777)
        facts = json.loads(self.record().read_text())
        self.assertEqual(['node:1'], facts['owners'])
        self.assertNotIn(found.chap.password, self.logs.output)

    def test_a_daemon_that_is_down_makes_all_targets_down(self) -> None:
        targets = self.exports()
        targets.export('node:1', self.image, self.base)
        self.daemon.failing = san.TargetDaemonError('no')
        self.assertEqual('down', targets.status()[0].state)
        self.assertRaises(san.TargetDaemonError, targets.rebuild)
        self.assertRaises(san.TargetDaemonError, targets.require)
