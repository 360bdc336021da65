# SPDX-License-Identifier: Apache-2.0

"""What two looks at a host tell."""

import dataclasses

import testtools

from ironic_ext.node import boot_state
from ironic_ext.node import changes
from ironic_ext.node import host as hosts

HOST = hosts.Host('u', 'web', provision_state='available', power='power off')
ACTIVE = dataclasses.replace(HOST, provision_state='active',
                             boot=boot_state.BootState(begun=5))


def texts(before, **values):
    return list(changes.between(before, dataclasses.replace(before,
                                                            **values)))


def booted(**values):
    return texts(ACTIVE, boot=dataclasses.replace(ACTIVE.boot, **values))


class ChangesTestCase(testtools.TestCase):
    """From one look to the next."""

    def test_nothing_is_told_of_what_is_the_same(self):
        self.assertEqual([], texts(HOST))
        self.assertEqual([], texts(HOST, ips=('192.0.2.1',)))

    def test_an_iso_and_a_config_are_told_without_secrets(self):
        self.assertEqual(
            [('assigned', 'live with first, once')],
            texts(HOST, image='live', config='first', boot_mode='once'))
        self.assertEqual(
            [('assigned', 'https://host/a.iso with a config of its own, '
                          'forever')],
            texts(HOST, image='https://me:S3cret@host/a.iso',
                  config={'data': {}}))
        self.assertEqual(
            [('assigned', 'to boot from its disk')],
            texts(dataclasses.replace(HOST, image='live'), image=''))

    def test_states_power_and_errors_are_told_in_their_order(self):
        self.assertEqual(
            [('power', 'power on'),
             ('state', 'deploying, on its way to active'),
             ('error', 'a.iso: HTTP 404')],
            texts(HOST, power='power on', provision_state='deploying',
                  target_provision_state='active',
                  last_error='Deploy step deploy.deploy failed: a.iso: '
                             'HTTP 404'))
        self.assertEqual([('state', 'in maintenance')],
                         texts(HOST, maintenance=True))

    def test_an_error_that_is_over_is_none(self):
        failed = dataclasses.replace(HOST, last_error='a')
        self.assertEqual([], texts(failed, last_error=''))

    def test_a_boot_is_told_from_its_medium_to_its_end(self):
        self.assertEqual([('medium', 'prepared: live')],
                         booted(begun=9, iso='live'))
        self.assertEqual([('boot', 'its boot ends: report'),
                          ('boot', 'the disk is the boot device, as the '
                                   'BMC shows')],
                         booted(cause=boot_state.Cause.REPORT, disk_at=9,
                                disk_seen=True))
        self.assertEqual([('medium', 'out of its drive, and read no more')],
                         booted(ended_at=9))
        self.assertEqual([('medium', 'lost: the drive is empty')],
                         booted(lost_at=9, error='the drive is empty'))
        lost = dataclasses.replace(ACTIVE, boot=dataclasses.replace(
            ACTIVE.boot, lost_at=9))
        self.assertEqual([('medium', 'in its drive again')],
                         texts(lost, boot=ACTIVE.boot))
