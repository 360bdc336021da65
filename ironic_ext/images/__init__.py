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

"""Base images: where they come from, and the cache that keeps them.

Nothing here knows what an ISO is: an image is a checked row of bytes.
"""

from ironic_ext.images.cache import BaseImage
from ironic_ext.images.cache import ImageCache
from ironic_ext.images.checksum import Checksum
from ironic_ext.images.errors import ChecksumError
from ironic_ext.images.errors import HrefError
from ironic_ext.images.errors import ImageError
from ironic_ext.images.services import FileService
from ironic_ext.images.services import HttpService
from ironic_ext.images.services import ImageService
from ironic_ext.images.services import redacted

__all__ = ('BaseImage', 'Checksum', 'ChecksumError', 'FileService',
           'HrefError', 'HttpService', 'ImageCache', 'ImageError',
           'ImageService', 'redacted')
