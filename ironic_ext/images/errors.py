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

"""What fetching an image raises: one sentence each, without credentials."""


class ImageError(Exception):
    """The image cannot be had: server, network, disk or size limit."""


class HrefError(ImageError, ValueError):
    """The reference is malformed, or points to where it must not."""


class ImageNotFoundError(ImageError):
    """The source has no such image."""


class ImageAccessError(ImageError):
    """The source wants credentials, or other ones."""


class ImageChangedError(ImageError):
    """The source has another version of the image by now."""


class ImageTooLargeError(ImageError):
    """The image is larger than the limit."""


class NoSpaceError(ImageError):
    """There is no room for the image on the conductor's disk."""


class ChecksumError(ImageError):
    """The content, or the checksum asked for, is wrong."""
