# SPDX-License-Identifier: Apache-2.0

"""Whose ISO an image is, by paths that only the ISOs of one system have."""

import dataclasses

from ironic_ext.iso import image as images

#: Path -> system; the first that is there counts. An Ubuntu ISO may have
#: the Debian installer beside its live system, a Debian live ISO too.
_MARKS = (
    ('/coreos', 'CoreOS'), ('/flatcar', 'Flatcar'), ('/casper', 'Ubuntu'),
    ('/images/install.img', 'Anaconda'), ('/media.1', 'SUSE'),
    ('/install.amd', 'the Debian installer'),
    ('/install.a64', 'the Debian installer'),
    ('/install/initrd.gz', 'the Debian installer'),
    ('/live/filesystem.squashfs', 'Debian live'), ('/arch', 'Arch Linux'),
    ('/.alpine-release', 'Alpine Linux'), ('/imgdb.tgz', 'ESXi'))


@dataclasses.dataclass(frozen=True)
class System:
    """A system that an ISO boots or installs.

    :ivar name: such as ``Ubuntu``, '' if that cannot be told.
    :ivar mark: the path by which it is told.
    """

    name: str = ''
    mark: str = ''


def of(image: images.IsoImage) -> System:
    """Return whose ISO an open image is.

    :raises: CorruptImageError
    """
    return next((
        System(system, path) for path, system in _MARKS
        if image.main.find(path, ignore_case=True) is not None), System())
