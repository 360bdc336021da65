# Licensed under the Apache License, Version 2.0 (the "License"); you may
# not use this file except in compliance with the License. You may obtain
# a copy of the License at
#
#      http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS, WITHOUT
# WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the
# License for the specific language governing permissions and limitations
# under the License.

"""Data images: a running machine reads what came into its drive."""

import json
import pathlib
import tempfile

from ironic_ext.data_image import content
from lab import process
from tests.e2e import data_image_lab

PASSWORD = 'e2e-hunter2'
INSERT = r'/VirtualMedia/Cd2?/Actions/VirtualMedia\.InsertMedia$'
FILES = {'meta-data': 'instance-id: e2e', 'deep/er/note.txt': 'Hello'}


class RunningMachineTestCase(data_image_lab.DataImageTestCase):

    def setUp(self) -> None:
        super().setUp()
        self.configure()
        self.deploy()
        self.node.await_report()
        self.boot_medium = self.drives()['Cd']
        self.assertIsNotNone(self.boot_medium)
        self.addCleanup(self._start_ironic)

    def _start_ironic(self) -> None:
        if self.lab.ironic.pid is None:
            self.lab.ironic.start()

    def local(self, name: str, text: str) -> str:
        folder = pathlib.Path(self.enterContext(
            tempfile.TemporaryDirectory()))
        path = folder / name
        path.write_text(text)
        return str(path)

    def write_iso(self, name: str, files: dict[str, str]) -> pathlib.Path:
        path = self.folder / name
        self.addCleanup(path.unlink)
        with open(path, 'wb') as output:
            content.build({path: text.encode()
                           for path, text in files.items()}, 'DATA', output)
        return path

    def test_an_image_comes_and_goes_while_the_machine_runs(self):
        arguments = []
        for number, (dest, text) in enumerate(FILES.items()):
            arguments += ['--file', f'{dest}={self.local(str(number), text)}']
        self.cli('attach', '--label', 'cidata', *arguments, '--wait', '60')
        self.await_medium(FILES)
        shown = json.loads(self.cli('show', '-f', 'json'))
        self.assertEqual(('attached', 'Cd2', 'cdrom', True),
                         (shown['phase'], shown['slot'], shown['device'],
                          shown['inserted']))
        listed = json.loads(self.lab.ironic.cli(
            'node', 'data', 'image', 'list', '-f', 'json'))
        self.assertIn((self.node.name, 'attached'),
                      [(row['node'], row['phase']) for row in listed])
        self.assertEqual(2, len(self.lab.published()))

        self.cli('detach', '--wait', '60')
        self.await_medium({}, seen=1)
        self.assertEqual({'Cd': self.boot_medium, 'Cd2': None},
                         self.drives())
        self.assertEqual(1, len(self.lab.published()))
        # Once: nobody restarted it.
        self.assertEqual(1, len(self.node.machine.reports()))
        self.assertTrue(self.node.machine.is_on())

    def test_it_comes_back_whatever_happens(self):
        iso = self.write_iso('back.iso', {'round': 'one'})
        self.attach(url=f'{self.lab.web.image_url}/{iso.name}')
        self.await_phase('attached')
        self.await_medium({'round': 'one'})

        # Somebody ejects it.
        self.eject_by_hand('Cd2')
        self.await_medium({}, seen=1)
        self.await_medium({'round': 'one'}, seen=2)

        # The BMC is reset and forgets both media.
        self.lab.emulator.forget()
        self.assertEqual({'Cd': None, 'Cd2': None}, self.drives())
        process.await_condition(lambda: self.drives()['Cd2'],
                                'the image to be in the drive again',
                                timeout=60)
        # The slot of the boot image is not taken for it.
        self.assertIsNone(self.drives()['Cd'])

        # The conductor dies under way.
        self.call('DELETE')
        self.await_phase('detached')
        seen = len(self.media())
        hang = self.lab.proxy.hang_next('POST', INSERT)
        self.attach(files={'round': 'two'})
        hang.await_request(60)
        self.lab.ironic.kill()
        hang.release()
        self.lab.ironic.start()
        self.await_phase('attached')
        self.await_medium({'round': 'two'}, seen=seen)
        self.assertEqual(1, len([path for path in self.lab.published()
                                 if path.name not in self.boot_medium]))

        # The instance goes, and the image with it.
        self.undeploy()
        self.await_phase('detached')
        process.await_condition(
            lambda: not self.drives()['Cd2'] and not self.lab.published(),
            'nothing to be left', timeout=60)

    def test_on_reboot_it_goes_in_when_the_machine_is_restarted(self):
        self.attach(files={'when': 'reboot'}, apply='on_reboot')
        status = self.await_status(
            lambda seen: 'next started' in (seen['reason'] or ''),
            'the image to wait for the reboot')
        self.assertEqual('waiting', status['phase'])
        self.assertIsNone(self.drives()['Cd2'])
        self.lab.ironic.cli('node', 'reboot', self.node.name)
        self.node.await_report(seen=1)
        self.await_medium({'when': 'reboot'})
        self.assertEqual('attached', self.status()['phase'])
        # It was a machine that boots its own image, still.
        self.assertEqual(self.boot_medium, self.drives()['Cd'])

        # A BMC that drops media when the machine is switched off.
        self.lab.ironic.cli('node', 'power', 'off', self.node.name)
        process.await_condition(lambda: not self.node.machine.is_on(),
                                'the machine to be off', timeout=60)
        self.eject_by_hand('Cd2')
        self.lab.ironic.cli('node', 'power', 'on', self.node.name)
        seen = len(self.media())
        self.node.await_report(seen=2)
        self.await_medium({'when': 'reboot'}, seen=seen)


class FaultTestCase(data_image_lab.DataImageTestCase):
    """Without a machine that runs: what the status says."""

    def setUp(self) -> None:
        super().setUp()
        self.addCleanup(self._detach)

    def _detach(self) -> None:
        self.lab.proxy.clear()
        self.call('DELETE')
        self.await_phase('detached')

    def fail(self, words: str, **spec: object) -> dict:
        self.attach(**(spec or {'files': {'a': 'b'}}))
        status = self.await_phase('failed')
        self.assertIn(words, status['error']['message'])
        self.assertGreater(status['error']['count'], 0)
        self.assertIsNone(self.node.show()['last_error'])
        return status

    def test_a_bmc_that_answers_500_is_asked_again(self):
        self.lab.proxy.answer_next('POST', INSERT, 500)
        self.attach(files={'a': 'b'})
        status = self.await_phase('attached')
        self.assertEqual(0, status['error']['count'])

    def test_lasting_errors_reach_the_status_and_it_recovers(self):
        for code, words in ((500, '500'), (404, 'not found')):
            self.lab.proxy.answer_always('POST', INSERT, code)
            self.fail(words, files={'code': str(code)})
            self.lab.proxy.clear()
            status = self.await_phase('attached')
            self.assertEqual({'count': 0, 'message': ''}, status['error'])

    def test_success_without_insertion_is_a_failure(self):
        self.lab.proxy.answer_always('POST', INSERT, 204)
        self.fail('accepted the request')
        self.lab.proxy.clear()
        self.await_phase('attached')

    def test_an_insertion_that_hangs_does_not_hold_up_the_node(self):
        hang = self.lab.proxy.hang_next('POST', INSERT)
        self.attach(files={'a': 'b'})
        hang.await_request(60)
        # Showing it needs no lock.
        self.assertIn(self.status()['phase'], ('pending', 'attaching'))
        code, message = self.refused({'files': {'c': 'd'}})
        self.assertEqual(409, code)
        self.assertIn('locked', message)
        hang.release()
        self.await_phase('attached')

    def test_a_bmc_that_does_not_answer_is_told(self):
        self.lab.proxy.answer_always('GET', '/VirtualMedia', 503)
        self.fail('virtual media')
        self.lab.proxy.clear()
        self.await_phase('attached')

    def test_bad_input_is_refused_at_once(self):
        for body, words in (
                ({'files': {'a': {'content': '#', 'encoding': 'base64'}}},
                 'is not base64'),
                ({'url': 'http://x/y', 'device': 'tape'}, 'cdrom, usb'),
                ({'url': 'http://x/y', 'urll': 'z'}, 'did you mean url'),
                ({'files': {'a': 'x' * (3 << 19)}}, 'larger than'),
                ({'url': 'file:///x', 'files': {}}, 'either'),
                ({'url': 'gopher://x/y'}, 'none of the schemes')):
            code, message = self.refused(body)
            self.assertEqual(400, code, message)
            self.assertIn(words, message)

    def test_bad_images_are_told_in_the_status(self):
        iso = self.folder / 'bad.iso'
        self.addCleanup(iso.unlink)
        iso.write_bytes(b'not an ISO' * 10000)
        url = f'{self.lab.web.image_url}/{iso.name}'
        self.fail('is not an ISO 9660 image', url=url)
        self.fail('was asked for', url=url, checksum='sha256:' + 'a' * 64)
        self.fail('404', url=url + 'x')

    def test_while_deploying_it_is_a_conflict(self):
        hang = self.lab.proxy.hang_next('POST', INSERT)
        self.configure()
        self.node.request('deploy')
        hang.await_request(60)
        code, message = self.refused({'files': {'a': 'b'}})
        self.assertEqual(409, code, message)
        hang.release()
        self.node.await_state('active')


class CredentialsTestCase(data_image_lab.DataImageTestCase):

    def test_user_and_password_work_and_are_shown_nowhere(self):
        iso = self.folder / 'secret.iso'
        self.addCleanup(iso.unlink)
        with open(iso, 'wb') as output:
            content.build({'a': b'b'}, 'DATA', output)
        server = self.enterContext(data_image_lab.ImageServer(
            self.folder, 'me', PASSWORD))
        url = f'{server.url}/{iso.name}?signature=e2e-signature'
        self.attach(url=url)
        self.assertIn('401', self.await_phase('failed')['error']['message'])

        path = pathlib.Path(self.enterContext(
            tempfile.TemporaryDirectory()), 'password')
        path.write_text(PASSWORD)
        self.cli('attach', '--url', url, '--username', 'me',
                 '--password-file', str(path), '--wait', '60')
        self.assertIn('me', server.users)

        # The BMC fetches by itself.
        server.users.clear()
        self.attach(url=url, username='me', password=PASSWORD,
                    delivery='bmc')
        self.await_status(
            lambda seen: seen['phase'] == 'attached' and server.users,
            'the BMC to fetch the image')
        self.assertIn('me', server.users)
        self.assertEqual([], self.lab.published())
        self.attach(url=url, username='me', password='wrong', delivery='bmc')
        self.await_phase('failed')
        self.call('DELETE')
        self.await_phase('detached')

        for text in (json.dumps(self.node.show()),
                     self.lab.ironic.cli('node', 'history', 'list', '--long',
                                         self.node.name, '-f', 'json'),
                     self.lab.ironic.ironic_log.read_text()):
            self.assertNotIn(PASSWORD, text)
            self.assertNotIn('e2e-signature', text)

    def test_the_node_shows_masked_what_it_keeps(self):
        self.attach(url='http://127.0.0.1:9/x.iso?signature=e2e-signature',
                    username='me', password=PASSWORD)
        kept = json.dumps(self.node.show()['driver_internal_info'])
        self.assertIn('http://127.0.0.1:9/x.iso', kept)
        self.assertNotIn(PASSWORD, kept)
        self.assertNotIn('e2e-signature', kept)
        self.call('DELETE')
        self.await_phase('detached')


class VirtualMediaTestCase(data_image_lab.DataImageTestCase):
    """Ironic's own API, on the same code."""

    def vmedia(self, method: str, body: object = None) -> bytes:
        return self.lab.ironic.call(
            method, f'/v1/nodes/{self.node.identity}/vmedia', body)

    def test_an_image_is_attached_shown_and_detached(self):
        iso = self.folder / 'vmedia.iso'
        self.addCleanup(iso.unlink)
        with open(iso, 'wb') as output:
            content.build({'a': b'b'}, 'DATA', output)
        self.attach(files={'data': 'image'})
        self.await_phase('attached')
        data_image = self.drives()['Cd']
        self.vmedia('POST', {
            'device_type': 'cdrom',
            'image_url': f'{self.lab.web.image_url}/{iso.name}'})
        process.await_condition(lambda: self.drives()['Cd2'],
                                'the image to be inserted', timeout=30)
        process.await_condition(
            lambda: not self.node.show()['reservation'], 'the lock to go',
            timeout=30)
        shown = {drive['identity']: drive['owner']
                 for drive in json.loads(self.vmedia('GET'))}
        self.assertEqual({'Cd': 'data image', 'Cd2': 'virtual media'}, shown)
        self.vmedia('DELETE')
        process.await_condition(lambda: not self.drives()['Cd2'],
                                'the image to be ejected', timeout=30)
        self.assertEqual(data_image, self.drives()['Cd'])
        process.await_condition(
            lambda: len(self.lab.published()) == 1,
            'its copy to be removed', timeout=30)
        self.call('DELETE')
        self.await_phase('detached')
