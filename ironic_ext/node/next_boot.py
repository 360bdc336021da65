# SPDX-License-Identifier: Apache-2.0

"""What a machine boots at its next start, from what is on record of it.

The one answer for the API, its clients and the page. A conductor puts on
record what it has prepared and seen; what is chosen since takes a deployment
or a rebuild.
"""

import dataclasses
import enum
import typing

from ironic_ext.node import boot_state

#: Boot interfaces whose conductor ends a boot, and puts that on record.
ENDED_BY_CONDUCTORS = ('redfish-iso', 'iso-sanboot')


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
    UNKNOWN = 'unknown'


class Takes(enum.StrEnum):
    """What makes a machine boot what is chosen for it."""

    NOTHING = ''
    DEPLOY = 'deploy'
    REBUILD = 'rebuild'


@dataclasses.dataclass(frozen=True)
class NextBoot:
    """What a machine boots next.

    :param image: of Device.ISO, as it may be shown.
    :param once: whether it boots that once, and then what its firmware
        finds first.
    :param chosen: ISO that is chosen, but not what it boots; '' for none.
    :param takes: what makes it boot that.
    """

    device: Device
    image: str = ''
    once: bool = False
    chosen: str = ''
    takes: Takes = Takes.NOTHING

    @property
    def text(self) -> str:
        """The same for people."""
        said = {Device.DISK: 'It will boot from its disk.',
                Device.UNKNOWN: 'It will boot what its firmware finds first.',
                Device.ISO: f'It will boot {self.image}'
                            + (' once.' if self.once else '.')}[self.device]
        if self.takes:
            said += (f' To boot {self.chosen}, which is chosen for it, it has '
                     f'to be {_PARTICIPLES[self.takes]}.')
        return said


_PARTICIPLES = {Takes.DEPLOY: 'deployed', Takes.REBUILD: 'rebuilt'}


def of(host: Host) -> NextBoot:
    """Return what a host boots next."""
    chosen, config = boot_state.choice({
        boot_state.ISO_KEY: host.image, boot_state.CONFIG_KEY: host.config})
    if not (host.boot_interface in ENDED_BY_CONDUCTORS
            or host.boot.iso):
        # The boot server's script decides at the moment of the boot.
        if host.boots_locally:
            return NextBoot(Device.DISK)
        return NextBoot(Device.ISO, chosen,
                        once=host.boot_mode == boot_state.ONCE)
    if host.provision_state != 'active':
        if not chosen:
            return NextBoot(Device.UNKNOWN)
        return NextBoot(Device.UNKNOWN, chosen=chosen, takes=Takes.DEPLOY)
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
