# SPDX-License-Identifier: Apache-2.0

"""Walls between owners: which files and addresses are nobody else's to name.

Judgement lives here, in one place; whoever opens or connects asks for it.
"""

from ironic_ext.walls.addresses import Fence
from ironic_ext.walls.addresses import Refused
from ironic_ext.walls.configured import certificate_wall_of
from ironic_ext.walls.configured import fence_of
from ironic_ext.walls.configured import wall_of
from ironic_ext.walls.connections import pinned
from ironic_ext.walls.connections import send
from ironic_ext.walls.connections import status
from ironic_ext.walls.paths import Wall

__all__ = ('Fence', 'Refused', 'Wall', 'certificate_wall_of', 'fence_of',
           'pinned', 'send', 'status', 'wall_of')
