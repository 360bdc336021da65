# SPDX-License-Identifier: Apache-2.0

"""Deploy any bootable container, and update it: for an operator's image.

All that "make e2e-bootc" does with the project's stand-in, with a real image
in its own registry: Ironic, the agent over virtual media, the installation,
a config drive, the first start as its serial console shows it, and "bootc
upgrade" to an image with one more layer, in a registry of the lab's own. What
took how long, and what memory was left, is written to a file. The machine is
emulated, and reaches what this one reaches. Needs root.
"""

import argparse
import collections.abc
import contextlib
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time

from ironic_ext.bootc import errors
from ironic_ext.bootc import options as install_options
from lab import agent_ramdisk
from lab import boot_iso
from lab import hypervisor
from lab import process
from lab import stack
from lab import story
from tests.bootc_e2e import newer_image
from tests.bootc_e2e import trial_images
from tests.bootc_e2e import trial_machine
from tests.e2e import base

#: Of getty, on a console that "console=ttyS0" makes the system's own.
LOGIN = r'login: *$'


class Narrator:
    """Says what happens, and when, in seconds since the start."""

    def __init__(self) -> None:
        self._started = time.monotonic()

    @property
    def now(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self._started

    def say(self, text: str) -> None:
        """Print a line."""
        print(f'[{self.now:6.0f} s] {text}', flush=True)


class Trial:
    """One image on one machine."""

    def __init__(self, arguments: argparse.Namespace) -> None:
        self._arguments = arguments
        self._wanted = options_of(arguments)
        self._encrypted = (arguments.tpm or self._wanted.get(
            'block_setup') == 'tpm2-luks')
        # No secret can be left on an encrypted disk.
        self._images = trial_images.Images(arguments,
                                           private=not self._encrypted)
        self._narrator = Narrator()
        self.story = story.Story()
        self.facts: dict[str, object] = {'image': arguments.image}
        self._exit = contextlib.ExitStack()
        self._console: story.Console

    def run(self) -> None:
        """Do all of it.

        :raises: LabError, BootcError, OSError or CalledProcessError.
        """
        with self._exit:
            self._phase('building the ramdisk')
            folder = pathlib.Path(self._exit.enter_context(
                tempfile.TemporaryDirectory(prefix='bootc-trial-')))
            iso = self._ramdisk(folder)
            self._phase('fetching the image for the lab')
            if self._images.fetch(folder):
                self._images.serve(folder, self._exit)
            self._phase('starting the lab')
            self.lab = self._exit.enter_context(stack.Lab(
                drivers=stack.Drivers(deploy_interface='bootc-ext')))
            # Also where it fails: the console tells why.
            self._exit.callback(self._keep_logs)
            shutil.move(iso, self.lab.images / 'agent.iso')
            self._machine()
            self._deploy()
            self._look_at_the_disk()
            self._await_console('the first start')
            if self._arguments.update:
                self._update()
        self.story.end(self._narrator.now)

    # What there is before a machine

    def _ramdisk(self, folder: pathlib.Path) -> pathlib.Path:
        iso = folder / 'agent.iso'
        # A lab that is walled off cannot fetch it.
        boot_iso.unpacked_kernel(stack.DEFAULT_CACHE)
        if ramdisk := self._arguments.ramdisk:
            boot_iso.write(iso, pathlib.Path(f'{ramdisk}.kernel'),
                           pathlib.Path(f'{ramdisk}.initramfs'))
            return iso
        start = folder / 'added/etc/lab-start'
        start.parent.mkdir(parents=True)
        start.write_text(story.SAMPLER)
        start.chmod(0o755)
        agent_ramdisk.build_iso(iso, stack.DEFAULT_CACHE, folder / 'added')
        return iso

    # The machine and its node

    def _machine(self) -> None:
        port, self._ssh = process.free_port(), process.free_port()
        self.node = self.lab.create(
            'bootc', hypervisor.Firmware.UEFI, hypervisor.Hardware(
                memory=self._arguments.memory,
                disk=self._arguments.disk << 30, agent_port=port,
                ssh_port=self._ssh, tpm=self._encrypted,
                cpu=self._arguments.cpu))
        self._console = story.Console(self.node.machine.console_path)
        self.shell = trial_machine.Shell(self.lab.directory, self._ssh)
        values = {
            'deploy_iso': f'file://{self.lab.images}/agent.iso',
            'kernel_append_params':
                f'ipa-advertise-host=127.0.0.1 ipa-advertise-port={port} '
                # Where systemd keeps the agent's log.
                'systemd.journald.forward_to_console=1',
            **self._images.driver_info}
        self.node.configure('driver_info', **values)
        self.node.configure('properties', cpu_arch='x86_64')
        self.lab.ironic.call('POST', '/v1/ports', {
            'address': hypervisor.MAC, 'node_uuid': self.node.identity})
        self.node.provide()

    def _deploy(self) -> None:
        wanted = self._wanted | {'authorized_keys': self.shell.public_key}
        if self._arguments.update:
            wanted['target_imgref'] = self._images.updates
            wanted['update_auth'] = not self._encrypted
        values: dict[str, object] = {
            'image_source': self._images.name, 'bootc': wanted}
        if self._images.secret is not None:
            values['image_pull_secret'] = self._images.secret
        self.node.say(**values)
        self._phase('booting the ramdisk')
        self.node.ask('active', configdrive=base.CONFIG_DRIVE)
        started = self._narrator.now
        while self.node.settled() is None:
            self._listen()
            if self._narrator.now - started > self._arguments.timeout:
                raise process.LabError(
                    f'the node is not deployed after '
                    f'{self._arguments.timeout} s (--timeout)')
            time.sleep(0.5)
        node = self.node.await_state('active', timeout=60)
        self._listen()
        pinned = node['driver_internal_info'].get('ext_bootc') or {}
        self.facts |= {'digest': pinned.get('digest'),
                       'size': pinned.get('size')}
        self._narrator.say('The node is active')

    def _listen(self) -> None:
        """Read the console, and say what is worth it."""
        for line in self._console.lines():
            said = self.story.hear(line, self._narrator.now)
            if said is not None:
                self._narrator.say(said)

    # The installed system

    def _look_at_the_disk(self) -> None:
        found = trial_machine.partitions(self.node.machine.disk_path)
        self.facts['partitions'] = found
        if not any(part['label'] == 'config-2' for part in found):
            raise process.LabError(
                'the disk has no config drive: ' + json.dumps(found))
        self._narrator.say('The disk has a config drive')

    def _await_console(self, what: str) -> None:
        """Wait until the console has shown what it should, in any order."""
        self._phase(what)
        missing = [re.compile(text) for text in self._arguments.console]
        for pattern in missing:
            self._narrator.say(f'Awaiting /{pattern.pattern}/ on the console')
        started = self._narrator.now
        while missing:
            for text in (*self._console.lines(), self._console.rest):
                for pattern in [*missing]:
                    if pattern.search(text):
                        missing.remove(pattern)
                        self._narrator.say(
                            f'The console shows {text.strip()[:120]!r}')
            if self._narrator.now - started > self._arguments.boot_timeout:
                raise process.LabError(
                    f'{what}: the console has not shown '
                    f'/{missing[0].pattern}/ after '
                    f'{self._arguments.boot_timeout} s (--boot-timeout)')
            time.sleep(0.5)

    def _update(self) -> None:
        self._phase('logging in by SSH')
        trust, authority = self._images.trust
        self.shell.await_login(self._arguments.boot_timeout)
        self.facts['bootc'] = self.shell.run('bootc --version').strip()
        self.facts['command_line'] = self.shell.run(
            'cat /proc/cmdline').strip()
        # An image of an operator's own has its authorities in it.
        self.shell.run(f'mkdir -p {trust} && cat > {trust}/ca.crt',
                       authority)
        self._phase('bootc upgrade')
        self.facts['upgrade'] = self.shell.run('bootc upgrade 2>&1')[-2000:]
        self._narrator.say('bootc upgrade is done')
        self._console.forget()
        self.shell.run('systemctl --no-block reboot')
        self._await_console('starting the update')
        self._phase('logging in by SSH to the update')
        self.shell.await_login(self._arguments.boot_timeout,
                               f'test -e /{newer_image.PATH}')
        status = self.shell.run('bootc status --format json')
        if self._images.newer_digest not in status:
            raise process.LabError(
                f'the update is not {self._images.newer_digest}: {status}')
        self._narrator.say('The machine runs the update')

    # What is left of it

    def _phase(self, name: str) -> None:
        if self.story.enter(name, self._narrator.now):
            self._narrator.say(name)

    def _keep_logs(self) -> None:
        report: pathlib.Path = self._arguments.report
        for name, path in (('console', self.node.machine.console_path
                            if hasattr(self, 'node') else None),
                           ('ironic.log', self.lab.ironic.ironic_log)):
            if path is not None and path.exists():
                shutil.copy(path, report.with_suffix(f'.{name}'))

    def report(self, error: str | None) -> None:
        """Write the report and print its table."""
        self.story.end(self._narrator.now)
        path: pathlib.Path = self._arguments.report
        path.write_text(json.dumps(
            {**self.facts, 'error': error, **self.story.to_dict()},
            indent=1) + '\n')
        print(self.story.table())
        print(f'{path} has it all; beside it are the console and Ironic\'s '
              'log')


def options_of(arguments: argparse.Namespace) -> dict[str, object]:
    """Return the node's options, judged.

    :raises: OptionError
    """
    wanted: dict[str, object] = dict(json.loads(arguments.options))
    kargs = wanted.get('kargs') or []
    wanted['kargs'] = [*(kargs.split() if isinstance(kargs, str)
                         else kargs), 'console=ttyS0']
    wanted.setdefault('timeout', arguments.timeout)
    if arguments.tpm:
        wanted.setdefault('block_setup', 'tpm2-luks')
    install_options.Options.parse(wanted).checked()
    return wanted


def parse(given: collections.abc.Sequence[str] | None
          ) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog='make e2e-bootc', description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add('image', help='registry/repository:tag')
    add('--credentials', type=pathlib.Path, metavar='FILE',
        help='user:password, or a config.json of Docker')
    add('--ca', type=pathlib.Path, metavar='FILE',
        help='certificates to believe the registry by, PEM')
    add('--insecure', action='store_true',
        help='verify no certificate, and take HTTP')
    add('--options', default='{}', metavar='JSON',
        help='as in instance_info/bootc')
    add('--console', action='append', metavar='REGEX',
        help='what the console shows at each start, may be given several '
             f'times (default: {LOGIN})')
    add('--no-update', dest='update', action='store_false',
        help='do not try "bootc upgrade", which is done over SSH as root')
    add('--tpm', action='store_true',
        help='have a TPM 2.0 (swtpm), and encrypt the disk with it')
    add('--memory', type=int, default=4096, metavar='MIB')
    add('--disk', type=int, default=20, metavar='GIB')
    add('--cpu', default='', metavar='MODEL',
        help='a processor of QEMU\'s (default: all that it can)')
    add('--ramdisk', metavar='PATH', default=os.environ.get('DEPLOY_RAMDISK'),
        help='take PATH.kernel and PATH.initramfs, and not the lab\'s own')
    add('--timeout', type=int, default=4 * 3600, metavar='SECONDS',
        help='until the node is deployed')
    add('--boot-timeout', type=int, default=1800, metavar='SECONDS',
        help='until a system has started')
    add('--report', type=pathlib.Path, metavar='FILE',
        default=pathlib.Path('bootc-trial.json'))
    arguments = parser.parse_args(given)
    arguments.console = arguments.console or [LOGIN]
    arguments.report = arguments.report.resolve()
    return arguments


def main(given: collections.abc.Sequence[str] | None = None) -> int:
    """Run a trial; return 0 if all of it went well."""
    arguments = parse(given)
    try:
        trial = Trial(arguments)
    except (errors.BootcError, OSError, ValueError) as exc:
        print(f'make e2e-bootc: {exc}', file=sys.stderr)
        return 2
    error = None
    try:
        trial.run()
    except (process.LabError, errors.BootcError, OSError,
            subprocess.CalledProcessError) as exc:
        error = str(exc)
        print(f'FAILED: {error}', file=sys.stderr)
    finally:
        trial.report(error)
    return 1 if error else 0


if __name__ == '__main__':
    sys.exit(main())
