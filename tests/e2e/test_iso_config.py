# SPDX-License-Identifier: Apache-2.0

"""An ISO and a boot config, assigned at the boot server, reach a machine.

One check for each place where a system looks for its config: the initrd,
the medium, and the boot server itself by a URL.
"""

from lab import boot_iso
from lab import process
from tests.e2e import base

HOSTS = '/api/v1/namespaces/default/baremetalhosts'
ISOS, CONFIGS = '/api/v1/iscsi-cdroms', '/api/v1/bootconfigs'
ISO = 'lab'
IGNITION = '{"ignition": {"version": "3.4.0"}, "passwd": {}}'
KICKSTART = 'text\nnetwork --hostname {{ name }}\n'
USER_DATA = '#cloud-config\nhostname: {{ name }}\n'
META_DATA = 'instance-id: iid-{{ uuid }}\n'
PRESEED = 'd-i netcfg/get_hostname string lab\n'
#: Name -> format, files and whether they are templates.
CONFIG_SPECS = {
    'ignition': ('ignition', {'config.ign': IGNITION}, False),
    'kickstart': ('kickstart', {'ks.cfg': KICKSTART}, True),
    'nocloud': ('cloud-init', {'user-data': USER_DATA,
                               'meta-data': META_DATA}, True),
    'preseed': ('preseed', {'preseed.cfg': PRESEED}, False)}


class IsoConfigTestCase(base.EndToEndTestCase):

    def setUp(self) -> None:
        super().setUp()
        self.lab.start_boot_server()
        self.server = self.lab.boot_server
        self._fill_catalog()
        self.host = f'{HOSTS}/{self.node.name}'
        process.await_condition(
            lambda: self.server.call('GET', self.host).code == 200,
            f'the boot server to know {self.node.name}', timeout=300)

    def _call(self, method: str, path: str, body: object, code: int,
              kind: str = 'application/json') -> None:
        answer = self.server.call(method, path, body, Content_Type=kind)
        self.assertEqual(code, answer.code, answer.text)

    def _fill_catalog(self) -> None:
        """Have the configs, and the lab's ISO that lists them."""
        if self.server.call('GET', f'{ISOS}/{ISO}').code == 200:
            return
        for name, (kind, data, template) in CONFIG_SPECS.items():
            self._call('POST', CONFIGS, {
                'metadata': {'name': name},
                'spec': {'format': kind, 'data': data,
                         'template': template}}, 201)
        self._call('POST', ISOS, {
            'metadata': {'name': ISO},
            'spec': {'isoFile': 'lab.iso',
                     'bootConfigs': sorted(CONFIG_SPECS)}}, 201)
        self._call('PUT', f'{ISOS}/{ISO}/upload',
                   self.lab.iso.read_bytes(), 200, 'application/octet-stream')

    def assign(self, config: str) -> None:
        """Give the machine the ISO and a config, by one PATCH."""
        self._call('PATCH', self.host, {
            'spec': {'image': ISO, 'bootConfigRef': config}}, 200)

    def rendered(self, text: str) -> str:
        """Return a template as this node gets it."""
        return text.replace('{{ name }}', self.node.name).replace(
            '{{ uuid }}', self.node.identity)

    def test_configs_are_where_their_systems_look_for_them(self):
        self.assign('ignition')
        self.deploy()
        report = self.node.await_report()
        self.assertIn('ignition.platform.id=metal',
                      report.command_line.split())
        self.assertEqual({'/config.ign': IGNITION,
                          '/usr/lib/ignition/user.ign': IGNITION},
                         report.initrd)
        self.assertEqual({}, report.files)

        report = self.rebuilt('kickstart', boots=2)
        self.assertIn('inst.ks=hd:LABEL=LAB_BOOT:/ks.cfg',
                      report.command_line.split())
        self.assertEqual({'ks.cfg': self.rendered(KICKSTART)}, report.files)
        self.assertEqual({}, report.initrd)

        report = self.rebuilt('nocloud', boots=3)
        self.assertIn('ds=nocloud;s=/cdrom/nocloud/',
                      report.command_line.split())
        self.assertEqual({
            'nocloud/user-data': self.rendered(USER_DATA),
            'nocloud/meta-data': self.rendered(META_DATA)}, report.files)

        report = self.rebuilt('preseed', boots=4)
        self.assertIn('auto=true', report.command_line.split())
        self.assertEqual({'/preseed.cfg': PRESEED}, report.initrd)

        self.undeploy()
        self.assert_nothing_left()

    def rebuilt(self, config: str, boots: int) -> boot_iso.Report:
        """Rebuild with another config; return what the machine reports."""
        self.assign(config)
        self.node.ask('rebuild')
        self.node.await_state('active')
        return self.node.await_report(seen=boots - 1)

    def test_by_url_the_machine_fetches_its_own_config(self):
        self.node.say(boot_config_delivery='url')
        self.assign('kickstart')
        self.deploy()
        report = self.node.await_report()
        (url, text), = report.fetched.items()
        self.assertIn(f'inst.ks={url}', report.command_line.split())
        self.assertEqual(self.rendered(KICKSTART), text)
        self.assertEqual({}, report.files)
        token = url.split('/')[-2]
        for log in (self.lab.ironic.ironic_log, self.server.log_path):
            self.assertNotIn(token, log.read_text())
