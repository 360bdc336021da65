# SPDX-License-Identifier: Apache-2.0

"""What a machine boots next is said only where it will."""

import testtools

from ironic_ext.node import boot_state
from ironic_ext.node import host as hosts
from ironic_ext.node import next_boot as answers

INLINE = {'format': 'plain', 'data': {'a': 'secret'}}


def next_boot(interface='redfish-iso', state='active', boot=None, **info):
    host = hosts.from_node({
        'uuid': '1', 'provision_state': state, 'boot_interface': interface,
        'instance_info': info,
        'boot': boot or boot_state.BootState()}, ())
    return hosts.document(host, '1')['status']['nextBoot']


def prepared(iso='live', config='', **facts):
    return boot_state.BootState(iso=iso, config=config, **facts)


class NextBootTestCase(testtools.TestCase):

    def test_what_was_prepared_is_what_boots(self):
        self.assertEqual(
            {'device': 'iso', 'image': 'live', 'text': 'It will boot live.'},
            next_boot(boot=prepared(), boot_iso='live'))

    def test_another_iso_takes_a_rebuild(self):
        found = next_boot(boot=prepared(), boot_iso='other')
        self.assertEqual(('iso', 'live', 'other', 'rebuild'),
                         (found['device'], found['image'], found['chosen'],
                          found['takes']))
        self.assertEqual(
            'It will boot live. To boot other, which is chosen for it, it '
            'has to be rebuilt.', found['text'])

    def test_another_config_does_as_well(self):
        for was, chosen in (('one', 'two'), ('', 'one'), ('one', INLINE)):
            self.assertEqual('rebuild', next_boot(
                boot=prepared(config=was), boot_iso='live',
                boot_config=chosen)['takes'])

    def test_the_same_inline_config_does_not(self):
        _iso, config = boot_state.choice({'boot_config': INLINE})
        self.assertNotIn('secret', config)
        self.assertNotIn('takes', next_boot(
            boot=prepared(config=config), boot_iso='live',
            boot_config=dict(INLINE)))

    def test_a_node_without_an_instance_takes_a_deployment(self):
        for state in ('available', 'cleaning', 'deploy failed'):
            found = next_boot(state=state, boot_iso='live')
            self.assertEqual(('unknown', 'live', 'deploy'),
                             (found['device'], found['chosen'],
                              found['takes']))
        self.assertEqual('unknown', next_boot(state='available')['device'])

    def test_what_ironic_would_not_deploy_is_to_be_provided_first(self):
        for state in ('enroll', 'manageable', 'clean failed'):
            found = next_boot(state=state, boot_iso='live')
            self.assertEqual(('live', 'provide'),
                             (found['chosen'], found['takes']))
            self.assertIn('To boot live, which is chosen for it, it has to '
                          'be made available first', found['text'])

    def test_an_agent_in_between_takes_no_deployment(self):
        for state in ('rescue wait', 'rescue', 'service wait'):
            self.assertEqual(
                {'device': 'unknown', 'text': 'It will boot what its '
                                              'firmware finds first.'},
                next_boot(state=state, boot=prepared(), boot_iso='live'))

    def test_of_virtual_media_of_ironics_own_nothing_is_known(self):
        for interface in ('redfish-virtual-media', 'redfish-https'):
            found = next_boot(interface, boot_iso='live')
            self.assertEqual(('unknown', None),
                             (found['device'], found.get('takes')))
            self.assertEqual('deploy', next_boot(
                interface, 'available', boot_iso='live')['takes'])

    def test_after_the_end_the_disk_boots_as_soon_as_that_was_done(self):
        over = {'cause': boot_state.Cause.REPORT,
                'mode': boot_state.ONCE}
        self.assertEqual('iso', next_boot(
            boot=prepared(**over), boot_iso='live')['device'])
        found = next_boot(boot=prepared(disk_at=5, **over), boot_iso='live')
        self.assertEqual('It will boot from its disk.', found['text'])
        self.assertEqual('rebuild', next_boot(
            boot=prepared(disk_at=5, **over), boot_iso='other')['takes'])

    def test_an_installer_boots_once(self):
        self.assertEqual('It will boot live once.', next_boot(
            boot=prepared(mode=boot_state.ONCE), boot_iso='live')['text'])

    def test_without_a_conductor_the_script_of_the_server_decides(self):
        for interface in ('ipxe', ''):
            self.assertEqual('It will boot live.', next_boot(
                interface, 'available', boot_iso='live')['text'])
            self.assertEqual('disk', next_boot(interface)['device'])

    def test_a_boot_of_an_interface_by_another_name_is_a_conductors(self):
        self.assertEqual('rebuild', next_boot(
            'redfish-virtual-media', boot=prepared(),
            boot_iso='other')['takes'])

    def test_a_record_of_an_earlier_release_is_believed(self):
        self.assertEqual('It will boot live.', next_boot(
            boot=boot_state.BootState(), boot_iso='live')['text'])

    def test_what_is_secret_in_an_href_does_not_show(self):
        self.assertNotIn('TOP', next_boot(
            boot_iso='http://me:TOP@x/a.iso')['text'])


class ShownTestCase(testtools.TestCase):
    """With what a BMC shows."""

    def of(self, interface='redfish-iso', **shown):
        host = hosts.from_node({
            'uuid': '1', 'provision_state': 'active',
            'boot_interface': interface, 'instance_info': {
                'boot_iso': 'other'}, 'boot': prepared()}, ())
        return answers.of(host, answers.Shown(**shown))

    def test_the_own_medium_is_what_was_prepared(self):
        found = self.of(device='cdrom', medium='medium 1', is_own=True)
        self.assertEqual(('iso', 'live', False, 'rebuild', ''),
                         (found.device.value, found.image, found.once,
                          found.takes.value, found.recorded))
        self.assertTrue(self.of(device='cdrom', medium='medium 1',
                                is_own=True, once=True).once)

    def test_the_own_medium_of_an_installer_boots_once(self):
        host = hosts.from_node({
            'uuid': '1', 'provision_state': 'active',
            'boot_interface': 'redfish-iso', 'instance_info': {
                'boot_iso': 'live'},
            'boot': prepared(mode=boot_state.ONCE)}, ())
        found = answers.of(host, answers.Shown(
            device='cdrom', medium='medium 1', is_own=True))
        self.assertEqual('It will boot live once.', found.text)

    def test_somebody_elses_medium_in_an_earlier_drive_is_what_boots(self):
        found = self.of(device='cdrom', medium='rescue.iso')
        self.assertEqual('rescue.iso', found.image)
        self.assertIn('It will boot rescue.iso.', found.text)
        self.assertIn('On record is another thing: It will boot live.',
                      found.text)

    def test_records_that_say_nothing_contradict_nobody(self):
        for interface in ('redfish-iso', 'redfish-virtual-media', 'ipxe'):
            for state in ('available', 'active', 'rescue'):
                host = hosts.from_node({
                    'uuid': '1', 'provision_state': state,
                    'boot_interface': interface, 'instance_info': {}}, ())
                for device, text in (
                        ('disk', 'It will boot from its disk.'),
                        ('pxe', 'It will boot over the network.'),
                        ('', 'It will boot what its firmware finds first.')):
                    found = answers.of(host, answers.Shown(device=device))
                    self.assertEqual((text, ''), (found.text, found.recorded),
                                     (interface, state))

    def test_a_choice_that_is_not_deployed_yet_contradicts_nobody(self):
        host = hosts.from_node({
            'uuid': '1', 'provision_state': 'available',
            'boot_interface': 'redfish-iso', 'instance_info': {
                'boot_iso': 'live'}}, ())
        self.assertEqual(
            'It will boot from its disk. To boot live, which is chosen for '
            'it, it has to be deployed.',
            answers.of(host, answers.Shown(device='disk')).text)

    def test_an_end_on_record_that_the_bmc_does_not_show_is_told(self):
        host = hosts.from_node({
            'uuid': '1', 'provision_state': 'active',
            'boot_interface': 'redfish-iso', 'instance_info': {},
            'boot': prepared('', disk_at=5, ended_at=6)}, ())
        self.assertEqual(
            'It will boot what its firmware finds first. On record is '
            'another thing: It will boot from its disk.',
            answers.of(host, answers.Shown()).text)

    def test_an_empty_drive_boots_nothing(self):
        self.assertEqual('unknown', self.of(device='cdrom').device.value)

    def test_without_an_override_the_firmware_decides(self):
        self.assertEqual('unknown', self.of(
            medium='medium 1', is_own=True).device.value)

    def test_disk_and_network_are_told(self):
        self.assertIn('It will boot from its disk. ',
                      self.of(device='disk').text)
        self.assertEqual('network', self.of(device='pxe').device.value)
        self.assertEqual('live', self.of('iso-sanboot', device='pxe').image)
