# SPDX-License-Identifier: Apache-2.0

"""What ISOLINUX starts, on configurations in memory."""

import testtools

from ironic_ext.iso.loaders import files
from ironic_ext.iso.loaders import isolinux_menu

_LABELS = ('label a\n kernel /a\nlabel b\n kernel /b\n append x\n'
           'label disk\n localboot 0x80\n')


def _follow(text, **others):
    return isolinux_menu.follow(files.MemoryFiles({
        '/isolinux/isolinux.cfg': text.encode(),
        **{path: data.encode() for path, data in others.items()}}))


class IsolinuxMenuTestCase(testtools.TestCase):

    def check(self, text, title, seconds, **others):
        walk = _follow(text, **others)
        self.assertEqual(
            (title, seconds),
            (walk.unattended and walk.unattended.title, walk.seconds))

    def test_the_default_starts_at_once(self):
        self.check('default b\ntimeout 50\n' + _LABELS, 'b', 0)
        self.check('default b\nprompt 0\n' + _LABELS, 'b', 0)

    def test_a_prompt_waits(self):
        self.check('default b\nprompt 1\ntimeout 50\n' + _LABELS, 'b', 5)
        self.check('default b\nprompt 1\n' + _LABELS, 'b', None)

    def test_ontimeout_goes_before_the_default(self):
        self.check('default b\nprompt 1\ntimeout 10\nontimeout a\n'
                   + _LABELS, 'a', 1)
        self.check('ui menu.c32\nontimeout /k x=1\ntimeout 10\n' + _LABELS,
                   'ontimeout', 1)

    def test_nothing_named_waits_at_the_prompt(self):
        self.check(_LABELS, None, None)

    def test_a_menu_takes_its_marked_or_first_label(self):
        self.check('ui vesamenu.c32\ntimeout 100\n' + _LABELS, 'a', 10)
        self.check('ui vesamenu.c32\ntimeout 100\n'
                   + _LABELS.replace('append x', 'menu default'), 'b', 10)
        self.check('default menu.c32\ntimeout 0\n' + _LABELS, 'a', None)

    def test_the_disk_is_no_kernel(self):
        walk = _follow('default disk\n' + _LABELS)
        self.assertEqual('local', walk.unattended.kind)

    def test_a_label_can_lead_to_another_configuration(self):
        walk = _follow(
            'default go\nlabel go\n config /sys/main.cfg\n append /sys\n',
            **{'/sys/main.cfg': 'default k\nlabel k\n kernel vm\n'})
        self.assertEqual(['/sys/vm'],
                         [one.kernel.path for one in walk.starts])
        self.assertEqual('k', walk.unattended.title)

    def test_the_first_directory_with_a_configuration_counts(self):
        walk = _follow('label a\n kernel /a\n', **{
            '/boot/isolinux/syslinux.cfg': 'label z\n kernel z\n'})
        self.assertEqual(['/boot/isolinux/z'],
                         [one.kernel.path for one in walk.starts])

    def test_ipxe_is_started_as_another_loader(self):
        walk = _follow('default i\nlabel i\n kernel ipxe.krn\n append x\n')
        self.assertEqual('chain', walk.starts[0].kind)

    def test_work_is_bounded(self):
        for text in ('include isolinux.cfg\n' * 200,
                     'default a\n' * 100_000,
                     'label a\n config isolinux.cfg\n' * 1000):
            self.assertThat(len(_follow(text).starts),
                            testtools.matchers.LessThan(2000))
