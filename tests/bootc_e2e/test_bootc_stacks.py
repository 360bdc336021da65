# SPDX-License-Identifier: Apache-2.0

"""What lies on a disk, taken down by the agent's part for real.

Software RAID, LVM, dm-crypt with a header of LUKS, multipath, labels of ZFS,
in a machine of its own, since not every kernel that tests run on has them. Of
the deploy ramdisk, nothing but the extension is asked.
"""

import pathlib
import re
import subprocess
import tempfile

import testtools

from lab import agent_ramdisk
from lab import stack

#: Seconds; it ends by itself, and a quiet host takes a fiftieth of it.
TIMEOUT = 3600
_DISK = 1 << 30

_BEGIN = r"""#!/bin/sh
exec > /dev/ttyS0 2>&1
mkdir -p /run/lock/lvm
export PYTHONPATH=/opt/ironic-python-agent
held() { ls "/sys/class/block/$1/holders" | tr '\n' ' '; }
type() { wipefs --noheadings --output TYPE "/dev/$1" | tr '\n' ' '; }
take_down() {
    python3 -W ignore -c '
import sys
from ironic_python_agent import config
from ironic_python_agent_ext.bootc import stacks
print("LAB-ABOVE", sys.argv[1], *stacks.above(sys.argv[1]))
stacks.take_down(f"/dev/{sys.argv[1]}")' "$1" && echo "LAB-TAKEN-DOWN $1"
    udevadm settle
}
"""
_FINISH = """
echo LAB-END
busybox poweroff -f
"""
# What bootc itself would do is tried before and after.
_RAID = r"""
part() { printf 'label: gpt\n,\n' | sfdisk --quiet "$1"; }
modprobe -a raid1 dm_mod
part /dev/vda; part /dev/vdb
udevadm settle
mdadm --create /dev/md127 --run --level=1 --assume-clean --metadata=1.2 \
    --raid-devices=2 /dev/vda1 /dev/vdb1
pvcreate -ff -y /dev/md127
vgcreate old /dev/md127
lvcreate -y -W n -n data -L 64M old
lvcreate -y -W n -n more -L 64M old
look() {
    echo "LAB-$1 on-vda1=[$(held vda1)] on-md=[$(held md127)]" \
        "vda1=[$(type vda1)]" "vdb1=[$(type vdb1)]"
}
look BEFORE
wipefs --all /dev/vda1 && echo LAB-WIPED
take_down vda
look AFTER
wipefs --all /dev/vda && echo LAB-FREE
"""
# No daemon of multipath is asked, and no key of LUKS: what counts is what the
# kernel has, and what blkid reads.
_OTHERS = r"""
modprobe -a dm_mod dm_crypt dm_multipath dm_round_robin xts
printf 'label: gpt\nsize=300MiB\n,\n' | sfdisk --quiet /dev/vda
printf 'label: gpt\n,\n' | sfdisk --quiet /dev/vdb
udevadm settle
python3 -c '
with open("/dev/vda1", "wb") as part:
    part.write(b"LUKS\xba\xbe\0\1")
with open("/dev/vda2", "wb") as part:
    for number in range(8):
        part.seek((128 + number) << 10)
        part.write((0x00bab10c).to_bytes(8, "little"))'
key=$(python3 -c 'print("1" * 32 + "2" * 32)')
dmsetup create secret --table "0 $(($(blockdev --getsz /dev/vda1) - 4096)) \
crypt aes-xts-plain64 $key 0 /dev/vda1 4096"
pvcreate -ff -y /dev/mapper/secret
vgcreate inner /dev/mapper/secret
lvcreate -y -W n -n data -L 64M inner
dmsetup create mpatha --table "0 $(blockdev --getsz /dev/vdb) multipath \
0 0 1 1 round-robin 0 1 1 /dev/vdb 1000"
dmsetup create mpatha-part1 --table "0 65536 linear /dev/mapper/mpatha 2048"
udevadm settle
look() {
    echo "LAB-$1 on-vda1=[$(held vda1)] on-vdb=[$(held vdb)]" \
        "vda1=[$(type vda1)] vda2=[$(type vda2)]"
}
look BEFORE
wipefs --all /dev/vdb && echo LAB-WIPED
take_down vda
take_down vdb
look AFTER
wipefs --all /dev/vda /dev/vdb && echo LAB-FREE
"""


class StacksTestCase(testtools.TestCase):

    def test_a_volume_on_an_array_is_taken_down_and_the_disk_is_free(self):
        told = self._run(_RAID)
        self.assertRegex(told, r'LAB-BEFORE on-vda1=\[md127 \] '
                               r'on-md=\[dm-0 dm-1 \]')
        # Until then nobody can wipe it, and bootc could not either.
        self.assertNotIn('LAB-WIPED', told)
        self.assertIn('LAB-ABOVE vda dm-0 dm-1 md127', told)
        self.assertIn('LAB-TAKEN-DOWN', told)
        after, = re.findall('LAB-AFTER (.*)', told)
        self.assertIn('on-vda1=[] on-md=[] vda1=[]', after)
        # What other disks have of the array is not the deployment's.
        self.assertIn('vdb1=[linux_raid_member ]', after)
        self.assertIn('LAB-FREE', told)

    def test_encryption_multipath_and_zfs_are_taken_down_from_the_top(self):
        told = self._run(_OTHERS)
        before, = re.findall('LAB-BEFORE (.*)', told)
        self.assertIn('on-vda1=[dm-0 ] on-vdb=[dm-2 ]', before)
        self.assertIn('vda1=[crypto_LUKS ] vda2=[zfs_member ', before)
        # As long as multipath has the disk for itself.
        self.assertNotIn('LAB-WIPED', told)
        self.assertIn('LAB-ABOVE vda dm-1 dm-0', told)
        self.assertIn('LAB-ABOVE vdb dm-3 dm-2', told)
        self.assertIn('LAB-TAKEN-DOWN vda', told)
        self.assertIn('LAB-TAKEN-DOWN vdb', told)
        after, = re.findall('LAB-AFTER (.*)', told)
        self.assertIn('on-vda1=[] on-vdb=[] vda1=[] vda2=[]', after)
        self.assertIn('LAB-FREE', told)

    def _run(self, script):
        with tempfile.TemporaryDirectory() as name:
            folder = pathlib.Path(name)
            start = folder / 'files/etc/lab-start'
            start.parent.mkdir(parents=True)
            start.write_text(_BEGIN + script + _FINISH)
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
