# SPDX-License-Identifier: Apache-2.0

"""Where a LUN is: portals, SAN URIs, passwords that stay hidden."""

import testtools

from ironic_ext import san

_IQN = 'iqn.2000-01.org.example:isos'


class PortalTest(testtools.TestCase):

    def test_it_is_read_as_operators_write_it(self) -> None:
        for text, host, port, again in (
                ('192.0.2.1', '192.0.2.1', 3260, '192.0.2.1:3260'),
                (' san.example.com:13260', 'san.example.com', 13260,
                 'san.example.com:13260'),
                ('[2001:db8::1]', '2001:db8::1', 3260,
                 '[2001:db8::1]:3260'),
                ('[2001:db8::1]:1', '2001:db8::1', 1, '[2001:db8::1]:1'),
                ('2001:db8::1', '2001:db8::1', 3260, '[2001:db8::1]:3260')):
            portal = san.Portal.parse(text)
            self.assertEqual((host, port, again),
                             (portal.host, portal.port, str(portal)), text)

    def test_what_is_none_is_refused(self) -> None:
        for text in ('', ':3260', 'a b', 'host:', 'host:0', 'host:65536',
                     'host:x', '[2001:db8::1', '[192.0.2.1]x', '[::1]:',
                     'fe80::1%eth0', 'host;sanboot', 'host\nexit', '١:1',
                     '-host'):
            error = self.assertRaises(san.PortalError, san.Portal.parse,
                                      text)
            self.assertIn('is no iSCSI portal', str(error))


class LocationTest(testtools.TestCase):

    def test_default_parts_of_the_uri_are_empty(self) -> None:
        self.assertEqual(f'iscsi:192.0.2.1:::1:{_IQN}',
                         san.Location(_IQN, '192.0.2.1').uri())

    def test_the_port_is_decimal_and_the_lun_hexadecimal(self) -> None:
        self.assertEqual(
            f'iscsi:192.0.2.1::13260:1f:{_IQN}',
            san.Location(_IQN, '192.0.2.1', 13260, 31).uri())

    def test_an_ipv6_address_is_in_brackets(self) -> None:
        self.assertEqual(f'iscsi:[2001:db8::1]:::0:{_IQN}',
                         san.Location(_IQN, '2001:db8::1', lun=0).uri())

    def test_what_would_be_more_than_a_word_is_refused(self) -> None:
        for facts in (('iqn.x y', '192.0.2.1'), ('x', '192.0.2.1'),
                      (_IQN + '\nexit', '192.0.2.1'), (_IQN, 'a b'),
                      (_IQN, ''), (_IQN, '${evil}'), (_IQN, 'a', 0),
                      (_IQN, 'a', 65536), (_IQN, 'a', 1, -1),
                      (_IQN, 'a', 1, 256), ('iqn.' + 'x' * 220, 'a')):
            self.assertRaises(san.SanError, san.Location, *facts)

    def test_a_password_is_not_shown(self) -> None:
        found = san.Location(_IQN, '192.0.2.1',
                             chap=san.Chap('name', 'secret-one'))
        self.assertIn('name', repr(found))
        for text in (repr(found), str(found), found.uri()):
            self.assertNotIn('secret-one', text)
