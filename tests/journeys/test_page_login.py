# SPDX-License-Identifier: Apache-2.0

"""The page of a server with passwords: the browser's own prompt."""

import base64
import pathlib

import bcrypt
import fixtures
from selenium.webdriver.common.by import By

from tests import boot_server
from tests import ironic_stand_in
from tests.journeys import boot_page

USER, PASSWORD = 'operator', 'for-tests-alone'


class PasswordTestCase(boot_page.PageTestCase):

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        ironic = cls._started(ironic_stand_in.IronicStandIn())
        ironic.known.add('server1', '52:54:00:00:00:01')
        users = pathlib.Path(cls._started(fixtures.TempDir()).path) / 'users'
        hashed = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4)).decode()
        users.write_text(f'{USER}:{hashed}\n')
        cls.server = cls._started(boot_server.BootServer(
            ironic.url, options='auth_strategy = http_basic\n'
            f'http_basic_auth_user_file = {users}')).process

    @classmethod
    def _started(cls, fixture):
        fixture.setUp()
        cls.addClassCleanup(fixture.cleanUp)
        return fixture

    def setUp(self):
        # Of its own: a browser keeps a password that was right.
        self.browser = boot_page.start_browser()
        self.addCleanup(self.browser.quit)
        super().setUp()

    def answer_prompts(self, password):
        """Answer the browser's prompts; no password cancels them."""
        network = self.browser.network
        self.asked = 0

        def answer(prompt):
            self.asked += 1
            if password:
                prompt.provide_credentials(USER, password)
            else:
                prompt.cancel()

        found = network.add_authentication_handler(answer)
        self.addCleanup(network.remove_authentication_handler, found)

    def test_who_cancels_the_prompt_is_told_what_is_missing(self):
        self.answer_prompts(None)
        self.browser.get(self.server.url)
        self.await_text('#connection',
                        'Not up to date: give a user and password')
        self.assertGreater(self.asked, 0)
        self.assertEqual([], self.browser.find_elements(
            By.CSS_SELECTOR, 'tbody tr'))

    def test_who_knows_the_password_sees_the_hosts_live(self):
        self.answer_prompts(PASSWORD)
        self.browser.get(self.server.url)
        self.await_text('#connection', 'Live')
        self.await_value('ISO of server1', 'localboot')
        self.assertGreater(self.asked, 0)

    def test_a_hosts_details_tell_of_its_data_image(self):
        login = base64.b64encode(f'{USER}:{PASSWORD}'.encode()).decode()
        answer = self.server.call(
            'PATCH', '/api/v1/namespaces/default/baremetalhosts/server1',
            {'spec': {'dataImage': {'url': 'http://192.0.2.1/tools.iso'}}},
            Authorization=f'Basic {login}')
        self.assertEqual(200, answer.code, answer.text)
        self.answer_prompts(PASSWORD)
        self.browser.get(self.server.url)
        self.click('server1', 'tbody button')
        self.await_text('dialog', 'http://192.0.2.1/tools.iso')
