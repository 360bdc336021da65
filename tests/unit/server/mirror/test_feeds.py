# SPDX-License-Identifier: Apache-2.0

"""The hosts in memory, and what watches are told of them."""

import io
import json
import threading

import falcon.testing
import testtools

from ironic_ext.catalog import selector
from ironic_ext.server import errors
from ironic_ext.server.mirror import feed as feeds
from ironic_ext.server.mirror import host_index
from ironic_ext.server.rest import bodies
from ironic_ext.server.rest import conventions
from ironic_ext.server.rest import watches
from tests.unit.node import test_host as test_hosts


def event(number, kind='Thing', scope=''):
    return feeds.Event(number, feeds.MODIFIED, kind, b'{"n":%d}' % number,
                       scope)


class FeedTestCase(testtools.TestCase):
    """Events."""

    def test_a_reader_gets_what_came_after(self):
        feed = feeds.Feed(10, 4)
        feed.publish([event(5), event(8)])
        self.assertEqual([5, 8], [e.number for e in feed.after(4, 0)])
        self.assertEqual([8], [e.number for e in feed.after(5, 0)])
        self.assertEqual([], feed.after(8, 0))

    def test_what_is_forgotten_is_gone(self):
        feed = feeds.Feed(8)
        for number in range(1, 100):
            feed.publish([event(number)])
        self.assertRaises(errors.GoneError, feed.after, 1, 0)
        self.assertEqual(5, len(feed.after(94, 0)))

    def test_what_has_not_happened_yet_is_gone_too(self):
        self.assertRaises(errors.GoneError, feeds.Feed(8, 3).after, 4, 0)

    def test_a_reader_that_waits_is_woken(self):
        feed = feeds.Feed(8)
        found = []
        reader = threading.Thread(
            target=lambda: found.extend(feed.after(0, 60)))
        reader.start()
        feed.publish([event(1)])
        reader.join(60)
        self.assertEqual([1], [e.number for e in found])

    def test_the_end_wakes_all_readers(self):
        feed = feeds.Feed(8)
        reader = threading.Thread(target=lambda: feed.after(0, 60))
        reader.start()
        feed.close()
        reader.join(30)
        self.assertFalse(reader.is_alive())


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
                for item in self.index.feed.after(since, 0)]

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
        self.assertEqual(['BareMetalHost/default/server1'],
                         self.index.users_of_pair('a', 'b'))
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


class WatchTestCase(testtools.TestCase):
    """Watches."""

    def setUp(self):
        super().setUp()
        self.feed = feeds.Feed(100)
        self.watches = watches.Watches(1, 0.01)
        self.resp = falcon.Response()

    def begin(self, query='', since=0, initial=(), scope='', labels=''):
        def events(since, timeout):
            found = self.feed.after(since, timeout)
            return found, found[-1].number if found else self.feed.last

        self.watches.begin(
            falcon.Request(falcon.testing.create_environ(
                query_string=query)), self.resp,
            watches.Source('Thing', events, str, lambda: self.feed.closed,
                           scope, selector.parse(labels)), since, initial)
        return self.resp.stream

    def lines(self, stream):
        return [json.loads(line) for line in next(stream).splitlines()]

    def test_what_is_there_comes_first_and_then_what_changes(self):
        stream = self.begin(initial=[b'{"n":0}'])
        self.assertEqual([{'type': 'ADDED', 'object': {'n': 0}}],
                         self.lines(stream))
        self.assertEqual('BOOKMARK', self.lines(stream)[0]['type'])
        self.feed.publish([event(1), event(2, 'Other'), event(3)])
        self.assertEqual([{'n': 1}, {'n': 3}],
                         [line['object'] for line in self.lines(stream)])

    def test_bookmarks_tell_how_far_it_is(self):
        self.feed.publish([event(7, 'Other')])
        stream = self.begin(since=7)
        for _number in range(3):
            line = self.lines(stream)[0]
            self.assertEqual(
                ('BOOKMARK', '7'),
                (line['type'],
                 line['object']['metadata']['resourceVersion']))

    def test_a_namespace_sees_its_own(self):
        stream = self.begin(scope='here')
        next(stream)
        self.feed.publish([event(1, scope='there'), event(2, scope='here')])
        self.assertEqual([{'n': 2}],
                         [line['object'] for line in self.lines(stream)])

    def test_labels_that_come_and_go_are_told_as_additions_and_deletions(
            self):
        stream = self.begin(labels='arch=x86')
        next(stream)
        x86, arm = ({'arch': 'x86'}, {'arch': 'arm'})
        self.feed.publish([
            feeds.Event(number, kind, 'Thing', json.dumps({'metadata': {
                'name': name, **({'labels': labels} if labels else {})}}
            ).encode()) for number, (kind, name, labels) in enumerate((
                ('ADDED', 'a', x86), ('ADDED', 'b', arm),
                ('MODIFIED', 'a', x86), ('MODIFIED', 'a', None),
                ('MODIFIED', 'a', arm), ('DELETED', 'b', arm),
                ('MODIFIED', 'a', x86), ('DELETED', 'a', x86),
                # It was there before the watch.
                ('MODIFIED', 'c', arm)), 1)])
        self.assertEqual(
            [('ADDED', 'a'), ('MODIFIED', 'a'), ('DELETED', 'a'),
             ('ADDED', 'a'), ('DELETED', 'a'), ('DELETED', 'c')],
            [(line['type'], line['object']['metadata']['name'])
             for line in self.lines(stream)])

    def test_one_that_is_too_old_is_an_answer(self):
        self.assertRaises(errors.GoneError, self.begin, since=5)

    def test_one_that_falls_behind_is_told(self):
        stream = self.begin()
        next(stream)
        for number in range(1, 300):
            self.feed.publish([event(number)])
        line = self.lines(stream)[0]
        self.assertEqual(('ERROR', 410),
                         (line['type'], line['object']['code']))

    def test_there_are_not_too_many(self):
        stream = self.begin()
        self.assertRaises(errors.TooManyError, self.begin)
        stream.close()
        stream.close()
        self.begin().close()

    def test_the_end_of_the_server_ends_it(self):
        stream = self.begin()
        next(stream)
        self.feed.close()
        self.assertRaises(StopIteration, next, stream)


class RequestTestCase(testtools.TestCase):
    """Bodies and queries of strangers."""

    def body(self, data, kind='application/json', limit=9000, length=None):
        environ = falcon.testing.create_environ(
            method='POST', headers={'Content-Type': kind, 'Content-Length':
                                    str(length or len(data))})
        environ['wsgi.input'] = io.BytesIO(data)
        return bodies.document(falcon.Request(environ), limit)

    def test_yaml_and_json_are_alike(self):
        self.assertEqual({'a': ['2026-01-01', True]}, self.body(
            b'a: [2026-01-01, true]', 'application/yaml'))
        self.assertEqual({'a': 1}, self.body(b'{"a": 1}'))

    def test_what_no_json_can_be_is_refused(self):
        for data, kind in (
                (b'{"a": NaN}', 'application/json'),
                (b'[' * 5000, 'application/json'),
                (b'[' * 60 + b']' * 60, 'application/json'),
                (b'"\\ud800"', 'application/json'),
                (b'\xff', 'application/json'), (b'', 'application/json'),
                (b'1: 2', 'application/yaml'),
                (b'a: .inf', 'application/yaml'),
                (b'a: !!python/name:os.system x', 'application/yaml'),
                (b'a: &a [1]\nb: *a', 'application/yaml'),
                (b'a: !!binary aGk=', 'application/yaml'),
                (b'a: b: c', 'application/yaml')):
            with self.subTest(data=data[:20]):
                self.assertRaises(errors.BadRequestError, self.body, data,
                                  kind)

    def test_a_large_body_is_refused_before_it_is_read(self):
        self.assertRaises(errors.TooLargeError, self.body, b'{}',
                          length=1 << 30)

    def test_other_types_are_refused(self):
        for kind in ('text/plain', 'application/x-www-form-urlencoded', ''):
            self.assertRaises(errors.MediaTypeError, self.body, b'{}', kind)

    def test_queries_are_checked(self):
        for query in ('limit=0', 'limit=x', 'limit=-1', 'limit=1&limit=2',
                      'limit=99999999999', 'limit=\u0663'):
            req = falcon.Request(falcon.testing.create_environ(
                query_string=query))
            self.assertRaises(errors.BadRequestError, conventions.limit, req)
        for token in ('x', 'W10=', 'WzFd', '"'):
            self.assertRaises(errors.BadRequestError,
                              conventions.parse_continued, token, 3)
        self.assertEqual(['a', 'ä'], conventions.parse_continued(
            conventions.continued(['a', 'ä']), 2))
