# SPDX-License-Identifier: Apache-2.0

"""An ISO that stands in for that of a distribution, in the lab.

It boots as the lab's other ISO does, and shows on the serial port what it
was given. Where that is a kickstart file, a preseed file or answers for
Ubuntu's installer, it makes a disk that boots and says so, and reports as the
config would. Otherwise it is a live system, which shows what comes into its
drives.
"""

import pathlib

from lab import boot_iso
from lab import debian_root

#: What it says when it has installed, and what the disk says that it made.
INSTALLED = 'lab: it is installed, and has reported so'
BOOTED = 'has booted from its disk.'

# Beside those of the other ISO: the disk.
_MODULES = ('ata_piix', 'sr_mod', 'isofs', 'virtio_pci', 'virtio_net',
            'virtio_blk')
#: Of an MBR: each byte of what follows it goes to the serial port, to the
#: zero at its end; then it halts.
_WRITES = bytes.fromhex('31c08ed8be167cac84c07406baf803eeebf5f4ebfd00')

_INIT = r"""#!/bin/busybox sh
/bin/busybox --install -s /bin
mount -t devtmpfs devtmpfs /dev
mount -t proc proc /proc
mount -t sysfs sysfs /sys
echo 1 > /proc/sys/kernel/printk
while read -r module; do
    insmod /modules/$module
done < /modules.order
exec > /dev/ttyS0 2>&1

say() { echo "lab: $*"; }
# The drive, or the disk, that it was booted from; over a network none.
medium=none
for attempt in $(seq 50); do
    for one in /dev/sr0 /dev/sr1 /dev/vda; do
        mount -t iso9660 -o ro $one /mnt 2>/dev/null && medium=$one && break 2
    done
    sleep 0.2
done
echo
from="from $medium"
[ $medium != none ] || from='over the network'
say "this stands in for the ISO of a distribution, booted $from"
say "kernel arguments: $(cat /proc/cmdline)"
for file in /mnt/ks.cfg /preseed.cfg /mnt/nocloud/user-data \
        /mnt/nocloud/meta-data /config.ign \
        /mnt/openstack/latest/meta_data.json; do
    [ -f $file ] || continue
    say "$file:"
    cat $file
    echo
done

# A config installs if the arguments name it, as for the real ones.
config=
case " $(cat /proc/cmdline) " in
    *" inst.ks="*) config=/mnt/ks.cfg ;;
    *" auto=true "*) config=/preseed.cfg ;;
    *" autoinstall "*) config=/mnt/nocloud/user-data ;;
esac
if [ -f "$config" ]; then
    name=$(sed -n -e 's/.*--hostname=\([^ ]*\).*/\1/p' \
        -e 's,.*netcfg/get_hostname string ,,p' \
        -e 's/^ *hostname: *"\(.*\)"/\1/p' $config | head -n 1)
    {
        printf '@WRITES@'
        printf '\r\n%s @BOOTED@\r\n\0' "$name"
    } | dd of=/dev/vda conv=notrunc 2>/dev/null
    printf '\125\252' | dd of=/dev/vda bs=1 seek=510 conv=notrunc 2>/dev/null
    url=$(grep -o "http://[^'\" ]*/boot-complete[^'\" ]*" $config)
    ip link set eth0 up
    ip address add 10.0.2.15/24 dev eth0
    if wget -q -O - --post-data '' "$url"; then
        say "it is installed, and has reported so"
    else
        say "it is installed, and could not report to $url"
    fi
    say "switching off, where an installer restarts the machine"
    sync
    poweroff -f
fi

say "this is a live system now"
mkdir /other
before=
while sleep 1; do
    now=$(for other in /dev/sr0 /dev/sr1; do
        [ $other != $medium ] &&
        mount -t iso9660 -o ro $other /other 2>/dev/null || continue
        # The volume identifier, ECMA-119 8.4.7.
        say "in $other, labelled $(dd if=$other bs=1 skip=32808 count=32 \
            2>/dev/null | sed 's/ *$//'):"
        (cd /other && find . -type f | sort | while read -r name; do
            say "${name#.}:"
            cat "$name"
        done)
        umount /other
    done)
    if [ "$now" != "$before" ]; then
        echo "${now:-lab: the drives are empty}"
        before=$now
    fi
done
"""


def _init() -> str:
    """Return the script that the kernel runs."""
    octal = ''.join(f'\\{byte:03o}' for byte in _WRITES)
    return _INIT.replace('@WRITES@', octal).replace('@BOOTED@', BOOTED)


def build(path: pathlib.Path, cache: pathlib.Path) -> None:
    """Write the ISO to path.

    :param cache: keeps the unpacked kernel package, and the ISO.
    :raises: LabError when a tool fails.
    """
    kernel = boot_iso.unpacked_kernel(cache)
    vmlinuz, = (kernel / 'boot').glob('vmlinuz-*')

    def make(directory: pathlib.Path) -> None:
        initrd = directory / 'initrd.img'
        initrd.write_bytes(boot_iso.make_initrd(kernel, _init(), _MODULES))
        boot_iso.write(directory / 'installer.iso', vmlinuz, initrd)

    kept = debian_root.cached(
        cache, 'lab-installer', (pathlib.Path(__file__).read_text(),
                                 vmlinuz.name), make)
    path.write_bytes((kept / 'installer.iso').read_bytes())
