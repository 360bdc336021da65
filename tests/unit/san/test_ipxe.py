# SPDX-License-Identifier: Apache-2.0

"""What a machine's iPXE is told."""

import testtools

from ironic_ext import san
from ironic_ext.san import ipxe as script

MAC = '52:54:00:aa:00:01'
IQN = 'iqn.2000-02.com.example:live'


class ScriptTestCase(testtools.TestCase):

    def test_the_text_is_the_one_that_machines_know(self):
        self.assertEqual(
            '#!ipxe\n'
            'echo Booting coreos-live for server1 (52:54:00:AA:00:01)\n'
            'sanboot iscsi:192.0.2.1:::1:iqn.2000-02.com.example:live\n',
            script.Sanboot('coreos-live', san.Location(IQN, '192.0.2.1')
                           ).text('server1', MAC))

    def test_the_password_of_a_target_comes_before_it(self):
        found = script.Sanboot('live', san.Location(
            IQN, '192.0.2.1', chap=san.Chap('node', 'S3cret'))
        ).text('server1', MAC)
        self.assertEqual(['set username node', 'set password S3cret'],
                         found.splitlines()[2:4])
        self.assertTrue(found.splitlines()[4].startswith('sanboot iscsi:'))

    def test_an_image_is_booted_by_http(self):
        self.assertIn('\nsanboot http://[2001:db8::1]:8092/t-_o/a.iso\n',
                      script.Sanboot('live',
                                     'http://[2001:db8::1]:8092/t-_o/a.iso'
                                     ).text('server1', script.MAC))

    def test_the_port_that_boots_can_be_left_to_ipxe(self):
        self.assertIn('(${mac})\n', script.Sanboot(
            'live', 'http://a/b').text('server1', script.MAC))

    def test_names_cannot_add_commands(self):
        found = script.Sanboot('x\nshell', 'http://a/b').text(
            'y ${net0/mac} && z', 'a\nb')
        self.assertEqual('echo Booting x-shell for y-net0-mac-z (AB)',
                         found.splitlines()[1])
        self.assertEqual(3, found.count('\n'))

    def test_a_url_or_a_password_cannot_add_commands(self):
        for target in ('http://a/b\nshell', 'http://a/${x}', 'http://a b',
                       'ftp://a/b', '', san.Location(
                           IQN, '192.0.2.1', chap=san.Chap('a', 'b c')),
                       san.Location(IQN, '192.0.2.1',
                                    chap=san.Chap('${a}', 'b'))):
            error = self.assertRaises(san.SanError, script.Sanboot, 'live',
                                      target)
            self.assertNotIn('b c', str(error))

    def test_a_host_without_anything_leaves_ipxe(self):
        self.assertEqual('#!ipxe\necho server1 boots from its disk\n'
                         'iseq ${platform} efi && exit 1 || exit 0\n',
                         script.local('server1', {}))

    def test_a_bios_that_does_not_go_on_has_ipxe_start_the_disk(self):
        for chained, code in ((False, 1), (True, 0)):
            self.assertEqual(
                f'iseq ${{platform}} efi && exit {code} || '
                'sanboot --no-describe --drive 0x80 || exit 0',
                script.local('server1', {'local_boot': 'sanboot'},
                             chained=chained).splitlines()[-1])
        self.assertEqual(script.local('server1', {}), script.local(
            'server1', {'local_boot': 'exit'}))
        self.assertEqual('#!ipxe\necho server1 boots from its disk\n'
                         'exit 0\n', script.local('server1', {}, chained=True))
