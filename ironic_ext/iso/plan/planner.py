# SPDX-License-Identifier: Apache-2.0

"""Planning a customised image: what an injection changes, and where.

The result is a segment map: kernel arguments in every boot configuration of
the image and of its ESPs, files in every directory tree, initrds grown by an
appended cpio archive, and the areas that CoreOS reserves. The base is read
where it has to be and is never changed.
"""

import collections.abc
import dataclasses
import typing

from ironic_ext.iso import arrival
from ironic_ext.iso import boot_path
from ironic_ext.iso import canvas as canvases
from ironic_ext.iso.ecma119 import tree_edit
from ironic_ext.iso import errors
from ironic_ext.iso import image as images
from ironic_ext.iso import injection as injections
from ironic_ext.iso import layout
from ironic_ext.iso.loaders import boot_entry
from ironic_ext.iso.loaders import coreos
from ironic_ext.iso.loaders import discovery
from ironic_ext.iso import media_check
from ironic_ext.iso import partitions
from ironic_ext.iso.plan import arguments
from ironic_ext.iso.plan import checksums
from ironic_ext.iso.plan import draft as drafts
from ironic_ext.iso.plan import initrds
from ironic_ext.iso.plan import unattended
from ironic_ext.iso import segment_map as maps
from ironic_ext.iso import segments as segs
from ironic_ext import stored

SECTOR = canvases.SECTOR
#: Bytes of a file in an ESP that is compared with its copy in the tree.
_MAX_COPY = 8 << 20


class CustomisedImage(maps.SegmentMap):
    """A customised image, and what of it a machine meets.

    :ivar arrivals: one for each boot path.
    :ivar complete: whether no part of the injection was left out.
    """

    arrivals: tuple[arrival.Arrival, ...] = ()
    complete: bool = True


def inject(image: images.IsoImage, injection: injections.Injection, *,
           for_: collections.abc.Sequence[str] = (), partial: bool = False,
           about: collections.abc.Sequence[str] = ('all',)
           ) -> CustomisedImage:
    """Return the customised image; its ``arrivals`` say what goes where.

    :param for_: the boot paths that must get everything: ``bios``,
        ``uefi``, ``uefi-x64``, ..., or ``all``, for one medium with
        ``from cd`` behind it. Without any, one that gets everything is
        enough; what the others lack is a warning.
    :param partial: warn of what does not arrive, where it must, too, and
        of parts that the image has no place for, as long as one is left.
    :param about: the boot paths of which is told what arrives: ``for_`` is
        enough for a machine whose firmware is known.
    :raises: InjectionError when the image cannot take the injection,
        CorruptImageError
    """
    try:
        return _Plan(image, injection, partial).segment_map(for_, about)
    finally:
        # Planning has written the new names into them.
        image.forget_trees()


class _Plan(drafts.Draft):
    """The state of one planning run.

    :ivar injection: what of ``asked`` is left to inject.
    """

    def __init__(self, image: images.IsoImage,
                 injection: injections.Injection, partial: bool) -> None:
        super().__init__(image)
        self.asked = self.injection = injection
        self.partial = partial
        self.grown: set[boot_entry.Place] = set()

    def segment_map(self, wanted: collections.abc.Sequence[str],
                    about: collections.abc.Sequence[str]
                    ) -> CustomisedImage:
        self.image.require_whole()
        if self.image.volumes.udf:
            raise errors.InjectionError(
                f'{self.image.path} has a UDF file system that names the '
                f'same files, and readers that prefer it would not see the '
                f'injection; an ISO without UDF is needed')
        paths = boot_path.boot_paths(self.image)
        for path, content in self.injection.files.items():
            self._put(self.place(path), content)
        self._plan_part(self._put_into_esps, esp_files={})
        if self.injection.esp_files or any(
                discovery.could_be_config(path) or any(
                    place.path == path for one in paths
                    for place in one.walk.configs) for path in self.changes):
            paths = boot_path.boot_paths(self.image, self.as_changes())
        self._plan_part(
            lambda: arguments.plan(self, self.injection, paths),
            append_args='', delete_args=())
        unattended.plan(self, self.injection, paths)
        self._plan_part(
            lambda: self.grown.update(
                initrds.plan(self, self.injection, paths)),
            initrd_files={}, initrd_modes={})
        checksums.plan(self)
        arrivals = self._arrivals(about)
        if not all(any(one.asked_for(name) and not one.dead
                       for one in arrivals) for name in wanted):
            # To say how the image boots instead.
            arrivals = self._arrivals(('all',))
        self.warnings += arrival.settle(
            arrivals, self.asked, wanted, self.partial, self.image.path)
        return self._compose(arrivals)

    def _plan_part(self, plan: collections.abc.Callable[[], None],
                   **without: typing.Any) -> None:
        """Plan a part of the injection; a partial one can do without it."""
        try:
            plan()
        except errors.NoPlaceError as exc:
            rest = dataclasses.replace(self.injection, **without)
            if not self.partial or rest.empty:
                raise
            self.injection = rest
            self.warnings.append(str(exc))

    def _put(self, path: str, content: stored.Content) -> None:
        """Add or replace a file, and its copies in ESPs."""
        before = self.image.main.find(path)
        other = self.image.main.find(path, ignore_case=True)
        if before is None and other is not None:
            raise errors.InjectionError(
                f'the image has {other[0]}: a file {path} beside it would '
                f'be the same to readers that ignore case; name it as it '
                f'is there to replace it')
        self.change(path, content)
        for number in range(len(self.image.esps)):
            files = self.esp(number)
            found = (files.content(path) if files.kind(path) == 'file'
                     else None)
            if found is None:
                continue
            entry = self.image.main.entry(*before) if before else None
            if (entry is not None and not entry.is_dir
                    and entry.size == found.size <= _MAX_COPY
                    and self.image.read_entry(entry)
                    == found.read(0, found.size)):
                self.change_esp(number, found.path, content)
            else:
                self.warnings.append(
                    f'the EFI system partition has a {found.path} of its '
                    f'own, which stays as it is')

    def _put_into_esps(self) -> None:
        """Add or replace the files that are named for the ESPs."""
        if self.injection.esp_files and not self.image.esps:
            raise errors.NoPlaceError(
                f'{self.image.path} has no EFI system partition that files '
                f'could be put into')
        for number in range(len(self.image.esps)):
            files = self.esp(number)
            for path, content in self.injection.esp_files.items():
                if files.kind(path) == 'dir':
                    raise errors.InjectionError(
                        f'{path} is a directory of the EFI system partition')
                found = files.content(path)
                self.change_esp(number, found.path if found else path,
                                content)

    def _arrivals(self, about: collections.abc.Sequence[str]
                  ) -> tuple[arrival.Arrival, ...]:
        """Say what a machine will meet on each path: what it reads then."""
        if self.changes or self.esp_files:
            after = boot_path.boot_paths(self.image, self.as_changes(),
                                         about)
        else:
            after = boot_path.boot_paths(self.image, wanted=about)
        return tuple(arrival.judge(path, self.asked, self.grown)
                     for path in after)

    # Putting it together

    def _compose(self, arrivals: tuple[arrival.Arrival, ...]
                 ) -> CustomisedImage:
        image = self.image
        canvas = canvases.Canvas(image.source,
                                 layout.insertion_point(image))
        esps = [self._edit_esp(canvas, number, files)
                for number, files in self.esp_files.items()]
        moved = [esp for esp in esps if esp is not None]
        self._edit_trees(canvas, moved)
        self._fill_parts(canvas)
        growth = layout.settle(
            image, canvas, moved, self.injection.partition
            if partitions.free(image.tables) else b'')
        self._settle_media_check(canvas, growth)
        self._plan_part(lambda: self._fill_ignition_area(canvas),
                        ignition=None)
        made = CustomisedImage(image.source.again(),
                               layout.assemble(canvas, growth),
                               warnings=self.warnings)
        made.arrivals = arrivals
        made.complete = self.injection is self.asked
        if not self.injection.empty and made.segments == (
                segs.BaseRange(0, image.size),):
            made.close()
            raise errors.InjectionError(
                f'the injection changes nothing in {image.path}')
        return made

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
            tree, canvas, alone=len({t.kind for t in image.trees}) == 1,
            main=tree.kind == image.main.kind) for tree in image.trees]
        modes = {self.place(path): mode for path, mode
                 in self.injection.modes.items()}
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
                if path in self.in_place and entry.size == change.size:
                    _overwrite(canvas, entry, change)
                    continue
            sector = canvas.place(change.content) if change.size else 0
            for edit in edits:
                edit.put(path, sector, change.size, original,
                         modes.get(path))
        for esp in moved:
            if esp.sector is not None:
                self._rename_esp(edits, esp)
        for edit in edits:
            edit.finish()

    def _fill_parts(self, canvas: canvases.Canvas) -> None:
        """Change what lies within files that stay where they are."""
        for (path, offset), data in self.parts.items():
            for start, size in self.image.stat(path).sections:
                part = data[:max(0, size - offset)]
                if part:
                    canvas.patch(start + offset, part)
                    data = data[len(part):]
                offset = max(offset - size, 0)

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
        from ironic_ext.iso.loaders import ignition_area
        area = ignition_area.locate(self.image)
        if area is None:
            raise errors.NoPlaceError(
                f'{self.image.path} reserves no area for an Ignition config '
                f'({coreos.IGNITION}): add the config to its initrd')
        if self.place(area.path) in self.changes:
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


def _overwrite(canvas: canvases.Canvas, entry: images.Entry,
               change: drafts.Change) -> None:
    assert change.data is not None
    done = 0
    for start, length in entry.sections:
        canvas.patch(start, change.data[done:done + length])
        done += length
