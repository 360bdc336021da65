# SPDX-License-Identifier: Apache-2.0

"""One run of a site: work, kills, rest, and what is wrong then."""

import collections
import collections.abc
import dataclasses
import pathlib
import statistics
import tempfile
import threading
import time

from lab import process
from tests.cluster import chaos
from tests.cluster import collect
from tests.cluster import judge
from tests.cluster import reading
from tests.cluster import site as sites
from tests.cluster import watch
from tests.cluster import work

#: Seconds in which what was left by the dead is to be gone.
_REST = 240.0


@dataclasses.dataclass
class Report:
    """What a run did and found.

    :ivar seconds: of each part.
    :ivar left_out: why a scenario was not there.
    :ivar tolerated: what Ironic itself does wrong.
    :ivar findings: of the judge, by the moment.
    """

    seed: int
    nodes: int
    seconds: dict[str, float] = dataclasses.field(default_factory=dict)
    deploys: int = 0
    slowest: float = 0.0
    median: float = 0.0
    reads: int = 0
    failures: dict[str, int] = dataclasses.field(default_factory=dict)
    kills: dict[str, int] = dataclasses.field(default_factory=dict)
    left_out: list[str] = dataclasses.field(default_factory=list)
    tolerated: list[str] = dataclasses.field(default_factory=list)
    findings: list[str] = dataclasses.field(default_factory=list)

    def text(self) -> str:
        """Return it for people."""
        lines = [f'seed {self.seed}, {self.nodes} nodes']
        lines += [f'{name}: {took:.0f} s'
                  for name, took in self.seconds.items()]
        lines.append(f'{self.deploys} deploys, median {self.median:.0f} s, '
                     f'slowest {self.slowest:.0f} s; {self.reads} media '
                     'read whole')
        lines.append('kills: ' + (', '.join(
            f'{name} {count}' for name, count
            in sorted(self.kills.items())) or 'none'))
        lines += [f'failed {count} times: {what}'
                  for what, count in self.failures.items()]
        lines += [f'left out: {why}' for why in self.left_out]
        lines += [f'Ironic\'s own: {what}' for what in self.tolerated]
        lines += self.findings or ['nothing is wrong']
        return '\n'.join(lines)


class Trial:
    """A run on a site that is up."""

    def __init__(self, site: sites.Site, tell: collections.abc.Callable[
            [str], None] = lambda _text: None) -> None:
        self.site = site
        self.tell = tell
        self.journal = work.Journal()
        self.machines = [work.Machine(site, number, self.journal)
                         for number in range(site.size.nodes)]
        self.report = Report(site.seed, site.size.nodes)
        self.references: set[str] = set()

    def part(self, name: str, run: collections.abc.Callable[[], None]
             ) -> None:
        """Do one part of the run; note how long, and what fails in it."""
        self.tell(f'{name}...')
        began = time.monotonic()
        try:
            run()
        except process.LabError as exc:
            # What follows is to tell of what is left.
            self.report.findings.append(f'{name}: {exc}')
        took = time.monotonic() - began
        self.report.seconds[name] = took
        self.tell(f'{name}: {took:.0f} s')

    def leave_out(self, why: str) -> None:
        """Note that a scenario cannot be had here."""
        self.tell(why)
        self.report.left_out.append(why)

    def operator(self) -> watch.Operator:
        """Return somebody who does what Ironic leaves to operators."""
        def note(what: str) -> None:
            self.tell(what)
            self.report.tolerated.append(what)

        def restart(conductor: str) -> None:
            try:
                self.site.restart_conductor(conductor)
            except process.LabError as exc:
                self.report.findings.append(f'operator: {exc}')

        return watch.Operator(self.site.nodes, restart, note)

    def together(self, run: collections.abc.Callable[[work.Machine], None],
                 machines: collections.abc.Sequence[work.Machine] = ()
                 ) -> None:
        """Do something with machines at once, by default with all."""
        work.in_parallel(machines or self.machines, run, self.journal)

    def begin(self) -> None:
        """Make the nodes, and find out what a good medium is like."""
        self.part('enroll', lambda: self.together(work.Machine.enroll))
        first = self.machines[-1]
        self.part('first deploy', lambda: self.refer_to(first))

    def refer_to(self, machine: work.Machine) -> None:
        """Deploy a machine whose medium is looked into: it is a good one.

        :raises: LabError, AssertionError when it is not.
        """
        before = len(self.journal.reads)
        self.together(work.Machine.deploy, [machine])
        if len(self.journal.reads) == before:
            raise process.LabError('there is no first medium: '
                                   + '; '.join(self.journal.stuck))
        read = self.journal.reads[before]
        if read.error:
            raise process.LabError(f'the first medium: {read.error}')
        with tempfile.TemporaryDirectory() as folder:
            reading.require_injected(
                reading.fetch(read.url), self.site.base, machine.argument,
                pathlib.Path(folder))
        self.references.add(read.digest)

    def kill(self, seconds: float) -> None:
        """Deploy and undeploy all the time, and kill what serves that."""
        stop = threading.Event()
        killer = chaos.Killer(
            self.site, chaos.plan(list(self.site.services), seconds,
                                  self.site.seed), self.tell)
        worker = threading.Thread(target=self.together, daemon=True, args=(
            work.cycle_until(stop, self.site.seed),))
        worker.start()
        try:
            killer.run()
        finally:
            stop.set()
            worker.join()
        self.report.kills = dict(collections.Counter(
            chaos.kind(name) for name, _seconds in killer.done))
        self.report.findings += killer.failed

    def rest(self, name: str, folders: collections.abc.Sequence[str]
             = collect.ALL) -> None:
        """Wait until nothing is wrong, and note what still is.

        :param folders: of hosts, in which nothing is to be left.
        """
        self.site.bmcs.calm()
        deadline = time.monotonic() + _REST
        while True:
            found = judge.judge(collect.collect(
                self.site, self.machines, self.references,
                self.journal.reads, folders))
            if not found or time.monotonic() > deadline:
                break
            self.tell(f'{len(found)} things to be put right, such as '
                      f'{found[0]}')
            time.sleep(5)
        self.report.findings += [f'{name}: {each}' for each in found]
        # Bad bytes are told once.
        self.journal.reads = [read for read in self.journal.reads if not any(
            each.kind is judge.Kind.BYTES and each.where == read.node
            for each in found)]

    def end(self) -> None:
        """Judge a site with half of its nodes active, and one with none."""
        self.part('half of the nodes active', self._half)
        self.part('all nodes available', self._none)
        self._count()

    def _half(self) -> None:
        self.together(work.Machine.deploy, self.machines[::2])
        self.together(work.Machine.undeploy, self.machines[1::2])
        self.rest('half active', collect.AT_ONCE)

    def _none(self) -> None:
        self.together(work.Machine.undeploy)
        self._restart_media_servers()
        self.rest('all available')

    def _restart_media_servers(self) -> None:
        # They remove what is over when they start, and every ten minutes.
        restarts = [threading.Thread(target=self.site.restart, args=(name,))
                    for name in self.site.named('m')]
        for thread in restarts:
            thread.start()
        for thread in restarts:
            thread.join()

    def _count(self) -> None:
        report, journal = self.report, self.journal
        deploys = journal.seconds['deploy']
        report.deploys = len(deploys)
        report.slowest = max(deploys, default=0.0)
        report.median = statistics.median(deploys) if deploys else 0.0
        report.reads = len(journal.reads)
        report.failures = dict(journal.failures)
        report.findings += [f'stuck: {text}' for text in journal.stuck]
        report.findings += self.site.unhandled()
