# SPDX-License-Identifier: Apache-2.0

"""Planning md5sum.txt, which lists sums of the files of an image."""

from ironic_ext.iso.loaders import discovery
from ironic_ext.iso import media_check
from ironic_ext.iso.plan import draft as drafts
from ironic_ext import stored

_CHECKSUMS = '/md5sum.txt'
#: Where images have their ESP as a file, so that checksums may list it.
_ESP_FILES = ('/boot/grub/efi.img', '/boot/grub2/efi.img', '/EFI/efi.img',
              '/EFI/BOOT/efiboot.img', '/images/efiboot.img',
              '/isolinux/efiboot.img', '/efi.img')


def plan(draft: drafts.Draft) -> None:
    """Make the checksums that the image carries hold again."""
    found = draft.image.main.find(_CHECKSUMS)
    if found is None:
        return
    changed: dict[str, stored.Content | None] = {
        path: change.data for path, change in draft.changes.items()
        if path != _CHECKSUMS}
    changed |= dict.fromkeys(_edited_esp_files(draft))
    if not changed:
        return
    entry = draft.image.main.entry(*found)
    if (entry.is_dir or entry.size > 64 * discovery.MAX_BYTES
            or _CHECKSUMS in draft.changes):
        return
    data = draft.image.read_entry(entry)
    # A sum over a grown initrd or an ESP would mean reading all of it.
    edited = media_check.edit_md5sum_txt(data, changed)
    if edited != data:
        draft.change(_CHECKSUMS, edited)


def _edited_esp_files(draft: drafts.Draft) -> list[str]:
    """Return the files that are ESPs with other configurations."""
    starts = {draft.image.esps[number].start for number in draft.esp_files}
    found = []
    for path in _ESP_FILES if starts else ():
        node = draft.image.main.find(path, ignore_case=True)
        if node is not None:
            entry = draft.image.main.entry(*node)
            if entry.sections[0][0] in starts:
                found.append(entry.path)
    return found
