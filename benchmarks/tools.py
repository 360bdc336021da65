# SPDX-License-Identifier: Apache-2.0

"""The ways to customise an ISO that are compared.

Every tool gets the same job: append kernel arguments in both GRUB
configurations of a Fedora-like ISO and add one file. Ours edits the copy in
the ESP as well; the others are let off it, which is in their favour.
"""

import dataclasses
import pathlib
import sys

APPEND = 'ironic.node=n-1 console=ttyS0'
CONFIGS = ('/EFI/BOOT/grub.cfg', '/boot/grub2/grub.cfg')
NEW_FILE = '/openstack/latest/meta_data.json'

_OURS = (sys.executable, '-m', 'ironic_ext.cli.iso', 'inject')


@dataclasses.dataclass(frozen=True)
class Job:
    """One image to customise.

    :ivar edited: local file with the edited configuration.
    :ivar added: local file with the content of NEW_FILE.
    """

    base: pathlib.Path
    output: pathlib.Path
    edited: pathlib.Path
    added: pathlib.Path


def _ours(job: Job, option: str) -> list[list[str]]:
    return [[*_OURS, str(job.base), '--append', APPEND, '--file',
             f'{NEW_FILE}={job.added}', option, str(job.output)]]


def overlay(job: Job) -> list[list[str]]:
    """Ours, as an overlay: what a conductor stores for one node."""
    return _ours(job, '--overlay')


def image(job: Job) -> list[list[str]]:
    """Ours, written out: reflinked where the file system can."""
    return _ours(job, '-o')


def _maps(job: Job) -> list[str]:
    words = []
    for config in CONFIGS:
        words += ['-update', str(job.edited), config]
    return words + ['-map', str(job.added), NEW_FILE]


def xorriso_repack(job: Job) -> list[list[str]]:
    """A new image with the old one's boot equipment (mkksiso's way)."""
    return [['xorriso', '-indev', f'stdio:{job.base}', '-outdev',
             f'stdio:{job.output}', '-boot_image', 'any', 'replay',
             *_maps(job), '-end'], ['sync', str(job.output)]]


def xorriso_grow(job: Job) -> list[list[str]]:
    """A copy to which a session is added (Proxmox's way)."""
    return [['cp', str(job.base), str(job.output)],
            ['xorriso', '-boot_image', 'any', 'keep', '-dev',
             f'stdio:{job.output}', *_maps(job), '-end'],
            ['sync', str(job.output)]]


def pycdlib(job: Job) -> list[list[str]]:
    """pycdlib: open, change the objects, write everything."""
    return [[sys.executable, '-m', 'benchmarks.pycdlib_rewrite',
             str(job.base), str(job.output), str(job.edited),
             str(job.added), NEW_FILE, *CONFIGS],
            ['sync', str(job.output)]]


def plain_copy(job: Job) -> list[list[str]]:
    """No customisation at all: the floor for whoever copies."""
    return [['cp', '--reflink=never', str(job.base), str(job.output)],
            ['sync', str(job.output)]]


TOOLS = {'ironic-iso overlay': overlay, 'ironic-iso image': image,
         'xorriso repack': xorriso_repack, 'xorriso grow': xorriso_grow,
         'pycdlib rewrite': pycdlib, 'cp': plain_copy}
