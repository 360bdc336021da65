# SPDX-License-Identifier: Apache-2.0

"""What tgtadm prints, and what its failures mean."""

import subprocess
from unittest import mock

import testtools

from ironic_ext import san
from ironic_ext.san.tgt import tgtadm

_SHOWN = """\
Target 2: iqn.2000-01.org.example:one
    System information:
        Driver: iscsi
        State: ready
    I_T nexus information:
        I_T nexus: 5
            Initiator: iqn.2010-04.org.ipxe:one alias: none
            Connection: 1
                IP Address: 192.0.2.7
        I_T nexus: 6
            Initiator: iqn.2010-04.org.ipxe:two alias: none
    LUN information:
        LUN: 0
            Type: controller
            Readonly: No
            Backing store path: None
            Backing store flags:\x20
        LUN: 1
            Type: disk
            Online: Yes
            Readonly: Yes
            Backing store type: rdwr
            Backing store path: /exports/a: b/image.iso
    Account information:
        ironic-one
    ACL information:
        192.0.2.0/24
        [2001:db8::]/32
Target 7: iqn.2000-01.org.example:empty
    System information:
        Driver: iscsi
    LUN information:
    Account information:
    ACL information:
"""


class ParseTest(testtools.TestCase):

    def test_targets_are_read_as_they_are_shown(self) -> None:
        one, empty = tgtadm.parse(_SHOWN)
        self.assertEqual(
            tgtadm.Shown(
                2, 'iqn.2000-01.org.example:one',
                (tgtadm.Lun(0, 'None'),
                 tgtadm.Lun(1, '/exports/a: b/image.iso', True)),
                frozenset({'ironic-one'}),
                frozenset({'192.0.2.0/24', '[2001:db8::]/32'}), 2), one)
        self.assertEqual(
            tgtadm.Shown(7, 'iqn.2000-01.org.example:empty'), empty)

    def test_no_targets_are_no_targets(self) -> None:
        self.assertEqual([], tgtadm.parse(''))

    def test_lines_that_are_not_known_are_passed_over(self) -> None:
        text = ('    LUN information:\n        LUN: 1\nTarget x: y\n'
                'Target 1: iqn.2000-01.org.example:a\n  odd\n'
                '    LUN information:\n            Readonly: Yes\n'
                '        LUN: many\n        New: 1\n')
        self.assertEqual([tgtadm.Shown(1, 'iqn.2000-01.org.example:a')],
                         tgtadm.parse(text))


class RunTest(testtools.TestCase):

    def run_with(self, outcome: object, **settings: object) -> str:
        with mock.patch.object(subprocess, 'run', autospec=True,
                               side_effect=[outcome]) as run:
            adm = tgtadm.Tgtadm(san.Settings('/root', **settings))
            try:
                return adm.run('target', 'delete', force=True, tid=7)
            finally:
                self.command = run.call_args.args[0]

    def ended(self, code: int, complaint: str = ''
              ) -> subprocess.CompletedProcess:
        return subprocess.CompletedProcess([], code, 'shown', complaint)

    def test_options_become_arguments(self) -> None:
        self.assertEqual('shown', self.run_with(
            self.ended(0), control_port=5, root_helper=('sudo', '-n')))
        self.assertEqual(
            ['sudo', '-n', 'tgtadm', '--control-port', '5', '--lld',
             'iscsi', '--mode', 'target', '--op', 'delete', '--force',
             '--tid', '7'], self.command)

    def test_a_warning_of_the_helper_is_no_failure(self) -> None:
        self.assertEqual('shown', self.run_with(self.ended(
            0, 'sudo: unable to resolve host me')))

    def test_failures_are_sentences(self) -> None:
        for outcome, kind, text in (
                (self.ended(22, 'tgtadm: this target already exists\n'),
                 tgtadm.ExistsError, 'already exists'),
                (self.ended(22, 'tgtadm: this logical unit is still active\n'),
                 tgtadm.ActiveError, 'still active'),
                (self.ended(22, "tgtadm: can't find the target\n"),
                 san.TargetDaemonError,
                 'tgtd refuses "--mode target --op delete --force --tid 7"'),
                (self.ended(107, 'tgtadm: failed to send request hdr to tgt '
                                 'daemon, Transport endpoint is not '
                                 'connected\n'),
                 tgtadm.NotRunningError, 'tgtd does not run'),
                (self.ended(0, 'tgtadm: tgtd closed the socket\n'),
                 tgtadm.NotRunningError, 'tgtd does not run'),
                (self.ended(1), san.TargetDaemonError, 'ended with 1'),
                (FileNotFoundError(2, 'No such file', 'tgtadm'),
                 san.TargetDaemonError, 'no command tgtadm'),
                (PermissionError(13, 'Permission denied'),
                 san.TargetDaemonError, 'Permission denied'),
                (subprocess.TimeoutExpired('x', 60),
                 san.TargetDaemonError, 'not answered in 60 s')):
            with mock.patch('os.geteuid', return_value=0):
                error = self.assertRaises(kind, self.run_with, outcome)
            self.assertIn(text, str(error))

    def test_who_is_not_root_is_told_of_the_helper(self) -> None:
        refused = self.ended(107, 'Transport endpoint is not connected')
        with mock.patch('os.geteuid', return_value=1000):
            error = self.assertRaises(san.TargetDaemonError, self.run_with,
                                      refused)
            self.assertNotIsInstance(error, tgtadm.NotRunningError)
            self.assertIn('[ext_san]root_helper', str(error))
            self.assertRaises(tgtadm.NotRunningError, self.run_with,
                              refused, root_helper=('sudo',))
