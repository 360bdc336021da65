# SPDX-License-Identifier: Apache-2.0

"""A customised image while it is planned: which files get what content."""

import dataclasses

from ironic_ext.iso import boot_path
from ironic_ext.iso import errors
from ironic_ext.iso import image as images
from ironic_ext.iso.loaders import files as file_systems
from ironic_ext.iso import segments as segs
from ironic_ext import stored

#: Bytes of a stored file that goes into an ESP: it is held in memory.
_MAX_ESP_FILE = 32 << 20


@dataclasses.dataclass
class Change:
    """New content of one file of the image.

    :ivar data: None where it is made of parts of the base.
    """

    content: tuple[segs.Segment, ...]
    data: stored.Content | None

    @property
    def size(self) -> int:
        """Bytes of the new content."""
        return sum(piece.length for piece in self.content)


class Draft:
    """The files that change, in the tree and in the ESPs.

    :ivar changes: path in the tree -> its new content.
    :ivar esp_files: number of an ESP -> path -> content.
    :ivar in_place: paths of which new content takes the place of the old,
        where it has as many bytes, under every name that this has.
    :ivar parts: path, offset in the file -> what takes the place of as many
        bytes there.
    :ivar warnings: sentences for who asked for the injection.
    """

    def __init__(self, image: images.IsoImage) -> None:
        self.image = image
        self.changes: dict[str, Change] = {}
        self.esp_files: dict[int, dict[str, bytes]] = {}
        self.in_place: set[str] = set()
        self.parts: dict[tuple[str, int], bytes] = {}
        self.warnings: list[str] = []

    def place(self, path: str) -> str:
        """Return the path under which the image has or will have a file.

        Links and the case of names in trees that ignore it are resolved.
        """
        found = self.image.main.find(path)
        if found:
            return found[0]
        parent, _, name = path.rpartition('/')
        if not parent:
            return path
        return self.place(parent).rstrip('/') + '/' + name

    def change(self, path: str, data: stored.Content) -> None:
        """Give a file of the tree other content."""
        self.changes[path] = Change((segs.Literal(data),), data)

    def change_esp(self, number: int, path: str, data: stored.Content
                   ) -> None:
        """Give a file of an ESP other content.

        :raises: InjectionError for stored content that is too large.
        """
        if len(data) > _MAX_ESP_FILE and not isinstance(data, bytes):
            raise errors.InjectionError(
                f'{path} is in the EFI system partition, too, and its new '
                f'content has {len(data)} bytes, more than {_MAX_ESP_FILE}')
        self.esp_files.setdefault(number, {})[path] = data[:]

    def literals(self) -> dict[str, stored.Content]:
        """Return the changed files whose content is known."""
        return {path: change.data for path, change in self.changes.items()
                if change.data is not None}

    def as_changes(self) -> boot_path.Changes:
        """Return what a loader would read."""
        return boot_path.Changes(self.literals(), self.esp_files, self.parts)

    def tree(self) -> file_systems.TreeFiles:
        """Return the tree as it will be."""
        return file_systems.TreeFiles(self.image, self.literals())

    def esp(self, number: int) -> file_systems.FatFiles:
        """Return an ESP as it will be."""
        return file_systems.FatFiles(self.image.esps[number].volume,
                                     self.esp_files.get(number, {}))

    def content(self, path: str) -> bytes:
        """Return the content of a small file as it will be.

        :raises: InjectionError when it is too large for a configuration.
        """
        change = self.changes.get(path)
        if change is not None and change.data is not None:
            _require_small(path, len(change.data))
            return change.data[:]
        entry = self.image.stat(path)
        _require_small(path, entry.size)
        return self.image.read_entry(entry)


def _require_small(path: str, size: int) -> None:
    if size > file_systems.MAX_BYTES:
        raise errors.InjectionError(
            f'{path} has {size} bytes, too many for a configuration')
