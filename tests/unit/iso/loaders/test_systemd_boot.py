# SPDX-License-Identifier: Apache-2.0

import random

import testtools

from ironic_ext.iso import errors
from ironic_ext.iso.loaders import boot_entry
from ironic_ext.iso.loaders import systemd_boot

ENTRY = b"""\
# A live system
title   Arch Linux install medium
linux   /arch/boot/vmlinuz-linux
initrd  /ucode.img
initrd  /arch/boot/initramfs.img
options archisobasedir=arch quiet
options archisodevice=x
"""


class SystemdBootTestCase(testtools.TestCase):

    def check(self, before, after, append=('a=1',), delete=()):
        self.assertEqual(after, systemd_boot.edit(before, append, delete))

    def test_an_entry_is_read(self):
        self.assertEqual(boot_entry.BootConfig((boot_entry.BootEntry(
            'Arch Linux install medium', '/arch/boot/vmlinuz-linux',
            ('archisobasedir=arch', 'quiet', 'archisodevice=x'),
            ('/ucode.img', '/arch/boot/initramfs.img')),)),
            systemd_boot.parse(ENTRY))

    def test_the_last_options_line_gets_the_arguments(self):
        self.check(ENTRY, ENTRY.replace(b' quiet', b'').replace(
            b'device=x', b'device=x a=1'), delete=('quiet',))

    def test_a_separator_decides_where_arguments_go(self):
        self.check(b'linux /k\noptions a --- b\noptions c\n',
                   b'linux /k\noptions a a=1 --- b\noptions c\n')

    def test_options_are_added_where_there_are_none(self):
        self.check(b'linux /k\r\ninitrd /i\r\n',
                   b'linux /k\r\noptions a=1\r\ninitrd /i\r\n')
        self.check(b'  linux /k', b'  linux /k\n  options a=1')
        self.check(b'linux /k\noptions\n', b'linux /k\noptions a=1\n')
        self.check(b'linux /k\n', b'linux /k\n', (), ('quiet',))

    def test_other_programs_are_left_alone(self):
        for data in (b'efi /shell.efi\noptions x\n', b'# linux /k\n',
                     b'title linux /k\n', b''):
            self.check(data, data)
            self.assertEqual((), systemd_boot.parse(data).entries)

    def test_too_many_options_are_refused(self):
        self.assertRaises(errors.KernelArgumentError, systemd_boot.edit,
                          b'linux /k\noptions ' + b'x' * 4000,
                          ('y' * 100,), ())

    def test_random_bytes_never_raise_and_no_edit_changes_nothing(self):
        rng = random.Random(3)
        pool = [b'linux', b'options', b' ', b'\n', b'\r', b'\0', b'\xff',
                b'#', b'a=1', b'"', b'---', b'\t', b'initrd', b'\x0b']
        for _turn in range(3000):
            data = b''.join(rng.choice(pool)
                            for _ in range(rng.randrange(30)))
            systemd_boot.parse(data)
            self.assertEqual(data, systemd_boot.edit(data, (), ()))
            systemd_boot.edit(data, ('Z',), ('a',))
