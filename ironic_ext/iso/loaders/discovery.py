# SPDX-License-Identifier: Apache-2.0

"""Finding the boot loader configurations of a file system.

The same search serves the image's tree and each ESP: well-known places
first, then the files that a configuration includes. A firmware or a boot
loader may read either, so every one that is found counts.
"""

import collections.abc
import functools
import posixpath
import types
import typing

from ironic_ext.iso import image as images
from ironic_ext.iso.loaders import boot_entry
from ironic_ext.iso.loaders import coreos
from ironic_ext.iso.loaders import files as file_systems
from ironic_ext.iso.loaders import grub
from ironic_ext.iso.loaders import isolinux
from ironic_ext.iso.loaders import loader as loader_module
from ironic_ext.iso.loaders import mboot
from ironic_ext.iso.loaders import systemd_boot

MAX_BYTES = file_systems.MAX_BYTES
#: Bytes of one that is remembered: real ones are smaller, and others could
#: fill the memory.
_MAX_KEPT = 65536
_MAX_CONFIGS = 128
#: Directories that a place with "/*" stands for.
_MAX_VENDORS = 32

#: In the order in which a file that two of them could read is tried.
LOADERS: tuple[loader_module.Loader, ...] = (
    grub.Grub(), isolinux.Isolinux(), systemd_boot.SystemdBoot(),
    mboot.Mboot())


class ConfigFile(typing.NamedTuple):
    """A configuration and what it says.

    :ivar loader: whose grammar it is written in.
    :ivar home: the directory of the configuration that the boot loader
        began with; ISOLINUX takes relative paths from there in every file
        that it includes, and GRUB has it as its prefix.
    :ivar inherited: the arguments that the including file gives to labels
        without arguments of their own (ISOLINUX).
    """

    path: str
    loader: loader_module.Loader
    data: bytes
    entries: tuple[boot_entry.BootEntry, ...]
    home: str
    inherited: str | None = None

    @property
    def kind(self) -> str:
        """``grub``, ``isolinux``, ``systemd-boot`` or ``mboot``."""
        return self.loader.name

    def edited(self, append: tuple[str, ...], delete: tuple[str, ...],
               carriers: frozenset[str] = frozenset()) -> bytes:
        """Return the content with other kernel arguments.

        :param carriers: variables from whose values words are removed.
        :raises: KernelArgumentError when they cannot be written so.
        """
        edit = _edit if len(self.data) <= _MAX_KEPT else _edit.__wrapped__
        return edit(self.loader, self.data, append, delete,
                    self.inherited is not None, carriers)

    def initrds(self) -> list[list[str]]:
        """Return the absolute paths of each entry's initrds."""
        resolved = [[self.resolve(path) for path in entry.initrds]
                    for entry in self.entries]
        return [[path for path in paths if path] for paths in resolved]

    def resolve(self, path: str) -> str | None:
        """Return the absolute path that it means by one, or None.

        :param path: as written: GRUB's may begin with a device or variables.
        """
        found = self.loader.resolve(path, self.home,
                                    posixpath.dirname(self.path))
        if found is None:
            return None
        path = '/' + posixpath.normpath(found).lstrip('/')
        return path if path != '/' else None


# The same configuration often lies in the tree and in the ESP, and an image
# is customised for many nodes.
@functools.lru_cache(maxsize=32)
def _parse(loader: loader_module.Loader, data: bytes, inherited: str | None
           ) -> boot_entry.BootConfig:
    return loader.parse(data, inherited)


@functools.lru_cache(maxsize=32)
def _edit(loader: loader_module.Loader, data: bytes,
          append: tuple[str, ...], delete: tuple[str, ...],
          inherits: bool, carriers: frozenset[str]) -> bytes:
    return loader.edit(data, append, delete, inherits, carriers)


def find(files: file_systems.Files) -> list[ConfigFile]:
    """Return the configurations of a file system, includes after includers.

    :raises: CorruptImageError
    """
    return list(_search(files).configs)


class _Found(typing.NamedTuple):
    """The configurations of a file system, and every path that was asked."""

    configs: tuple[ConfigFile, ...]
    asked: frozenset[str]

    def holds(self, replaced: collections.abc.Iterable[str]) -> bool:
        """Whether the same is found where these files are others."""
        return not any(
            path.casefold() in self.asked or could_be_config(path)
            for path in replaced)


# A base is customised for many nodes; what was read of it stays true.
_found: dict[object, _Found] = {}
_MAX_FOUND = 32
#: Bytes of the configurations of one file system that are kept.
_MAX_FOUND_BYTES = 1 << 18


def _known(key: object, files: file_systems.Files,
           replaced: collections.abc.Collection[str]) -> list[ConfigFile]:
    """Return the configurations of a file system of some base.

    :param key: tells it from others; None for one that may change.
    :param replaced: the paths of ``files`` that the base has not so.
    """
    if key is None:
        return find(files)
    found = _found.get(key)
    if found is None and not replaced:
        found = _search(files)
        if sum(len(one.data) for one in found.configs) <= _MAX_FOUND_BYTES:
            if len(_found) >= _MAX_FOUND:
                _found.clear()
            _found[key] = found
    if found is None or not found.holds(replaced):
        found = _search(files)
    return list(found.configs)


def could_be_config(path: str) -> bool:
    """Whether a file of that name is looked at in some directory."""
    name = path.rpartition('/')[2].casefold()
    return any(place.has(name) for loader in LOADERS
               for place in loader.places)


def _search(files: file_systems.Files) -> _Found:
    todo: list[tuple[loader_module.Loader, str, str | None, str | None]] = [
        (loader, path, None, None) for loader, path in _well_known(files)]
    found: dict[str, ConfigFile] = {}
    seen = set()
    while todo and len(found) < _MAX_CONFIGS:
        loader, path, home, inherited = todo.pop(0)
        if path.casefold() in seen:
            continue
        seen.add(path.casefold())
        read = files.read(path)
        if read is None or read[0] in found:
            continue
        where, data = read
        parse = _parse if len(data) <= _MAX_KEPT else _parse.__wrapped__
        parsed = parse(loader, data, inherited)
        config = ConfigFile(where, loader, data, parsed.entries,
                            home or posixpath.dirname(where), inherited)
        found[where] = config
        for include in parsed.includes:
            target = config.resolve(include)
            if target:
                todo.append((loader, target, config.home,
                             parsed.handed_on))
    return _Found(tuple(found.values()), frozenset(seen))


def named(name: str) -> loader_module.Loader | None:
    """Return the grammar of a loader, None if it is not known."""
    return next((one for one in LOADERS
                 if one.name.casefold() == name.casefold()), None)


def config_at(files: file_systems.Files, name: str, path: str
              ) -> ConfigFile | None:
    """Return a configuration that a loader of that name reads, if any."""
    loader = named(name)
    read = files.read(path)
    if loader is None or read is None:
        return None
    if loader.name == 'grub' and path.endswith('.conf') \
            and '/loader/' in path:
        # Entries that GRUB reads by blscfg.
        loader = LOADERS[2]
    elif loader.name == 'isolinux' and mboot.is_config(read[1]):
        loader = LOADERS[3]
    return ConfigFile(read[0], loader, read[1],
                      loader.parse(read[1]).entries,
                      posixpath.dirname(read[0]))


def _well_known(files: file_systems.Files) -> collections.abc.Iterator[
        tuple[loader_module.Loader, str]]:
    """Yield (loader, path) of the configurations in well-known places."""
    listed: dict[str, dict[str, list[str]]] = {}

    def names(directory: str) -> dict[str, list[str]]:
        """Return the names in a directory, by their lower case."""
        found = listed.get(directory)
        if found is None:
            found = listed[directory] = {}
            above, _, own = directory.rpartition('/')
            # Most places are not there, and most of them share what lacks.
            if not own or own.casefold() in names(above or '/'):
                for name in files.names(directory):
                    found.setdefault(name.casefold(), []).append(name)
        return found

    for loader in LOADERS:
        for place in loader.places:
            directories = [place.directory]
            if place.directory.endswith('/*'):
                above = place.directory[:-2]
                directories = [f'{above}/{name}' for same
                               in names(above).values()
                               for name in same][:_MAX_VENDORS]
            for directory in directories:
                for folded, same in names(directory).items():
                    if place.has(folded):
                        for name in same:
                            yield loader, f'{directory.rstrip("/")}/{name}'


def tree_configs(image: images.IsoImage,
                 replaced: file_systems.Replaced = types.MappingProxyType({})
                 ) -> list[ConfigFile]:
    """Return the configurations in the image's tree.

    :param replaced: content that stands for what the image has.
    :raises: CorruptImageError
    """
    key = _key(image, 'iso')
    if replaced and key is not None:
        # What was not changed serves the next node as well.
        tree_configs(image)
    return _known(key, file_systems.TreeFiles(image, replaced), replaced)


def esp_configs(image: images.IsoImage, number: int,
                replaced: collections.abc.Mapping[str, bytes]
                = types.MappingProxyType({})) -> list[ConfigFile]:
    """Return the configurations in an ESP.

    :param number: of the ESP among the image's.
    :param replaced: content that stands for what it has.
    :raises: CorruptImageError
    """
    esp = image.esps[number]
    return _known(_key(image, esp.start),
                  file_systems.FatFiles(esp.volume, replaced), replaced)


def _key(image: images.IsoImage, place: object) -> object:
    identity = image.source.identity
    return None if identity is None else (*identity, place)


def initrds(image: images.IsoImage,
            replaced: file_systems.Replaced = types.MappingProxyType({})
            ) -> list[images.Entry]:
    """Return the initrds in the image's tree that files can be added to.

    Of several initrds of one entry it is the last, which wins where two
    hold the same file; CoreOS' area for Ignition is left alone.

    :raises: CorruptImageError
    """
    configs = tree_configs(image, replaced)
    for number in range(len(image.esps)):
        configs += esp_configs(image, number)
    return initrds_of(image, configs)


def initrds_of(image: images.IsoImage,
               configs: collections.abc.Iterable[ConfigFile]
               ) -> list[images.Entry]:
    """Return what initrds() does, for configurations that are known."""
    reserved = ignition_initrd(image)
    found: dict[str, images.Entry] = {}
    for config in configs:
        for paths in config.initrds():
            entries = [entry for path in paths
                       if (entry := initrd(image, path)) is not None
                       and entry.path != reserved]
            if entries:
                found[entries[-1].path] = entries[-1]
    return list(found.values())


def initrd(image: images.IsoImage, path: str) -> images.Entry | None:
    """Return an initrd of the image's tree; None if it cannot grow."""
    node = image.main.find(path, ignore_case=True)
    if node is None:
        return None
    entry = image.main.entry(*node)
    return None if entry.is_dir or entry.compressed else entry


def ignition_initrd(image: images.IsoImage) -> str | None:
    """Return the path of the initrd that CoreOS reserves for Ignition."""
    found = image.main.find(coreos.IGNITION)
    if found is not None:
        return coreos.ignition_path(image.read_entry(
            image.main.entry(*found), 0, MAX_BYTES))
    if image.main.find(coreos.DESCRIPTION) is not None or (
            image.source.read(coreos.OLD_IGNITION, 8, 'the system area')
            == coreos.OLD_IGNITION_MAGIC):
        return coreos.IGNITION_IMAGE
    return None
