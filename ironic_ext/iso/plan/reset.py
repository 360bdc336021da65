# SPDX-License-Identifier: Apache-2.0

"""Emptying the areas that CoreOS images reserve: what was filled, goes.

Of other images nothing is known of what they were; their base is.
"""

from ironic_ext.iso import canvas as canvases
from ironic_ext.iso import errors
from ironic_ext.iso import image as images
from ironic_ext.iso import layout
from ironic_ext.iso.loaders import argument_areas
from ironic_ext.iso.loaders import ignition_area
from ironic_ext.iso import segment_map


def reset(image: images.IsoImage) -> segment_map.SegmentMap:
    """Return an image with its own kernel arguments and no Ignition config.

    :raises: InjectionError for an image without such areas,
        CorruptImageError
    """
    canvas = canvases.Canvas(image.source, layout.insertion_point(image))
    areas = argument_areas.locate(image)
    if areas is not None:
        for area in areas.areas:
            entry = image.stat(area.path)
            data = areas.default(area)
            for offset, length in ignition_area.extents(
                    entry.sections, area.offset, areas.size):
                canvas.patch(offset, data[:length])
                data = data[length:]
    config = ignition_area.locate(image)
    if config is not None:
        for offset, length in config.extents:
            canvas.patch(offset, bytes(length))
    if areas is None and config is None:
        raise errors.InjectionError(
            f'{image.path} reserves no areas for kernel arguments and an '
            f'Ignition config, so what it was is not known: take the ISO '
            f'that it was made from')
    return segment_map.SegmentMap(image.source.again(), layout.assemble(
        canvas, layout.settle(image, canvas, [])))
