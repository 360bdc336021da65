# SPDX-License-Identifier: Apache-2.0

"""GRUB's commands that change variables, or look at files and devices.

References: GNU GRUB 2.06, commands/search.c, regexp.c, loadenv.c, probe.c.
"""

import re

from ironic_ext.iso.loaders.grub import condition
from ironic_ext.iso.loaders.grub import shell

#: Commands whose outcome decides nothing here.
_DONE = frozenset((
    'insmod', 'rmmod', 'echo', 'true', ':', 'clear', 'sleep', 'serial',
    'terminal_input', 'terminal_output', 'terminal', 'background_image',
    'background_color', 'export', 'unset', 'play', 'save_env', 'password',
    'password_pbkdf2', 'read', 'videoinfo', 'gettext', 'load_video',
    'gfxpayload', 'eval', 'keymap', 'set_background_image', 'cat', 'ls'))
_ASSIGNMENT = re.compile(r'(\w+)=(.*)', re.DOTALL | re.ASCII)
_SPELLINGS = {'.': 'source', '[': 'test', 'chainloader': 'chain'}
_SEARCHES = {'search.file': 'file', 'search.fs_label': 'label',
             'search.fs_uuid': 'uuid'}
_SEARCH_OPTIONS = {'-f': 'file', '--file': 'file', '-l': 'label',
                   '--label': 'label', '-u': 'uuid', '--fs-uuid': 'uuid'}


class Commands(shell.Shell):
    """The shell with the commands that start nothing."""

    def plain(self, name: str, words: list[str]) -> bool | None:
        """Carry out a command that starts nothing."""
        method = getattr(self, '_do_' + _SPELLINGS.get(name, name), None)
        if method is not None:
            result: bool | None = method(words)
            return result
        if name in _DONE:
            return True
        if name.startswith('search'):
            return self._search(name, words)
        assigned = _ASSIGNMENT.fullmatch(name)
        if assigned:
            self.env[assigned.group(1)] = assigned.group(2)[
                :shell.MAX_VALUE]
            return True
        return None

    def _do_set(self, words: list[str]) -> bool:
        if words:
            name, mark, value = words[0].partition('=')
            if mark:
                self.env[name] = value[:shell.MAX_VALUE]
        return True

    def _do_unset(self, words: list[str]) -> bool:
        for name in words:
            self.env.pop(name, None)
        return True

    def _do_export(self, words: list[str]) -> bool:
        self.exported.update(word.partition('=')[0] for word in words)
        return True

    def _do_test(self, words: list[str]) -> bool | None:
        return condition.judge(
            words[:-1] if words and words[-1] == ']' else words, self._kind)

    def _kind(self, path: str) -> str | None:
        place = self.place(path)
        return self.disks.kind(place.device, place.path) if place else None

    def _do_false(self, words: list[str]) -> bool:
        return False

    def _do_loadfont(self, words: list[str]) -> bool | None:
        return bool(words) and self._kind(words[-1]) == 'file'

    def _do_keystatus(self, words: list[str]) -> bool:
        return False

    def _do_source(self, words: list[str]) -> bool | None:
        place = self.place(words[0]) if words else None
        if place is None:
            self.lost(words)
            return None
        return self.source(place)

    def _do_load_env(self, words: list[str]) -> bool:
        place = self.place(self.env.get('prefix', '') + '/grubenv')
        data = (self.disks.read(place.device, place.path)
                if place else None)
        for line in (data or b'')[:1024].decode(
                'utf-8', 'surrogateescape').splitlines():
            name, mark, value = line.partition('=')
            if mark and not line.startswith('#'):
                self.env[name] = value
        return data is not None

    def _do_regexp(self, words: list[str]) -> bool | None:
        targets: list[tuple[int, str]] = []
        plain: list[str] = []
        rest = iter(words)
        for word in rest:
            if word in ('-s', '--set'):
                word = '--set=' + next(rest, '')
            if word.startswith('--set='):
                number, mark, name = word[6:].partition(':')
                targets.append((int(number) if mark and number.isdigit()
                                else 1, name if mark else number))
            else:
                plain.append(word)
        if len(plain) != 2 or len(plain[0]) > 64 or len(plain[1]) > 256 \
                or re.search(r'[*+}]\)?[*+{]', plain[0]):
            return None
        try:
            match = re.search(plain[0], plain[1])
        except re.error:
            return None
        for group, name in targets:
            if match and group <= match.re.groups:
                self.env[name] = match.group(group) or ''
        return match is not None

    def _do_probe(self, words: list[str]) -> bool | None:
        targets = [word[6:] for word in words if word.startswith('--set=')]
        device = words[-1].strip('()') if words else ''
        value = (self.disks.label(device) if '-l' in words
                 or '--label' in words else self.disks.uuid(device)
                 if '-u' in words or '--fs-uuid' in words else None)
        if value is None:
            return None
        for name in targets:
            self.env[name] = value
        return True

    def _search(self, name: str, words: list[str]) -> bool:
        how = _SEARCHES.get(name, 'file')
        variable = ''
        plain: list[str] = []
        rest = iter(words)
        for word in rest:
            option, mark, value = word.partition('=')
            if option in _SEARCH_OPTIONS:
                how = _SEARCH_OPTIONS[option]
            elif option in ('-s', '--set'):
                variable = value or 'root'
            elif option == '--hint' and not mark:
                next(rest, '')
            elif not word.startswith('-'):
                plain.append(word)
        if name.startswith('search.') and len(plain) > 1:
            # The form without options, for configurations that are built
            # in: what, variable, hints.
            variable = plain[1]
        elif len(plain) > 1 and plain[0] == variable:
            plain = plain[1:]
        for device in self.disks.order if plain else ():
            if self._is(device, how, plain[0]):
                if variable:
                    self.env[variable] = device
                return True
        return False

    def _is(self, device: str, how: str, wanted: str) -> bool:
        if how == 'label':
            return self.disks.label(device) == wanted
        if how == 'uuid':
            found = self.disks.uuid(device)
            return found is not None and found.lower() == wanted.lower()
        return self.disks.kind(device, wanted) is not None

    def lost(self, words: list[str]) -> None:
        if words:
            self.notes[f'{self.config.path} goes on to '
                       f'"{words[0][:80]}", which cannot be told'] = None

    def _do_loopback(self, words: list[str]) -> None:
        self.notes[f'{self.config.path} mounts a file (loopback), which '
                   f'is not followed'] = None
