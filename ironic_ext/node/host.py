# SPDX-License-Identifier: Apache-2.0

"""A BareMetalHost: a node of Ironic as the boot server shows it.

Pure: documents of Ironic's API in, documents of this API out. Of
``driver_info``, where the credentials of BMCs are, nothing is read.
"""

import collections.abc
import dataclasses
import ipaddress
import json
import re
import typing

from ironic_ext.catalog import resources
from ironic_ext.catalog import view
from ironic_ext.node import boot_state
from ironic_ext.node import config_fit
from ironic_ext.node import data_image as host_data_images
from ironic_ext.node import errors
from ironic_ext.node import failure
from ironic_ext.node import next_boot
from ironic_ext.web import urls

KIND = 'BareMetalHost'
DEFAULT_NAMESPACE = 'default'
ONCE, FOREVER = boot_state.ONCE, boot_state.FOREVER
#: Where a node keeps what is assigned: keys of instance_info.
ISO_KEY, CONFIG_KEY = boot_state.ISO_KEY, boot_state.CONFIG_KEY
#: Or driver_info.
DELIVERY_KEY = 'boot_config_delivery'
MODE_KEY, COMPLETED_KEY = boot_state.MODE_KEY, boot_state.COMPLETED_KEY
#: Fields to ask Ironic for.
FIELDS = ('uuid', 'name', 'driver', 'boot_interface', 'power_state',
          'target_power_state', 'provision_state', 'target_provision_state',
          'maintenance', 'last_error', 'instance_info', 'properties',
          'extra', 'network_data', 'inspection_finished_at', 'created_at',
          'updated_at', 'owner', 'lessee', 'instance_uuid',
          'provision_updated_at', 'boot_mode')

_MAC = re.compile(r'[0-9a-f]{2}(:[0-9a-f]{2}){5}')
_Map = collections.abc.Mapping


@dataclasses.dataclass(frozen=True, slots=True)
class Host:
    """A node, as the boot server and conductors see it.

    :ivar address: the one of ``ips`` that an operator has declared, '' for
        none.
    :ivar declared_ips: those of ``ips`` that the node says, whose owner may
        write them.
    :ivar inspected_ips: those of ``ips`` that only an inspection found: the
        machine had them then.
    :ivar image: name of an ISO of the catalog, an href, or '' for none.
    :ivar config: name of a BootConfig, an inline config, or None.
    :ivar config_forced: whether it is used with an ISO whose system does not
        seem to read it.
    :ivar completed: when it reported that it is installed, RFC 3339, or ''.
    :ivar data_image: see node.data_image.kept().
    :ivar boot: what a conductor knows of the boot that it prepared.
    :ivar delivery: how its config is to reach it, '' for the default.
    :ivar provisioned: when ``provision_state`` changed last.
    :ivar generation: of its tokens, as conductors count them.
    :ivar owner: a project, '' for none; likewise ``lessee``.
    :ivar project: whose part of the catalog it has: see
        catalog.view.project_of().
    :ivar firmware: ``bios`` or ``uefi``, '' where nobody says.
    :ivar instance: UUID of the instance that is on it, '' for none.
    :ivar facts: what templates are filled with.
    """

    uuid: str
    name: str
    namespace: str = DEFAULT_NAMESPACE
    macs: tuple[str, ...] = ()
    ips: tuple[str, ...] = ()
    address: str = ''
    declared_ips: tuple[str, ...] = ()
    inspected_ips: tuple[str, ...] = ()
    image: str = ''
    config: typing.Any = None
    config_forced: bool = False
    boot_mode: str = FOREVER
    completed: str = ''
    driver: str = ''
    power: str | None = None
    target_power: str | None = None
    provision_state: str | None = None
    target_provision_state: str | None = None
    provisioned: str = ''
    maintenance: bool = False
    last_error: str = ''
    created: str = ''
    data_image: _Map[str, typing.Any] | None = None
    boot_interface: str = ''
    boot: boot_state.BootState = boot_state.BootState()
    generation: int = 0
    delivery: str = ''
    owner: str = ''
    lessee: str = ''
    project: str = ''
    instance: str = ''
    firmware: str = ''
    facts: _Map[str, typing.Any] = dataclasses.field(
        default_factory=dict, repr=False)

    @property
    def key(self) -> tuple[str, str]:
        """Namespace and name, which together are unique."""
        return self.namespace, self.name

    @property
    def title(self) -> str:
        """What messages call it."""
        return f'{KIND}/{self.namespace}/{self.name}'

    @property
    def properties(self) -> _Map[str, typing.Any]:
        """What an operator or an inspection says of the machine."""
        found: _Map[str, typing.Any] = self.facts.get('properties') or {}
        return found

    @property
    def config_name(self) -> str:
        """The name of the BootConfig, '' for none or an inline one."""
        return self.config if isinstance(self.config, str) else ''

    @property
    def token_generation(self) -> int:
        """The generation of its new tokens, as conductors count them.

        A node that had no end yet counts from its creation: another one may
        have had its UUID before.
        """
        return self.generation or boot_state.created(self.created)

    @property
    def boots_locally(self) -> bool:
        """Whether it is to boot from its disk."""
        return (not self.image or self.boot.cause is not None
                or self.boot_mode == ONCE and bool(self.completed))

    @property
    def is_over(self) -> bool:
        """Whether what it was to boot once is over, as far as is known.

        A conductor that prepared the boot has made the disk its boot
        device by then, or its script leads there. A host without one boots
        what this server's script says.
        """
        return (self.boots_locally and (
            bool(self.boot.disk_at or self.boot.ended_at)
            or self.boot_interface not in next_boot.ENDED_BY_CONDUCTORS
            or self.provision_state != 'active'))


def from_node(node: _Map[str, typing.Any],
              macs: collections.abc.Iterable[str],
              inventory_ips: collections.abc.Iterable[str] = (),
              declared: str = '',
              trusted_owners: collections.abc.Collection[str] = ()) -> Host:
    """Read a node; what its owner wrote may be anything.

    :param node: with FIELDS.
    :param macs: of its ports.
    :param inventory_ips: addresses that its inspection found.
    :param declared: the address that an operator gives it, '' for none.
    :param trusted_owners: see catalog.view.project_of().
    """
    info, extra = _mapping(node.get('instance_info')), _mapping(
        node.get('extra'))
    name = node.get('name') or ''
    namespace = extra.get('namespace')
    image, config = info.get(ISO_KEY), info.get(CONFIG_KEY)
    boot = node.get('boot') or boot_state.BootState()
    found_macs = tuple(sorted(filter(None, map(mac, macs))))
    said = tuple(dict.fromkeys(filter(None, map(address, (
        *_texts(extra.get('boot_ips')), *_network_ips(
            node.get('network_data')))))))
    stated = tuple(dict.fromkeys(filter(None, (declared, *said))))
    inspected = tuple(ip for ip in dict.fromkeys(filter(None, map(
        address, inventory_ips))) if ip not in stated)
    ips = stated + inspected
    owner, lessee = _text(node.get('owner')), _text(node.get('lessee'))
    host = Host(
        uuid=str(node['uuid']),
        name=name if resources.is_name(name) else str(node['uuid']),
        namespace=(namespace if isinstance(namespace, str)
                   and resources.is_name(namespace) else DEFAULT_NAMESPACE),
        macs=found_macs, ips=ips, address=declared, declared_ips=said,
        inspected_ips=inspected,
        image=image if isinstance(image, str) else '',
        config=config if isinstance(config, (str, dict)) and config
        else None,
        config_forced=_forced(info),
        boot_mode=boot_state.mode(info, installs=boot.mode == ONCE),
        completed=_text(info.get(COMPLETED_KEY)),
        driver=_text(node.get('driver')), power=node.get('power_state'),
        target_power=node.get('target_power_state'),
        provision_state=node.get('provision_state'),
        target_provision_state=node.get('target_provision_state'),
        provisioned=str(node.get('provision_updated_at') or ''),
        maintenance=bool(node.get('maintenance')),
        last_error=_text(node.get('last_error'))[:2000],
        created=str(node.get('created_at') or ''),
        data_image=node.get('data_image'),
        boot_interface=_text(node.get('boot_interface')), boot=boot,
        generation=node.get('boot_generation') or 0,
        delivery=(_text(info.get(DELIVERY_KEY))
                  or _text(node.get('boot_config_delivery'))
                  or boot.delivery),
        owner=owner, lessee=lessee,
        project=view.project_of(owner, lessee, trusted_owners),
        instance=_text(node.get('instance_uuid')), firmware=_firmware(node))
    return dataclasses.replace(host, facts=facts(
        uuid=host.uuid, name=host.name, macs=found_macs, ips=ips,
        properties=_mapping(node.get('properties')), extra=extra))


def facts(*, uuid: str, name: str, macs: collections.abc.Sequence[str],
          ips: collections.abc.Sequence[str],
          properties: _Map[str, typing.Any], extra: _Map[str, typing.Any]
          ) -> dict[str, typing.Any]:
    """Return what the templates of a config know of a node."""
    return {'uuid': uuid, 'name': name, 'macs': list(macs),
            'mac': macs[0] if macs else '', 'ips': list(ips),
            'ip': ips[0] if ips else '', 'properties': dict(properties),
            'extra': dict(extra)}


def spec(host: Host) -> dict[str, typing.Any]:
    """Return what can be changed."""
    shown: dict[str, typing.Any] = {
        'image': urls.redacted(host.image) or resources.LOCAL_BOOT,
        'bootMode': host.boot_mode}
    if host.address:
        shown['ip'] = host.address
    if host.config_name:
        shown['bootConfigRef'] = host.config_name
    data_image = host_data_images.spec(host.data_image)
    if data_image:
        shown['dataImage'] = data_image
    return shown


def document(host: Host, version: str) -> dict[str, typing.Any]:
    """Return the JSON document of a host.

    :param version: its resource version.
    """
    status: dict[str, typing.Any] = {
        'macs': list(host.macs), 'ips': list(host.ips),
        'power': host.power, 'targetPower': host.target_power,
        'provisionState': host.provision_state,
        'targetProvisionState': host.target_provision_state,
        'maintenance': host.maintenance, 'driver': host.driver,
        'bootInterface': host.boot_interface,
        'nextBoot': _next_boot(host)}
    for name, value in (('owner', host.owner), ('lessee', host.lessee),
                        ('lastError', host.last_error),
                        ('firmware', host.firmware)):
        if value:
            status[name] = value
    if host.last_error:
        status['lastErrorCause'] = failure.cause(host.last_error)
    if host.completed:
        status['bootCompletedAt'] = host.completed
    if host.boot.cause is not None:
        status['bootEnd'] = {
            'cause': host.boot.cause.value,
            'diskIsBootDevice': bool(host.boot.disk_at),
            'seen': host.boot.disk_seen,
            'mediumIsGone': bool(host.boot.ended_at)}
    if host.boot.error and not host.boots_locally:
        status['bootMedium'] = {'lost': bool(host.boot.lost_at),
                                'error': host.boot.error}
    if isinstance(host.config, dict):
        status['inlineConfig'] = True
    data_image = host_data_images.status(host.data_image)
    if data_image:
        status['dataImage'] = data_image
    return {'apiVersion': resources.API_VERSION, 'kind': KIND,
            'metadata': {'name': host.name, 'namespace': host.namespace,
                         'uid': host.uuid, 'resourceVersion': version,
                         'creationTimestamp': host.created},
            'spec': spec(host), 'status': status}


def _forced(info: _Map[str, typing.Any]) -> bool:
    try:
        return config_fit.forced(info)
    except errors.PlanError:
        return False


def _firmware(node: _Map[str, typing.Any]) -> str:
    """Return what a node boots by, as it is told or as Ironic saw it."""
    said = _mapping(node.get('properties')).get('capabilities')
    if isinstance(said, str):
        said = dict(part.strip().split(':', 1) for part in said.split(',')
                    if ':' in part)
    mode = _mapping(said).get('boot_mode') or node.get('boot_mode')
    return mode if mode in ('bios', 'uefi') else ''


def _next_boot(host: Host) -> dict[str, typing.Any]:
    found = next_boot.of(host)
    shown = {'device': found.device.value, 'image': found.image,
             'once': found.once, 'chosen': found.chosen,
             'takes': found.takes.value, 'text': found.text}
    return {name: value for name, value in shown.items() if value}


def encoded(host: Host, version: str, spec: object = None) -> bytes:
    """Return the document as bytes without a newline.

    :param spec: another one than the host has.
    """
    found = document(host, version)
    if spec is not None:
        found['spec'] = spec
    return json.dumps(found, separators=(',', ':')).encode()


def mac(value: object) -> str:
    """Return a MAC as Ironic writes it, '' for what is none."""
    text = str(value)
    if _MAC.fullmatch(text):
        return text
    text = text.strip().lower().replace('-', ':')
    return text if _MAC.fullmatch(text) else ''


def address(value: object) -> str:
    """Return an IP address in its one form, '' for what is none.

    A prefix length goes; an IPv4 address inside of IPv6 is IPv4.
    """
    try:
        found = ipaddress.ip_address(str(value).partition('/')[0].strip())
    except ValueError:
        return ''
    if isinstance(found, ipaddress.IPv6Address):
        if found.ipv4_mapped is not None:
            return str(found.ipv4_mapped)
        if found.is_link_local:
            # Every machine may have it, on some link.
            return ''
    return '' if found.is_loopback or found.is_unspecified else str(found)


def inventory_ips(inventory: object) -> tuple[str, ...]:
    """Return the addresses that an inspection found, see IPA's inventory."""
    found = _mapping(_mapping(inventory).get('inventory'))
    return tuple(filter(None, (
        address(_mapping(interface).get(key))
        for interface in _list(found.get('interfaces'))
        for key in ('ipv4_address', 'ipv6_address'))))


def _network_ips(data: object) -> list[str]:
    """Return the addresses in OpenStack's network_data.json."""
    return [str(_mapping(network).get('ip_address') or '')
            for network in _list(_mapping(data).get('networks'))]


def _mapping(value: object) -> _Map[str, typing.Any]:
    return value if isinstance(value, collections.abc.Mapping) else {}


def _list(value: object) -> list[typing.Any]:
    return value if isinstance(value, list) else []


def _text(value: object) -> str:
    return value if isinstance(value, str) else ''


def _texts(value: object) -> list[str]:
    if isinstance(value, str):
        return re.split(r'[,\s]+', value)
    return [item for item in _list(value) if isinstance(item, str)]
