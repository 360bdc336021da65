# SPDX-License-Identifier: Apache-2.0

"""What happened to hosts, in SQL."""

import fixtures
import testtools

from ironic_ext import host_records

NODE = '6f1b2a30-0000-4000-8000-000000000001'


def event(at, text='power on', kind='power', once='', node=NODE, whose=''):
    return host_records.Event(node, at, kind, text, whose, once)


class HistoryTestCase(testtools.TestCase):
    """Several servers note what they see."""

    def setUp(self):
        super().setUp()
        self.url = ('sqlite:///' + self.useFixture(fixtures.TempDir()).path
                    + '/x.sqlite')
        self.history = self.open()

    def open(self):
        records = host_records.HostRecords(self.url)
        self.addCleanup(records.close)
        return records.history()

    def texts(self, limit=host_records.MOST):
        return [found.text for found in self.history.of(NODE, limit=limit)]

    def test_the_newest_comes_first_and_others_are_not_told(self):
        self.history.add([event(1, 'a'), event(3, 'c'),
                          event(2, 'b', node='other')])
        self.history.add([event(2, 'b')])
        self.assertEqual(['c', 'b', 'a'], self.texts())
        self.assertEqual(['c'], self.texts(1))

    def test_the_next_tenant_is_not_told_of_the_one_before(self):
        self.history.add([event(1, 'a', whose='o/first'),
                          event(2, 'b', whose='o/second')])
        self.assertEqual([], self.texts())
        for whose, text in (('o/first', 'a'), ('o/second', 'b')):
            self.assertEqual([text], [
                found.text for found in self.history.of(NODE, whose)])

    def test_what_two_servers_see_happened_once(self):
        self.history.add([event(1.25, once='as of then'), event(1, 'a')])
        self.open().add([event(1.75, once='as of then'), event(2, 'b')])
        self.assertEqual(['b', 'power on', 'a'], self.texts())
        # And again, later.
        self.history.add([event(5, once='as of now')])
        self.assertEqual(4, len(self.texts()))

    def test_the_oldest_go_and_fetching_takes_no_others_place(self):
        self.history.add([event(0, 'assigned', 'assigned')])
        self.history.add([event(at, f'{at}', 'config')
                          for at in range(1, 400)])
        self.assertEqual(51, len(self.texts()))
        self.assertEqual('assigned', self.texts()[-1])
        self.history.add([event(at, f'{at}') for at in range(400, 700)])
        self.assertEqual(200, len(self.texts()))
        self.assertEqual('699', self.texts()[0])
        self.assertNotIn('assigned', self.texts())

    def test_a_host_that_is_gone_is_forgotten(self):
        self.history.add([event(1), event(1, node='other')])
        self.history.forget(NODE)
        self.assertEqual([], self.texts())
        self.assertEqual(1, len(self.history.of('other')))
