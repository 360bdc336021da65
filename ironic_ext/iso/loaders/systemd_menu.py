# SPDX-License-Identifier: Apache-2.0

"""Follow systemd-boot as it goes: entries, unified kernels, the default.

Sources: systemd 257, src/boot/boot.c and stub.c.
"""

import fnmatch
import posixpath
import re

from ironic_ext.iso import kernel_args
from ironic_ext.iso.loaders import add_on
from ironic_ext.iso.loaders import boot_entry
from ironic_ext.iso.loaders import files as file_systems
from ironic_ext.iso.loaders import pe
from ironic_ext.iso.loaders import systemd_boot

Place = boot_entry.Place
Start = boot_entry.Start

_ENTRIES = '/loader/entries'
_UKIS = '/EFI/Linux'
_MAX_FILES = 256
_MAX_SECTION = 16384
_STUB = re.compile(rb'LoaderInfo: systemd-stub ([0-9][0-9.]{0,15})')
_NAMES = {'x64': 'x64', 'ia32': 'ia32', 'aa64': 'aa64'}


def follow(files: file_systems.Files, machine: str) -> boot_entry.Walk:
    """Return where systemd-boot goes in its ESP.

    :param machine: of its executable: ``x64``, ...
    """
    facts = _loader_conf(files)
    configs: list[Place] = []
    if facts is not None:
        configs.append(Place('esp', '/loader/loader.conf'))
    found: list[tuple[tuple[object, ...], Start]] = []
    for name in sorted(files.names(_ENTRIES))[:_MAX_FILES]:
        if not name.lower().endswith('.conf') \
                or name.lower().startswith('auto-'):
            continue
        read = files.read(f'{_ENTRIES}/{name}')
        if read is None:
            continue
        place = Place('esp', read[0])
        configs.append(place)
        start = _type1(files, place, read[1], machine)
        if start is not None:
            found.append((_rank(start, read[1]), start))
    for name in sorted(files.names(_UKIS))[:_MAX_FILES]:
        if name.lower().endswith('.efi'):
            start = unified(files, f'{_UKIS}/{name}')
            if start is not None:
                found.append((_rank(start, b''), start))
    found.sort(key=lambda one: one[0])
    starts = tuple(start._replace(choice=start.ident)
                   for _, start in found)
    if not starts:
        return boot_entry.Walk(
            tuple(configs), lost='systemd-boot finds neither an entry with '
            'a kernel nor a unified kernel image in the ESP', dead=True)
    pattern = (facts or {}).get('default', '')
    default = next((start for start in starts if pattern and (
        fnmatch.fnmatchcase(start.ident, pattern.lower()))), starts[0])
    return boot_entry.Walk(tuple(configs), starts, default,
                           _timeout((facts or {}).get('timeout', '0')),
                           menu=Place('esp', '/loader/loader.conf'))


def _loader_conf(files: file_systems.Files) -> dict[str, str] | None:
    read = files.read('/loader/loader.conf')
    if read is None:
        return None
    facts = {}
    for line in read[1].decode('utf-8', 'surrogateescape').splitlines():
        key, _, value = line.strip().partition(' ')
        if not key.startswith('#'):
            facts[key] = value.strip()
    return facts


def _timeout(text: str) -> float | None:
    if text == 'menu-force':
        return None
    return float(text[:6]) if text[:6].isdigit() else 0.0


def _type1(files: file_systems.Files, place: Place, data: bytes,
           machine: str) -> Start | None:
    parsed = systemd_boot.parse(data)
    ident = re.sub(r'\+\d+(-\d+)?$', '', posixpath.basename(
        place.path).lower()[:-5]) + '.conf'
    wanted = _field(data, 'architecture')
    if wanted and wanted.lower() != _NAMES.get(machine, machine):
        return None
    if not parsed.entries:
        efi = _field(data, 'efi') or _field(data, 'uki')
        if not efi:
            return None
        return Start(_field(data, 'title'), 'chain', place,
                     Place('esp', _path(efi)), ident=ident)
    entry = parsed.entries[0]
    kernel = _path(entry.kernel)
    if files.kind(kernel) != 'file':
        return None
    return Start(entry.title, 'linux', place, Place('esp', kernel),
                 entry.arguments, tuple(Place('esp', _path(path))
                                        for path in entry.initrds), ident)


def unified(files: file_systems.Files, path: str) -> Start | None:
    """Return what a unified kernel image starts, None if it is none."""
    content = files.content(path)
    executable = pe.parse(content.read) if content else None
    if content is None or executable is None \
            or '.linux' not in executable.sections:
        return None
    texts = {}
    for name in ('.cmdline', '.osrel'):
        offset, size = executable.sections.get(name, (0, 0))
        texts[name] = content.read(offset, min(size, _MAX_SECTION)).decode(
            'utf-8', 'surrogateescape').strip('\0\n ')
    title = re.search(r'^PRETTY_NAME="?([^"\n]*)', texts['.osrel'],
                      re.MULTILINE)
    offset, size = executable.sections.get('.sdmagic', (0, 0))
    stub = _STUB.search(content.read(offset, min(size, _MAX_SECTION)))
    place = Place('esp', content.path)
    return _with_add_ons(files, Start(
        title.group(1) if title else posixpath.basename(path), 'uki', place,
        place, _words(texts['.cmdline']),
        (place,) if '.initrd' in executable.sections else (),
        re.sub(r'\+\d+(-\d+)?(?=\.efi$)', '',
               posixpath.basename(path).lower()),
        stub=stub[1].decode() if stub else '', machine=executable.machine,
        signed=executable.signed))


def _with_add_ons(files: file_systems.Files, start: Start) -> Start:
    """Return what an image starts with the add-ons that its stub takes."""
    version = int(start.stub.partition('.')[0] or 0)
    if version < add_on.ARGUMENTS:
        return start
    for one in add_on.beside(files, start.config.path, start.machine):
        start = start._replace(
            arguments=(*start.arguments, *_words(one.line)))
        if version >= add_on.INITRDS and '.initrd' in one.sections:
            start = start._replace(initrds=(
                *start.initrds, Place('esp', one.content.path)))
    return start


def _words(line: str) -> tuple[str, ...]:
    return tuple(line[start:end] for start, end in kernel_args.spans(line))


def _rank(start: Start, data: bytes) -> tuple[object, ...]:
    """Entries with a sort key come first, by it; then names, downwards."""
    key = _field(data, 'sort-key')
    return (not key, key, [-ord(char) for char in start.ident])


def _field(data: bytes, name: str) -> str:
    match = re.search(rb'(?m)^[ \t]*' + name.encode()
                      + rb'[ \t]+([^\r\n]*)', data)
    return (match.group(1).decode('utf-8', 'surrogateescape').strip()
            if match else '')


def _path(path: str) -> str:
    return '/' + path.replace('\\', '/').lstrip('/')
