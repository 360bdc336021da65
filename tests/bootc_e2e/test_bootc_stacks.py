# SPDX-License-Identifier: Apache-2.0

"""Software RAID and LVM on a disk, taken down by the agent's part for real.

In a machine of its own, since not every kernel that tests run on has them;
of the deploy ramdisk, nothing but the extension is asked.
"""

import pathlib
import re
import subprocess
import tempfile

import testtools

from lab import agent_ramdisk
from lab import stack

#: Seconds; a quiet machine takes a tenth of it.
TIMEOUT = 600
_DISK = 1 << 30

# What bootc itself would do is tried before and after.
_START = r"""\
#!/bin/sh
exec > /dev/ttyS0 2>&1
part() { printf 'label: gpt\n,\n' | sfdisk --quiet "$1"; }
modprobe -a raid1 dm_mod
part /dev/vda; part /dev/vdb
udevadm settle
mkdir -p /run/lock/lvm
mdadm --create /dev/md127 --run --level=1 --assume-clean --metadata=1.2 \
    --raid-devices=2 /dev/vda1 /dev/vdb1
pvcreate -ff -y /dev/md127
vgcreate old /dev/md127
lvcreate -y -W n -n data -L 64M old
lvcreate -y -W n -n more -L 64M old
held() { ls "/sys/class/block/$1/holders" | tr '\n' ' '; }
look() {
    echo "LAB-$1 on-vda1=[$(held vda1)] on-md=[$(held md127)]" \
        "vda1=[$(wipefs --noheadings --output TYPE /dev/vda1)]" \
        "vdb1=[$(wipefs --noheadings --output TYPE /dev/vdb1)]"
}
look BEFORE
wipefs --all /dev/vda1 && echo LAB-WIPED
export PYTHONPATH=/opt/ironic-python-agent
python3 -W ignore -c '
from ironic_python_agent import config
from ironic_python_agent_ext.bootc import stacks
print("LAB-ABOVE", *stacks.above("vda"))
stacks.take_down("/dev/vda")' && echo LAB-TAKEN-DOWN
udevadm settle
look AFTER
wipefs --all /dev/vda && echo LAB-FREE
echo LAB-END
busybox poweroff -f
"""


class StacksTestCase(testtools.TestCase):

    def test_a_volume_on_an_array_is_taken_down_and_the_disk_is_free(self):
        told = self._run()
        self.assertRegex(told, r'LAB-BEFORE on-vda1=\[md127 \] '
                               r'on-md=\[dm-0 dm-1 \]')
        # Until then nobody can wipe it, and bootc could not either.
        self.assertNotIn('LAB-WIPED', told)
        self.assertIn('LAB-ABOVE dm-0 dm-1 md127', told)
        self.assertIn('LAB-TAKEN-DOWN', told)
        after, = re.findall('LAB-AFTER (.*)', told)
        self.assertIn('on-vda1=[] on-md=[] vda1=[]', after)
        # What other disks have of the array is not the deployment's.
        self.assertIn('vdb1=[linux_raid_member]', after)
        self.assertIn('LAB-FREE', told)

    def _run(self):
        with tempfile.TemporaryDirectory() as name:
            folder = pathlib.Path(name)
            start = folder / 'files/etc/lab-start'
            start.parent.mkdir(parents=True)
            start.write_text(_START)
            start.chmod(0o755)
            vmlinuz, initrd = agent_ramdisk.build(
                folder, stack.DEFAULT_CACHE, folder / 'files')
            disks = []
            for disk in 'first', 'second':
                with open(folder / disk, 'wb') as file:
                    file.truncate(_DISK)
                disks += ['-drive', f'file={folder / disk},format=raw,'
                                    'if=virtio']
            console = folder / 'console'
            machine = subprocess.run([
                'qemu-system-x86_64', '-accel', 'tcg', '-machine', 'pc',
                '-m', str(agent_ramdisk.MEMORY), '-display', 'none',
                '-monitor', 'none', '-net', 'none', '-no-reboot',
                '-serial', f'file:{console}', '-kernel', str(vmlinuz),
                '-initrd', str(initrd), '-append', 'console=ttyS0 quiet',
                *disks], stdin=subprocess.DEVNULL, timeout=TIMEOUT,
                check=False)
            told = console.read_text(errors='replace')
            self.addDetail('console', testtools.content.text_content(told))
            self.assertEqual(0, machine.returncode)
            return told.replace('\r', '')
