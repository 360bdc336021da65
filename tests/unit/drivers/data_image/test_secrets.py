# SPDX-License-Identifier: Apache-2.0

"""Tests for what Ironic logs and shows of data images."""

import logging

from ironic.common import exception
from ironic.common import states
from ironic.conductor import utils as manager_utils
import testtools

from ironic_ext.drivers.data_image import secrets as data_image_secrets
from ironic_ext.drivers import ironic_patches
from tests.unit.drivers.data_image import base

SECRETS = ('hunter2', 'TOP', 'content of a file')
SPEC = {'files': {'a': SECRETS[2], 'b': {'content': SECRETS[2]}},
        'password': SECRETS[0], 'url': f'http://h/x.iso?sig={SECRETS[1]}',
        'label': 'cidata'}
STEP = {'interface': 'management', 'step': 'attach_data_image',
        'priority': 0, 'args': SPEC}


class LogTestCase(testtools.TestCase):

    def shown(self, name, message, *args):
        ironic_patches.install()
        logger = logging.getLogger(name)
        record = logger.makeRecord(name, logging.DEBUG, 'x.py', 1, message,
                                   args, None)
        self.assertTrue(logger.filter(record))
        return record.getMessage()

    def assertMasked(self, text):
        for secret in SECRETS:
            self.assertNotIn(secret, text)

    def test_requests_of_conductors_are_logged_without_content(self):
        text = self.shown(
            'ironic.common.json_rpc.server', 'RPC %s with %s',
            'vendor_passthru', {'driver_method': 'data_image',
                                'http_method': 'PUT', 'info': SPEC})
        self.assertMasked(text)
        self.assertIn('cidata', text)

    def test_requests_with_steps_are_too(self):
        self.assertMasked(self.shown(
            'ironic.common.json_rpc.server', 'RPC %s with %s',
            'do_node_service', {'service_steps': [STEP]}))

    def test_steps_are_logged_without_secrets(self):
        for name in ('servicing', 'cleaning', 'deployments', 'steps'):
            text = self.shown(
                f'ironic.conductor.{name}', 'Executing %(step)s, %(steps)s',
                {'step': STEP, 'steps': [STEP], 'node': 'n'})
            self.assertMasked(text)
            self.assertIn('http://h/x.iso', text)

    def test_everything_else_is_logged_as_it_is(self):
        other = {'step': 'raid', 'args': {'files': 'hunter2'}}
        self.assertIn(str(other), self.shown(
            'ironic.conductor.steps', 'Executing %s now', other))
        self.assertEqual('done 1 None', self.shown(
            'ironic.conductor.steps', 'done %d %s', 1, None))
        self.assertEqual('done', self.shown('ironic.conductor.steps',
                                            'done'))

    def test_what_is_no_description_is_masked_all_the_same(self):
        for files in ('hunter2', ['hunter2'], 7):
            text = str(data_image_secrets.masked(
                {**STEP, 'args': {'files': files}}))
            self.assertNotIn('hunter2', text)
        self.assertEqual({**STEP, 'args': None},
                         data_image_secrets.masked({**STEP, 'args': None}))


class StepTestCase(base.DataImageTestCase):

    def setUp(self):
        super().setUp()
        self.be(states.SERVICING)
        self.other = {**STEP, 'args': {'files': {'x': 'later'}}}
        self.node.service_step = STEP
        self.node.driver_internal_info = {
            'service_steps': [STEP, self.other]}
        self.store()

    def test_a_step_that_fails_does_not_repeat_its_arguments(self):
        with self.task() as task:
            self.assertRaises(
                exception.InvalidParameterValue,
                task.driver.management.attach_data_image, task, **SPEC)
        self.node.refresh()
        for secret in SECRETS:
            self.assertNotIn(secret, str(self.node.service_step))
            self.assertNotIn(secret, str(self.node.driver_internal_info))
        self.assertEqual('attach_data_image',
                         self.node.service_step['step'])

    def test_steps_to_come_keep_their_arguments(self):
        data_image_secrets.forget_step(self.node)
        self.assertEqual(
            self.other, self.node.driver_internal_info['service_steps'][1])

    def test_the_history_of_steps_has_no_secrets(self):
        manager_utils.log_step_flow_history(
            node=self.node, flow=manager_utils.StepFlow.SERVICING,
            steps=[STEP], status='start')
        entry, = self.dbapi.get_node_history_by_node_id(self.node.id)
        for secret in SECRETS:
            self.assertNotIn(secret, entry.event)
        self.assertIn('attach_data_image', entry.event)
