# SPDX-License-Identifier: Apache-2.0

"""A conductor that dies, and one that comes back to a running machine."""

from lab import process
from tests.e2e import base


class ConductorRestartTestCase(base.EndToEndTestCase):

    def setUp(self) -> None:
        super().setUp()
        self.addCleanup(self._start_ironic)

    def _start_ironic(self) -> None:
        if self.lab.ironic.pid is None:
            self.lab.ironic.start()

    def test_killed_between_publish_and_insert_leaks_nothing(self):
        self.configure()
        hang = self.lab.proxy.hang_next('POST', base.INSERT)
        self.node.ask('active')
        hang.await_request(60)
        self.assertEqual(1, len(self.lab.published()))
        self.lab.ironic.kill()
        hang.release()

        self.lab.ironic.start()
        node = self.node.await_state('deploy failed')
        self.assertRegex(node['last_error'], '(?i)conductor')
        self.undeploy()
        self.assert_nothing_left()

    def test_a_takeover_of_an_active_node_does_not_touch_its_medium(self):
        self.configure()
        self.deploy()
        self.node.await_report()
        published = self.lab.published()
        # On SQLite a conductor that crashed is never found to be gone.
        self.lab.ironic.stop()
        self.lab.proxy.clear()

        # Another name, another conductor: Ironic gives it the node.
        successor = self.lab.ironic.host + '-successor'
        self.lab.ironic.configure(successor)
        self.lab.ironic.start()
        process.await_condition(
            lambda: (self.lab.ironic.responsible_host(self.node.identity)
                     == successor),
            'the new conductor to take the node over', timeout=90)
        self.assertEqual('active', self.node.show()['provision_state'])
        self.assertEqual([], self.lab.proxy.requests('POST', base.INSERT))
        self.assertEqual([], self.lab.proxy.requests('POST', base.EJECT))
        self.assertEqual(published, self.lab.published())
        self.assertTrue(self.node.machine.is_on())
        self.assertEqual(1, len(self.node.machine.reports()))
