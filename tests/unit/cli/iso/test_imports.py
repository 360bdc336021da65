# SPDX-License-Identifier: Apache-2.0

"""What `ironic-iso` imports: a command that is run once for each node."""

import pathlib
import subprocess
import sys

import fixtures
import testtools

from tests import isos

_SHOW = ('import sys; from ironic_ext.cli import iso; '
         'code = iso.main(sys.argv[1:]); '
         'print("\\n".join(sys.modules), file=sys.stderr); sys.exit(code)')


class ImportsTest(testtools.TestCase):

    def imported(self, *words: str | pathlib.Path) -> set[str]:
        done = subprocess.run(
            [sys.executable, '-c', _SHOW, *words], check=True,
            capture_output=True, text=True)
        return set(done.stderr.split())

    def test_injecting_imports_what_it_needs(self) -> None:
        found = self.imported('inject', isos.shared('isolinux_bios'),
                              '--append', 'a=1', '--dry-run')
        self.assertEqual(set(), found & {
            'ironic_ext.iso.facts.inspection', 'ironic_ext.iso.fat.change',
            'ironic_ext.iso.loaders.systemd_menu', 'ironic_ext.blocks',
            'ironic_ext.iso.loaders.grub.run', 'ironic_ext.config_formats',
            'shutil', 'lzma', 'gzip', 'json', 'yaml', 'jinja2',
            'stevedore'})

    def test_a_config_needs_neither_catalog_nor_every_plugin(self) -> None:
        folder = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        config = folder / 'preseed.cfg'
        config.write_text('d-i debian-installer/locale string C\n')
        found = self.imported('inject', isos.shared('isolinux_bios'),
                              '--config', f'preseed={config}', '--dry-run')
        self.assertEqual(set(), found & {
            'ironic_ext.catalog', 'sqlalchemy', 'jinja2', 'stevedore',
            'yaml', 'importlib.metadata'})
