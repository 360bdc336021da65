# SPDX-License-Identifier: Apache-2.0

"""Progress and secrets in the agent's record of a command."""

import logging
import threading

import fixtures
from ironic_python_agent import config  # noqa: F401
from ironic_python_agent.extensions import base
import testtools

from ironic_ext.bootc import errors
from ironic_python_agent_ext.bootc import agent_commands
from ironic_python_agent_ext.bootc import progress

_STEP = {'step': 'execute_bootc_install', 'interface': 'deploy', 'args': {
    'image_source': 'oci://registry.test/os', 'oci_pull_secret': 'c2VjcmV0',
    'configdrive': 'H4sIsecret'}}


class _Agent(base.ExecuteCommandMixin):
    """As much of an agent as the records need."""

    def __init__(self):
        super().__init__()
        self.heartbeater = object()
        self.heartbeats = 0

    def force_heartbeat(self):
        self.heartbeats += 1


class RunningCommandTest(testtools.TestCase):

    def setUp(self):
        super().setUp()
        self.agent = _Agent()
        self.go_on = threading.Event()
        self.addCleanup(self.go_on.set)

    def start(self, **parameters):
        """Let a command run until it may go on."""
        def work(**_parameters):
            self.go_on.wait(60)
            return 'done'

        command = base.AsyncCommandResult('execute_deploy_step', parameters,
                                          work)
        self.agent.command_results[command.id] = command.start()
        self.addCleanup(command.execution_thread.join)
        self.addCleanup(self.go_on.set)
        return command

    def test_the_status_of_a_running_command_shows_progress(self):
        command = self.start()
        running = agent_commands.RunningCommand(self.agent)
        running.show(progress.Progress('pulling', 2, 3 << 20, 9 << 20, 4.4))
        shown = command.serialize()
        self.assertEqual('RUNNING', shown['command_status'])
        self.assertEqual(
            {'phase': 'pulling', 'layers': 2, 'stored': 3 << 20,
             'size': 9 << 20, 'elapsed': 4},
            shown['command_result']['progress'])

    def test_the_status_shows_how_far_bootc_is(self):
        command = self.start()
        moment = progress.Progress('installing', temporary=5 << 20,
                                   written=7 << 20)
        agent_commands.RunningCommand(self.agent).show(moment)
        shown = command.serialize()['command_result']['progress']
        self.assertEqual((5 << 20, 7 << 20),
                         (shown['unpacked'], shown['written']))
        self.assertIn('5 MiB of a layer', str(moment))
        self.assertIn('7 MiB written', str(moment))
        self.assertEqual('installing', str(progress.Progress('installing')))

    def test_the_result_takes_the_place_of_progress(self):
        command = self.start()
        running = agent_commands.RunningCommand(self.agent)
        running.show(progress.Progress('pulling'))
        self.go_on.set()
        command.join()
        running.show(progress.Progress('cleaning up'))
        self.assertEqual({'result': 'execute_deploy_step: done'},
                         command.serialize()['command_result'])

    def test_secrets_are_in_the_record_no_more(self):
        step = {**_STEP, 'args': dict(_STEP['args'])}
        command = self.start(step=step, pull_secret='c2VjcmV0',
                             node={'instance_info': {'configdrive': 'H4s'}})
        agent_commands.RunningCommand(self.agent).hide_secrets()
        parameters = command.command_params
        self.assertNotIn('c2VjcmV0', str(parameters))
        self.assertNotIn('H4sIsecret', str(parameters))
        self.assertEqual('oci://registry.test/os',
                         parameters['step']['args']['image_source'])
        # The agent goes on to use its node.
        self.assertEqual('H4s',
                         parameters['node']['instance_info']['configdrive'])

    def test_the_conductor_is_called_once_for_each_phase(self):
        self.start()
        lines = []
        reporter = agent_commands.Reporter(
            agent_commands.RunningCommand(self.agent),
            lambda text, words: lines.append(text % words))
        for phase, elapsed in (('preparing', 0), ('pulling', 1),
                               ('pulling', 2), ('pulling', 3),
                               ('installing', 4)):
            reporter(progress.Progress(phase, elapsed=elapsed))
        self.assertEqual(3, self.agent.heartbeats)
        self.assertEqual(3, len(lines))

    def test_a_long_phase_is_logged_now_and_then(self):
        lines = []
        reporter = agent_commands.Reporter(
            agent_commands.RunningCommand(None),
            lambda text, words: lines.append(text % words))
        for second in range(61):
            reporter(progress.Progress('pulling', 1, second << 20, 60 << 20,
                                       second))
        self.assertEqual(5, len(lines))
        self.assertIn('60 MiB stored', lines[-1])

    def test_without_an_agent_nothing_is_recorded(self):
        running = agent_commands.RunningCommand(None)
        running.hide_secrets()
        running.show(progress.Progress('pulling'))
        running.call_attention()


class MaskTest(testtools.TestCase):

    def test_the_agents_log_has_no_secret(self):
        logger = self.useFixture(fixtures.FakeLogger(level=logging.DEBUG))
        agent_commands.mask_logs()
        agent_commands.mask_logs()
        log = base.LOG.logger
        log.debug('Executing command: %(name)s with args: %(args)s',
                  {'name': 'deploy.execute_deploy_step',
                   'args': {'step': _STEP}})
        logging.getLogger('ironic_python_agent.extensions.deploy').debug(
            'Executing deploy step %s', _STEP)
        self.assertEqual(2, logger.output.count('registry.test'))
        self.assertNotIn('c2VjcmV0', logger.output)
        self.assertNotIn('H4sIsecret', logger.output)

    def test_what_is_masked_is_a_copy(self):
        given = {'args': [{'pull_secret': 'x', 'name': 'y'}]}
        self.assertEqual({'args': [{'pull_secret': '***', 'name': 'y'}]},
                         agent_commands.masked(given))
        self.assertEqual('x', given['args'][0]['pull_secret'])


class InstallFailedTest(testtools.TestCase):

    def test_a_conductor_is_told_kind_and_sentence(self):
        error = agent_commands.InstallFailed(
            errors.NoSuchImageError('the registry has no image x'))
        self.assertEqual('NoSuchImageError', error.serialize()['type'])
        self.assertEqual('the registry has no image x',
                         error.serialize()['details'])
