# SPDX-License-Identifier: Apache-2.0

"""Planning a customised image: what an injection changes, and where.

The result is a segment map: kernel arguments in every boot configuration of
the image and of its ESPs, files in every directory tree, initrds grown by an
appended cpio archive, and the areas that CoreOS reserves. The base is read
where it has to be and is never changed.
"""

import dataclasses

from ironic_ext.iso import canvas as canvases
from ironic_ext.iso import cpio
from ironic_ext.iso.ecma119 import tree_edit
from ironic_ext.iso import errors
from ironic_ext.iso import image as images
from ironic_ext.iso import injection as injections
from ironic_ext.iso import kernel_args
from ironic_ext.iso import layout
from ironic_ext.iso.loaders import coreos
from ironic_ext.iso.loaders import discovery
from ironic_ext.iso.loaders import ignition_area
from ironic_ext.iso import media_check
from ironic_ext.iso import segment_map as maps
from ironic_ext.iso import segments as segs

SECTOR = canvases.SECTOR
_CHECK_ARGUMENT = 'rd.live.check'
_CHECKSUMS = '/md5sum.txt'
#: Where images have their ESP as a file, so that checksums may list it.
_ESP_FILES = ('/boot/grub/efi.img', '/boot/grub2/efi.img', '/EFI/efi.img',
              '/EFI/BOOT/efiboot.img', '/images/efiboot.img',
              '/isolinux/efiboot.img', '/efi.img')


@dataclasses.dataclass
class _Change:
    """New content of one file of the image."""

    content: tuple[segs.Segment, ...]
    data: bytes | None

    @property
    def size(self) -> int:
        return sum(piece.length for piece in self.content)


def inject(image: images.IsoImage, injection: injections.Injection
           ) -> maps.SegmentMap:
    """Return the customised image.

    :raises: InjectionError when the image cannot take the injection,
        CorruptImageError
    """
    try:
        return _Plan(image, injection).segment_map()
    finally:
        # Planning has written the new names into them.
        image.forget_trees()


class _Plan:
    """The state of one planning run."""

    def __init__(self, image: images.IsoImage,
                 injection: injections.Injection) -> None:
        self.image = image
        self.injection = injection
        self.changes: dict[str, _Change] = {}
        self.esp_files: dict[int, dict[str, bytes]] = {}
        self.warnings: list[str] = []

    def segment_map(self) -> maps.SegmentMap:
        if self.image.volumes.udf:
            raise errors.InjectionError(
                f'{self.image.path} has a UDF file system that names the '
                f'same files, and readers that prefer it would not see the '
                f'injection; an ISO without UDF is needed')
        for path, content in self.injection.files.items():
            self._change(self._place(path), content)
        self._plan_arguments()
        self._plan_initrds()
        self._plan_checksums()
        return self._compose()

    def _place(self, path: str) -> str:
        """Return the path under which the image has or will have a file.

        Links and the case of names in trees that ignore it are resolved.
        """
        found = self.image.main.find(path)
        if found:
            return found[0]
        parent, _, name = path.rpartition('/')
        if not parent:
            return path
        return self._place(parent).rstrip('/') + '/' + name

    def _change(self, path: str, data: bytes) -> None:
        self.changes[path] = _Change((segs.Literal(data),), data)

    def _literals(self) -> dict[str, bytes]:
        return {path: change.data for path, change in self.changes.items()
                if change.data is not None}

    # Kernel arguments

    def _plan_arguments(self) -> None:
        append = self.injection.arguments
        delete = tuple(self.injection.delete_args)
        if self._drops_media_check():
            delete += (_CHECK_ARGUMENT,)
        if not append and not delete:
            return
        areas = self._areas()
        edited = 0
        if areas is not None:
            edited += self._fill_areas(areas, append, delete)
        covered = ({self._place(area.path) for area in areas.areas}
                   if areas else set())
        for config in discovery.tree_configs(self.image, self._literals()):
            if config.path in covered or not config.entries:
                continue
            data = self._edited(config, append, delete)
            if data != config.data:
                self._change(config.path, data)
            edited += 1
        for number, esp in enumerate(self.image.esps):
            for config in discovery.esp_configs(esp):
                if not config.entries:
                    continue
                data = self._edited(config, append, delete)
                if data != config.data:
                    self.esp_files.setdefault(number, {})[
                        config.path] = data
                edited += 1
        if not edited and self.injection.changes_arguments:
            raise errors.InjectionError(
                f'{self.image.path} has no boot configuration with a Linux '
                f'kernel that could be edited (GRUB, ISOLINUX or '
                f'systemd-boot), so kernel arguments cannot be injected')

    def _edited(self, config: discovery.ConfigFile,
                append: tuple[str, ...], delete: tuple[str, ...]) -> bytes:
        longest = max(len(' '.join((*entry.arguments, *append)).encode(
            'utf-8', 'surrogateescape')) for entry in config.entries)
        if longest > kernel_args.X86_MAX_LENGTH:
            self.warnings.append(
                f'the kernel command line in {config.path} gets up to '
                f'{longest} bytes; x86 and arm64 kernels drop what comes '
                f'after {kernel_args.X86_MAX_LENGTH}')
        return config.edited(append, delete)

    def _drops_media_check(self) -> bool:
        return (self.injection.media_check == 'drop'
                and not self.injection.empty
                and media_check.read(self.image.volumes.primary.data)
                is not None)

    def _areas(self) -> coreos.KernelArgumentAreas | None:
        if self.image.main.find(coreos.DESCRIPTION) is None:
            return None
        return coreos.parse(self._content(coreos.DESCRIPTION))

    def _content(self, path: str) -> bytes:
        change = self.changes.get(path)
        if change is not None and change.data is not None:
            return change.data
        entry = self.image.stat(path)
        if entry.size > discovery.MAX_BYTES:
            raise errors.InjectionError(
                f'{path} has {entry.size} bytes, too many for a '
                f'configuration')
        return self.image.read_entry(entry)

    def _fill_areas(self, areas: coreos.KernelArgumentAreas,
                    append: tuple[str, ...],
                    delete: tuple[str, ...]) -> int:
        for area in areas.areas:
            path = self._place(area.path)
            self._change(path, areas.edited(
                area, self._content(path), append, delete))
        return len(areas.areas)

    # Initrds

    def _plan_initrds(self) -> None:
        if not self.injection.initrd_files:
            return
        archive = cpio.archive(self.injection.initrd_files)
        found = discovery.initrds(self.image, self._literals())
        if not found:
            raise errors.InjectionError(
                f'{self.image.path} has no boot configuration that names '
                f'an initrd in the image\'s own file system (one inside '
                f'the ESP cannot grow), so files cannot be added to it')
        for entry in found:
            if entry.path in self.changes:
                raise errors.InjectionError(
                    f'{entry.path} is an initrd: either replace it or add '
                    f'files to it')
            self._grow_initrd(entry, archive)

    def _grow_initrd(self, entry: images.Entry, archive: bytes) -> None:
        content: list[segs.Segment] = [
            segs.BaseRange(*section) for section in entry.sections]
        # The kernel looks for the next archive at a multiple of 4 bytes.
        content += [segs.Zeros(-entry.size % 4), segs.Literal(archive)]
        change = _Change(tuple(content), None)
        if change.size >= 1 << 32:
            raise errors.InjectionError(
                f'{entry.path} would reach 4 GiB, which one extent cannot '
                f'hold')
        self.changes[entry.path] = change

    # Checksums that the image carries

    def _plan_checksums(self) -> None:
        found = self.image.main.find(_CHECKSUMS)
        if found is None:
            return
        changed = {
            path: change.data for path, change in self.changes.items()
            if path != _CHECKSUMS}
        changed |= dict.fromkeys(self._edited_esp_files())
        if not changed:
            return
        entry = self.image.main.entry(*found)
        if (entry.is_dir or entry.size > 64 * discovery.MAX_BYTES
                or _CHECKSUMS in self.changes):
            return
        data = self.image.read_entry(entry)
        # A sum over a grown initrd or an ESP would mean reading all of it.
        edited = media_check.edit_md5sum_txt(data, changed)
        if edited != data:
            self._change(_CHECKSUMS, edited)

    def _edited_esp_files(self) -> list[str]:
        """Return the files that are ESPs with other configurations."""
        starts = {self.image.esps[number].start for number in self.esp_files}
        found = []
        for path in _ESP_FILES if starts else ():
            node = self.image.main.find(path, ignore_case=True)
            if node is not None:
                entry = self.image.main.entry(*node)
                if entry.sections[0][0] in starts:
                    found.append(entry.path)
        return found

    # Putting it together

    def _compose(self) -> maps.SegmentMap:
        image = self.image
        canvas = canvases.Canvas(image.source,
                                 layout.insertion_point(image))
        esps = [self._edit_esp(canvas, number, files)
                for number, files in self.esp_files.items()]
        moved = [esp for esp in esps if esp is not None]
        self._edit_trees(canvas, moved)
        growth = layout.settle(image, canvas, moved)
        self._settle_media_check(canvas, growth)
        self._fill_ignition_area(canvas)
        return maps.SegmentMap(image.path, layout.assemble(canvas, growth),
                               warnings=self.warnings)

    def _edit_esp(self, canvas: canvases.Canvas, number: int,
                  files: dict[str, bytes]) -> layout.MovedEsp | None:
        esp = self.image.esps[number]
        try:
            for offset, data in esp.volume.plan(files):
                canvas.patch(esp.start + offset, data)
            return None
        except errors.NoSpaceError:
            pieces = tuple(
                segs.Literal(piece) if isinstance(piece, bytes)
                else segs.BaseRange(esp.start + piece[0], piece[1])
                for piece in esp.volume.grow(files))
        if esp.start >= canvas.cut * SECTOR:
            return layout.MovedEsp(esp.start, pieces, None)
        return layout.MovedEsp(esp.start, pieces, canvas.place(pieces))

    def _edit_trees(self, canvas: canvases.Canvas,
                    moved: list[layout.MovedEsp]) -> None:
        image = self.image
        boot_images = {entry.sector * SECTOR for entry in
                       image.boot_entries}
        edits = [tree_edit.TreeEdit(
            tree, canvas, alone=len({t.kind for t in image.trees}) == 1)
            for tree in image.trees]
        for path, change in sorted(self.changes.items()):
            found = image.main.find(path)
            original = None
            if found is not None:
                entry = image.main.entry(*found)
                # An empty file may well share its address with another.
                original = entry.sections[0][0] if entry.size else 0
                if original in boot_images:
                    raise errors.InjectionError(
                        f'{path} is a boot image of the El Torito '
                        f'catalog and cannot be replaced')
            sector = canvas.place(change.content) if change.size else 0
            for edit in edits:
                edit.put(path, sector, change.size, original)
        for esp in moved:
            if esp.sector is not None:
                self._rename_esp(edits, esp)
        for edit in edits:
            edit.finish()

    def _rename_esp(self, edits: list[tree_edit.TreeEdit],
                    esp: layout.MovedEsp) -> None:
        """Let the file that is the ESP, if there is one, move with it."""
        assert esp.sector is not None
        for entry in self.image.walk():
            if (not entry.is_dir and entry.size
                    and entry.sections[0][0] == esp.old):
                for edit in edits:
                    edit.put(entry.path, esp.sector, esp.length, esp.old)

    def _fill_ignition_area(self, canvas: canvases.Canvas) -> None:
        config = self.injection.ignition
        if config is None:
            return
        area = ignition_area.locate(self.image)
        if area is None:
            raise errors.InjectionError(
                f'{self.image.path} reserves no area for an Ignition config '
                f'({coreos.IGNITION}): add the config to its initrd')
        if self._place(area.path) in self.changes:
            raise errors.InjectionError(
                f'{area.path} has the area for the Ignition config: either '
                f'replace it or inject a config')
        data = ignition_area.content(config, area)
        for offset, length in area.extents:
            canvas.patch(offset, data[:length])
            data = data[length:]

    def _settle_media_check(self, canvas: canvases.Canvas,
                            growth: layout.Growth) -> None:
        carried = media_check.read(self.image.volumes.primary.data)
        if carried is None or self.injection.empty:
            return
        if self.injection.media_check != 'reimplant':
            self.warnings.append(
                f'the image carries a checksum of itself ({carried.kind}) '
                f'that no longer holds')
            return
        head = canvas.read(0, 17 * SECTOR, 'the volume descriptors')
        field = media_check.reimplanted(head, growth.volume_sectors)
        canvas.patch(self.image.volumes.primary.sector * SECTOR
                     + media_check.FIELD_OFFSET, field)
