# SPDX-License-Identifier: Apache-2.0

"""make demo: deploy a machine with an ISO and the node's own config.

Ends with 0 only if the machine's serial console shows that the kernel
argument, the added file and the config drive all arrived.
"""

import argparse
from collections.abc import Sequence
import json
import pathlib
import shlex
import signal
import sys
import time

from lab import boot_iso
from lab import hypervisor
from lab import leftover
from lab import process
from lab import stack
from lab.tutorials import folders

_STATE = stack.DEFAULT_CACHE / 'demo.json'
#: Where the folders of the tutorials are, while a lab is kept.
_TUTORIALS = stack.DEFAULT_CACHE / 'tutorials'

_ARGUMENT = 'demo.colour=green'
_FILE = 'site/greeting.txt'
_GREETING = 'Hello from a config of its own'
_HOSTNAME = 'demo-host'


class _Narrator:
    """Says what happens, and when, in seconds since the start."""

    def __init__(self) -> None:
        self._started = time.monotonic()

    @property
    def elapsed(self) -> float:
        return time.monotonic() - self._started

    def say(self, text: str) -> None:
        print(f'[{self.elapsed:5.1f} s] {text}', flush=True)

    def command(self, arguments: Sequence[str]) -> None:
        self.say('$ ' + shlex.join(['openstack', 'baremetal', *arguments]))


def _write_config_drive(directory: pathlib.Path) -> pathlib.Path:
    latest = directory / 'config-drive/openstack/latest'
    latest.mkdir(parents=True)
    (latest / 'meta_data.json').write_text(
        json.dumps({'uuid': 'demo', 'hostname': _HOSTNAME}))
    (latest / 'user_data').write_text('#cloud-config\n{}\n')
    return directory / 'config-drive'


def _deploy(lab: stack.Lab, narrator: _Narrator,
            firmware: hypervisor.Firmware) -> boot_iso.Report:
    machine = lab.hypervisor.add_machine('demo', firmware)

    def run(*arguments: str) -> str:
        narrator.command(arguments)
        return lab.ironic.cli(*arguments)

    narrator.say('Enrolling the machine as a node')
    node = stack.Node(lab.ironic, machine)
    run('node', 'create', '--name', node.name, '--uuid', node.identity,
        '--driver', 'redfish-ext', '--boot-interface', 'redfish-iso',
        '--deploy-interface', 'ramdisk',
        '--driver-info', f'redfish_address={lab.emulator.url}',
        '--driver-info',
        f'redfish_system_id=/redfish/v1/Systems/{machine.identity}',
        '--property', f'capabilities=boot_mode:{firmware.value}')
    run('node', 'manage', node.name)
    node.await_state('manageable')
    run('node', 'provide', node.name)
    node.await_state('available')
    narrator.say('Deploying: the ISO with the node\'s own config')
    run('node', 'set', node.name,
        '--instance-info', f'boot_iso=file://{lab.iso}',
        '--instance-info', f'kernel_append_params={_ARGUMENT}',
        '--instance-info',
        'boot_iso_files=' + json.dumps({_FILE: _GREETING}))
    run('node', 'deploy', node.name, '--config-drive',
        str(_write_config_drive(lab.directory)))
    node.await_state('active')
    narrator.say('The node is active; the machine boots')
    report = node.await_report()
    narrator.say('The machine has reported on its serial console')
    narrator.say('What the BMC has read of the stream it was given:')
    print(run('node', 'boot', 'media', 'show', node.name, '-c', 'image',
              '-c', 'delivery', '-c', 'url', '-c', 'size', '-c', 'read',
              '-c', 'last_read_at', '-c', 'requests'))
    return report


def _judge(report: boot_iso.Report) -> bool:
    """Print what arrived; tell whether everything did."""
    meta_data = report.files.get('openstack/latest/meta_data.json', '')
    checks = (
        ('kernel argument', report.command_line,
         _ARGUMENT in report.command_line.split()),
        ('added file', f'{_FILE}: {report.files.get(_FILE)}',
         report.files.get(_FILE) == _GREETING),
        ('config drive', f'openstack/latest/meta_data.json: {meta_data}',
         _HOSTNAME in meta_data))
    print(f'\nWhat the serial console of the machine ({report.firmware}) '
          'shows:')
    for name, shown, arrived in checks:
        print(f'  {"arrived" if arrived else "MISSING":8} {name:16} {shown}')
    return all(arrived for _, _, arrived in checks)


def _print_usage(lab: stack.Lab) -> None:
    environment = ' '.join(
        f'{name}={value}'
        for name, value in lab.ironic.client_environment().items())
    bin_directory = pathlib.Path(sys.executable).parent
    print(f"""
The lab stays up. To use it:
  export {environment} IRONIC_BOOT_SERVER_URL={lab.boot_server.url}
  {bin_directory}/openstack baremetal node show demo
  {bin_directory}/openstack baremetal node boot media show demo
  {bin_directory}/openstack baremetal host boot show demo
  {bin_directory}/openstack baremetal node undeploy demo
The web page, which needs no login here:
  {lab.boot_server.url}/
What the tutorials begin with, a folder for each ("In the lab" in
doc/source/user/tutorials/index.rst says how to follow them):
  cd .cache/tutorials/kickstart-many && . ./settings
The machine's serial console, the logs and the ISO:
  tail -f {lab.hypervisor.directory}/machines/demo.console
  tail -f {lab.ironic.ironic_log}
  tail -f {lab.media_servers[0].log_path}
  {lab.iso}
To stop it and remove everything:
  make demo-stop""")


def _demonstrate(keep: bool, firmware: hypervisor.Firmware) -> bool:
    narrator = _Narrator()
    narrator.say('Starting Ironic, a BMC, a media server and a hypervisor; '
                 'building a bootable ISO')
    lab = (folders.TutorialLab(media_servers=1, with_boot_server=True,
                               outlives=True)
           if keep else stack.Lab(media_servers=1))
    kept = False
    with lab:
        narrator.say(f'The lab is up in {lab.directory}')
        arrived = _judge(_deploy(lab, narrator, firmware))
        if isinstance(lab, folders.TutorialLab):
            narrator.say('Making the machines and folders of the tutorials')
            lab.fill()
            _TUTORIALS.unlink(missing_ok=True)
            _TUTORIALS.symlink_to(lab.folder)
            leftover.record(_STATE, lab, _TUTORIALS)
            lab.release()
            kept = True
    print(f'\nDemo: {"everything" if arrived else "NOT everything"} arrived, '
          f'{narrator.elapsed:.0f} s'
          + ('.' if kept else ', nothing left running.'))
    if kept:
        _print_usage(lab)
    return arrived


def main() -> int:
    """Run the demo, or stop one that was kept."""
    parser = argparse.ArgumentParser(prog='lab.demo', description=__doc__)
    parser.add_argument('--keep', action='store_true',
                        help='leave the lab running and say how to use it')
    parser.add_argument('--stop', action='store_true',
                        help='stop a lab that was kept')
    parser.add_argument('--firmware', default='bios',
                        choices=[item.value for item in hypervisor.Firmware])
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(143))
    try:
        if arguments.stop:
            print('The lab is stopped and removed.' if leftover.stop(_STATE)
                  else 'There is no lab that was kept.')
            return 0
        if _STATE.exists():
            print('demo: a kept lab is still up: run "make demo-stop" first',
                  file=sys.stderr)
            return 1
        firmware = hypervisor.Firmware(arguments.firmware)
        return 0 if _demonstrate(arguments.keep, firmware) else 1
    except process.LabError as exc:
        print(f'demo: {exc}', file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


if __name__ == '__main__':
    sys.exit(main())
