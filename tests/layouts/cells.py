# SPDX-License-Identifier: Apache-2.0

"""One cell of the table: an injection on one boot path of one ISO.

The engine says what arrives; a machine or another program has to agree.
"""

import pathlib
import typing

from ironic_ext import iso
from ironic_ext.iso import arrival
from ironic_ext.iso import boot_path
from tests.functional import judges
from tests import guest

Cell = dict[str, str]

#: What a machine must show, to have met all that was injected.
ARGUMENTS = f'{guest.ARGUMENTS} node=one'
FILES = {'/openstack/latest/meta_data.json': b'{"uuid": "1"}'}
INITRD_FILES = {'/injected': b'here'}
#: Firmware and medium of the table's columns.
COLUMNS = (('bios', 'cd'), ('bios', 'disk'), ('uefi-x64', 'cd'),
           ('uefi-x64', 'disk'))
#: Seconds for one start, however crowded the host is.
_TIMEOUT = 1200
_DEVICES = {'cd': 'sr0', 'disk': 'sda'}


def planned(base: pathlib.Path, target: pathlib.Path | None = None
            ) -> dict[str, Cell]:
    """Inject into an ISO, and return what the engine says by boot path.

    :param target: where the result is written.
    """
    with iso.IsoImage.open(base) as image:
        paths = boot_path.boot_paths(image)
        # What is injected shall be seen when nobody touches the machine.
        waits = any(path.walk.seconds is None or path.walk.unattended is None
                    or path.walk.unattended.kind != 'linux'
                    for path in paths if not path.walk.lost)
        entry = next((start.name for path in paths
                      for start in path.walk.starts
                      if start.kind == 'linux' and start.choice), '')
        first: dict[str, typing.Any] = {
            'append_args': ARGUMENTS, 'files': FILES,
            'initrd_files': INITRD_FILES}
        menu = {'timeout': 2, 'default': entry} if waits and entry else {}
        error: iso.IsoError | None = None
        for injection in ({**first, **menu}, first,
                          {name: value for name, value in first.items()
                           if name != 'initrd_files'}):
            try:
                made = iso.inject(image, iso.Injection(**injection),
                                  partial=True)
            except iso.IsoError as exc:
                error = error or exc
                continue
            with made:
                if target is not None:
                    made.write(target)
                return {one.name: _cell(one) for one in made.arrivals}
        return {path.name: {
            'how': 'refused', 'why': arrival.why_no_arguments(path)
            or str(error).replace(str(base), 'the image')}
            for path in paths}


def _cell(one: iso.Arrival) -> Cell:
    if one.dead:
        return {'how': 'dead', 'why': one.starts}
    if isinstance(one.arguments, iso.NotReached):
        return {'how': 'refused', 'why': one.arguments.reason}
    if isinstance(one.initrd_files, iso.NotReached):
        return {'how': 'partly', 'why': one.initrd_files.reason}
    if one.initrd_files is None:
        return {'how': 'partly', 'why': 'it names no initrd'}
    return {'how': 'all'}


def booted(image: pathlib.Path, firmware: str, medium: str, cell: Cell
           ) -> None:
    """Boot, and compare what the machine shows.

    :raises: AssertionError
    """
    report = guest.boot(image, firmware.partition('-')[0], medium,
                        _TIMEOUT)
    lacking = [word for word in ARGUMENTS.split()
               if word not in report.arguments]
    assert not lacking, f'{lacking} not in {report.arguments}'
    if cell['how'] == 'all':
        assert report.initrd == 'here', f'initrd has {report.initrd}'
    found = report.files.get(_DEVICES[medium])
    assert found == guest.sums(FILES), f'the medium has {report.files}'


def keeps_files(base: pathlib.Path, image: pathlib.Path) -> None:
    """Compare where another program finds the files of an ISO.

    :param image: made of it.
    :raises: AssertionError where a file that several extents hold moved
    """
    before, now = (judges.xorriso_extents(one) for one in (base, image))
    large = {path: extents for path, extents in before.items()
             if len(extents) > 1}
    assert large, 'no file has several extents'
    for path, extents in large.items():
        assert now.get(path) == extents, f'{path}: {now.get(path)}'
        # One behind the other, each said to have the bytes of them all.
        start, length = extents[0]
        with base.open('rb') as old, image.open('rb') as new:
            for offset in range(start * judges.SECTOR,
                                start * judges.SECTOR + length, 1 << 20):
                old.seek(offset)
                new.seek(offset)
                assert old.read(16) == new.read(16), (path, offset)


def read(image: pathlib.Path, name: str, folder: pathlib.Path) -> str:
    """Let other programs read what one boot path leads to.

    :param name: of the boot path.
    :returns: their names.
    :raises: AssertionError
    """
    readers = {'bsdtar', '7z'}
    judges.sevenzip_test(image)
    tree = folder / 'tree'
    if not tree.exists():
        judges.bsdtar_extract(image, tree)
    with iso.IsoImage.open(image) as opened:
        path = next(path for path in boot_path.boot_paths(opened)
                    if path.name == name)
    for place in {start.config for start in path.kernels}:
        if place.device == 'esp':
            readers.add('mtools')
            text = judges.fat_file(judges.esp_file(image, folder),
                                   place.path)
        elif path.loader == 'GRUB':
            readers.add('grub-fstest')
            text = judges.grub_file(image, place.path)
        else:
            readers.add('xorriso')
            copy = folder / 'config'
            copy.unlink(missing_ok=True)
            judges.run('xorriso', '-osirrox', 'on', '-indev',
                       f'stdio:{image}', '-extract', place.path, str(copy))
            text = copy.read_bytes()
        assert b'node=one' in text, f'{place} lacks it'
    for file, content in FILES.items():
        found = [one for one in tree.rglob('*') if one.is_file()
                 and str(one.relative_to(tree)).casefold() == file[1:]]
        assert [one.read_bytes() for one in found] == [content], file
    return ', '.join(sorted(readers))
