# SPDX-License-Identifier: Apache-2.0

"""The BMCs of a site: emulators of machines that boot nothing.

Conductors reach them by proxies, of which one misbehaves and any can be cut
off; what is judged is asked for behind those.
"""

import collections.abc
import contextlib
import json
import pathlib
import random
import threading
import typing
import urllib.request

from lab.bmc import fault_proxy
from tests.cluster import evidence
from tests.functional import fake_emulator

_DRIVES = ('Cd', 'Cd2', 'Usb')
#: What a bad BMC says now and then to a request of that method.
_MOODS = {'GET': (500, 503), 'POST': (500, 503), 'PATCH': (500,)}


class MoodyProxy(fault_proxy.FaultProxy):
    """A BMC that fails some requests, by chance; and may be out of reach.

    :param share: of the requests that fail.
    """

    def __init__(self, target: str, share: float, seed: int) -> None:
        super().__init__(target)
        self._share = share
        self._chance = random.Random(seed)
        self._way = threading.Event()
        self._way.set()
        self._moods_lock = threading.Lock()

    def cut(self) -> None:
        """Be out of reach: requests hang, as packets that are dropped."""
        self._way.clear()

    def join(self) -> None:
        """Be within reach again; what hung is lost."""
        self._way.set()

    def handle(self, request: fault_proxy.Request, headers: dict[str, str]
               ) -> tuple[int, list[tuple[str, str]], bytes]:
        """Answer one request: status, headers, body."""
        if not self._way.is_set():
            self._way.wait()
            return 504, [], b''
        with self._moods_lock:
            fails = self._chance.random() < self._share
            status = self._chance.choice(
                _MOODS.get(request.method, (500,)))
        if fails:
            return status, [], b''
        answer = super().handle(request, headers)
        # Nobody looks at those on record, and they are many.
        self.clear()
        return answer

    def calm(self) -> None:
        """Fail no more."""
        self._share = 0.0


class Bmcs:
    """All of them, by emulators that share the machines.

    :param count: how many machines.
    :param moody: how many of the first machines misbehave.
    """

    def __init__(self, directory: pathlib.Path, count: int, moody: int,
                 seed: int) -> None:
        self.emulators = []
        for number in (1, 2):
            folder = directory / f'e{number}'
            folder.mkdir()
            self.emulators.append(fake_emulator.FakeEmulator(
                folder, (count + 1) // 2, 'Off'))
        self.proxies = {
            (index, share): MoodyProxy(emulator.url, share, seed + index)
            for index, emulator in enumerate(self.emulators)
            for share in (0.0, 0.05)}
        #: By number of the machine: emulator and system.
        self.systems = [
            (number % 2, self.emulators[number % 2].new_system())
            for number in range(count)]
        self._moody = moody

    def start(self) -> None:
        """Start all."""
        for emulator in self.emulators:
            emulator.start()
        for proxy in self.proxies.values():
            proxy.start()

    def stop(self) -> None:
        """Stop all."""
        for proxy in self.proxies.values():
            proxy.join()
            proxy.stop()
        for emulator in self.emulators:
            emulator.stop()

    def calm(self) -> None:
        """Let none misbehave from now on."""
        for proxy in self.proxies.values():
            proxy.calm()

    @contextlib.contextmanager
    def half_cut_off(self) -> collections.abc.Iterator[None]:
        """Let no request reach the first half, in the context."""
        cut = [proxy for (index, _share), proxy in self.proxies.items()
               if not index]
        for proxy in cut:
            proxy.cut()
        try:
            yield
        finally:
            for proxy in cut:
                proxy.join()

    def address(self, number: int) -> dict[str, str]:
        """Return driver_info of a machine."""
        index, system = self.systems[number]
        share = 0.05 if number < self._moody else 0.0
        return {'redfish_address': self.proxies[index, share].url,
                'redfish_system_id': f'/redfish/v1/Systems/{system}',
                'redfish_auth_type': 'basic', 'redfish_username': 'admin',
                'redfish_password': 'password'}

    def look(self, number: int) -> evidence.Bmc:
        """Return what a machine's BMC shows."""
        index, system = self.systems[number]
        base = f'{self.emulators[index].url}/redfish/v1/Systems/{system}'
        shown = _get(base)
        drives = {}
        for name in _DRIVES:
            slot = _get(f'{base}/VirtualMedia/{name}')
            if slot['Inserted']:
                drives[name] = slot['Image']
        return evidence.Bmc(shown['PowerState'] == 'On', drives)


def _get(url: str) -> typing.Any:
    with urllib.request.urlopen(url, timeout=60) as answer:
        return json.load(answer)
