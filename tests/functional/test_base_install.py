# SPDX-License-Identifier: Apache-2.0

"""`ironic-iso` in an environment that has no other package."""

import json
import pathlib
import subprocess
import sys

import fixtures
import testtools

from tests import isos

_ROOT = pathlib.Path(__file__).resolve().parents[2]
_RUN = '''
import contextlib, io, json, sys
from ironic_ext.cli.iso import command
said = []
for words in json.load(sys.stdin):
    out, errors = io.StringIO(), io.StringIO()
    out.buffer = io.BytesIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(errors):
        try:
            code = command.main(words)
        except SystemExit as exc:
            code = exc.code
    said.append([code, errors.getvalue()])
print(json.dumps(said))
'''
_CONFIGS = {
    'kickstart': ('ks.cfg', 'text\n'),
    'preseed': ('preseed.cfg', 'd-i debian-installer/locale string C\n'),
    'ignition': ('config.ign', '{"ignition": {"version": "3.3.0"}}'),
    'autoyast': ('autoinst.xml', '<?xml version="1.0"?>\n<profile '
                 'xmlns="http://www.suse.com/1.0/yast2ns"/>\n'),
    'esxi': ('ks.cfg', 'vmaccepteula\ninstall --firstdisk\n'),
    'plain': ('plain', 'x\n'),
    'cloud-init': ('user-data', '#cloud-config\nhostname: a\n'),
    'autoinstall': ('autoinstall.yaml', 'autoinstall:\n  version: 1\n')}
#: They parse YAML, which Python does not.
_NEED_MORE = ('cloud-init', 'autoinstall')


class BaseInstallTest(testtools.TestCase):

    def setUp(self) -> None:
        super().setUp()
        self.folder = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        venv = self.folder / 'venv'
        subprocess.run([sys.executable, '-m', 'venv', '--without-pip', venv],
                       check=True)
        self.python = venv / 'bin/python'
        self.base = str(isos.shared('lorax_like'))

    def said(self, *commands: tuple[str, ...]) -> list[tuple[int, str]]:
        """Run commands; returns their exit codes and standard errors."""
        done = subprocess.run(
            [self.python, '-c', _RUN], input=json.dumps(commands),
            env={'PYTHONPATH': str(_ROOT), 'PYTHONDONTWRITEBYTECODE': '1'},
            capture_output=True, text=True)
        self.assertEqual('', done.stderr)
        return [(code, text) for code, text in json.loads(done.stdout)]

    def test_every_command_runs(self) -> None:
        source = self.folder / 'a.nmconnection'
        source.write_text('[connection]\nid=a\ntype=ethernet\n')
        overlay = str(self.folder / 'a.overlay')
        out = str(self.folder / 'out.iso')
        for code, text in self.said(
                ('inspect', self.base), ('ls', self.base),
                ('inspect', '--json', self.base),
                ('cat', self.base, '/README.TXT'),
                ('extract', self.base, '/docs', '-d',
                 str(self.folder / 'x')),
                ('inject', self.base, '--append', 'a=1', '--delete', 'quiet',
                 '--file', f'/a={source}', '--initrd-file', f'/b={source}',
                 '--esp-file', f'/c={source}', '--mode', '/a=0600',
                 '--network-keyfile', str(source), '--timeout', '5',
                 '--media-check', 'reimplant', '--overlay', overlay,
                 '--json', '--sha256'),
                ('show', overlay, '--base', self.base),
                ('write', overlay, '--base', self.base, '-o', out),
                ('pxe', self.base, '-d', str(self.folder / 'pxe')),
                ('completion', 'bash'), ('inject', '--help')):
            self.assertEqual(0, code, text)

    def test_a_config_is_placed_or_the_extra_is_named(self) -> None:
        commands = []
        for name, (file, text) in _CONFIGS.items():
            (self.folder / file).write_text(text)
            commands.append(('inject', self.base, '--dry-run', '--partial',
                             '--config', f'{name}={self.folder / file}'))
        for name, (code, text) in zip(_CONFIGS, self.said(*commands)):
            if name in _NEED_MORE:
                self.assertIn('needs the package yaml: pip install PyYAML',
                              text)
                self.assertEqual(1, code)
            else:
                self.assertEqual(0, code, f'{name}: {text}')
