# SPDX-License-Identifier: Apache-2.0

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


class StoppedError(ImageError):
    """Whoever watched the download has ended it."""


class ImageTooLargeError(ImageError):
    """The image is larger than the limit."""


class NoSpaceError(ImageError):
    """There is no room for the image on the conductor's disk."""


class ChecksumError(ImageError):
    """The content, or the checksum asked for, is wrong."""
