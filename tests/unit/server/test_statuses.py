# SPDX-License-Identifier: Apache-2.0

"""What the log has of errors."""

from unittest import mock

import fixtures
import testtools

from ironic_ext.server import errors
from ironic_ext.server import statuses


class JudgedTestCase(testtools.TestCase):

    def test_that_too_many_ask_is_logged_once_in_a_while(self):
        log = self.useFixture(fixtures.FakeLogger())
        with mock.patch.object(statuses, '_BUSY', statuses._Complaint()):
            for _number in range(3):
                self.assertEqual(503, statuses.judged(
                    errors.BusyError('too many'), 'GET', '/')['code'])
        self.assertEqual(1, log.output.count('too many'))

    def test_other_faults_are_logged_each(self):
        log = self.useFixture(fixtures.FakeLogger())
        for _number in range(3):
            statuses.judged(errors.UnavailableError('not yet'), 'GET', '/')
        self.assertEqual(3, log.output.count('not yet'))
