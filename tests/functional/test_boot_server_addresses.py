# SPDX-License-Identifier: Apache-2.0

"""Machines on a network of their own, known by where they ask from.

Real DHCP: dnsmasq and clients in network namespaces, on a bridge.
"""

import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import unittest

import testtools

from lab import process
from tests import boot_server

CONFIGS = '/api/v1/bootconfigs'
#: Seconds: more than any step needs on a busy machine.
PATIENCE = 120
HOSTS = '/api/v1/namespaces/default/baremetalhosts'
SERVER, STATIC, TAKEN = '192.0.2.1', '192.0.2.11', '192.0.2.60'
DECLARED = '192.0.2.12'
MACS = {name: f'52:54:00:00:00:{number:02x}'
        for number, name in enumerate(
            ('m1', 'm2', 'twin', 'static', 'declared'), 1)}
# What ip(8) says where one may not, or the kernel knows no bridges.
_LACKING = re.compile(r'not permitted|permission denied|not supported'
                      r'|unknown device type', re.IGNORECASE)
_UDHCPC = """\
#!/bin/sh
[ "$1" = bound ] && ip addr add "$ip/24" dev "$interface"
"""
#: Nodes of Ironic: two that have a MAC only, one that will lease what
#: another one has, and one with an address of its own.
_IRONIC = """\
import sys
from tests import ironic_stand_in as stand_in
known = stand_in.Nodes()
wanted = {'boot_config': 'c'}
for name, mac in [text.split('=') for text in sys.argv[2:]]:
    ips = {'static': ['192.0.2.11']}.get(name, [])
    known.add(name, mac, extra={'boot_ips': ips}, instance_info=wanted)
known.add('other', extra={'boot_ips': ['192.0.2.60']}, instance_info=wanted)
stand_in.serve(known, int(sys.argv[1])).serve_forever()
"""


def run(*command, **options):
    return subprocess.run(command, capture_output=True, text=True,
                          timeout=PATIENCE, **options)


class _Network:
    """A bridge, and machines on it: a namespace each."""

    def __init__(self):
        self._made = []
        self.inside = f'boot-{os.getpid()}-server'
        self.names = {name: f'boot-{os.getpid()}-{name}' for name in MACS}

    def make(self):
        """Make it, or skip the tests where that cannot be done."""
        self._add(self.inside)
        self._ip('-n', self.inside, 'link', 'set', 'lo', 'up')
        self._ip('-n', self.inside, 'link', 'add', 'br0', 'type', 'bridge')
        self._ip('-n', self.inside, 'addr', 'add', f'{SERVER}/24', 'dev',
                 'br0')
        self._ip('-n', self.inside, 'link', 'set', 'br0', 'up')
        for number, (name, mac) in enumerate(MACS.items()):
            self._add(self.names[name])
            self._ip('-n', self.inside, 'link', 'add', f'v{number}', 'type',
                     'veth', 'peer', 'name', 'eth0', 'address', mac,
                     'netns', self.names[name])
            self._ip('-n', self.inside, 'link', 'set', f'v{number}',
                     'master', 'br0', 'up')
            self._ip('-n', self.names[name], 'link', 'set', 'eth0', 'up')

    def _add(self, name):
        self._ip('netns', 'add', name)
        self._made.append(name)

    def _ip(self, *arguments):
        found = run('ip', *arguments)
        if found.returncode and _LACKING.search(found.stderr):
            raise unittest.SkipTest(
                'network namespaces with a bridge cannot be made: '
                f'{found.stderr.strip()}')
        if found.returncode:
            raise AssertionError(f'ip {" ".join(arguments)}: {found.stderr}')

    def remove(self):
        """Remove what was made of it."""
        for name in self._made:
            run('ip', 'netns', 'del', name)

    def command(self, name, *command):
        """Return a command in a machine's namespace."""
        return ('ip', 'netns', 'exec', self.names.get(name, name), *command)


class _InsideServer(boot_server.Process):
    """A server that this process cannot reach."""

    def is_ready(self):
        return not run(*self._prefix, 'curl', '-sf',
                       self.url + '/healthz').returncode


class AddressTestCase(testtools.TestCase):
    """Whose config it is."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.network = _Network()
        cls.addClassCleanup(cls.network.remove)
        cls.network.make()
        folder = tempfile.TemporaryDirectory(prefix='boot-server-')
        cls.addClassCleanup(folder.cleanup)
        cls.folder = pathlib.Path(folder.name)
        inside = cls.network.inside
        port = process.free_port()
        cls._start(*cls.network.command(
            inside, sys.executable, '-c', _IRONIC, str(port),
            *(f'{name}={mac}' for name, mac in MACS.items())),
            cwd=pathlib.Path(__file__).parents[2])
        leases = cls.folder / 'leases'
        cls._start(*cls.network.command(
            inside, 'dnsmasq', '--keep-in-foreground', '--port=0',
            '--conf-file=/dev/null', '--interface=br0', '--bind-interfaces',
            '--dhcp-range=192.0.2.100,192.0.2.199,10m',
            f'--dhcp-host={MACS["twin"]},{TAKEN}', '--dhcp-authoritative',
            f'--dhcp-leasefile={leases}', '--log-facility=-', '--user=root',
            '--group=root', f'--pid-file={cls.folder}/dnsmasq.pid'),
            stderr=subprocess.DEVNULL)
        cls.server = _InsideServer(
            cls.folder, f'http://127.0.0.1:{port}', host=SERVER,
            options='auth_strategy = noauth\n'
                    f'dhcp_lease_files = {leases}',
            prefix=('ip', 'netns', 'exec', inside))
        cls.addClassCleanup(cls.server.stop)
        cls.server.start()
        run(*cls.network.command(
            inside, 'curl', '-sf', '-H', 'Content-Type: application/yaml',
            '--data-binary', 'metadata: {name: c}\nspec: {format: kickstart,'
            ' template: true, data: {ks.cfg: "text {{ name }}"}}',
            cls.server.url + CONFIGS), check=True)
        cls.script = cls.folder / 'udhcpc'
        cls.script.write_text(_UDHCPC)
        cls.script.chmod(0o755)

    @classmethod
    def _start(cls, *command, **options):
        started = subprocess.Popen(command, **options)
        cls.addClassCleanup(started.wait)
        cls.addClassCleanup(started.kill)

    def lease(self, machine):
        """Have a machine get an address as machines do."""
        found = run(*self.network.command(
            machine, 'busybox', 'udhcpc', '-f', '-q', '-n', '-t', '60', '-T',
            '1', '-i', 'eth0', '-s', str(self.script)))
        self.assertEqual(0, found.returncode, found.stderr)

    def ask(self, machine, *arguments):
        """Return the code of the answer, and what it says."""
        found = run(*self.network.command(
            machine, 'curl', '-s', '-w', '\n%{http_code}', *arguments,
            self.server.url + '/api/v1/bootconfig'), check=True)
        text, _newline, code = found.stdout.rpartition('\n')
        return int(code), text.strip()

    def test_each_machine_gets_its_own_config_by_what_it_leases(self):
        for machine in ('m1', 'm2'):
            self.lease(machine)
            self.assertEqual((200, f'text {machine}'), self.ask(machine))
        # Nobody believes what it says of others.
        self.assertEqual((200, 'text m1'), self.ask(
            'm1', '-H', f'X-Forwarded-For: {STATIC}'))

    def test_who_leases_an_address_is_served_whatever_other_nodes_say(self):
        self.lease('twin')
        self.assertEqual((200, 'text twin'), self.ask('twin'))

    def test_a_mac_of_another_machine_gives_nothing(self):
        self.lease('m1')
        for said, code in (('m1', 200), ('m2', 404), ('static', 404)):
            self.assertEqual(code, self.ask(
                'm1', '-G', '-d', f'mac={MACS[said].upper()}')[0], said)
        # As Anaconda says it, in vain.
        self.assertEqual((200, 'text m1'), self.ask(
            'm1', '-H', f'X-RHN-Provisioning-MAC-0: eth0 {MACS["m2"]}'))

    def test_an_address_that_an_operator_declares_is_enough(self):
        run('ip', '-n', self.network.names['declared'], 'addr', 'add',
            f'{DECLARED}/24', 'dev', 'eth0', check=True)
        self.assertEqual(404, self.ask('declared')[0])
        for ip, code in ((DECLARED, 200), ('', 404)):
            body = json.dumps({'spec': {'ip': ip or None}})
            found = run(*self.network.command(
                self.network.inside, 'curl', '-sf', '-X', 'PATCH', '-H',
                'Content-Type: application/merge-patch+json', '-d', body,
                f'{self.server.url}{HOSTS}/declared'), check=True)
            self.assertEqual(ip, json.loads(found.stdout)['spec'].get(
                'ip', ''))
            self.assertEqual(code, self.ask('declared')[0])

    def test_an_address_that_ironic_knows_needs_no_lease(self):
        run('ip', '-n', self.network.names['static'], 'addr', 'add',
            f'{STATIC}/24', 'dev', 'eth0', check=True)
        self.assertEqual((200, 'text static'), self.ask('static'))

    def test_an_address_of_nobody_gets_nothing(self):
        found = run(*self.network.command(
            self.network.inside, 'curl', '-s', '-o', '/dev/null', '-w',
            '%{http_code}', self.server.url + '/api/v1/bootconfig'),
            check=True)
        self.assertEqual('404', found.stdout)
