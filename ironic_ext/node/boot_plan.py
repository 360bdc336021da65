# SPDX-License-Identifier: Apache-2.0

"""What does this node boot: the node's words turned into a BootPlan.

Validates everything that can be judged without the base image. Fetching it,
injecting and delivering are somebody else's.
"""

import collections.abc
import dataclasses
import json
import os
import re
import typing
from urllib import parse as urlparse
import uuid

from oslo_utils import strutils

from ironic_ext import catalog
from ironic_ext.catalog import resources
from ironic_ext.catalog import view
from ironic_ext import config_formats
from ironic_ext import images
from ironic_ext.images import checksum as checksums
from ironic_ext import iso
from ironic_ext.node import boot_files
from ironic_ext.node import boot_state
from ironic_ext.node import config_drive
from ironic_ext.node import config_fit
from ironic_ext.node import errors

#: Of instance_info: what the boot menu starts by itself, if anything.
UNATTENDED_KEY = 'boot_unattended'
#: Seconds after which it does: enough for somebody at the console to stop
#: it.
_TIMEOUT = 5
#: Characters of an entry's title or label.
_MAX_ENTRY = 256
#: Where IPA has its own configuration (ironic's image_utils.py has the same).
_AGENT_CA = '/etc/ironic-python-agent/ironic.crt'
_AGENT_CA_CONFIG = '/etc/ironic-python-agent.d/ironic-tls.conf'
_NETWORK_DATA = '/openstack/latest/network_data.json'
#: Where glean looks for the config drive it has mounted (glean/cmd.py).
_GLEAN_DRIVE = '/mnt/config'
# Tells ramdisks of ironic-python-agent-builder which medium is theirs
# (ironic-python-agent-resolve-configdrive.sh there): by its publisher.
_PUBLISHER_KEY = 'ir_pub_id'
_PUBLISHER = re.compile(r'[\w.:+-]+')
#: Labels of a medium that IPA copies its configuration from, case ignored
#: (ironic_python_agent/utils.py, copy_config_from_vmedia).
AGENT_LABELS = ('config-2', 'vmedia_boot_iso')

#: Key of instance_info and driver_info.
_DELIVERY = 'boot_config_delivery'


@dataclasses.dataclass(frozen=True)
class Sources:
    """Where a plan finds the ISOs and the boot configs of the catalog.

    :param iso: finds an ISO that the node may use by its name; None if
        there is none.
    :param config: finds a BootConfig by its name, likewise.
    :param project: that uses the node, '' for the operator.
    :param directory: where ISOs lie that were uploaded.
    :param delivery: how configs reach machines unless the node says.
    :param base_url: makes the URL, secret, where the boot server has the
        config of the node of a UUID; None without a boot server.
    """

    iso: collections.abc.Callable[[str], catalog.ISCSICdrom | None]
    config: collections.abc.Callable[[str], catalog.BootConfig | None]
    directory: str
    delivery: str = 'inject'
    base_url: collections.abc.Callable[[str], str] | None = None
    project: str = ''


@dataclasses.dataclass(frozen=True)
class Base:
    """The image that a node boots.

    :param checksum: a checksum, the URL of a checksum file, or None.
    :param cdrom: the entry of the catalog that it was named by, or None.
    """

    href: str
    checksum: str | None
    cdrom: catalog.ISCSICdrom | None = None


@dataclasses.dataclass(frozen=True)
class BootPlan:
    """An image to boot and what to put into it.

    :param href: the base image.
    :param checksum: of the base: a checksum, the URL of a checksum file, or
        None.
    :param injection: secret, since config drives and tokens are.
    :param config: a boot config; how it goes into the image is known when
        that is open.
    :param delivery: the way of that config.
    :param user_access: whether the image is fetched with the credentials
        of the node's owner.
    :param chosen_by_owner: whether the node itself names the image, not
        ironic.conf or the catalog.
    :param firmware: what the machine boots by: ``bios``, ``uefi``,
        ``uefi-x64``, ...; '' where that is not known.
    :param forces_config: whether the config is used even if the system of
        the image does not seem to read it.
    :param wishes_unattended: whether the boot menu is to start its default
        by itself where it can, and stays as it is where it cannot.
    """

    href: str
    checksum: str | None
    injection: iso.Injection = dataclasses.field(repr=False)
    config: config_formats.Config | None = None
    delivery: config_formats.Delivery = config_formats.Delivery()
    user_access: bool = False
    chosen_by_owner: bool = False
    firmware: str = ''
    wishes_unattended: bool = False
    forces_config: bool = False

    def with_config_in(self, image: iso.IsoImage
                       ) -> tuple['BootPlan', tuple[str, ...]]:
        """Turn the boot config into what is injected into that image.

        :returns: the plan, and sentences that an operator should know.
        :raises: ConfigError, IsoError
        """
        if self.config is None:
            return self, ()
        facts = config_formats.ImageFacts.of(image)
        misfit, delivery = '', self.delivery
        if self.forces_config:
            misfit = self.config.format.misfit(facts)
            delivery = dataclasses.replace(delivery, lost='')
        else:
            config_fit.require_read(self.config.format, facts)
        placement = delivery.place(self.config, facts)
        return dataclasses.replace(
            self, injection=placement.onto(self.injection),
            config=None), (*((misfit,) if misfit else ()), *placement.notes)

    def attended(self) -> 'BootPlan':
        """Return the plan that leaves the boot menu as it is."""
        return dataclasses.replace(
            self, wishes_unattended=False, injection=dataclasses.replace(
                self.injection, timeout=None, default=''))

    def naming(self, publisher: str) -> 'BootPlan':
        """Return the plan of an agent that is told whose its medium is.

        It reads no network data of a medium with another publisher.

        :param publisher: of the base image, '' for none.
        """
        if (_GLEAN_DRIVE + _NETWORK_DATA not in self.injection.initrd_files
                or not _PUBLISHER.fullmatch(publisher)):
            return self
        # In front: the operator's own come last, and win.
        return dataclasses.replace(self, injection=dataclasses.replace(
            self.injection, append_args=' '.join(filter(None, (
                f'{_PUBLISHER_KEY}={publisher}',
                self.injection.append_args)))))

    def without_initrd_files(self) -> 'BootPlan':
        """Return the plan with nothing to add to the initrd."""
        return dataclasses.replace(self, injection=dataclasses.replace(
            self.injection, initrd_files={}))


def for_instance(node: typing.Any, *, limits: boot_files.Limits,
                 shelf: boot_files.Shelf,
                 default_arguments: str | None, sources: Sources,
                 facts: collections.abc.Mapping[str, typing.Any],
                 firmware: str = '') -> BootPlan:
    """Plan the boot of ``instance_info/boot_iso``.

    :param node: an ironic node.
    :param shelf: downloads hrefs; the plan is good as long as it is.
    :param default_arguments: what ``%default%`` stands for in
        ``kernel_append_params``.
    :param sources: asked when the node names an ISO or a config in it.
    :param facts: about the node, for the templates of boot configs.
    :param firmware: see BootPlan.
    :raises: PlanError
    """
    info = node.instance_info
    try:
        base = base_of(info, sources)
        config = config_formats.plan_boot_config(
            info.get('boot_config'), lookup=sources.config,
            iso=base.cdrom, facts=facts, project=sources.project)
        delivery = _delivery(node, sources)
        if config is not None and delivery.way == 'url':
            delivery.by_url(config)
    except (catalog.CatalogError, config_formats.ConfigError) as exc:
        raise errors.PlanError(f'instance_info: {exc}') from exc
    try:
        drive = config_drive.files(
            info.get('configdrive'), node_uuid=node.uuid, node_name=node.name,
            shelf=shelf, limit=limits.configdrive)
        added = boot_files.files(info.get('boot_iso_files'), limits, shelf)
        modes = boot_files.modes(info.get('boot_iso_files'))
    except images.ImageError as exc:
        raise errors.PlanError(str(exc)) from exc
    for path in sorted(drive.keys() & added.keys()):
        raise errors.PlanError(
            f'instance_info/boot_iso_files and the config drive both have '
            f'{path}: leave it out of one of them')
    files = {**drive, **added}
    boot_files.require_total(files, limits)
    arguments = [
        _arguments('instance_info', info, 'kernel_append_params',
                   default_arguments),
        _arguments('instance_info', info, 'ramdisk_kernel_arguments', None)]
    said = _unattended(info)
    installs = config is not None and config.format.installs
    once = boot_state.mode(info, installs) == boot_state.ONCE
    if said and installs and not once:
        raise errors.PlanError(
            f'instance_info/{UNATTENDED_KEY} would have the machine install '
            f'itself anew at every start: leave it out, or set '
            f'instance_info/{boot_state.MODE_KEY} to "{boot_state.ONCE}"')
    wishes = said is None and installs and once
    plan = _plan('instance_info/boot_iso', base.href, base.checksum,
                 append_args=' '.join(filter(None, arguments)), files=files,
                 modes=modes, timeout=_TIMEOUT if said or wishes else None,
                 default=said if isinstance(said, str) else '')
    return dataclasses.replace(plan, config=config, delivery=delivery,
                               wishes_unattended=wishes,
                               forces_config=config_fit.forced(info),
                               user_access=base.cdrom is None,
                               chosen_by_owner=base.cdrom is None,
                               firmware=firmware)


def _unattended(info: collections.abc.Mapping[str, typing.Any]
                ) -> bool | str | None:
    """Return what ``boot_unattended`` says; None for nothing.

    :raises: PlanError
    """
    value = info.get(UNATTENDED_KEY)
    if value is None or isinstance(value, bool):
        return value
    if not isinstance(value, str) or not 0 < len(value) <= _MAX_ENTRY:
        raise errors.PlanError(
            f'instance_info/{UNATTENDED_KEY} must be true, false, or the '
            f'title or label of an entry of the ISO\'s boot menu')
    # The command line of Ironic gives text.
    return {'true': True, 'false': False}.get(value.lower(), value)


def _delivery(node: typing.Any, sources: Sources
              ) -> config_formats.Delivery:
    """Return the way of a node's boot config.

    :raises: ConfigError
    """
    way = (node.instance_info.get(_DELIVERY)
           or node.driver_info.get(_DELIVERY) or sources.delivery)
    base_url = sources.base_url
    if base_url is None:
        return config_formats.Delivery(way)
    config = node.instance_info.get('boot_config')
    # The boot server reads nodes by Ironic's API, which hides what looks
    # like a password.
    hidden = (isinstance(config, dict)
              and strutils.mask_dict_password(config) != config)

    def made() -> str:
        if hidden:
            raise config_formats.ConfigError(config_formats.Finding(
                '', None, 'the inline boot_config has what Ironic\'s API '
                'takes for passwords and hides from the boot server: put '
                'the config into the catalog'))
        return base_url(node.uuid)

    return config_formats.Delivery(way, made)


def base_of(info: collections.abc.Mapping[str, typing.Any],
            sources: Sources) -> Base:
    """Return the image that ``instance_info/boot_iso`` stands for.

    An ISO of the catalog is the one that was looked at when it was
    added: its digest goes with it.

    :raises: PlanError, CatalogError
    """
    value = info.get('boot_iso')
    checksum = _checksum(info.get('boot_iso_checksum'))
    if not isinstance(value, str) or not value:
        raise errors.PlanError(
            'instance_info/boot_iso must be the name of an ISO, or the URL '
            'or the Glance UUID of one')
    if not _is_name(value):
        return Base(value, checksum)
    cdrom = sources.iso(value)
    if cdrom is None:
        raise errors.PlanError(
            f'instance_info/boot_iso: there is no ISO "{value}" in the '
            'catalog, and it is neither a URL nor the UUID of an image in '
            f'Glance{view.hint(sources.project)}')
    if cdrom.status.phase != 'Ready':
        raise errors.PlanError(
            f'instance_info/boot_iso: ISO "{value}" is not ready: it is '
            f'{cdrom.status.phase} {cdrom.status.error}'.rstrip())
    path = os.path.join(sources.directory, cdrom.spec.iso_file)
    return Base(cdrom.spec.url or f'file://{urlparse.quote(path)}',
                checksum or cdrom.status.digest or None, cdrom)


def _is_name(value: str) -> bool:
    """Tell the name of an ISO in the catalog from an href."""
    if not resources.is_name(value):
        return False
    try:
        uuid.UUID(value)
    except ValueError:
        return True
    return False


def for_agent(node: typing.Any, name: str, href: str,
              params: collections.abc.Mapping[str, str | None], *,
              append_params: str | None,
              network_data: collections.abc.Mapping[str, typing.Any] | None,
              ca: bytes | None, firmware: str = '') -> BootPlan:
    """Plan the boot of the agent from a ``deploy_iso`` or ``rescue_iso``.

    The files go into the ISO's root, where IPA looks on media with one of
    AGENT_LABELS, and into the initrd, where they are whatever the label is.

    :param name: ``deploy_iso`` or ``rescue_iso``.
    :param params: kernel arguments for the agent; None is a bare word.
    :param append_params: the operator's kernel arguments; they come last
        and so win.
    :param network_data: of the network interface, for the agent.
    :param ca: certificates that the agent trusts the API by.
    :param firmware: see BootPlan.
    :raises: PlanError
    """
    words = [_word(key, value) for key, value in params.items()]
    if append_params:
        words.append(append_params)
    files: dict[str, bytes] = {}
    initrd_files: dict[str, bytes] = {}
    if ca:
        files[_AGENT_CA] = ca
        files[_AGENT_CA_CONFIG] = f'[DEFAULT]\ncafile = {_AGENT_CA}\n'.encode()
        initrd_files.update(files)
    if network_data:
        content = json.dumps(network_data, indent=2).encode()
        files[_NETWORK_DATA] = content
        initrd_files[_GLEAN_DRIVE + _NETWORK_DATA] = content
    plan = _plan(f'driver_info/{name}', href,
                 _checksum(node.driver_info.get(f'{name}_checksum'),
                           f'driver_info/{name}_checksum'),
                 append_args=' '.join(words), files=files,
                 initrd_files=initrd_files)
    # Ironic knows the key by older names, too.
    return dataclasses.replace(plan, firmware=firmware, chosen_by_owner=(
        href in (*node.driver_info.values(), *node.instance_info.values())))


def agent_finds_files(volume_id: str) -> bool:
    """Tell whether IPA copies files from a medium with that label."""
    return volume_id.strip().lower() in AGENT_LABELS


def _plan(name: str, href: object, checksum: str | None,
          **injection: typing.Any) -> BootPlan:
    if not isinstance(href, str) or not href:
        raise errors.PlanError(
            f'{name} must be the URL or the Glance UUID of an ISO')
    try:
        return BootPlan(href, checksum, iso.Injection(**injection))
    except iso.InjectionError as exc:
        raise errors.PlanError(str(exc)) from exc


def _word(key: str, value: str | None) -> str:
    if value is None or value == '':
        return key
    if '"' in str(value):
        raise errors.PlanError(
            f'the kernel argument {key} for the agent has a double quote in '
            'its value, which kernel command lines cannot carry')
    text = f'{key}={value}'
    return f'{key}="{value}"' if set(text) & set(' \t') else text


def _arguments(where: str, info: collections.abc.Mapping[str, typing.Any],
               key: str, default: str | None) -> str:
    value = info.get(key)
    if not value:
        return ''
    if not isinstance(value, str):
        raise errors.PlanError(
            f'{where}/{key} must be text, one line of kernel arguments')
    if default is not None:
        value = value.replace('%default%', default)
    try:
        iso.parse_arguments(value)
    except iso.InjectionError as exc:
        raise errors.PlanError(f'{where}/{key}: {exc}') from exc
    return value


def _checksum(value: object, name: str = 'instance_info/boot_iso_checksum'
              ) -> str | None:
    if value is None or value == '':
        return None
    if not isinstance(value, str):
        raise errors.PlanError(f'{name} must be text')
    if checksums.is_url(value):
        return value
    try:
        return str(images.Checksum.parse(value))
    except images.ChecksumError as exc:
        raise errors.PlanError(f'{name}: {exc}') from exc
