# SPDX-License-Identifier: Apache-2.0

"""Typing into the search of the page, over many hosts.

    python -m benchmarks.page_search [--hosts 200 5000] [--rounds 5] [--json]

A boot server over a stand-in for Ironic, and Chromium without a window (the
packages chromium and chromium-driver of bindep's profile "test"). Names, MACs
and words that fit many, one and no host are typed and taken back, a character
at a time. What is measured is a keystroke: the processor time of the page's
main thread, in which all is that it takes to find, lay out and draw, and how
long it is from the event to the frame that shows what was found. The second
depends on what else the machine does.
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
const [text, done] = arguments;
const field = document.querySelector('[type=search]');
const frame = () => new Promise((resolve) => requestAnimationFrame(() => {
  const channel = new MessageChannel();
  channel.port1.onmessage = resolve;
  channel.port2.postMessage(0);
}));
(async () => {
  field.value = text;
  await frame();
  const start = performance.now();
  field.dispatchEvent(new Event('input', {bubbles: true}));
  await frame();
  done(performance.now() - start);
})();
'''


@dataclasses.dataclass(frozen=True)
class Result:
    """Milliseconds of keystrokes.

    :ivar processor: of the main thread, the median and the slowest.
    :ivar frame: until it is seen, the median and the slowest.
    """

    hosts: int
    keystrokes: int
    processor: tuple[float, float]
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
        browser.execute_cdp_cmd('Performance.enable',
                                {'timeDomain': 'threadTicks'})
        spent, seen = [], []
        for text in _keystrokes(rounds):
            before = _busy(browser)
            seen.append(browser.execute_async_script(_MEASURE, text))
            spent.append(_busy(browser) - before)
    return Result(hosts, len(seen),
                  (statistics.median(spent), max(spent)),
                  (statistics.median(seen), max(seen)))


def _keystrokes(rounds: int) -> collections.abc.Iterator[str]:
    """Yield what the field has after each."""
    for text in _TYPED * rounds:
        for length in (*range(1, len(text) + 1), *range(len(text))[::-1]):
            yield text[:length]


def _busy(browser: webdriver.WebDriver) -> float:
    """Return the milliseconds that the main thread has worked."""
    metrics = browser.execute_cdp_cmd('Performance.getMetrics', {})['metrics']
    found: float = next(each['value'] for each in metrics
                        if each['name'] == 'TaskDuration')
    return found * 1000


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
    print('hosts  keystrokes  processor ms (slowest)  '
          'seen after ms (slowest)')
    for each in results:
        print(f'{each.hosts:5}  {each.keystrokes:10}  '
              f'{each.processor[0]:12.1f} ({each.processor[1]:.1f})'
              f'  {each.frame[0]:17.1f} ({each.frame[1]:.1f})')


if __name__ == '__main__':
    main()
