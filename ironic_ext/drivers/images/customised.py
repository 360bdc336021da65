# SPDX-License-Identifier: Apache-2.0

"""A base image of the store with a node's plan put into it."""

import collections.abc
import contextlib
import dataclasses

from ironic_ext import images
from ironic_ext import iso
from ironic_ext.iso import boot_path
from ironic_ext.iso.fat import make as fat
from ironic_ext.iso import partitions
from ironic_ext.iso import segments
from ironic_ext.node import boot_plan
from ironic_ext.node import config_drive
from ironic_ext import stored

#: What virtual media and sanboot are to the firmware.
_MEDIUM = 'cd'
#: Where a config drive lies in an ISO.
_DRIVE = '/openstack/'
_LABEL = 'config-2'
#: Names the datasource to cloud-init's detector, in all its versions.
_DATASOURCE = 'ci.ds=ConfigDrive'
_NAMED = ('ds=', 'ci.ds=', 'ci.datasource=')


@contextlib.contextmanager
def opened(base: images.BaseImage) -> collections.abc.Iterator[iso.IsoImage]:
    """Open a base image; errors name it as the node's owner does.

    :raises: IsoError
    """
    try:
        with iso.IsoImage.open(base.path) as image:
            yield image
    except iso.IsoError as exc:
        raise iso.IsoError(str(exc).replace(base.path, base.href)) from exc


def inject(image: iso.IsoImage, plan: boot_plan.BootPlan
           ) -> tuple[iso.SegmentMap, tuple[str, ...]]:
    """Return the customised image, and what an operator should know of it.

    All of the injection arrives where the machine boots from a CD by the
    plan's firmware; where that is not known, on some boot path.

    :raises: ConfigError, IsoError
    """
    plan, notes = plan.naming(
        image.volumes.primary.publisher_id).with_config_in(image)
    if plan.wishes_unattended:
        try:
            made, warnings = _made(image, dataclasses.replace(
                plan, wishes_unattended=False))
            return made, (*notes, *warnings)
        except iso.InjectionError as exc:
            # Nor did anybody ask for it.
            plan = plan.attended()
            notes += (f'the boot menu of the ISO stays as it is, and the '
                      f'installation may wait at it: {exc}',)
    made, warnings = _made(image, plan)
    return made, (*notes, *warnings)


def hidden_drive(image: iso.IsoImage, plan: boot_plan.BootPlan
                 ) -> collections.abc.Mapping[str, stored.Content]:
    """Return the config drive that a system does not find in its ISO.

    cloud-init looks for it by label, or is told to by a kernel argument.

    :returns: path -> content; nothing where it is found, or there is none.
    :raises: ConfigError, IsoError
    """
    if not _drive(plan.injection):
        return {}
    plan, _notes = plan.attended().naming(
        image.volumes.primary.publisher_id).with_config_in(image)
    if not _hides_config_drive(image, plan.injection):
        return {}
    try:
        _injected(image, _telling(plan.injection), plan.firmware)[0].close()
    except iso.InjectionError:
        return _drive(plan.injection)
    return {}


def _telling(injection: iso.Injection) -> iso.Injection:
    return dataclasses.replace(injection, append_args=' '.join(filter(None, (
        _DATASOURCE, injection.append_args))))


def _drive(injection: iso.Injection) -> dict[str, stored.Content]:
    return {path: content for path, content in injection.files.items()
            if path.split('/')[1] in config_drive.TOP_LEVEL}


def _made(image: iso.IsoImage, plan: boot_plan.BootPlan
          ) -> tuple[iso.SegmentMap, tuple[str, ...]]:
    if plan.injection.empty:
        # Also images that nothing can be injected into boot as they are.
        return iso.SegmentMap(image.path, [
            segments.BaseRange(0, image.size)]), _cannot_boot(
                image, plan.firmware)
    plan, notes = _with_drive_for_disks(image, plan)
    if _hides_config_drive(image, plan.injection):
        try:
            made, warnings = _injected(image, _telling(plan.injection),
                                       plan.firmware)
        except iso.InjectionError:
            # It is not asked for: there may be no cloud-init at all.
            notes += (f'the kernel argument {_DATASOURCE} cannot be added: '
                      'cloud-init finds the config drive on an ISO of '
                      'another label than config-2 only if it is built to '
                      'look for nothing else',)
        else:
            return made, (*notes, *warnings)
    try:
        made, warnings = _injected(image, plan.injection, plan.firmware)
    except iso.InjectionError:
        # IPA reads the same files from the ISO's root, given the label.
        if not (plan.injection.initrd_files
                and boot_plan.agent_finds_files(image.label)):
            raise
        made, warnings = _injected(
            image, plan.without_initrd_files().injection, plan.firmware)
    return made, (*notes, *warnings)


def _with_drive_for_disks(image: iso.IsoImage, plan: boot_plan.BootPlan
                          ) -> tuple[boot_plan.BootPlan, tuple[str, ...]]:
    """Put a config drive into a partition as well, for machines with disks.

    What a BMC shows as a USB stick is a disk: a live system has a partition
    of it mounted, so that cloud-init can mount the whole no more, and looks
    into such partitions alone that have the drive's label.
    """
    drive = _drive(plan.injection)
    if not any(path.startswith(_DRIVE) for path in drive) or not any(
            path.medium == 'disk' and not path.dead
            for path in boot_path.boot_paths(image)):
        return plan, ()
    try:
        if not partitions.free(image.tables):
            raise iso.InjectionError('its partition table has no room')
        fat.require_small(drive)
        partition = fat.make({path: content[:] for path, content
                              in drive.items()}, _LABEL)
    except iso.InjectionError as exc:
        return plan, (f'a system that has this ISO as a USB stick may not '
                      f'find the config drive: {exc}',)
    return dataclasses.replace(plan, injection=dataclasses.replace(
        plan.injection, partition=partition)), ()


def _injected(image: iso.IsoImage, injection: iso.Injection, firmware: str
              ) -> tuple[iso.CustomisedImage, tuple[str, ...]]:
    if firmware:
        wanted = (f'{firmware} from {_MEDIUM}',)
        made = iso.inject(image, injection, for_=wanted, about=wanted)
        return made, made.warnings
    made = iso.inject(image, injection)
    good = [one for one in made.arrivals if one.medium == _MEDIUM
            and not one.dead and not one.lacks]
    if {one.firmware.partition('-')[0] for one in good} == {'bios', 'uefi'}:
        return made, made.warnings
    names = ', '.join(one.name for one in good) or f'no {_MEDIUM} path'
    return made, (
        'it is not known whether the machine boots by BIOS or by UEFI, and '
        f'what is put into the ISO arrives on {names} alone: set boot_mode '
        'in the capabilities of the node', *made.warnings)


def _cannot_boot(image: iso.IsoImage, firmware: str) -> tuple[str, ...]:
    """Say that a machine does not boot an image that stays as it is.

    That is no reason to refuse it: firmware may know more ways than are
    followed here.
    """
    if not firmware:
        return ()
    try:
        live = [path for path in boot_path.boot_paths(image)
                if not path.dead]
    except iso.IsoError:
        return ()
    wanted = f'{firmware} from {_MEDIUM}'
    if any(path.asked_for(wanted) for path in live):
        return ()
    names = ', '.join(path.name for path in live) or 'nothing'
    return (f'the ISO does not boot by {wanted}, as the machine is to: it '
            f'boots by {names}',)


def _hides_config_drive(image: iso.IsoImage, injection: iso.Injection
                        ) -> bool:
    """Tell whether cloud-init would not look for a config drive.

    Its detector (ds-identify) looks at labels before anything is mounted,
    and disables cloud-init where it finds none that it knows. Somebody who
    names a datasource is not overruled.
    """
    if (not any(path.startswith(_DRIVE) for path in injection.files)
            or image.label.lower() == _LABEL):
        return False
    words = [*injection.arguments,
             *(word for path in boot_path.boot_paths(image)
               for start in path.kernels for word in start.arguments)]
    return not any(word.startswith(_NAMED) for word in words)
