# SPDX-License-Identifier: Apache-2.0

"""The deploy interface of bootable containers with a real registry.

The agent is a stand-in that keeps what it is sent.
"""

import http.server
import json
import threading

# Before anything else of Ironic: it chooses the threading model of tests.
import ironic.tests.unit  # noqa: F401
from ironic.common import exception  # noqa: H306
from ironic.common import states
import trustme

from ironic_ext.bootc import request
from ironic_ext.drivers.bootc import deploy as bootc
from tests.functional import registry
from tests import oci_images
from tests.unit.drivers import base

TOKEN = 'the-token-of-the-agent'
SECRET_WORDS = ('SecretWord', 'SecretDrive', 'SecretToken')


class Agent(http.server.ThreadingHTTPServer):
    """Says that it is at work on whatever it is sent."""

    def __init__(self):
        super().__init__(('127.0.0.1', 0), _Handler)
        self.bodies = []

    @property
    def url(self):
        return f'http://127.0.0.1:{self.server_port}'


class _Handler(http.server.BaseHTTPRequestHandler):

    def do_POST(self):
        length = int(self.headers['Content-Length'])
        self.server.bodies.append(json.loads(self.rfile.read(length)))
        answer = json.dumps({'command_status': 'RUNNING',
                             'command_error': None}).encode()
        self.send_response(200)
        self.send_header('Content-Length', str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *args):
        pass


class BootcDeployTestCase(base.DriverTestCase):

    # Ironic's tests start no processes; the registry is one.
    block_execute = False

    def setUp(self):
        super().setUp()
        self.registry = self.useFixture(registry.Registry(
            {'me': 'SecretWord'}))
        self.agent = Agent()
        thread = threading.Thread(target=self.agent.serve_forever,
                                  kwargs={'poll_interval': 0.01})
        thread.start()
        self.addCleanup(thread.join)
        self.addCleanup(self.agent.server_close)
        self.addCleanup(self.agent.shutdown)
        self.config(enabled_deploy_interfaces=['ramdisk', 'bootc-ext'])
        self.config(manage_agent_boot=False, group='agent')
        self.node.deploy_interface = 'bootc-ext'
        self.node.properties = {'cpu_arch': 'x86_64'}
        self.node.driver_info = {**self.node.driver_info,
                                 'bootc_ca': self.registry.ca}
        self.node.driver_internal_info = {
            'agent_secret_token': TOKEN, 'agent_url': self.agent.url,
            'agent_cached_deploy_steps': {'deploy': [{
                'interface': 'deploy', 'step': request.STEP,
                'priority': 0}]}}
        self.say(image_source=f'oci://{self.registry.host}/team/os:1',
                 image_pull_secret='me:SecretWord')

    def push(self, marker='', **given):
        amd, arm = (oci_images.image(architecture=name, marker=marker,
                                     **given) for name in ('amd64', 'arm64'))
        self.registry.push('team/os', oci_images.index(amd, arm), '1')
        return amd.digest

    def run_deploy(self, method, **arguments):
        with self.task() as task:
            try:
                return getattr(task.driver.deploy, method)(task, **arguments)
            finally:
                self.node.refresh()

    def install(self):
        """Return what the agent was asked for."""
        self.assertEqual(states.DEPLOYWAIT, self.run_deploy('bootc_install'))
        sent = self.agent.bodies[-1]['params']['step']
        self.assertEqual(request.STEP, sent['step'])
        return request.InstallRequest.parse(sent['args'], TOKEN)

    def refused(self):
        message = str(self.assertRaises(exception.InvalidParameterValue,
                                        self.run_deploy, 'validate'))
        for word in SECRET_WORDS:
            self.assertNotIn(word, message)
        self.assertNotIn(bootc.PIN, self.node.driver_internal_info)
        return message

    def test_the_agent_gets_the_image_for_the_machine(self):
        digest = self.push()
        self.run_deploy('validate')
        asked = self.install()
        self.assertEqual(f'{self.registry.host}/team/os@{digest}',
                         str(asked.image))
        self.assertEqual(f'{self.registry.host}/team/os:1', asked.imgref)
        self.assertEqual(self.registry.ca, asked.trust.ca)
        login = asked.credential.for_image(asked.image)
        self.assertEqual(('me', 'SecretWord'),
                         (login.username, login.password))
        self.assertGreater(asked.size.compressed, 0)

    def test_a_tag_that_moves_meanwhile_changes_nothing(self):
        validated = self.push('1')
        self.run_deploy('validate')
        self.push('2')
        self.assertEqual(validated, self.install().image.digest)
        self.assertEqual(validated, self.install().image.digest)

    def test_another_deployment_takes_the_tag_anew(self):
        self.push('1')
        self.run_deploy('validate')
        newer = self.push('2')
        self.run_deploy('validate')
        self.assertEqual(newer, self.install().image.digest)

    def test_what_cannot_be_deployed_is_refused_by_a_sentence(self):
        self.assertIn('no image', self.refused())
        self.push(labels={})
        self.assertIn('containers.bootc=1', self.refused())
        self.push()
        self.node.properties = {'cpu_arch': 's390x'}
        self.node.save()
        self.assertIn('made for amd64, arm64', self.refused())
        self.node.properties = {'cpu_arch': 'x86_64'}
        self.say(image_pull_secret='me:SecretToken')
        self.assertIn('credentials', self.refused())
        self.say(image_pull_secret='me:SecretWord')
        self.node.driver_info = {
            **self.node.driver_info,
            'bootc_ca': trustme.CA().cert_pem.bytes().decode()}
        self.node.save()
        self.assertIn('certificate', self.refused())

    def test_no_secret_leaves_but_sealed(self):
        self.push()
        self.say(configdrive='SecretDrive')
        with self.assertLogs(level='DEBUG') as logs:
            self.run_deploy('validate')
            self.install()
        (body,) = self.agent.bodies
        # Ironic sends the node itself with it, whatever the step.
        self.assertEqual('SecretDrive', body['params']['node'][
            'instance_info'].pop('configdrive'))
        for word in SECRET_WORDS:
            self.assertNotIn(word, json.dumps(body))
            self.assertNotIn(word, '\n'.join(logs.output))
            self.assertNotIn(word, self.registry.log())
