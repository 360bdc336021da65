# SPDX-License-Identifier: Apache-2.0

import random
import subprocess
import tempfile

import testtools

from ironic_ext.iso import errors
from ironic_ext.iso.loaders import boot_entry
from ironic_ext.iso.loaders import grub

FEDORA = b"""\
set default="1"
function load_video {
  insmod efi_gop # it's a comment
}
load_video
set timeout=60
search --no-floppy --set=root -l 'Fedora-S-dvd-x86_64-40'
menuentry 'Install Fedora 40' --class fedora --class gnu {
\tlinux /images/pxeboot/vmlinuz inst.stage2=hd:LABEL=Fedora-S quiet
\tinitrd /images/pxeboot/initrd.img
}
submenu 'Troubleshooting -->' {
\tmenuentry --id basic "Basic \\"graphics\\"" {
\t\tlinux /images/pxeboot/vmlinuz inst.stage2=hd:LABEL=x quiet nomodeset
\t\tinitrd /images/pxeboot/initrd.img /second.img
\t}
}
menuentry 'Windows' { chainloader /EFI/Microsoft/Boot/bootmgfw.efi; }
menuentry 'Mach' { multiboot /gnumach.gz quiet; module /hurd quiet; }
"""


XEN = b"""\
menuentry 'Install' {
  multiboot2 /boot/xen.gz placeholder console=vga
  module2 --nounzip /boot/vmlinuz console=hvc0 quiet
  module2 --nounzip /install.img
  module2 /more.img
}
menuentry 'Live' {
  linux /live/vmlinuz quiet
  initrd /live/initrd.img
}
"""


class HypervisorTestCase(testtools.TestCase):

    def test_the_first_module_of_xen_is_a_kernel(self):
        self.assertEqual((
            boot_entry.BootEntry(
                'Install', '/boot/vmlinuz', ('console=hvc0', 'quiet'),
                ('/install.img', '/more.img')),
            boot_entry.BootEntry('Live', '/live/vmlinuz', ('quiet',),
                                 ('/live/initrd.img',))),
            grub.parse(XEN).entries)

    def test_only_the_kernel_gets_arguments(self):
        self.assertEqual(
            XEN.replace(b'hvc0 quiet', b'hvc0 a=1').replace(
                b'live/vmlinuz quiet', b'live/vmlinuz a=1'),
            grub.edit(XEN, ('a=1',), ('quiet',)))
        # Those of the hypervisor are its own.
        self.assertIn(b'placeholder console=vga\n', grub.edit(
            XEN, (), ('console',)))


class ParseTestCase(testtools.TestCase):

    def test_entries_carry_the_menu_titles_that_lead_to_them(self):
        config = grub.parse(FEDORA)
        self.assertEqual((
            boot_entry.BootEntry(
                'Install Fedora 40', '/images/pxeboot/vmlinuz',
                ('inst.stage2=hd:LABEL=Fedora-S', 'quiet'),
                ('/images/pxeboot/initrd.img',)),
            boot_entry.BootEntry(
                'Troubleshooting -->>Basic "graphics"',
                '/images/pxeboot/vmlinuz',
                ('inst.stage2=hd:LABEL=x', 'quiet', 'nomodeset'),
                ('/images/pxeboot/initrd.img', '/second.img')),
        ), config.entries)

    def test_a_stub_leads_to_the_file_whatever_the_device(self):
        config = grub.parse(
            b'search --file --set=root /.disk/info\n'
            b'set prefix=($root)/boot/grub\n'
            b'configfile $prefix/grub.cfg\n'
            b'source "(${root})"/boot/grub/more.cfg\n'
            b'if [ -s $cmdpath/x.cfg ]; then . ${cmdpath}/x.cfg; fi\n'
            b'source $unknown/y.cfg\nnormal (cd0)/z.cfg\nnormal\n')
        self.assertEqual(('/boot/grub/grub.cfg', '/boot/grub/more.cfg',
                          '$cmdpath/x.cfg', '/z.cfg'), config.includes)

    def test_an_unset_prefix_stays_in_the_include(self):
        self.assertEqual(('$prefix/a.cfg',),
                         grub.parse(b'source ${prefix}/a.cfg').includes)

    def test_alternatives_share_the_initrd_that_follows(self):
        config = grub.parse(b'menuentry a {\nif [ $x ]; then\n  linux /a 1\n'
                            b'else linux16 /b 2; fi\ninitrd /i\n}\n')
        self.assertEqual(
            [('/a', ('1',), ('/i',)), ('/b', ('2',), ('/i',))],
            [(e.kernel, e.arguments, e.initrds) for e in config.entries])


class EditTestCase(testtools.TestCase):

    def check(self, before, after, append=('a=1',), delete=()):
        self.assertEqual(after, grub.edit(before, append, delete))

    def test_every_kernel_command_is_edited_and_nothing_else(self):
        changed = FEDORA.replace(b'=Fedora-S quiet\n', b'=Fedora-S a=1\n')
        changed = changed.replace(b' quiet nomodeset', b' nomodeset a=1')
        self.check(FEDORA, changed, delete=('quiet',))

    def test_all_spellings_of_the_command_are_known(self):
        for name in (b'linux', b'linux16', b'linuxefi', b'$linux',
                     b'${linux}', b'"$linux"', b'linux$efi', b'linux${sfx}',
                     b"'linux'", b'\\linux', b'li\\\nnux', b'$linux_cmd'):
            self.check(name + b' /k', name + b' /k a=1')
        for name in (b'linuxx', b'echo', b'initrd', b'module', b'[',
                     b'echo linux', b'search linux', b'#linux', b'kfreebsd'):
            self.check(name + b' /k b\n', name + b' /k b\n')

    def test_the_command_is_found_behind_words_and_braces(self):
        self.check(b'if true; then linux /k; else linux /l b;fi',
                   b'if true; then linux /k a=1; else linux /l b a=1;fi')
        self.check(b'menuentry x { linux /k }\nfunction f {linux /k}',
                   b'menuentry x { linux /k a=1 }\nfunction f {linux /k a=1}')
        self.check(b'for x in 1; do linux /k & done',
                   b'for x in 1; do linux /k a=1 & done')

    def test_a_reserved_word_counts_at_the_start_only(self):
        self.check(b'echo then linux /k', b'echo then linux /k')
        self.check(b'"then" linux /k', b'"then" linux /k')

    def test_nothing_is_appended_inside_a_comment(self):
        area = b' ################ COREOS_KARG_EMBED_AREA\n'
        self.check(b'linux /vmlinuz x y' + area,
                   b'linux /vmlinuz x y a=1' + area)
        self.check(b'linux /k b#c # d\n', b'linux /k b#c a=1 # d\n')
        self.check(b"# don't\nlinux /k\n", b"# don't\nlinux /k a=1\n")

    def test_line_ends_and_bytes_outside_utf8_stay(self):
        self.check(b'# \xff\r\nlinux /k quiet\r\ninitrd /i\r\n',
                   b'# \xff\r\nlinux /k quiet a=1\r\ninitrd /i\r\n')
        self.check(b'linux /k \xe9\r\n', b'linux /k \xe9 a=1\r\n')

    def test_a_continued_line_is_one_command(self):
        self.check(b'linux /k \\\n  quiet \\\n  splash\nboot\n',
                   b'linux /k \\\n  splash a=1\nboot\n', delete=('quiet',))
        self.check(b'linux /k \\\r\n  splash\r\nboot\r\n',
                   b'linux /k \\\r\n  splash a=1\r\nboot\r\n')

    def test_quoted_words_are_recognised_for_deletion(self):
        self.check(b'linux /k \'quiet\' "splash=x" b', b'linux /k b', (),
                   ('quiet', 'splash'))

    def test_arguments_go_before_the_installers_separator(self):
        self.check(b'linux\t/casper/vmlinuz  --- quiet splash\n',
                   b'linux\t/casper/vmlinuz  a=1 --- quiet splash\n')
        self.check(b'linux /k quiet ---\n', b'linux /k quiet a=1 ---\n')
        self.check(b'linux /k --- quiet\n', b'linux /k a=1 ---\n',
                   delete=('quiet',))

    def test_words_are_quoted_where_the_script_would_change_them(self):
        self.check(b'linux /k', b"linux /k 'ds=nocloud;s=/x/' '$x' c=tty0",
                   ('ds=nocloud;s=/x/', '$x', 'c=tty0'))
        self.check(b'linux /k', b"linux /k 'a=b c' '#d' 'l=a\\x20b' e=f",
                   ('a="b c"', '#d', 'l=a\\x20b', 'e="f"'))

    def test_what_grub_would_alter_is_refused(self):
        for word in ("it's", 'a\\b', 'a\\xzz', 'x"a b"y', 'a="b" c"d"'):
            exc = self.assertRaises(errors.KernelArgumentError, grub.edit,
                                    b'linux /k', (word,), ())
            self.assertIn(word, str(exc))

    def test_a_command_line_over_the_limit_is_refused(self):
        exc = self.assertRaises(errors.KernelArgumentError, grub.edit,
                                b'linux /k ' + b'x' * 4000, ('y' * 96,), ())
        self.assertIn('/k', str(exc))

    def test_edited_files_pass_grub_script_check(self):
        words = ('ds=nocloud;s=/cdrom/', 'a="b c"', '{x}', '<', '|y', '*')
        data = grub.edit(FEDORA, words, ('quiet',))
        with tempfile.NamedTemporaryFile() as stream:
            stream.write(data)
            stream.flush()
            subprocess.run(['grub-script-check', stream.name], check=True,
                           capture_output=True)
        self.assertEqual(
            ('inst.stage2=hd:LABEL=Fedora-S', 'ds=nocloud;s=/cdrom/',
             'a=b c', '{x}', '<', '|y', '*'),
            grub.parse(data).entries[0].arguments)

    def test_hostile_text_is_read_in_reasonable_time(self):
        for data in (b'{' * 60000, b'"' * 60000, b"echo /k '" * 9000,
                     b'linux a\n' * 2000 + b'initrd b\n' * 5000,
                     b'set a=$a$a\nset a=x$a$a\nsource $a\n' * 3000,
                     b'\\' * 60001, b'$' * 60000):
            grub.parse(data)
            grub.edit(data, ('a',), ('b',))

    def test_more_kernels_than_any_menu_starts_are_not_edited(self):
        self.assertRaisesRegex(
            errors.KernelArgumentError, 'more than 2048 kernels',
            grub.edit, b'linux a\n' * 5000, ('a',), ())

    def test_random_bytes_never_raise_and_no_edit_changes_nothing(self):
        rng = random.Random(7)
        pool = [b'linux', b' ', b'/k', b'"', b"'", b'\\', b'\n', b'{', b'}',
                b'$', b'${', b'#', b';', b'\r', b'\xff', b'menuentry', b'a=1',
                b'---', b'\t', b'initrd', b'submenu', b'source', b'\0']
        for _turn in range(3000):
            data = b''.join(rng.choice(pool)
                            for _ in range(rng.randrange(40)))
            grub.parse(data)
            self.assertEqual(data, grub.edit(data, (), ()))
            edited = grub.edit(data, ('Z',), ())
            self.assertEqual(data, edited.replace(b' Z', b'')
                             .replace(b'Z ', b''))


class HostileTestCase(testtools.TestCase):

    def test_sources_are_bounded(self):
        text = b''.join(b'source /%d\n' % n for n in range(20_000))
        self.assertThat(len(grub.parse(text).includes),
                        testtools.matchers.LessThan(1000))

    def test_titles_are_bounded(self):
        text = (b'submenu %s {\n' % (b'x' * 200)) * 60 + b'linux /k\n' * 9
        for entry in grub.parse(text).entries:
            self.assertThat(len(entry.title),
                            testtools.matchers.LessThan(1100))
