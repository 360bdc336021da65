# Licensed under the Apache License, Version 2.0 (the "License"); you may
# not use this file except in compliance with the License. You may obtain
# a copy of the License at
#
#      http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS, WITHOUT
# WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the
# License for the specific language governing permissions and limitations
# under the License.

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
        self.node.request('deploy')
        node = self.node.await_state('deploy failed')
        self.assertRegex(node['last_error'], '(?i)virtual media|insert')
        self.assertIn('500', node['last_error'])

        self.undeploy()
        self.assert_nothing_left()

    def test_an_insert_that_is_accepted_but_not_done_fails_the_deploy(self):
        self.configure()
        self.lab.proxy.answer_always('POST', base.INSERT, 204)
        self.node.request('deploy')
        node = self.node.await_state('deploy failed')
        self.assertRegex(node['last_error'], '(?i)virtual media|medium')
        self.assertFalse(self.node.machine.is_on())

        self.undeploy()
        self.assert_nothing_left()
