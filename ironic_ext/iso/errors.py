# SPDX-License-Identifier: Apache-2.0

"""What the ISO engine raises: one class per kind of failure.

Every message is one sentence for a person: what is wrong, where, and what
to do about it when that is not obvious.
"""

from ironic_ext import printable


class IsoError(Exception):
    """Base of every error of the engine.

    Names of files in it are those of a stranger's image: what would break
    the line, or steer a terminal, is shown by its escape.
    """

    def __str__(self) -> str:
        return printable.escaped(super().__str__())


class NotAnIsoError(IsoError):
    """The file has no ISO 9660 volume descriptor."""


class CorruptImageError(IsoError):
    """A structure of the image is out of range, cyclic or malformed."""


class NoSuchPathError(IsoError):
    """The image has no file or directory of that path."""


class InjectionError(IsoError, ValueError):
    """The injection cannot be applied to this image, or is malformed."""


class KernelArgumentError(InjectionError):
    """A kernel argument cannot be carried by a boot loader."""


class NoPlaceError(InjectionError):
    """The image has nothing that could take a part of the injection."""


class NoSpaceError(InjectionError):
    """A file system inside the image (the ESP) has too little room.

    :param need: bytes of clusters that the files need.
    :param have: bytes of clusters that are free.
    """

    def __init__(self, message: str, need: int = 0, have: int = 0) -> None:
        super().__init__(message)
        self.need = need
        self.have = have


class OverlayError(IsoError):
    """An overlay file is malformed, or does not belong to this base."""
