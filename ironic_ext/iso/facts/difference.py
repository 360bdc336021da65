# SPDX-License-Identifier: Apache-2.0

"""What an image has that its base has not: what was injected, read back.

Nothing is recorded in an image; both are looked into and compared.
"""

import collections
import collections.abc
import dataclasses

from ironic_ext.iso import boot_path
from ironic_ext.iso import image as images
from ironic_ext.iso.loaders import discovery
from ironic_ext.iso.loaders import files as file_systems
from ironic_ext.iso import segment_map

_PIECE = 1 << 20
#: Bytes behind an initrd that are searched for what was added.
_MAX_ADDED = 64 << 20
#: Files of an ESP, and how deep its directories are looked into.
_MAX_ESP_FILES = 10_000
_MAX_DEPTH = 16


@dataclasses.dataclass(frozen=True)
class FileChange:
    """A file that differs.

    :ivar where: ``iso`` or ``esp``.
    :ivar change: ``added``, ``replaced``, ``removed``, ``configuration``
        (of a boot loader), or ``grown`` (files were added to an initrd).
    :ivar size: bytes that it has now.
    :ivar inside: the files that were added to an initrd.
    """

    path: str
    where: str
    change: str
    size: int = 0
    inside: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class EntryChange:
    """The kernel arguments of a boot entry that differ.

    :ivar where: of its configuration, ``iso`` or ``esp``.
    """

    config: str
    where: str
    title: str
    added: tuple[str, ...]
    removed: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class StartChange:
    """What starts unattended on a boot path, where that differs."""

    path: str
    before: str
    after: str


@dataclasses.dataclass(frozen=True)
class Difference:
    """Everything that differs.

    :ivar other_base: whether most files of the base are not there as they
        were, which an injection hardly does.
    """

    files: tuple[FileChange, ...]
    entries: tuple[EntryChange, ...]
    starts: tuple[StartChange, ...]
    other_base: bool = False


def compare(image: images.IsoImage, base: images.IsoImage,
            smap: segment_map.SegmentMap | None = None) -> Difference:
    """Return what an image has that its base has not.

    :param smap: the image, where it is known what of it is the base's;
        otherwise files of one size are read and compared.
    :raises: CorruptImageError
    """
    new_configs = dict(_configs(image))
    old_configs = dict(_configs(base))
    pair = _Pair(image, base, smap, {
        key for key in (*new_configs, *old_configs)})
    files = [*pair.tree()]
    for number in range(max(len(image.esps), len(base.esps))):
        files += pair.esp(number)
    entries = [change for key, config in new_configs.items()
               for change in _entries(key, config, old_configs.get(key))]
    before = {path.name: path.unattended
              for path in boot_path.boot_paths(base)}
    starts = [StartChange(path.name, before.get(path.name, 'nothing'),
                          path.unattended)
              for path in boot_path.boot_paths(image)
              if path.unattended != before.get(path.name)]
    lost = sum(one.where == 'iso' and one.change in ('removed', 'replaced')
               for one in files)
    return Difference(tuple(files), tuple(entries), tuple(starts),
                      other_base=2 * lost > pair.base_files)


def _configs(image: images.IsoImage) -> collections.abc.Iterator[
        tuple[tuple[str, str], discovery.ConfigFile]]:
    for config in discovery.tree_configs(image):
        yield ('iso', config.path), config
    for number in range(len(image.esps)):
        for config in discovery.esp_configs(image, number):
            yield ('esp', config.path), config


def _entries(key: tuple[str, str], new: discovery.ConfigFile,
             old: discovery.ConfigFile | None
             ) -> collections.abc.Iterator[EntryChange]:
    before: dict[str, list[tuple[str, ...]]] = {}
    for entry in old.entries if old else ():
        before.setdefault(entry.title, []).append(entry.arguments)
    for entry in new.entries:
        same = before.get(entry.title)
        had = collections.Counter(same.pop(0) if same else ())
        has = collections.Counter(entry.arguments)
        if has != had:
            yield EntryChange(key[1], key[0], entry.title,
                              tuple((has - had).elements()),
                              tuple((had - has).elements()))


class _Pair:
    """An image and its base."""

    def __init__(self, image: images.IsoImage, base: images.IsoImage,
                 smap: segment_map.SegmentMap | None,
                 configs: collections.abc.Set[tuple[str, str]]) -> None:
        self.image, self.base = image, base
        self._smap = smap
        self._configs = configs
        #: How many the tree of the base has, once it was looked into.
        self.base_files = 0

    def tree(self) -> collections.abc.Iterator[FileChange]:
        """Yield the files of the main tree that differ."""
        old = {entry.path: entry for entry in self.base.walk()
               if not entry.is_dir}
        self.base_files = len(old)
        for entry in self.image.walk():
            if entry.is_dir:
                continue
            before = old.pop(entry.path, None)
            if before is None:
                yield FileChange(entry.path, 'iso', 'added', entry.size)
            elif not self._same(entry, before):
                yield self._changed('iso', entry.path, _content(
                    self.image, entry), _content(self.base, before))
        for path in old:
            yield FileChange(path, 'iso', 'removed')

    def _same(self, new: images.Entry, old: images.Entry) -> bool:
        if (new.size, new.link_target) != (old.size, old.link_target):
            return False
        if self._smap is not None and len(new.sections) == len(
                old.sections) and all(
                length == had and self._smap.origin(start, length) == place
                for (start, length), (place, had)
                in zip(new.sections, old.sections)):
            return True
        return _equal(_content(self.image, new), _content(self.base, old),
                      new.size)

    def esp(self, number: int) -> collections.abc.Iterator[FileChange]:
        """Yield the files of an ESP that differ."""
        sides = [image.esps[number] if number < len(image.esps) else None
                 for image in (self.image, self.base)]
        new, old = sides
        if (new and old and self._smap and new.size == old.size
                and self._smap.origin(new.start, new.size) == old.start):
            return
        had = dict(_esp_files(old))
        for path, content in _esp_files(new):
            before = had.pop(path, None)
            if before is None:
                yield FileChange(path, 'esp', 'added', content.size)
            elif content.size != before.size or not _equal(
                    content, before, content.size):
                yield self._changed('esp', path, content, before)
        for path in had:
            yield FileChange(path, 'esp', 'removed')

    def _changed(self, where: str, path: str, new: file_systems.Content,
                 old: file_systems.Content) -> FileChange:
        if (where, path) in self._configs:
            return FileChange(path, where, 'configuration', new.size)
        added = new.size - old.size
        if old.size and 0 < added <= _MAX_ADDED and _equal(
                new, old, old.size):
            from ironic_ext.iso import cpio
            names = cpio.names(new.read(old.size, added).lstrip(b'\0'))
            if names:
                return FileChange(path, where, 'grown', new.size, names)
        return FileChange(path, where, 'replaced', new.size)


def _content(image: images.IsoImage, entry: images.Entry
             ) -> file_systems.Content:
    return file_systems.Content(
        entry.path, entry.size, lambda offset, length: image.read_entry(
            entry, offset, length))


def _equal(new: file_systems.Content, old: file_systems.Content,
           length: int) -> bool:
    return all(new.read(start, min(_PIECE, length - start))
               == old.read(start, min(_PIECE, length - start))
               for start in range(0, length, _PIECE))


def _esp_files(esp: images.Esp | None) -> collections.abc.Iterator[
        tuple[str, file_systems.Content]]:
    if esp is None:
        return
    files = file_systems.FatFiles(esp.volume)
    todo = ['']
    count = 0
    while todo:
        folder = todo.pop()
        for name in files.names(folder or '/'):
            path = f'{folder}/{name}'
            count += 1
            if count > _MAX_ESP_FILES:
                return
            if files.kind(path) == 'dir':
                if path.count('/') < _MAX_DEPTH:
                    todo.append(path)
            elif (content := files.content(path)) is not None:
                yield path, content
