# SPDX-License-Identifier: Apache-2.0

"""Keeping up with Ironic."""

import testtools

from ironic_ext.server import errors
from ironic_ext.server.mirror import hints
from ironic_ext.server.mirror import host_index
from ironic_ext.server.mirror import host_poller
from lab import process
from tests import ironic_stand_in
from tests.unit.node import test_host as test_hosts


class _Api:
    """The API without HTTP; counts what is read."""

    def __init__(self):
        self.known = ironic_stand_in.Nodes()
        self.read = 0
        self.requests = 0
        #: For single nodes.
        self.asked = 0
        self.narrow = False

    def is_narrow(self):
        return self.narrow

    def nodes(self, newest='', page=0):
        return self._list(self.known.nodes, newest)

    def ports(self, newest='', page=0, node=''):
        if node:
            self.asked += 1
            if node not in self.known.nodes:
                raise errors.NotFoundError('gone')
        return self._list({
            uuid: port for uuid, port in self.known.ports.items()
            if node in ('', port['node_uuid'])}, newest)

    def uuids(self, after=''):
        found = list(self.known.nodes)
        start = found.index(after) + 1 if after else 0
        return found[start:start + 150], len(found) > start + 150

    def node(self, uuid):
        self.asked += 1
        if uuid not in self.known.nodes:
            raise errors.NotFoundError('gone')
        return self.known.nodes[uuid]

    def inventory(self, uuid):
        self.requests += 1
        return self.known.inventories.get(uuid)

    def _list(self, items, newest):
        found = [dict(item) for item in items.values()]
        if newest:
            # As SQLite and MariaDB do: null comes last.
            found.sort(key=lambda item: item[newest] or '', reverse=True)
        for item in found:
            self.read += 1
            yield item


class _Kept:
    """What is kept, without a disk."""

    def __init__(self):
        self.hosts = {}
        self.seen = None
        self.saved = {}

    def load(self):
        return list(self.hosts.values()), self.seen

    def save(self, changed, seen):
        self.saved.update(changed)
        self.hosts.update(changed)
        self.hosts = {uuid: host for uuid, host in self.hosts.items()
                      if host is not None}
        self.seen = seen


class HostPollerTestCase(testtools.TestCase):
    """What was changed in Ironic."""

    def setUp(self):
        super().setUp()
        self.api = _Api()
        self.nodes = self.api.known
        self.index = host_index.HostIndex()
        self.poller = host_poller.HostPoller(
            self.api, self.index, interval=1, resync_interval=1)
        self.uuids = [self.nodes.add(f'server{number}',
                                     f'52:54:00:00:01:{number:02x}')
                      for number in range(200)]
        self.poller.resync()

    def host(self, name):
        found = self.index.get('default', name)
        return found.host if found else None

    def test_everything_is_known_after_the_first_look(self):
        self.assertEqual(200, len(self.index))
        self.assertTrue(self.index.loaded.is_set())
        self.assertEqual(('52:54:00:00:01:07',), self.host('server7').macs)

    def restarted(self, kept, api=None):
        """Return the index and the poller of a server that starts again."""
        index = host_index.HostIndex()
        poller = host_poller.HostPoller(
            api or self.api, index, interval=1, resync_interval=1, kept=kept)
        poller.recall()
        return index, poller

    def test_what_did_not_change_is_not_kept_again(self):
        kept = _Kept()
        _index, poller = self.restarted(kept)
        poller.resync()
        poller.keep()
        kept.saved.clear()
        self.nodes.change(self.uuids[5], power_state='power on')
        for _number in range(2):
            # It is among the newest ones the second time, too.
            poller.catch_up()
        poller.keep()
        self.assertEqual({self.uuids[5]}, set(kept.saved))

    def test_a_start_begins_with_what_was_known_and_says_so(self):
        kept = _Kept()
        self.nodes.inventories[self.uuids[7]] = {'inventory': {
            'interfaces': [{'ipv4_address': '192.0.2.77'}]}}
        self.nodes.change(self.uuids[7], inspection_finished_at='2026-01-01')
        index, poller = self.restarted(kept)
        self.assertFalse(index.loaded.is_set())
        poller.resync()
        poller.look_into_inventories()
        poller.keep()
        self.assertEqual(200, len(kept.hosts))
        self.assertEqual(1, self.api.requests)
        self.nodes.change(self.uuids[5], power_state='power on')
        self.nodes.remove(self.uuids[6])
        index, poller = self.restarted(kept)
        self.assertTrue(index.loaded.is_set())
        self.assertIn('not asked', index.feed.staleness.reason)
        self.assertEqual(kept.seen.isoformat(timespec='seconds'),
                         index.feed.staleness.since)
        self.assertEqual('server7', index.by_mac('52:54:00:00:01:07')[0].name)
        self.assertEqual('server7', index.by_ip('192.0.2.77')[0].name)
        self.assertNotEqual('power on', index.by_uuid(self.uuids[5]).power)
        # Then as Ironic has it, without asking what is known.
        poller.resync()
        poller.look_into_inventories()
        self.assertEqual(1, self.api.requests)
        self.assertEqual('power on', index.by_uuid(self.uuids[5]).power)
        self.assertIsNone(index.by_uuid(self.uuids[6]))
        kept.saved.clear()
        poller.keep()
        self.assertEqual({self.uuids[5], self.uuids[6]}, set(kept.saved))
        self.assertEqual(199, len(kept.hosts))

    def test_many_inventories_do_not_hold_up_a_look(self):
        for uuid in self.uuids:
            self.nodes.change(uuid, inspection_finished_at='2026-01-01')
        self.poller.catch_up()
        for asked in (100, 200, 200):
            self.poller.look_into_inventories()
            self.assertEqual(asked, self.api.requests)

    def test_a_login_of_a_project_that_sees_nothing_says_so(self):
        for uuid in self.uuids:
            self.nodes.remove(uuid)
        self.poller.resync()
        self.assertEqual('', self.index.problem)
        self.api.narrow = True
        self.poller.resync()
        self.assertIn('system_scope = all', self.index.problem)
        self.nodes.add('new', '52:54:00:00:02:00')
        self.poller.resync()
        self.assertEqual('', self.index.problem)

    def test_a_look_for_changes_reads_little(self):
        self.api.read = 0
        self.nodes.change(self.uuids[5], power_state='power on')
        self.poller.catch_up()
        self.assertEqual('power on', self.host('server5').power)
        self.assertLess(self.api.read, 100)

    def test_many_changes_at_once_are_all_found(self):
        for uuid in self.uuids[:150]:
            self.nodes.change(uuid, power_state='power on')
        self.poller.catch_up()
        self.assertEqual(150, sum(
            entry.host.power == 'power on'
            for entry in self.index.page()[0]))

    def test_new_nodes_and_ports_are_found(self):
        self.nodes.add('new', '52:54:00:00:02:00')
        self.poller.catch_up()
        self.assertEqual(('52:54:00:00:02:00',), self.host('new').macs)

    def test_a_node_that_is_hinted_at_is_read_from_ironic(self):
        self.nodes.change(self.uuids[3], power_state='power on')
        self.nodes.change(self.uuids[4], power_state='power on')
        for _time in range(5):
            self.poller.hints.add(self.uuids[3])
        self.poller.hints.add('00000000-0000-4000-8000-000000000000')
        self.poller.follow_hints()
        self.assertEqual('power on', self.host('server3').power)
        self.assertNotEqual('power on', self.host('server4').power)
        self.assertEqual(2, self.api.asked)
        self.poller.follow_hints()
        self.assertEqual(2, self.api.asked)

    def test_a_hint_at_what_is_gone_takes_it_away(self):
        uuid = self.uuids[3]
        self.nodes.remove(uuid)
        self.poller.hints.add(uuid, hints.What.GONE)
        self.poller.follow_hints()
        self.assertIsNone(self.host('server3'))

    def test_a_hint_at_ports_reads_those_of_the_node(self):
        uuid = self.uuids[3]
        (port,) = [port for port in self.nodes.ports.values()
                   if port['node_uuid'] == uuid]
        del self.nodes.ports[port['uuid']]
        self.poller.hints.add(uuid, hints.What.PORTS | hints.What.GONE)
        self.poller.follow_hints()
        self.assertEqual((), self.host('server3').macs)
        self.nodes.ports['new'] = {**port, 'uuid': 'new',
                                   'address': '52:54:00:00:02:01'}
        self.poller.hints.add(uuid, hints.What.PORTS)
        self.poller.follow_hints()
        self.assertEqual(('52:54:00:00:02:01',), self.host('server3').macs)

    def test_many_hints_are_one_look_for_changes(self):
        for uuid in self.uuids[:50]:
            self.nodes.change(uuid, power_state='power on')
            self.poller.hints.add(uuid)
        for uuid in self.uuids[60:80]:
            self.nodes.remove(uuid)
            self.poller.hints.add(uuid, hints.What.GONE)
        for number in range(100):
            # Of nodes that were never known: nobody is asked for those.
            self.poller.hints.add(f'unknown{number}', hints.What.GONE)
        self.poller.follow_hints()
        self.assertEqual('power on', self.host('server49').power)
        self.assertLess(self.api.asked, 10)
        # Those that are gone follow, a few at a time.
        for _time in range(20):
            self.poller.follow_hints()
        self.assertEqual(180, len(self.index))
        self.assertEqual(20, self.api.asked)

    def test_a_hint_is_followed_before_the_next_look(self):
        poller = host_poller.HostPoller(
            self.api, self.index, interval=3600, resync_interval=3600)
        poller.start()
        self.addCleanup(poller.stop)
        process.await_condition(lambda: poller.resync_seconds, 'a look',
                                timeout=60)
        self.nodes.change(self.uuids[3], power_state='power on')
        poller.hints.add(self.uuids[3])
        process.await_condition(
            lambda: self.host('server3').power == 'power on', 'the change',
            timeout=60)
        self.assertEqual(1, self.api.asked)

    def test_what_was_deleted_goes_with_a_look_at_everything(self):
        self.nodes.remove(self.uuids[0])
        self.poller.catch_up()
        self.assertIsNotNone(self.host('server0'))
        self.poller.resync()
        self.assertIsNone(self.host('server0'))
        self.assertEqual([], self.index.by_mac('52:54:00:00:01:00'))

    def test_what_was_deleted_goes_with_a_round_of_uuids(self):
        self.nodes.remove(self.uuids[170])
        self.poller.look_for_deleted()
        self.assertIsNotNone(self.host('server170'))
        # What comes meanwhile is in no page of this round, and stays.
        self.poller.note(self.nodes.nodes[self.nodes.add(
            'new', '52:54:00:00:02:00')])
        self.poller.look_for_deleted()
        self.assertIsNone(self.host('server170'))
        self.assertIsNotNone(self.host('new'))
        self.assertEqual(200, len(self.index))

    def test_a_round_whose_marker_was_deleted_begins_anew(self):
        self.poller.look_for_deleted()

        def refuse(after=''):
            raise errors.NotFoundError('gone')
        uuids, self.api.uuids = self.api.uuids, refuse
        self.poller.look_for_deleted()
        self.api.uuids = uuids
        self.nodes.remove(self.uuids[0])
        for _page in range(2):
            self.poller.look_for_deleted()
        self.assertEqual(199, len(self.index))

    def test_a_node_that_is_missed_goes_at_once(self):
        self.nodes.remove(self.uuids[0])
        self.assertRaises(errors.NotFoundError, self.poller.refresh,
                          self.uuids[0])
        self.assertIsNone(self.host('server0'))

    def test_an_old_answer_does_not_undo_a_newer_one(self):
        stale = dict(self.nodes.nodes[self.uuids[0]])
        self.nodes.change(self.uuids[0], power_state='power on')
        self.poller.refresh(self.uuids[0])
        self.nodes.nodes[self.uuids[0]] = stale
        self.poller.resync()
        self.assertEqual('power on', self.host('server0').power)

    def test_inventories_are_asked_for_once(self):
        self.nodes.change(self.uuids[0],
                          inspection_finished_at='2026-01-01T00:00:00+00:00')
        self.nodes.inventories[self.uuids[0]] = {'inventory': {
            'interfaces': [{'ipv4_address': '192.0.2.5'}]}}
        self.poller.catch_up()
        self.poller.look_into_inventories()
        del self.nodes.inventories[self.uuids[0]]
        self.poller.look_into_inventories()
        self.poller.resync()
        self.assertEqual(('192.0.2.5',), self.host('server0').ips)


class ProjectTestCase(testtools.TestCase):
    """Whose hosts are shown and told."""

    def setUp(self):
        super().setUp()
        self.index = host_index.HostIndex()

    def put(self, **fields):
        self.index.put(test_hosts.host(**fields))

    def told(self):
        return [(event.type, event.whose)
                for event in self.index.feed.after(0)]

    def test_a_page_has_those_that_one_sees(self):
        for number, owner in enumerate('aab'):
            self.put(owner=owner, name=f'n{number}',
                     uuid=f'6f1b2a30-0000-4000-8000-00000000000{number}')
        found, more, _version = self.index.page(
            limit=2, sees=lambda owner, lessee: owner == 'a')
        self.assertEqual((['n0', 'n1'], False), (
            [entry.host.name for entry in found], more))

    def test_a_host_that_goes_to_another_is_gone_for_the_one(self):
        self.put(owner='a')
        self.put(owner='a', power_state='power on')
        self.put(owner='a', lessee='b', power_state='power on')
        self.assertEqual(
            [('ADDED', ('a', '')), ('MODIFIED', ('a', '')),
             ('DELETED', ('a', '')), ('ADDED', ('a', 'b'))], self.told())
