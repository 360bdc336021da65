# SPDX-License-Identifier: Apache-2.0

"""The judge of a site names whatever is planted, and nothing else."""

import dataclasses

import testtools

from tests.cluster import evidence
from tests.cluster import judge
from tests.cluster.judge import Kind

_URL = 'http://media/m/token/cluster-0001.iso'
ACTIVE = evidence.Node(
    'cluster-0001', 'uuid-1', 'active', 'power on',
    evidence.Bmc(True, {'Cd': _URL}), 'cluster-0001.0002')
AVAILABLE = evidence.Node('cluster-0002', 'uuid-2', 'available', 'power off',
                          evidence.Bmc(False))
FAILED = evidence.Node(
    'cluster-0003', 'uuid-3', 'deploy failed', 'power off',
    evidence.Bmc(False), last_error='the BMC does not answer')
READ = evidence.Read('cluster-0001', _URL, 'cluster-0001.0002',
                     ('cluster-0001.0002',), 'right')
GOOD = evidence.Evidence(
    (ACTIVE, AVAILABLE, FAILED), (READ,), frozenset(('right',)),
    files=('m1:overlays/id-1.overlay',),
    records=(evidence.Record('id-1', 'uuid-1'),))


class JudgeTest(testtools.TestCase):

    def found(self, **changes):
        """Return (kind, where) of what is found in a changed site."""
        return [(finding.kind, finding.where) for finding in judge.judge(
            dataclasses.replace(GOOD, **changes))]

    def with_node(self, node, **changes):
        """Return what is found where one node is another one."""
        changed = dataclasses.replace(node, **changes)
        return self.found(nodes=tuple(
            changed if each is node else each for each in GOOD.nodes))

    def test_a_good_site_has_nothing(self):
        self.assertEqual([], self.found())

    # Leaks

    def test_a_file_that_is_left(self):
        path = 'c1:http/ext/cluster-0002-id-2.iso'
        self.assertEqual([(Kind.FILE, path)],
                         self.found(files=(*GOOD.files, path)))

    def test_a_url_that_answers_though_its_medium_ended(self):
        old = _URL + '?old'
        self.assertEqual([(Kind.URL, old)], self.found(answering=(old,)))

    def test_a_record_of_an_instance_that_is_gone(self):
        self.assertEqual([(Kind.RECORD, 'uuid-2')], self.found(records=(
            *GOOD.records, evidence.Record('id-2', 'uuid-2'))))

    def test_a_second_record_of_an_active_node(self):
        self.assertEqual([(Kind.RECORD, 'uuid-1')], self.found(records=(
            *GOOD.records, evidence.Record('id-2', 'uuid-1'))))

    def test_a_record_of_a_node_that_is_gone(self):
        self.assertEqual([(Kind.RECORD, 'uuid-9')], self.found(records=(
            *GOOD.records, evidence.Record('id-2', 'uuid-9'))))

    def test_a_target(self):
        self.assertEqual([(Kind.TARGET, 'iqn.a')],
                         self.found(targets=('iqn.a',)))

    def test_a_medium_in_the_drive_of_an_available_node(self):
        self.assertEqual([(Kind.DRIVE, 'cluster-0002')], self.with_node(
            AVAILABLE, bmc=evidence.Bmc(False, {'Cd2': _URL})))

    def test_a_second_medium_of_an_active_node(self):
        self.assertEqual([(Kind.DRIVE, 'cluster-0001')], self.with_node(
            ACTIVE, bmc=evidence.Bmc(True, {'Cd': _URL, 'Cd2': _URL})))

    # Bytes

    def test_a_wrong_byte(self):
        self.assertEqual([(Kind.BYTES, 'cluster-0001')], self.found(
            reads=(dataclasses.replace(READ, digest='wrong'),)))

    def test_an_argument_of_another_node_or_deploy(self):
        for arguments in ((), ('cluster-0002.0002',), ('cluster-0001.0001',),
                          ('cluster-0001.0002', 'cluster-0002.0001')):
            self.assertEqual([(Kind.BYTES, 'cluster-0001')], self.found(
                reads=(dataclasses.replace(READ, arguments=arguments),)))

    def test_a_medium_that_cannot_be_read(self):
        self.assertEqual([(Kind.BYTES, 'cluster-0001')], self.found(
            reads=(dataclasses.replace(READ, error='404'),)))

    # States

    def test_a_power_state_that_the_bmc_does_not_confirm(self):
        self.assertEqual([(Kind.STATE, 'cluster-0002')], self.with_node(
            AVAILABLE, bmc=evidence.Bmc(True)))

    def test_an_active_node_whose_drives_are_empty(self):
        self.assertIn((Kind.STATE, 'cluster-0001'), self.with_node(
            ACTIVE, bmc=evidence.Bmc(True)))

    def test_what_does_not_come_to_rest(self):
        for changes in ({'provision_state': 'deploying'}, {'held': True},
                        {'maintenance': True}):
            self.assertEqual([(Kind.STATE, 'cluster-0002')], self.with_node(
                AVAILABLE, **changes))

    def test_a_failure_without_a_reason(self):
        self.assertEqual([(Kind.STATE, 'cluster-0003')], self.with_node(
            FAILED, last_error=''))
