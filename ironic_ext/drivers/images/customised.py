# SPDX-License-Identifier: Apache-2.0

"""A base image of the store with a node's plan put into it."""

import collections.abc
import contextlib

from ironic_ext import images
from ironic_ext import iso
from ironic_ext.iso import segments
from ironic_ext.node import boot_plan


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
    try:
        made = iso.inject(image, plan.injection)
    except iso.InjectionError:
        # IPA reads the same files from the ISO's root, given the label.
        if not (plan.injection.initrd_files
                and boot_plan.agent_finds_files(image.volume_id)):
            raise
        made = iso.inject(image, plan.without_initrd_files().injection)
    return made, (*notes, *made.warnings)
