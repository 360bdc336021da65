# SPDX-License-Identifier: Apache-2.0

"""A base image of the store with a node's plan put into it."""

import collections.abc
import contextlib
import dataclasses

from ironic_ext import images
from ironic_ext import iso
from ironic_ext.iso import segments
from ironic_ext.node import boot_plan

#: Where a config drive lies in an ISO.
_DRIVE = '/openstack/'
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

    :raises: ConfigError, IsoError
    """
    plan, notes = plan.with_config_in(image)
    if plan.injection.empty:
        # Also images that nothing can be injected into boot as they are.
        return iso.SegmentMap(image.path, [
            segments.BaseRange(0, image.size)]), notes
    if _hides_config_drive(image, plan.injection):
        try:
            made = iso.inject(image, dataclasses.replace(
                plan.injection, append_args=' '.join(filter(None, (
                    _DATASOURCE, plan.injection.append_args)))))
        except iso.InjectionError:
            # It is not asked for: there may be no cloud-init at all.
            notes += (f'the kernel argument {_DATASOURCE} cannot be added: '
                      'cloud-init finds the config drive on an ISO of '
                      'another label than config-2 only if it is built to '
                      'look for nothing else',)
        else:
            return made, (*notes, *made.warnings)
    try:
        made = iso.inject(image, plan.injection)
    except iso.InjectionError:
        # IPA reads the same files from the ISO's root, given the label.
        if not (plan.injection.initrd_files
                and boot_plan.agent_finds_files(image.volume_id)):
            raise
        made = iso.inject(image, plan.without_initrd_files().injection)
    return made, (*notes, *made.warnings)


def _hides_config_drive(image: iso.IsoImage, injection: iso.Injection
                        ) -> bool:
    """Tell whether cloud-init would not look for a config drive.

    Its detector (ds-identify) looks at labels before anything is mounted,
    and disables cloud-init where it finds none that it knows. Somebody who
    names a datasource is not overruled.
    """
    if (not any(path.startswith(_DRIVE) for path in injection.files)
            or image.volume_id.lower() == 'config-2'):
        return False
    words = [*injection.arguments,
             *(word for config in iso.inspect(image).configs
               for entry in config.entries for word in entry.arguments)]
    return not any(word.startswith(_NAMED) for word in words)
