# SPDX-License-Identifier: Apache-2.0

"""Add-ons are executables as other programs read them."""

import pathlib
import shutil
import subprocess

import fixtures
import testtools

from ironic_ext.iso.loaders import add_on
from ironic_ext.iso.loaders import boot_entry
from ironic_ext.iso.loaders import files

_IMAGE = '/EFI/Linux/system.efi'
_OURS = f'{_IMAGE}.extra.d/{add_on.NAME}'


class AddOnTest(testtools.TestCase):

    def test_what_is_made_is_read(self) -> None:
        for machine in ('x64', 'aa64', 'riscv64'):
            made = add_on.make(machine, 'a=b c="d \u00e9"', b'archive')
            found = add_on.at(files.MemoryFiles({'/x': made}), '/x', machine)
            assert found is not None
            self.assertEqual('a=b c="d \u00e9"', found.line)
            self.assertEqual(b'archive', found.initrd)

    def test_one_for_another_machine_is_none(self) -> None:
        made = files.MemoryFiles({'/x': add_on.make('x64', 'a', b'')})
        self.assertIsNone(add_on.at(made, '/x', 'aa64'))
        self.assertIsNone(add_on.at(files.MemoryFiles({'/x': b'MZ'}), '/x',
                                    'x64'))

    def test_another_program_takes_the_sections_out(self) -> None:
        if not shutil.which('objcopy'):
            self.skipTest('objcopy is not installed')
        folder = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        (folder / 'x.efi').write_bytes(add_on.make('x64', 'a=b', b'xyz' * 999))
        for section, content in (('.cmdline', b'a=b'),
                                 ('.initrd', b'xyz' * 999)):
            subprocess.run(['objcopy', '-O', 'binary', '-j', section,
                            folder / 'x.efi', folder / 'out'], check=True)
            self.assertEqual(content, (folder / 'out').read_bytes())

    def test_they_count_by_name_those_for_all_images_first(self) -> None:
        names = (f'{_IMAGE}.extra.d/a.addon.efi', _OURS,
                 '/loader/addons/z.addon.efi', f'{_IMAGE}.extra.d/a.efi')
        found = add_on.beside(files.MemoryFiles({
            name: add_on.make('x64', str(number), b'')
            for number, name in enumerate(names)}), _IMAGE, 'x64')
        self.assertEqual(['2', '0', '1'], [one.line for one in found])

    def test_a_stub_that_takes_none_is_named(self) -> None:
        place = boot_entry.Place('esp', _IMAGE)
        start = boot_entry.Start('System', 'uki', place, machine='x64')
        for facts, reason in (
                ({}, 'of whose stub nothing is known'),
                ({'stub': '253.1'}, 'systemd 253.1) reads nothing'),
                ({'stub': '257', 'machine': 'ia32'}, 'such as ia32'),
                ({'stub': '257', 'signed': True}, 'which is signed')):
            self.assertIn(reason, add_on.why_none(
                start._replace(**facts), add_on.INITRDS))
        self.assertEqual('', add_on.why_none(
            start._replace(stub='254'), add_on.ARGUMENTS))
        self.assertIn('that takes systemd 257', add_on.why_none(
            start._replace(stub='256'), add_on.INITRDS))
