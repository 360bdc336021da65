# SPDX-License-Identifier: Apache-2.0

"""Data images: a running machine reads what came into its drive."""

import json
import pathlib
import tempfile

from ironic_ext.data_image import content
from lab.bmc import fault_proxy
from lab import process
from lab import stack
from tests.e2e import data_image_lab

PASSWORD = 'e2e-hunter2'
INSERT = r'/VirtualMedia/[^/]+/Actions/VirtualMedia\.InsertMedia$'
FILES = {'meta-data': 'instance-id: e2e', 'deep/er/note.txt': 'Hello'}


class OneCdDrive(fault_proxy.Manners):
    """A BMC with one CD drive, and one for sticks."""

    def show(self, request: fault_proxy.Request, answer: dict) -> dict:
        if request.path.endswith('/VirtualMedia'):
            answer['Members'] = [
                member for member in answer['Members']
                if not member['@odata.id'].endswith('/Cd2')]
        return answer


class DropsMedia(fault_proxy.Manners):
    """A BMC that forgets a medium when the machine is switched off."""

    def __init__(self, drop) -> None:
        self._drop = drop

    def translate(self, request: fault_proxy.Request) -> fault_proxy.Request:
        if (request.path.endswith('/ComputerSystem.Reset')
                and b'Off' in request.body):
            self._drop()
        return request


class RunningMachineTestCase(data_image_lab.DataImageTestCase):

    like = 'running'

    def prepare(self) -> None:
        self.boot_from_iso()
        self.provision('active', 'active')
        self.node.await_report(timeout=data_image_lab.PATIENCE)

    def setUp(self) -> None:
        super().setUp()
        self.boot_medium = self.drives()['Cd']
        self.assertIsNotNone(self.boot_medium)
        self.addCleanup(self._restore_boot_medium)
        self.reports = len(self.node.machine.reports())
        self.seen = len(self.media())

    def _restore_boot_medium(self) -> None:
        if self.drives()['Cd'] != self.boot_medium:
            self.insert_by_hand('Cd', self.boot_medium)

    def assert_never_restarted(self) -> None:
        self.assertEqual(self.reports, len(self.node.machine.reports()))
        self.assertTrue(self.node.machine.is_on())

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
        self.cli('attach', '--label', 'cidata', *arguments, '--wait', '120')
        seen = self.await_medium(FILES, self.seen)
        shown = json.loads(self.cli('show', '-f', 'json'))
        self.assertEqual(('attached', 'Cd2', 'cdrom', True),
                         (shown['phase'], shown['slot'], shown['device'],
                          shown['inserted']))
        listed = json.loads(self.lab.ironic.cli(
            'node', 'data', 'image', 'list', '-f', 'json'))
        self.assertIn((self.node.name, 'attached'),
                      [(row['node'], row['phase']) for row in listed])

        self.cli('detach', '--wait', '120')
        self.await_medium({}, seen)
        self.assertEqual({'Cd': self.boot_medium, 'Cd2': None, 'Usb': None},
                         self.drives())
        self.assertEqual([], self.published())
        self.assert_never_restarted()

    def test_it_comes_back_whatever_happens(self):
        iso = self.write_iso('back.iso', {'round': 'one'})
        self.attach(url=f'{self.lab.web.image_url}/{iso.name}')
        self.await_phase('attached')
        self.await_medium({'round': 'one'}, self.seen)

        # Somebody ejects it. It may be back before the machine looks.
        self.eject_by_hand('Cd2')
        self.await_drives('the image to be in the drive again', Cd2=True)

        # Somebody deletes what the BMC is to read.
        shown = self.drives()['Cd2']
        for path in self.lab.published():
            if path.name in shown:
                path.unlink()
        process.await_condition(
            lambda: self.drives()['Cd2'] not in (shown, None),
            'the image to be delivered anew',
            timeout=data_image_lab.PATIENCE)
        self.await_phase('attached')

        # The BMC is reset and forgets both media.
        self.lab.emulator.forget()
        self.await_drives('both media to be in their drives again', Cd2=True,
                          Cd=self.boot_medium)

        # The conductor dies under way.
        self.detach()
        hang = self.lab.proxy.hang_next('POST', INSERT)
        seen = len(self.media())
        self.attach(files={'round': 'two'})
        hang.await_request(data_image_lab.PATIENCE)
        self.lab.ironic.kill()
        hang.release()
        self.lab.ironic.start()
        self.await_phase('attached')
        self.await_medium({'round': 'two'}, seen)
        self.assertEqual([], self.published())
        self.assert_never_restarted()

    def test_on_reboot_it_goes_in_when_the_machine_is_restarted(self):
        self.attach(files={'when': 'now'})
        self.await_phase('attached')
        before = self.drives()['Cd2']
        self.attach(files={'when': 'reboot'}, apply='on_reboot')
        status = self.await_status(
            lambda seen: 'next started' in (seen['reason'] or ''),
            'the image to wait for the reboot')
        self.assertEqual('waiting', status['phase'])
        self.assertEqual(before, self.drives()['Cd2'])

        self.lab.proxy.manners = DropsMedia(
            lambda: self.eject_by_hand('Cd2'))
        seen = len(self.media())
        self.power('rebooting')
        self.node.await_report(seen=self.reports,
                               timeout=data_image_lab.PATIENCE)
        self.await_medium({'when': 'reboot'}, seen)
        self.await_phase('attached')
        # It was a machine that boots its own image, still.
        self.assertEqual(self.boot_medium, self.drives()['Cd'])

    def test_a_boot_medium_that_is_ejected_at_power_off_comes_back(self):
        self.lab.proxy.manners = DropsMedia(lambda: self.eject_by_hand('Cd'))
        self.power('rebooting')
        # It boots from it: the medium was back before the machine was on.
        self.node.await_report(seen=self.reports,
                               timeout=data_image_lab.PATIENCE)
        self.assertEqual(self.boot_medium, self.drives()['Cd'])

        self.lab.proxy.manners = fault_proxy.Manners()
        self.eject_by_hand('Cd')
        self.await_drives('the boot medium to be put back by the conductor',
                          Cd=self.boot_medium)

    def test_with_one_cd_drive_it_is_a_usb_stick(self):
        self.lab.proxy.manners = OneCdDrive()
        self.attach(files={'as': 'stick'})
        status = self.await_phase('attached')
        self.assertEqual(('Usb', 'usb'), (status['slot'], status['device']))
        seen = self.await_medium({'as': 'stick'}, self.seen)
        self.assertEqual((self.boot_medium, None),
                         (self.drives()['Cd'], self.drives()['Cd2']))
        self.detach()
        self.await_medium({}, seen)
        self.assertIsNone(self.drives()['Usb'])
        self.assert_never_restarted()

    def test_it_goes_with_its_node_and_adopted_nodes_have_their_own(self):
        self.attach(files={'node': 'old'})
        seen = self.await_medium({'node': 'old'}, self.seen)
        machine = self.node.machine
        # What enrols it anew may be another service: Metal3 does so.
        self.is_shared = False
        self.delete_node()
        seen = self.await_medium({}, seen)
        self.await_drives('both media to go with their node', Cd=None,
                          Cd2=None, Usb=None)
        self.assertEqual([], self.published())

        self.node = stack.Node(self.lab.ironic, machine)
        self.node.create(stack.Drivers(), self.lab.proxy.url)
        self.boot_from_iso()
        self.provision('manage', 'manageable')
        self.provision('adopt', 'active')
        self.attach(files={'node': 'adopted'})
        # The drive that the machine booted from is free now, and the first.
        self.assertEqual('Cd', self.await_phase('attached')['slot'])
        self.boot_medium = self.drives()['Cd']
        self.assert_never_restarted()


class FaultTestCase(data_image_lab.DataImageTestCase):
    """Without a machine that runs: what the status says."""

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
        hang.await_request(data_image_lab.PATIENCE)
        # Showing it needs no lock.
        self.assertIn(self.status()['phase'], ('pending', 'attaching'))
        code, message = self.refused({'files': {'c': 'd'}})
        self.assertEqual(409, code)
        self.assertIn('locked', message)
        hang.release()
        self.await_phase('attached')

    def test_a_bmc_that_does_not_show_its_drives_is_told(self):
        # Not with a 503, which sushy gives half a minute to pass.
        self.lab.proxy.answer_always('GET', '/VirtualMedia', 404)
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

    def test_it_belongs_to_its_instance(self):
        hang = self.lab.proxy.hang_next('POST', INSERT)
        self.boot_from_iso()
        self.request('active')
        hang.await_request(data_image_lab.PATIENCE)
        # The boot image's slot is not to be had meanwhile.
        code, message = self.refused({'files': {'a': 'b'}})
        self.assertEqual(409, code, message)
        hang.release()
        self.node.await_state('active', timeout=data_image_lab.PATIENCE)
        self.attach(files={'a': 'b'})
        self.await_phase('attached')
        self.provision('deleted', 'available')
        self.assertEqual('detached', self.status()['phase'])
        self.assertEqual({'Cd': None, 'Cd2': None, 'Usb': None},
                         self.drives())
        self.assertEqual([], self.published())


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
                 '--password-file', str(path), '--wait', '120')
        self.assertIn('me', server.users)

        # The BMC fetches by itself.
        server.users.clear()
        self.attach(url=url, username='me', password=PASSWORD,
                    delivery='bmc')
        self.await_status(
            lambda seen: seen['phase'] == 'attached' and server.users,
            'the BMC to fetch the image')
        self.assertIn('me', server.users)
        self.assertEqual([], self.published())
        self.attach(url=url, username='me', password='wrong', delivery='bmc')
        self.await_phase('failed')
        self.detach()

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


class VirtualMediaTestCase(data_image_lab.DataImageTestCase):
    """Ironic's own API, on the same code."""

    def vmedia(self, method: str, body: object = None) -> bytes:
        return self.ask(
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
        self.await_drives('the image to be inserted', Cd2=True)
        self.await_unlocked()
        shown = {drive['identity']: drive['owner']
                 for drive in json.loads(self.vmedia('GET'))}
        self.assertEqual({'Cd': 'data image', 'Cd2': 'virtual media',
                          'Usb': None}, shown)
        self.vmedia('DELETE')
        self.await_drives('the image to be ejected', Cd=data_image,
                          Cd2=None)
        # With its copy.
        self.await_unlocked()
        self.assertEqual([], self.published())

    def await_unlocked(self) -> None:
        process.await_condition(
            lambda: not self.node.show()['reservation'], 'the lock to go',
            timeout=data_image_lab.PATIENCE)
