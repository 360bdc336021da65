# SPDX-License-Identifier: Apache-2.0

"""What the page does when its address changes: it follows, and loses nothing.

Ironic is a stand-in.
"""

from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from tests.journeys import page_fleet

_QUESTION = 'Leave without saving?'


class TestAddress(page_fleet.FleetTestCase):
    """Links, the browser's buttons, and what is entered as an address."""

    hosts = 3

    def enter(self, view):
        """Enter an address as by hand."""
        self.browser.execute_script('location.hash = arguments[0]',
                                    f'#/{view}')

    def await_address(self, view):
        self.wait(lambda browser: browser.current_url.partition('#/')[2]
                  == view, f'the address of {view}')

    def await_title(self, title):
        """Wait until the topmost dialog has a title; '' for no dialog."""
        self.wait(lambda browser: ([''] + [
            each.text for each in browser.find_elements(
                By.CSS_SELECTOR, 'dialog[open] h2')])[-1] == title,
            f'the dialog "{title}"')

    def ways(self, before, here, other):
        """Yield what leads from one view to another, and what that is."""
        link = {'hosts': 'Hosts', 'isos': 'ISOs', 'configs': 'Configs'}
        yield (lambda: self.click(link[other], 'nav a')), other
        yield self.browser.back, before
        yield (lambda: self.enter(other)), other

    def require_asked(self, before, here, other, lost, is_kept):
        """Try to leave, stay; leave at last."""
        for go, _view in self.ways(before, here, other):
            go()
            self.await_title(_QUESTION)
            self.await_text('dialog', lost)
            self.click('Stay', 'dialog button')
            self.await_address(here)
            self.assertTrue(is_kept())
        for go, view in list(self.ways(before, here, other))[1:2]:
            go()
            self.await_title(_QUESTION)
            self.click('Leave', 'dialog button')
            self.await_address(view)
            self.await_title('')

    def visit(self, *views):
        """Load the page, and go from one view to another by links."""
        self.open(views[0])
        for view in views[1:]:
            self.enter(view)
            self.await_address(view)

    def test_what_was_typed_into_a_config_is_not_lost_without_a_question(self):
        self.visit('hosts', 'configs', 'configs/config')
        text = self.find('textarea')
        text.send_keys('typed')
        self.require_asked(
            'configs', 'configs/config', 'isos',
            'What was changed in config is lost.',
            lambda: 'typed' in text.get_attribute('value'))
        self.await_text('h1', 'Configs')
        self.find('tbody a', 'config')

    def test_the_name_of_a_new_config_is_something_typed(self):
        self.visit('configs', 'configs/+new')
        self.field('Name').send_keys('typed')
        self.click('ISOs', 'nav a')
        self.await_title(_QUESTION)
        # Who goes back stays, too.
        self.browser.back()
        self.await_title('')
        self.await_address('configs/+new')
        self.assertEqual('typed', self.field('Name').get_attribute('value'))
        self.click('ISOs', 'nav a')
        self.await_text('dialog', 'What was changed in the new config')
        self.click('Leave', 'dialog button')
        self.await_text('h1', 'ISOs')
        self.browser.back()
        self.await_address('configs/+new')
        self.assertEqual('', self.field('Name').get_attribute('value'))

    def test_who_has_saved_or_typed_nothing_is_not_asked(self):
        self.visit('hosts', 'configs/config')
        text = self.find('textarea')
        text.send_keys(Keys.CONTROL, Keys.END)
        text.send_keys(Keys.NULL, '\n')
        self.click('Save')
        self.await_text('#notices', 'config is saved.')
        self.browser.back()
        self.await_text('h1', 'Hosts')
        self.browser.forward()
        self.find('textarea')
        self.click('ISOs', 'nav a')
        self.await_text('h1', 'ISOs')
        self.await_title('')

    def test_what_was_typed_into_a_dialog_is_not_lost_either(self):
        self.visit('hosts', 'isos')
        self.click('Add by URL')
        # Nothing was typed yet.
        self.browser.back()
        self.await_title('')
        self.await_text('h1', 'Hosts')
        self.browser.forward()
        self.click('Add by URL')
        name = self.field('Name')
        name.send_keys('typed')
        for go in (self.browser.back, lambda: self.enter('configs')):
            go()
            self.await_title(_QUESTION)
            self.await_text('dialog', 'What was entered in \u201cAdd an ISO '
                                      'by URL\u201d is lost.')
            self.click('Stay', 'dialog button')
            self.await_address('isos')
            self.await_title('Add an ISO by URL')
            self.assertEqual('typed', name.get_attribute('value'))
        self.browser.back()
        self.click('Leave', 'dialog button')
        self.await_text('h1', 'Hosts')
        self.await_title('')

    def test_what_was_chosen_for_hosts_is_not_lost_either(self):
        self.visit('isos', 'hosts')
        self.choose('ISO of server0001', 'live')
        self.require_asked(
            'isos', 'hosts', 'configs',
            'What was chosen is lost of server0001.',
            lambda: self.control('ISO of server0001').get_attribute('value')
            == 'live')
        self.await_text('h1', 'ISOs')

    def test_the_details_of_a_host_open_and_close_by_the_address(self):
        self.visit('isos', 'hosts?q=server')
        self.choose('ISO of server0002', 'live')
        self.click('server0001', 'tbody button')
        self.await_title('server0001')
        self.await_address('hosts/default/server0001?q=server')
        self.browser.back()
        self.await_title('')
        self.await_address('hosts?q=server')
        self.browser.forward()
        self.await_title('server0001')
        # The address of another one.
        self.enter('hosts/default/server0002?q=server')
        self.await_title('server0002')
        self.enter('hosts')
        self.await_title('')
        self.assertEqual('', self.find('[type=search]').get_attribute(
            'value'))
        # What was chosen in the table is still there.
        self.assertEqual('live', self.control(
            'ISO of server0002').get_attribute('value'))
        self.browser.back()
        self.await_title('server0002')
        self.browser.back()
        self.await_title('server0001')
        self.assertEqual('server', self.find('[type=search]').get_attribute(
            'value'))
        # As Back does.
        self.find('dialog').send_keys(Keys.ESCAPE)
        self.await_title('')
        self.await_address('hosts?q=server')
        self.browser.forward()
        self.await_title('server0001')
        self.field('Declared address').send_keys('192.0.2.7')
        self.browser.back()
        self.await_title(_QUESTION)
        self.click('Stay', 'dialog button')
        self.await_address('hosts/default/server0001?q=server')
        self.await_title('server0001')
        self.assertEqual('192.0.2.7', self.field(
            'Declared address').get_attribute('value'))
        self.click('Save', 'dialog button')
        self.await_address('hosts?q=server')
        self.await_title('')

    def test_after_a_reload_back_closes_the_details_as_before(self):
        self.visit('hosts')
        self.click('server0001', 'tbody button')
        self.await_title('server0001')
        self.browser.refresh()
        self.await_title('server0001')
        self.click('Cancel', 'dialog button')
        self.await_address('hosts')
        self.browser.forward()
        self.await_title('server0001')

    def test_who_has_looked_only_is_not_asked(self):
        node = self.known.add('looked')
        self.known.consoles[node] = {'type': 'vnc', 'url': 'https://x/'}
        self.visit('hosts', 'hosts?q=looked')
        self.click('looked', 'tbody button')
        # What is there to look at comes after the dialog.
        self.find('dialog button', 'Ask for its address')
        self.click('History', 'dialog summary')
        self.browser.back()
        self.await_title('')
        self.await_address('hosts?q=looked')
        self.browser.forward()
        self.click('Ask for its address', 'dialog button')
        self.await_text('dialog', 'vnc: https://x/')
        self.browser.back()
        self.await_title('')

    def test_the_address_of_no_host_is_said_to_be_none(self):
        self.open('hosts/default/nobody')
        self.await_text('#alerts', 'There is no host nobody that you may '
                                   'see.')
        self.await_address('hosts')

    def test_who_works_on_many_hosts_is_asked_before_that_ends(self):
        self.visit('isos', 'hosts?q=server')
        self.control('Select server0001')
        self.press('Select all hosts that are found')
        self.click('Switch on\u2026', '.bulk button')
        with self.known.lock:
            self.click('Switch on', 'dialog button')
            self.await_text('dialog .result', '\u2026')
            self.browser.back()
            self.await_text('dialog', 'What is not begun yet is left as it '
                                      'is.')
            self.click('Stay', 'dialog button')
            self.await_address('hosts?q=server')
        self.await_text('dialog', '3 of 3 hosts asked.')
        self.browser.back()
        self.await_text('h1', 'ISOs')
        self.await_title('')
