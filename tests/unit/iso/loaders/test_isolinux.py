# SPDX-License-Identifier: Apache-2.0

import random
import time

import testtools

from ironic_ext.iso import errors
from ironic_ext.iso.loaders import boot_entry
from ironic_ext.iso.loaders import isolinux

ANACONDA = b"""\
default vesamenu.c32
timeout 600
menu title Fedora
label linux
  menu label ^Install Fedora
  kernel vmlinuz
  append initrd=initrd.img inst.stage2=hd:LABEL=F quiet
menu begin ^Troubleshooting
label check
  menu label Test this ^media
  text help
\tappend this is no append
  label nor this
  endtext
  KERNEL vmlinuz
  APPEND initrd=a.img,b.img rd.live.check quiet
label memtest
  kernel memtest.bin
  append quiet
label reboot
  com32 reboot.c32
  append quiet
label local
  localboot 0xffff
menu end
"""


class ParseTestCase(testtools.TestCase):

    def test_labels_that_start_kernels_are_entries(self):
        self.assertEqual((
            boot_entry.BootEntry(
                'Install Fedora', 'vmlinuz',
                ('initrd=initrd.img', 'inst.stage2=hd:LABEL=F', 'quiet'),
                ('initrd.img',)),
            boot_entry.BootEntry(
                'Test this media', 'vmlinuz',
                ('initrd=a.img,b.img', 'rd.live.check', 'quiet'),
                ('a.img', 'b.img')),
        ), isolinux.parse(ANACONDA).entries)

    def test_included_files_are_found_however_they_are_named(self):
        config = isolinux.parse(
            b'include menu.cfg\nmenu include /a/b.cfg ^More\n'
            b'UI vesamenu.c32 c.cfg\n'
            b'label x\n kernel vesamenu.c32\n append d.cfg\n'
            b'label y\n config e.cfg /dir\n')
        self.assertEqual({'menu.cfg', '/a/b.cfg', 'c.cfg', 'd.cfg', 'e.cfg'},
                         set(config.includes))

    def test_a_label_inherits_the_global_append_unless_it_has_its_own(self):
        config = isolinux.parse(
            b'append initrd=i a\nlabel x\nlinux /k\nlabel y\nlinux /k\n'
            b'append b\nlabel z\nlinux /k\nappend -\n')
        self.assertEqual([('initrd=i', 'a'), ('b',), ()],
                         [entry.arguments for entry in config.entries])
        self.assertEqual(('i',), config.entries[0].initrds)
        self.assertEqual('initrd=i a', config.handed_on)

    def test_the_append_of_the_including_file_counts(self):
        config = isolinux.parse(b'label x\nkernel /k\n', inherited='a b')
        self.assertEqual(('a', 'b'), config.entries[0].arguments)

    def test_a_default_line_can_be_a_kernel(self):
        config = isolinux.parse(b'DEFAULT /boot/k initrd=/i quiet')
        self.assertEqual(
            (boot_entry.BootEntry('default', '/boot/k',
                                  ('initrd=/i', 'quiet'), ('/i',)),),
            config.entries)


class EditTestCase(testtools.TestCase):

    def check(self, before, after, append=('a=1',), delete=(), **kwargs):
        self.assertEqual(
            after, isolinux.edit(before, append, delete, **kwargs))

    def test_only_the_lines_of_linux_labels_change(self):
        after = ANACONDA.replace(b'LABEL=F quiet', b'LABEL=F a=1')
        after = after.replace(b'rd.live.check quiet', b'rd.live.check a=1')
        self.check(ANACONDA, after, delete=('quiet',))

    def test_a_label_without_arguments_gets_an_append_line(self):
        self.check(b'label x\n\tkernel /k\n\tmenu default\nlabel y\n',
                   b'label x\n\tkernel /k\n\tappend a=1\n\tmenu default\n'
                   b'label y\n')
        self.check(b'label x\r\n  linux /k\r\n',
                   b'label x\r\n  linux /k\r\n  append a=1\r\n')
        self.check(b'label x\n  linux /k',
                   b'label x\n  linux /k\n  append a=1')

    def test_deleting_alone_adds_no_line(self):
        data = b'label x\n kernel /k\n'
        self.check(data, data, (), ('quiet',))

    def test_the_global_append_is_edited_and_not_overridden(self):
        self.check(b'append b\nlabel x\nkernel /k\n',
                   b'append b a=1\nlabel x\nkernel /k\n')

    def test_an_included_file_keeps_inheriting(self):
        data = b'label x\nkernel /k\n'
        self.check(data, data, inherits=True)

    def test_a_refused_global_append_is_replaced(self):
        self.check(b'append b\nlabel x\nkernel /k\nappend -\n',
                   b'append b a=1\nlabel x\nkernel /k\nappend a=1\n')

    def test_an_empty_append_is_filled(self):
        self.check(b'label x\nkernel /k\nappend\n',
                   b'label x\nkernel /k\nappend a=1\n')

    def test_arguments_on_the_kernel_line_can_be_deleted(self):
        self.check(b'label x\nkernel /k quiet initrd=i\n',
                   b'label x\nkernel /k initrd=i\nappend a=1\n',
                   delete=('quiet',))

    def test_the_installers_separator_is_respected(self):
        self.check(b'label x\nkernel /k\nappend vga=788 --- quiet \n',
                   b'label x\nkernel /k\nappend vga=788 a=1 --- quiet \n')

    def test_kernels_without_a_kernel_line_are_edited(self):
        self.check(b'label vmlinuz\nappend b\n', b'label vmlinuz\nappend b '
                   b'a=1\n')
        data = b'label up\nmenu goto main\nappend b\n'
        self.check(data, data)

    def test_default_lines_with_a_kernel_are_edited(self):
        self.check(b'default /k quiet', b'default /k quiet a=1')
        self.check(b'default /k\n', b'default /k a=1\n')
        for data in (b'default x\nlabel x\nlocalboot 0\n',
                     b'include a.cfg\ndefault x\n', b'default menu.c32 a\n'):
            self.check(data, data)

    def test_linux_means_a_kernel_whatever_its_name(self):
        self.check(b'label x\nlinux k.img\nappend b\n',
                   b'label x\nlinux k.img\nappend b a=1\n')

    def test_a_line_over_the_limit_is_refused_by_label(self):
        line = b'label big\nkernel /k\nappend ' + b'x' * 4080
        exc = self.assertRaises(errors.KernelArgumentError, isolinux.edit,
                                line, ('a=1567890',), ())
        self.assertIn('label big', str(exc))

    def test_the_limit_counts_bytes(self):
        line = b'label big\nkernel /k\nappend ' + b'x' * 4080
        self.check(line, line + b' a=1234', ('a=1234',))
        self.assertRaises(errors.KernelArgumentError, isolinux.edit, line,
                          ('a=\u00e4\u00e4\u00e4',), ())

    def test_bytes_outside_utf8_stay(self):
        self.check(b'label x\nkernel /k\nappend \xff\xa0\x85\n',
                   b'label x\nkernel /k\nappend \xff\xa0\x85 \xc3\xa4\n',
                   ('\u00e4',))

    def test_random_text_never_raises_and_no_edit_changes_nothing(self):
        rng = random.Random(3)
        pool = [b'label', b'append', b'kernel', b'linux', b'initrd', b'-',
                b'menu', b'begin', b'end', b'text', b'endtext', b'include',
                b'default', b' ', b' ', b'\n', b'\n', b'\r', b'\0', b'\xff',
                b'x.c32', b'/k', b'a=1', b'"', b'---', b'#', b'com32']
        for _turn in range(5000):
            data = b''.join(rng.choice(pool)
                            for _ in range(rng.randrange(40)))
            isolinux.parse(data)
            self.assertEqual(data, isolinux.edit(data, (), ()))
            isolinux.edit(data, ('Z',), ('a',))


class HostileTestCase(testtools.TestCase):

    def test_a_line_costs_the_same_however_many_there_are(self):
        begin = time.process_time()
        isolinux.parse(b'default a\n' * 50_000)
        self.assertThat(time.process_time() - begin,
                        testtools.matchers.LessThan(10))
