# SPDX-License-Identifier: Apache-2.0

"""A small real machine for tests: QEMU and a reporting initrd.

The kernel is Debian's, the initrd is busybox: it writes the command line, a
file of its own root and the sums of files, where config drives and boot
configs may lie, to the serial port, then switches the machine off.
"""

import dataclasses
import hashlib
import pathlib
import re
import shutil
import subprocess
import tempfile
import unittest

from lab import boot_iso

OVMF_CODE = pathlib.Path('/usr/share/OVMF/OVMF_CODE_4M.fd')
OVMF_VARS = pathlib.Path('/usr/share/OVMF/OVMF_VARS_4M.fd')
#: Seconds: a machine under TCG reports in a twentieth of that when left
#: alone.
TIMEOUT = 400
_MODULES = ('ata_piix', 'sr_mod', 'sd_mod', 'isofs')
#: Of the kernel, to be injected: a console, without which there is no report,
#: and no check for ticks that come late on a crowded host.
ARGUMENTS = 'console=ttyS0 no_timer_check'
#: What the kernel may call the medium: CD, whole disk, first partition.
DEVICES = ('sr0', 'sda', 'sda1')
#: Where what is added is looked for.
IN_INITRD = ('/config.ign', '/usr/lib/ignition', '/preseed.cfg')
ON_MEDIUM = ('openstack', 'ks.cfg', 'nocloud', 'preseed')
_INIT = f"""\
#!/bin/busybox sh
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t devtmpfs devtmpfs /dev
echo 1 > /proc/sys/kernel/printk
for module in $(cat /modules.order); do
    insmod /modules/$module
done
for attempt in $(seq 50); do
    [ -b /dev/sr0 ] || [ -b /dev/sda ] && break
    sleep 0.2
done
{{
    echo
    echo "GUEST-CMDLINE $(cat /proc/cmdline)"
    [ -e /injected ] && echo "GUEST-INITRD $(cat /injected)"
    find {' '.join(IN_INITRD)} -type f 2>/dev/null | sort |
    while read -r name; do
        echo "GUEST-FILE initrd $(sha256sum < $name) ${{name#/}}"
    done
    for device in {' '.join(DEVICES)}; do
        mount -t iso9660 -o ro /dev/$device /mnt 2>/dev/null || continue
        (cd /mnt && find {' '.join(ON_MEDIUM)} -type f 2>/dev/null) | sort |
        while read -r name; do
            echo "GUEST-FILE $device $(sha256sum < /mnt/$name) $name"
        done
        umount /mnt
    done
    echo GUEST-END
}} > /dev/ttyS0
poweroff -f
"""


@dataclasses.dataclass(frozen=True)
class Report:
    """What the machine said.

    :ivar initrd: content of ``/injected`` in its initrd, or None.
    :ivar files: device, or ``initrd`` -> {path: sha256} of what is at
        ``ON_MEDIUM`` and ``IN_INITRD``.
    """

    arguments: tuple[str, ...]
    initrd: str | None
    files: dict[str, dict[str, str]]


def make(directory: pathlib.Path, cache: pathlib.Path
         ) -> tuple[pathlib.Path, pathlib.Path]:
    """Return the paths of a kernel and of the reporting initrd."""
    kernel = boot_iso.unpacked_kernel(cache)
    initrd = directory / 'initrd.img'
    initrd.write_bytes(boot_iso.make_initrd(kernel, _INIT, _MODULES))
    vmlinuz, = (kernel / 'boot').glob('vmlinuz-*')
    return vmlinuz, initrd


def boot(image: pathlib.Path, firmware: str, drive: str,
         timeout: float = TIMEOUT) -> Report:
    """Boot an image and return the machine's report.

    :param firmware: ``bios`` or ``uefi``.
    :param drive: ``cd`` or ``disk``.
    :param timeout: seconds.
    :raises: AssertionError with the console when there is no report.
    """
    return _run(firmware, drive_options(image, drive), timeout)


def drive_options(image: pathlib.Path, drive: str) -> list[str]:
    """Return QEMU's options for a machine with that drive alone."""
    return ['-net', 'none', '-snapshot', '-drive',
            f'file={image},format=raw,if=ide,index=0,media={drive}'
            .replace('media=cd', 'media=cdrom')]


def start(kernel: pathlib.Path, initrd: pathlib.Path) -> Report:
    """Start a kernel without any loader or medium, and return its report.

    :raises: AssertionError with the console when there is no report.
    """
    return _run('bios', [
        '-net', 'none', '-kernel', str(kernel), '-initrd', str(initrd),
        '-append', ARGUMENTS])


def sanboot(url: str, firmware: str) -> Report:
    """Let iPXE, in the network card, boot an image by HTTP.

    The kernel does not find the image any more, so the report is of its
    arguments and its initrd.

    :param url: 10.0.2.2 is this host's 127.0.0.1.
    :raises: AssertionError with the console when there is no report.
    """
    with tempfile.TemporaryDirectory() as folder:
        pathlib.Path(folder, 'boot.ipxe').write_text(
            f'#!ipxe\nsanboot {url}\n')
        return _run(firmware, [
            '-netdev', f'user,id=net,tftp={folder},bootfile=boot.ipxe',
            '-device', 'e1000,netdev=net,bootindex=0'])


def _run(firmware: str, hardware: list[str],
         timeout: float = TIMEOUT) -> Report:
    return _parse(console(firmware, hardware, timeout=timeout))


def console(firmware: str, hardware: list[str], memory: int = 512,
            timeout: float = TIMEOUT) -> str:
    """Return what a machine says until it switches itself off.

    :param hardware: options of QEMU.
    :param memory: MiB.
    :param timeout: seconds, after which it is switched off.
    """
    if not OVMF_CODE.exists() and firmware == 'uefi':
        raise unittest.SkipTest('OVMF is missing: install the Debian '
                                'package ovmf')
    with tempfile.TemporaryDirectory() as name:
        command = [
            'qemu-system-x86_64', '-accel', 'tcg', '-machine', 'pc',
            '-m', str(memory), '-display', 'none', '-monitor', 'none',
            '-serial', 'stdio', '-no-reboot', *hardware]
        if firmware == 'uefi':
            variables = shutil.copy(OVMF_VARS, name)
            for part, readonly in ((OVMF_CODE, 'on'), (variables, 'off')):
                command += ['-drive', f'if=pflash,format=raw,file={part},'
                                      f'readonly={readonly}']
        try:
            return subprocess.run(
                command, stdin=subprocess.DEVNULL, capture_output=True,
                timeout=timeout, text=True, errors='replace').stdout
        except subprocess.TimeoutExpired as exc:
            return (exc.stdout or b'').decode(errors='replace')


def _parse(console: str) -> Report:
    lines = console.replace('\r', '').split('\n')
    if 'GUEST-END' not in lines:
        raise AssertionError('the machine did not report; its console '
                             'ends with: ' + console[-2000:])
    found = dict(re.findall(r'^GUEST-(CMDLINE|INITRD) (.*)$',
                            '\n'.join(lines), re.MULTILINE))
    files: dict[str, dict[str, str]] = {}
    for device, value, path in re.findall(
            r'^GUEST-FILE (\S+) (\w+)  - (.*)$', '\n'.join(lines),
            re.MULTILINE):
        files.setdefault(device, {})[path] = value
    return Report(tuple(found['CMDLINE'].split()), found.get('INITRD'),
                  files)


def sums(files: dict[str, bytes]) -> dict[str, str]:
    """Return what a report says of injected files."""
    return {path.lstrip('/'): hashlib.sha256(content).hexdigest()
            for path, content in files.items()}
