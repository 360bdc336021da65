# SPDX-License-Identifier: Apache-2.0

"""``mirror://live.iso``: images on whatever mirror is near this conductor.

The mirror's URL is in the environment variable IMAGE_MIRROR.
"""

import os

from ironic_ext.images import errors
from ironic_ext.images.for_ironic import contract as ironic_contract
from ironic_ext.images import registry
from ironic_ext.images import service


class MirrorImageService(ironic_contract.IronicImageService):
    """Passes every request on to the service of the mirror's own scheme."""

    interface = 1
    # Ironic may give a node's user and password.
    takes_credentials = True

    def stat(self, href: str) -> service.ImageVersion:
        url = _url(href)
        return registry.service_for(url, self.settings).stat(url)

    def fetch(self, href: str, target: service.Target,
              known: service.ImageVersion | None = None
              ) -> service.ImageVersion | None:
        url = _url(href)
        return registry.service_for(url, self.settings).fetch(
            url, target, known)

    def read_range(self, href: str, offset: int, length: int,
                   version: service.ImageVersion | None = None) -> bytes:
        url = _url(href)
        return registry.service_for(url, self.settings).read_range(
            url, offset, length, version)


def _url(href: str) -> str:
    mirror = os.environ.get('IMAGE_MIRROR')
    if not mirror:
        raise errors.HrefError('IMAGE_MIRROR is not set: where is the '
                               'mirror?')
    return f'{mirror}/{href.removeprefix("mirror://").lstrip("/")}'
