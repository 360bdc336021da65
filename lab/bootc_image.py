# Licensed under the Apache License, Version 2.0 (the "License"); you may
# not use this file except in compliance with the License. You may obtain
# a copy of the License at
#
#      http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS, WITHOUT
# WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the
# License for the specific language governing permissions and limitations
# under the License.

"""A bootable container image, with a stand-in for bootc in it.

A minimal Debian with a kernel, systemd and bootc_stand_in.sh as bootc. A
machine that starts from it reports on its serial port, in the form that
boot_iso reads. Real bootc images need ostree tools that Debian lacks.
"""

import dataclasses
import gzip
import hashlib
import json
import pathlib
import shutil
import tempfile

from lab import boot_iso
from lab import debian_root

_STAND_IN = pathlib.Path(__file__).with_name('bootc_stand_in.sh')
_PACKAGES = ('dosfstools', 'e2fsprogs', 'fdisk', 'initramfs-tools', 'kmod',
             'linux-image-cloud-amd64', 'mtools', 'systemd', 'systemd-boot',
             'systemd-sysv', 'udev')
#: What the installed system says of itself.
MARKER = 'lab bootable container'
#: The image's own kernel argument.
ARGUMENT = 'lab.image=bootc'
_ARCHITECTURE = 'amd64'

_REPORT = f"""\
#!/bin/sh
begin() {{ echo "{boot_iso.FILE_BEGIN}$1"; }}
end() {{ echo; echo "{boot_iso.FILE_END}$1"; }}
mkdir -p /run/config-drive
mount -o ro LABEL=config-2 /run/config-drive
{{
    echo
    echo "{boot_iso.BEGIN}"
    echo "LAB-CMDLINE $(cat /proc/cmdline)"
    echo "LAB-FIRMWARE $([ -d /sys/firmware/efi ] && echo uefi || echo bios)"
    for path in /etc/lab-marker /etc/bootc-stand-in/deployment \\
            /root/.ssh/authorized_keys; do
        [ -f $path ] || continue
        begin $path; cat $path; end $path
    done
    cd /run/config-drive &&
    find . -type f | sed 's,^\\./,,' | sort | while read -r name; do
        begin "$name"; cat "$name"; end "$name"
    done
    echo "{boot_iso.END}"
}} > /dev/ttyS0
"""

_UNIT = """\
[Unit]
Description=Report to the lab on the serial port

[Service]
Type=oneshot
ExecStart=/usr/local/sbin/lab-report

[Install]
WantedBy=multi-user.target
"""


@dataclasses.dataclass(frozen=True)
class BootcImage:
    """The image in the cache.

    :ivar layout: directory of an OCI image layout with the tag "latest".
    :ivar size: bytes of the compressed layer.
    :ivar unpacked_size: bytes of the files in the layer.
    :ivar digest: of the manifest.
    """

    layout: pathlib.Path
    size: int
    unpacked_size: int
    digest: str


def build(cache: pathlib.Path) -> BootcImage:
    """Return the image; make it if it is not in the cache.

    :raises: LabError when mmdebstrap fails.
    """
    inputs = (*_PACKAGES, _STAND_IN.read_bytes(), _REPORT, _UNIT,
              pathlib.Path(__file__).read_bytes())
    layout = debian_root.cached(cache, 'bootc-image', inputs, _make)
    manifest, = json.loads((layout / 'index.json').read_text())['manifests']
    image = json.loads(_blob(layout, manifest['digest']).read_text())
    layer, = image['layers']
    return BootcImage(layout, layer['size'],
                      int(layer['annotations']['lab.unpacked-size']),
                      manifest['digest'])


def push(image: BootcImage, name: str, *arguments: str) -> None:
    """Copy the image into a registry.

    :param name: "host:port/repository:tag".
    :param arguments: further ones for "skopeo copy".
    """
    # skopeo 1.9 does not take "skopeo copy --tmpdir" for OCI layouts.
    debian_root.run(
        'skopeo', 'copy', '--insecure-policy', '--quiet', *arguments,
        f'oci:{image.layout}:latest', f'docker://{name}')


def _make(layout: pathlib.Path) -> None:
    with tempfile.TemporaryDirectory(dir=layout.parent) as name:
        work = pathlib.Path(name)
        for path, text, mode in (
                ('report', _REPORT, 0o755), ('unit', _UNIT, 0o644),
                ('marker', MARKER, 0o644),
                ('kargs', 'kargs = ["console=ttyS0", "quiet", '
                          f'"{ARGUMENT}"]\n', 0o644),
                ('install', '[install.filesystem.root]\ntype = "ext4"\n',
                 0o644)):
            (work / path).write_text(text)
            (work / path).chmod(mode)
        config = '"$1"/usr/lib/bootc'
        tar = work / 'layer.tar'
        debian_root.make(tar, _PACKAGES, [
            f'install -D {_STAND_IN} "$1"/usr/bin/bootc',
            f'install -D -m 644 {work}/kargs {config}/kargs.d/10-lab.toml',
            f'install -D -m 644 {work}/install {config}/install/10-lab.toml',
            f'install -m 644 {work}/marker "$1"/etc/lab-marker',
            f'install -D {work}/report "$1"/usr/local/sbin/lab-report',
            f'install -m 644 {work}/unit '
            '"$1"/etc/systemd/system/lab-report.service',
            'chroot "$1" systemctl enable lab-report.service',
            # A machine of the lab waits for nobody, and nobody logs in.
            'chroot "$1" systemctl mask getty@tty1.service '
            'serial-getty@ttyS0.service systemd-timesyncd.service '
            'e2scrub_reap.service',
            'rm -f "$1"/etc/machine-id "$1"/initrd.img* "$1"/vmlinuz*',
            'printf "" > "$1"/etc/machine-id',
        ])
        write_layout(layout, tar)


def write_layout(layout: pathlib.Path, tar: pathlib.Path) -> None:
    """Make an OCI image layout of one layer, labelled as bootable."""
    (layout / 'blobs/sha256').mkdir(parents=True)
    diff_id = hashlib.sha256()
    compressed = layout / 'layer'
    with open(tar, 'rb') as source, gzip.GzipFile(
            filename='', fileobj=open(compressed, 'wb'), mode='wb',
            compresslevel=6, mtime=0) as target:
        for block in iter(lambda: source.read(1 << 20), b''):
            diff_id.update(block)
            target.write(block)
    layer = _add(layout, compressed,
                 'application/vnd.oci.image.layer.v1.tar+gzip')
    layer['annotations'] = {'lab.unpacked-size': str(tar.stat().st_size)}
    config = _add_json(layout, {
        'architecture': _ARCHITECTURE, 'os': 'linux',
        'config': {'Labels': {'containers.bootc': '1'},
                   'Cmd': ['/sbin/init'],
                   'Env': ['PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:'
                           '/usr/bin:/sbin:/bin']},
        'rootfs': {'type': 'layers',
                   'diff_ids': [f'sha256:{diff_id.hexdigest()}']},
    }, 'application/vnd.oci.image.config.v1+json')
    media_type = 'application/vnd.oci.image.manifest.v1+json'
    manifest = _add_json(layout, {
        'schemaVersion': 2, 'mediaType': media_type, 'config': config,
        'layers': [layer]}, media_type)
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
