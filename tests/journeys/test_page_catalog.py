# SPDX-License-Identifier: Apache-2.0

"""ISOs and configs on the boot server's page."""

import hashlib
import urllib.parse

from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support import ui
import yaml

from lab import process
from tests import fault_server
from tests.journeys import boot_page

setUpModule = boot_page.start


class TestCatalog(boot_page.PageTestCase):
    """The pages of ISOs and configs."""

    def test_an_uploaded_iso_shows_what_it_contains(self):
        name, config = self.fresh('iso'), self.config()
        self.open('isos')
        self.click('Upload an ISO')
        self.find('dialog input[type="file"]').send_keys(
            str(boot_page.iso_file()))
        self.field('Name').send_keys(Keys.CONTROL, 'a', Keys.NULL, name)
        self.find(f'dialog input[value="{config}"]').click()
        self.click('Upload', 'dialog button')
        self.await_text('#notices', f'{name} is uploaded.')
        row = self._row(name)
        for text in ('Ready', '1.0 MiB', 'ISOLINUX', config):
            self.assertIn(text, row.text)

    def test_an_upload_that_broke_off_goes_on_where_it_was(self):
        name, content = self.fresh('iso'), boot_page.iso_file().read_bytes()
        half = len(content) // 2
        self.server.call('POST', '/api/v1/iscsi-cdroms', {
            'metadata': {'name': name}, 'spec': {'isoFile': f'{name}.iso'}})
        self.server.call(
            'PUT', f'/api/v1/iscsi-cdroms/{name}/upload', content[:half],
            'application/octet-stream',
            **{'Content-Range': f'bytes 0-{half - 1}/{len(content)}'})
        self.open('isos')
        self.press(f'Upload {name}')
        self.await_text('dialog', 'Go on after 512 KiB')
        self.find('dialog input[type="file"]').send_keys(
            str(boot_page.iso_file()))
        self.click('Upload', 'dialog button')
        self.await_text('#notices', f'{name} is uploaded.')
        status = self.server.call(
            'GET', f'/api/v1/iscsi-cdroms/{name}')['status']
        self.assertEqual('sha256:' + hashlib.sha256(content).hexdigest(),
                         status['digest'])

    def test_an_iso_by_url_shows_why_it_cannot_be_fetched(self):
        name = self.fresh('iso')
        self.open('isos')
        self.click('Add by URL')
        self.field('URL').send_keys(
            f'http://127.0.0.1:{process.free_port()}/x.iso')
        # The name that the page suggests is replaced.
        self.field('Name').send_keys(Keys.CONTROL, 'a', Keys.NULL, name)
        self.click('Add', 'dialog button')
        self.wait(lambda _: 'refused' in self._row(name).text, 'the error')
        self.assertIn('Error', self._row(name).text)

    def test_an_iso_by_url_is_followed_stopped_and_fetched_again(self):
        content = bytes(8 << 20) + boot_page.iso_file().read_bytes()
        server = self.enterContext(fault_server.serving())
        slow = server.add('/slow.iso', content)
        # For the first request, of the head, and for the others.
        slow.always = fault_server.trickle(0.02)
        name = self.fresh('iso')
        self.open('isos')
        self.server.call('POST', '/api/v1/iscsi-cdroms', {
            'metadata': {'name': name},
            'spec': {'url': f'{server.url}/slow.iso'}})
        self.wait(lambda _: 'of 9.0 MiB' in self._row(name).text,
                  'the progress')
        self.assertIn('Fetching', self._row(name).text)
        shown = self.control(f'Fetching of {name}')
        self.assertTrue(0 <= float(shown.get_attribute('value')) < 1)
        self.press(f'Stop {name}')
        self.await_text('#notices', f'{name}: fetching it is stopped.')
        self.await_text('tbody', 'its fetching was stopped')
        slow.always = None
        asked = len(server.requests)
        self.press(f'Fetch again {name}')
        # Zeros before an ISO are none; what matters is that all came.
        self.wait(lambda _: 'is not an ISO' in self._row(name).text, 'its end')
        again = [request.headers.get('Range')
                 for request in server.requests[asked:]
                 if request.method == 'GET']
        self.assertNotIn(None, again)
        self.assertNotIn('bytes=0-', again)

    def test_an_iso_in_use_stays_and_the_page_says_by_whom(self):
        host, iso = self.node(), self.iso()
        self.server.assign(host, image=iso)
        self.open('isos')
        self.press(f'Delete {iso}')
        self.click('Delete', 'dialog button')
        # In the page's words, not the API's.
        self.find('dialog [role="alert"]',
                  f'ISO "{iso}" is in use by host {host}: change those first')
        self.click('Cancel', 'dialog button')
        self.assertIn('Ready', self._row(iso).text)

    def test_a_deleted_iso_leaves_the_page(self):
        iso = self.iso()
        self.open('isos')
        self.press(f'Delete {iso}')
        self.click('Delete', 'dialog button')
        self.await_text('#notices', f'{iso} is deleted.')
        self.wait(lambda browser: not browser.find_elements(
            By.CSS_SELECTOR, f'[aria-label="Edit {iso}"]'), 'its end')

    def test_markup_in_a_description_is_text(self):
        iso, text = self.iso(), '<img src=x onerror="document.title=1">'
        self.server.call('PATCH', f'/api/v1/iscsi-cdroms/{iso}', {
            'spec': {'description': text}})
        self.open('isos')
        self.assertIn(text, self._row(iso).text)
        self.assertEqual([], self.browser.find_elements(
            By.CSS_SELECTOR, 'main img'))

    def test_a_config_that_does_not_parse_is_refused_with_its_line(self):
        name = self.fresh('config')
        self.open('configs')
        self.click('New config', 'a')
        self.field('Name').send_keys(name)
        ui.Select(self.field('Format')).select_by_value('kickstart')
        text = self.find('textarea')
        text.send_keys('lang en_US\n%packages\n@core\n')
        self.click('Save')
        self.await_text('.findings', 'Line 2: %packages is not closed')
        self.click('Line 2')
        self.assertEqual('%packages', self.browser.execute_script(
            'const [area] = arguments; return area.value.slice('
            'area.selectionStart, area.selectionEnd);', text))
        text.send_keys(Keys.CONTROL, Keys.END)
        text.send_keys(Keys.NULL, '%end\n')
        self.click('Save')
        self.await_text('#notices', f'{name} is saved.')
        saved = self.server.call('GET', f'/api/v1/bootconfigs/{name}')
        self.assertEqual('kickstart', saved['spec']['format'])
        self.assertEqual(['lang en_US\n%packages\n@core\n%end\n'],
                         list(saved['spec']['data'].values()))

    def test_two_changes_of_a_config_are_shown_and_one_is_chosen(self):
        name = self.config(file='note.txt', text='none', format='plain')
        self.open(f'configs/{name}')

        def collide(mine, theirs):
            self.find('textarea').send_keys(Keys.CONTROL, 'a', Keys.NULL,
                                            mine)
            self.server.call('PATCH', f'/api/v1/bootconfigs/{name}', {
                'spec': {'data': {'note.txt': theirs}}})
            self.click('Save')
            self.await_text('dialog', 'was changed by somebody else')
            self.assertEqual([theirs, mine], [
                pane.text for pane in self.browser.find_elements(
                    By.CSS_SELECTOR, 'dialog pre')])
        collide('mine', 'theirs')
        self.click('Go on', 'dialog button')
        self.wait(lambda _: self.find('textarea').get_attribute('value')
                  == 'theirs', 'what is saved')
        # It would lie over the button, for some seconds.
        self.press('Dismiss')
        collide('mine again', 'theirs again')
        self.find('dialog input[value="mine"]').click()
        self.click('Go on', 'dialog button')
        self.await_text('#notices', f'{name} is saved.')
        self.assertEqual(
            {'note.txt': 'mine again'}, self.server.call(
                'GET', f'/api/v1/bootconfigs/{name}')['spec']['data'])

    def test_a_config_is_exported_as_it_is_applied(self):
        text = 'lang en_US\n\n  # %packages: @core\n'
        name = self.config(file='ks.cfg', text=text, format='kickstart',
                           template=True)
        self.open(f'configs/{name}')
        self.browser.execute_script(
            'HTMLAnchorElement.prototype.click = function () {'
            'window.exported = this; };')
        self.click('Export')
        link = self.browser.execute_script(
            'return [window.exported.download, window.exported.href];')
        self.assertEqual(f'{name}.yaml', link[0])
        document = yaml.safe_load(urllib.parse.unquote(
            link[1].partition(',')[2]))
        self.assertEqual(
            {'format': 'kickstart', 'template': True,
             'data': {'ks.cfg': text}}, document['spec'])
        self.assertEqual(name, document['metadata']['name'])

    def test_a_template_is_previewed_for_a_host_before_it_is_saved(self):
        host = self.node()
        name = self.config(file='note.txt', text='none', format='plain')
        self.open(f'configs/{name}')
        self.find('textarea').send_keys(
            Keys.CONTROL, 'a', Keys.NULL, 'I am {{ name }}.')
        self.find('form.editor input[type="checkbox"]').click()
        self.click('Preview…')
        self.field('Host').send_keys(host)
        self.click('Render', 'dialog button')
        self.await_text('dialog pre', f'I am {host}.')
        # It is for another host as well, until it is closed.
        self.field('Host').send_keys(Keys.CONTROL, 'a', Keys.NULL, 'nobody')
        self.click('Render', 'dialog button')
        self.await_text('dialog [role="alert"]', 'does not exist')
        self.click('Close', 'dialog button')

    def _row(self, name):
        return self.control(f'Edit {name}').find_element(
            By.XPATH, './ancestor::tr')
