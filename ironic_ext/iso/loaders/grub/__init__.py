# SPDX-License-Identifier: Apache-2.0

"""GRUB 2: its configuration, its shell, and what its images have built in."""

from ironic_ext.iso.loaders.grub.config import edit
from ironic_ext.iso.loaders.grub.config import Grub
from ironic_ext.iso.loaders.grub.config import parse
from ironic_ext.iso.loaders.grub.config import quote
from ironic_ext.iso.loaders.grub.config import unattended

__all__ = ('Grub', 'edit', 'parse', 'quote', 'unattended')
