# SPDX-License-Identifier: Apache-2.0

"""iSCSI targets by a real tgtd, read by real initiators."""

import ipaddress
import os
import pathlib

import fixtures

from ironic_ext import iso
from ironic_ext import san
from lab import process
from tests.functional import san_targets
from tests.functional import tgtd


class ReadTest(san_targets.SanTestCase):

    def test_a_machine_reads_the_base_as_it_is(self) -> None:
        found = self.targets().export('node:1', self.plain, self.base)
        self.assertIsNone(found.chap)
        self.assertEqual(self.content, tgtd.content(found))

    def test_a_machine_reads_what_was_made_for_it(self) -> None:
        found = self.targets().export('node:1', self.customised, self.base)
        self.assertEqual(
            self.customised.read(0, self.customised.size),
            tgtd.content(found))

    def test_readers_share_one_target_and_the_last_one_ends_it(self) -> None:
        targets = self.targets()
        first = targets.export('node:1', self.plain, self.base)
        self.assertEqual(
            first, targets.export('node:2', self.plain, self.base))
        self.assertEqual([first.iqn], self.names())
        targets.release('node:1')
        self.assertEqual(self.content, tgtd.content(first))
        targets.release('node:2')
        self.assertEqual([], self.names())
        self.assertEqual([], self.files())

    def test_customised_images_have_targets_of_their_own(self) -> None:
        targets = self.targets()
        other = self.injected(append_args='host=two')
        made = [targets.export('node:1', self.plain, self.base),
                targets.export('node:1', self.customised, self.base),
                targets.export('node:2', other, self.base)]
        self.assertEqual(3, len({found.iqn for found in made}))
        self.assertEqual(sorted(made[:2], key=str),
                         sorted(targets.find('node:1'), key=str))
        targets.release('node:1')
        self.assertEqual([made[2].iqn], self.names())

    def test_a_reader_is_cut_off_when_nobody_owns_its_target(self) -> None:
        targets = self.targets()
        found = targets.export('node:1', self.plain, self.base)
        with tgtd.Initiator(found):
            self.assertEqual(
                1, targets.status()[0].sessions)
            targets.release('node:1')
            self.assertEqual([], self.names())
        self.assertRaises(tgtd.InitiatorError, tgtd.content, found)

    def test_one_in_the_middle_of_a_read_is_cut_off(self) -> None:
        targets = self.targets()
        for number in range(5):
            found = targets.export(f'node:{number}', self.plain, self.base)
            with tgtd.reading(found):
                process.await_condition(
                    lambda: targets.status()[0].sessions, 'the reader',
                    timeout=60)
                targets.release(f'node:{number}')
                self.assertEqual([], self.names())

    def test_the_password_of_one_target_opens_no_other(self) -> None:
        targets = self.targets(chap='all')
        one = targets.export('node:1', self.plain, self.base)
        two = targets.export('node:1', self.customised, self.base)
        self.assertNotEqual(one.chap, two.chap)
        self.assertRaises(tgtd.InitiatorError, tgtd.Initiator, one,
                          chap=two.chap)


class WriteTest(san_targets.SanTestCase):

    def _test_refused(self, image: iso.SegmentMap) -> None:
        found = self.targets().export('node:1', image, self.base)
        before = tgtd.content(found)
        with tgtd.Initiator(found, chap=found.chap) as machine:
            error = self.assertRaises(tgtd.InitiatorError, machine.write, 0,
                                      b'\1' * 512)
            self.assertIn('WRITE_PROTECTED', str(error))
        self.assertEqual(before, tgtd.content(found))
        self.assertEqual(self.content,
                         pathlib.Path(self.base.path).read_bytes())

    def test_a_write_to_the_base_is_refused(self) -> None:
        self._test_refused(self.plain)

    def test_a_write_to_a_customised_image_is_refused(self) -> None:
        self._test_refused(self.customised)

    def test_one_that_ejects_takes_nothing_from_the_others(self) -> None:
        found = self.targets().export('node:1', self.plain, self.base)
        with tgtd.Initiator(found) as one, tgtd.Initiator(found) as other:
            # The first command after a login tells of the reset.
            one.is_ready()
            other.is_ready()
            one.eject()
            self.assertTrue(other.is_ready())
        self.assertEqual(self.content, tgtd.content(found))

    def test_what_is_served_cannot_be_written_to_as_a_file(self) -> None:
        self.targets().export('node:1', self.customised, self.base)
        for path in (self.folder / 'exports').rglob('image.iso'):
            self.assertEqual(0o444, path.stat().st_mode & 0o777)


class AccessTest(san_targets.SanTestCase):

    def test_the_right_password_opens_and_a_wrong_one_does_not(self) -> None:
        found = self.targets().export('node:1', self.customised, self.base)
        assert found.chap is not None
        wrong = san.Chap(found.chap.username, 'x' * 16)
        for chap in (None, wrong):
            error = self.assertRaises(tgtd.InitiatorError, tgtd.Initiator,
                                      found, chap=chap)
            self.assertIn('Authentication failure', str(error))
        tgtd.Initiator(found, chap=found.chap).close()

    def test_the_password_is_in_no_log_and_no_argument(self) -> None:
        # Stands in for tgtadm, writes its arguments down and passes on.
        bin_ = self.folder / 'bin'
        bin_.mkdir()
        seen = self.folder / 'arguments'
        (bin_ / 'tgtadm').write_text(
            f'#!/bin/sh\necho "$@" >> {seen}\n'
            'PATH="${PATH#*:}" exec tgtadm "$@"\n')
        (bin_ / 'tgtadm').chmod(0o755)
        self.useFixture(fixtures.EnvironmentVariable(
            'PATH', f'{bin_}:{os.environ["PATH"]}'))
        targets = self.targets()
        found = targets.export('node:1', self.customised, self.base)
        assert found.chap is not None
        tgtd.Initiator(found, chap=found.chap).close()
        self.assertIn(found.chap.username, seen.read_text())
        for text in (seen.read_text(), self.logs.output, repr(found),
                     repr(targets.status())):
            self.assertNotIn(found.chap.password, text)

    def test_only_the_owner_of_the_files_reads_passwords(self) -> None:
        self.targets().export('node:1', self.customised, self.base)
        for path in (self.folder / 'exports').rglob('target.json'):
            self.assertEqual(0o600, path.stat().st_mode & 0o777)

    def test_a_machine_of_another_network_is_left_out(self) -> None:
        net = ipaddress.ip_network
        for networks, gets_in in (
                ((net('192.0.2.0/24'), net('2001:db8::/32')), False),
                ((net('192.0.2.0/24'), net('127.0.0.0/8')), True),
                ((net('127.0.0.1/32'),), True),
                ((net('127.0.0.2/32'),), False),
                ((net('0.0.0.0/0'),), True)):
            targets = self.targets(networks=networks)
            found = targets.export('node:1', self.plain, self.base)
            self.assertEqual(((), (), ()), _outcome(targets.rebuild()))
            if gets_in:
                tgtd.Initiator(found).close()
            else:
                self.assertRaises(tgtd.InitiatorError, tgtd.Initiator,
                                  found)

    def test_an_unknown_name_is_refused(self) -> None:
        found = self.targets().export('node:1', self.plain, self.base)
        error = self.assertRaises(
            tgtd.InitiatorError, tgtd.Initiator,
            san.Location('iqn.2000-01.org.example:none', found.portal,
                         found.port))
        self.assertIn('Target not found', str(error))

    def test_a_portal_where_nobody_listens_is_an_error(self) -> None:
        found = self.targets().export(
            'node:1', self.plain, self.base,
            portal=san.Portal('127.0.0.1', 9))
        self.assertEqual(9, found.port)
        self.assertRaises(tgtd.InitiatorError, tgtd.Initiator, found)


class RestartTest(san_targets.SanTestCase):

    def test_a_new_tgtd_serves_the_same_to_the_same(self) -> None:
        targets = self.targets()
        made = [targets.export('node:1', self.plain, self.base),
                targets.export('node:2', self.customised, self.base)]
        self.tgtd.kill()
        self.assertEqual({'down'},
                         {one.state for one in targets.status()})
        self.tgtd.start()
        self.assertEqual([], self.names())
        # Another conductor process, which knows the files only.
        again = self.targets()
        self.assertEqual({found.iqn for found in made},
                         set(again.rebuild().made))
        self.assertEqual(((), (), ()), _outcome(again.rebuild()))
        self.assertEqual(self.content, tgtd.content(made[0]))
        self.assertEqual(self.customised.read(0, self.customised.size),
                         tgtd.content(made[1]))
        self.assertEqual({'served'},
                         {one.state for one in again.status()})

    def test_the_disk_is_the_same_one_after_a_restart(self) -> None:
        targets = self.targets()
        targets.export('node:1', self.plain, self.base)
        serials = [line for line in self.shown().splitlines()
                   if 'SCSI SN' in line][1:]
        self.tgtd.kill()
        self.tgtd.start()
        # It has another number then.
        self.tgtd.tgtadm('--mode', 'target', '--op', 'new', '--tid', '7',
                         '--targetname', 'iqn.2000-01.org.example:other')
        targets.rebuild()
        self.assertIn(serials[0], self.shown())

    def test_a_target_that_was_changed_by_hand_is_put_right(self) -> None:
        targets = self.targets()
        found = targets.export('node:1', self.plain, self.base)
        number = self.shown().split()[1].rstrip(':')
        self.tgtd.tgtadm('--mode', 'logicalunit', '--op', 'update', '--tid',
                         number, '--lun', '1', '--params', 'readonly=0')
        self.assertEqual('down', targets.status()[0].state)
        self.assertEqual((found.iqn,), targets.rebuild().made)
        with tgtd.Initiator(found) as machine:
            self.assertRaises(tgtd.InitiatorError, machine.write, 0,
                              b'\1' * 512)

    def test_targets_of_others_stay(self) -> None:
        other = 'iqn.2008-10.org.openstack:somebody-elses'
        self.tgtd.tgtadm('--mode', 'target', '--op', 'new', '--tid', '1',
                         '--targetname', other)
        targets = self.targets()
        targets.export('node:1', self.plain, self.base)
        targets.rebuild()
        targets.release('node:1')
        targets.rebuild()
        self.assertEqual([other], self.names())

    def test_without_a_tgtd_a_sentence_says_so_and_nothing_is_left(
            self) -> None:
        self.tgtd.kill()
        targets = self.targets()
        # Where nothing was made, it may well not be there.
        self.assertEqual((), targets.rebuild().removed)
        for call in (targets.require, lambda: targets.export(
                'node:1', self.plain, self.base), targets.rebuild):
            error = self.assertRaises(san.TargetDaemonError, call)
            self.assertIn('tgtd does not run', str(error))
        self.assertEqual([], self.files())

    def test_what_a_dead_tgtd_served_can_be_let_go_of(self) -> None:
        targets = self.targets()
        targets.export('node:1', self.customised, self.base)
        self.tgtd.kill()
        targets.release('node:1')
        self.assertEqual([], self.files())


class HelperTest(san_targets.SanTestCase):

    def test_a_conductor_without_roots_rights_uses_a_helper(self) -> None:
        # Here env(1) runs what sudo(8) would.
        targets = self.targets(root_helper=('env', 'HELPED=1'))
        found = targets.export('node:1', self.customised, self.base)
        self.assertEqual(self.customised.read(0, self.customised.size),
                         tgtd.content(found))
        targets.release('node:1')
        self.assertEqual([], self.names())

    def test_a_conductor_without_either_is_told_what_to_set(self) -> None:
        reading, writing = os.pipe()
        child = os.fork()
        if not child:
            try:
                os.setgroups([])
                os.setgid(65534)
                os.setuid(65534)
                self.targets().require()
            except san.TargetDaemonError as exc:
                os.write(writing, str(exc).encode())
            finally:
                os._exit(0)
        os.close(writing)
        with open(reading, encoding='utf-8') as pipe:
            self.assertIn('tgtd obeys root only', pipe.read())
        os.waitpid(child, 0)

    def test_a_helper_that_fails_is_told_with_its_words(self) -> None:
        helper = self.folder / 'helper'
        helper.write_text(
            '#!/bin/sh\necho "sudo: a password is required" >&2\nexit 1\n')
        helper.chmod(0o755)
        targets = self.targets(root_helper=(str(helper),))
        error = self.assertRaises(
            san.TargetDaemonError, targets.export, 'node:1', self.plain,
            self.base)
        self.assertIn('sudo: a password is required', str(error))


class StaticTest(san_targets.SanTestCase):

    def test_a_target_that_an_appliance_serves_is_used_as_it_is(
            self) -> None:
        iqn = 'iqn.2000-01.com.example.appliance:isos'
        for arguments in (
                ('target', 'new', '--targetname', iqn),
                ('logicalunit', 'new', '--lun', '5', '--backing-store',
                 self.base.path),
                ('target', 'bind', '--initiator-address', 'ALL')):
            mode, operation, *rest = arguments
            self.tgtd.tgtadm('--mode', mode, '--op', operation, '--tid',
                             '1', *rest)
        given = san.Location(iqn, self.tgtd.portal.host,
                             self.tgtd.portal.port, lun=5)
        targets = san.open_targets('static', self.settings())
        found = targets.export('node:1', self.plain, self.base, given=given)
        self.assertEqual(self.content, tgtd.content(found))
        targets.release('node:1')
        self.assertEqual([iqn], self.names())
        self.assertEqual([], self.files())


def _outcome(rebuilt: san.Rebuilt) -> tuple[tuple[str, ...], ...]:
    return rebuilt.made, rebuilt.removed, rebuilt.failed
