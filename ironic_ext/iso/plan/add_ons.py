# SPDX-License-Identifier: Apache-2.0

"""Planning add-ons, which tell unified kernel images more than is in them."""

from ironic_ext.iso import boot_path
from ironic_ext.iso.loaders import add_on
from ironic_ext.iso.loaders import boot_entry
from ironic_ext.iso.plan import draft as drafts


def put(draft: drafts.Draft, paths: tuple[boot_path.BootPath, ...], *,
        line: str = '', initrd: bytes = b'') -> set[boot_entry.Place]:
    """Put an add-on beside each image that takes one; return their places.

    Of an image that has one of ours, that one says more.

    :param line: kernel arguments, or none.
    :param initrd: a cpio archive, or none.
    """
    version = add_on.INITRDS if initrd else add_on.ARGUMENTS
    done: set[tuple[int, boot_entry.Place]] = set()
    for path in paths:
        for start in path.kernels:
            if (start.kind != 'uki' or path.esp is None
                    or add_on.why_none(start, version)):
                continue
            folder = add_on.directory(start.config.path)
            place = boot_entry.Place('esp', f'{folder}/{add_on.NAME}')
            if (path.esp, place) in done:
                continue
            done.add((path.esp, place))
            known = add_on.at(draft.esp(path.esp), place.path, start.machine)
            words, archive = (known.line, known.initrd) if known else ('', b'')
            if initrd:
                # The kernel finds an archive at a multiple of 4 bytes, and
                # behind lz4's blocks after zeros.
                archive += bytes(-len(archive) % 4 + 8) + initrd
            draft.change_esp(path.esp, place.path, add_on.make(
                start.machine, f'{words} {line}'.strip(), archive))
    return {place for _esp, place in done}
