# SPDX-License-Identifier: Apache-2.0

"""The hosts on the boot server's page, and what assistive technology sees."""

import contextlib
import datetime
import sqlite3

from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support import ui

from lab import process
from tests.journeys import boot_page

setUpModule = boot_page.start


class TestHosts(boot_page.PageTestCase):
    """The table of hosts."""

    def test_an_iso_offers_its_configs_and_both_are_saved_together(self):
        fits, other = self.config(), self.config()
        host, iso = self.node(), self.iso(fits)
        self.open()
        self.choose(f'ISO of {host}', iso)
        self.assertEqual(['no config', fits],
                         self.options(f'Config of {host}'))
        self.choose(f'Config of {host}', fits)
        # Nothing changes before it is saved.
        self.assertEqual('localboot', self.server.host(host)['spec']['image'])
        self.press(f'Save {host}')
        self.await_text('#notices', f'{host} has {iso} with {fits} now.')
        spec = self.server.host(host)['spec']
        self.assertEqual((iso, fits), (spec['image'], spec['bootConfigRef']))
        self.assertNotIn(other, self.options(f'Config of {host}'))

    def test_an_iso_that_takes_no_config_clears_it(self):
        config = self.config()
        host, iso, live = self.node(), self.iso(config), self.iso()
        self.server.assign(host, image=iso, bootConfigRef=config)
        self.open()
        self.await_value(f'Config of {host}', config)
        self.choose(f'ISO of {host}', live)
        self.assertFalse(self.control(f'Config of {host}').is_enabled())
        # Never without a word.
        self.await_text('tbody', f'{config} does not fit, and goes.')
        self.press(f'Save {host}')
        self.await_text('dialog', f'{live} does not take it.')
        self.click('Save', 'dialog button')
        self.await_text('#notices', f'{host} has {live} now.')
        self.assertNotIn('bootConfigRef', self.server.host(host)['spec'])

    def test_a_change_of_another_client_arrives_by_itself(self):
        config = self.config()
        host, iso = self.node(), self.iso(config)
        self.open()
        self.await_value(f'ISO of {host}', 'localboot')
        self.server.assign(host, image=iso, bootConfigRef=config)
        self.await_value(f'ISO of {host}', iso)
        self.await_value(f'Config of {host}', config)
        later = self.node()
        self.await_value(f'ISO of {later}', 'localboot')

    def test_a_failed_change_is_an_error_and_the_real_value_returns(self):
        host, iso = self.node(), self.iso()
        self.open()
        self.choose(f'ISO of {host}', iso)
        with self.stack.locked(host):
            self.press(f'Save {host}')
            self.await_text('#alerts', f'{host} is not changed: Ironic '
                                       'refuses')
        self.assertEqual('localboot', self.control(
            f'ISO of {host}').get_attribute('value'))
        self.assertEqual('localboot', self.server.host(host)['spec']['image'])

    def test_who_chooses_while_another_saves_is_told(self):
        host, mine, theirs = self.node(), self.iso(), self.iso()
        self.open()
        self.choose(f'ISO of {host}', mine)
        self.server.assign(host, image=theirs)
        self.await_text('#alerts', f'{host} was changed by somebody else: '
                                   f'it has {theirs} now.')
        self.await_value(f'ISO of {host}', theirs)

    def test_an_iso_that_is_not_there_yet_cannot_be_chosen(self):
        host, iso = self.node(), self.fresh('iso')
        self.server.call('POST', '/api/v1/iscsi-cdroms', {
            'metadata': {'name': iso}, 'spec': {'isoFile': f'{iso}.iso'}})
        self.open()
        self.wait(lambda _: f'{iso} (Pending)' in self.options(
            f'ISO of {host}'), 'the ISO')
        option = self.control(f'ISO of {host}').find_element(
            By.CSS_SELECTOR, f'option[value="{iso}"]')
        self.assertFalse(option.is_enabled())

    def test_power_is_switched_after_a_confirmation_only(self):
        host = self.node()
        self.open()
        self.press(f'Switch on {host}')
        self.find('dialog').send_keys(Keys.ESCAPE)
        self.wait(lambda browser: not browser.find_elements(
            By.TAG_NAME, 'dialog'), 'the end of the dialog')
        self.assertEqual('power off',
                         self.server.host(host)['status']['power'])
        self.press(f'Switch on {host}')
        self.await_text('dialog', 'It will boot from its disk.')
        self.click('Switch on', 'dialog button')
        self.control(f'Restart {host}')
        self.assertEqual('power on',
                         self.server.host(host)['status']['power'])

    def test_a_host_boots_its_iso_once_when_told_so(self):
        host = self.node()
        self.server.assign(host, image=self.iso())
        self.open()
        self.click(host, 'tbody button')
        self.find('dialog input[value="once"]').click()
        self.click('Save', 'dialog button')
        self.await_text('#notices', f'{host} boots its ISO once now.')

    def test_an_address_is_declared_shown_and_taken_back(self):
        host = self.node()
        self.open()
        for wanted, said in (('192.0.2.7', f'{host} has 192.0.2.7 now.'),
                             ('', f'{host} has no declared address now.')):
            self.click(host, 'tbody button')
            field = self.field('Declared address')
            field.clear()
            field.send_keys(wanted)
            self.click('Save', 'dialog button')
            self.await_text('#notices', said)
            self.assertEqual(wanted, self.server.host(host)['spec'].get(
                'ip', ''))
        before = self.server.host(host)['spec']
        self.click(host, 'tbody button')
        self.field('Declared address').send_keys('nonsense')
        self.click('Save', 'dialog button')
        self.await_text('dialog [role="alert"]', 'address of one machine')
        self.assertEqual(before, self.server.host(host)['spec'])

    def test_the_keyboard_is_enough_to_assign_an_iso(self):
        host, iso = self.node(), self.iso()
        self.open()
        self.wait(lambda _: iso in self.options(f'ISO of {host}'), iso)
        self.find('input[type="search"]').send_keys(host)
        self._tab_to(f'ISO of {host}')
        self.browser.switch_to.active_element.send_keys(iso)
        self._tab_to(f'Save {host}')
        self.browser.switch_to.active_element.send_keys(Keys.ENTER)
        self.await_text('#notices', f'{host} has {iso} now.')
        self.assertEqual(f'ISO of {host}', self._focused())

    def test_the_focus_stays_where_it_is_while_rows_come_and_change(self):
        host, iso = self.node(), self.iso()
        self.open()
        self.wait(lambda _: iso in self.options(f'ISO of {host}'), iso)
        select = self.control(f'ISO of {host}')
        select.send_keys(Keys.NULL)
        before = self.fresh('a-first')
        self.stack.add_node(before, '52:54:00:00:01:01')
        self.server.assign(host, image=iso)
        self.control(f'ISO of {before}')
        self.await_value(f'ISO of {host}', iso)
        self.assertEqual(f'ISO of {host}', self._focused())

    def test_many_hosts_are_paged_and_searched(self):
        prefix = self.fresh('many')
        names = [f'{prefix}-{number}' for number in range(55)]
        for name in names:
            self.stack.ironic.call('POST', '/v1/nodes', {
                'name': name, 'driver': 'fake-hardware'})
        self.addCleanup(self._delete_nodes, names)
        self.open()
        self.find('input[type="search"]').send_keys(prefix)
        self.await_text('[role="status"]', '55 of ')
        self.assertEqual(50, self._rows())
        self.click('Next →')
        self.assertEqual(5, self._rows())
        self.find('input[type="search"]').send_keys('-54')
        self.assertEqual(1, self._rows())

    def test_after_a_restart_of_the_server_the_page_goes_on(self):
        host, iso = self.node(), self.iso()
        self.open()
        self.await_value(f'ISO of {host}', 'localboot')
        self.server.stop()
        try:
            self.await_text('#connection', 'Not up to date')
        finally:
            self.server.start()
        self.server.assign(host, image=iso)
        self.await_value(f'ISO of {host}', iso)
        self.await_text('#connection', 'Live')

    def _delete_nodes(self, names):
        for name in names:
            self.stack.ironic.call('DELETE', f'/v1/nodes/{name}')

    def _rows(self):
        return len(self.browser.find_elements(By.CSS_SELECTOR, 'tbody tr'))

    def _focused(self):
        return self.browser.switch_to.active_element.get_attribute(
            'aria-label')

    def _tab_to(self, label):
        for _time in range(40):
            self.browser.switch_to.active_element.send_keys(Keys.TAB)
            if self._focused() == label:
                return
        self.fail(f'Tab does not reach {label}')


class TestManyHosts(boot_page.PageTestCase):
    """Finding some of many hosts, and doing something with them."""

    def _fail(self, host):
        """Have a node's last error be what a failed deployment leaves."""
        with contextlib.closing(sqlite3.connect(
                self.stack.ironic.directory / 'ironic.sqlite')) as database:
            database.execute(
                'UPDATE nodes SET last_error = ?, updated_at = ? '
                'WHERE name = ?',
                ('Deploy step deploy.deploy failed with ImageNotFound: '
                 'http://images.example.org/one/two/three/four/five/six.iso:'
                 ' HTTP 404', datetime.datetime.now(datetime.UTC).strftime(
                     '%Y-%m-%d %H:%M:%S'), host))
            database.commit()

    def test_what_is_found_is_in_the_address_with_the_cause_first(self):
        host, other = self.node(), self.node()
        self._fail(host)
        self.open()
        self.find('input[type="search"]').send_keys('imagenotfound')
        self.await_text('tbody', 'http://images\u2026r/five/six.iso: '
                                 'HTTP 404')
        self.assertFalse(self._is_shown(other))
        ui.Select(self.field('Show')).select_by_visible_text(
            'Need attention')
        self.click('Power', 'thead button')
        self.wait(lambda browser: 'sort=power' in browser.current_url,
                  'the order')
        # As a reload has it, or a colleague.
        self.open(self.browser.current_url.partition('#/')[2])
        self.await_text('tbody', host)
        self.assertFalse(self._is_shown(other))
        self.assertEqual('attention', self.field('Show').get_attribute(
            'value'))
        self.assertEqual('imagenotfound', self.find(
            'input[type="search"]').get_attribute('value'))
        self.assertIn('sort=power', self.browser.current_url)

    def test_a_console_of_ironic_is_asked_for_by_a_button(self):
        host = self.node()
        self.stack.ironic.call('PATCH', f'/v1/nodes/{host}', [
            {'op': 'add', 'path': '/console_interface', 'value': 'fake'}])
        self.stack.ironic.call('PUT', f'/v1/nodes/{host}/states/console',
                               {'enabled': True})
        process.await_condition(
            lambda: self.stack.ironic.get(f'/v1/nodes/{host}')[
                'console_enabled'], 'the console', timeout=boot_page.WAIT)
        self.open(f'hosts/default/{host}')
        self.click('Ask for its address', 'dialog button')
        # The console of fake hardware has none.
        self.await_text('dialog', 'console: Ironic does not say where it is.')

    def test_an_address_opens_one_host(self):
        host = self.node()
        self.open(f'hosts/default/{host}')
        self.assertEqual(host, self.find('dialog').accessible_name)
        self.find('dialog').send_keys(Keys.ESCAPE)
        self.wait(lambda browser: browser.current_url.endswith('#/hosts'),
                  'the address of all hosts')

    def test_many_get_an_iso_after_it_was_shown_what_happens(self):
        config = self.config()
        prefix, iso, live = self.fresh('bulk'), self.iso(config), self.iso()
        names = [f'{prefix}-{number}' for number in range(3)]
        for number, name in enumerate(names):
            self.stack.add_node(name, f'52:54:00:00:03:{number:02x}')
        self.server.assign(names[0], image=iso, bootConfigRef=config)
        self.server.assign(names[1], image=live)
        self.open(f'hosts?q={prefix}')
        self.await_value(f'Config of {names[0]}', config)
        self.await_value(f'ISO of {names[1]}', live)
        self.press('Select all hosts that are found')
        self.await_text('.bulk', '3 hosts selected')
        self.click('Set ISO and config\u2026', '.bulk button')
        ui.Select(self.find('dialog select')).select_by_visible_text(live)
        self.await_text('dialog', f'{live}, was {iso} with {config} \u2013 '
                                  f'loses {config}')
        self.await_text('dialog', 'left as it is: it has that already')
        self.assertEqual(iso, self.server.host(names[0])['spec']['image'])
        self.click('Set ISO and config', 'dialog button')
        self.await_text('dialog', '2 of 2 hosts done.')
        self.click('Close', 'dialog button')
        self.assertEqual([live] * 3, [
            self.server.host(name)['spec']['image'] for name in names])

    def test_what_is_refused_of_many_is_said_host_by_host(self):
        prefix = self.fresh('bulk')
        names = [f'{prefix}-{number}' for number in range(2)]
        for number, name in enumerate(names):
            self.stack.add_node(name, f'52:54:00:00:04:{number:02x}')
        self.open(f'hosts?q={prefix}')
        self.control(f'Select {names[0]}')
        for name in names:
            self.press(f'Select {name}')
        self.click('Switch on\u2026', '.bulk button')
        with self.stack.locked(names[0]):
            self.click('Switch on', 'dialog button')
            self.await_text('dialog', '1 of 2 hosts asked, 1 refused.')
        self.await_text('dialog .failed', 'is locked')
        self.wait(lambda _: self.server.host(names[1])['status']['power']
                  == 'power on', 'the power')

    def test_nothing_looks_live_while_ironic_is_away(self):
        host = self.node()
        self.open()
        self.await_value(f'ISO of {host}', 'localboot')
        self.stack.ironic.stop()
        try:
            self.await_text('#connection.broken', 'As of ')
            self.await_text('#connection', 'Ironic')
            self.find('main.stale')
            # Whoever comes now is told, too.
            self.open_stale()
        finally:
            self.stack.ironic.start()
        self.await_text('#connection', 'Live')

    def open_stale(self):
        """Load the page anew."""
        self.browser.refresh()
        self.await_text('#connection', 'As of ')

    def _is_shown(self, host):
        return host in self.find('tbody').text


class TestAccessibility(boot_page.PageTestCase):
    """What assistive technology is given."""

    _CONTROLS = frozenset({'button', 'link', 'combobox', 'textbox',
                           'searchbox', 'checkbox', 'radio', 'menuitem'})

    def test_every_control_of_every_view_has_a_name(self):
        config = self.config()
        self.node(), self.iso(config)
        for view in ('hosts', 'isos', 'configs', f'configs/{config}'):
            self.open(view)
            self.find('main h1')
            self.wait(lambda _: len(self._names()) > 5, 'the controls')
            self.assertEqual([], [name for name in self._names() if not name])

    def test_a_dialog_has_a_title_and_gives_the_focus_back(self):
        host = self.node()
        self.open()
        self.control(f'Switch on {host}').send_keys(Keys.ENTER)
        dialog = self.find('dialog')
        self.assertEqual(f'Switch on {host}?', dialog.accessible_name)
        self.assertTrue(self.browser.execute_script(
            'return arguments[0].contains(document.activeElement);', dialog))
        self.browser.switch_to.active_element.send_keys(Keys.ESCAPE)
        self.wait(lambda browser: browser.switch_to.active_element
                  .get_attribute('aria-label') == f'Switch on {host}',
                  'the focus')

    def _names(self):
        tree = self.browser.execute_cdp_cmd(
            'Accessibility.getFullAXTree', {})['nodes']
        return [node.get('name', {}).get('value', '').strip()
                for node in tree if not node.get('ignored')
                and node.get('role', {}).get('value') in self._CONTROLS]
