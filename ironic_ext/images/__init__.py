# Licensed under the Apache License, Version 2.0 (the "License"); you may
# not use this file except in compliance with the License. You may obtain
# a copy of the License at
#
#      http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS, WITHOUT
# WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the
# License for the specific language governing permissions and limitations
# under the License.

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
from ironic_ext.images.housekeeping import StoredImage
from ironic_ext.images.href import redacted
from ironic_ext.images.progress import Progress
from ironic_ext.images.service import ImageService
from ironic_ext.images.service import ImageVersion
from ironic_ext.images.settings import Access
from ironic_ext.images.settings import Settings
from ironic_ext.images.store import ImageStore

__all__ = ('Access', 'BaseImage', 'Checksum', 'ChecksumError', 'HrefError',
           'ImageAccessError', 'ImageChangedError', 'ImageError',
           'ImageNotFoundError', 'ImageService', 'ImageStore',
           'ImageTooLargeError', 'ImageVersion', 'NoSpaceError', 'Progress',
           'Settings', 'StoredImage', 'redacted')
