# SPDX-License-Identifier: Apache-2.0

"""Typing into the search of the page, over many hosts.

    python -m benchmarks.page_search [--hosts 200 5000] [--rounds 5] [--json]

A boot server over a stand-in for Ironic, and Chromium without a window (the
packages chromium and chromium-driver of bindep's profile "test"). Names, MACs
and words that fit many, one and no host are typed and taken back, a character
at a time. What is measured is a keystroke: from the event to the frame that
shows what was found, as the browser's own clock has it.
"""

import argparse
import collections.abc
import contextlib
import dataclasses
import json
import statistics

from selenium.webdriver.remote import webdriver

from tests import boot_server
from tests import ironic_stand_in
from tests.journeys import boot_page

_TYPED = ('server01', '52-54-00-00-0a', 'active', 'nothing', 'iso7 on')
_MEASURE = '''
const [texts, rounds, done] = arguments;
const field = document.querySelector('[type=search]');
const frame = () => new Promise((resolve) => requestAnimationFrame(() => {
  const channel = new MessageChannel();
  channel.port1.onmessage = resolve;
  channel.port2.postMessage(0);
}));
(async () => {
  const scripts = [], frames = [];
  for (let round = 0; round < rounds; round += 1) {
    for (const text of texts) {
      const most = 2 * text.length;
      for (let length = 1; length <= most; length += 1) {
        field.value = text.slice(0, Math.min(length, most - length));
        await frame();
        const start = performance.now();
        field.dispatchEvent(new Event('input', {bubbles: true}));
        scripts.push(performance.now() - start);
        await frame();
        frames.push(performance.now() - start);
      }
    }
  }
  done([scripts, frames]);
})();
'''


@dataclasses.dataclass(frozen=True)
class Result:
    """Milliseconds of keystrokes.

    :ivar script: of the page's own work, the median and the slowest.
    :ivar frame: until it is seen, the median and the slowest.
    """

    hosts: int
    keystrokes: int
    script: tuple[float, float]
    frame: tuple[float, float]


def _measure(browser: webdriver.WebDriver, hosts: int, rounds: int) -> Result:
    with contextlib.ExitStack() as stack:
        ironic = stack.enter_context(ironic_stand_in.IronicStandIn())
        ironic.known.fill(hosts)
        server = stack.enter_context(
            boot_server.BootServer(ironic.url)).process
        browser.get(f'{server.url}/?{hosts}#/hosts')
        boot_page.ui.WebDriverWait(browser, boot_page.WAIT).until(
            lambda _: f'{hosts:,} hosts' in browser.execute_script(
                'return document.querySelector(".bar")?.innerText ?? ""'))
        scripts, frames = browser.execute_async_script(
            _MEASURE, _TYPED, rounds)
    return Result(hosts, len(frames), (statistics.median(scripts),
                                       max(scripts)),
                  (statistics.median(frames), max(frames)))


def main(given: collections.abc.Sequence[str] | None = None) -> None:
    """Measure, and print a row for each number of hosts."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--hosts', type=int, nargs='+', default=[200, 5000])
    parser.add_argument('--rounds', type=int, default=5)
    parser.add_argument('--json', action='store_true')
    arguments = parser.parse_args(given)
    browser = boot_page.start_browser()
    try:
        browser.set_script_timeout(600)
        results = [_measure(browser, hosts, arguments.rounds)
                   for hosts in arguments.hosts]
    finally:
        browser.quit()
    if arguments.json:
        print(json.dumps([dataclasses.asdict(each) for each in results]))
        return
    print('hosts  keystrokes  script ms (slowest)  seen after ms (slowest)')
    for each in results:
        print(f'{each.hosts:5}  {each.keystrokes:10}  '
              f'{each.script[0]:9.1f} ({each.script[1]:.1f})'
              f'  {each.frame[0]:17.1f} ({each.frame[1]:.1f})')


if __name__ == '__main__':
    main()
