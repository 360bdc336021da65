# SPDX-License-Identifier: Apache-2.0

"""What the page says of hosts in states that take minutes to reach.

Ironic is a stand-in.
"""

from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from tests.journeys import boot_page
from tests.journeys import page_fleet

_RUNNING = page_fleet.RUNNING
# Of what somebody may click upon, what lies below messages.
_COVERED = '''
const box = (each) => each.getBoundingClientRect();
const notices = [...document.querySelectorAll('.notice')].map(box);
return [...document.querySelectorAll('a, button, input, select')]
    .filter((each) => !each.closest('.notice') && !each.matches('.skip')
        && each.checkVisibility())
    .filter((each) => notices.some((notice) => notice.left < box(each).right
        && notice.right > box(each).left && notice.top < box(each).bottom
        && notice.bottom > box(each).top))
    .map((each) => each.ariaLabel ?? each.textContent);
'''


class TestWhatIsSaid(page_fleet.FleetTestCase):
    """Before something is done, and of what was done."""

    def test_a_host_is_rebuilt_after_it_was_said_what_is_lost(self):
        nodes = self.waiting('alone', 1)
        self.open('hosts?q=alone')
        for power, said in (
                (None, 'It is switched on, or restarted, and boots live. '
                       'What runs on it ends, and what the ISO installs may '
                       'overwrite its disks.'),
                ('power on', 'It is restarted, and boots live. What runs on '
                             'it ends, and what the ISO installs may '
                             'overwrite its disks.'),
                ('power off', 'It is switched on, and boots live. What the '
                              'ISO installs may overwrite its disks.')):
            self.known.change(nodes['alone-0'], power_state=power)
            self.await_text('tbody .badge', {
                None: 'Unknown', 'power on': 'On', 'power off': 'Off'}[power])
            self.press('Rebuild alone-0')
            self.await_text('dialog p', said)
            self.find('dialog').send_keys(Keys.ESCAPE)
        self.press('Rebuild alone-0')
        self.find('dialog')
        self.assertEqual({'alone-0': None}, self.targets(nodes))
        self.click('Rebuild', 'dialog button')
        self.await_text('#notices', 'alone-0 is being rebuilt.')
        self.assertEqual({'alone-0': 'rebuild'}, self.targets(nodes))

    def test_a_host_that_runs_loses_its_medium_after_a_word_alone(self):
        nodes = self.waiting('disk', 1)
        self.known.change(nodes['disk-0'], power_state='power on')
        self.open('hosts?q=disk-0')
        self.choose('ISO of disk-0', 'local disk')
        self.press('Save disk-0')
        self.await_text('dialog', 'It has live now: its medium is taken '
                                  'away, even while it runs from it.')
        self.assertEqual('live', self.chosen(nodes['disk-0']))
        self.click('Save', 'dialog button')
        self.await_text('#notices', 'disk-0 has local disk now.')
        self.assertIsNone(self.chosen(nodes['disk-0']))

    def chosen(self, node):
        """Return the ISO that Ironic has for a node."""
        with self.known.lock:
            return self.known.nodes[node]['instance_info'].get('boot_iso')

    def test_only_a_medium_that_is_there_is_said_to_go(self):
        booted = {'iso': 'live', 'mode': 'once'}
        over = {**booted, 'cause': 'report', 'disk_at': 5}
        for name, said, fields in (
                ('off', ' \u2013 its medium is taken away', {}),
                ('asked', ' \u2013 its medium is taken away, even while it '
                          'runs from it',
                 {'power_state': 'power on', 'ext_boot': over}),
                ('lost', ' \u2013 its medium, which is missing, is not put '
                         'back',
                 {'ext_boot': {**booted, 'lost_at': 5, 'error': 'gone'}}),
                ('installed', '', {'power_state': 'power on',
                                   'ext_boot': {**over, 'ended_at': 6}}),
                ('script', '', {'power_state': 'power on',
                                'boot_interface': 'ipxe',
                                'ext_boot': None})):
            self.known.add(f'goes-{name}', **{
                **_RUNNING, 'instance_info': {'boot_iso': 'live'},
                'driver_internal_info': {
                    'ext_boot': fields.pop('ext_boot', booted)}, **fields})
            self.open(f'hosts?q=goes-{name}')
            self.press(f'Select goes-{name}')
            self.click('Boot from the disk\u2026', '.bulk button')
            self.await_text('dialog li', f'goes-{name}')
            self.assertEqual(f'goes-{name} no longer live{said}',
                             self.find('dialog li').text.strip())
            self.find('dialog').send_keys(Keys.ESCAPE)
            # Nor is it asked before.
            if not said:
                self.choose(f'ISO of goes-{name}', 'local disk')
                self.press(f'Save goes-{name}')
                self.await_text('#notices',
                                f'goes-{name} has local disk now.')

    def test_a_host_is_offered_what_its_project_may_use_alone(self):
        for name, spec in (('theirs', {'project': 'theirs',
                                       'shared': False}),
                           ('shared', {'shared': True}),
                           ('open', {'shared': True, 'anyISO': True})):
            self.server.call('POST', '/api/v1/bootconfigs', {
                'metadata': {'name': name}, 'spec': {
                    'format': 'plain', 'data': {'a': 'b'}, **spec}})
            if name != 'open':
                self.add_iso(f'iso-{name}', bootConfigs=[
                    'config', 'open', 'shared', 'theirs'], **spec)
        url = 'https://images.example.com/a.iso'
        for project, usable, by_url, listed in (
                ('', {'iso-shared', 'iso-theirs'},
                 ['config', 'open', 'shared', 'theirs'],
                 ['config', 'open', 'shared', 'theirs']),
                ('theirs', {'iso-shared', 'iso-theirs'}, ['open', 'theirs'],
                 ['config', 'open', 'shared', 'theirs']),
                ('others', {'iso-shared'}, ['open'],
                 ['config', 'open', 'shared'])):
            name = f'of-{project or "nobody"}'
            self.known.add(name, owner=project or None, **{
                **_RUNNING, 'instance_info': {'boot_iso': url}})
            self.open(f'hosts?q={name}')
            # A disk that others have reads what is in a config, too.
            for image, offered in (('\u2026/a.iso', by_url),
                                   ('iso-shared', listed),
                                   ('local disk', by_url)):
                self.choose(f'ISO of {name}', image)
                self.assertEqual(['no config', *offered],
                                 self.options(f'Config of {name}'))
            self.assertEqual(usable, {'iso-shared', 'iso-theirs'} & {
                *self.options(f'ISO of {name}')})
            # What is not offered is what the server refuses.
            for config in ('config', 'open', 'shared', 'theirs'):
                answer = self.server.call(
                    'PATCH', boot_page.HOST + name + '?dryRun=All',
                    {'spec': {'bootConfigRef': config}})
                self.assertEqual(config in by_url, answer.code == 200,
                                 (name, config, answer.text))
            self.press(f'Select {name}')
            self.click('Set ISO and config\u2026', '.bulk button')
            image, config = self.browser.find_elements(
                By.CSS_SELECTOR, 'dialog select')
            boot_page.ui.Select(config).select_by_value('shared')
            self.await_text('dialog li', 'local disk with shared'
                            if not project else 'left as it is: shared does '
                            'not fit: on the host of a project it takes an '
                            'ISO that lists it')
            boot_page.ui.Select(image).select_by_value('iso-theirs')
            self.await_text('dialog li', 'its project may not use iso-theirs'
                            if project == 'others' else
                            'iso-theirs with shared')

    def test_a_host_whose_boot_has_ended_is_rebuilt_alone(self):
        ended = {'ext_boot': {
            'iso': 'live', 'cause': 'report', 'asked_at': 1.0, 'disk_at': 2.0,
            'disk_seen': True, 'ended_at': 3.0}}
        nodes = {name: self.known.add(
            f'again-{name}', instance_info=info, driver_internal_info=ended,
            **{**page_fleet.RUNNING, 'power_state': 'power on'})
            for name, info in (('same', {'boot_iso': 'live'}), ('none', {}))}
        self.open('hosts?q=again')
        self.control('Restart again-none')
        self.assertEqual([], self.browser.find_elements(
            By.CSS_SELECTOR, '[aria-label="Rebuild again-none"]'))
        self.press('Select all hosts that are found')
        self.click('Deploy or rebuild\u2026', '.bulk button')
        self.await_text('dialog', 'This is what happens to 0 of 2 hosts')
        self.browser.switch_to.active_element.send_keys(Keys.ESCAPE)
        self.press('Rebuild again-same')
        self.await_text('dialog', 'It is restarted, and boots live.')
        self.click('Rebuild', 'dialog button')
        self.await_text('#notices', 'again-same is being rebuilt.')
        self.assertEqual({'same': 'rebuild', 'none': None},
                         self.targets(nodes))

    def test_when_a_host_was_installed_is_beside_its_iso(self):
        self.known.add('done-0', instance_info={
            'boot_iso': 'live', 'ext_boot_mode': 'once',
            'ext_boot_completed_at': '2026-11-29T06:59:00+00:00'},
            **_RUNNING)
        self.open('hosts?q=done-0')
        self.await_text('small.once', 'once: installed, reported ')
        self.known.add('done-1', instance_info={
            'boot_iso': 'live', 'ext_boot_mode': 'once',
            'ext_boot_completed_at': 'yesterday'}, **_RUNNING)
        self.click('done-0', 'tbody button')
        self.await_text('dialog dt', 'Reported as installed')
        # The same time in the same words, and the whole of it.
        for place in ('small.once', 'dialog dd'):
            time = self.find(f'{place} time')
            self.assertEqual('Nov 29, 2026, 6:59:00 AM', time.text)
            self.assertEqual('2026-11-29T06:59:00.000Z',
                             time.get_attribute('datetime'))
            self.assertEqual('November 29, 2026 at 6:59:00 AM UTC',
                             time.get_attribute('title'))
        self.find('dialog').send_keys(Keys.ESCAPE)
        # Owners of nodes write what they like.
        self.open('hosts?q=done-1')
        self.await_text('small.once', 'once: installed, reported yesterday')

    def test_messages_cover_nothing_that_could_be_clicked_upon(self):
        for number in range(20):
            self.known.add(f'row-{number:02}', power_state='power on',
                           **_RUNNING)
        self.known.going.add(self.known.add('row-gone', **_RUNNING))
        self.addCleanup(self.browser.execute_cdp_cmd,
                        'Emulation.clearDeviceMetricsOverride', {})
        for width in (1025, 1280, 1920, 390):
            self.browser.execute_cdp_cmd(
                'Emulation.setDeviceMetricsOverride', {
                    'width': width, 'height': 720, 'deviceScaleFactor': 1,
                    'mobile': False})
            self.open('hosts?q=row-')
            self.press('Switch off row-00')
            self.click('Switch off', 'dialog button')
            self.await_text('#notices', 'row-00 is being switched off.')
            if width > 1024:
                self.assertEqual([], self.covered(), width)
            self.browser.execute_script(
                'window.scrollTo(0, document.body.scrollHeight)')
            self.wait(lambda _: not any(
                'row-' in each for each in self.covered()), 'the last rows')
            # Errors stay until they are dismissed.
            self.choose('ISO of row-gone', 'live')
            self.press('Save row-gone')
            self.await_text('#alerts', 'row-gone is not changed')
            self.browser.execute_script(
                'window.scrollTo(0, document.body.scrollHeight)')
            self.wait(lambda _: not any(
                'row-' in each for each in self.covered()), 'the last rows')

    def covered(self):
        """Return what lies below messages."""
        return self.browser.execute_script(_COVERED)
