# SPDX-License-Identifier: Apache-2.0

"""A BMC that misbehaves: what the node says, and what stays behind."""

from tests.e2e import base


class FaultTestCase(base.EndToEndTestCase):

    def test_a_bmc_that_answers_500_once_is_asked_again(self):
        self.configure()
        self.lab.proxy.answer_next('POST', base.INSERT, 500)
        self.deploy()
        self.assert_config_arrived(self.node.await_report())
        self.assertGreater(
            len(self.lab.proxy.requests('POST', base.INSERT)), 1)

    def test_a_failed_insert_is_told_and_leaves_nothing_after_undeploy(self):
        self.configure()
        self.lab.proxy.answer_always('POST', base.INSERT, 500)
        self.node.ask('active')
        node = self.node.await_state('deploy failed')
        self.assertRegex(node['last_error'], '(?i)virtual media|insert')
        self.assertIn('500', node['last_error'])

        self.undeploy()
        self.assert_nothing_left()

    def test_an_insert_that_is_accepted_but_not_done_fails_the_deploy(self):
        self.configure()
        self.lab.proxy.answer_always('POST', base.INSERT, 204)
        self.node.ask('active')
        node = self.node.await_state('deploy failed')
        self.assertRegex(node['last_error'], '(?i)virtual media|medium')
        self.assertFalse(self.node.machine.is_on())

        self.undeploy()
        self.assert_nothing_left()
