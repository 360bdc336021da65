# SPDX-License-Identifier: Apache-2.0

"""The boot server's page in Chromium, in front of a real Ironic.

What the tests of the page share, whatever module they are in.
"""

import atexit
import contextlib
import functools
import itertools
import json
import os
import pathlib
import shutil
import sqlite3
import sys
import tempfile
import unittest
import urllib.request

from selenium.common import exceptions
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.support import ui
import testtools

from lab import bare_metal
from lab import process
from tests import isos

#: Seconds: machines may be busy.
WAIT = 120
_FAKE = """
[DEFAULT]
enabled_bios_interfaces = no-bios
enabled_boot_interfaces = fake
enabled_console_interfaces = no-console,fake
enabled_deploy_interfaces = fake
enabled_management_interfaces = fake
enabled_power_interfaces = fake
enabled_vendor_interfaces = no-vendor
"""
_CONFIG = """\
[DEFAULT]
use_stderr = true
[ext_server]
hosts_file =
auth_strategy = noauth
host_ip = 127.0.0.1
port = {port}
poll_interval = 1
resync_interval = 10
token_key_file = {directory}/keys
[ext_ironic]
auth_type = none
endpoint_override = {ironic}
[ext_catalog]
connection = sqlite:///{directory}/catalog.sqlite
iso_dir = {directory}/isos
[ext_images]
cache_dir = {directory}/images
[oslo_concurrency]
lock_path = {directory}/server-locks
"""
# In the browser at once: a table has hundreds of elements, and each question
# to one of them is a request.
_FIND = '''
const [selector, text] = arguments;
return Array.from(document.querySelectorAll(selector)).find(each =>
    each.checkVisibility({visibilityProperty: true}) &&
    (text === null || each.innerText.trim() === text)) ?? null;
'''
_HAS_TEXT = '''
const [selector, text] = arguments;
return Array.from(document.querySelectorAll(selector)).some(each =>
    each.innerText.includes(text));
'''
_GOES_BACK = '''
return /^#\\/hosts\\/[^?]*\\//.test(location.hash)
    && document.querySelector('dialog[open]') === null;
'''
_NO_QUESTION = 'BeforeUnloadEvent.prototype.preventDefault = () => {};'
IGNITION = '{"ignition": {"version": "3.4.0"}}'
HOST = '/api/v1/namespaces/default/baremetalhosts/'


class BootServer(process.Service):
    """The boot server, without authentication."""

    def __init__(self, directory: pathlib.Path, ironic: str) -> None:
        super().__init__('boot-server', directory)
        self.port = process.free_port()
        self.url = f'http://127.0.0.1:{self.port}'
        (directory / 'isos').mkdir()
        (directory / 'server.conf').write_text(_CONFIG.format(
            port=self.port, directory=directory, ironic=ironic))

    def command(self):
        return [sys.executable, '-c', 'import sys\n'
                'from ironic_ext.cli import boot_server\n'
                'sys.exit(boot_server.main())',
                '--config-file', str(self.directory / 'server.conf')]

    def environment(self):
        return {**super().environment(), 'PYTHONPATH': str(
            pathlib.Path(__file__).parents[2])}

    def is_ready(self):
        try:
            self.call('GET', '/api/v1/baremetalhosts')
        except OSError:
            return False
        return True

    def call(self, method, path, body=None, kind='application/json',
             **headers):
        """Send a request as another operator would; return the answer."""
        request = urllib.request.Request(
            self.url + path, method=method,
            headers={'Content-Type': kind, **headers},
            data=body if isinstance(body, bytes | None)
            else json.dumps(body).encode())
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)

    def host(self, name):
        return self.call('GET', HOST + name)

    def assign(self, name, **spec):
        return self.call('PATCH', HOST + name, {'spec': spec})


class Stack:
    """Ironic with some nodes, the boot server with ISOs and configs."""

    def __init__(self):
        self._resources = contextlib.ExitStack()
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix='page-'))
        self._resources.callback(shutil.rmtree, self.directory,
                                 ignore_errors=True)
        try:
            self._start()
        except BaseException:
            self.stop()
            raise

    def stop(self):
        self._resources.close()

    def _start(self):
        folder = self.directory / 'ironic'
        folder.mkdir()
        self.ironic = bare_metal.Ironic(
            folder, http_root=folder, http_url='http://127.0.0.1:1',
            images=folder, hardware_types='fake-hardware',
            boot_interfaces='fake', extra=_FAKE)
        self.ironic.create_schema()
        self._run(self.ironic)
        self.server = BootServer(self.directory, self.ironic.url)
        self._run(self.server)

    def _run(self, service):
        service.start()
        self._resources.callback(service.stop)

    def add_node(self, name, mac):
        """Enroll a node that is switched off."""
        node = json.loads(self.ironic.call('POST', '/v1/nodes', {
            'name': name, 'driver': 'fake-hardware'}))['uuid']
        self.ironic.call('POST', '/v1/ports', {
            'address': mac, 'node_uuid': node})
        self.ironic.call('PUT', f'/v1/nodes/{node}/states/power',
                         {'target': 'power off'})
        process.await_condition(
            lambda: self._power(name) == 'power off',
            f'{name} to be known', timeout=WAIT)

    def _power(self, name):
        try:
            return self.server.host(name)['status']['power']
        except OSError:
            return None

    @contextlib.contextmanager
    def locked(self, name):
        """Hold the lock of a node, as a conductor at work does."""
        with contextlib.closing(sqlite3.connect(
                self.ironic.directory / 'ironic.sqlite')) as database:
            for holder in ('somebody', None):
                database.execute('UPDATE nodes SET reservation = ? '
                                 'WHERE name = ?', (holder, name))
                database.commit()
                if holder:
                    yield

    def add_config(self, name, file='config.ign', text=IGNITION, **spec):
        self.server.call('POST', '/api/v1/bootconfigs', {
            'metadata': {'name': name}, 'spec': {
                'format': 'ignition', 'data': {file: text}, **spec}})

    def add_iso(self, name, *configs):
        """Add an ISO with its content."""
        self.server.call('POST', '/api/v1/iscsi-cdroms', {
            'metadata': {'name': name}, 'spec': {
                'isoFile': f'{name}.iso', 'bootConfigs': list(configs)}})
        self.server.call(
            'PUT', f'/api/v1/iscsi-cdroms/{name}/upload',
            iso_file().read_bytes(), 'application/octet-stream')


def iso_file() -> pathlib.Path:
    """Return a small ISO that boots."""
    return isos.shared('isolinux_bios')


class Browser(webdriver.Chrome):
    """Chromium with a directory of its own for what it leaves."""

    def __init__(self, options, driver):
        # A browser that is ended does not clear up.
        self._folder = tempfile.TemporaryDirectory(
            prefix='browser-', ignore_cleanup_errors=True)
        super().__init__(options, webdriver.ChromeService(
            driver, env={**os.environ, 'TMPDIR': self._folder.name}))

    def quit(self):
        super().quit()
        self._folder.cleanup()


def start_browser():
    """Start Chromium without a window; SkipTest where there is none."""
    driver = shutil.which('chromedriver')
    if driver is None or shutil.which('chromium') is None:
        raise unittest.SkipTest('install the Debian packages chromium and '
                                'chromium-driver')
    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which('chromium')
    for argument in ('--headless=new', '--disable-dev-shm-usage',
                     '--disable-gpu', '--window-size=1400,900',
                     *(['--no-sandbox'] if os.geteuid() == 0 else [])):
        options.add_argument(argument)
    options.set_capability('goog:loggingPrefs', {'browser': 'ALL'})
    # What the browser asks for in a window of its own is answered by it.
    options.enable_bidi = True
    return Browser(options, driver)


@functools.cache
def shared_browser():
    """Return the browser of this process, which ends with it."""
    browser = start_browser()
    atexit.register(browser.quit)
    return browser


@functools.cache
def start():
    """Start what tests in this process share: the slowest part of them."""
    PageTestCase.browser = shared_browser()
    PageTestCase.stack = Stack()
    atexit.register(PageTestCase.stack.stop)
    PageTestCase.server = PageTestCase.stack.server


class PageTestCase(testtools.TestCase):
    """With the page of a server that the tests of a module share."""

    numbers = itertools.count(1)

    def setUp(self):
        super().setUp()
        self.addCleanup(self._require_clean_console)

    def _require_clean_console(self):
        """Refuse what the security policy stopped, and script errors."""
        wrong = [entry['message'] for entry in self.browser.get_log('browser')
                 if entry['level'] == 'SEVERE'
                 and entry['source'] != 'network']
        self.assertEqual([], wrong)

    def fresh(self, kind):
        """Return a name that no other test has."""
        return f'{kind}-{next(self.numbers)}'

    def node(self):
        name = self.fresh('server')
        number = int(name.rpartition('-')[2])
        self.stack.add_node(name, f'52:54:00:00:00:{number:02x}')
        return name

    def config(self, **spec):
        name = self.fresh('config')
        self.stack.add_config(name, **spec)
        return name

    def iso(self, *configs):
        name = self.fresh('iso')
        self.stack.add_iso(name, *configs)
        return name

    def open(self, view='hosts'):
        """Load the page anew."""
        # Details that were closed go back, and that would end the loading.
        self.wait(lambda browser: not browser.execute_script(_GOES_BACK),
                  'the address of what is shown')
        # What the test before left unsaved: the driver answers the browser's
        # question some time after the new page was said to be there.
        self.browser.execute_script(_NO_QUESTION)
        # By another URL. To go by an empty page starts another process.
        self.browser.get(
            f'{self.server.url}/?{next(self.numbers)}#/{view}')
        self.await_text('#connection', 'Live')

    def find(self, selector, text=None):
        """Return an element, waiting until it is there."""
        return self.wait(
            lambda browser: browser.execute_script(_FIND, selector, text),
            f'{selector} {text or ""}')

    def wait(self, condition, what):
        return ui.WebDriverWait(
            self.browser, WAIT, poll_frequency=0.1, ignored_exceptions=[
                exceptions.StaleElementReferenceException]).until(
                    condition, f'in vain for {what}')

    def await_text(self, selector, text):
        """Wait until an element has a text in it."""
        self.wait(lambda browser: browser.execute_script(
            _HAS_TEXT, selector, text), f'{selector} with "{text}"')

    def control(self, label):
        """Return the control of an accessible name."""
        return self.find(f'[aria-label="{label}"]')

    def press(self, label):
        """Click the control of an accessible name.

        Its row may be drawn anew in that moment.
        """
        self.wait(lambda _: [self.control(label).click()], label)

    def field(self, label):
        """Return the control of a visible label."""
        found = self.find('label', label)
        return self.browser.find_element(
            By.ID, found.get_attribute('for'))

    def choose(self, label, value):
        self.wait(lambda _: value in self.options(label) and [ui.Select(
            self.control(label)).select_by_visible_text(value)], value)

    def options(self, label):
        return self.browser.execute_script(
            'return Array.from(arguments[0].options, each => each.text);',
            self.control(label))

    def await_value(self, label, value):
        self.wait(lambda _: self.control(label).get_attribute('value')
                  == value, f'{label} to be {value}')

    def click(self, text, selector='button'):
        self.wait(lambda _: [self.find(selector, text).click()], text)
