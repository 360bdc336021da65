# SPDX-License-Identifier: Apache-2.0

"""Projects of a real Keystone, before a real Ironic and the boot server.

A trusted one boots its machines without a setting of this suite but those
that every installation has; another one gets at nothing of it. The emulator's
Redfish is real, the machines are not.
"""

from collections.abc import Mapping
import json
import pathlib
import tempfile
import typing
import urllib.error

import testtools

from lab import bare_metal
from lab import boot_server
from lab import process
from tests import file_server
from tests.functional import fake_emulator
from tests.functional import keystone
from tests import isos

SECRET = 'rootpw hunter2'
HOSTS = '/api/v1/namespaces/default/baremetalhosts'
CONFIGS, ISOS = '/api/v1/bootconfigs', '/api/v1/iscsi-cdroms'
_LOGIN = f"""
auth_type = password
auth_url = {{url}}
username = admin
password = {keystone.PASSWORD}
user_domain_id = default
"""
_MIDDLEWARE = ('[keystone_authtoken]\nwww_authenticate_uri = {url}\n'
               'project_domain_id = default\nproject_name = admin' + _LOGIN)
_IRONIC = """
[DEFAULT]
auth_strategy = keystone
[ext_images]
cache_dir = {directory}/cache
[ext_media]
delivery = file
"""
# Here, since Ironic's base of unit tests keeps tests from running commands.
_ISO = isos.shared('lorax_like')


class _Services:
    """What the tests here share.

    :ivar root: what the web server has.
    """

    def __init__(self, enter: typing.Callable[[typing.Any], typing.Any],
                 at_last: typing.Callable[..., object]) -> None:
        directory = pathlib.Path(enter(
            tempfile.TemporaryDirectory())).resolve()
        folders = {}
        for name in ('http', 'bmc', 'ironic', 'boot'):
            folders[name] = directory / name
            folders[name].mkdir()
        self.root = folders['http']
        fixture = keystone.Keystone()
        fixture.setUp()
        at_last(fixture.cleanUp)
        self.keystone = fixture.process
        for project in ('lab', 'rival'):
            self.keystone.create('project', name=project)
            self.keystone.add_user(project, 'admin', project=project)
        server = file_server.FileServer(self.root)
        at_last(server.cleanUp)
        server.setUp()
        self.url = server.url
        middleware = _MIDDLEWARE.format(url=self.keystone.url)
        self.server = boot_server.Process(
            folders['boot'], options='auth_strategy = keystone',
            extra=middleware + '\n[ext_ironic]\nsystem_scope = all'
            + _LOGIN.format(url=self.keystone.url))
        self.emulator = fake_emulator.FakeEmulator(folders['bmc'])
        self.ironic = bare_metal.Ironic(
            folders['ironic'], http_root=self.root, http_url=self.url,
            images=directory, extra=middleware + _IRONIC.format(
                directory=directory) + self.server.shared_config)
        self.ironic.create_schema()
        self.ironic.token = self.keystone.token(system_scope='all')
        self.server.configure(self.ironic.url)
        for service in (self.emulator, self.ironic, self.server):
            at_last(service.stop)
            service.start()


class ProjectsTestCase(testtools.TestCase):

    services: _Services

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.services = _Services(cls.enterClassContext, cls.addClassCleanup)

    def setUp(self) -> None:
        super().setUp()
        for name, value in vars(self.services).items():
            setattr(self, name, value)
        self.be('lab')

    def be(self, project: str) -> str:
        """Ask as the administrator of a project from now on.

        :returns: its ID.
        """
        self.ironic.token = self.keystone.token(project, project_name=project)
        return self.keystone.project(project)

    def ask(self, method: str, path: str, body: object = None,
            code: int = 200) -> typing.Any:
        """Ask the boot server."""
        found = self.server.call(method, path, body,
                                 X_Auth_Token=self.ironic.token)
        self.assertEqual(code, found.code, found.text[:1000])
        return found.json if found.data else None

    def call(self, method: str, path: str, body: object = None) -> bytes:
        """Ask Ironic; a node that is busy is asked again."""
        answer = b''

        def answered() -> bool:
            nonlocal answer
            try:
                answer = self.ironic.call(method, path, body)
            except urllib.error.HTTPError as error:
                if error.code != 409:
                    raise AssertionError(error.read().decode()) from error
                return False
            return True

        process.await_condition(answered, f'{method} {path}', timeout=120,
                                interval=0.5)
        return answer

    def enroll(self, name: str, **fields: object) -> None:
        """Make a node, which belongs to the project, and make it ready."""
        self.system = self.emulator.new_system()
        node = json.loads(self.call('POST', '/v1/nodes', {
            'name': name, 'driver': 'redfish-ext',
            'boot_interface': 'redfish-iso', 'deploy_interface': 'ramdisk',
            'driver_info': {
                'redfish_address': self.emulator.url,
                'redfish_username': 'u', 'redfish_password': 'p',
                'redfish_system_id': f'/redfish/v1/Systems/{self.system}'},
            **fields}))
        self.path = f'/v1/nodes/{node["uuid"]}'
        self.addCleanup(self.remove, self.path)
        for target, state in (('manage', 'manageable'),
                              ('provide', 'available')):
            self.provision(target, state)

    def remove(self, path: str) -> None:
        self.ironic.token = self.keystone.token(system_scope='all')
        self.path = path
        if self.node()['provision_state'] != 'available':
            self.provision('deleted', 'available')
        self.call('DELETE', path)

    def node(self) -> Mapping[str, typing.Any]:
        return self.ironic.get(self.path)

    def provision(self, target: str, *states: str) -> str:
        """Ask for a state; return the one that is reached."""
        self.call('PUT', f'{self.path}/states/provision', {'target': target})
        return self.reached(*states)

    def reached(self, *states: str) -> str:
        """Wait for one of the states; return the one that it is."""
        process.await_condition(
            lambda: self.node()['provision_state'] in (
                *states, 'deploy failed', 'error'),
            f'the node to be {states}', timeout=240, interval=0.5)
        return str(self.node()['provision_state'])

    def patch(self, **values: object) -> None:
        self.call('PATCH', self.path, [
            {'op': 'add', 'path': f'/{key.replace("__", "/")}',
             'value': value} for key, value in values.items()])

    def await_host(self, name: str) -> None:
        process.await_condition(
            lambda: self.server.call(
                'GET', f'{HOSTS}/{name}',
                X_Auth_Token=self.ironic.token).code == 200,
            f'{name} to be known', timeout=60)

    def fill(self, name: str) -> None:
        """Have an ISO, and a config with a password, of that name."""
        self.ask('POST', CONFIGS, {
            'metadata': {'name': name}, 'spec': {
                'format': 'kickstart', 'data': {'ks.cfg': f'{SECRET}\n'}}},
            201)
        self.ask('POST', ISOS, {'metadata': {'name': name}, 'spec': {
            'isoFile': f'{name}.iso', 'bootConfigs': [name]}}, 201)
        self.assertIn(self.server.call(
            'PUT', f'{ISOS}/{name}/upload', _ISO.read_bytes(),
            X_Auth_Token=self.ironic.token,
            Content_Type='application/octet-stream').code, (200, 201, 202))
        process.await_condition(
            lambda: self.ask('GET', f'{ISOS}/{name}')['status']['phase']
            == 'Ready', 'the ISO to be ready', timeout=60)

    def published(self) -> bytes:
        """Return all that the web server has."""
        return b''.join(path.read_bytes() for path in self.root.rglob('*')
                        if path.is_file())

    def test_a_project_boots_its_machines_with_what_is_its_own(self):
        self.enroll('mine')
        self.await_host('mine')
        self.fill('own')
        found = self.ask('PATCH', f'{HOSTS}/mine', {
            'spec': {'image': 'own', 'bootConfigRef': 'own'}})
        self.assertEqual('own', found['spec']['bootConfigRef'])
        self.assertEqual('deploy', found['status']['nextBoot']['takes'])
        self.ask('POST', f'{HOSTS}/mine/provision', {'target': 'destroy'},
                 400)
        self.ask('POST', f'{HOSTS}/mine/provision', {'target': 'deploy'}, 202)
        self.assertEqual('active', self.reached('active'))
        self.assertEqual(1, len(self.emulator.inserted(self.system)))
        # Passthru is for administrators of the system.
        self.ironic.token = self.keystone.token(system_scope='all')
        told = json.loads(self.call(
            'GET', f'{self.path}/vendor_passthru?method=next_boot'))
        self.assertEqual(('iso', 'own', 'cdrom', None), (
            told['device'], told['image'], told['bmc']['boot_device'],
            told['error']))
        self.be('lab')
        self.assertIn(SECRET.encode(), self.published())
        self.assertEqual('available', self.provision('deleted', 'available'))
        self.assertEqual(b'', self.published())
        self.assertEqual({}, self.emulator.inserted(self.system))

    def test_another_project_gets_at_nothing_of_it(self):
        self.enroll('target')
        self.await_host('target')
        self.fill('hidden')
        self.ask('PATCH', f'{HOSTS}/target', {
            'spec': {'image': 'hidden', 'bootConfigRef': 'hidden'}})
        victim, lab = self.path, self.keystone.project('lab')

        self.be('rival')
        self.assertRaises(AssertionError, self.call, 'GET', victim)
        self.ask('GET', f'{HOSTS}/target', code=404)
        for path in (f'{CONFIGS}/hidden', f'{ISOS}/hidden'):
            self.ask('GET', path, code=404)
            self.ask('DELETE', path, code=404)
        for method, path, body in (
                ('PATCH', f'{HOSTS}/target', {'spec': {'image': 'x'}}),
                ('POST', f'{HOSTS}/target/power', {'target': 'power off'}),
                ('POST', f'{HOSTS}/target/provision', {'target': 'deploy'}),
                ('POST', f'{HOSTS}/target/token', {})):
            self.ask(method, path, body, 404)
        self.ask('POST', '/api/v1/preview?host=target', {
            'metadata': {'name': 'x'}, 'spec': {
                'format': 'plain', 'template': True,
                'data': {'a': '{{ uuid }} {{ extra }}'}}}, 404)

        # A node of their own is given to whom they please, by Ironic.
        self.enroll('bait', lessee=lab)
        self.await_host('bait')
        self.ask('PATCH', f'{HOSTS}/bait', {
            'spec': {'image': 'hidden', 'bootConfigRef': 'hidden'}}, 400)
        for lessee in (lab, None):
            self.patch(lessee=lessee)
            for info in ({'boot_iso': 'hidden', 'boot_config': 'hidden'},
                         {'boot_iso': f'file://{self.server.directory}'
                                      '/isos/hidden.iso'},
                         {'boot_iso': f'{self.server.url}/healthz'},
                         {'boot_iso': f'{self.ironic.url}/v1'},
                         {'boot_iso': f'file://{self.server.directory}'
                                      '/key'}):
                self.patch(instance_info=info)
                told = json.loads(self.call('GET',
                                            f'{self.path}/validate'))
                self.assertFalse(told['boot']['result'], info)
                self.assertNotIn(SECRET, told['boot']['reason'])
        self.assertEqual(b'', self.published())
        self.assertEqual({}, self.emulator.inserted(self.system))
