# SPDX-License-Identifier: Apache-2.0

"""ESXi's boot.cfg: read, changed, followed."""

import testtools

from ironic_ext.iso import errors
from ironic_ext.iso.loaders import boot_entry
from ironic_ext.iso.loaders import files
from ironic_ext.iso.loaders import mboot

_CONFIG = (b'bootstate=0\r\ntitle=Loading ESXi installer\r\ntimeout=5\r\n'
           b'prefix=/esx\r\nkernel=b.b00\r\nkernelopt=runweasel cdromBoot'
           b'\r\nmodules=jumpstrt.gz --- useropts.gz\r\n')


class MbootTest(testtools.TestCase):

    def test_the_entry_has_its_kernel_below_the_prefix(self) -> None:
        self.assertEqual((boot_entry.BootEntry(
            'Loading ESXi installer', '/esx/b.b00',
            ('runweasel', 'cdromBoot')),), mboot.parse(_CONFIG).entries)

    def test_other_files_of_that_name_have_no_entry(self) -> None:
        for data in (b'', b'menu=Boot:boot\n', b'kernel=/netbsd\n', b'\0='):
            self.assertEqual((), mboot.parse(data).entries)
            self.assertEqual(data, mboot.edit(data, ('a',), ()))

    def test_only_the_options_change(self) -> None:
        changed = mboot.edit(_CONFIG, ('ks=cdrom:/KS.CFG',), ('cdromBoot',))
        self.assertEqual(_CONFIG.replace(
            b'runweasel cdromBoot', b'runweasel ks=cdrom:/KS.CFG'), changed)
        self.assertEqual(_CONFIG, mboot.edit(_CONFIG, (), ('other',)))

    def test_a_config_without_options_gets_a_line(self) -> None:
        bare = _CONFIG.replace(b'kernelopt=runweasel cdromBoot\r\n', b'')
        self.assertEqual(
            bare.replace(b'b.b00\r\n', b'b.b00\r\nkernelopt=a=1\r\n'),
            mboot.edit(bare, ('a=1',), ()))

    def test_options_have_a_limit(self) -> None:
        self.assertRaises(errors.KernelArgumentError, mboot.edit, _CONFIG,
                          ('a' * 5000,), ())

    def test_it_starts_by_itself_after_its_time(self) -> None:
        for data, seconds in ((_CONFIG, 5.0), (
                _CONFIG.replace(b'timeout=5', b'timeout=33'), 33.0), (
                _CONFIG.replace(b'timeout=5\r\n', b''), 5.0), (
                mboot.Mboot().unattended(_CONFIG, '', 7), 7.0), (
                mboot.Mboot().unattended(_CONFIG.replace(
                    b'timeout=5\r\n', b''), '', 7), 7.0)):
            walk = mboot.follow(files.MemoryFiles({'/BOOT.CFG': data}),
                                '/boot.cfg')
            assert walk is not None and walk.unattended is not None
            self.assertEqual(seconds, walk.seconds)
            self.assertEqual('/esx/b.b00', str(walk.unattended.kernel))

    def test_a_label_names_its_file(self) -> None:
        self.assertEqual('boot.cfg', mboot.of_label(
            '/MBOOT.C32', ('-c', 'boot.cfg')))
        for module, words in (('mboot.c32', ('xen.gz', '---')),
                              ('mboot.c32', ('-c',)),
                              ('vesamenu.c32', ('-c', 'boot.cfg'))):
            self.assertIsNone(mboot.of_label(module, words))
