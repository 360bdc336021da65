# SPDX-License-Identifier: Apache-2.0

"""A whole run: a site, scenarios and kills in it, and the judge at the end."""

import collections.abc
import contextlib
import functools
import pathlib
import time

from tests.cluster import scenarios
from tests.cluster import site as sites
from tests.cluster import trial as trials


def run(size: sites.Size, seed: int, seconds: float,
        tell: collections.abc.Callable[[str], None],
        chosen: collections.abc.Iterable[str] = (),
        logs: pathlib.Path | None = None) -> trials.Report:
    """Start a site, trouble it, and return what is wrong afterwards.

    :param seconds: of kills.
    :param chosen: scenarios that go before.
    :param logs: where those of the site are kept.
    :raises: SkipTest, LabError when it does not even start.
    """
    tell(f'seed {seed}')
    began = time.monotonic()
    with sites.Site(size, seed) as site, contextlib.ExitStack() as held:
        if logs is not None:
            held.callback(site.keep_logs, logs)
        trial = trials.Trial(site, tell)
        trial.report.seconds['start'] = time.monotonic() - began
        held.enter_context(trial.operator())
        trial.begin()
        for name in chosen:
            scenario = scenarios.all_of_them()[name]
            trial.part(name, functools.partial(scenario, trial))
        if seconds:
            trial.part('kills', lambda: trial.kill(seconds))
        trial.end()
        return trial.report
