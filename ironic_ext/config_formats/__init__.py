# SPDX-License-Identifier: Apache-2.0

"""Formats of boot configs, and how each reaches the machine.

Either the config is put into the ISO, or kernel arguments say by which URL
the machine fetches it. What needs the catalog is imported when it is asked
for.
"""

import typing

from ironic_ext.config_formats.base import BootConfigFormat
from ironic_ext.config_formats.base import ImageFacts
from ironic_ext.config_formats.base import Placement
from ironic_ext.config_formats.configs import check
from ironic_ext.config_formats.configs import Config
from ironic_ext.config_formats.configs import resolve
from ironic_ext.config_formats.configs import Spec
from ironic_ext.config_formats.delivery import Delivery
from ironic_ext.config_formats.errors import ConfigError
from ironic_ext.config_formats.errors import Finding
from ironic_ext.config_formats.registry import named
from ironic_ext.config_formats.registry import names

if typing.TYPE_CHECKING:
    from ironic_ext.config_formats.assignment import plan_boot_config

__all__ = ('BootConfigFormat', 'Config', 'ConfigError', 'Delivery',
           'Finding', 'ImageFacts', 'Placement', 'Spec', 'check', 'named',
           'names', 'plan_boot_config', 'resolve')


def __getattr__(name: str) -> typing.Any:
    """Import what reads assignments."""
    if name != 'plan_boot_config':
        raise AttributeError(f'module {__name__} has no attribute {name}')
    from ironic_ext.config_formats import assignment
    return assignment.plan_boot_config
