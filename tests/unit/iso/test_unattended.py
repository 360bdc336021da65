# SPDX-License-Identifier: Apache-2.0

"""Which entry of a boot menu starts by itself; read from what was written."""

import pathlib

import fixtures
import testtools

from ironic_ext import iso
from ironic_ext.iso import boot_path
from ironic_ext.iso.loaders import grub
from ironic_ext.iso.loaders import isolinux
from ironic_ext.iso.loaders import systemd_boot
from tests import iso_cases
from tests import isos
from tests import unit


def _base(name: str) -> pathlib.Path:
    return (iso_cases.shared(name) if name in iso_cases.CASES
            else isos.shared(name))


class UnattendedTest(testtools.TestCase):

    def setUp(self) -> None:
        super().setUp()
        self.useFixture(unit.WithoutSync())
        self.dir = pathlib.Path(self.useFixture(fixtures.TempDir()).path)

    def starts(self, name: str, partial: bool = False, **what: object
               ) -> dict[str, str]:
        """What starts on each path of the image that was written."""
        out = self.dir / f'{name}.iso'
        with iso.IsoImage.open(_base(name)) as image:
            with iso.inject(image, iso.Injection(**what), for_=('all',),
                            partial=partial) as made:
                made.write(out)
        with iso.IsoImage.open(out) as image:
            return {path.name: path.unattended
                    for path in boot_path.boot_paths(image)
                    if not path.dead}

    def refusal(self, name: str, **what: object) -> str:
        def inject() -> None:
            with iso.IsoImage.open(_base(name)) as image:
                iso.inject(image, iso.Injection(**what), for_=('all',))
        return str(self.assertRaises(iso.InjectionError, inject))

    def test_every_loader_starts_its_default_when_asked(self) -> None:
        for name, title in (
                ('isolinux_bios', 'Live system'), ('grub_bios', 'Live system'),
                ('hybrid', 'Install'), ('unified_kernel', 'System'),
                ('lorax_like', 'Test this media & install'),
                ('variable_arguments', 'Install')):
            found = self.starts(name, timeout=7)
            self.assertEqual({f'"{title}" after 7 s'}, set(found.values()),
                             name)

    def test_an_entry_is_named_by_title_or_label(self) -> None:
        self.assertEqual({'bios from cd': '"linux" after 5 s'},
                         self.starts('waiting_menu', timeout=5,
                                     default='linux'))
        self.assertEqual(
            {'"Check the medium" after 5 s'},
            set(self.starts('grub_bios', timeout=5,
                            default='check the MEDIUM').values()))

    def test_an_entry_of_a_submenu_is_started_in_it(self) -> None:
        self.assertEqual(
            {'"Rescue" after 5 s'},
            set(self.starts('lorax_like', timeout=5,
                            default='Rescue').values()))

    def test_a_menu_that_boots_the_disk_is_no_installer(self) -> None:
        text = self.refusal('waiting_menu', timeout=5)
        self.assertIn('"harddisk", is no system of the image', text)
        self.assertIn('name one of its entries: "harddisk", "linux"', text)

    def test_an_entry_that_is_not_there_is_refused_with_those_that_are(
            self) -> None:
        text = self.refusal('grub_bios', timeout=5, default='Nothing')
        self.assertIn(' has an entry "Nothing"; name one of its entries: '
                      '"Live system", "Check the medium"', text)

    def test_menus_that_differ_are_refused_in_one_sentence(self) -> None:
        for partial in (False, True):
            text = str(self.assertRaises(
                iso.InjectionError, self.starts, 'hybrid', partial,
                timeout=5, default='Nothing'))
            self.assertEqual(1, text.count('"Nothing"'), text)
            self.assertEqual(1, text.count('name one of'), text)

    def test_a_menu_that_is_built_in_stays(self) -> None:
        self.assertIn('its menu is built into the boot loader',
                      self.refusal('built_in_menu', timeout=5))
        found = self.starts('built_in_menu', partial=True, timeout=5)
        self.assertIn('after 5 s', found['bios from cd'])

    def test_a_menu_that_is_replaced_counts(self) -> None:
        menu = (b'prompt 1\nlabel one\n kernel /live/vmlinuz\n'
                b'label other\n kernel /live/vmlinuz\n')
        found = self.starts('isolinux_bios', timeout=5, default='other',
                            files={'/isolinux/isolinux.cfg': menu})
        self.assertEqual({'"other" after 5 s'}, set(found.values()))

    def test_what_makes_no_sense_is_refused(self) -> None:
        for what in ({'timeout': 0}, {'timeout': -1}, {'timeout': 99999},
                     {'default': 'x'}, {'timeout': 5, 'default': 'a\nb'}):
            self.assertRaises(iso.InjectionError, iso.Injection, **what)

    def test_only_menus_change(self) -> None:
        with iso.IsoImage.open(_base('lorax_like')) as image:
            with iso.inject(image, iso.Injection(timeout=5)) as made:
                literal = made.literal_bytes
            lines = {arrival.command_lines for arrival in made.arrivals}
            before = {tuple((start.name, ' '.join(start.arguments))
                            for start in path.kernels)
                      for path in boot_path.boot_paths(image)}
        self.assertEqual(before, lines)
        self.assertLess(literal, 5000)


class GrammarTest(testtools.TestCase):

    def test_isolinux_has_the_last_word(self) -> None:
        self.assertEqual(
            b'default x\nPROMPT 1\nTIMEOUT 50\nONTIMEOUT y\n',
            isolinux.unattended(b'default x', 'y', 5))

    def test_grub_has_the_last_word(self) -> None:
        self.assertEqual(
            b"set timeout=9\nset default='a \"b\" $c>d'\nset timeout=5\n",
            grub.unattended(b'set timeout=9\n', 'a "b" $c>d', 5))
        self.assertRaises(iso.KernelArgumentError, grub.unattended, b'',
                          "it's", 5)

    def test_systemd_boots_lines_are_replaced(self) -> None:
        self.assertEqual(
            b'editor no\n# timeout 3\ntimeout 5\ndefault a.conf\n',
            systemd_boot.unattended(
                b'timeout 1\ndefault @saved\neditor no\n# timeout 3',
                'a.conf', 5))
        self.assertEqual(b'default x\ntimeout 5\n',
                         systemd_boot.unattended(b'default x\n', '', 5))
        self.assertEqual(b'timeout 5\n', systemd_boot.unattended(b'', '', 5))
