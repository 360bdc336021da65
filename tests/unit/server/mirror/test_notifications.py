# SPDX-License-Identifier: Apache-2.0

"""What is read of Ironic's notifications, and what of others is not."""

import logging
import pathlib
import uuid

import fixtures
import hypothesis
from hypothesis import strategies
from oslo_config import cfg
import testtools

from ironic_ext import conf as options
from ironic_ext.images import configured
from ironic_ext.server.mirror import hints
from ironic_ext.server.mirror import notifications

NODE = '1be26c0b-03f2-4d2e-ae87-c02d7f33c123'
_JSON = strategies.recursive(
    strategies.none() | strategies.booleans() | strategies.integers()
    | strategies.text() | strategies.just(NODE),
    lambda inner: strategies.lists(inner) | strategies.dictionaries(
        strategies.sampled_from(('ironic_object.data', 'uuid', 'node_uuid',
                                 'x')), inner), max_leaves=8)


def payload(**data):
    """Return a payload as Ironic sends it."""
    return {'ironic_object.name': 'NodePayload',
            'ironic_object.namespace': 'ironic',
            'ironic_object.version': '1.0', 'ironic_object.data': data}


class ReadTestCase(testtools.TestCase):

    def test_a_change_of_a_node_is_a_hint_at_it(self):
        for name in ('create.end', 'update.end', 'power_set.end',
                     'power_set.error', 'power_state_corrected.success',
                     'provision_set.start', 'provision_set.success',
                     'maintenance_set.end', 'something_new.success'):
            self.assertEqual((NODE, hints.What.NODE), notifications.read(
                f'baremetal.node.{name}', payload(uuid=NODE)))

    def test_what_only_begins_has_changed_nothing(self):
        for name in ('node.create', 'node.update', 'node.power_set',
                     'port.delete'):
            self.assertIsNone(notifications.read(
                f'baremetal.{name}.start', payload(uuid=NODE,
                                                   node_uuid=NODE)))

    def test_ports_are_those_of_a_node(self):
        said = payload(uuid=str(uuid.uuid4()), node_uuid=NODE)
        self.assertEqual((NODE, hints.What.PORTS), notifications.read(
            'baremetal.port.update.end', said))
        self.assertEqual(
            (NODE, hints.What.PORTS | hints.What.GONE),
            notifications.read('baremetal.port.delete.end', said))
        self.assertEqual((NODE, hints.What.GONE), notifications.read(
            'baremetal.node.delete.end', payload(uuid=NODE)))

    def test_what_is_not_understood_is_nothing(self):
        good = 'baremetal.node.update.end'
        for event, said in (
                (None, payload(uuid=NODE)), (7, payload(uuid=NODE)),
                ('', payload(uuid=NODE)), ('baremetal', payload(uuid=NODE)),
                ('baremetal.chassis.update.end', payload(uuid=NODE)),
                ('compute.instance.update.end', payload(uuid=NODE)),
                (good + '.end', payload(uuid=NODE)),
                ('baremetal.node.' + 'x' * 300 + '.end', payload(uuid=NODE)),
                (good, None), (good, []), (good, {}), (good, 'uuid'),
                (good, {'ironic_object.data': NODE}), (good, payload()),
                (good, payload(uuid=None)), (good, payload(uuid=[NODE])),
                (good, payload(uuid='x' * 10000000)),
                (good, payload(uuid=f'../{NODE[3:]}')),
                (good, payload(uuid=f'{{{NODE}}}')),
                (good, payload(uuid=NODE.upper())),
                ('baremetal.port.update.end', payload(uuid=NODE))):
            self.assertIsNone(notifications.read(event, said), (event, said))

    @hypothesis.given(strategies.text() | strategies.sampled_from(
        ('baremetal.node.update.end', 'baremetal.port.delete.end')), _JSON)
    @hypothesis.settings(deadline=None)
    def test_nothing_makes_it_fail(self, event, said):
        found = notifications.read(event, said)
        self.assertIn(found and found[0], (None, NODE))


class ListenerTestCase(testtools.TestCase):

    def conf(self, url):
        file = pathlib.Path(self.useFixture(fixtures.TempDir()).join('conf'))
        file.write_text(f'[DEFAULT]\ntransport_url = {url}\n')
        conf = cfg.ConfigOpts()
        options.register_opts(conf)
        # As the program does, which has some of oslo.messaging's.
        configured.register_ironic_opts(conf)
        conf([], default_config_files=[str(file)])
        conf.set_override('notification_topics', ['boot1'], 'ext_server')
        self.addCleanup(conf.clear_override, 'notification_topics',
                        'ext_server')
        return conf

    def test_it_notes_what_it_hears(self):
        heard = hints.Hints()
        endpoint = notifications.Endpoint(heard)
        for said in (endpoint.info, endpoint.warn, endpoint.error):
            said({}, 'ironic-api.x', 'baremetal.node.update.end',
                 payload(uuid=NODE), {})
            self.assertEqual({NODE: hints.What.NODE}, heard.take())
        endpoint.info({}, None, 'x', {'y': 1}, {})
        self.assertEqual({}, heard.take())

    def test_a_bad_url_is_told_without_its_password(self):
        for url in ('nothing://ironic:correct-horse@127.0.0.1/',
                    'rabbit://ironic:correct-horse@127.0.0.1:port/'):
            refusal = str(self.assertRaises(
                ValueError, notifications.connect, self.conf(url),
                hints.Hints()))
            self.assertIn('transport_url', refusal)
            self.assertNotIn('correct-horse', refusal)

    def test_few_messages_are_fetched_before_they_are_read(self):
        conf = self.conf('rabbit://127.0.0.1:1/')
        rabbit = notifications.transport(conf).conf.oslo_messaging_rabbit
        self.assertEqual(16, rabbit.rabbit_qos_prefetch_count)
        notifications.connect(conf, hints.Hints()).stop()


class SparseTestCase(testtools.TestCase):

    def test_a_failure_is_said_once_in_a_while(self):
        said = self.useFixture(fixtures.FakeLogger('sparse-test'))
        log = logging.getLogger('sparse-test')
        kept = notifications.Sparse(3600)
        log.addFilter(kept)
        self.addCleanup(log.removeFilter, kept)
        for port in range(100):
            log.error('the server at port %s is away', port)
            log.error('it is quite another thing')
            log.info('hello %s', port)
        lines = said.output.splitlines()
        self.assertEqual(1, sum('is away' in line for line in lines))
        self.assertEqual(1, sum('another thing' in line for line in lines))
        self.assertEqual(100, sum('hello' in line for line in lines))

    def test_it_does_not_remember_all_that_was_ever_said(self):
        said = self.useFixture(fixtures.FakeLogger('sparse-many'))
        log = logging.getLogger('sparse-many')
        kept = notifications.Sparse(3600)
        log.addFilter(kept)
        self.addCleanup(log.removeFilter, kept)
        for number in (0, 0, *range(1, 200), 0, 0):
            log.error(f'away {number}.')
        self.assertEqual(2, said.output.count('away 0.'))

    def test_after_that_it_is_said_again(self):
        said = self.useFixture(fixtures.FakeLogger('sparse-again'))
        log = logging.getLogger('sparse-again')
        kept = notifications.Sparse(0)
        log.addFilter(kept)
        self.addCleanup(log.removeFilter, kept)
        for _time in range(3):
            log.error('away')
        self.assertEqual(3, said.output.count('away'))
