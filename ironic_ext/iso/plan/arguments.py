# SPDX-License-Identifier: Apache-2.0

"""Planning other kernel arguments, in every configuration that is read.

Those in well-known places are changed as well as those that a boot path
leads to: a firmware may go a way that is not known here.
"""

from ironic_ext.iso import boot_path
from ironic_ext.iso import errors
from ironic_ext.iso import injection as injections
from ironic_ext.iso import kernel_args
from ironic_ext.iso.loaders import argument_areas
from ironic_ext.iso.loaders import coreos
from ironic_ext.iso.loaders import discovery
from ironic_ext.iso.loaders import files as file_systems
from ironic_ext.iso import media_check
from ironic_ext.iso.plan import add_ons
from ironic_ext.iso.plan import draft as drafts

_CHECK_ARGUMENT = 'rd.live.check'
_SECTOR = 2048
_Paths = tuple[boot_path.BootPath, ...]


def plan(draft: drafts.Draft, injection: injections.Injection,
         paths: _Paths) -> None:
    """Change the kernel arguments.

    :param paths: the boot paths of the image as it is.
    :raises: InjectionError, CorruptImageError
    """
    append = injection.arguments
    delete = tuple(injection.delete_args)
    if _drops_media_check(draft, injection):
        delete += (_CHECK_ARGUMENT,)
    if not append and not delete:
        return
    areas = argument_areas.locate(draft.image)
    configs = _configs(draft, paths)
    _require_present(injection.delete_args, configs, paths)
    carriers = frozenset(name for path in paths
                         for name in path.walk.carriers)
    edited = _fill_areas(draft, areas, append, delete) if areas else 0
    if append:
        edited += len(add_ons.put(draft, paths, line=' '.join(append)))
    covered = ({draft.place(area.path) for area in areas.areas}
               if areas else set())
    for number, config in configs:
        if number is None and config.path in covered:
            continue
        data = _edited(draft, config, append, delete, carriers)
        edited += bool(config.entries)
        if data != config.data:
            if number is None:
                draft.change(config.path, data)
            else:
                draft.change_esp(number, config.path, data)
    if not edited and injection.changes_arguments:
        raise errors.NoPlaceError(
            f'{draft.image.path} has no boot configuration with a Linux '
            f'kernel that could be edited (GRUB, ISOLINUX or '
            f'systemd-boot), so kernel arguments cannot be injected')


def _configs(draft: drafts.Draft, paths: _Paths
             ) -> list[tuple[int | None, discovery.ConfigFile]]:
    """Return each configuration with the number of its ESP, if any."""
    literals = draft.literals()
    found: list[tuple[int | None, discovery.ConfigFile]] = [
        (None, config) for config
        in discovery.tree_configs(draft.image, literals)]
    for number in range(len(draft.image.esps)):
        found += [(number, config)
                  for config in discovery.esp_configs(
                      draft.image, number, draft.esp_files.get(number, {}))]
    known = {(number, config.path) for number, config in found}
    for path in paths:
        for place in path.walk.configs:
            esp = path.esp if place.device == 'esp' else None
            if (place.device not in ('iso', 'esp')
                    or (esp, place.path) in known):
                continue
            files: file_systems.Files = (
                file_systems.TreeFiles(draft.image, literals)
                if esp is None else draft.esp(esp))
            config = discovery.config_at(files, path.loader, place.path)
            if config is not None:
                known.add((esp, place.path))
                found.append((esp, config))
    return found


def _require_present(
        delete: tuple[str, ...],
        configs: list[tuple[int | None, discovery.ConfigFile]],
        paths: _Paths) -> None:
    """Refuse to remove what stands nowhere.

    :raises: KernelArgumentError
    """
    if not delete:
        return
    words = {word.replace('"', '') for _, config in configs
             for entry in config.entries for word in entry.arguments}
    words |= {word.replace('"', '') for path in paths
              for start in path.kernels for word in start.arguments}
    words |= {word.partition('=')[0] for word in words}
    for item in delete:
        if item.replace('"', '') not in words:
            raise errors.KernelArgumentError(
                f'"{item}" is in no kernel command line of the image, so '
                f'it cannot be removed')


def _edited(draft: drafts.Draft, config: discovery.ConfigFile,
            append: tuple[str, ...], delete: tuple[str, ...],
            carriers: frozenset[str]) -> bytes:
    longest = max((len(' '.join((*entry.arguments, *append)).encode(
        'utf-8', 'surrogateescape')) for entry in config.entries),
        default=0)
    if longest > kernel_args.X86_MAX_LENGTH:
        draft.warnings.append(
            f'the kernel command line in {config.path} gets up to '
            f'{longest} bytes; x86 and arm64 kernels drop what comes '
            f'after {kernel_args.X86_MAX_LENGTH}')
    return config.edited(append, delete, carriers)


def _drops_media_check(draft: drafts.Draft,
                       injection: injections.Injection) -> bool:
    return (injection.media_check == 'drop' and not injection.empty
            and media_check.read(draft.image.volumes.primary.data)
            is not None)


def _fill_areas(draft: drafts.Draft, areas: coreos.KernelArgumentAreas,
                append: tuple[str, ...], delete: tuple[str, ...]) -> int:
    boot_images = {entry.sector * _SECTOR for entry
                   in draft.image.boot_entries}
    for area in areas.areas:
        path = draft.place(area.path)
        entry = draft.image.stat(path)
        if path not in draft.changes and entry.sections and (
                entry.size > file_systems.MAX_BYTES
                or entry.sections[0][0] in boot_images):
            # A boot image, kernel and initrd included (s390x).
            draft.parts[path, area.offset] = areas.edited(
                area._replace(offset=0), draft.image.read_entry(
                    entry, area.offset, areas.size), append, delete)
            continue
        draft.change(path, areas.edited(
            area, draft.content(path), append, delete))
        draft.in_place.add(path)
    return len(areas.areas)
