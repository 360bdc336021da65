# SPDX-License-Identifier: Apache-2.0

"""How the reconciler of data images copes with many nodes and bad BMCs.

    python -m benchmarks.data_image_reconcile [--nodes 200] [--failing 40]

Ironic's own database (SQLite), tasks and periodic decorator; made up are the
BMCs: a healthy one answers after a while, a failing one lets every insertion
run into a time-out. Run as a program; see --help.
"""

import argparse
import collections
import pathlib
import resource
import tempfile
import threading
import time
import types
import typing
import unittest.mock

from ironic.common import context as ironic_context
from ironic.common import driver_factory
from ironic.common import states
from ironic.conf import CONF
from ironic.db import api as db_api
from ironic.db import migration
from ironic.drivers.modules.redfish import utils as redfish_utils
from ironic import objects
from oslo_utils import uuidutils
import sushy

from ironic_ext.data_image import record as records
from ironic_ext.drivers.bmc import drives as redfish_media
from ironic_ext.drivers.bmc import queue
from ironic_ext.drivers.data_image import worker as data_images
from ironic_ext.drivers import management
from ironic_ext.drivers.records import data_image as data_image_record

_PERIOD = 60


class Drive:
    """A virtual CD drive behind a slow line."""

    media_types = (sushy.VIRTUAL_MEDIA_CD,)
    verify_certificate = image_name = connected_via = None

    def __init__(self, node: str, delay: float, failing: bool) -> None:
        self.identity = 'Cd'
        self.path = f'/redfish/v1/Systems/{node}/VirtualMedia/Cd'
        self.image: str | None = None
        self.tries: list[float] = []
        self.attached_at: float | None = None
        self._delay = delay
        self._failing = failing

    @property
    def inserted(self) -> bool:
        return self.image is not None

    def refresh(self, force: bool = True) -> None:
        time.sleep(self._delay / 5)

    def insert_media(self, url: str, **options: object) -> None:
        self.tries.append(time.monotonic())
        time.sleep(self._delay)
        if self._failing:
            raise sushy.exceptions.ConnectionError(url='https://bmc',
                                                   error='timed out')
        self.image = url
        self.attached_at = time.monotonic()


class Farm:
    """Nodes in a database, and their BMCs.

    :param failing: how many of them do not work.
    """

    def __init__(self, nodes: int, failing: int, delay: float,
                 timeout: float) -> None:
        self.drives: dict[str, Drive] = {}
        self.failing: set[str] = set()
        for number in range(nodes):
            node = uuidutils.generate_uuid()
            bad = number * failing % nodes < failing
            self.drives[node] = Drive(node, timeout if bad else delay, bad)
            if bad:
                self.failing.add(node)

    def system(self, node: typing.Any) -> types.SimpleNamespace:
        """Stand in for ironic's get_system()."""
        drive = self.drives[node.uuid]
        drive.refresh() if node.uuid not in self.failing else None
        return types.SimpleNamespace(
            managers=[], virtual_media=types.SimpleNamespace(
                get_members=lambda: [drive]))

    def create(self, context: typing.Any) -> None:
        """Put the nodes into the database, each with its wish."""
        wish = records.first(data_images.specs.parse(
            {'files': {'user-data': '#cloud-config\n'}, 'label': 'cidata'},
            data_images.specs.Limits(1000, 1000)), True)
        for number, uuid in enumerate(self.drives):
            objects.Node(
                context, uuid=uuid, name=f'node-{number}',
                driver='redfish-ext', management_interface='redfish-ext',
                boot_interface='redfish-iso', power_interface='redfish',
                deploy_interface='ramdisk', network_interface='noop',
                vendor_interface='redfish-ext', bios_interface='no-bios',
                console_interface='no-console', raid_interface='no-raid',
                inspect_interface='no-inspect', storage_interface='noop',
                rescue_interface='no-rescue',
                firmware_interface='no-firmware',
                provision_state=states.ACTIVE, power_state=states.POWER_ON,
                driver_info={'redfish_address': f'https://bmc-{number}',
                             'redfish_system_id': '/redfish/v1/Systems/1'},
                instance_info={}, properties={}, extra={},
                driver_internal_info={
                    data_image_record.KEY: wish.to_json()}).create()


class Manager:
    """The part of a conductor that finds its nodes."""

    def iter_nodes(self, fields: list[str] | None = None,
                   filters: dict[str, typing.Any] | None = None
                   ) -> typing.Iterator[tuple[typing.Any, ...]]:
        columns = ['uuid', 'driver', 'conductor_group', *(fields or ())]
        yield from db_api.get_instance().get_nodeinfo_list(
            columns=columns, filters=filters)


def _configure(folder: pathlib.Path, workers: int) -> None:
    CONF([], project='ironic', default_config_files=[])
    for name in ('bios', 'console', 'raid', 'inspect', 'rescue',
                 'firmware'):
        CONF.set_override(f'enabled_{name}_interfaces', [f'no-{name}'])
    for name, value in (('hardware_types', 'redfish-ext'),
                        ('management_interfaces', 'redfish-ext'),
                        ('vendor_interfaces', 'redfish-ext'),
                        ('boot_interfaces', 'redfish-iso'),
                        ('deploy_interfaces', 'ramdisk'),
                        ('power_interfaces', 'redfish'),
                        ('network_interfaces', 'noop'),
                        ('storage_interfaces', 'noop')):
        CONF.set_override(f'enabled_{name}', [value])
    CONF.set_override('host', 'benchmark')
    CONF.set_override('connection', f'sqlite:///{folder}/ironic.sqlite',
                      'database')
    CONF.set_override('http_root', f'{folder}/http', 'deploy')
    CONF.set_override('http_url', 'http://192.0.2.1', 'deploy')
    CONF.set_override('cache_dir', f'{folder}/images', 'ext_images')
    CONF.set_override('min_free_space', 0, 'ext_images')
    CONF.set_override('delivery', 'file', 'ext_media')
    CONF.set_override('media_poll_interval', 0.05, 'ext_boot')
    CONF.set_override('media_timeout', 5, 'ext_boot')
    CONF.set_override('insert_attempts', 1, 'ext_boot')
    for name, value in (('workers', workers), ('backoff_base', _PERIOD // 2),
                        ('backoff_ceiling', 8 * _PERIOD)):
        CONF.set_override(name, value, 'ext_data_image')
    migration.create_schema()
    objects.register_all()
    driver_factory.HardwareTypesFactory()


def run(nodes: int, failing: int, workers: int, periods: int, delay: float,
        timeout: float) -> None:
    """Reconcile for some periods, and print what came of it."""
    context = ironic_context.get_admin_context()
    farm = Farm(nodes, failing, delay, timeout)
    farm.create(context)
    interface = management.RedfishExtManagement()
    print(f'{nodes} nodes, {failing} with a BMC that times out after '
          f'{timeout:g} s, {workers} workers, a period of {_PERIOD} s, '
          f'back-off from {_PERIOD // 2} to {8 * _PERIOD} s')
    print(f'{"period":>6} {"attached":>9} {"tries":>6} {"of failing":>10} '
          f'{"CPU s":>6} {"threads":>8}')
    seen = collections.Counter[str]()
    start = time.monotonic()
    with unittest.mock.patch.object(redfish_utils, 'get_system',
                                    farm.system):
        for period in range(1, periods + 1):
            used = _cpu()
            interface._reconcile_data_images(Manager(), context)
            time.sleep(max(0, start + period * _PERIOD - time.monotonic()))
            tries = {node: len(drive.tries) - seen[node]
                     for node, drive in farm.drives.items()}
            seen.update(tries)
            print(f'{period:>6} '
                  f'{sum(drive.inserted for drive in farm.drives.values()):>9}'
                  f' {sum(tries.values()):>6} '
                  f'{sum(tries[node] for node in farm.failing):>10} '
                  f'{_cpu() - used:>6.1f} {threading.active_count():>8}',
                  flush=True)
    healthy = sorted(drive.attached_at - start
                     for drive in farm.drives.values() if drive.attached_at)
    if healthy:
        print(f'healthy nodes attached: {len(healthy)} of '
              f'{nodes - failing}, half of them after '
              f'{healthy[len(healthy) // 2]:.1f} s, all after '
              f'{healthy[-1]:.1f} s')
    worst = max((len(farm.drives[node].tries) for node in farm.failing),
                default=0)
    print(f'tries of the failing node that was tried most often: {worst} in '
          f'{periods} periods')
    queue.conductors_own().stop()


def _cpu() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def main() -> None:
    """Run with the arguments of the command line."""
    parser = argparse.ArgumentParser(
        description=(__doc__ or '').splitlines()[0])
    parser.add_argument('--nodes', type=int, default=200)
    parser.add_argument('--failing', type=int, default=40,
                        help='nodes whose BMC fails')
    parser.add_argument('--workers', type=int, default=16)
    parser.add_argument('--periods', type=int, default=4)
    parser.add_argument('--delay', type=float, default=0.5,
                        help='seconds that an insertion takes')
    parser.add_argument('--timeout', type=float, default=8,
                        help='seconds until a failing BMC is given up')
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        _configure(pathlib.Path(name), arguments.workers)
        run(**vars(arguments))


if __name__ == '__main__':
    redfish_media.LOG.logger.setLevel('ERROR')
    data_images.LOG.logger.setLevel('ERROR')
    main()
