# SPDX-License-Identifier: Apache-2.0

"""A bootable container image, with a stand-in for bootc in it.

A minimal Debian with a kernel, systemd and bootc_stand_in.sh as bootc. A
machine that starts from it reports on its serial port, in the form that
boot_iso reads. Real bootc images need ostree tools that Debian lacks.
"""

import dataclasses
import gzip
import hashlib
import io
import json
import pathlib
import shutil
import tarfile
import tempfile

from lab import boot_iso
from lab import debian_root

_STAND_IN = pathlib.Path(__file__).with_name('bootc_stand_in.sh')
_PACKAGES = ('attr', 'cryptsetup-bin', 'dmsetup', 'dosfstools', 'e2fsprogs',
             'fdisk', 'initramfs-tools', 'kmod', 'libtss2-esys-3.0.2-0',
             'libtss2-mu0', 'libtss2-rc0', 'libtss2-tcti-device0',
             'linux-image-cloud-amd64', 'mtools', 'systemd', 'systemd-boot',
             'systemd-sysv', 'udev', 'xfsprogs')
#: Half of the image, for xfs_scrub alone, which nobody runs in it.
_UNUSED = ('usr/lib/x86_64-linux-gnu/libicu*', 'usr/lib/python3*',
           'usr/bin/python3*')
#: What the installed system says of itself.
MARKER = 'lab bootable container'
#: What its report calls the device of its root file system.
ROOT_DEVICE = 'root:'
#: The image's own kernel argument.
ARGUMENT = 'lab.image=bootc'
_ARCHITECTURE = 'amd64'
# Another one makes the lower layer anew.
_RECIPE = '3'
_MANIFEST = 'application/vnd.oci.image.manifest.v1+json'
_LAYER = 'application/vnd.oci.image.layer.v1.tar+gzip'
_UNPACKED = 'lab.unpacked-size'

_REPORT = f"""\
#!/bin/sh
begin() {{ echo "{boot_iso.FILE_BEGIN}$1"; }}
end() {{ echo; echo "{boot_iso.FILE_END}$1"; }}
mkdir -p /run/config-drive
mount -o ro LABEL=config-2 /run/config-drive
# As cloud-init does it, which the image lacks.
sed -n 's/.*"hostname": *"\\([^"]*\\)".*/\\1/p' \\
    /run/config-drive/openstack/latest/meta_data.json \\
    > /proc/sys/kernel/hostname
{{
    echo
    echo "{boot_iso.BEGIN}"
    echo "LAB-CMDLINE $(cat /proc/cmdline)"
    echo "LAB-FIRMWARE $([ -d /sys/firmware/efi ] && echo uefi || echo bios)"
    for path in /etc/lab-marker /etc/bootc-stand-in/deployment \\
            /root/.ssh/authorized_keys \\
            /ostree/deploy/default/deploy/*/etc/ostree/auth.json; do
        [ -f $path ] || continue
        begin $path; cat $path; end $path
    done
    begin {ROOT_DEVICE}; findmnt --noheadings --output SOURCE /
    end {ROOT_DEVICE}
    cd /run/config-drive &&
    find . -type f | sed 's,^\\./,,' | sort | while read -r name; do
        begin "$name"; cat "$name"; end "$name"
    done
    echo "{boot_iso.END}"
}} > /dev/ttyS0
"""

# What opens the root file system as the machine starts: Debian's initramfs
# has no systemd, and knows no TPM. The libraries are opened by name.
_INITRAMFS = {
    'hooks/lab-luks': """\
#!/bin/sh
[ "$1" != prereqs ] || exit 0
. /usr/share/initramfs-tools/hook-functions
copy_exec /lib/systemd/systemd-cryptsetup
for library in esys rc mu tcti-device; do
    copy_exec /usr/lib/x86_64-linux-gnu/libtss2-$library.so.0
done
copy_exec \\
    /usr/lib/x86_64-linux-gnu/cryptsetup/libcryptsetup-token-systemd-tpm2.so
manual_add_modules dm_crypt xts aesni_intel
""",
    'scripts/local-top/lab-luks': """\
#!/bin/sh
[ "$1" != prereqs ] || exit 0
for word in $(cat /proc/cmdline); do
    case $word in
        luks.uuid=*) uuid=${word#*=} ;;
        luks.options=*) options=${word#*=} ;;
    esac
done
[ "$uuid" ] || exit 0
modprobe -a dm_crypt xts
udevadm settle
/lib/systemd/systemd-cryptsetup attach root "/dev/disk/by-uuid/$uuid" - \\
    "$options"
"""}

_UNIT = """\
[Unit]
Description=Report to the lab on the serial port
# Which it takes for itself.
Before=serial-getty@ttyS0.service

[Service]
Type=oneshot
ExecStart=/usr/local/sbin/lab-report

[Install]
WantedBy=multi-user.target
"""


# The stand-in for bootc installs the boot loader itself.
_BOOTUPCTL = """\
#!/bin/sh
cd /usr/lib/bootc-stand-in 2>/dev/null && [ -f bootupd-error ] || exit 0
echo "error: boot data installation failed: $(cat bootupd-error)" >&2
exit 1
"""


@dataclasses.dataclass(frozen=True)
class BootcImage:
    """The image in the cache.

    :ivar layout: directory of an OCI image layout with the tag "latest".
    :ivar size: bytes of the compressed layers.
    :ivar unpacked_size: bytes of the unpacked layers.
    :ivar largest: bytes of the largest unpacked layer.
    :ivar digest: of the manifest.
    """

    layout: pathlib.Path
    size: int
    unpacked_size: int
    largest: int
    digest: str


def build(cache: pathlib.Path) -> BootcImage:
    """Return the image; make it if it is not in the cache.

    :raises: LabError when mmdebstrap fails.
    """
    root = debian_root.cached(
        cache, 'bootc-root',
        (_RECIPE, *_PACKAGES, *_UNUSED, *_INITRAMFS, *_INITRAMFS.values()),
        _make_root)
    files = _files()
    layout = debian_root.cached(
        cache, 'bootc-image',
        (_RECIPE, root.name,
         *(f'{file.path} {file.mode} {file.link}' for file in files),
         *(file.content for file in files)),
        lambda path: _make(path, root, files))
    index = json.loads((layout / 'index.json').read_text())
    manifest, = index['manifests']
    image = json.loads(_blob(layout, manifest['digest']).read_text())
    unpacked = [int(layer['annotations'][_UNPACKED])
                for layer in image['layers']]
    return BootcImage(
        layout, sum(layer['size'] for layer in image['layers']),
        sum(unpacked), max(unpacked), manifest['digest'])


@dataclasses.dataclass(frozen=True)
class _File:
    """A file, or a symbolic link, of the upper layer."""

    path: str
    content: bytes = b''
    mode: int = 0o644
    link: str = ''


def _files() -> list[_File]:
    units = 'etc/systemd/system'
    found = [
        _File('usr/bin/bootc', _STAND_IN.read_bytes(), 0o755),
        # For those who look whether it has bootupd.
        _File('usr/bin/bootupctl', _BOOTUPCTL.encode(), 0o755),
        _File('usr/lib/bootupd/updates/EFI.json', b'{}'),
        _File('usr/lib/bootc/kargs.d/10-lab.toml',
              f'kargs = ["console=ttyS0", "quiet", "{ARGUMENT}"]\n'.encode()),
        _File('usr/lib/bootc/install/10-lab.toml',
              b'[install]\nblock = ["direct", "tpm2-luks"]\n'
              b'[install.filesystem.root]\ntype = "ext4"\n'),
        # bootc labels such an image; the kernel has another module loaded.
        _File('etc/selinux/config',
              b'SELINUX=permissive\nSELINUXTYPE=targeted\n'),
        _File('etc/lab-marker', MARKER.encode()),
        _File('usr/local/sbin/lab-report', _REPORT.encode(), 0o755),
        _File(f'{units}/lab-report.service', _UNIT.encode()),
        _File(f'{units}/multi-user.target.wants/lab-report.service',
              link='../lab-report.service')]
    # A machine of the lab waits for nobody.
    found += [_File(f'{units}/{name}.service', link='/dev/null') for name in (
        'getty@tty1', 'systemd-timesyncd', 'e2scrub_reap')]
    return found


def _make_root(directory: pathlib.Path) -> None:
    """Make the lower layer and its description."""
    with tempfile.TemporaryDirectory(dir=directory.parent) as name:
        work = pathlib.Path(name)
        tar = work / 'root.tar'
        for path, text in _INITRAMFS.items():
            file = work / 'initramfs-tools' / path
            file.parent.mkdir(parents=True)
            file.write_text(text)
            file.chmod(0o755)
        debian_root.make(tar, _PACKAGES, [
            f'cp -r "{work}/initramfs-tools" "$1/etc/"',
            'chroot "$1" update-initramfs -u',
            'rm -f "$1"/initrd.img* "$1"/vmlinuz*',
            'cd "$1" && rm -rf ' + ' '.join(_UNUSED),
            'printf "" > "$1"/etc/machine-id'])
        (directory / 'layer.json').write_text(
            json.dumps(_compress(tar, directory / 'layer')))


def _compress(tar: pathlib.Path, layer: pathlib.Path) -> dict[str, str]:
    diff_id = hashlib.sha256()
    with open(tar, 'rb') as source, open(layer, 'wb') as file, \
            gzip.GzipFile(filename='', fileobj=file, mode='wb',
                          compresslevel=6, mtime=0) as target:
        for block in iter(lambda: source.read(1 << 20), b''):
            diff_id.update(block)
            target.write(block)
    return {'diff_id': f'sha256:{diff_id.hexdigest()}',
            _UNPACKED: str(tar.stat().st_size)}


def _make(layout: pathlib.Path, root: pathlib.Path, files: list[_File]
          ) -> None:
    """Make an OCI image layout of two layers, labelled as bootable."""
    (layout / 'blobs/sha256').mkdir(parents=True)
    with tempfile.TemporaryDirectory(dir=layout.parent) as name:
        work = pathlib.Path(name)
        with tarfile.open(work / 'upper.tar', 'w') as tar:
            for file in files:
                entry = tarfile.TarInfo(file.path)
                entry.mode, entry.size = file.mode, len(file.content)
                if file.link:
                    entry.type, entry.linkname = tarfile.SYMTYPE, file.link
                tar.addfile(entry, io.BytesIO(file.content))
        upper = _compress(work / 'upper.tar', work / 'upper')
        shutil.copy(root / 'layer', work / 'lower')
        facts = [json.loads((root / 'layer.json').read_text()), upper]
        layers = [_add(layout, work / part, _LAYER)
                  for part in ('lower', 'upper')]
    for layer, fact in zip(layers, facts, strict=True):
        layer['annotations'] = {_UNPACKED: fact[_UNPACKED]}
    config = _add_json(layout, {
        'architecture': _ARCHITECTURE, 'os': 'linux',
        'config': {'Labels': {'containers.bootc': '1'},
                   'Cmd': ['/sbin/init'],
                   'Env': ['PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:'
                           '/usr/bin:/sbin:/bin']},
        'rootfs': {'type': 'layers',
                   'diff_ids': [fact['diff_id'] for fact in facts]},
        # Without it bootc takes an image for truncated.
        'history': [{'created_by': 'lab'}] * len(facts),
    }, 'application/vnd.oci.image.config.v1+json')
    manifest = _add_json(layout, {
        'schemaVersion': 2, 'mediaType': _MANIFEST, 'config': config,
        'layers': layers}, _MANIFEST)
    manifest['annotations'] = {'org.opencontainers.image.ref.name': 'latest'}
    (layout / 'index.json').write_text(json.dumps(
        {'schemaVersion': 2, 'manifests': [manifest]}))
    (layout / 'oci-layout').write_text('{"imageLayoutVersion": "1.0.0"}')


def _blob(layout: pathlib.Path, digest: str) -> pathlib.Path:
    return layout / 'blobs' / digest.replace(':', '/')


def _add(layout: pathlib.Path, path: pathlib.Path, media_type: str) -> dict:
    """Move a file to the blobs; return its descriptor."""
    with open(path, 'rb') as source:
        digest = hashlib.file_digest(source, 'sha256').hexdigest()
    size = path.stat().st_size
    shutil.move(path, _blob(layout, f'sha256:{digest}'))
    return {'mediaType': media_type, 'digest': f'sha256:{digest}',
            'size': size}


def _add_json(layout: pathlib.Path, value: dict, media_type: str) -> dict:
    path = layout / 'blob'
    path.write_text(json.dumps(value))
    return _add(layout, path, media_type)
