# SPDX-License-Identifier: Apache-2.0

"""Boot loader configurations as distributions write them, for test ISOs.

Each holds at least one kernel command line with the word ``quiet``.
"""

import json

ISOLINUX_CFG = b'''\
default live
timeout 10
serial 0 115200
LABEL live
  MENU LABEL Live system
  KERNEL /live/vmlinuz
  APPEND initrd=/live/initrd.img boot=live console=ttyS0 quiet
label check
  kernel /live/vmlinuz
  append initrd=/live/initrd.img boot=live verify quiet
'''

GRUB_CFG = b'''\
set timeout=1
serial --unit=0 --speed=115200
menuentry "Live system" --id live {
    linux  /live/vmlinuz boot=live console=ttyS0 quiet
    initrd /live/initrd.img
}
submenu "Advanced" {
    menuentry 'Check the medium' {
        linux /live/vmlinuz boot=live verify \\
              quiet
        initrd /live/initrd.img
    }
}
'''

HYBRID_TXT_CFG = b'''\
label install
\tmenu label ^Install
\tkernel /install.amd/vmlinuz
\tappend vga=788 initrd=/install.amd/initrd.gz --- quiet
'''

HYBRID_GRUB_CFG = b'''\
if loadfont $prefix/font.pf2 ; then
  set gfxmode=800x600
fi
set timeout=1
menuentry --hotkey=i 'Install' {
    set background_color=black
    linux    /install.amd/vmlinuz vga=788 --- quiet
    initrd   /install.amd/initrd.gz
}
submenu --hotkey=a 'Advanced options ...' {
    menuentry '... Expert install' {
        linux    /install.amd/vmlinuz priority=low vga=788 --- quiet
        initrd   /install.amd/initrd.gz
    }
}
'''

HYBRID_STUB = b'''\
search --file --set=root /.disk/info
set prefix=($root)/boot/grub
configfile ($root)/boot/grub/grub.cfg
'''


def lorax_cfg(label: str) -> bytes:
    return ('''\
set default="1"
function load_video {
  insmod all_video
}
load_video
set timeout=1
search --no-floppy --set=root -l '%(label)s'
menuentry 'Install' --class fedora --class os {
\tlinux /images/pxeboot/vmlinuz inst.stage2=hd:LABEL=%(udev)s quiet
\tinitrd /images/pxeboot/initrd.img
}
menuentry 'Test this media & install' --class fedora --class os {
\tlinux /images/pxeboot/vmlinuz inst.stage2=hd:LABEL=%(udev)s rd.live.check \
quiet
\tinitrd /images/pxeboot/initrd.img
}
submenu 'Troubleshooting -->' {
\tmenuentry 'Rescue' {
\t\tlinux /images/pxeboot/vmlinuz inst.stage2=hd:LABEL=%(udev)s inst.rescue \
quiet
\t\tinitrd /images/pxeboot/initrd.img
\t}
}
''' % {'label': label, 'udev': label.replace(' ', r'\x20')}).encode()


UBUNTU_CFG = b'''\
set timeout=1

loadfont unicode

set menu_color_normal=white/black

menuentry "Try or Install Ubuntu Server" {
\tset gfxpayload=keep
\tlinux\t/casper/vmlinuz  --- quiet
\tinitrd\t/casper/initrd
}
grub_platform
if [ "$grub_platform" = "efi" ]; then
menuentry 'Boot from next volume' {
\texit 1
}
else
menuentry 'Test memory' {
\tlinux16 /boot/memtest86+x64.bin quiet
}
fi
'''

COREOS_KARGS = (b'ignition.firstboot ignition.platform.id=metal '
                b'coreos.liveiso=coreos-like quiet')
COREOS_AREA = 1139
COREOS_MARK = b' COREOS_KARG_EMBED_AREA\n'


def _coreos_area(config: bytes) -> tuple[bytes, int]:
    """Fill the embed area of a config and return it with the offset."""
    offset = config.index(b'@KARGS@')
    # The area is the arguments, a newline, then padding, as in FCOS.
    area = (COREOS_KARGS + b'\n').ljust(COREOS_AREA, b'#')
    return config.replace(b'@KARGS@', area + COREOS_MARK), offset


def coreos_files() -> dict[str, bytes]:
    """Both configs and the two JSON files that locate the embed areas."""
    grub_cfg, grub_offset = _coreos_area(
        b"set timeout=1\nmenuentry 'Fedora CoreOS (Live)' --class fedora {\n"
        b'\tlinux /images/pxeboot/vmlinuz @KARGS@'
        b'\tinitrd /images/pxeboot/initrd.img /images/ignition.img\n}\n')
    isolinux_cfg, isolinux_offset = _coreos_area(
        b'default linux\ntimeout 10\nlabel linux\n'
        b'  kernel /images/pxeboot/vmlinuz\n'
        b'  append initrd=/images/pxeboot/initrd.img,/images/ignition.img '
        b'@KARGS@')
    kargs = {'default': COREOS_KARGS.decode(), 'size': COREOS_AREA,
             'files': [{'path': 'EFI/fedora/grub.cfg', 'end': '\n',
                        'offset': grub_offset, 'pad': '#'},
                       {'path': 'isolinux/isolinux.cfg', 'end': '\n',
                        'offset': isolinux_offset, 'pad': '#'}]}
    return {'EFI/fedora/grub.cfg': grub_cfg,
            'isolinux/isolinux.cfg': isolinux_cfg,
            'coreos/kargs.json': json.dumps(kargs).encode(),
            'coreos/igninfo.json':
                json.dumps({'file': 'images/ignition.img'}).encode()}
