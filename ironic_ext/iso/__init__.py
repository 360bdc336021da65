# SPDX-License-Identifier: Apache-2.0

"""The ISO engine: read a bootable ISO, inject config as a segment map.

Pure Python; it knows nothing of Ironic. What is imported here is the
engine's public face; inspecting, which injecting does not need, is when it
is asked for.
"""

import typing

from ironic_ext.iso.arrival import Arrival
from ironic_ext.iso.arrival import Arrived
from ironic_ext.iso.arrival import NotReached
from ironic_ext.iso.ecma119.tree import Entry
from ironic_ext.iso.ecma119.volume import MAGIC
from ironic_ext.iso.errors import CorruptImageError
from ironic_ext.iso.errors import InjectionError
from ironic_ext.iso.errors import IsoError
from ironic_ext.iso.errors import KernelArgumentError
from ironic_ext.iso.errors import NoSpaceError
from ironic_ext.iso.errors import NoSuchPathError
from ironic_ext.iso.errors import NotAnIsoError
from ironic_ext.iso.errors import OverlayError
from ironic_ext.iso.image import IsoImage
from ironic_ext.iso.injection import Injection
from ironic_ext.iso.kernel_args import parse as parse_arguments
from ironic_ext.iso.overlay import BaseIdentity
from ironic_ext.iso.overlay import Overlay
from ironic_ext.iso.plan import CustomisedImage
from ironic_ext.iso.plan import inject
from ironic_ext.iso.segment_map import SegmentMap

if typing.TYPE_CHECKING:
    from ironic_ext.iso.facts.inspection import inspect
    from ironic_ext.iso.facts.inspection import Inspection

__all__ = (
    'Arrival', 'Arrived', 'BaseIdentity', 'CorruptImageError',
    'CustomisedImage', 'Entry', 'Injection', 'InjectionError', 'Inspection',
    'IsoError', 'IsoImage', 'KernelArgumentError', 'MAGIC', 'NoSpaceError',
    'NoSuchPathError', 'NotAnIsoError', 'NotReached', 'Overlay',
    'OverlayError', 'SegmentMap', 'inject', 'inspect', 'parse_arguments')


def __getattr__(name: str) -> typing.Any:
    """Import what looks into images."""
    if name not in ('inspect', 'Inspection'):
        raise AttributeError(f'module {__name__} has no attribute {name}')
    from ironic_ext.iso.facts import inspection
    return getattr(inspection, name)
