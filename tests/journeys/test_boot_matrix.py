# SPDX-License-Identifier: Apache-2.0

"""Begins of a boot with every end: what is left, and what is said.

One Ironic, one boot server and one emulator for all of them. Ends that end
nothing share a machine, one after the other.
"""

from collections.abc import Iterable
from concurrent import futures
import contextlib
import threading

import testtools

from lab import boot_server
from tests.functional import boot_acts
from tests.functional import boot_matrix
from tests.functional import fake_site
from tests import isos

Seen = boot_matrix.Seen

_CONFIG = """
[DEFAULT]
debug = false
enabled_rescue_interfaces = no-rescue,agent
enabled_vendor_interfaces = redfish-ext,no-vendor
[conductor]
workers_pool_size = 100
[dhcp]
dhcp_provider = none
[ext_boot]
leaving_interval = 5
look_interval = 2
[ext_catalog]
connection = sqlite:///{directory}/catalog.sqlite
[ext_data_image]
reconcile_interval = 5
[ext_images]
cache_dir = {directory}/cache
[ext_media]
delivery = file
[ext_san]
look_interval = 1
[pxe]
tftp_root = {directory}/tftp
tftp_master_path = {directory}/tftp-master
"""
_IMAGE = b'a disk' * 1000
#: At a time: each waits for Ironic nearly all of its life.
_WORKERS = 10

_FIRMWARE = 'It will boot what its firmware finds first.'
_DISK, _ISO = 'It will boot from its disk.', 'It will boot ISO.'
_ONCE = 'It will boot ISO once.'

NOTHING = Seen('empty', '*', 404, 'gone', 'unknown', _FIRMWARE)
#: The node has no interface that could say anything.
LEFT = Seen('empty', '*', 404, 'gone', '', _FIRMWARE)
DELETED = Seen('empty', '*', 404, 'no node', '', '')
DISK = Seen('empty', 'Hdd', 404, 'ended', 'disk', _DISK)
STAYS = Seen('same', 'Cd', 200, 'begun', 'iso', _ISO)
AGAIN = Seen('new', 'Cd', 404, 'begun', 'iso', _ISO)
_STAYS_ONCE, _AGAIN_ONCE = STAYS.saying(_ONCE), AGAIN.saying(_ONCE)
#: An agent is no instance's, and what comes after it is not known.
_AGENT = STAYS.saying(_FIRMWARE)

_BOOT = {
    'localboot': DISK, 'media eject': DISK, 'undeploy': NOTHING,
    'delete': DELETED, 'driver change': LEFT, 'interface change': NOTHING}
_WAITS = {'undeploy': NOTHING, 'delete': DELETED, **dict.fromkeys(
    ('DELETE vmedia', 'BMC lost', 'conductor killed'), _AGENT)}
_LEAVES_IPXE = Seen('disk', 'Hdd', 0, 'ended', 'disk', _DISK)
_SCRIPT = {
    **dict.fromkeys(('boot-complete', 'localboot', 'media eject',
                     'DELETE vmedia', 'rescue'), _LEAVES_IPXE),
    'undeploy': Seen('empty', '*', 0, 'gone', 'unknown', _FIRMWARE),
    **dict.fromkeys(('rebuild', 'conductor killed'),
                    Seen('sanboot', 'Pxe', 0, 'begun', 'iso', _ONCE)),
    'delete': Seen('empty', '*', 0, 'no node', '', ''),
    'driver change': Seen('empty', '*', 0, 'gone', '', _FIRMWARE),
    # The boot device is the new interface's to set.
    'interface change': Seen('empty', 'Pxe', 0, 'gone', 'network',
                             _FIRMWARE)}
_DATA = {
    # It is the instance's, and the instance is the same.
    **dict.fromkeys(('boot-complete', 'rebuild', 'rescue', 'BMC lost',
                     'conductor killed'), STAYS),
    **dict.fromkeys(('localboot', 'media eject'),
                    Seen('same', 'Hdd', 200, 'begun', 'disk', _DISK)),
    # The live system keeps its own medium.
    'DELETE vmedia': Seen('new', 'Cd', 404, 'gone', 'iso', _ISO),
    'undeploy': NOTHING, 'delete': DELETED, 'driver change': LEFT,
    # Of the boot interface: the management interface has it, and it is
    # the one disc that the machine can try.
    'interface change': Seen('same', '*', 200, 'begun', 'iso', _FIRMWARE)}

#: Begin -> end -> what is seen.
TABLE = {
    'ramdisk once': {
        **_BOOT, 'boot-complete': DISK, 'DELETE vmedia': DISK,
        'rescue': DISK, 'rebuild': _AGAIN_ONCE, 'BMC lost': _STAYS_ONCE,
        'conductor killed': _STAYS_ONCE},
    'ramdisk for ever': {
        **_BOOT, 'rebuild': AGAIN, 'rescue': AGAIN, **dict.fromkeys(
            ('boot-complete', 'DELETE vmedia', 'BMC lost',
             'conductor killed'), STAYS)},
    'data image': _DATA, 'sanboot': _SCRIPT,
    'agent': _WAITS,
    # What it is in the place of has had its boot.
    'rescue': {**_WAITS, 'rescue': DISK}}
#: What cannot be, and why.
IMPOSSIBLE = {
    ('sanboot', 'BMC lost'): 'nothing is in a drive',
    **{(begin, end): 'Ironic changes no node that waits for its agent'
       for begin in ('agent', 'rescue')
       for end in ('boot-complete', 'localboot', 'driver change',
                   'interface change')},
    **{(begin, 'media eject'): 'it boots no ISO of its instance'
       for begin in ('agent', 'rescue')},
    ('agent', 'rescue'): 'nothing is deployed yet',
    ('agent', 'rebuild'): 'Ironic has deployed nothing yet',
    ('rescue', 'rebuild'): 'Ironic wants it unrescued first'}

_KILLED, _LAST = 'conductor killed', 'undeploy'


def _goes_on(wanted: Seen) -> bool:
    """Tell whether another end may be tried on the same machine."""
    return wanted.record == 'begun' and wanted.device in ('Cd', 'Pxe')


class TableTestCase(testtools.TestCase):
    """The table is whole."""

    def test_each_cell_has_an_outcome_or_a_reason(self):
        for begin, ends in TABLE.items():
            for end in boot_acts.ENDS:
                self.assertNotEqual(end in ends, (begin, end) in IMPOSSIBLE,
                                    (begin, end))


class _Site:
    """A site, the machines of which are dealt out."""

    def __init__(self, resources: contextlib.ExitStack) -> None:
        """Start them.

        :param resources: ends them.
        """
        site = resources.enter_context(fake_site.FakeSite(
            'redfish-virtual-media,redfish-iso,iso-sanboot', _CONFIG))
        self.root, self.emulator = site.root, site.emulator
        self.ironic = site.ironic
        iso = site.directory / 'live.iso'
        iso.write_bytes(isos.shared('hybrid').read_bytes())
        (site.root / 'disk.img').write_bytes(_IMAGE)
        folder = site.directory / 'boot-server'
        folder.mkdir()
        # Each look of it at all nodes takes Ironic a tenth of a second.
        self.server = boot_server.Process(folder, site.ironic.url, poll=2,
                                          resync=60)
        resources.callback(self.server.stop)
        self.server.start()
        self.states = boot_matrix.States(self.ironic)
        self.begins = boot_acts.Begins(self.host, iso, site.url, _IMAGE)
        self._lock = threading.Lock()
        self._count = 0

    def host(self) -> boot_matrix.Host:
        """Return a machine that nobody used yet."""
        with self._lock:
            self._count += 1
            return boot_matrix.Host(self.states, self.emulator, self.root,
                                    self.server, self._count)


class _Chain:
    """One machine: a begin, and ends after it, of which the last counts.

    :ivar wrong: what was seen and should not be.
    """

    def __init__(self, site: _Site, begin: str, ends: Iterable[str]) -> None:
        self.begin_name = begin
        self.ends = list(ends)
        self.wrong: list[str] = []
        self._site = site
        self._host: boot_matrix.Host | None = None

    def run(self) -> None:
        """Begin, and end in each way up to the death of the conductor."""
        try:
            if self._host is None:
                self._host = self._site.begins.begin(self.begin_name)
            while (self.ends and not self.wrong
                   and self.ends[0] != _KILLED):
                end = self.ends.pop(0)
                boot_acts.ENDS[end](self._host)
                self._judge(end)
        except Exception as exc:
            self.wrong.append(
                f'{self.begin_name}: {type(exc).__name__}: {exc}')

    def outlive(self) -> None:
        """Look after a conductor died, and go on."""
        if self.ends and not self.wrong:
            self._judge(self.ends.pop(0))
            self.run()

    def _judge(self, end: str) -> None:
        wanted = TABLE[self.begin_name][end]
        seen = self._host.await_seen(wanted)
        if seen != wanted:
            self.wrong.append(
                f'{self.begin_name} x {end}:\n  wanted {wanted}\n'
                f'  seen   {seen}\n  last_error {self._host.last_error()}')
        elif wanted.drive == 'new':
            self._host.remember_again()


def _chains(site: _Site) -> list[_Chain]:
    """Return all cells of the table, in chains."""
    found = []
    for begin, ends in TABLE.items():
        shared = [end for end, wanted in ends.items()
                  if end != _KILLED and _goes_on(wanted)]
        alone = [end for end in ends
                 if end not in (*shared, _KILLED, _LAST)]
        found.append(_Chain(site, begin, [*shared, _KILLED, _LAST]))
        found += [_Chain(site, begin, [end]) for end in alone]
    # The longest first.
    return sorted(found, key=lambda chain: -len(chain.ends))


class MatrixTestCase(testtools.TestCase):

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        with contextlib.ExitStack() as resources:
            site = _Site(resources)
            cls.chains = _chains(site)
            with futures.ThreadPoolExecutor(_WORKERS) as pool:
                list(pool.map(_Chain.run, cls.chains))
                site.ironic.kill()
                site.ironic.start()
                list(pool.map(_Chain.outlive, cls.chains))

    def require_ends(self, begin: str) -> None:
        """See that a boot ended in each way that there is."""
        chains = [chain for chain in self.chains
                  if chain.begin_name == begin]
        wrong = [line for chain in chains for line in chain.wrong]
        self.assertEqual('', '\n'.join(wrong))
        self.assertEqual([], [end for chain in chains for end in chain.ends])

    def test_ramdisk_once(self):
        self.require_ends('ramdisk once')

    def test_ramdisk_for_ever(self):
        self.require_ends('ramdisk for ever')

    def test_data_image(self):
        self.require_ends('data image')

    def test_sanboot(self):
        self.require_ends('sanboot')

    def test_agent(self):
        self.require_ends('agent')

    def test_rescue(self):
        self.require_ends('rescue')
