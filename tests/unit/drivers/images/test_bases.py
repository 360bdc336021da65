# SPDX-License-Identifier: Apache-2.0

"""Base images for a node: its settings, and progress that it shows."""

import unittest.mock

from ironic_ext.drivers.images import bases as base_images
from ironic_ext import images
from tests import fault_server
from tests.unit.drivers import base
from tests.unit.images import fake_service

HREF = 'http://images.example.org/a.iso'


def progress(phase, received=0, size=1000):
    return images.Progress(HREF, received, size, 100.0, phase)


class ProgressTestCase(base.DriverTestCase):

    def setUp(self):
        super().setUp()
        self.now = 1000.0
        self.metrics = self.replace(base_images, 'METRICS')

    def observer(self, task):
        return base_images.ProgressOnNode(task, clock=lambda: self.now)

    def shown(self):
        self.node.refresh()
        return self.node.driver_internal_info.get(base_images.PROGRESS_KEY)

    def test_progress_stands_on_the_node_until_the_end(self):
        for end in ('done', 'failed'):
            with self.task() as task:
                observer = self.observer(task)
                observer(progress('downloading', 250))
                shown = self.shown()
                self.assertEqual(
                    {'image': HREF, 'phase': 'downloading', 'received': 250,
                     'size': 1000, 'percent': 25, 'rate': 100,
                     'since': shown['since']}, shown)
                observer(progress(end, 1000))
                self.assertIsNone(self.shown())

    def test_it_is_written_every_five_seconds_at_most(self):
        with self.task() as task:
            observer = self.observer(task)
            for received in range(1, 11):
                observer(progress('downloading', received))
                self.now += 1
            self.assertEqual(6, self.shown()['received'])
            observer(progress('done', 1000))

    def test_changes_that_are_not_saved_yet_are_left_alone(self):
        with self.task() as task:
            task.node.set_driver_internal_info('mine', 1)
            task.node.extra = {'x': 1}
            observer = self.observer(task)
            observer(progress('downloading', 250))
            self.node.refresh()
            self.assertNotIn('mine', self.node.driver_internal_info)
            self.assertEqual({}, self.node.extra)
            observer(progress('done', 1000))
            task.node.save()
            self.node.refresh()
            self.assertEqual({'mine': 1}, self.node.driver_internal_info)

    def test_a_task_without_the_lock_writes_nothing(self):
        with self.task(shared=True) as task:
            self.observer(task)(progress('downloading', 250))
            self.assertIsNone(self.shown())

    def test_what_a_dead_conductor_left_goes_with_the_next_image(self):
        self.node.set_driver_internal_info(base_images.PROGRESS_KEY, {})
        self.store()
        with self.task() as task:
            self.observer(task)(progress('done'))
        self.assertIsNone(self.shown())

    def test_a_database_that_fails_does_not_fail_a_download(self):
        with self.task() as task:
            observer = self.observer(task)
            with unittest.mock.patch.object(
                    base_images.objects.Node, 'save',
                    side_effect=RuntimeError('no database')):
                observer(progress('downloading', 250))
            observer(progress('done', 1000))
        self.assertIsNone(self.shown())

    def test_metrics_count_downloads_hits_and_failures(self):
        with self.task() as task:
            observer = self.observer(task)
            observer(progress('done'))
            self.metrics.send_counter.assert_called_once_with('hit', 1)
            observer(progress('downloading', 10))
            self.metrics.send_gauge.assert_called_once_with('rate', 100.0)
            self.now += 2
            observer(progress('done', 1000))
            self.metrics.send_timer.assert_called_once_with('download',
                                                            2000.0)
            self.metrics.send_counter.assert_any_call('bytes', 1000)
            observer(progress('failed'))
            self.metrics.send_counter.assert_called_with('failed', 1)


class StoreTestCase(base.DriverTestCase):

    def test_a_download_shows_on_the_node_while_it_goes_on(self):
        seen = []

        class Source(fake_service.FakeService):
            def fetch(self, href, target, known=None):
                seen.append(node.refresh() or node.driver_internal_info.get(
                    base_images.PROGRESS_KEY))
                found = super().fetch(href, target, known)
                node.refresh()
                seen.append(node.driver_internal_info.get(
                    base_images.PROGRESS_KEY))
                return found

        node = self.node
        source = Source()
        source.put(HREF, b'x' * 1000)
        with self.task() as task:
            store = base_images.store(task, service_for=lambda href: source)
            with store.lease(HREF):
                pass
        self.node.refresh()
        self.assertIsNone(seen[0])
        self.assertEqual(HREF, seen[1]['image'])
        self.assertNotIn(base_images.PROGRESS_KEY,
                         self.node.driver_internal_info)

    def test_an_api_request_does_not_wait_for_more_than_one_try(self):
        with fault_server.serving() as web:
            web.add('/a.iso', b'x', always=fault_server.status(503))
            with self.task(shared=True) as task:
                store = base_images.store(task, patient=False)
                self.assertRaises(images.ImageError, store.peek,
                                  f'{web.url}/a.iso', 10)
            self.assertEqual(1, len(web.requests))

    def test_credentials_of_a_request_are_not_mixed_with_the_operators(self):
        self.config(image_server_auth_strategy='http_basic',
                    image_server_user='op', image_server_password='secret',
                    group='deploy')
        with fault_server.serving() as web:
            web.add('/a.iso', b'x')
            with self.task(shared=True) as task:
                for access in (None, images.Access(), images.Access(
                        token='t')):
                    base_images.store(task, access).peek(
                        f'{web.url}/a.iso', 1)
            sent = [request.headers.get('Authorization')
                    for request in web.requests]
        self.assertTrue(sent[0].startswith('Basic '))
        self.assertEqual([None, 'Bearer t'], sent[1:])
