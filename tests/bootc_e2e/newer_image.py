# SPDX-License-Identifier: Apache-2.0

"""A newer image made of any other: one more layer, with one file in it.

Images are directories as skopeo's ``dir:`` has them: manifest.json, and the
blobs by their digests. Both OCI's and Docker's manifests will do.
"""

import gzip
import hashlib
import io
import json
import os
import pathlib
import tarfile

#: The file, and what it holds.
PATH = 'usr/share/lab-newer-image'
CONTENT = b'This image is newer.\n'

_GZIP = {
    'application/vnd.oci.image.manifest.v1+json':
        'application/vnd.oci.image.layer.v1.tar+gzip',
    'application/vnd.docker.distribution.manifest.v2+json':
        'application/vnd.docker.image.rootfs.diff.tar.gzip'}
_OCI = 'application/vnd.oci.image.manifest.v1+json'


def make(source: pathlib.Path, target: pathlib.Path) -> str:
    """Make the newer image in a new directory; return its digest.

    The blobs of the old one are linked, not copied.
    """
    target.mkdir()
    manifest = json.loads((source / 'manifest.json').read_text())
    known = [layer['digest'] for layer in manifest['layers']]
    for digest in set(known):
        os.link(source / _name(digest), target / _name(digest))
    config = json.loads(
        (source / _name(manifest['config']['digest'])).read_text())
    layer = _layer()
    packed = gzip.compress(layer, mtime=0)
    config['rootfs']['diff_ids'].append(_digest(layer))
    if config.get('history'):
        config['history'].append({'created_by': 'lab: a newer image'})
    manifest['config'].update(_add(target, json.dumps(config).encode()))
    manifest['layers'].append({
        'mediaType': _GZIP[manifest.get('mediaType', _OCI)],
        **_add(target, packed)})
    content = json.dumps(manifest).encode()
    (target / 'manifest.json').write_bytes(content)
    (target / 'version').write_text('Directory Transport Version: 1.1\n')
    return _digest(content)


def _layer() -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode='w') as tar:
        for name in map(str, reversed(pathlib.PurePath(PATH).parents)):
            if name != '.':
                entry = tarfile.TarInfo(name)
                entry.type, entry.mode = tarfile.DIRTYPE, 0o755
                tar.addfile(entry)
        entry = tarfile.TarInfo(PATH)
        entry.mode, entry.size = 0o644, len(CONTENT)
        tar.addfile(entry, io.BytesIO(CONTENT))
    return file.getvalue()


def _add(target: pathlib.Path, blob: bytes) -> dict[str, str | int]:
    digest = _digest(blob)
    (target / _name(digest)).write_bytes(blob)
    return {'digest': digest, 'size': len(blob)}


def _digest(blob: bytes) -> str:
    return f'sha256:{hashlib.sha256(blob).hexdigest()}'


def _name(digest: str) -> str:
    """Return the file name of a blob."""
    return digest.partition(':')[2]
