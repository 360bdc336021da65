# SPDX-License-Identifier: Apache-2.0

"""iSCSI targets that serve images to machines, each read-only and shared.

Nothing here knows what an ISO is, or a node: images and owners are passed
in.
"""

from ironic_ext.san.contract import Base
from ironic_ext.san.contract import Image
from ironic_ext.san.contract import open_targets
from ironic_ext.san.contract import Rebuilt
from ironic_ext.san.contract import Targets
from ironic_ext.san.contract import TargetStatus
from ironic_ext.san.errors import NoSpaceError
from ironic_ext.san.errors import NotStaticError
from ironic_ext.san.errors import PortalError
from ironic_ext.san.errors import SanError
from ironic_ext.san.errors import TargetDaemonError
from ironic_ext.san.location import Chap
from ironic_ext.san.location import Location
from ironic_ext.san.location import Portal
from ironic_ext.san.settings import Settings

__all__ = ('Base', 'Chap', 'Image', 'Location', 'NoSpaceError',
           'NotStaticError', 'Portal', 'PortalError', 'Rebuilt', 'SanError',
           'Settings', 'TargetDaemonError', 'TargetStatus', 'Targets',
           'open_targets')
