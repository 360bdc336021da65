# SPDX-License-Identifier: Apache-2.0

"""What a machine boots at its next start, from records and its BMC.

The one answer for the API, its clients and the page. A conductor puts on
record what it has prepared and seen; what is chosen since takes a deployment
or a rebuild. Where the BMC is asked as well, what it shows is what counts.
"""

import dataclasses
import enum
import typing

from ironic_ext.node import boot_state

#: Boot interfaces whose conductor ends a boot, and puts that on record.
ENDED_BY_CONDUCTORS = ('redfish-iso', 'iso-sanboot')
# How the names of Ironic's own end whose machines boot from virtual media.
# They keep no record of what they put in.
_MEDIA = ('virtual-media', '-https')
# The agent has the machine, and what was deployed comes back after it.
_INTERRUPTED = frozenset((
    'rescuing', 'rescue wait', 'rescue', 'rescue failed', 'unrescuing',
    'unrescue failed', 'servicing', 'service wait', 'service hold',
    'service failed'))
# From these Ironic deploys nothing, and nothing leads on to a state from
# which it does.
_NOT_PROVIDED = frozenset((
    'enroll', 'verifying', 'manageable', 'inspecting', 'inspect wait',
    'inspect failed', 'clean failed', 'adopting', 'adopt failed', 'error'))


class Host(typing.Protocol):
    """What is needed of a host."""

    @property
    def image(self) -> str:
        """What is chosen for it."""

    @property
    def config(self) -> typing.Any:
        """With which config."""

    @property
    def boot_mode(self) -> str:
        """Once or for ever."""

    @property
    def boots_locally(self) -> bool:
        """Whether it is to boot from its disk."""

    @property
    def boot_interface(self) -> str:
        """Ironic's name of it."""

    @property
    def provision_state(self) -> str | None:
        """Ironic's."""

    @property
    def boot(self) -> boot_state.BootState:
        """What a conductor knows."""


class Device(enum.StrEnum):
    """Where the next boot comes from."""

    ISO = 'iso'
    DISK = 'disk'
    NETWORK = 'network'
    UNKNOWN = 'unknown'


class Takes(enum.StrEnum):
    """What makes a machine boot what is chosen for it."""

    NOTHING = ''
    PROVIDE = 'provide'
    DEPLOY = 'deploy'
    REBUILD = 'rebuild'


@dataclasses.dataclass(frozen=True)
class Shown:
    """What a BMC shows.

    :param device: to boot from, as Ironic calls it; '' where the firmware's
        own order counts.
    :param once: whether that is for the next start alone.
    :param medium: what is in the first virtual disc drive that is not
        empty, as it may be shown; '' for none.
    :param is_own: whether that is the medium of the node's instance.
    """

    device: str = ''
    once: bool = False
    medium: str = ''
    is_own: bool = False


@dataclasses.dataclass(frozen=True)
class NextBoot:
    """What a machine boots next.

    :param image: of Device.ISO, as it may be shown.
    :param once: whether it boots that once, and then what its firmware
        finds first.
    :param chosen: ISO that is chosen, but not what it boots; '' for none.
    :param takes: what makes it boot that.
    :param recorded: what the records say where the BMC shows something else;
        '' where they agree or say nothing, or it was not asked.
    """

    device: Device
    image: str = ''
    once: bool = False
    chosen: str = ''
    takes: Takes = Takes.NOTHING
    recorded: str = ''

    @property
    def text(self) -> str:
        """The same for people."""
        said = _SAID[self.device].format(
            self.image, ' once' if self.once else '')
        if self.takes:
            said += (f' To boot {self.chosen}, which is chosen for it, it has '
                     f'to be {_PARTICIPLES[self.takes]}.')
        if self.recorded:
            said += f' On record is another thing: {self.recorded}'
        return said


_SAID = {Device.DISK: 'It will boot from its disk{1}.',
         Device.NETWORK: 'It will boot over the network{1}.',
         Device.UNKNOWN: 'It will boot what its firmware finds first.',
         Device.ISO: 'It will boot {0}{1}.'}
_PARTICIPLES = {
    Takes.PROVIDE: 'made available first (openstack baremetal node manage, '
                   'node provide), and then deployed',
    Takes.DEPLOY: 'deployed', Takes.REBUILD: 'rebuilt'}


def of(host: Host, shown: Shown | None = None) -> NextBoot:
    """Return what a host boots next.

    :param shown: by its BMC, None where that was not asked.
    """
    recorded = _recorded(host)
    if shown is None:
        return recorded
    found = dataclasses.replace(_seen(host, shown, recorded),
                                chosen=recorded.chosen, takes=recorded.takes)
    if (recorded.device is Device.UNKNOWN or not _is_on_record(host)
            or (found.device, found.image)
            == (recorded.device, recorded.image)):
        return found
    return dataclasses.replace(found, recorded=dataclasses.replace(
        recorded, takes=Takes.NOTHING).text)


def _is_on_record(host: Host) -> bool:
    """Tell whether anything was chosen for a host, or done with it."""
    return bool(host.image or host.boot.iso or host.boot.disk_at
                or host.boot.ended_at)


def _seen(host: Host, shown: Shown, recorded: NextBoot) -> NextBoot:
    """Return what a BMC has its machine boot."""
    if shown.device == 'disk':
        return NextBoot(Device.DISK, once=shown.once)
    if shown.device == 'pxe':
        if host.boot_interface == 'iso-sanboot':
            # The script is what is on record.
            return recorded
        return NextBoot(Device.NETWORK, once=shown.once)
    if shown.device == 'cdrom' and shown.medium:
        return NextBoot(
            Device.ISO, (host.boot.iso or recorded.image) if shown.is_own
            else shown.medium,
            # Of its own a conductor makes an end, whatever the BMC does.
            once=shown.once or shown.is_own and recorded.once)
    return NextBoot(Device.UNKNOWN)


def _recorded(host: Host) -> NextBoot:
    chosen, config = boot_state.choice({
        boot_state.ISO_KEY: host.image, boot_state.CONFIG_KEY: host.config})
    if not (host.boot_interface in ENDED_BY_CONDUCTORS
            or host.boot.iso):
        if host.boot_interface.endswith(_MEDIA):
            return _deployable(host, chosen)
        # The boot server's script decides at the moment of the boot.
        if host.boots_locally:
            return NextBoot(Device.DISK)
        return NextBoot(Device.ISO, chosen,
                        once=host.boot_mode == boot_state.ONCE)
    if host.provision_state != 'active':
        return _deployable(host, chosen)
    prepared = host.boot.iso or chosen
    differs = bool(chosen) and bool(host.boot.iso) and (
        (chosen, config) != (host.boot.iso, host.boot.config))
    if host.boot.disk_at or host.boot.ended_at or not prepared:
        found = NextBoot(Device.DISK)
    else:
        found = NextBoot(Device.ISO, prepared,
                         once=host.boot.mode == boot_state.ONCE)
    if differs:
        found = dataclasses.replace(found, chosen=chosen,
                                    takes=Takes.REBUILD)
    return found


def _deployable(host: Host, chosen: str) -> NextBoot:
    """Return what is said where nothing is known to be prepared."""
    if (not chosen or host.provision_state == 'active'
            or host.provision_state in _INTERRUPTED):
        return NextBoot(Device.UNKNOWN)
    return NextBoot(Device.UNKNOWN, chosen=chosen, takes=(
        Takes.PROVIDE if host.provision_state in _NOT_PROVIDED
        else Takes.DEPLOY))
