# SPDX-License-Identifier: Apache-2.0

"""What Anaconda says of network cards (inst.ks.sendmac), as it sends it.

One header for each card, X-RHN-Provisioning-MAC-0 and so on. Ironic knows
the card that boots, as a rule, and Anaconda does not say which that is.
"""

import subprocess

import testtools

from tests import boot_server
from tests import ironic_stand_in

_CARD = 'X-RHN-Provisioning-MAC'
#: Cards of a machine that Ironic does not know.
_OTHERS = [f'aa:bb:cc:00:99:{number:02x}' for number in range(64)]
_MACS = {'server1': ('52:54:00:00:00:01', '52:54:00:00:00:11'),
         'server2': ('52:54:00:00:00:02',)}


def _node(name):
    return {'instance_info': {
        'boot_iso': 'http://192.0.2.1/a.iso',
        'boot_config_delivery': 'url', 'boot_config': {
            'format': 'kickstart', 'data': {'ks.cfg': f'text # {name}\n'}}}}


class CardsTestCase(testtools.TestCase):

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        ironic = ironic_stand_in.IronicStandIn()
        ironic.setUp()
        cls.addClassCleanup(ironic.cleanUp)
        for name, macs in _MACS.items():
            ironic.known.add(name, *macs, **_node(name))
        fixture = boot_server.BootServer(
            ironic.url, options='auth_strategy = noauth\n'
                                'machine_identity = mac')
        fixture.setUp()
        cls.addClassCleanup(fixture.cleanUp)
        cls.server = fixture.process

    def ask(self, *headers):
        """Ask for a config with these lines of a header."""
        done = subprocess.run(
            ['curl', '-s', '-w', '\n%{http_code}',
             *(word for line in headers for word in ('-H', line)),
             self.server.url + '/api/v1/bootconfig'],
            capture_output=True, check=True, text=True)
        text, _newline, code = done.stdout.rpartition('\n')
        return int(code), text

    def assertServed(self, name, *headers):
        self.assertEqual((200, f'text # {name}\n'), self.ask(*headers))

    def cards(self, *macs):
        return [f'{_CARD}-{number}: eth{number} {mac}'
                for number, mac in enumerate(macs)]

    def test_every_card_counts(self):
        known = _MACS['server1'][0]
        for number in (0, 1, 7, 31):
            macs = _OTHERS[:max(number + 1, 8)]
            macs[number] = known
            self.assertServed('server1', *self.cards(*macs))
        # Its number is nobody's business.
        for number in ('1', '7', '31', '99', ''):
            self.assertServed('server1', f'{_CARD}-{number}: ens3f0 {known}')
        self.assertServed('server1', f'{_CARD.lower()}-1: ib0 {known}',
                          f'{_CARD.upper()}-7: eth7 {known.upper()}')

    def test_several_cards_of_one_machine_are_one_machine(self):
        self.assertServed('server1', *self.cards(
            _OTHERS[0], *reversed(_MACS['server1'])))

    def test_cards_of_two_machines_are_nobodys(self):
        code, text = self.ask(*self.cards(
            _MACS['server1'][1], _OTHERS[0], _MACS['server2'][0]))
        self.assertEqual(409, code, text)
        self.assertNotIn('text #', text)

    def test_cards_of_nobody_get_nothing(self):
        self.assertEqual(404, self.ask(*self.cards(*_OTHERS[:8]))[0])

    def test_more_cards_than_a_machine_has_are_not_looked_at(self):
        for count, code in ((31, 200), (32, 404), (60, 404)):
            self.assertEqual(code, self.ask(*self.cards(
                *_OTHERS[:count], _MACS['server1'][0]))[0], count)

    def test_what_is_no_card_is_passed_over(self):
        known = _MACS['server1'][0]
        for junk in ('', 'eth0', known, f'eth0 {known} {known}',
                     f'eth0 {known}0', 'eth0 ' + 'a' * 4000,
                     'eth0 52:54:00:00:00:0١', 'eth0 %00\t',
                     f'eth0,{known}', 'eth0 52:54:0:0:0:1',
                     "eth0 ' OR 1=1 --", 'eth0 ' + ':'.join(['00'] * 20)):
            code, text = self.ask(f'{_CARD}-0: {junk}')
            self.assertEqual(404, code, (junk, text))
            # It does not keep the others from being looked at.
            self.assertServed('server1', f'{_CARD}-0: {junk}',
                              f'{_CARD}-1: eth1 {known}')
