# SPDX-License-Identifier: Apache-2.0

"""What watches are told, and when they end."""

import asyncio
import concurrent.futures
import datetime
import json
import threading

import falcon.testing
import testtools

from ironic_ext.catalog import selector
from ironic_ext.server import answers
from ironic_ext.server import errors
from ironic_ext.server.mirror import feed as feeds
from ironic_ext.server.rest import bridge
from ironic_ext.server.rest import watches


def event(number, kind='Thing', scope=''):
    return feeds.Event(number, feeds.MODIFIED, kind, b'{"n":%d}' % number,
                       scope)


class WatchTestCase(testtools.TestCase):
    """Watches."""

    def setUp(self):
        super().setUp()
        self.feed = feeds.Feed(100)
        self.pool = concurrent.futures.ThreadPoolExecutor(1)
        self.addCleanup(self.pool.shutdown)
        self.watches = watches.Watches(1, 0.01, self.pool)
        self.loop = asyncio.new_event_loop()
        self.addCleanup(self.loop.close)
        self.left = asyncio.Event()
        self.is_at_hand = True

    def begin(self, query='', since=0, initial=(), scope='', labels='',
              **environment):
        def events(since):
            found = self.feed.after(since)
            return found, found[-1].number if found else self.feed.last

        async def receive():
            await self.left.wait()
            return {'type': 'http.disconnect'}

        async def answer():
            return await work(receive, answers.Answer())

        environ = falcon.testing.create_environ(query_string=query)
        environ.update(environment)
        environ[bridge.NEXT] = []
        self.watches.begin(
            falcon.Request(environ), falcon.Response(), watches.Source(
                'Thing', lambda: self.feed, events,
                lambda since: self.is_at_hand, str,
                lambda: self.feed.closed, scope, selector.parse(labels)),
            since, initial)
        work, = environ[bridge.NEXT]
        stream = self.loop.run_until_complete(answer()).data
        self.addCleanup(self.loop.run_until_complete, asyncio.sleep(0))
        self.addCleanup(stream.close)
        return stream, aiter(stream)

    def next(self, watch):
        """Return the lines that come next, None at the end."""
        async def step():
            return await anext(watch[1], b'')
        lines = self.loop.run_until_complete(step())
        return [json.loads(line) for line in lines.splitlines()] or None

    def follow(self, watch):
        """Return the lines of the next change."""
        while True:
            found = self.next(watch)
            if found is None or found[0]['type'] != 'BOOKMARK':
                return found

    def test_what_is_there_comes_first_and_then_what_changes(self):
        watch = self.begin(initial=[b'{"n":0}'])
        self.assertEqual([{'type': 'ADDED', 'object': {'n': 0}}],
                         self.next(watch))
        self.assertEqual('BOOKMARK', self.next(watch)[0]['type'])
        self.feed.publish([event(1), event(2, 'Other'), event(3)])
        self.assertEqual([{'n': 1}, {'n': 3}],
                         [line['object'] for line in self.follow(watch)])

    def test_bookmarks_tell_how_far_it_is(self):
        self.feed.publish([event(7, 'Other')])
        watch = self.begin(since=7)
        for _number in range(3):
            line = self.next(watch)[0]
            self.assertEqual(
                ('BOOKMARK', '7'),
                (line['type'],
                 line['object']['metadata']['resourceVersion']))

    def test_they_tell_at_once_that_there_is_no_news_and_why(self):
        self.watches = watches.Watches(1, 60, self.pool)
        watch = self.begin()
        self.assertNotIn('annotations', self.next(watch)[0]['object'][
            'metadata'])
        self.feed.note_unseen('Ironic is away')
        told = self.next(watch)[0]
        self.assertEqual('BOOKMARK', told['type'])
        self.assertEqual('Ironic is away', told['object']['metadata'][
            'annotations']['ironic-ext/stale-reason'])
        datetime.datetime.fromisoformat(told['object']['metadata'][
            'annotations']['ironic-ext/stale-since'])
        self.feed.note_seen()
        self.assertNotIn('annotations', self.next(watch)[0]['object'][
            'metadata'])

    def test_it_is_woken_by_what_another_thread_tells(self):
        self.watches = watches.Watches(1, 60, self.pool)
        watch = self.begin()
        self.next(watch)
        telling = threading.Timer(0.1, self.feed.publish, [[event(1)]])
        telling.start()
        self.addCleanup(telling.join)
        self.assertEqual({'n': 1}, self.next(watch)[0]['object'])

    def test_what_began_anew_is_listened_to(self):
        self.watches = watches.Watches(1, 60, self.pool)
        watch = self.begin()
        self.next(watch)
        old, self.feed = self.feed, feeds.Feed(100)
        old.close()
        telling = threading.Timer(0.1, self.feed.publish, [[event(1)]])
        telling.start()
        self.addCleanup(telling.join)
        self.assertEqual({'n': 1}, self.next(watch)[0]['object'])

    def test_what_a_database_has_to_tell_is_read_in_a_thread(self):
        self.is_at_hand = False
        watch = self.begin()
        self.next(watch)
        self.feed.publish([event(1)])
        self.assertEqual({'n': 1}, self.follow(watch)[0]['object'])

    def test_a_namespace_sees_its_own(self):
        watch = self.begin(scope='here')
        self.next(watch)
        self.feed.publish([event(1, scope='there'), event(2, scope='here')])
        self.assertEqual([{'n': 2}],
                         [line['object'] for line in self.follow(watch)])

    def test_labels_that_come_and_go_are_told_as_additions_and_deletions(
            self):
        watch = self.begin(labels='arch=x86')
        self.next(watch)
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
             for line in self.follow(watch)])

    def test_one_that_is_too_old_is_an_answer(self):
        self.assertRaises(errors.GoneError, self.begin, since=5)

    def test_one_that_falls_behind_is_told(self):
        watch = self.begin()
        self.next(watch)
        for number in range(1, 300):
            self.feed.publish([event(number)])
        line = self.follow(watch)[0]
        self.assertEqual(('ERROR', 410),
                         (line['type'], line['object']['code']))
        self.assertIsNone(self.next(watch))

    def test_there_are_not_too_many(self):
        stream, _lines = self.begin()
        self.assertRaises(errors.TooManyError, self.begin)
        stream.close()
        stream.close()
        self.begin()[0].close()

    def test_the_end_of_the_server_ends_it_with_a_bookmark(self):
        self.watches = watches.Watches(1, 60, self.pool)
        watch = self.begin()
        self.next(watch)
        self.feed.close()
        self.assertEqual(['BOOKMARK'],
                         [line['type'] for line in self.next(watch)])
        self.assertIsNone(self.next(watch))

    def test_its_time_is_over_with_a_bookmark(self):
        self.watches = watches.Watches(1, 60, self.pool)
        watch = self.begin(query='timeoutSeconds=1')
        self.next(watch)
        self.assertEqual('BOOKMARK', self.next(watch)[0]['type'])
        self.assertIsNone(self.next(watch))

    def logged_in(self, guard, **token):
        """Return what a request has of who was allowed to watch."""
        return {'ironic_ext.judged': [(guard, 'rule', None)],
                'keystone.token_info': {'token': token}}

    def test_a_login_that_expires_ends_it(self):
        self.watches = watches.Watches(1, 60, self.pool)
        when = datetime.datetime.now(datetime.UTC) + datetime.timedelta(
            seconds=1)
        watch = self.begin(**self.logged_in(
            None, expires_at=when.isoformat()))
        self.next(watch)
        line, = self.next(watch)
        self.assertEqual(('ERROR', 401), (line['type'],
                                          line['object']['code']))
        self.assertIsNone(self.next(watch))

    def test_who_may_no_more_is_told_nothing_more(self):
        judged = []

        class Guard:
            def judge_again(self, environ, rules):
                judged.append(rules)
                if len(judged) == 2:
                    raise errors.ForbiddenError('not any more')

        self.watches = watches.Watches(1, 60, self.pool, 0.05)
        watch = self.begin(**self.logged_in(Guard()))
        self.next(watch)
        self.feed.publish([event(1)])
        self.assertEqual({'n': 1}, self.next(watch)[0]['object'])
        line, = self.next(watch)
        self.assertEqual(('ERROR', 403), (line['type'],
                                          line['object']['code']))
        self.assertIsNone(self.next(watch))
        self.assertEqual([[('rule', None)]] * 2, judged)

    def test_one_that_is_left_ends(self):
        self.watches = watches.Watches(1, 60, self.pool)
        watch = self.begin()
        self.next(watch)
        self.left.set()
        self.assertIsNone(self.next(watch))
