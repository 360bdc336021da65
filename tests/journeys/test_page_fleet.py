# SPDX-License-Identifier: Apache-2.0

"""The page over many hosts, some of which wait for a deployment.

Ironic is a stand-in: thousands of nodes, in states that take minutes to
reach. Whether assistive technology can use what is shown is judged by
axe-core.
"""

import collections
import pathlib
import sys

from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from tests import isos
from tests.journeys import boot_page
from tests.journeys import page_fleet

_RUNNING = page_fleet.RUNNING
# Of "make setup".
_AXE = pathlib.Path(sys.prefix, 'axe/axe_playwright_python/axe.min.js')
_VIOLATIONS = '''
const done = arguments[arguments.length - 1];
axe.run(document, {resultTypes: ['violations']}).then(
    (found) => done(found.violations.map((each) => [each.id, each.help,
        ...each.nodes.map((node) => node.html)])), (error) => done([error]));
'''
# Of the text of a select, and what is there beside its arrow.
_ROOM = '''
const [select] = arguments;
const style = getComputedStyle(select);
const text = document.createElement('span');
text.style.font = style.font;
text.style.whiteSpace = 'nowrap';
text.style.position = 'absolute';
text.textContent = select.selectedOptions[0].text;
document.body.append(text);
const needed = text.getBoundingClientRect().width;
text.remove();
return [needed, select.clientWidth - parseFloat(style.paddingLeft)
        - parseFloat(style.paddingRight) - 16];
'''
_SIDEWAYS = '''
const {scrollWidth, clientWidth} = document.documentElement;
return scrollWidth - clientWidth;
'''


class TestFleet(page_fleet.FleetTestCase):
    """With the page of a server that has many hosts."""

    hosts = 5000

    def violations(self):
        """Return what axe-core has against what is shown."""
        if not self.browser.execute_script('return !!window.axe'):
            self.browser.execute_script(_AXE.read_text())
        return self.browser.execute_async_script(_VIOLATIONS)

    def test_a_host_that_ironic_would_not_deploy_is_not_offered_it(self):
        for state in ('manageable', 'available'):
            self.known.add(f'early-{state}', **{
                **_RUNNING, 'provision_state': state},
                instance_info={'boot_iso': 'live'})
        self.open('hosts?q=early')
        self.control('Deploy early-available')
        self.assertEqual([], self.browser.find_elements(
            By.CSS_SELECTOR, '[aria-label="Deploy early-manageable"]'))
        self.find('tbody small', 'to deploy it, provide it first')
        self.press('Select all hosts that are found')
        self.click('Deploy or rebuild\u2026', '.bulk button')
        self.await_text('dialog', 'This is what happens to 1 of 2 hosts:')
        self.await_text('dialog', 'it has to be made available first')

    def test_the_end_of_a_url_is_seen_where_there_is_little_room(self):
        self.known.add(
            'narrow', provision_state='deploy failed',
            last_error='The ISO https://images.example.com/some/long/path/'
                       'that/does/not/end/fedora-42-x86_64.iso is not there')
        self.open('hosts?q=narrow')
        note = self.find('button.error-text')
        self.assertIn('x86_64.iso is not there', note.text)
        # Nothing of it is cut off below.
        self.assertLessEqual(*(note.get_property(name) for name in (
            'scrollHeight', 'clientHeight')))
        self.browser.execute_cdp_cmd('Emulation.setDeviceMetricsOverride', {
            'width': 390, 'height': 844, 'deviceScaleFactor': 1,
            'mobile': False})
        self.addCleanup(self.browser.execute_cdp_cmd,
                        'Emulation.clearDeviceMetricsOverride', {})
        box, card = (self.browser.execute_script(
            'return arguments[0].getBoundingClientRect().right', each)
            for each in (self.control('Select narrow'),
                         self.find('.hosts tbody tr')))
        self.assertLess(box, card)

    def test_an_iso_by_url_is_told_from_others_by_its_end(self):
        url = 'https://images.example.com/some/long/path/fedora-42.iso'
        self.known.add('by-url', instance_info={'boot_iso': url})
        self.open('hosts?q=by-url')
        control = self.control('ISO of by-url')
        self.assertEqual(
            '\u2026/fedora-42.iso',
            boot_page.ui.Select(control).first_selected_option.text)
        self.assertEqual(url, control.get_attribute('title'))
        self.addCleanup(self.browser.execute_cdp_cmd,
                        'Emulation.clearDeviceMetricsOverride', {})
        # The longest names show their ends, and all of them.
        self.known.add('by-url-of-a-long-name', power_state=None,
                       instance_info={'boot_iso': url.replace(
                           '42', 'server-42-installer-x86_64')}, **_RUNNING)
        for width in (1200, 1280):
            self.browser.execute_cdp_cmd(
                'Emulation.setDeviceMetricsOverride', {
                    'width': width, 'height': 500, 'deviceScaleFactor': 1,
                    'mobile': False})
            for name in ('by-url', 'by-url-of-a-long-name'):
                needed, there = self.browser.execute_script(
                    _ROOM, self.control(f'ISO of {name}'))
                self.assertLessEqual(needed, there, (name, width))
        self.assertEqual(
            '\u2026aller-x86_64.iso', boot_page.ui.Select(self.control(
                'ISO of by-url-of-a-long-name')).first_selected_option.text)

    def test_nothing_is_beside_a_window_of_any_width(self):
        nodes = self.waiting('wide-rack00-server', 3)
        # As many buttons as a row can have, and the longest words.
        for number, fields in enumerate((
                {'power_state': 'power on'}, {'power_state': None},
                {'provision_state': 'deploy failed', 'last_error':
                 'Timeout reached while cleaning the node. Please check if '
                 'the ramdisk is running on it'})):
            self.known.change(nodes[f'wide-rack00-server-{number}'],
                              **fields)
        self.open('hosts?q=wide')
        self.await_text('tbody', 'Timeout reached')
        self.await_text('tbody', 'Unknown')
        self.control('Rebuild wide-rack00-server-0')
        self.addCleanup(self.browser.execute_cdp_cmd,
                        'Emulation.clearDeviceMetricsOverride', {})
        for width in (390, 1024, 1025, 1200, 1280):
            self.browser.execute_cdp_cmd(
                'Emulation.setDeviceMetricsOverride', {
                    'width': width, 'height': 500, 'deviceScaleFactor': 1,
                    'mobile': False})
            self.assertEqual(0, self.browser.execute_script(_SIDEWAYS),
                             width)
        # Names have the room, and not the columns beside them.
        for label in ('ISO', 'Config'):
            self.assertGreater(self.find(
                f'td[data-label="{label}"] select').rect['width'], 150)

    def test_many_are_rebuilt_but_those_that_need_not(self):
        nodes = self.waiting('many', 2)
        self.known.change(nodes['many-1'], power_state='power on')
        self.known.add('many-other', **_RUNNING)
        self.open('hosts?q=many')
        self.control('Select many-other')
        self.press('Select all hosts that are found')
        self.click('Deploy or rebuild\u2026', '.bulk button')
        self.await_text('dialog', 'This is what happens to 2 of 3 hosts:')
        for name, starts in (('many-0', 'switched on'),
                             ('many-1', 'restarted')):
            self.await_text('dialog li', f'{name} is rebuilt: it is {starts}, '
                            'boots live, and may lose what its disks have')
        self.assertEqual({None}, set(self.targets(nodes).values()))
        self.click('Deploy or rebuild', 'dialog button')
        self.await_text('dialog', '2 of 2 hosts begun.')
        self.click('Close', 'dialog button')
        self.assertEqual({'rebuild'}, set(self.targets(nodes).values()))

    def test_who_stops_is_told_what_was_begun_and_what_was_not(self):
        nodes = self.waiting('stopped', 12)
        self.open('hosts?q=stopped')
        self.control('Select stopped-11')
        self.press('Select all hosts that are found')
        self.click('Deploy or rebuild\u2026', '.bulk button')
        self.await_text('dialog', 'This is what happens to 12 hosts:')
        with self.known.lock:
            # Ironic answers nothing meanwhile.
            self.click('Deploy or rebuild', 'dialog button')
            self.await_text('dialog .result', '\u2026')
            self.find('dialog').send_keys(Keys.ESCAPE)
        self.await_text('dialog', '4 of 12 hosts begun, '
                                  '8 left as they are.')
        shown = [each.text for each in self.browser.find_elements(
            By.CSS_SELECTOR, 'dialog .result')]
        self.assertEqual({'begun': 4, 'left as it is': 8},
                         collections.Counter(shown))
        self.click('Close', 'dialog button')
        self.assertEqual({'rebuild': 4, None: 8}, collections.Counter(
            self.targets(nodes).values()))

    def test_a_host_links_to_its_node_and_its_console(self):
        shown = {'socat': 'tcp://192.0.2.1:8023',
                 'vnc': 'https://vnc.example.com/lite.html?token=x',
                 'hostile': 'javascript:document.title="taken"'}
        nodes = {kind: self.known.add(f'console-{kind}')
                 for kind in (*shown, 'none')}
        for kind, url in shown.items():
            self.known.consoles[nodes[kind]] = {'type': kind, 'url': url}
        for kind, node in nodes.items():
            self.open(f'hosts?q=console-{kind}')
            self.click(f'console-{kind}', 'tbody button')
            self.find('dialog dd', 'Node in Ironic\u2019s API')
            links = {f'https://ironic.example.com/v1/nodes/{node}'}
            self.assertEqual(links, self.links())
            # The one who is at the console stays there until then.
            self.assertNotIn(node, self.known.consoles_asked)
            if kind == 'none':
                self.assertNotIn('Console', self.find('dialog').text)
            else:
                self.click('Ask for its address', 'dialog button')
                self.await_text('dialog', f'{kind}: {shown[kind]}')
                if kind == 'vnc':
                    links.add(shown[kind])
                self.assertEqual(links, self.links())
            self.find('dialog').send_keys(Keys.ESCAPE)

    def test_why_a_console_cannot_be_told_is_said(self):
        node = self.known.add('console-away')
        self.known.consoles[node] = {'type': 'vnc', 'url': 'https://x'}
        self.open('hosts?q=console-away')
        self.click('console-away', 'tbody button')
        self.find('dialog button', 'Ask for its address')
        self.known.going.add(node)
        self.click('Ask for its address', 'dialog button')
        self.await_text('dialog dd', 'Node could not be found')

    def test_the_details_say_what_the_iso_does_by_the_hosts_firmware(self):
        path = '/api/v1/iscsi-cdroms'
        self.server.call('POST', path, {
            'metadata': {'name': 'both'}, 'spec': {'isoFile': 'both.iso'}})
        self.server.call('PUT', f'{path}/both/upload',
                         isos.shared('hybrid').read_bytes(),
                         Content_Type='application/octet-stream')
        for mode, found in (('bios', {'BIOS'}), ('uefi', {'UEFI'}),
                            (None, {'BIOS', 'UEFI'})):
            self.known.add(f'firmware-{mode}', boot_mode=mode,
                           instance_info={'boot_iso': 'both'}, **_RUNNING)
            self.open(f'hosts?q=firmware-{mode}')
            self.click(f'firmware-{mode}', 'tbody button')
            self.await_text('dialog', ' from cd')
            paths = self.find('dialog').text.partition('unattended')[2]
            self.assertEqual(found, {word for word in ('BIOS', 'UEFI')
                                     if word in paths}, mode)
            self.find('dialog').send_keys(Keys.ESCAPE)

    def links(self):
        """Return where the links of the details lead to."""
        return {each.get_attribute('href') for each
                in self.browser.find_elements(By.CSS_SELECTOR, 'dialog a')}

    def test_one_of_thousands_is_found_by_any_word(self):
        self.open()
        self.await_text('.bar', '5,0')
        field = self.browser.find_element(By.CSS_SELECTOR, '[type=search]')
        for typed in ('SERVER4711', '52-54-00-00-12-67'):
            field.clear()
            field.send_keys(typed)
            self.await_text('.bar', '1 of 5,0')
            self.control('Select server4711')
        # And what is typed can be shared.
        self.assertIn('q=52-54-00-00-12-67', self.browser.current_url)

    def test_assistive_technology_can_use_what_is_shown(self):
        self.known.add('failed', provision_state='deploy failed',
                       last_error='Deploy step failed: no such ISO')
        nodes = self.waiting('seen', 2)
        self.known.consoles[nodes['seen-0']] = {
            'type': 'vnc', 'url': 'https://vnc.example.com/'}
        self.browser.set_script_timeout(boot_page.WAIT)
        # Colours and widths do not depend on each other.
        for scheme, width in (('light', 1280), ('dark', 390)):
            self.browser.execute_cdp_cmd('Emulation.setEmulatedMedia', {
                'features': [{'name': 'prefers-color-scheme',
                              'value': scheme}]})
            self.browser.set_window_size(width, 900)
            self.addCleanup(self.browser.set_window_size, 1400, 900)
            found = {}
            for view, opener, kind in (
                    ('hosts', None, None),
                    ('hosts?q=failed', 'failed', 'tbody button'),
                    ('hosts?q=seen-0', 'seen-0', 'tbody button'),
                    ('isos', None, None), ('isos', 'live', 'tbody button'),
                    ('isos', 'Add by URL', 'button'),
                    ('configs', None, None),
                    ('configs/config', None, None),
                    ('hosts?q=seen', 'Deploy or rebuild\u2026', 'button')):
                self.open(view)
                if view == 'hosts?q=seen':
                    for name in nodes:
                        self.press(f'Select {name}')
                elif view.startswith('configs/'):
                    self.find('form')
                if opener:
                    self.click(opener, kind)
                    self.find('dialog')
                if opener == 'seen-0':
                    self.click('Ask for its address', 'dialog button')
                    self.await_text('dialog', 'vnc: ')
                if wrong := self.violations():
                    found[view, opener] = wrong
                if opener == 'Add by URL':
                    self.field('Name').send_keys('typed')
                    self.browser.execute_script('location.hash = "#/hosts"')
                    self.await_text('dialog h2', 'Leave without saving?')
                    if wrong := self.violations():
                        found['leave'] = wrong
                    self.click('Stay', 'dialog button')
                if opener:
                    self.find('dialog').send_keys(Keys.ESCAPE)
            self.assertEqual({}, found, (scheme, width))
