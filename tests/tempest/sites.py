# SPDX-License-Identifier: Apache-2.0

"""What tempest runs against: the lab, or BMCs whose machines are made up."""

import base64
import collections.abc
import contextlib
import dataclasses
import json
import os
import pathlib
import secrets
import shutil
import typing

from ironic_ext.data_image import content
from lab import agent_ramdisk
from lab import bare_metal
from lab import bootc_image
from lab import hypervisor
from lab import live_machines
from lab import media_server
from lab import process
from lab import pxe
from lab import stack
from tests.cluster import engines
from tests import file_server
from tests.functional import fake_emulator
from tests.functional import keystone
from tests.functional import registry
from tests import isos
from tests.live_e2e import live_system

#: Seconds: more than any step needs on a busy machine.
_PATIENCE = 300
#: MiB, of a machine that a Debian live system fits into.
_LIVE_MEMORY = 1536
#: Every machine has a management interface that knows data images.
_INTERFACES = {'management_interface': 'redfish-ext',
               'vendor_interface': 'redfish-ext'}

_RESCUE = """
[DEFAULT]
enabled_rescue_interfaces = no-rescue,agent
"""
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


class _NetworkLab(pxe.NetworkLab):
    """Drives that change while a machine runs, and networks to boot from."""

    hypervisor_class = live_machines.LiveLibvirtd
    emulator_class = live_machines.LiveEmulator


@contextlib.contextmanager
def machine(directory: pathlib.Path, _identity: keystone.Process
            ) -> collections.abc.Iterator[Site]:
    """Machines of QEMU, whose serial consoles are the proof.

    One boots from virtual media. Another one boots over the network, where
    this is root: tgtd obeys nobody else.
    """
    networked = os.geteuid() == 0
    kind = _NetworkLab if networked else live_machines.LiveLab
    with kind(media_servers=1, extra_config=_RESCUE) as lab:
        text = secrets.token_hex(8)
        with (lab.images / 'data.iso').open('wb') as output:
            content.build({'tempest.txt': text.encode()}, 'DATA', output)
        node = _machine(lab, 'tempest', boot_interface='redfish-iso',
                        rescue_interface='agent')
        options = {
            'node': node.name, 'iso': f'file://{lab.iso}',
            'proof': 'console', 'console_file': node.machine.console_path,
            'data_image': f'{lab.web.image_url}/data.iso',
            'data_image_text': text, 'shows_user_data': True,
            'rescue_iso': f'file://{lab.iso}',
            'rescue_iso_has_agent': False}
        if networked:
            pxe.unplug(node.machine)
            node = _machine(lab, 'tempest-network')
            node.configure('driver_info', external_media_url=(
                lab.media_servers[0].url.replace(
                    '127.0.0.1', hypervisor.HOST)))
            options |= {
                'sanboot_node': node.name,
                'sanboot_transports': 'iscsi,http',
                'sanboot_console_file': node.machine.console_path}
        yield Site(lab.ironic, options)


@contextlib.contextmanager
def agents(directory: pathlib.Path, _identity: keystone.Process
           ) -> collections.abc.Iterator[Site]:
    """Machines with real agents: for a rescue, and to install a container."""
    image = bootc_image.build(stack.DEFAULT_CACHE)
    with contextlib.ExitStack() as held:
        lab = held.enter_context(stack.Lab(
            media_servers=1, extra_config=_RESCUE,
            drivers=stack.Drivers(deploy_interface='bootc-ext')))
        iso = lab.images / 'agent.iso'
        agent_ramdisk.build_iso(iso, stack.DEFAULT_CACHE)
        images = registry.Registry({'puller': secrets.token_hex(8)},
                                   names=[hypervisor.HOST])
        images.setUp()
        held.callback(images.cleanUp)
        images.copy(f'oci:{image.layout}:latest', 'lab/os', '1')
        node = _with_agent(lab, 'tempest', hypervisor.Firmware.BIOS,
                           64 << 20, deploy_interface='ramdisk',
                           rescue_interface='agent')
        container = _with_agent(lab, 'tempest-bootc',
                                hypervisor.Firmware.UEFI, 8 << 30)
        mirror = f'{hypervisor.HOST}:{images.port}'
        container.configure(
            'driver_info', deploy_iso=f'file://{iso}', bootc_ca=images.ca,
            # The same registry, where the machine finds it.
            bootc_mirrors=f'{images.host}={mirror}')
        auth = base64.b64encode(images.secret.encode()).decode()
        yield Site(lab.ironic, {
            'node': node.name, 'iso': f'file://{lab.iso}',
            'proof': 'console', 'console_file': node.machine.console_path,
            'boot_timeout': 1800, 'rescue_iso': f'file://{iso}',
            'bootc_node': container.name,
            'bootc_image': f'oci://{images.host}/lab/os:1',
            'bootc_pull_secret': json.dumps({'auths': {
                host: {'auth': auth} for host in (images.host, mirror)}}),
            'bootc_console_file': container.machine.console_path},
            {'driver': 'redfish-ext', 'active_timeout': '3600'},
            tests=r'ironic_ext_tempest_plugin.*(RescueTest|BootcTest)')


@contextlib.contextmanager
def cloud_init(directory: pathlib.Path, _identity: keystone.Process
               ) -> collections.abc.Iterator[Site]:
    """A Debian live system, whose cloud-init looks for its user data."""
    made = live_system.iso(stack.DEFAULT_CACHE)
    with stack.Lab(media_servers=1) as lab:
        iso = lab.images / made.name
        shutil.copyfile(made, iso)
        node = _provided(lab, lab.create(
            'tempest', hypervisor.Firmware.BIOS,
            hypervisor.Hardware(memory=_LIVE_MEMORY)))
        yield Site(lab.ironic, {
            'node': node.name, 'iso': f'file://{iso}', 'proof': 'console',
            'console_file': node.machine.console_path,
            'boot_timeout': 1800, 'shows_user_data': True},
            tests=r'ironic_ext_tempest_plugin.*test_user_data')


def _with_agent(lab: stack.Lab, name: str, firmware: hypervisor.Firmware,
                disk: int, **interfaces: str) -> stack.Node:
    """Make a machine whose agent Ironic reaches, and an available node."""
    port = process.free_port()
    mac = hypervisor.MAC[:-2] + f'{len(name):02x}'
    node = lab.create(name, firmware, hypervisor.Hardware(
        memory=agent_ramdisk.MEMORY, disk=disk, agent_port=port, mac=mac))
    node.configure('driver_info', kernel_append_params=(
        f'ipa-advertise-host=127.0.0.1 ipa-advertise-port={port}'))
    node.configure('properties', cpu_arch='x86_64')
    # By which the agent finds out whose it is.
    lab.ironic.call('POST', '/v1/ports', {
        'address': mac, 'node_uuid': node.identity})
    return _provided(lab, node, **interfaces)


def _machine(lab: stack.Lab, name: str, **interfaces: str) -> stack.Node:
    """Make a machine, and a node of it that is available."""
    return _provided(lab, lab.create(
        name, hypervisor.Firmware.BIOS, hypervisor.Hardware(disk=64 << 20)),
        **interfaces)


def _provided(lab: stack.Lab, node: stack.Node, **interfaces: str
              ) -> stack.Node:
    lab.ironic.call('PATCH', f'/v1/nodes/{node.identity}', [
        {'op': 'replace', 'path': f'/{name}', 'value': value}
        for name, value in {**_INTERFACES, **interfaces}.items()])
    node.provide()
    return node


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
                delivery='stream') + _RESCUE)
        ironic.create_schema()
        started(ironic)
        _provide(ironic, bmc)
        yield Site(ironic, {
            'node': 'tempest', 'iso': f'file://{iso}',
            'proof': 'boot-media', 'data_image': f'{web.url}/live.iso',
            'rescue_iso': f'file://{iso}', 'rescue_iso_has_agent': False})


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
        'rescue_interface': 'agent',
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
