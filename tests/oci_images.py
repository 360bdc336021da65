# SPDX-License-Identifier: Apache-2.0

"""Container images made in Python: small, of either standard, repeatable.

They hold what a registry and podman look at (OCI image specification 1.1,
Docker image manifest 2.2); whether one boots is up to its files.
"""

import dataclasses
import gzip
import hashlib
import io
import json
import pathlib
import tarfile

OCI = 'oci'
DOCKER = 'docker'

_TYPES = {
    OCI: {'manifest': 'application/vnd.oci.image.manifest.v1+json',
          'index': 'application/vnd.oci.image.index.v1+json',
          'config': 'application/vnd.oci.image.config.v1+json',
          'layer': 'application/vnd.oci.image.layer.v1.tar+gzip'},
    DOCKER: {
        'manifest': 'application/vnd.docker.distribution.manifest.v2+json',
        'index': 'application/vnd.docker.distribution.manifest.list.v2+json',
        'config': 'application/vnd.docker.container.image.v1+json',
        'layer': 'application/vnd.docker.image.rootfs.diff.tar.gzip'},
}
#: What makes a container a bootable one.
BOOTABLE = {'containers.bootc': '1'}


@dataclasses.dataclass(frozen=True)
class Manifest:
    """What is pushed: a manifest or an index, and all that it names."""

    content: bytes
    media_type: str
    #: Digest -> content.
    blobs: dict[str, bytes] = dataclasses.field(default_factory=dict)
    parts: tuple['Manifest', ...] = ()
    platform: dict[str, str] = dataclasses.field(default_factory=dict)

    @property
    def digest(self) -> str:
        return digest(self.content)


def write_directory(image: Manifest, directory: pathlib.Path) -> None:
    """Write an image as skopeo's ``dir:`` has it."""
    directory.mkdir()
    for name, blob in image.blobs.items():
        (directory / name.partition(':')[2]).write_bytes(blob)
    (directory / 'manifest.json').write_bytes(image.content)
    (directory / 'version').write_text('Directory Transport Version: 1.1\n')


def digest(content: bytes) -> str:
    return f'sha256:{hashlib.sha256(content).hexdigest()}'


def layer(files: dict[str, bytes]) -> bytes:
    """Return a tar of files that everybody may run."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode='w') as tar:
        for path, content in sorted(files.items()):
            member = tarfile.TarInfo(path.lstrip('/'))
            member.size = len(content)
            member.mode = 0o755
            tar.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def image(files: dict[str, bytes] | None = None, *, kind: str = OCI,
          labels: dict[str, str] | None = None, architecture: str = 'amd64',
          variant: str | None = None, marker: str = '',
          history: bool = True) -> Manifest:
    """Return an image of one layer.

    :param labels: by default those of a bootable container.
    :param marker: makes an image different from others.
    :param history: whether its config has any, which is optional.
    """
    types = _TYPES[kind]
    tar = layer(files or {'usr/bin/bootc': b'#!/bin/sh\n'})
    packed = gzip.compress(tar, mtime=0)
    config = json.dumps({
        'architecture': architecture, 'os': 'linux',
        'config': {'Labels': BOOTABLE if labels is None else labels,
                   'Env': [f'MARKER={marker}']},
        'rootfs': {'type': 'layers', 'diff_ids': [digest(tar)]},
        **({'history': [{'created_by': 'tests'}]} if history else {}),
    }).encode()
    content = json.dumps({
        'schemaVersion': 2, 'mediaType': types['manifest'],
        'config': _descriptor(types['config'], config),
        'layers': [_descriptor(types['layer'], packed)]}).encode()
    platform = {'architecture': architecture, 'os': 'linux'}
    if variant:
        platform['variant'] = variant
    return Manifest(content, types['manifest'],
                    {digest(config): config, digest(packed): packed},
                    platform=platform)


def index(*images: Manifest, kind: str = OCI) -> Manifest:
    """Return one name for images of several architectures."""
    media_type = _TYPES[kind]['index']
    return Manifest(json.dumps({
        'schemaVersion': 2, 'mediaType': media_type,
        'manifests': [{**_descriptor(part.media_type, part.content),
                       'platform': part.platform} for part in images],
    }).encode(), media_type, parts=images)


def _descriptor(media_type: str, content: bytes) -> dict[str, object]:
    return {'mediaType': media_type, 'digest': digest(content),
            'size': len(content)}
