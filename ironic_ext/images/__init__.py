# SPDX-License-Identifier: Apache-2.0

"""Base images: where they come from, are they the right ones, where kept.

Nothing here knows what an ISO is: an image is a checked row of bytes.
"""

from ironic_ext.images.base_image import BaseImage
from ironic_ext.images.checksum import Checksum
from ironic_ext.images.errors import ChecksumError
from ironic_ext.images.errors import HrefError
from ironic_ext.images.errors import ImageAccessError
from ironic_ext.images.errors import ImageChangedError
from ironic_ext.images.errors import ImageError
from ironic_ext.images.errors import ImageNotFoundError
from ironic_ext.images.errors import ImageTooLargeError
from ironic_ext.images.errors import NoSpaceError
from ironic_ext.images.errors import StoppedError
from ironic_ext.images.href import redacted
from ironic_ext.images.progress import Progress
from ironic_ext.images.service import ImageService
from ironic_ext.images.service import ImageVersion
from ironic_ext.images.settings import Access
from ironic_ext.images.settings import Settings
from ironic_ext.images.store.housekeeping import StoredImage
from ironic_ext.images.store.image_store import ImageStore

__all__ = ('Access', 'BaseImage', 'Checksum', 'ChecksumError', 'HrefError',
           'ImageAccessError', 'ImageChangedError', 'ImageError',
           'ImageNotFoundError', 'ImageService', 'ImageStore',
           'ImageTooLargeError', 'ImageVersion', 'NoSpaceError', 'Progress',
           'Settings', 'StoppedError', 'StoredImage', 'redacted')
