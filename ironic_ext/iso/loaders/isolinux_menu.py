# SPDX-License-Identifier: Apache-2.0

"""Follow ISOLINUX as it goes: which file, which label, after how long.

Sources: SYSLINUX 6.04, core/fs/iso9660/iso9660.c (search), com32/elflink/
ldlinux/readconfig.c, ldlinux.c and com32/menu/menumain.c (what starts).
"""

import dataclasses
import posixpath

from ironic_ext.iso.loaders import boot_entry
from ironic_ext.iso.loaders import files as file_systems
from ironic_ext.iso.loaders import isolinux
from ironic_ext.iso.loaders import mboot

Place = boot_entry.Place
Start = boot_entry.Start

#: In the order in which ISOLINUX looks (since 4.02).
_DIRECTORIES = ('/boot/isolinux', '/isolinux', '/boot/syslinux',
                '/syslinux', '/')
_NAMES = ('isolinux.cfg', 'syslinux.cfg')
_MAX_FILES = 128
_MAX_BYTES = 1 << 20
_MAX_LINES = isolinux.MAX_LINES
_MAX_NESTING = 8


def follow(files: file_systems.Files) -> boot_entry.Walk:
    """Return where ISOLINUX goes in a file system."""
    for directory in _DIRECTORIES:
        for name in _NAMES:
            found = files.read(posixpath.join(directory, name))
            if found is not None:
                walker = _Walker(files)
                menu = walker.config(found[0], directory, 0)
                return boot_entry.Walk(
                    tuple(walker.configs), tuple(menu.starts),
                    menu.unattended, menu.seconds, tuple(walker.notes),
                    menu=menu.place)
    return boot_entry.Walk(
        lost='there is no isolinux.cfg or syslinux.cfg where ISOLINUX '
        'looks for it', dead=True)


@dataclasses.dataclass
class _Menu:
    """What one configuration comes to."""

    starts: list[Start] = dataclasses.field(default_factory=list)
    unattended: Start | None = None
    seconds: float | None = None
    place: Place | None = None


class _Walker:
    """Reads configurations, each with what it includes."""

    def __init__(self, files: file_systems.Files) -> None:
        self.files = files
        self.configs: dict[Place, None] = {}
        self.notes: dict[str, None] = {}
        self._bytes = 0
        self._count = 0

    def config(self, path: str, cwd: str, depth: int) -> _Menu:
        """Follow the configuration of that path from a directory."""
        places: dict[int, Place] = {}
        lines = self._lines(path, cwd, places, 0)
        labels = isolinux.group_labels(lines)
        return self._menu(lines, labels, places, cwd, depth,
                          Place('iso', path))

    def _lines(self, path: str, cwd: str, places: dict[int, Place],
               depth: int) -> list[isolinux.Line]:
        """Return the statements of a file, included ones in their place."""
        found = self.files.read(path)
        if found is None:
            return []
        self._count += 1
        self._bytes += len(found[1]) + 64
        if (depth > _MAX_NESTING or self._count > _MAX_FILES
                or self._bytes > _MAX_BYTES):
            self.notes['the configuration is too large, or includes '
                       'itself, and is not followed to its end'] = None
            return []
        where = Place('iso', found[0])
        self.configs[where] = None
        lines: list[isolinux.Line] = []
        for line in isolinux.read_statements(
                found[1].decode('utf-8', 'surrogateescape')):
            if line.keyword in ('include', 'menu include') and (
                    words := isolinux.split(line.value)):
                lines += self._lines(_path(words[0], cwd), cwd, places,
                                     depth + 1)
            else:
                places[id(line)] = where
                lines.append(line)
            if len(lines) > _MAX_LINES:
                return lines[:_MAX_LINES]
        return lines

    def _menu(self, lines: list[isolinux.Line],
              labels: list[isolinux.Label], places: dict[int, Place],
              cwd: str, depth: int, main: Place) -> _Menu:
        menu = _Menu(place=main)
        named: dict[str, list[Start]] = {}
        for label in labels:
            if not label.name:
                continue
            starts = self._label(label, places, cwd, depth, main)
            # Other menus that it leads to have labels of their own.
            starts = [start._replace(choice=(
                label.name if start.ident == label.name
                and label.name not in named else ''))
                for start in starts]
            named.setdefault(label.name, starts)
            menu.starts += starts
        values = {line.keyword: line for line in lines}
        for keyword in isolinux.COMMANDS:
            line = values.get(keyword)
            words = isolinux.split(line.value) if line else []
            if line and words and words[0] not in named \
                    and isolinux.is_kernel(words[0]):
                start = self._start(isolinux.Label(
                    name=keyword, title=keyword, kernel=line),
                    places.get(id(line), main), cwd, 'linux')
                named[words[0]] = [start]
                menu.starts.append(start)
        self._decide(menu, values, labels, named, cwd, depth)
        return menu

    def _decide(self, menu: _Menu, values: dict[str, isolinux.Line],
                labels: list[isolinux.Label], named: dict[str, list[Start]],
                cwd: str, depth: int) -> None:
        """Say what starts by itself, and when."""
        def words(keyword: str) -> list[str]:
            line = values.get(keyword)
            return isolinux.split(line.value) if line else []

        def start(word: str) -> Start | None:
            return next(iter(named.get(word, ())), None)

        default = words('default')
        timeout = _seconds(words('timeout'))
        on_timeout = start(words('ontimeout')[0]) if words(
            'ontimeout') else None
        interface = words('ui') or (
            default if default and _is_menu(default[0]) else [])
        if not interface:
            chosen = start(default[0]) if default else None
            if words('prompt')[:1] not in ([], ['0']):
                menu.unattended = on_timeout or chosen
                menu.seconds = timeout
            else:
                menu.unattended, menu.seconds = chosen, 0.0
            if menu.unattended is None:
                menu.seconds = None
            return
        if not _is_menu(interface[0]):
            self.notes[f'{interface[0]} decides what starts'] = None
            return
        other = [word for word in interface[1:] if word != '~'
                 and '=' not in word]
        if other and depth < _MAX_NESTING:
            path = _path(other[0], cwd)
            if Place('iso', path) not in self.configs:
                nested = self.config(path, cwd, depth + 1)
                menu.starts += nested.starts
                # The menu reads that file alone, as a menu.
                menu.unattended = nested.unattended or next(
                    iter(nested.starts), None)
                menu.seconds = nested.seconds or timeout
                menu.place = nested.place
                # Labels of this file are none of that menu.
                menu.starts = [
                    start if start in nested.starts
                    else start._replace(choice='')
                    for start in menu.starts]
                return
        listed = [label for label in labels if label.name]
        marked = [label.name for label in listed if label.is_default]
        chosen = (start(default[0]) if default else None) or (
            start(marked[-1]) if marked else next(
                (start(label.name) for label in listed), None))
        menu.unattended, menu.seconds = on_timeout or chosen, timeout

    def _label(self, label: isolinux.Label, places: dict[int, Place],
               cwd: str, depth: int, main: Place) -> list[Start]:
        where = next((places[id(line)] for line in (
            label.append, label.kernel) if line and id(line) in places),
            main)
        words = (isolinux.split(label.kernel.value) if label.kernel
                 else [])
        keyword = label.kernel.keyword if label.kernel else ''
        append = isolinux.split(label.append.value) if label.append else []
        if label.is_linux:
            return [self._start(label, where, cwd, 'linux')]
        if keyword == 'config' and words and depth < _MAX_NESTING:
            return self._nested(label, _path(words[0], cwd),
                                _path(append[0], cwd) if append else cwd,
                                depth, where)
        config = mboot.of_label(words[0], append) if words else None
        if config is not None:
            walk = mboot.follow(self.files, _path(config, cwd))
            if walk is not None:
                self.configs.update(dict.fromkeys(walk.configs))
                return [walk.starts[0]._replace(
                    title=label.title or label.name,
                    ident=label.name, choice='')]
        if words and _is_menu(words[0]) and append \
                and depth < _MAX_NESTING:
            files = [word for word in append if '=' not in word
                     and word not in ('~', '-')]
            if files:
                return self._nested(label, _path(files[0], cwd), cwd, depth,
                                    where)
        kind = 'nothing'
        if keyword == 'localboot' or (words and posixpath.basename(
                words[0]).lower() == 'chain.c32'):
            kind = 'local'
        elif words:
            kind = 'chain'
        kernel = (Place('iso', _path(words[0], cwd))
                  if words and kind == 'chain' else None)
        return [Start(label.title or label.name, kind, where, kernel,
                      ident=label.name)]

    def _nested(self, label: isolinux.Label, path: str, cwd: str,
                depth: int, where: Place) -> list[Start]:
        if Place('iso', path) in self.configs:
            return [Start(label.title or label.name, 'nothing', where,
                          ident=label.name)]
        menu = self.config(path, cwd, depth + 1)
        if menu.unattended is not None:
            # A label that leads to another menu starts what that does.
            menu.starts.sort(key=lambda one: one is not menu.unattended)
        return menu.starts or [Start(label.title or label.name, 'nothing',
                                     where, ident=label.name)]

    def _start(self, label: isolinux.Label, where: Place, cwd: str,
               kind: str) -> Start:
        entry = isolinux.entry(label, None)
        return Start(
            entry.title, kind, where, Place('iso', _path(
                entry.kernel, cwd)), entry.arguments,
            tuple(Place('iso', _path(path, cwd)) for path in entry.initrds),
            label.name)


def _path(path: str, cwd: str) -> str:
    whole = path if path.startswith('/') else f'{cwd}/{path}'
    return '/' + posixpath.normpath(whole).lstrip('/')


def _is_menu(word: str) -> bool:
    return posixpath.basename(word).lower() in isolinux.MENUS


def _seconds(words: list[str]) -> float | None:
    """ISOLINUX counts tenths; 0 waits."""
    if not words or not words[0][:6].isdigit():
        return None
    return int(words[0][:6]) / 10 or None
