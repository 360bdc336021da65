# SPDX-License-Identifier: Apache-2.0

"""Whether the system of an ISO reads a boot config, for conductor and server.

What is told by the ISO's paths can be wrong; whoever knows better says so.
"""

import collections.abc
import typing

from ironic_ext import config_formats
from ironic_ext.node import errors

#: Of instance_info: the config is used with an ISO whose system does not
#: read its format, as far as can be told.
FORCED_KEY = 'boot_config_forced'


def forced(info: collections.abc.Mapping[str, typing.Any]) -> bool:
    """Return what ``boot_config_forced`` says.

    :raises: PlanError
    """
    value = info.get(FORCED_KEY, False)
    if isinstance(value, str):
        # The command line of Ironic gives text.
        value = {'true': True, 'false': False}.get(value.lower())
    if not isinstance(value, bool):
        raise errors.PlanError(
            f'instance_info/{FORCED_KEY} must be true or false')
    return value


def require_read(kind: config_formats.BootConfigFormat,
                 image: config_formats.ImageFacts) -> None:
    """Refuse a config that the system of an ISO does not read.

    :raises: ConfigError
    """
    if misfit := kind.misfit(image):
        raise config_formats.ConfigError(config_formats.Finding(
            '', None, f'{misfit}. If this one does, set '
                      f'instance_info/{FORCED_KEY} of the node to true'))
