# SPDX-License-Identifier: Apache-2.0

"""The layouts of the table, and the ISOs that stand for them."""

import contextlib
import dataclasses
import pathlib

from tests import iso_cases
from tests import iso_parts as parts
from tests import isos
from tests.layouts import releases

_CACHE = pathlib.Path(__file__).parents[2] / '.cache'
_STUBS = 'usr/lib/systemd/boot/efi'


@dataclasses.dataclass(frozen=True)
class Layout:
    """One row of the table.

    :ivar name: of its ISO among those of the tests.
    :ivar title: which systems have it.
    :ivar real: whether it is the ISO of a Debian package, as it is.
    :ivar boots: whether the ISO of the test can boot: it has what its
        menu starts.
    :ivar large: whether it has some GiB, too many for what runs often.
    :ivar stub: the Debian release whose stub its unified kernel image has.
    """

    name: str
    title: str
    real: bool = False
    boots: bool = True
    large: bool = False
    stub: str = ''

    def shared(self) -> pathlib.Path:
        """Return an ISO with stand-ins for kernel and initrd.

        :raises: SkipTest where a package is missing
        """
        if self.real:
            return isos.real(self.name)
        if self.name in isos.KINDS:
            return isos.shared(self.name)
        return iso_cases.shared(self.name)

    def build(self, folder: pathlib.Path, kernel: pathlib.Path,
              initrd: pathlib.Path) -> pathlib.Path:
        """Return an ISO that boots."""
        with contextlib.ExitStack() as stack:
            stack.enter_context(parts.booting(kernel, initrd))
            if self.stub:
                stack.enter_context(iso_cases.stub(releases.package(
                    self.stub, 'systemd-boot-efi', _CACHE, _STUBS)
                    / _STUBS / 'linuxx64.efi.stub'))
            if self.name in isos.KINDS:
                made: pathlib.Path = isos.KINDS[self.name].build(folder)
                return made
            return iso_cases.CASES[self.name](folder)


LAYOUTS = (
    Layout('isolinux_bios', 'Live system, ISOLINUX (Debian live)'),
    Layout('grub_bios', 'Live system, GRUB for a BIOS'),
    Layout('hybrid', 'Debian installer, text'),
    Layout('multi_extent', 'A file of more than 4 GiB', large=True),
    Layout('on_timeout', 'Debian installer, graphical, ``ONTIMEOUT``'),
    Layout('ubuntu_like', 'Ubuntu server'),
    Layout('lz4_initrd', 'Ubuntu of 2020, initrd of lz4', boots=False),
    Layout('lorax_like', 'Fedora, RHEL: GRUB, configs in ISO and ESP'),
    Layout('copied_config', 'RHEL: GRUB, a copy of its config in the ESP'),
    Layout('coreos_like', 'CoreOS: areas with ``end`` and ``pad``'),
    Layout('bare_areas', 'CoreOS of 2021 to 2023: areas without'),
    Layout('old_areas', 'CoreOS of 2020 and 2021: the system area'),
    Layout('waiting_menu', 'SUSE: a menu that waits, its default the disk'),
    Layout('esp_kernel', 'Arch: kernel and initrd in the ESP, too'),
    Layout('systemd_boot', 'systemd-boot'),
    Layout('alpine', 'Alpine: SYSLINUX\' own place'),
    Layout('grml', 'grml: GRUB sources what a glob finds'),
    Layout('system_rescue', 'SystemRescue: ``CONFIG`` with a directory'),
    Layout('xen', 'Xen (XCP-ng): ``multiboot2``, ``module2``', boots=False),
    Layout('unified_kernel', 'Unified kernel image (Talos)'),
    Layout('unified_add_ons', 'Unified kernel image, systemd of 2025',
           stub='trixie'),
    Layout('built_in_menu', 'GRUB with its menu built in'),
    Layout('variable_arguments', 'GRUB, arguments in a variable'),
    Layout('rescue', 'grub-mkrescue, HFS+ beside'),
    Layout('hypervisor_config', 'ESXi, BIOS', boots=False),
    Layout('hypervisor_uefi', 'ESXi, UEFI', boots=False),
    Layout('memtest_x64', 'Memtest86+', real=True, boots=False),
    Layout('ipxe', 'iPXE', real=True, boots=False))
