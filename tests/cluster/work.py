# SPDX-License-Identifier: Apache-2.0

"""What an operator does with nodes, over and over, whatever is down."""

import collections
import collections.abc
import dataclasses
import random
import threading
import time
import typing
import urllib.error
import uuid

from lab import process
from tests.cluster import evidence
from tests.cluster import reading
from tests.cluster import site as sites

#: In these a node stays by itself.
_RESTING = frozenset(('active', 'available', 'manageable', 'enroll', 'error',
                      'deploy failed', 'clean failed', 'clean wait',
                      'deploy hold'))
#: What leads on: (wanted, state) -> verb.
_VERBS = {
    ('active', 'available'): 'active', ('active', 'deploy failed'): 'active',
    ('active', 'error'): 'deleted',
    ('available', 'active'): 'deleted',
    ('available', 'deploy failed'): 'deleted',
    ('available', 'error'): 'deleted',
    **{(wanted, state): verb for wanted in ('active', 'available')
       for state, verb in (('enroll', 'manage'), ('manageable', 'provide'),
                           ('clean failed', 'manage'),
                           ('clean wait', 'abort'))}}
#: Seconds that a node may take to where it is wanted.
_PATIENCE = 420.0


@dataclasses.dataclass
class Journal:
    """What happened, by all threads.

    :ivar reads: of media; seconds of deploys and undeploys.
    :ivar failures: last_error -> how often.
    """

    reads: list[evidence.Read] = dataclasses.field(default_factory=list)
    seconds: dict[str, list[float]] = dataclasses.field(
        default_factory=lambda: collections.defaultdict(list))
    failures: collections.Counter[str] = dataclasses.field(
        default_factory=collections.Counter)
    stuck: list[str] = dataclasses.field(default_factory=list)


class Machine:
    """A node and its machine: one thread's at a time.

    :ivar argument: what its medium has to have, '' for no medium.
    """

    def __init__(self, site: sites.Site, number: int, journal: Journal
                 ) -> None:
        self.number = number
        self.name = reading.node_name(number)
        self.uuid = str(uuid.uuid4())
        self.argument = ''
        #: URLs of media that it had, and has no more.
        self.ended: collections.deque[str] = collections.deque(maxlen=8)
        self._url = ''
        self._generation = 0
        self._site = site
        self._journal = journal
        self._path = f'/v1/nodes/{self.uuid}'

    def enroll(self) -> None:
        """Make the node and get it available."""
        self._site.persist('POST', '/v1/nodes', {
            'name': self.name, 'uuid': self.uuid, 'driver': 'redfish-ext',
            'boot_interface': 'redfish-iso', 'deploy_interface': 'ramdisk',
            'driver_info': self._site.bmcs.address(self.number),
            'properties': {'capabilities': 'boot_mode:uefi'}}, done=(409,))
        self.reach('available')

    def show(self) -> dict[str, typing.Any]:
        """Return the node as Ironic shows it."""
        shown: dict[str, typing.Any] = self._site.persist(
            'GET', self._path)
        return shown

    def deploy(self) -> None:
        """Deploy it with an argument that none ever had, and read that."""
        if self.argument:
            self.undeploy()
        began = time.monotonic()
        self._generation += 1
        self.argument = reading.argument(self.number, self._generation)
        self._site.persist('PATCH', self._path, [
            {'op': 'add', 'path': '/instance_info', 'value': {
                'boot_iso': f'{self._site.web.url}/images/base.iso',
                'boot_iso_checksum': self._site.checksum,
                'kernel_append_params': f'node={self.argument}'}}])
        self.reach('active')
        self._journal.seconds['deploy'].append(time.monotonic() - began)
        self.read()

    def undeploy(self) -> None:
        """Take its instance away."""
        began = time.monotonic()
        self.reach('available')
        self.argument = ''
        if self._url:
            self.ended.append(self._url)
            self._url = ''
        self._journal.seconds['undeploy'].append(time.monotonic() - began)

    def read(self) -> None:
        """Read what is in its drive."""
        for url in self._site.bmcs.look(self.number).drives.values():
            self._journal.reads.append(self._read(url))

    def _read(self, url: str) -> evidence.Read:
        self._url = url
        found = reading.read(self.name, self.uuid, url, self.argument)
        if found.error:
            # Who takes a node over may put its medium in anew.
            now = self._site.bmcs.look(self.number).drives.values()
            if url not in now and len(now) == 1:
                return self._read(*now)
        return found

    def reach(self, wanted: str) -> None:
        """Get the node to a state, by all that it takes.

        :raises: LabError when it stays elsewhere.
        """
        deadline = time.monotonic() + _PATIENCE
        seen, refused = '', ''
        while time.monotonic() < deadline:
            node = self.show()
            state = node['provision_state']
            if state in _RESTING and not node['reservation']:
                if state == wanted:
                    return
                if 'failed' in state and seen != state:
                    self._journal.failures[_short(node['last_error'])] += 1
                verb = _VERBS.get((wanted, state))
                refused = (self._ask(verb) if verb
                           else f'nothing leads on from {state}')
            seen = state
            time.sleep(1)
        text = (f'{self.name} is {seen}, not {wanted}, after '
                f'{_PATIENCE:.0f} s; {refused}')
        self._journal.stuck.append(text)
        raise process.LabError(text)

    def _ask(self, verb: str) -> str:
        """Ask for a state once; return why not."""
        body: dict[str, object] = {'target': verb}
        if verb == 'active':
            body['configdrive'] = {
                'meta_data': {'uuid': self.uuid, 'name': self.name},
                'user_data': self.argument}
        try:
            self._site.call('PUT', f'{self._path}/states/provision', body)
        except urllib.error.HTTPError as exc:
            with exc:
                return f'{verb}: {exc.code} {exc.read().decode()[:300]}'
        except (OSError, ValueError) as exc:
            return f'{verb}: {exc}'
        return ''


def _short(error: str | None) -> str:
    """Return an error without what is different each time."""
    words = [word for word in (error or 'nothing says why').split()
             if not any(map(str.isdigit, word))]
    return ' '.join(words)[:160]


def in_parallel(machines: collections.abc.Sequence[Machine],
                work: collections.abc.Callable[[Machine], None],
                journal: Journal) -> None:
    """Do something with all machines at once; what fails is on record."""
    def one(machine: Machine) -> None:
        try:
            work(machine)
        except (process.LabError, OSError) as exc:
            if not any(str(exc) in text for text in journal.stuck):
                journal.stuck.append(f'{machine.name}: {exc}')

    threads = [threading.Thread(target=one, args=(machine,), daemon=True)
               for machine in machines]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def cycle_until(stop: threading.Event, seed: int
                ) -> collections.abc.Callable[[Machine], None]:
    """Return work: deploys and undeploys until it is enough."""
    def work(machine: Machine) -> None:
        chance = random.Random(f'{seed} {machine.number}')
        while not stop.is_set():
            machine.deploy()
            stop.wait(chance.uniform(0, 5))
            machine.undeploy()
    return work
