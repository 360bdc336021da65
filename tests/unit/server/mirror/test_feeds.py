# SPDX-License-Identifier: Apache-2.0

"""The hosts in memory, and what watches are told of them."""

import json
import threading

import testtools

from ironic_ext.server import errors
from ironic_ext.server.mirror import feed as feeds
from ironic_ext.server.mirror import host_index
from tests.unit.node import test_host as test_hosts


def event(number, kind='Thing', scope=''):
    return feeds.Event(number, feeds.MODIFIED, kind, b'{"n":%d}' % number,
                       scope)


class FeedTestCase(testtools.TestCase):
    """Events."""

    def test_a_reader_gets_what_came_after(self):
        feed = feeds.Feed(10, 4)
        feed.publish([event(5), event(8)])
        self.assertEqual([5, 8], [e.number for e in feed.after(4)])
        self.assertEqual([8], [e.number for e in feed.after(5)])
        self.assertEqual([], feed.after(8))

    def test_what_is_forgotten_is_gone(self):
        feed = feeds.Feed(8)
        for number in range(1, 100):
            feed.publish([event(number)])
        self.assertRaises(errors.GoneError, feed.after, 1)
        self.assertEqual(5, len(feed.after(94)))

    def test_what_has_not_happened_yet_is_gone_too(self):
        self.assertRaises(errors.GoneError, feeds.Feed(8, 3).after, 4)

    def test_who_listens_is_told_of_news_and_of_the_end(self):
        feed, told = feeds.Feed(8), []

        def listen():
            told.append(feed.last)

        feed.listen(listen)
        feed.publish([event(1)])
        feed.publish([], 2)
        feed.close()
        self.assertEqual([1, 2], told)
        feed.forget(listen)
        feed.publish([event(3)])
        self.assertEqual([1, 2], told)


class HostIndexTestCase(testtools.TestCase):
    """The hosts."""

    def setUp(self):
        super().setUp()
        self.index = host_index.HostIndex()

    def put(self, number, **given):
        return self.index.put(test_hosts.host(
            macs=[f'52:54:00:00:00:{number:02x}'],
            uuid=f'6f1b2a30-0000-4000-8000-{number:012}',
            **{'name': f'server{number}', **given}))

    def told(self, since=0):
        return [(item.type, json.loads(item.document)['metadata']['name'])
                for item in self.index.feed.after(since)]

    def test_what_did_not_change_is_not_told(self):
        first = self.put(1)
        self.assertEqual(first, self.put(1))
        self.assertEqual([('ADDED', 'server1')], self.told())

    def test_another_name_is_another_host(self):
        self.put(1)
        self.put(1, name='renamed')
        self.assertEqual([('ADDED', 'server1'), ('DELETED', 'server1'),
                          ('ADDED', 'renamed')], self.told())
        self.assertIsNone(self.index.get('default', 'server1'))

    def test_a_name_that_two_have_for_a_moment_is_the_later_ones(self):
        self.put(1)
        self.put(2, name='server1')
        self.assertEqual(1, len(self.index))
        self.assertEqual('6f1b2a30-0000-4000-8000-000000000002',
                         self.index.get('default', 'server1').host.uuid)

    def test_a_host_that_went_is_found_by_nothing(self):
        self.put(1, instance_info={'boot_iso': 'a', 'boot_config': 'b'})
        for role, name in (('image', 'a'), ('config', 'b')):
            self.assertEqual(['BareMetalHost/default/server1'],
                             [host.title for host
                              in self.index.users(role, name)])
        self.index.remove(test_hosts.UUID)
        self.assertEqual([], self.index.by_mac('52:54:00:00:00:01'))
        self.assertEqual([], self.index.users('image', 'a'))
        self.assertEqual(([], False), self.index.page()[:2])

    def test_a_host_is_found_at_any_moment_of_a_change(self):
        self.put(1)
        done = threading.Event()

        def change():
            for number in range(500):
                self.put(1, name=f'name{number % 3}',
                         extra={'boot_ips': [f'192.0.2.{number % 7}']})
            done.set()

        writer = threading.Thread(target=change)
        writer.start()
        self.addCleanup(writer.join)
        while not done.is_set():
            self.assertEqual(1, len(self.index.by_mac('52:54:00:00:00:01')))

    def test_pages_are_in_order_and_without_gaps(self):
        for number in (3, 1, 5, 2, 4):
            self.put(number)
        names, after = [], ('', '')
        more = True
        while more:
            found, more, _version = self.index.page(after=after, limit=2)
            names += [entry.host.name for entry in found]
            after = found[-1].host.key
        self.assertEqual([f'server{number}' for number in range(1, 6)],
                         names)

    def test_a_search_looks_into_names_macs_and_addresses(self):
        self.put(1, extra={'boot_ips': '192.0.2.77'})
        self.put(2)
        for text in ('SERVER1', '00:01', '2.77'):
            found, _more, _version = self.index.page(search=text)
            self.assertEqual(['server1'],
                             [entry.host.name for entry in found])

    def test_versions_of_another_process_are_gone(self):
        other = host_index.HostIndex()
        for version in (other.version, 'x', '', '1.' + '9' * 40):
            self.assertRaises(errors.GoneError, self.index.number_of,
                              version)
