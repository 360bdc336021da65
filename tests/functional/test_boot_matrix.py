# SPDX-License-Identifier: Apache-2.0

"""Begins of a boot with every end: what is left, and what is said.

One Ironic and one emulator for all; the ends of a begin run beside one
another.
"""

from concurrent import futures
import contextlib
import threading

import testtools

from lab import process
from tests.functional import boot_matrix
from tests.functional import fake_site
from tests import isos

Seen = boot_matrix.Seen

_CONFIG = """
[DEFAULT]
enabled_vendor_interfaces = redfish-ext,no-vendor
[conductor]
workers_pool_size = 100
[dhcp]
dhcp_provider = none
[ext_boot]
look_interval = 1
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
_TARGET = {'iqn': 'iqn.2001-04.com.example:isos', 'portal': '192.0.2.9:3260',
           'lun': 5}
#: At a time: each waits for Ironic nearly all of its life.
_WORKERS = 12

NOTHING = Seen('empty', '*', 404, 'gone', 'unknown')
#: The node has no interface that could say anything.
LEFT = Seen('empty', '*', 404, 'gone', '')
DELETED = Seen('empty', '*', 404, 'no node', '')
DISK = Seen('empty', 'Hdd', 404, 'ended', 'disk')
STAYS = Seen('same', 'Cd', 200, 'begun', 'iso')
AGAIN = Seen('new', 'Cd', 404, 'begun', 'iso')

_BOOT = {
    'localboot': DISK, 'undeploy': NOTHING, 'rebuild': AGAIN,
    'delete': DELETED, 'driver change': LEFT,
    'interface change': NOTHING, 'BMC lost': STAYS}
_SCRIPT = {
    'boot-complete': Seen('disk', 'Hdd', 0, 'ended', 'disk'),
    'localboot': Seen('disk', 'Hdd', 0, 'ended', 'disk'),
    'undeploy': Seen('empty', '*', 0, 'gone', 'unknown'),
    'rebuild': Seen('sanboot', 'Pxe', 0, 'begun', 'iso'),
    'delete': Seen('empty', '*', 0, 'no node', ''),
    'driver change': Seen('empty', '*', 0, 'gone', ''),
    # The boot device is the new interface's to set.
    'interface change': Seen('empty', 'Pxe', 0, 'gone', 'network')}
_DATA = {
    'boot-complete': STAYS,
    'localboot': Seen('same', 'Hdd', 200, 'begun', 'disk'),
    'undeploy': NOTHING,
    # It is the instance's, and the instance is the same.
    'rebuild': STAYS,
    'delete': DELETED, 'driver change': LEFT,
    # Of the boot interface: the management interface has it, and it is
    # the one disc that the machine can try.
    'interface change': Seen('same', '*', 200, 'begun', 'iso'),
    'BMC lost': STAYS}

#: Begin -> end -> what is seen.
TABLE = {'ramdisk once': {'boot-complete': DISK, **_BOOT},
         'data image': _DATA, 'sanboot': _SCRIPT}
_ENDS = ('boot-complete', *_BOOT)
#: What cannot be, and why.
IMPOSSIBLE = {('sanboot', 'BMC lost'): 'nothing is in a drive'}


class BeginTestCase(testtools.TestCase):
    """The table is whole."""

    def test_each_cell_has_an_outcome_or_a_reason(self):
        for begin, ends in TABLE.items():
            for end in _ENDS:
                self.assertNotEqual(end in ends, (begin, end) in IMPOSSIBLE,
                                    (begin, end))


class _Site:
    """A site, the machines of which are dealt out."""

    def __init__(self, resources):
        """Start them.

        :param resources: an ExitStack that ends them.
        """
        site = resources.enter_context(fake_site.FakeSite(
            'redfish-virtual-media,redfish-iso,iso-sanboot', _CONFIG))
        self.root, self.emulator = site.root, site.emulator
        self.ironic = site.ironic
        self.iso = site.directory / 'live.iso'
        self.iso.write_bytes(isos.shared('hybrid').read_bytes())
        self.states = boot_matrix.States(self.ironic)
        self._lock = threading.Lock()
        self._count = 0

    def host(self):
        """Return a machine that nobody used yet."""
        with self._lock:
            self._count += 1
            return boot_matrix.Host(self.states, self.emulator, self.root,
                                    self._count)


class MatrixTestCase(testtools.TestCase):

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        resources = contextlib.ExitStack()
        cls.addClassCleanup(resources.close)
        cls.site = _Site(resources)

    # Begins

    def host(self, **values):
        host = self.site.host()
        host.create(**values)
        return host

    def begin_ramdisk(self, mode, **values):
        host = self.host(instance_info={
            'boot_iso': f'file://{self.site.iso}', 'ext_boot_mode': mode},
            **values)
        host.provision('active', 'active')
        return host

    def begin_ramdisk_once(self):
        host = self.begin_ramdisk('once')
        host.remember()
        return host

    def begin_data_image(self):
        host = self.begin_ramdisk('forever')
        boot = host.inserted()
        host.call('PUT', '/vendor_passthru?method=data_image',
                  {'files': {'hello': 'world'}})
        process.await_condition(
            lambda: len(host.inserted()) == 2, 'a data image',
            timeout=boot_matrix.PATIENCE)
        slot, = host.inserted().keys() - boot.keys()
        host.remember(slot, 'data image')
        return host

    def begin_sanboot(self):
        host = self.begin_ramdisk(
            'once', boot_interface='iso-sanboot',
            driver_info={'sanboot_target': _TARGET})
        self.assertEqual('sanboot', host.script())
        return host

    # Ends

    def end_boot_complete(self, host):
        host.patch(instance_info__ext_boot_completed_at='2026-01-01T00:00Z')
        # An installer's last script reports, and it restarts the machine.
        host.call('PUT', '/states/power', {'target': 'power off'})

    def end_localboot(self, host):
        host.patch(instance_info__boot_iso=None)

    def end_undeploy(self, host):
        host.provision('deleted', 'available')

    def end_rebuild(self, host):
        host.provision('rebuild', 'active')

    def end_delete(self, host):
        host.call('PUT', '/maintenance', {'reason': 'gone'})
        host.call('DELETE')

    def end_driver_change(self, host):
        self.change(host, driver='redfish',
                    boot_interface='redfish-virtual-media',
                    management_interface='redfish',
                    vendor_interface='no-vendor')

    def end_interface_change(self, host):
        self.change(host, boot_interface='redfish-virtual-media')

    def end_BMC_lost(self, host):
        host.lose_media()

    @staticmethod
    def change(host, **fields):
        host.call('PUT', '/maintenance', {'reason': 'another driver'})
        host.patch(**fields)
        host.call('DELETE', '/maintenance')

    # Cells

    def begin(self, name):
        return getattr(self, f'begin_{name.replace(" ", "_")}')()

    def run_cell(self, begin, end, wanted):
        """Return what is wrong, '' for nothing."""
        try:
            host = self.begin(begin)
            getattr(self, f'end_{end.replace(" ", "_").replace("-", "_")}')(
                host)
            return self.judge(host, begin, end, wanted)
        except Exception as exc:
            return f'{begin} x {end}: {type(exc).__name__}: {exc}'

    @staticmethod
    def judge(host, begin, end, wanted):
        seen = host.await_seen(wanted)
        if seen == wanted:
            return ''
        return (f'{begin} x {end}:\n  wanted {wanted}\n  seen   {seen}\n'
                f'  last_error {host.last_error()}')

    def require_ends(self, begin):
        """Have a boot begun and ended in each way that there is."""
        cells = [(begin, end, wanted)
                 for end, wanted in TABLE[begin].items()]
        # What a conductor finds by itself takes it a minute.
        cells.sort(key=lambda cell: 'change' not in cell[1])
        with futures.ThreadPoolExecutor(_WORKERS) as pool:
            wrong = list(pool.map(lambda cell: self.run_cell(*cell), cells))
        self.assertEqual('', '\n'.join(filter(None, wrong)))

    def test_ramdisk_once(self):
        self.require_ends('ramdisk once')

    def test_data_image(self):
        self.require_ends('data image')

    def test_sanboot(self):
        self.require_ends('sanboot')
