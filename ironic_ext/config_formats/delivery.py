# SPDX-License-Identifier: Apache-2.0

"""How a boot config reaches a machine: in its ISO, or by a URL.

Pure; where the boot server has a machine's files, a function says that is
passed in.
"""

import collections.abc
import dataclasses

from ironic_ext.config_formats import base
from ironic_ext.config_formats import configs
from ironic_ext.config_formats import errors
from ironic_ext import iso

#: Put it into the ISO, name its URL in the kernel arguments, or the first
#: that works.
INJECT, URL, AUTO = 'inject', 'url', 'auto'
WAYS = (INJECT, URL, AUTO)


@dataclasses.dataclass(frozen=True)
class Delivery:
    """The way of one machine's config.

    :ivar way: one of WAYS.
    :ivar base_url: makes the URL of the directory where the machine, and
        nobody else, finds its files; None when there is no such place. The
        URL is a secret.
    :ivar lost: what to do, since the system that is booted does not see the
        files of its ISO; '' where it does.
    """

    way: str = INJECT
    base_url: collections.abc.Callable[[], str] | None = None
    lost: str = ''

    def __post_init__(self) -> None:
        """Refuse a way that is unknown.

        :raises: ConfigError
        """
        if self.way not in WAYS:
            raise errors.refusal(
                f'boot_config_delivery must be one of {", ".join(WAYS)}, '
                f'not {self.way!r:.40}')

    def place(self, config: configs.Config, image: base.ImageFacts
              ) -> base.Placement:
        """Plan what a config puts into an image.

        :raises: ConfigError, iso.NoSpaceError
        """
        if self.way == URL:
            return self.by_url(config)
        try:
            return self._seen(config.place(image))
        except (errors.ConfigError, iso.NoSpaceError) as exc:
            if self.way == INJECT or self.base_url is None:
                raise
            reason = exc
        try:
            placement = self.by_url(config)
        except errors.ConfigError as exc:
            raise errors.refusal(
                f'{reason}; by URL it cannot be had either: {exc}') from exc
        return dataclasses.replace(placement, notes=(
            f'the machine gets its boot config by URL: {reason}',))

    def _seen(self, placement: base.Placement) -> base.Placement:
        """Refuse a file in the ISO that the kernel is told to look for.

        :raises: ConfigError
        """
        if self.lost and placement.files and placement.arguments:
            raise errors.refusal(
                'the boot config is a file in the ISO, which the system does '
                f'not see once its kernel runs: {self.lost}')
        return placement

    def by_url(self, config: configs.Config) -> base.Placement:
        """Plan the kernel arguments that make a machine fetch a config.

        :raises: ConfigError when its format or this suite has no way.
        """
        if self.base_url is None:
            raise errors.refusal(
                'there is no boot server that machines could fetch their '
                'config from: set [ext_server]public_url')
        return base.Placement(config.arguments_by_url(self.base_url()))
