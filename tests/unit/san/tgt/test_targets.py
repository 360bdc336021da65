# SPDX-License-Identifier: Apache-2.0

"""How a target is made in tgtd, and when it is as it should be."""

import ipaddress
from unittest import mock

import testtools

from ironic_ext import san
from ironic_ext.san import daemon
from ironic_ext.san.tgt import targets as tgt
from ironic_ext.san.tgt import tgtadm

_IQN = 'iqn.2000-01.org.example:iso'
_TARGET = daemon.Target(_IQN, '/exports/image.iso', 'abc',
                        san.Chap('ironic-abc', 'secret'),
                        (ipaddress.ip_network('192.0.2.0/24'),))


class FakeTgtadm:
    """Remembers the commands; some of them fail."""

    def __init__(self, shown: tuple[tgtadm.Shown, ...] = (),
                 failing: dict[str, list[Exception]] | None = None) -> None:
        self.shown = list(shown)
        self.failing = failing or {}
        self.commands: list[str] = []
        self.known: list[str] = []

    def accounts(self) -> list[str]:
        return self.known

    def targets(self) -> list[tgtadm.Shown]:
        return self.shown

    def add_account(self, chap: san.Chap) -> None:
        self._do(f'add account {chap.username}')

    def run(self, mode: str, operation: str, **options: object) -> str:
        self._do(f'{mode} {operation}', **options)
        if (mode, operation) == ('target', 'delete'):
            self.shown = [one for one in self.shown
                          if one.tid != options['tid']]
        return ''

    def _do(self, what: str, **options: object) -> None:
        self.commands.append(what)
        if self.failing.get(what):
            raise self.failing[what].pop(0)


class ServeTest(testtools.TestCase):

    def daemon(self, *shown: tgtadm.Shown, **failing: list[Exception]
               ) -> tgt.TgtDaemon:
        made = tgt.TgtDaemon(san.Settings('/root'))
        self.adm = FakeTgtadm(shown, {
            name.replace('_', ' '): list(errors)
            for name, errors in failing.items()})
        made._tgtadm = self.adm
        return made

    def right(self, **changes: object) -> tgtadm.Shown:
        facts: dict = {
            'tid': 3, 'iqn': _IQN,
            'luns': (tgtadm.Lun(0), tgtadm.Lun(1, _TARGET.path, True)),
            'accounts': frozenset({'ironic-abc'}),
            'acl': frozenset({'192.0.2.0/24'})}
        return tgtadm.Shown(**{**facts, **changes})

    def test_nobody_gets_in_before_the_lun_is_read_only(self) -> None:
        self.daemon().serve(_TARGET)
        self.assertEqual(
            ['target new', 'logicalunit new', 'logicalunit update',
             'add account ironic-abc', 'account bind', 'target bind'],
            self.adm.commands)

    def test_a_target_that_is_right_is_left_alone(self) -> None:
        self.daemon(self.right(),
                    target_new=[tgtadm.ExistsError('exists')]
                    ).serve(_TARGET)
        self.assertEqual(['target new'], self.adm.commands)

    def test_a_target_that_is_wrong_is_made_anew(self) -> None:
        for wrong in (self.right(luns=()), self.right(accounts=frozenset()),
                      self.right(acl=frozenset({'ALL'})),
                      self.right(luns=(tgtadm.Lun(1, _TARGET.path),)),
                      self.right(luns=(tgtadm.Lun(1, '/other', True),))):
            self.daemon(wrong, target_new=[tgtadm.ExistsError('exists')]
                        ).serve(_TARGET)
            self.assertEqual(
                ['target new', 'target update', 'target delete'],
                self.adm.commands[:3])
            self.assertEqual('target bind', self.adm.commands[-1])

    def test_a_number_that_is_taken_is_none_to_stop_at(self) -> None:
        self.daemon(target_new=[tgtadm.ExistsError('exists')] * 3
                    ).serve(_TARGET)
        self.assertEqual('target bind', self.adm.commands[-1])

    def test_it_does_not_try_for_ever(self) -> None:
        made = self.daemon(target_new=[tgtadm.ExistsError('exists')] * 99)
        self.assertRaises(san.TargetDaemonError, made.serve, _TARGET)

    def test_what_is_half_made_is_removed(self) -> None:
        made = self.daemon(self.right(), target_bind=[
            san.TargetDaemonError('no')])
        self.assertRaises(san.TargetDaemonError, made.serve, _TARGET)
        self.assertEqual(['target delete', 'account delete'],
                         self.adm.commands[-2:])

    def test_an_account_that_was_left_behind_is_made_anew(self) -> None:
        self.daemon(**{'add_account_ironic-abc': [
            tgtadm.ExistsError('exists')]}).serve(_TARGET)
        self.assertIn('account delete', self.adm.commands)
        self.assertEqual(2, self.adm.commands.count(
            'add account ironic-abc'))

    def test_an_account_without_its_target_goes(self) -> None:
        made = self.daemon()
        self.adm.known = ['somebody', 'ironic-abc']
        made.withdraw(_IQN, _TARGET.chap)
        self.assertEqual(['account delete'], self.adm.commands)

    def test_nothing_to_withdraw_is_fine(self) -> None:
        self.daemon().withdraw(_IQN)
        self.assertEqual([], self.adm.commands)

    def test_a_read_under_way_is_waited_for(self) -> None:
        made = self.daemon(self.right(), target_delete=[
            tgtadm.ActiveError('still active')] * 2)
        with mock.patch('time.sleep') as slept:
            made.withdraw(_IQN)
        self.assertEqual(2, slept.call_count)
        # Nobody logs in again meanwhile.
        self.assertEqual(['target update', *['target delete'] * 3,
                          'account delete'], self.adm.commands)

    def test_a_read_without_an_end_is_not_waited_for(self) -> None:
        made = self.daemon(self.right(), target_delete=[
            tgtadm.ActiveError('still active')] * 9)
        with (mock.patch('time.sleep'),
              mock.patch('time.monotonic', side_effect=[0, 59, 60])):
            self.assertRaises(tgtadm.ActiveError, made.withdraw, _IQN)

    def test_networks_are_written_as_tgtd_reads_them(self) -> None:
        for networks, acl in (
                ([], {'ALL'}),
                (['0.0.0.0/0', '192.0.2.0/24'], {'ALL'}),
                (['192.0.2.7/32', '192.0.2.0/25'],
                 {'192.0.2.7', '192.0.2.0/25'}),
                (['2001:db8::1/128', '2001:db8::/32'],
                 {'[2001:db8::1]', '[2001:db8::]/32'})):
            target = daemon.Target(_IQN, '/x', 'abc', networks=tuple(
                map(ipaddress.ip_network, networks)))
            shown = tgtadm.Shown(1, _IQN, (tgtadm.Lun(1, '/x', True),),
                                 acl=frozenset(acl))
            served = self.daemon(shown).served()[_IQN]
            self.assertTrue(served.right(target), networks)
