# SPDX-License-Identifier: Apache-2.0

"""Files of a pulled image, read as the installed system would find them.

The image is mounted while nothing of it runs. Its links may point anywhere;
they are followed with the image as the root, and what is read is bounded.
Bound images: bootc's "logically bound images" (usr/lib/bootc/bound-images.d,
links to Quadlet's files).
"""

import configparser
import os
import pathlib
import stat

from ironic_ext.bootc import errors
from ironic_ext.bootc import reference

_BOUND = 'usr/lib/bootc/bound-images.d'
_KERNELS = 'boot/EFI/Linux'
# What bootupd installs, without which it is no use to bootc.
_BOOTUPD = 'usr/lib/bootupd/updates'
#: What bootc runs only where it is wanted, and may lack.
TOOLS = ('bootupctl', 'cryptsetup', 'mkfs.btrfs', 'mkfs.ext4', 'mkfs.xfs',
         'systemd-cryptenroll')
# The directories of bootc's PATH.
_PROGRAMS = ('usr/local/sbin', 'usr/local/bin', 'usr/sbin', 'usr/bin',
             'sbin', 'bin')
_MAX_FILE = 64 << 10
_MAX_BOUND = 64
_MAX_LINKS = 40


def is_unified(root: pathlib.Path) -> bool:
    """Tell whether the image's kernel is a unified kernel image."""
    return any(name.endswith('.efi') for name in _names(root, _KERNELS))


def has_boot_payload(root: pathlib.Path) -> bool:
    """Tell whether the image has boot loaders for bootupd to install."""
    return _resolved(root, _BOOTUPD) is not None


def tools(root: pathlib.Path) -> frozenset[str]:
    """Return which of TOOLS the image has."""
    return frozenset(
        name for name in TOOLS
        if any(_resolved(root, f'{place}/{name}') is not None
               for place in _PROGRAMS))


def bound_images(root: pathlib.Path, image: str
                 ) -> list[reference.Reference]:
    """Return the images that an image is bound to.

    :param image: its name, for messages.
    :raises: ImageWishError for what bootc would not take either.
    """
    names = _names(root, _BOUND)
    if len(names) > _MAX_BOUND:
        raise errors.ImageWishError(
            f'image {image} is bound to more than {_MAX_BOUND} images')
    return [_bound(root, f'{_BOUND}/{name}', image) for name in names]


def _bound(root: pathlib.Path, name: str, image: str) -> reference.Reference:
    where = f'image {image} is bound to another by its {name[:200]!r}'
    section = {'.container': 'Container', '.image': 'Image'}.get(
        os.path.splitext(name)[1])
    text = _read(root, name)
    if section is None or text is None:
        raise errors.ImageWishError(
            f'{where}, which is no file of Quadlet (.container or .image) '
            'in it')
    parser = configparser.ConfigParser(strict=False, interpolation=None,
                                       allow_no_value=True)
    try:
        parser.read_string(text)
        return reference.Reference.parse(
            parser.get(section, 'Image', fallback=None))
    except configparser.Error:
        raise errors.ImageWishError(
            f'{where}, which makes no sense as a file of Quadlet') from None
    except errors.ImageNameError as exc:
        raise errors.ImageWishError(f'{where}: {exc}') from exc


def _names(root: pathlib.Path, path: str) -> list[str]:
    found = _resolved(root, path)
    try:
        return [] if found is None else sorted(os.listdir(found))
    except OSError:
        return []


def _read(root: pathlib.Path, path: str) -> str | None:
    """Return a regular file's text, None where there is none."""
    found = _resolved(root, path)
    if found is None:
        return None
    try:
        number = os.open(found, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        with os.fdopen(number, 'rb') as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                return None
            return file.read(_MAX_FILE).decode(errors='replace')
    except OSError:
        return None


def _resolved(root: pathlib.Path, path: str) -> pathlib.Path | None:
    """Follow links with the image as the root: none leads out of it."""
    waiting = path.split('/')[::-1]
    found: list[str] = []
    links = 0
    while waiting:
        part = waiting.pop()
        if part in ('', '.'):
            continue
        if part == '..':
            del found[-1:]
            continue
        here = root.joinpath(*found, part)
        try:
            target = os.readlink(here)
        except FileNotFoundError:
            return None
        except OSError:
            # It is no link.
            found.append(part)
            continue
        links += 1
        if links > _MAX_LINKS:
            return None
        if target.startswith('/'):
            found = []
        waiting += target.split('/')[::-1]
    return root.joinpath(*found)
