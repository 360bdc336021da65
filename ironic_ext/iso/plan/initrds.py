# SPDX-License-Identifier: Apache-2.0

"""Planning what initrds get: a cpio archive behind what they have."""

from ironic_ext.iso import boot_path
from ironic_ext.iso import errors
from ironic_ext.iso import image as images
from ironic_ext.iso import injection as injections
from ironic_ext.iso.loaders import boot_entry
from ironic_ext.iso.loaders import discovery
from ironic_ext.iso.plan import add_ons
from ironic_ext.iso.plan import draft as drafts
from ironic_ext.iso import segments as segs


def plan(draft: drafts.Draft, injection: injections.Injection,
         paths: tuple[boot_path.BootPath, ...]) -> set[boot_entry.Place]:
    """Add files to each initrd that a boot path loads.

    :param paths: the boot paths of the image as it is.
    :returns: the initrds, and the add-ons, that have them.
    :raises: InjectionError, NoPlaceError, CorruptImageError
    """
    if not injection.initrd_files:
        return set()
    from ironic_ext.iso import cpio
    archive = cpio.archive(injection.initrd_files,
                           modes=injection.initrd_modes)
    grown: set[boot_entry.Place] = set()
    found = {entry.path: entry for entry in discovery.initrds(
        draft.image, draft.literals())}
    reserved = discovery.ignition_initrd(draft.image)
    for path in paths:
        for start in path.kernels:
            inside = [place for place in start.initrds
                      if place.device == 'iso']
            for place in inside[-1:]:
                entry = discovery.initrd(draft.image, place.path)
                if entry is not None and entry.path != reserved:
                    found.setdefault(entry.path, entry)
    for entry in found.values():
        if entry.path in draft.changes:
            raise errors.InjectionError(
                f'{entry.path} is an initrd: either replace it or add '
                f'files to it')
        _grow(draft, entry, archive)
        grown.add(boot_entry.Place('iso', entry.path))
    added = [_add(draft, path, archive, grown) for path in paths
             if path.loader == 'systemd-boot']
    beside = add_ons.put(draft, paths, initrd=archive)
    if not found and not beside and not any(added):
        raise errors.NoPlaceError(
            f'{draft.image.path} has no boot configuration that names an '
            f'initrd in the image\'s own file system, so files cannot be '
            f'added to it')
    return grown | beside


def _add(draft: drafts.Draft, path: boot_path.BootPath, archive: bytes,
         grown: set[boot_entry.Place]) -> bool:
    """Let systemd-boot load one more initrd from its ESP."""
    starts = [start for start in path.kernels if start.kind == 'linux'
              and start.initrds and start.config.device == 'esp']
    if not starts or path.esp is None:
        return False
    import gzip
    from ironic_ext.iso.loaders import systemd_boot
    files = draft.esp(path.esp)
    known = {place.path for place in grown if place.device == 'esp'}
    name = next(name for name in (
        f'/ironic-ext{number or ""}.img' for number in range(1000))
        if name in known or files.kind(name) is None)
    # The kernel needs zeros behind an archive that lz4 packed, and finds
    # a bare one at a multiple of 4 bytes only: its EFI stub puts initrds
    # together without padding (drivers/firmware/efi/libstub/file.c).
    draft.change_esp(path.esp, name, bytes(512) + gzip.compress(
        archive, 0, mtime=0))
    grown.add(boot_entry.Place('esp', name))
    for start in starts:
        read = files.read(start.config.path)
        # Several paths may lead to it.
        if read is not None and name not in (
                initrd for entry in systemd_boot.parse(read[1]).entries
                for initrd in entry.initrds):
            draft.change_esp(path.esp, read[0], systemd_boot.add_initrd(
                read[1], name))
    return True


def _grow(draft: drafts.Draft, entry: images.Entry, archive: bytes) -> None:
    content: list[segs.Segment] = [
        segs.BaseRange(*section) for section in entry.sections]
    # The kernel looks for the next archive at a multiple of 4 bytes,
    # and behind lz4's blocks for one of size 0 first (lib/
    # decompress_unlz4.c); otherwise it passes over zeros.
    content += [segs.Zeros(-entry.size % 4 + 8), segs.Literal(archive)]
    change = drafts.Change(tuple(content), None)
    if change.size >= 1 << 32:
        raise errors.InjectionError(
            f'{entry.path} would reach 4 GiB, which one extent cannot hold')
    draft.changes[entry.path] = change
