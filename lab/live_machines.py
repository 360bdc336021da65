# SPDX-License-Identifier: Apache-2.0

"""A lab whose machines have drives that change while they run."""

from collections.abc import Mapping, Sequence
import pathlib
import sys

import libvirt

from lab.bmc import emulator
from lab.bmc import live_emulator
from lab import hypervisor
from lab import stack

#: What the BMC shows of each machine, by the names of its drives.
DEVICES = {
    **{name: {'Name': name, 'MediaTypes': ['CD', 'DVD']}
       for name in live_emulator.DRIVES},
    live_emulator.STICK: {'Name': live_emulator.STICK,
                          'MediaTypes': ['Floppy', 'USBStick']}}


class LiveEmulator(emulator.SushyEmulator):
    """The emulator with lab.bmc.live_emulator's drives."""

    def __init__(self, directory: pathlib.Path, libvirt_uri: str, *,
                 outlives: bool = False) -> None:
        super().__init__(directory, libvirt_uri, outlives=outlives)
        with open(self._config, 'a') as file:
            file.write(f'SUSHY_EMULATOR_VMEDIA_DEVICES = {DEVICES!r}\n')

    def command(self) -> Sequence[str]:
        return [sys.executable, '-m', 'lab.bmc.live_emulator', '--config',
                str(self._config)]

    def environment(self) -> Mapping[str, str]:
        root = pathlib.Path(live_emulator.__file__).parents[2]
        return {**super().environment(), 'PYTHONPATH': str(root)}

    def forget(self) -> None:
        """Start again with empty drives, as a BMC that was reset."""
        self.stop()
        for path in self.directory.glob('vmedia*'):
            path.unlink()
        self.start()


class LiveLibvirtd(hypervisor.Libvirtd):
    """Machines with two CD drives, empty, and a place for a stick."""

    def add_machine(self, name: str, firmware: hypervisor.Firmware,
                    hardware: hypervisor.Hardware = hypervisor.Hardware()
                    ) -> hypervisor.Machine:
        machine = super().add_machine(name, firmware, hardware)
        with self.connection() as connection:
            domain = connection.lookupByUUIDString(machine.identity)
            domain.attachDeviceFlags(live_emulator.CONTROLLER,
                                     libvirt.VIR_DOMAIN_AFFECT_CONFIG)
            for target in live_emulator.DRIVES.values():
                domain.attachDeviceFlags(live_emulator.drive(target),
                                         libvirt.VIR_DOMAIN_AFFECT_CONFIG)
        return machine


class LiveLab(stack.Lab):
    """The whole lab, with such machines."""

    hypervisor_class = LiveLibvirtd
    emulator_class = LiveEmulator
