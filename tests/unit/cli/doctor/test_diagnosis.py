# SPDX-License-Identifier: Apache-2.0

"""What is said of a boot, step by step."""

import dataclasses
import datetime

import testtools

from ironic_ext.cli.doctor import diagnosis
from ironic_ext.node import boot_state

NOW = datetime.datetime(2026, 11, 29, 12, tzinfo=datetime.UTC)
_MEDIUM = {
    'purpose': 'instance', 'delivery': 'stream', 'image': 'live.iso',
    'url': 'http://192.0.2.1:8092/***/node-7.iso',
    'expires_at': '2026-12-06T12:00:00+00:00',
    'read': {'percent': 76.0, 'requests': 264}}


def seen(**given):
    """Return a boot that is well."""
    return dataclasses.replace(diagnosis.Seen(
        node={'driver': 'redfish-ext', 'boot_interface': 'redfish-iso',
              'provision_state': 'active', 'power_state': 'power on',
              'instance_info': {'boot_iso': 'live'}},
        validation={name: {'result': True} for name in (
            'boot', 'deploy', 'management', 'power')},
        drives=[{'name': 'Virtual CD', 'image': 'node-7.iso',
                 'owner': 'instance', 'inserted': False},
                {'name': 'Virtual USB', 'image': None, 'inserted': False}],
        media=[_MEDIUM], next_boot={'text': 'live.iso, once', 'error': None},
        reachable=('http://192.0.2.1:8092', ''), now=NOW), **given)


def node(**given):
    """Return the document of the same node, with something else."""
    return {**seen().node, **given}


def internal(**given):
    """Return a node that a conductor has noted something of."""
    return node(driver_internal_info={
        boot_state.KEY: boot_state.BootState(**given).to_json()})


class DiagnosisTestCase(testtools.TestCase):

    def step(self, step, **given):
        return next(finding for finding in diagnosis.of(seen(**given))
                    if finding.step == step)

    def is_first(self, step, **given):
        """Make sure that this step is the one to look at, and says how."""
        found = diagnosis.place(diagnosis.of(seen(**given)))
        self.assertEqual(step, found and found.step)
        self.assertNotEqual('', found.do)
        return found

    def test_a_stock_name_may_be_this_suites(self):
        stock = {'boot_interface': 'redfish-virtual-media'}
        self.is_first('node', node=node(**stock))
        self.assertEqual(diagnosis.State.OK, self.step(
            'node', node={**internal(iso='live'), **stock}).state)

    def test_of_a_boot_that_is_well_nothing_is_to_be_done(self):
        found = diagnosis.of(seen())
        self.assertIsNone(diagnosis.place(found))
        self.assertEqual({''}, {finding.do for finding in found})
        self.assertEqual(
            ['node', 'validate', 'drives', 'delivery', 'reading',
             'boot path', 'token', 'end'],
            [finding.step for finding in found])
        self.assertIn('node-7.iso (instance)', found[2].said)

    def test_each_failure_is_the_place_to_look_at(self):
        away = [{'name': 'Virtual CD', 'image': None, 'inserted': False}]
        for step, given in (
                ('node', {'node': node(boot_interface='ipxe')}),
                ('node', {'node': node(last_error='no medium')}),
                ('node', {'node': node(maintenance=True)}),
                ('validate', {'validation': {
                    'boot': {'result': False, 'reason': 'no boot_iso'}}}),
                ('drives', {'drives': []}), ('drives', {'drives': away}),
                ('delivery', {'reachable': ('http://192.0.2.1:8092',
                                            'ConnectTimeout')}),
                ('reading', {'media': [{**_MEDIUM, 'read': {
                    'percent': 0, 'requests': 0}}]}),
                ('boot path', {'next_boot': {'text': 'x', 'error': 'away'}}),
                ('token', {'media': [{
                    **_MEDIUM, 'expires_at': '2026-11-01T00:00:00Z'}]}),
                ('end', {'node': internal(error='the BMC is away')}),
                ('end', {'node': internal(cause=boot_state.Cause.REPORT)})):
            self.is_first(step, **given)

    def test_the_first_failure_comes_before_warnings(self):
        self.is_first('token', node=node(maintenance=True), media=[{
            **_MEDIUM, 'expires_at': '2026-11-01T00:00:00Z'}])

    def test_where_nobody_answers_the_bmc_is_looked_at_first(self):
        self.is_first('drives', validation='HTTP 500', drives='HTTP 500',
                      media='HTTP 500', next_boot='HTTP 500',
                      reachable=None)
        found = diagnosis.of(seen(
            validation='HTTP 500', drives='HTTP 500', media='HTTP 500',
            next_boot='HTTP 500', reachable=None))
        self.assertEqual(4, sum(finding.state is diagnosis.State.UNKNOWN
                                for finding in found))

    def test_the_url_of_a_medium_is_not_shown(self):
        # Ironic's own answer has it whole, and no names.
        said = self.step('drives', drives=[
            {'media_types': ['CD', 'DVD'], 'inserted': True,
             'image': 'http://192.0.2.1/s3cret/node-7.iso?token=s3cret'},
            {'media_types': None, 'inserted': False}]).said
        self.assertEqual('CD/DVD: node-7.iso; a drive: empty', said)

    def test_after_its_end_nothing_is_missed(self):
        over = internal(cause=boot_state.Cause.REPORT, ended_at=5.0,
                        disk_at=4.0)
        found = diagnosis.of(seen(node=over, drives=[
            {'name': 'CD', 'image': None, 'inserted': False}], media=[{
                **_MEDIUM, 'expires_at': '2026-11-01T00:00:00Z',
                'read': {'percent': 0, 'requests': 0}}]))
        self.assertIsNone(diagnosis.place(found))
        self.assertEqual((diagnosis.State.OK, 'its medium is out, ended by '
                          'report'), (found[-1].state, found[-1].said))

    def test_an_installed_machine_waits_for_nothing_that_is_wrong(self):
        found = diagnosis.of(seen(node=internal(
            cause=boot_state.Cause.REPORT, disk_at=4.0, iso='live')))
        self.assertIsNone(diagnosis.place(found))
        self.assertEqual(diagnosis.State.OPEN, found[-1].state)
        self.assertIn('it boots from its disk now', found[-1].said)
        # Others are to be over at once.
        self.is_first('end', node=internal(
            cause=boot_state.Cause.EJECT, disk_at=4.0, iso='live'))

    def test_before_the_deployment_there_is_nothing_yet(self):
        found = {finding.step: finding.state for finding in diagnosis.of(
            seen(media=[], reachable=None, node=node(
                provision_state='available', power_state='power off')))}
        for step in ('delivery', 'reading', 'token', 'end'):
            self.assertEqual(diagnosis.State.OPEN, found[step])

    def test_what_nothing_is_chosen_for_has_nothing_to_be_mended(self):
        missing = {'result': False, 'reason': 'Missing are: [\'kernel\']'}
        idle = {'media': [], 'reachable': None, 'drives': [{
            'name': 'CD', 'image': None, 'inserted': False}],
            'node': node(instance_info={}), 'validation': {
                **seen().validation, 'boot': missing, 'deploy': missing}}
        found = diagnosis.of(seen(**idle))
        self.assertIsNone(diagnosis.place(found))
        said = {finding.step: finding.said for finding in found}
        self.assertEqual(
            ('nothing is chosen for it to boot',
             'no boot of an ISO was begun'),
            (said['validate'], said['end']))
        # What a BMC or a deployment needs is another thing.
        idle['validation']['power'] = missing
        self.is_first('validate', **idle)
        del idle['validation']['power']
        self.is_first('validate', **{**idle, 'node': node()})

    def test_who_has_interfaces_of_ironics_own_is_told_of_ours(self):
        stock = node(vendor_interface='no-vendor')
        for step, given in (('delivery', {'media': 'no such method'}),
                            ('boot path', {'next_boot': 'no such method'})):
            self.assertIn('--vendor-interface redfish-ext', self.step(
                step, node=stock, **given).do)
            self.assertEqual('', self.step(
                step, node=node(vendor_interface='redfish-ext'), **given).do)
        for interface, told in (('redfish', True),
                                ('idrac-redfish-ext', False)):
            found = self.step('end', node={**internal(
                iso='live', mode=boot_state.ONCE),
                'management_interface': interface})
            self.assertEqual(told, 'Ironic switches the machine' in found.do)

    def test_what_a_bmc_says_is_one_line(self):
        self.assertNotIn('\n', self.step('boot path', next_boot={
            'text': 'a\nb', 'error': 'c\n' * 1000}).said)
        self.assertNotIn('\n', self.step(
            'node', node=node(last_error='a\nb')).said)
