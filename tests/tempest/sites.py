# SPDX-License-Identifier: Apache-2.0

"""What tempest runs against: the lab, or BMCs whose machines are made up."""

import collections.abc
import contextlib
import dataclasses
import json
import pathlib
import shutil
import typing

from lab import bare_metal
from lab import hypervisor
from lab import media_server
from lab import process
from lab import stack
from tests.cluster import engines
from tests import file_server
from tests.functional import fake_emulator
from tests.functional import keystone
from tests import isos

#: Seconds: more than any step needs on a busy machine.
_PATIENCE = 300
#: Every machine has a management interface that knows data images.
_INTERFACES = {'management_interface': 'redfish-ext',
               'vendor_interface': 'redfish-ext'}


MIDDLEWARE = """\
[keystone_authtoken]
auth_type = password
auth_url = {url}
www_authenticate_uri = {url}
username = admin
password = {password}
user_domain_id = default
project_name = admin
project_domain_id = default
"""
_WITH_FAKES = """
[DEFAULT]
auth_strategy = keystone
enabled_bios_interfaces = fake,no-bios
enabled_boot_interfaces = fake,redfish-iso
enabled_console_interfaces = fake,no-console
enabled_deploy_interfaces = fake,ramdisk,direct
enabled_firmware_interfaces = fake,no-firmware
enabled_inspect_interfaces = fake,no-inspect
enabled_management_interfaces = fake,redfish,redfish-ext
enabled_network_interfaces = noop
enabled_power_interfaces = fake,redfish
enabled_raid_interfaces = fake,no-raid
enabled_rescue_interfaces = fake,no-rescue
enabled_storage_interfaces = fake,noop
enabled_vendor_interfaces = fake,no-vendor,redfish-ext

[database]
connection = {database}
"""


@dataclasses.dataclass(frozen=True)
class Site:
    """An Ironic with a node that is available.

    :ivar options: of ``[ironic_ext]`` in tempest.conf; empty for tests that
        want Ironic alone.
    :ivar baremetal: of ``[baremetal]`` there.
    :ivar tests: what the names of its tests begin with.
    """

    ironic: bare_metal.Ironic
    options: collections.abc.Mapping[str, typing.Any] = dataclasses.field(
        default_factory=dict)
    baremetal: collections.abc.Mapping[str, str] = dataclasses.field(
        default_factory=lambda: {'driver': 'redfish-ext'})
    tests: str = 'ironic_ext_tempest_plugin'


@contextlib.contextmanager
def machine(directory: pathlib.Path, _identity: keystone.Process
            ) -> collections.abc.Iterator[Site]:
    """A machine of QEMU, whose serial console is the proof."""
    with stack.Lab(media_servers=1) as lab:
        node = lab.create('tempest', hypervisor.Firmware.BIOS)
        lab.ironic.call('PATCH', f'/v1/nodes/{node.identity}', [
            {'op': 'replace', 'path': f'/{name}', 'value': value}
            for name, value in _INTERFACES.items()])
        node.provide()
        yield Site(lab.ironic, {
            'node': node.name, 'iso': f'file://{lab.iso}',
            'proof': 'console',
            'console_file': node.machine.console_path,
            'data_image': f'{lab.web.image_url}/lab.iso'})


@contextlib.contextmanager
def made_up(directory: pathlib.Path, _identity: keystone.Process
            ) -> collections.abc.Iterator[Site]:
    """A BMC that reads what it is given, and has no machine."""
    with contextlib.ExitStack() as held:
        def started(service: typing.Any) -> typing.Any:
            held.callback(service.stop)
            service.start()
            return service

        for name in ('bmc', 'images', 'media', 'ironic', 'http'):
            (directory / name).mkdir()
        iso = directory / 'images/live.iso'
        shutil.copyfile(isos.shared('lorax_like'), iso)
        web = file_server.FileServer(directory / 'images')
        web.setUp()
        held.callback(web.cleanUp)
        bmc = started(fake_emulator.FakeEmulator(directory / 'bmc'))
        media = started(media_server.MediaServer(
            'media-server', directory / 'media', directory / 'images'))
        ironic = bare_metal.Ironic(
            directory / 'ironic', http_root=directory / 'http',
            http_url='http://127.0.0.1:1/', images=directory / 'images',
            extra=media_server.SHARED_CONFIG.format(
                directory=directory / 'media', url=media.url,
                delivery='stream'))
        ironic.create_schema()
        started(ironic)
        _provide(ironic, bmc)
        yield Site(ironic, {
            'node': 'tempest', 'iso': f'file://{iso}',
            'proof': 'boot-media', 'data_image': f'{web.url}/live.iso'})


@contextlib.contextmanager
def fake_hardware(directory: pathlib.Path, identity: keystone.Process
                  ) -> collections.abc.Iterator[Site]:
    """Ironic with the suite and Keystone: what upstream's API tests want.

    Those run on hardware that is made up by Ironic itself, and on no other.
    On MariaDB: API and conductor write at the same time, of which SQLite
    refuses one now and then.
    """
    engines.require(rabbitmq=False)
    for name in ('ironic', 'http', 'images', 'db'):
        (directory / name).mkdir()
    with contextlib.ExitStack() as held:
        # The user of the database gets there.
        directory.parent.chmod(0o711)
        database = engines.MariaDB(directory / 'db')
        held.callback(database.stop)
        database.start()
        database.create('ironic')
        ironic = bare_metal.Ironic(
            directory / 'ironic', http_root=directory / 'http',
            http_url='http://127.0.0.1:1/', images=directory / 'images',
            hardware_types='fake-hardware,redfish-ext',
            extra=_WITH_FAKES.format(database=database.url('ironic'))
            + MIDDLEWARE.format(
                url=identity.url, password=keystone.PASSWORD))
        ironic.token = identity.token(system_scope='all')
        ironic.run_dbsync()
        held.callback(ironic.stop)
        ironic.start()
        yield Site(ironic, baremetal={
            'driver': 'fake-hardware',
            'enabled_hardware_types': 'fake-hardware,redfish-ext',
            'enabled_deploy_interfaces': 'fake,ramdisk,direct',
            'enabled_boot_interfaces': 'fake,redfish-iso',
            'enabled_management_interfaces': 'fake,redfish,redfish-ext',
            'enabled_power_interfaces': 'fake,redfish',
            'enabled_inspect_interfaces': 'fake,no-inspect',
            'enabled_raid_interfaces': 'fake,no-raid',
            'enabled_rescue_interfaces': 'fake,no-rescue',
            'enabled_bios_interfaces': 'fake,no-bios',
            'enabled_console_interfaces': 'fake,no-console'},
            tests=r'ironic_tempest_plugin\.tests\.api')


def _provide(ironic: bare_metal.Ironic, bmc: fake_emulator.FakeEmulator
             ) -> None:
    """Enroll a machine of the BMC and make it available."""
    node = json.loads(ironic.call('POST', '/v1/nodes', {
        'driver': 'redfish-ext', 'name': 'tempest',
        'boot_interface': 'redfish-iso', 'deploy_interface': 'ramdisk',
        'driver_info': {
            'redfish_address': bmc.url,
            'redfish_system_id': f'/redfish/v1/Systems/{bmc.new_system()}'},
        **_INTERFACES}))
    path = f'/v1/nodes/{node["uuid"]}'
    for target, state in (('manage', 'manageable'),
                          ('provide', 'available')):
        ironic.call('PUT', f'{path}/states/provision', {'target': target})
        process.await_condition(
            lambda state=state: ironic.get(path)['provision_state'] == state,
            f'the node to be {state}', timeout=_PATIENCE)
