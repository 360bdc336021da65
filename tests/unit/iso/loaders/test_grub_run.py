# SPDX-License-Identifier: Apache-2.0

"""GRUB's shell, on configurations in memory."""

import random
import time

import testtools

from ironic_ext.iso.loaders import files
from ironic_ext.iso.loaders.grub import follow
from ironic_ext.iso.loaders.grub import image
from ironic_ext.iso.loaders.grub import script

_MENU = '/boot/grub/grub.cfg'


class _Disks:
    """One device, whose files are given."""

    order = ('cd0',)

    def __init__(self, content):
        self.files = files.MemoryFiles(content)

    def read(self, device, path):
        found = self.files.read(path) if device == 'cd0' else None
        return found[1] if found else None

    def kind(self, device, path):
        return self.files.kind(path) if device == 'cd0' else None

    def names(self, device, path):
        return self.files.names(path)

    def label(self, device):
        return 'LABEL 1'

    def uuid(self, device):
        return '2026-01-02-03-04-05-00'


def _follow(content, **embedded):
    if isinstance(content, str):
        content = {_MENU: content.encode()}
    return follow.follow(
        _Disks({path: data if isinstance(data, bytes) else data.encode()
                for path, data in content.items()}),
        image.Embedded(**{'prefix': '/boot/grub', **embedded}),
        'cd0', '/EFI/BOOT', 'x86_64', 'efi', {'cd0': 'iso'})


class GrubRunTestCase(testtools.TestCase):

    def lines(self, content, **embedded):
        return [' '.join((start.kernel.path, *start.arguments))
                for start in _follow(content, **embedded).starts
                if start.kernel]

    def test_variables_are_those_of_when_the_entry_runs(self):
        self.assertEqual(['/k a b c', '/k last'], self.lines(
            'set x="a b"\nmenuentry A { linux /k $x c }\n'
            'menuentry B { set x=own; linux /k $y }\nset y=last\n'))

    def test_quotes_keep_words_together(self):
        walk = _follow('set x="a b"\nmenuentry A { linux /k "$x" \'$x\' }')
        self.assertEqual(('a b', '$x'), walk.starts[0].arguments)

    def test_conditions_are_decided(self):
        self.assertEqual(['/efi', '/there'], self.lines({
            _MENU: 'if [ "$grub_platform" = "efi" ]; then\n'
                   'menuentry A { linux /efi }\nelse\n'
                   'menuentry B { linux /pc }\nfi\n'
                   'if test -f /x -a ! -e /y; then\n'
                   'menuentry C { linux /there }\nfi\n', '/x': ''}))

    def test_what_depends_on_the_machine_takes_every_branch(self):
        walk = _follow('if cpuid -l; then menuentry A { linux /64 }\n'
                       'else menuentry B { linux /32 }\nfi')
        self.assertEqual(2, len(walk.starts))
        self.assertIn('depends on the machine', walk.notes[0])

    def test_loops_and_globs_read_every_file(self):
        self.assertEqual(['/a', '/b'], self.lines({
            _MENU: 'for f in /boot/grub/menu/*.cfg; do source "$f"; done',
            '/boot/grub/menu/1.cfg': 'menuentry A { linux /a }',
            '/boot/grub/menu/2.cfg': 'menuentry B { linux /b }',
            '/boot/grub/menu/x.txt': 'menuentry X { linux /x }'}))

    def test_functions_have_arguments(self):
        self.assertEqual(['/v one'], self.lines(
            'function go {\n linux /v $1\n initrd /i\n}\n'
            'menuentry A { go one }'))

    def test_a_configfile_keeps_only_what_is_exported(self):
        self.assertEqual(['/k 1'], self.lines({
            _MENU: 'set a=1\nset b=2\nexport a\n'
                   'configfile /boot/grub/other.cfg\n',
            '/boot/grub/other.cfg': 'menuentry A { linux /k $a $b }'}))

    def test_submenus_and_their_default(self):
        walk = _follow('set default="more>B"\nset timeout=3\n'
                       'menuentry A { linux /a }\n'
                       'submenu more { menuentry B { linux /b } }\n')
        self.assertEqual(['/a', '/b'],
                         [one.kernel.path for one in walk.starts])
        self.assertEqual(('/b', 3),
                         (walk.unattended.kernel.path, walk.seconds))

    def test_defaults_as_grub_reads_them(self):
        for value, expected in (('1', '/b'), ('9', '/a'), ('B', '/b'),
                                ('id-b', '/b'), ('', '/a'), ('none', '/a')):
            walk = _follow(f'default="{value}"\ntimeout=0\n'
                           'menuentry A { linux /a }\n'
                           'menuentry B --id id-b { linux /b }\n')
            self.assertEqual(expected, walk.unattended.kernel.path, value)

    def test_without_a_timeout_it_waits(self):
        for line in ('', 'set timeout=-1\n'):
            self.assertIsNone(
                _follow(line + 'menuentry A { linux /a }').seconds)

    def test_a_search_sets_root(self):
        walk = _follow("search --no-floppy --set=root -l 'LABEL 1'\n"
                       'menuentry A { linux ($root)/k\n initrd /i }')
        self.assertEqual('iso', walk.starts[0].kernel.device)
        self.assertEqual('iso', walk.starts[0].initrds[0].device)

    def test_a_built_in_configuration_comes_first(self):
        self.assertEqual(['/m'], self.lines(
            {'/live/grub.cfg': 'menuentry M { linux /m }',
             _MENU: 'menuentry A { linux /a }'}, prefix='/none',
            config=b'search.fs_uuid 2026-01-02-03-04-05-00 root\n'
                   b'set prefix=($root)/live\n'))

    def test_a_prefix_without_a_device_is_on_the_drive_it_came_from(self):
        """As grub-mkrescue builds it in (set_prefix() of GRUB 2.06)."""
        disks = _Disks({_MENU: b'menuentry A { linux /a }'})
        for device in ('cd0', 'cd0,gpt2', 'cd0,msdos1'):
            walk = follow.follow(
                disks, image.Embedded(prefix='()/boot/grub'), device,
                '/EFI/BOOT', 'x86_64', 'efi', {'cd0': 'iso'})
            self.assertEqual(['A'], [start.title for start in walk.starts])

    def test_a_hypervisor_is_followed_to_the_kernel(self):
        self.assertEqual(['/vmlinuz root=x'], self.lines(
            'menuentry X {\n multiboot2 /xen.gz dom0_mem=1G\n'
            ' module2 /vmlinuz root=x\n module2 /initrd\n}'))

    def test_what_cannot_be_found_is_said(self):
        self.assertIn('shows its prompt', _follow({}).lost)

    def test_boot_loader_entries_are_read(self):
        self.assertEqual(['/k root=1 quiet'], self.lines({
            _MENU: 'set kernelopts="quiet"\nblscfg\n',
            '/loader/entries/a.conf':
                'title A\nlinux /k\ninitrd /i\noptions root=1 $kernelopts\n',
        }))


class HostileTestCase(testtools.TestCase):

    def test_work_is_bounded(self):
        for name, text in (
                ('includes itself', 'source /boot/grub/grub.cfg\n' * 99),
                ('calls itself', 'function f {\nf\nf\n}\nf\n'),
                ('loops', 'while true; do\nset a=b\ndone\n' * 500),
                ('doubles', 'set a=xxxxxxxx\n' + 'set a=$a$a\n' * 5000),
                ('nests', 'submenu a {\n' * 20000),
                ('asks', 'if [ a = b ]; then\n' * 20000),
                ('entries', "menuentry 'a' { linux /k $x }\n" * 30000),
                ('words', 'linux /k ' + 'a ' * 300000)):
            begin = time.process_time()
            walk = _follow(text)
            self.assertThat(time.process_time() - begin,
                            testtools.matchers.LessThan(5), name)
            self.assertThat(len(walk.starts),
                            testtools.matchers.LessThan(1025), name)


class TreeTest(testtools.TestCase):

    def test_lines_that_are_kept_are_read_as_the_whole_is(self) -> None:
        pieces = ('linux', ' ', '\t', '\n', '\r\n', "'", '"', '\\', '#', '{',
                  '}', ';', '$x', '${y}', '$', '*', 'a b', "it's", '"a\nb"',
                  'if', 'then', 'fi', 'menuentry', '\\\n', '|', '\\x20')
        chance = random.Random(1)
        for _ in range(3000):
            text = ''.join(chance.choice(pieces)
                           for _ in range(chance.randrange(1, 24)))
            self.assertEqual(
                [_bare(token) for token in script.tokens(text)],
                [_bare(token) for token in script.tokens_by_line(text)],
                repr(text))


def _bare(token):
    return token if isinstance(token, str) else token[2:]
