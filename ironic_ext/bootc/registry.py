# SPDX-License-Identifier: Apache-2.0

"""What a registry says of an image, before anything of it is downloaded.

Reads OCI image manifests and indexes (image specification 1.1) and Docker's
(image manifest version 2, schema 2). Layers are podman's business.
"""

import collections.abc
import dataclasses
import hashlib
import typing

from ironic_ext.bootc import credentials
from ironic_ext.bootc import errors
from ironic_ext.bootc import reference
from ironic_ext.bootc import registry_failures
from ironic_ext.bootc import registry_session
from ironic_ext.bootc import request

_INDEXES = ('application/vnd.oci.image.index.v1+json',
            'application/vnd.docker.distribution.manifest.list.v2+json')
_MANIFESTS = ('application/vnd.oci.image.manifest.v1+json',
              'application/vnd.docker.distribution.manifest.v2+json')
_LABEL = 'containers.bootc'
# Names of architectures: the kernel's, and Ironic's -> those of Go.
_ARCHITECTURES = {'x86_64': 'amd64', 'i386': '386', 'i486': '386',
                  'i586': '386', 'i686': '386', 'aarch64': 'arm64',
                  'armv6l': 'arm', 'armv7l': 'arm', 'loongarch64': 'loong64'}
# As gzip and zstd pack the files of a system, on the safe side.
_UNPACKED = 3
_MAX_PARTS = 1000
# What builders of lazily pulled images (eStargz, zstd:chunked) say of a
# layer's size.
_UNPACKED_SIZE = 'io.containers.estargz.uncompressed-size'


@dataclasses.dataclass(frozen=True)
class Image:
    """An image in a registry, as its manifest and its config tell."""

    #: By its digest.
    reference: reference.Reference
    #: As Go names it, such as "amd64"; '' for an index of several.
    architecture: str
    labels: collections.abc.Mapping[str, str]
    size: request.Size

    @property
    def bootable(self) -> bool:
        """Whether it says of itself that bootc can install it."""
        return str(self.labels.get(_LABEL, '')).lower() in ('1', 'true')


def architecture_of(machine: str | None) -> str | None:
    """Return Go's name of a processor, of that in ``cpu_arch``."""
    if not machine:
        return None
    return _ARCHITECTURES.get(machine.lower(), machine.lower())


def require_bootable(image: reference.Reference, machine: str | None, *,
                     trust: request.Trust,
                     credential: credentials.Credential | None,
                     timeout: float = 30,
                     send: registry_session.Send | None = None) -> Image:
    """Look an image up, and make sure that it can be deployed.

    :param machine: processor, as Ironic's ``cpu_arch``. Where it is None,
        and the registry has the image for several, all of them stay in it.
    :raises: BootcError
    """
    found = look_up(image, machine, trust=trust, credential=credential,
                    timeout=timeout, send=send)
    wanted = architecture_of(machine)
    if wanted is not None and found.architecture != wanted:
        raise errors.ArchitectureError(
            f'image {image} is made for {found.architecture or "nothing"}, '
            f'and the machine is {wanted}')
    if not found.bootable:
        raise errors.NotBootableError(
            f'image {image} is no bootable container: it has no label '
            f'{_LABEL}=1')
    return found


def look_up(image: reference.Reference, machine: str | None, *,
            trust: request.Trust,
            credential: credentials.Credential | None,
            timeout: float = 30,
            send: registry_session.Send | None = None) -> Image:
    """Ask the mirrors, then the registry, for an image.

    :param timeout: seconds that each of them may take.
    :param send: as in registry_session.Session.
    :raises: BootcError, what the registry itself led to.
    """
    for mirror in trust.mirrors:
        host, repository = registry_session.location(mirror, image)
        at = dataclasses.replace(image, registry=host, repository=repository)
        try:
            return _look_up(image, at, machine, trust, credential, timeout,
                            send)
        except (errors.RegistryError, errors.ArchitectureError):
            # A mirror may lack an image, or have it for other processors.
            continue
    return _look_up(image, image, machine, trust, credential, timeout, send)


def _look_up(image: reference.Reference, at: reference.Reference,
             machine: str | None, trust: request.Trust,
             credential: credentials.Credential | None, timeout: float,
             send: registry_session.Send | None) -> Image:
    """Look up an image where it, or a copy of it, is."""
    login = credential.for_image(at) if credential is not None else None
    with registry_session.Session(at.registry, at.repository, login, trust,
                                  str(image), timeout, send) as session:
        digest, manifest = _manifest(session, image, image.version)
        several = False
        if 'manifests' in manifest:
            parts = _parts(image, manifest)
            several = machine is None and len(parts) > 1
            part = _choose(image, parts, machine)
            _digest, manifest = _manifest(session, image, part)
            digest = digest if several else part
        config = _config(session, image, manifest)
    labels = _object(_object(config, 'config'), 'Labels')
    return Image(image.pinned(digest),
                 '' if several else str(config.get('architecture', '')),
                 {str(name): str(value) for name, value in labels.items()},
                 _size(manifest))


def _manifest(session: registry_session.Session, image: reference.Reference,
              version: str) -> tuple[str, dict[str, typing.Any]]:
    """Return digest and content of a manifest or an index."""
    answer = session.get(f'manifests/{version}',
                         ', '.join([*_MANIFESTS, *_INDEXES]))
    digest = version if ':' in version else None
    found = digest_of(answer.body, (digest or 'sha256:').partition(':')[0])
    if digest is not None and found != digest:
        raise _nonsense(image, f'answers with another manifest than {digest}')
    manifest = registry_failures.json_object(answer.body)
    if 'manifests' not in manifest and (
            'config' not in manifest or 'layers' not in manifest):
        raise _nonsense(
            image, 'has no manifest of the OCI, or of Docker\'s version 2')
    return found, manifest


def digest_of(content: bytes, algorithm: str = 'sha256') -> str:
    """Return "sha256:<hex>" of some bytes."""
    return f'{algorithm}:{hashlib.new(algorithm, content).hexdigest()}'


def _parts(image: reference.Reference, index: dict[str, typing.Any]
           ) -> dict[str, str]:
    """Return the manifests of an index: processor -> digest.

    The processor is '' for what does not say (it is optional); the image's
    config does then.
    """
    parts = index['manifests']
    if not isinstance(parts, list) or len(parts) > _MAX_PARTS:
        raise _nonsense(image, 'has an index that makes no sense')
    known: dict[str, list[tuple[str, str]]] = {}
    for part in parts:
        if not isinstance(part, dict):
            continue
        of = _object(part, 'platform')
        # Attestations of builds are for "unknown".
        if of.get('os', 'linux') == 'linux' and (
                of or part.get('mediaType') in (None, *_MANIFESTS)):
            known.setdefault(str(of.get('architecture') or ''), []).append(
                (str(of.get('variant') or ''), str(part.get('digest'))))
    # The plainest variant runs on all of them; of several that do not say,
    # containers tools take the first.
    return {architecture: (min(variants) if architecture else variants[0])[1]
            for architecture, variants in known.items()}


def _choose(image: reference.Reference, parts: dict[str, str],
            machine: str | None) -> str:
    """Return the digest of the manifest for a processor."""
    wanted = architecture_of(machine) or min(filter(None, parts), default='')
    found = parts.get(wanted, parts.get(''))
    if found is None:
        raise errors.ArchitectureError(
            f'image {image} is made for '
            f'{", ".join(sorted(parts))[:200] or "nothing"}, and the machine '
            f'is {wanted or "unknown"}')
    try:
        return typing.cast(str, image.pinned(found).checked().digest)
    except errors.ImageNameError:
        raise _nonsense(image, 'has an index with a malformed digest'
                        ) from None


def _config(session: registry_session.Session, image: reference.Reference,
            manifest: dict[str, typing.Any]) -> dict[str, typing.Any]:
    try:
        digest = image.pinned(str(_object(manifest, 'config').get('digest'))
                              ).checked().digest or ''
    except errors.ImageNameError:
        raise _nonsense(image, 'has a manifest that names no config'
                        ) from None
    body = session.get(f'blobs/{digest}').body
    if digest_of(body, digest.partition(':')[0]) != digest:
        raise _nonsense(image, f'answers with another blob than {digest}')
    return registry_failures.json_object(body)


def _size(manifest: dict[str, typing.Any]) -> request.Size:
    compressed = unpacked = largest = 0
    layers = manifest['layers']
    for layer in layers if isinstance(layers, list) else ():
        size = layer.get('size') if isinstance(layer, dict) else None
        if not isinstance(size, int) or size < 0:
            continue
        compressed += size
        files = _unpacked(layer, size)
        unpacked += files
        largest = max(largest, files)
    return request.Size(compressed, unpacked, largest)


def _unpacked(layer: dict[str, typing.Any], size: int) -> int:
    """Return the bytes of an unpacked layer: as it says, or estimated."""
    said = str(_object(layer, 'annotations').get(_UNPACKED_SIZE, ''))
    if said.isdecimal() and said.isascii() and len(said) < 16:
        return max(int(said), size)
    plain = str(layer.get('mediaType')).endswith('tar')
    return size if plain else size * _UNPACKED


def _object(of: dict[str, typing.Any], key: str) -> dict[str, typing.Any]:
    found = of.get(key)
    return found if isinstance(found, dict) else {}


def _nonsense(image: reference.Reference, what: str) -> errors.RegistryError:
    return errors.RegistryError(
        f'the registry {image.registry}, asked for {image}, {what}')
