# SPDX-License-Identifier: Apache-2.0

"""Follow a GRUB configuration as GRUB does, up to the kernels it starts.

Sources, menus, variables, conditions, loops and functions are followed;
what depends on the machine (``cpuid``, what the network says) takes every
branch, and is told. Reference: GNU GRUB 2.06, normal/menu.c.
"""

import collections.abc
import dataclasses
import posixpath
import re

from ironic_ext.iso.loaders import boot_entry
from ironic_ext.iso.loaders.grub import commands
from ironic_ext.iso.loaders.grub import disks as grub_disks
from ironic_ext.iso.loaders.grub import script
from ironic_ext.iso.loaders.grub import shell

Place = boot_entry.Place
Start = boot_entry.Start

#: Commands that make or fill an entry; a hypervisor loads as kernels do.
_ROLES = {
    **dict.fromkeys(('menuentry', 'submenu', 'hiddenentry'), 'entry'),
    **dict.fromkeys((
        'linux', 'linux16', 'linux32', 'linuxefi', 'multiboot',
        'multiboot2', 'xen_hypervisor'), 'kernel'),
    **dict.fromkeys(('initrd', 'initrd16', 'initrdefi'), 'initrd'),
    **dict.fromkeys(('module', 'module2', 'xen_module'), 'module')}
_OPTIONS_WITH_VALUE = ('--class', '--users', '--hotkey', '--source', '--id')
_MAX_ENTRIES = 512
_MAX_INITRDS = 64


@dataclasses.dataclass
class Menu:
    """A menu as it stands when GRUB shows it.

    :ivar default: index of the entry, None when there is none.
    :ivar timeout: seconds, None when it waits for a key.
    """

    entries: list['Item'] = dataclasses.field(default_factory=list)
    default: int | None = None
    timeout: int | None = None


@dataclasses.dataclass
class Item:
    """One line of a menu, and where it leads."""

    title: str
    ident: str
    submenu: bool
    block: script.Script
    config: Place
    positional: tuple[str, ...]
    started: list[Start] = dataclasses.field(default_factory=list)
    menu: Menu | None = None
    choice: str = ''


@dataclasses.dataclass
class _Kernel:
    """What ``linux`` and ``initrd`` have loaded so far."""

    config: Place
    kernel: Place | None
    arguments: tuple[str, ...]
    initrds: list[Place] = dataclasses.field(default_factory=list)
    guest: bool = False


class Run(commands.Commands):
    """One run of GRUB from its first script.

    :param variables: what is set before: root, prefix, cmdpath,
        grub_platform, grub_cpu.
    :ivar menu: the menu that is being made.
    :ivar carriers: variables whose values became kernel arguments.
    :ivar ended: the files that ran to their end in the menu's context; what
        is set there holds for the menu.
    """

    _current: Item

    def __init__(self, disks: grub_disks.Disks,
                 variables: dict[str, str]) -> None:
        super().__init__(disks, variables)
        self.menu = Menu()
        self.carriers: set[str] = set()
        self.ended: list[Place] = []
        self._entries = 0
        self._kernels: list[_Kernel] | None = None
        self._other: list[tuple[str, Place | None]] = []

    @property
    def starts_kernel(self) -> bool:
        """Whether a kernel was loaded outside of any menu."""
        return bool(self._kernels)

    def start(self, text: bytes, where: Place) -> None:
        """Run a script that is GRUB's own (built in)."""
        try:
            self.run_text(text, where)
        except (shell.Stop, shell.Left):
            pass

    def file(self, place: Place) -> bool:
        """Run a configuration file as ``normal`` does."""
        try:
            return self.source(place)
        except (shell.Stop, shell.Left):
            return True

    def finish(self) -> Menu:
        """Look into every entry of the menu, and decide what starts."""
        try:
            self._finish(self.menu, 0)
        except shell.Stop:
            pass
        return self.menu

    def command(self, name: str, words: list[str],
                block: script.Script | None,
                used: set[str]) -> bool | None:
        """Run what makes menu entries, see :class:`shell.Shell`."""
        role = _ROLES.get(name)
        if role == 'entry':
            self._add_entry(name == 'submenu', words, block)
            return True
        if role is not None:
            self._load(role, words, used)
            return True
        if name in self.functions:
            return self.call(self.functions[name], words)
        return self.plain(name, words)

    def _do_configfile(self, words: list[str]) -> bool:
        """A new context: only exported variables, and a menu of its own."""
        place = self.place(words[0]) if words else None
        if place is None:
            self.lost(words)
            return False
        if self.disks.kind(place.device, place.path) != 'file':
            return False
        kept = {name: value for name, value in self.env.items()
                if name in self.exported}
        if self._kernels is None:
            self.env = kept
            self.menu = Menu()
            self.ended.clear()
            self.source(place)
            raise shell.Left
        # Out of an entry: its menu comes in place of this one.
        self._submenu(kept, lambda: self.source(place))
        raise shell.Left

    def source(self, place: Place) -> bool:
        """See :class:`shell.Shell`."""
        found = super().source(place)
        if found and self._kernels is None:
            self.ended.append(place)
        return found

    def _do_normal(self, words: list[str]) -> bool:
        return self._do_configfile(
            words or [self.env.get('prefix', '') + '/grub.cfg'])

    def _do_return(self, words: list[str]) -> bool:
        raise shell.Left

    def _do_chain(self, words: list[str]) -> bool:
        if words:
            self._other.append(('chain', self.place(words[-1])))
        return True

    def _do_exit(self, words: list[str]) -> bool:
        self._other.append(('exit', None))
        raise shell.Left

    _do_reboot = _do_halt = _do_fwsetup = _do_exit

    def _do_boot(self, words: list[str]) -> bool:
        raise shell.Left

    def _do_blscfg(self, words: list[str]) -> bool:
        root = self.env.get('root', '')
        for directory in ('/loader/entries', '/boot/loader/entries'):
            names = [name for name in self.disks.names(root, directory)
                     if name.endswith('.conf')]
            for name in sorted(names, reverse=True):
                self._bls(Place(root, f'{directory}/{name}'))
            if names:
                break
        return True

    def _bls(self, place: Place) -> None:
        data = self.disks.read(place.device, place.path)
        if data is None:
            return
        self.configs[place] = None
        facts: dict[str, str] = {}
        for line in data.decode('utf-8', 'surrogateescape').splitlines():
            key, _, value = line.strip().partition(' ')
            facts[key] = ' '.join(filter(None, (facts.get(key), value)))
        if 'linux' not in facts:
            return
        text = facts.get('options', '$default_kernelopts')
        item = Item(facts.get('title', ''), posixpath.basename(
            place.path)[:-5], False, (), place, ())
        kernel = self.place(facts['linux'].strip())
        words = [word.value for word in script.tokens(text)
                 if isinstance(word, script.Word)]
        expanded: list[str] = []
        for word in words:
            expanded += (self.env.get(word[1:], '').split()
                         if word.startswith('$') else [word])
        found = (self.place(name) for name in
                 facts.get('initrd', '').split())
        item.started.append(Start(
            item.title, 'linux', place, kernel, tuple(expanded),
            tuple(one for one in found if one), item.ident))
        self._add(item)

    def _add_entry(self, submenu: bool, words: list[str],
                   block: script.Script | None) -> None:
        title = ident = ''
        positional: list[str] = []
        rest = iter(words)
        for word in rest:
            if word in _OPTIONS_WITH_VALUE:
                value = next(rest, '')
                ident = value if word == '--id' else ident
            elif word.startswith('--id='):
                ident = word[5:]
            elif word == '$menuentry_id_option':
                continue
            elif not word.startswith('--'):
                positional.append(word)
        title = positional[0][:256] if positional else ''
        self._add(Item(title, ident, submenu, block or (), self.config,
                       tuple(positional)))

    def _add(self, item: Item) -> None:
        self._entries += 1
        if self._entries > _MAX_ENTRIES:
            self.notes['the menu has too many entries to be followed'] = None
            raise shell.Stop
        self.menu.entries.append(item)

    def _load(self, role: str, words: list[str], used: set[str]) -> None:
        if self._kernels is None:
            # Outside of a menu entry: it starts when the script ends.
            self._kernels = []
        file = next((word for word in words
                     if not word.startswith('--')), None)
        if role == 'kernel':
            if words:
                self.carriers |= used - {'root', 'prefix'}
                self._kernels.append(_Kernel(
                    self.config, self.place(file) if file else None,
                    tuple(words[1:])))
        elif role == 'initrd':
            for kernel in self._kernels:
                kernel.initrds += [place for word in words[:_MAX_INITRDS] if (
                    place := self.place(word.rpartition(':')[2]))]
        elif self._kernels and file is not None:
            last = self._kernels[-1]
            # Behind a hypervisor: first its kernel, then its initrd.
            if not last.guest:
                self.carriers |= used - {'root', 'prefix'}
                last.kernel = self.place(file)
                last.arguments = tuple(words[words.index(file) + 1:])
                last.guest = True
            elif place := self.place(file):
                last.initrds.append(place)

    def _finish(self, menu: Menu, depth: int) -> None:
        env, functions = self.env, dict(self.functions)
        menu.timeout = _number(env.get('timeout', ''))
        menu.default = self._default(menu, env.get('default', ''))
        loose = self._kernels
        for item in menu.entries:
            if item.started or item.menu:
                continue
            self.env, self.functions = dict(env), dict(functions)
            self.env['chosen'] = item.title
            self._kernels, self._other = [], []
            before = self.config
            self.config = item.config
            self.positional = item.positional
            try:
                if item.submenu:
                    kept = {name: value for name, value in env.items()
                            if name in self.exported}
                    if item is self._chosen(menu):
                        kept['default'] = env.get('default', '').partition(
                            '>')[2]
                    self._current = item
                    self._submenu(kept, lambda: self.run(item.block))
                else:
                    self._current = item
                    self.run(item.block)
            except shell.Left:
                pass
            finally:
                self.config = before
                self.positional = ()
            self._record(item)
        self.env, self._kernels = env, loose
        if loose and not menu.entries:
            item = Item('', '', False, (), self.config, ())
            self._other = []
            self._record(item)
            menu.entries.append(item)
            menu.default, menu.timeout = 0, 0

    def _record(self, item: Item) -> None:
        for kernel in self._kernels or ():
            item.started.append(Start(
                item.title, 'linux', kernel.config, kernel.kernel,
                kernel.arguments, tuple(kernel.initrds), item.ident))
        if not item.started and item.menu is None:
            kind, place = (self._other or [('nothing', None)])[-1]
            item.started.append(Start(
                item.title, kind, item.config, place, ident=item.ident))

    def _submenu(self, env: dict[str, str],
                 run: collections.abc.Callable[[], object]) -> None:
        """Run what defines a menu of an entry's own."""
        if self.depth >= shell.MAX_NESTING:
            raise shell.Stop
        item = self._current
        saved = (self.menu, self.env, self._kernels, self._other,
                 self.config, self.positional)
        self.menu, self.env = Menu(), env
        self._kernels = None
        self.depth += 1
        try:
            try:
                run()
            except shell.Left:
                pass
            self._finish(self.menu, self.depth)
            item.menu = self.menu
        finally:
            self.depth -= 1
            (self.menu, self.env, self._kernels, self._other,
             self.config, self.positional) = saved
            self._current = item

    def _chosen(self, menu: Menu) -> Item | None:
        return (menu.entries[menu.default]
                if menu.default is not None else None)

    def _default(self, menu: Menu, value: str) -> int | None:
        if not menu.entries:
            return None
        value = value.split('>')[0].strip()
        digits = re.match(r'\d{1,6}', value)
        if digits:
            number = int(digits.group())
            return number if number < len(menu.entries) else 0
        for number, item in enumerate(menu.entries):
            if value and value in (item.ident, item.title):
                return number
        return 0


def _number(text: str) -> int | None:
    """A time-out as GRUB reads it; None waits."""
    match = re.match(r'\d{1,6}', text.strip())
    return int(match.group()) if match else None
