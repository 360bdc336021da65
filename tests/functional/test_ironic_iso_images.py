# SPDX-License-Identifier: Apache-2.0

"""Where `ironic-iso` takes images from, and what it takes out of them."""

import contextlib
import gzip
import io
import json
import os
import subprocess

from ironic_ext.cli.iso import command
from tests import file_server
from tests.functional import judges
from tests.functional import test_ironic_iso
from tests import iso_cases
from tests import iso_parts
from tests import isos


class _Case(test_ironic_iso.IronicIsoTestCase):

    def run_command(self, *words, stdin=None, status=0):
        """In this process, unless it reads: starting one costs most."""
        if stdin is not None:
            return super().run_command(*words, stdin=stdin, status=status)
        out, errors = (io.TextIOWrapper(io.BytesIO(), write_through=True)
                       for _ in range(2))
        with contextlib.redirect_stdout(out):
            with contextlib.redirect_stderr(errors):
                try:
                    code = command.main(list(map(str, words)))
                except SystemExit as exc:
                    code = exc.code
        done = subprocess.CompletedProcess(
            words, code, out.buffer.getvalue(), errors.buffer.getvalue())
        self.assertEqual(status, code, done.stderr.decode())
        return done

    def overlay(self, *words, base=None):
        path = self.folder / 'node.overlay'
        self.run_command('inject', base or self.base, *words, '--overlay',
                         path)
        return path


class InputTest(_Case):

    def test_standard_input_is_an_image_whether_file_or_pipe(self):
        told = self.run_command('inspect', '--json', self.base).stdout
        told = told.replace(str(self.base).encode(), b'standard input')
        piped = self.run_command('inspect', '--json', '-',
                                 stdin=self.base.read_bytes())
        self.assertEqual(told, piped.stdout)
        out = self.folder / 'out.iso'
        self.run_command('inject', '-', '--append', 'a=1', '-o', out,
                         stdin=self.base.read_bytes())
        direct = self.folder / 'direct.iso'
        self.run_command('inject', self.base, '--append', 'a=1', '-o',
                         direct)
        self.assertEqual(judges.sha256(direct), judges.sha256(out))

    def test_standard_input_is_one_thing_only(self):
        done = self.run_command('inject', '-', '--file', '/a=-', '-o',
                                self.folder / 'x', status=2)
        self.assertIn(b'the ISO is', done.stderr)

    def test_a_server_of_whole_files_needs_a_download(self):
        server = self.useFixture(
            file_server.FileServer(self.base.parent))
        url = f'{server.url}/{self.base.name}'
        self.assert_error(self.run_command('ls', url, status=1),
                          'no ranges', '--download')
        done = self.run_command('ls', '--download', url)
        self.assertIn(b'README.TXT\n', done.stdout)

    def test_an_overlay_is_read_with_its_base(self):
        source = self.folder / 'ks.cfg'
        source.write_text('text\n')
        overlay = self.overlay('--file', f'/ks.cfg={source}')
        self.assert_error(self.run_command('ls', overlay, status=1),
                          'is an overlay', '--base')
        done = self.run_command('cat', overlay, '--base', self.base,
                                '/ks.cfg')
        self.assertEqual(b'text\n', done.stdout)

    def test_a_cut_image_is_refused_by_all_that_judge_it(self):
        cut = self.folder / 'cut.iso'
        for name in ('isolinux_bios', 'ubuntu_like', 'lorax_like'):
            whole = isos.shared(name).read_bytes()
            for share in (0.3, 0.6, 0.99):
                cut.write_bytes(whole[:int(len(whole) * share)])
                self.assert_error(self.run_command(
                    'inspect', cut, status=1), 'truncated')
                self.assert_error(self.run_command(
                    'inject', cut, '--file', f'/x={__file__}', '--dry-run',
                    status=1), 'truncated')


class SourcesTest(_Case):

    def test_a_directory_brings_its_files_and_their_modes(self):
        tree = self.folder / 'tree'
        (tree / 'scripts').mkdir(parents=True)
        (tree / 'ks.cfg').write_text('ks\n')
        script = tree / 'scripts' / 'run.sh'
        script.write_text('#!/bin/sh\n')
        script.chmod(0o750)
        out = self.folder / 'out.iso'
        self.run_command('inject', self.base, '--file', f'/conf/={tree}',
                         '--initrd-file', f'/={tree}', '-o', out)
        target = self.folder / 'x'
        judges.xorriso_extract(out, target)
        self.assertEqual('ks\n', (target / 'conf/ks.cfg').read_text())
        self.assertEqual(0o750, (
            target / 'conf/scripts/run.sh').stat().st_mode & 0o777)
        initrd = (target / 'images/pxeboot/initrd.img').read_bytes()
        added = initrd[len(iso_parts.fake_initrd()):].lstrip(b'\0')
        self.assertEqual(b'ks\n', judges.cpio_files(added)['/ks.cfg'])

    def test_what_is_no_file_in_a_directory_is_told(self):
        tree = self.folder / 'tree'
        tree.mkdir()
        self.assert_error(self.run_command(
            'inject', self.base, '--file', f'/x={tree}', '--dry-run',
            status=1), 'no file')
        os.mkfifo(tree / 'pipe')
        self.assert_error(self.run_command(
            'inject', self.base, '--file', f'/x={tree}', '--dry-run',
            status=1), 'pipe', 'no regular file')

    def test_files_for_the_esp_lie_there_and_nowhere_else(self):
        source = self.folder / 'a.cred'
        source.write_text('secret\n')
        out = self.folder / 'out.iso'
        self.run_command(
            'inject', self.base, '--esp-file',
            f'/loader/credentials/a.cred={source}', '-o', out)
        esp = judges.esp_file(out, self.folder)
        judges.fsck_fat(esp)
        self.assertEqual(b'secret\n', judges.fat_file(
            esp, '/loader/credentials/a.cred'))
        self.assertNotIn('/loader', ' '.join(
            judges.isoinfo_files(out, '-R')))
        self.assert_error(self.run_command(
            'inject', isos.shared('isolinux_bios'), '--esp-file',
            f'/a={source}', '--dry-run', status=1), 'no EFI system')

    def test_another_loader_in_the_esp_is_judged(self):
        loader = self.folder / 'BOOTX64.EFI'
        loader.write_bytes(b'MZ no loader')
        self.assert_error(self.run_command(
            'inject', self.base, '--append', 'a=1', '--esp-file',
            f'/EFI/BOOT/BOOTX64.EFI={loader}', '--dry-run', status=1),
            'uefi-x64 from cd', 'the boot loader is unknown')


class NetworkTest(_Case):

    def initrd(self, base, path, *words):
        out = self.folder / 'out.iso'
        self.run_command('inject', base, *words, '--force', '-o', out)
        target = self.folder / 'x'
        judges.xorriso_extract(out, target)
        packed = (target / path).read_bytes()
        return packed[len(iso_parts.fake_initrd()):].lstrip(b'\0')

    def test_a_keyfile_lies_where_the_initrd_looks(self):
        keyfile = self.folder / 'eno1'
        keyfile.write_text('[connection]\nid=eno1\ntype=ethernet\n'
                           '[ipv4]\nmethod=auto\n')
        for base, directory in (
                (isos.shared('lorax_like'),
                 '/etc/NetworkManager/system-connections'),
                (isos.shared('coreos_like'), '/etc/coreos-firstboot-network')):
            added = self.initrd(base, 'images/pxeboot/initrd.img',
                                '--network-keyfile', keyfile)
            self.assertEqual(
                {f'{directory}/eno1.nmconnection': keyfile.read_bytes()},
                judges.cpio_files(added))
            # NetworkManager passes over files that others can read.
            self.assertIn(b'000081800000', added)
            judges.run('rm', '-r', self.folder / 'x')

    def test_what_is_no_keyfile_is_refused(self):
        keyfile = self.folder / 'eno1.nmconnection'
        for text, words in (('TYPE=Ethernet\n', 'without a section'),
                            ('[connection]\nid=x\nfoo\n', 'in line 3 is'),
                            ('[ipv4]\nmethod=auto\n', 'no "id"'),
                            ('[connection]\nid=x\n', 'no "type"')):
            keyfile.write_text(text)
            self.assert_error(self.run_command(
                'inject', self.base, '--network-keyfile', keyfile,
                '--dry-run', status=1), 'no keyfile', words)


class DigestTest(_Case):

    def test_a_sha256_is_that_of_the_file(self):
        out = self.folder / 'out.iso'
        done = self.run_command('inject', self.base, '--append', 'a=1',
                                '-o', out, '--sha256')
        self.assertIn(f'sha256:{judges.sha256(out)}\n',
                      done.stdout.decode())
        report = json.loads(self.run_command(
            'inject', self.base, '--append', 'a=1', '--dry-run', '--sha256',
            '--json').stdout)
        self.assertEqual(judges.sha256(out), report['sha256'])
        done = self.run_command('inject', self.base, '--append', 'a=1',
                                '--dry-run')
        self.assertNotIn(b'sha256', done.stdout)


class ShowTest(_Case):

    def test_overlay_and_image_show_the_same(self):
        source = self.folder / 'ks.cfg'
        source.write_text('text\n')
        words = ('--append', 'inst.ks=cdrom:/ks.cfg', '--delete', 'quiet',
                 '--file', f'/ks.cfg={source}', '--file',
                 f'/README.TXT={source}', '--initrd-file',
                 f'/pre.cfg={source}', '--timeout', '7')
        overlay = self.overlay(*words)
        out = self.folder / 'out.iso'
        self.run_command('inject', self.base, *words, '-o', out)
        shown = [json.loads(self.run_command(
            'show', image, '--base', self.base, '--json').stdout)
            for image in (overlay, out)]
        for facts in shown:
            facts.pop('path')
        self.assertEqual(*shown)
        facts = shown[0]
        self.assertEqual({
            ('added', '/ks.cfg', 'iso'), ('replaced', '/README.TXT', 'iso'),
            ('grown', '/images/pxeboot/initrd.img', 'iso'),
            ('configuration', '/boot/grub2/grub.cfg', 'iso'),
            ('configuration', '/EFI/BOOT/grub.cfg', 'iso'),
            ('configuration', '/EFI/BOOT/grub.cfg', 'esp')},
            {(one['change'], one['path'], one['where'])
             for one in facts['files']})
        self.assertEqual([['/pre.cfg']], [one['inside'] for one
                                          in facts['files']
                                          if one['inside']])
        self.assertEqual({'inst.ks=cdrom:/ks.cfg'}, {
            word for one in facts['entries'] for word in one['added']})
        self.assertEqual({'quiet'}, {
            word for one in facts['entries'] for word in one['removed']})
        self.assertEqual(4, len(facts['starts']))
        text = self.run_command('show', overlay, '--base',
                                self.base).stdout.decode()
        for part in ('+inst.ks=cdrom:/ks.cfg -quiet',
                     'initrd.img: /pre.cfg', 'after 7 s; before:'):
            self.assertIn(part, text)

    def test_a_base_differs_in_nothing_from_itself(self):
        for name in ('lorax_like', 'hard_links', 'esp_fat32'):
            base = isos.shared(name)
            done = self.run_command('show', base, '--base', base)
            self.assertIn(b'nothing differs', done.stdout, name)


class ExtractTest(_Case):

    def test_all_files_are_as_another_reader_has_them(self):
        for name in ('lorax_like', 'hard_links'):
            base = isos.shared(name)
            ours, theirs = self.folder / name, self.folder / f'{name}-x'
            done = self.run_command('extract', base, '-d', ours)
            self.assertIn(b'files written', done.stderr)
            judges.xorriso_extract(base, theirs)
            self.assertEqual(judges.tree_files(theirs),
                             judges.tree_files(ours))

    def test_paths_keep_their_place(self):
        target = self.folder / 'x'
        self.run_command('extract', self.base, 'docs', '/README.TXT', '-d',
                         target)
        self.assertEqual({'docs', 'README.TXT'}, set(os.listdir(target)))
        self.assert_error(self.run_command(
            'extract', self.base, '/docs', '-d', target, status=1),
            'is not empty')

    def test_an_image_writes_nothing_outside(self):
        """A name of Rock Ridge may be anything."""
        hostile = self.folder / 'hostile.iso'
        data = isos.shared('hard_links').read_bytes()
        self.assertIn(b'first.txt', data)
        hostile.write_bytes(data.replace(b'first.txt', b'../../../'))
        target = self.folder / 'a' / 'b'
        self.assert_error(self.run_command(
            'extract', hostile, '-d', target, status=1), 'cannot be a name')
        self.assertEqual({'hostile.iso', 'a'}, set(os.listdir(self.folder)))


class ResetTest(_Case):

    def test_a_coreos_image_becomes_what_it_was(self):
        config = self.folder / 'config.ign'
        config.write_text('{"ignition": {"version": "3.3.0"}}')
        for base in (isos.shared('coreos_like'),
                     iso_cases.shared('bare_areas'),
                     iso_cases.shared('old_areas')):
            filled, again = (self.folder / f'{base.stem}-{name}.iso'
                             for name in ('filled', 'again'))
            self.run_command('inject', base, '--append', 'a=1', '--config',
                             f'ignition={config}', '-o', filled)
            self.assertNotEqual(judges.sha256(base), judges.sha256(filled))
            self.run_command('reset', filled, '-o', again)
            # Areas do not let an image grow.
            self.assertEqual(judges.sha256(base), judges.sha256(again))
            self.assert_error(self.run_command(
                'reset', base, '-o', self.folder / 'x.iso', status=1),
                'nothing to reset')

    def test_other_images_are_not_known_as_they_were(self):
        self.assert_error(self.run_command(
            'reset', self.base, '-o', self.folder / 'x.iso', status=1),
            'reserves no areas')


class NetworkBootTest(_Case):

    def test_kernel_initrd_and_script_are_written(self):
        target = self.folder / 'tftp'
        done = self.run_command(
            'pxe', self.base, '-d', target, '--entry', 'Install',
            '--append', 'inst.ks=http://x/ks.cfg', '--delete', 'quiet')
        self.assertEqual(iso_parts.FAKE_KERNEL,
                         (target / 'vmlinuz').read_bytes())
        self.assertEqual(
            b'from the base image\n', judges.cpio_files(gzip.decompress(
                (target / 'initrd.img').read_bytes()))['/etc/base'])
        self.assertEqual(
            'inst.stage2=hd:LABEL=LORAXx20LIKE inst.ks=http://x/ks.cfg\n',
            (target / 'cmdline').read_text())
        script = (target / 'boot.ipxe').read_text().splitlines()
        self.assertEqual(
            ['#!ipxe', 'kernel vmlinuz initrd=initrd.img '
             'inst.stage2=hd:LABEL=LORAXx20LIKE '
             'inst.ks=http://x/ks.cfg',
             'initrd --name initrd.img initrd.img', 'boot'], script)
        self.assertIn(b'needs inst.repo=URL', done.stderr)

    def test_an_entry_that_is_not_there_is_told(self):
        self.assert_error(self.run_command(
            'pxe', self.base, '-d', self.folder / 'x', '--entry', 'Nope',
            status=1), 'no entry "Nope" among "Install"')
        self.assertFalse((self.folder / 'x').exists())
        self.assert_error(self.run_command(
            'pxe', isos.shared('rr_only'), '-d', self.folder / 'x',
            status=1), 'boots by nothing')
