# SPDX-License-Identifier: Apache-2.0

"""Deploying a host from a command line: who is asked, what is awaited."""

import argparse
import contextlib
import io
import unittest.mock

from osc_lib import exceptions
import testtools

from ironic_ext.cli.osc import provisioning


def host(state='active', target=None, **status):
    """Return a host as the boot server answers it."""
    return {'metadata': {'name': 'server1'}, 'status': {
        'power': 'power on', 'provisionState': state,
        'targetProvisionState': target, **status}}


class ConfirmTestCase(testtools.TestCase):

    def answer(self, text, is_terminal=True, **status):
        """Answer; return the question."""
        said = io.StringIO()
        with (unittest.mock.patch('sys.stdin', io.StringIO(text)) as stdin,
              contextlib.redirect_stderr(said)):
            stdin.isatty = lambda: is_terminal
            provisioning.confirm(host(**status))
        return said.getvalue()

    def test_who_says_yes_was_told_what_is_lost(self):
        for text in ('y\n', 'Yes\n', ' YES '):
            said = self.answer(text)
            self.assertIn('server1 is active and power on', said)
            self.assertIn('may overwrite its disks', said)

    def test_what_does_not_run_does_not_end(self):
        said = self.answer('y\n', power='power off')
        self.assertIn('power off: a rebuild switches it on, and may '
                      'overwrite', said)
        for power in ('power on', None):
            self.assertIn('restarts it, ends what runs on it',
                          self.answer('y\n', power=power))

    def test_whatever_else_leaves_it_as_it_is(self):
        for text in ('\n', '', 'n\n', 'yess\n'):
            error = self.assertRaises(exceptions.CommandError, self.answer,
                                      text)
            self.assertIn('server1 is left as it is', str(error))

    def test_who_cannot_be_asked_is_told_the_option(self):
        error = self.assertRaises(exceptions.CommandError, self.answer,
                                  'y\n', False)
        self.assertIn('may overwrite its disks; say --yes', str(error))


class AwaitTestCase(testtools.TestCase):

    def setUp(self):
        super().setUp()
        self.slept = []
        patch = unittest.mock.patch('time.sleep', self.slept.append)
        patch.start()
        self.addCleanup(patch.stop)

    def wait(self, *found, seconds=60.0):
        """Wait for what is seen one after another; return what is told."""
        api, said = unittest.mock.Mock(), io.StringIO()
        api.call.side_effect = found[1:]
        with contextlib.redirect_stderr(said):
            self.last = provisioning.await_active(api, '/path', found[0],
                                                  seconds)
        return said.getvalue().splitlines()

    def test_each_state_is_told_once_and_active_is_the_end(self):
        said = self.wait(
            host('active', 'rebuild'), host('deploying', 'active'),
            host('deploying', 'active'), host('wait call-back', 'active'),
            host('deploying', 'active'), host())
        self.assertEqual([f'server1: {state}' for state in (
            'active', 'deploying', 'wait call-back', 'deploying')], said)
        self.assertEqual(host(), self.last)
        self.assertEqual(5, len(self.slept))

    def test_what_is_active_already_is_not_waited_for(self):
        self.assertEqual([], self.wait(host()))
        self.assertEqual([], self.slept)

    def test_a_failure_is_one_with_its_cause(self):
        error = self.assertRaises(
            exceptions.CommandError, self.wait, host('deploying', 'active'),
            host('deploy failed', 'active', lastErrorCause='HTTP 404',
                 lastError='Deploy step failed: HTTP 404'))
        self.assertEqual('server1: deploy failed: HTTP 404', str(error))

    def test_who_undeploys_it_meanwhile_ends_the_wait(self):
        for state in ('deleting', 'available', 'None'):
            error = self.assertRaises(
                exceptions.CommandError, self.wait,
                host('deploying', 'active'), host(state))
            self.assertEqual(f'server1: {state}', str(error))

    def test_time_has_an_end_and_the_deployment_goes_on(self):
        error = self.assertRaises(
            exceptions.CommandError, self.wait, host('deploying', 'active'),
            seconds=0)
        self.assertEqual('server1 is still deploying after 0 s; it is not '
                         'given up', str(error))


class OptionsTestCase(testtools.TestCase):

    def require(self, *arguments):
        parser = argparse.ArgumentParser()
        provisioning.add_options(parser)
        provisioning.require_consistent(parser.parse_args(arguments))

    def test_what_means_nothing_together_is_refused(self):
        for arguments, said in ((('--wait',), '--deploy or --rebuild'),
                                (('--wait', '5'), '--deploy or --rebuild'),
                                (('--yes',), '--yes is for --rebuild'),
                                (('--deploy', '--yes'), '--rebuild')):
            error = self.assertRaises(exceptions.CommandError, self.require,
                                      *arguments)
            self.assertIn(said, str(error))
        for arguments in ((), ('--deploy', '--wait'),
                          ('--rebuild', '--yes', '--wait', '5')):
            self.require(*arguments)
