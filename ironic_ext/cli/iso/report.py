# SPDX-License-Identifier: Apache-2.0

"""What `ironic-iso` says of images, as text for people.

Names inside an image are foreign input: whatever a terminal could take for
a control sequence is escaped.
"""

import collections.abc
import dataclasses
import typing

from ironic_ext.cli import progress
from ironic_ext import iso
from ironic_ext import printable

if typing.TYPE_CHECKING:
    from ironic_ext.iso.facts import difference


def listing(entries: collections.abc.Iterable[iso.Entry], *,
            long: bool) -> list[str]:
    """Return a line for each entry; ``long`` adds type, size and target."""
    if not long:
        return [printable.escaped(entry.name or '/') for entry in entries]
    rows = list(entries)
    width = max((len(str(entry.size)) for entry in rows), default=0)
    return [_long_line(entry, width) for entry in rows]


def _long_line(entry: iso.Entry, width: int) -> str:
    kind = ('d' if entry.is_dir else
            'l' if entry.link_target is not None else '-')
    size = '-' if entry.is_dir else str(entry.size)
    target = ('' if entry.link_target is None
              else f' -> {printable.escaped(entry.link_target)}')
    return f'{kind} {size:>{width}} {printable.escaped(entry.name)}{target}'


@dataclasses.dataclass(frozen=True)
class Written:
    """What `inject` made, or would make; sizes in bytes.

    :ivar target: path of the output, None for a dry run.
    :ivar content_id: equal for equal images of one base; no digest of the
        image's bytes. Only JSON has it: it reads all that was added.
    :ivar sha256: that digest (hex), if it was asked for.
    :ivar complete: no part was left out; warnings say which otherwise.
    """

    target: str | None
    size: int
    base_size: int
    literal_bytes: int
    content_id: str
    warnings: tuple[str, ...]
    boot_paths: tuple[iso.Arrival, ...] = ()
    sha256: str | None = None
    complete: bool = True

    def text(self) -> str:
        """A sentence for people, and a line for each boot path."""
        verb = (f'wrote {printable.escaped(self.target)}' if self.target
                else 'dry run, nothing written')
        lines = [f'{verb}: {progress.size_text(self.size)}, of which '
                 f'{progress.size_text(self.literal_bytes)} differ from the '
                 f'ISO']
        if self.sha256:
            lines.append(f'  sha256:{self.sha256}')
        everything = ('everything arrives' if self.complete
                      else 'what is not left out arrives')
        for path in self.boot_paths:
            if not path.dead:
                said = '; '.join(path.lacks) or everything
                if path.unattended is not None or path.waits:
                    said += f'; unattended: {path.starts}'
                lines.append(f'  {path.name}: {printable.escaped(said)}')
        return '\n'.join(lines)

    def json(self) -> str:
        """The same as JSON."""
        import json
        facts = dataclasses.asdict(self)
        # It is computed as one, and would be taken for the file's.
        facts['content_id'] = self.content_id.rpartition(':')[2]
        facts['boot_paths'] = [{
            'firmware': path.firmware, 'medium': path.medium,
            'boots': not path.dead,
            'arguments': _outcome(path.arguments),
            'files': _outcome(path.files),
            'initrd_files': _outcome(path.initrd_files),
            'unattended': _outcome(path.unattended),
            'starts': path.starts,
            'command_lines': [{'entry': title, 'arguments': line}
                              for title, line in path.command_lines]}
            for path in self.boot_paths]
        return json.dumps(facts, indent=2)


_CHANGES = {'grown': 'more in initrd', 'configuration': 'boot menu'}


def difference_text(found: 'difference.Difference', image: iso.IsoImage
                    ) -> str:
    """Return what an image has that its base has not, in sections."""
    alike: dict[tuple[object, ...], list[str]] = {}
    for entry in found.entries:
        alike.setdefault((entry.where, entry.config, entry.added,
                          entry.removed), []).append(f'"{entry.title}"')
    arguments = []
    for (where, config, added, removed), titles in alike.items():
        assert isinstance(added, tuple) and isinstance(removed, tuple)
        arguments += [f'{config} in the {str(where).upper()}: '
                      f'{", ".join(titles)}',
                      '  ' + ' '.join([*(f'+{word}' for word in added),
                                       *(f'-{word}' for word in removed)])]
    files = _columns(
        (_CHANGES.get(one.change, one.change),
         '' if one.change == 'removed' else progress.size_text(one.size),
         one.path + (' in the ESP' if one.where == 'esp' else '')
         + (': ' + ', '.join(one.inside) if one.inside else ''))
        for one in found.files)
    starts = [f'{one.path}: {one.after}; before: {one.before}'
              for one in found.starts]
    sections = [('Kernel arguments', arguments), ('Files', files),
                ('Unattended', starts)]
    lines = [printable.escaped(image.path)]
    for title, rows in sections:
        if rows:
            lines += ['', title, *(
                f'  {printable.escaped(row)}' for row in rows)]
    if len(lines) == 1:
        lines.append('  nothing differs from the base')
    return '\n'.join(lines)


def difference_json(found: 'difference.Difference', image: iso.IsoImage
                    ) -> str:
    """The same as JSON."""
    import json
    return json.dumps({'path': image.path, 'size': image.size,
                       **dataclasses.asdict(found)}, indent=2)


def _outcome(outcome: iso.Arrived | iso.NotReached | None) -> str | None:
    """Say what arrives: ``arrived``, why not, or None if not asked for."""
    if isinstance(outcome, iso.NotReached):
        return outcome.reason
    return None if outcome is None else 'arrived'


# What partition types are called (UEFI 2.10 table 5.3; the MBR's by habit).
_PARTITION_KINDS = {
    '0x00': 'unused type', '0x17': 'isohybrid', '0x83': 'Linux',
    '0xee': 'protects the GPT', '0xef': 'EFI',
    'ebd0a0a2-b9e5-4433-87c0-68b6b72699c7': 'basic data',
    '48465300-0000-11aa-aa11-00306543ecac': 'HFS+'}
_INJECTABLE = ('kernel_arguments', 'files', 'initrd_files')


def inspection_text(found: 'iso.Inspection') -> str:
    """Return an inspection as text, in sections, without a final newline."""
    sections = [(printable.escaped(found.path), _summary(found)),
                ('Boot loaders', _loaders(found)),
                ('Boot paths', _paths(found)),
                ('Partitions', _partitions(found)),
                ('Boot configurations', _configs(found)),
                ('Kernels that menus name', list(found.kernels)),
                ('Injection', _injection(found)),
                ('Notes', list(found.notes))]
    return '\n\n'.join(
        '\n'.join([title, *(f'  {printable.escaped(line)}' for line in lines)])
        for title, lines in sections if lines)


def _columns(rows: collections.abc.Iterable[tuple[str, ...]]) -> list[str]:
    """Align every column but the last."""
    table = list(rows)
    widths = [max(map(len, column)) for column in zip(*table)]
    return ['  '.join(cell.ljust(width) for cell, width
                      in zip(row, widths)).rstrip() for row in table]


def _summary(found: 'iso.Inspection') -> list[str]:
    trees = [tree.kind + (f' (relative to sector {tree.shift})'
                          if tree.shift else '') for tree in found.trees]
    if found.udf:
        trees.append('udf')
    rows = [('volume id', found.volume_id or '(none)'),
            ('size', f'{progress.size_text(found.size)} '
                     f'({found.size} bytes)'),
            ('system', found.system), ('publisher', found.publisher_id),
            ('application', found.application_id),
            ('trees', ', '.join(trees)),
            ('checksum', found.media_check or '')]
    return _columns(row for row in rows if row[1])


def _loaders(found: 'iso.Inspection') -> list[str]:
    if not found.loaders:
        return ['none: the image does not boot']
    order = sorted(found.loaders, key=lambda loader: loader.firmware)
    return _columns((loader.firmware.upper(), loader.name, loader.path)
                    for loader in order)


def _paths(found: 'iso.Inspection') -> list[str]:
    lines = []
    for path in found.boot_paths:
        lines.append(f'{path.firmware.upper()} from {path.medium}: '
                     f'{path.loader} ({" -> ".join(path.chain)})')
        signed = ('' if path.signed is None else 'yes' if path.signed
                  else 'no')
        lines += [f'  {line}' for line in _columns(row for row in (
            ('configuration', ', '.join(path.configs)),
            ('unattended', path.unattended),
            ('entries', ', '.join(f'"{name}"' for name in path.entries)),
            ('kernel arguments', _yes(path.no_arguments)),
            ('initrd files', _yes(path.no_initrd_files)),
            ('signed', signed),
            *(('note', note) for note in path.notes)) if row[1])]
    return lines


def _yes(why_not: str) -> str:
    return f'no: {why_not}' if why_not else 'yes'


def _partitions(found: 'iso.Inspection') -> list[str]:
    rows = _columns(
        (f'{part.table} {part.number}',
         f'{progress.size_text(part.length)} at byte {part.start}',
         'EFI system partition' if part.esp else
         _PARTITION_KINDS.get(part.kind, part.kind))
        for part in found.partitions)
    return rows + [
        f'EFI system partition at byte {esp.start}: FAT{esp.fat}, '
        f'{progress.size_text(esp.size)}, {progress.size_text(esp.free)} '
        f'free' for esp in found.esps]


def _configs(found: 'iso.Inspection') -> list[str]:
    lines = []
    shown: dict[object, str] = {}
    for config in found.configs:
        where = 'in the ESP' if config.where == 'esp' else 'in the ISO'
        name = f'{config.path} {where}'
        lines.append(f'{name} ({config.kind})')
        if not config.entries:
            lines.append('  no kernel of its own')
        elif config.entries in shown:
            lines.append(f'  the same entries as {shown[config.entries]}')
        else:
            shown[config.entries] = name
            for entry in config.entries:
                lines.append(f'  {entry.title or "(no title)"}')
                lines += [f'    {line}' for line in _columns(
                    row for row in (
                        ('kernel', entry.kernel),
                        ('arguments', ' '.join(entry.arguments)),
                        ('initrd', ' '.join(entry.initrds))) if row[1])]
    return lines


def _injection(found: 'iso.Inspection') -> list[str]:
    return _columns(
        (kind.replace('_', ' '),
         'yes' if kind in found.can else
         f'no: {found.cannot.get(kind, "not supported")}')
        for kind in _INJECTABLE)
