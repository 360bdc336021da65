# SPDX-License-Identifier: Apache-2.0

"""The commands of OpenStackClient for the boot server."""

import json
import pathlib
import subprocess
import threading

import fixtures
import testtools

from lab import process
from tests import boot_server
from tests import fault_server
from tests.functional import openstack_client
from tests import ironic_stand_in
from tests import isos

_RESOURCES = """\
kind: BareMetalHost
metadata: {name: server1}
spec: {image: live, bootConfigRef: second}
---
kind: ISCSICdrom
metadata: {name: live}
spec: {isoFile: live.iso, bootConfigs: [first, second]}
---
kind: BootConfig
metadata: {name: second}
spec: {format: kickstart, data: {ks.cfg: "reboot\\n"}}
"""


class CommandTestCase(testtools.TestCase):
    """One operator's work."""

    def setUp(self):
        super().setUp()
        ironic = self.ironic = self.useFixture(
            ironic_stand_in.IronicStandIn())
        self.node = ironic.known.add('server1', '52:54:00:00:00:01')
        ironic.known.add('server2', '52:54:00:00:00:02',
                         extra={'namespace': 'lab'})
        self.server = self.useFixture(boot_server.BootServer(
            ironic.url)).process
        self.folder = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        self.environment = {
            'OS_AUTH_TYPE': 'none', 'OS_ENDPOINT': ironic.url,
            'IRONIC_BOOT_SERVER_URL': self.server.url}

    def run_command(self, *arguments):
        return openstack_client.run(self.environment, *arguments)

    def done(self, *arguments):
        found = self.run_command(*arguments)
        self.assertEqual(0, found.returncode, found.stderr)
        return found.stdout

    def rows(self, *arguments):
        return json.loads(self.done(*arguments, '-f', 'json'))

    def test_an_iso_is_fetched_again_and_stopped(self):
        content = isos.shared('isolinux_bios').read_bytes()
        server = self.enterContext(fault_server.serving())
        served = server.add('/a.iso', content)
        served.always = fault_server.status(404)
        self.rows('iso', 'create', 'live', '--url', f'{server.url}/a.iso')
        asked = len(server.requests)
        failed = self.run_command('iso', 'fetch', 'live', '--wait', '60')
        self.assertEqual(1, failed.returncode)
        self.assertIn('404', failed.stderr)
        # Not of the first try.
        self.assertGreater(len(server.requests), asked)
        served.always = fault_server.trickle(0.5)
        self.assertEqual('Uploading',
                         self.rows('iso', 'fetch', 'live')['phase'])
        waited = self.run_command('iso', 'fetch', 'live', '--wait', '1.5')
        self.assertEqual(1, waited.returncode)
        self.assertIn('\nthe ISO is still fetching', waited.stderr)
        self.assertTrue(waited.stderr.startswith('fetching'), waited.stderr)
        found = self.rows('iso', 'fetch', 'live', '--stop')
        self.assertEqual('Error', found['phase'])
        self.assertIn('was stopped', found['error'])
        process.await_condition(lambda: not server.connections,
                                'the end of the download', timeout=60)
        served.always = None
        found = self.rows('iso', 'fetch', 'live', '--wait', '60')
        self.assertEqual(('Ready', len(content)),
                         (found['phase'], found['size']))
        for words, said in ((('live',), 'has its content'),
                            (('live', '--stop'), 'is not being fetched'),
                            (('other',), 'does not exist')):
            refused = self.run_command('iso', 'fetch', *words)
            self.assertEqual(1, refused.returncode)
            self.assertIn(said, refused.stderr)

    def test_from_an_iso_to_a_host(self):
        iso, kickstart = self.folder / 'a.iso', self.folder / 'ks.cfg'
        subprocess.run(['genisoimage', '-quiet', '-V', 'LIVE', '-o', iso,
                        self.folder], check=True)
        kickstart.write_text('text {{ name }}\n')
        self.done('boot', 'config', 'create', 'first', '--config-format',
                  'kickstart', '--template', '--file', str(kickstart))
        found = self.rows('iso', 'create', 'live', '--file', str(iso),
                          '--config', 'first')
        self.assertEqual(('Ready', 'LIVE'),
                         (found['phase'], found['volume_id']))
        self.assertEqual('text server1\n', self.done(
            'boot', 'config', 'preview', 'first', '--host', 'server1'))
        found = self.rows('host', 'boot', 'set', 'server1', '--iso', 'live',
                          '--config', 'first')
        self.assertEqual(('live', 'first'), (found['iso'], found['config']))
        refused = self.run_command('iso', 'delete', 'live')
        self.assertEqual(1, refused.returncode)
        self.assertIn('is in use by BareMetalHost/default/server1',
                      refused.stderr)

    def test_the_standalone_command_does_the_same(self):
        for arguments in (('host', 'boot', 'list'),
                          ('host', 'boot', 'show', 'server1'),
                          ('host', 'boot', 'set', 'server1', '--local'),
                          ('iso', 'list'), ('boot', 'config', 'list')):
            found = openstack_client.run_standalone(
                self.environment, *arguments, '-f', 'json')
            self.assertEqual(0, found.returncode,
                             (arguments, found.stderr))
            json.loads(found.stdout)

    def test_a_host_is_shown_by_the_name_that_the_list_has(self):
        names = [row['name'] for row in self.rows('host', 'boot', 'list')]
        self.assertEqual(['server1', 'lab/server2'], names)
        found = self.rows('host', 'boot', 'show', names[1])
        self.assertEqual((names[1], ['52:54:00:00:00:02'], None), (
            found['name'], found['macs'], found['config']))
        self.assertIn(names[1], self.done('host', 'boot', 'show', names[1]))

    def test_an_address_is_declared_shown_and_taken_back(self):
        for arguments, shown in ((('--ip', '2001:db8:0::7'), '2001:db8::7'),
                                 (('--mode', 'once'), '2001:db8::7'),
                                 (('--no-ip',), None)):
            found = self.rows('host', 'boot', 'set', 'server1', *arguments)
            self.assertEqual(shown, found['ip'])
            self.assertEqual([shown] if shown else [], found['ips'])
        refused = self.run_command('host', 'boot', 'set', 'server1', '--ip',
                                   '192.0.2.0/24')
        self.assertIn('address of one machine', refused.stderr)

    def booted(self, name, mac):
        """Add a host that boots another ISO than the one chosen for it."""
        return self.ironic.known.add(
            name, mac, boot_interface='redfish-iso',
            instance_info={'boot_iso': 'https://images.example/new.iso'},
            driver_internal_info={'ext_boot': {
                'mode': 'forever', 'iso': 'https://images.example/old.iso'}})

    def test_a_host_is_rebuilt_so_that_it_boots_what_is_chosen(self):
        node = self.booted('server3', '52:54:00:00:00:03')

        def takes():
            found = self.server.call('GET', '/api/v1/baremetalhosts').json
            return [host['status']['nextBoot'].get('takes')
                    for host in found['items']
                    if host['metadata']['name'] == 'server3']
        process.await_condition(lambda: takes() == ['rebuild'],
                                'the host', timeout=60)
        # What is chosen goes first: a rebuild boots that.
        asked = []
        change = self.ironic.known.change

        def changed(uuid, **fields):
            asked.append((uuid, sorted(fields)))
            change(uuid, **fields)

        self.useFixture(fixtures.MonkeyPatch(
            'tests.ironic_stand_in.Nodes.change',
            lambda _known, uuid, **fields: changed(uuid, **fields)))
        refused = self.run_command('host', 'boot', 'set', 'server3',
                                   '--mode', 'once', '--rebuild')
        self.assertIn('say --yes', refused.stderr)
        self.assertEqual([], asked)
        self.done('host', 'boot', 'set', 'server3', '--mode', 'once',
                  '--rebuild', '--yes')
        self.assertEqual([(node, ['instance_info']),
                          (node, ['target_provision_state'])], asked)
        shown = self.ironic.known.nodes[node]
        self.assertEqual(('rebuild', 'once'), (
            shown['target_provision_state'],
            shown['instance_info']['ext_boot_mode']))

    def test_a_host_is_deployed_without_another_change(self):
        node = self.ironic.known.add('server4', '52:54:00:00:00:04',
                                     provision_state='available')
        process.await_condition(
            lambda: self.run_command('host', 'boot', 'set', 'server4',
                                     '--deploy').returncode == 0,
            'the host', timeout=60)
        self.assertEqual(
            'active', self.ironic.known.nodes[node]['target_provision_state'])

    def test_a_deployment_is_waited_for_until_it_fails(self):
        node = self.ironic.known.add('server5', '52:54:00:00:00:05',
                                     provision_state='available')
        change = self.ironic.known.change

        def changed(uuid, **fields):
            if 'target_provision_state' in fields:
                fields = {'provision_state': 'deploying',
                          'target_provision_state': 'active'}
            change(uuid, **fields)

        self.useFixture(fixtures.MonkeyPatch(
            'tests.ironic_stand_in.Nodes.change',
            lambda _known, uuid, **fields: changed(uuid, **fields)))
        process.await_condition(
            lambda: self.run_command('host', 'boot', 'show', 'server5'
                                     ).returncode == 0,
            'the host', timeout=60)
        waited = self.run_command('host', 'boot', 'set', 'server5',
                                  '--deploy', '--wait', '0')
        self.assertIn('server5: deploying\n', waited.stderr)
        self.assertIn('server5 is still deploying after 0 s', waited.stderr)
        threading.Timer(1.5, change, (node,), {
            'provision_state': 'deploy failed',
            'last_error': 'Deploy step failed: no such ISO'}).start()
        failed = self.run_command('host', 'boot', 'set', 'server5',
                                  '--deploy', '--wait', '60')
        self.assertEqual(1, failed.returncode)
        self.assertIn('server5: deploy failed: Deploy step failed: no such '
                      'ISO', failed.stderr)

    def test_a_host_says_where_else_it_is_seen(self):
        self.ironic.known.consoles[self.node] = {'type': 'socat'}
        found = self.rows('host', 'boot', 'show', 'server1')
        # Nobody has said what URL Ironic has for people.
        self.assertEqual((None, True),
                         (found['ironic_node'], found['console_enabled']))

    def test_a_host_is_deployed_or_rebuilt_and_nothing_else(self):
        self.assertRaises(SystemExit, self.run_command, 'host', 'boot',
                          'set', 'server1', '--deploy', '--rebuild')
        path = ('/api/v1/namespaces/default/baremetalhosts/server1'
                '/provision')
        for body in ({'target': 'clean'}, {}, {'target': 'deploy', 'x': 1}):
            found = self.server.call('POST', path, body)
            self.assertEqual(400, found.code, found.data)
            self.assertIn('one of deploy, rebuild', str(found.data))
        self.assertIsNone(
            self.ironic.known.nodes[self.node]['target_provision_state'])

    def test_what_happened_to_a_host_is_told_the_newest_first(self):
        (self.folder / 'all.yaml').write_text(
            _RESOURCES.replace('image: live', 'image: localboot'))
        self.done('boot', 'apply', '-F', str(self.folder))
        token = self.server.call(
            'POST', '/api/v1/namespaces/default/baremetalhosts/server1/token'
        ).json['token']
        self.assertEqual(200, self.server.call(
            'GET', f'/t/{token}/').code)

        def history():
            return [(row['about'], row['what']) for row in self.rows(
                'host', 'boot', 'history', 'server1')]
        # They are written together, in a moment.
        process.await_condition(lambda: len(history()) == 2, 'its history',
                                timeout=60)
        self.assertEqual(
            [('config', 'ks.cfg fetched by 127.0.0.1'),
             ('assigned', 'to boot from its disk with second')], history())
        self.ironic.known.change(self.node, power_state='power on',
                                 provision_state='deploying')
        process.await_condition(lambda: len(history()) == 4, 'its changes',
                                timeout=60)
        self.assertEqual([('state', 'deploying'), ('power', 'power on')],
                         history()[:2])
        self.assertNotIn(token, str(history()))

    def test_a_dry_run_tells_what_would_be_and_does_nothing(self):
        (self.folder / 'all.yaml').write_text(_RESOURCES)

        def results(*options):
            return [(row['kind'], row['result']) for row in self.rows(
                'boot', 'apply', '-F', str(self.folder), *options)]
        self.assertEqual(
            [('BootConfig', 'would be created'),
             ('ISCSICdrom', 'would be created'),
             ('BareMetalHost', 'not known before live, second is there')],
            results('--dry-run'))
        self.assertEqual([], self.rows('iso', 'list'))
        self.assertEqual([], self.rows('boot', 'config', 'list'))
        (self.folder / 'all.yaml').write_text(
            _RESOURCES.replace('image: live', 'image: localboot'))
        results()
        before = self.rows('host', 'boot', 'list')
        (self.folder / 'all.yaml').write_text(
            _RESOURCES.replace('image: live', 'image: nobody').replace(
                'isoFile: live.iso, ', 'isoFile: other.iso, '))
        judged = self.run_command('boot', 'apply', '-F', str(self.folder),
                                  '--dry-run', '-f', 'json')
        self.assertEqual(1, judged.returncode)
        self.assertIn('BareMetalHost server1: ', judged.stderr)
        found = json.loads(judged.stdout)
        self.assertEqual(['unchanged', 'would change spec.isoFile'],
                         [row['result'] for row in found[:2]])
        self.assertIn('refused: ', found[2]['result'])
        self.assertIn('"nobody" is no ISO of the catalog',
                      found[2]['result'])
        self.assertEqual('live.iso', self.rows(
            'iso', 'show', 'live')['file'])
        self.assertEqual(before, self.rows('host', 'boot', 'list'))

    def test_files_are_applied_in_the_order_that_works(self):
        (self.folder / 'all.yaml').write_text(_RESOURCES)
        (self.folder / 'first.json').write_text(json.dumps({
            'kind': 'BootConfig', 'metadata': {'name': 'first'}, 'spec': {
                'format': 'kickstart', 'data': {'ks.cfg': 'text\n'}}}))
        (self.folder / 'bad.yaml').write_text(
            'kind: BootConfig\nmetadata: {name: bad}\n'
            'spec: {format: nonsense, data: {a: b}}\n')
        refused = self.run_command('boot', 'apply', '-F', str(self.folder),
                                   '-f', 'json')
        self.assertEqual(1, refused.returncode)
        self.assertEqual(
            [('second', 'created'), ('bad', 'refused'),
             ('first', 'created'), ('live', 'created'),
             ('server1', 'refused')],
            [(row['name'], row['result'].partition(':')[0])
             for row in json.loads(refused.stdout)])
        # Its content is not there yet.
        self.assertIn('BareMetalHost server1: ISO "live" cannot be booted',
                      refused.stderr)
        self.assertIn('bad.yaml: BootConfig bad: ', refused.stderr)
        (self.folder / 'bad.yaml').unlink()
        self.assertEqual(
            ['first', 'second'],
            [row['name'] for row in self.rows('boot', 'config', 'list')])
        (self.folder / 'all.yaml').write_text(
            _RESOURCES.replace('image: live', 'image: localboot'))
        self.assertEqual(
            [('BootConfig', 'unchanged'), ('BootConfig', 'unchanged'),
             ('ISCSICdrom', 'unchanged'), ('BareMetalHost', 'changed')],
            [(row['kind'], row['result']) for row in
             self.rows('boot', 'apply', '-F', str(self.folder))])
