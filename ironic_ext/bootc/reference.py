# SPDX-License-Identifier: Apache-2.0

"""Names of images in registries: ``oci://registry/repository:tag@digest``.

The grammar is the one of the OCI distribution specification 1.1 ("Pulling
manifests") and of containers' references. What a machine has in its own
storage (``containers-storage:``, ``dir:``) cannot be named: the machine that
is deployed has nothing yet.
"""

import dataclasses
import re
import typing

from ironic_ext.bootc import errors

#: Schemes of ``image_source``; stock Ironic knows the first one.
SCHEMES = ('oci', 'docker')

_HOST = re.compile(
    r'(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?)'
    r'(?::[0-9]{1,5})?')
_REPOSITORY = re.compile(
    r'[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*'
    r'(?:/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*')
_TAG = re.compile(r'[A-Za-z0-9_][A-Za-z0-9._-]{0,127}')
_DIGEST = re.compile(r'sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128}')
# Longer ones are refused by registries, too.
_MAX_LENGTH = 255
_DOCKER_HUB = 'docker.io'
# Its older name, which containers tools take for the same.
_DOCKER_INDEX = 'index.docker.io'


@dataclasses.dataclass(frozen=True)
class Reference:
    """An image in a registry."""

    #: Host, with ":port" if one was given.
    registry: str
    repository: str
    tag: str | None = None
    #: Such as "sha256:<hex>".
    digest: str | None = None

    @classmethod
    def parse(cls, text: object) -> typing.Self:
        """Read ``[oci://|docker://]registry/repository[:tag][@digest]``.

        Without tag and digest the tag is "latest", as everywhere.

        :raises: ImageNameError
        """
        if not isinstance(text, str) or not text.strip():
            raise errors.ImageNameError(
                'no image is named: give oci://registry/repository:tag')
        name = _without_scheme(text)
        rest, at, digest = name.partition('@')
        if at and not _DIGEST.fullmatch(digest):
            if not digest.startswith('sha') or '/' in digest:
                # What stands before the "@" may be a password.
                raise errors.ImageNameError(
                    'the name of the image has a user in it: give '
                    'credentials as image_pull_secret instead')
            raise errors.ImageNameError(
                f'the digest of image "{_shown(rest)}" is malformed: it is '
                'sha256:, and 64 lower-case hexadecimal digits')
        registry, _slash, path = rest.partition('/')
        repository, _colon, tag = path.partition(':')
        if not _slash or not repository:
            raise errors.ImageNameError(
                f'image "{_shown(rest)}" names no registry: give '
                'oci://registry/repository:tag')
        if not _HOST.fullmatch(registry):
            raise errors.ImageNameError(
                f'"{_shown(registry)}" is no registry: give '
                'oci://registry[:port]/repository:tag')
        if registry.lower() == _DOCKER_INDEX:
            registry = _DOCKER_HUB
        if not re.search(r'[.:]', registry) and registry != 'localhost':
            raise errors.ImageNameError(
                f'"{registry}" is no registry, and the machine would ask '
                f'Docker\'s: give oci://{_DOCKER_HUB}/{_shown(rest)}, or the '
                'registry with its domain or port')
        if registry == _DOCKER_HUB and '/' not in repository:
            repository = f'library/{repository}'
        if (not _REPOSITORY.fullmatch(repository)
                or len(repository) > _MAX_LENGTH):
            raise errors.ImageNameError(
                f'"{_shown(repository)}" is no repository of a registry: '
                'lower-case letters, digits, and . _ - between them')
        if _colon and not _TAG.fullmatch(tag):
            raise errors.ImageNameError(
                f'"{_shown(tag)}" is no tag of image '
                f'"{registry}/{repository}"')
        if not at and not _colon:
            tag = 'latest'
        return cls(registry, repository, tag or None, digest or None)

    @property
    def name(self) -> str:
        """Where the image is: registry and repository, without tag."""
        return f'{self.registry}/{self.repository}'

    @property
    def version(self) -> str:
        """What the registry is asked for: the digest, else the tag."""
        return self.digest or self.tag or 'latest'

    def pinned(self, digest: str) -> 'Reference':
        """Return the same image by its digest alone.

        Tag and digest together are an error in older containers tools.
        """
        return dataclasses.replace(self, tag=None, digest=digest)

    def checked(self) -> typing.Self:
        """Return this, once its digest proves well-formed.

        :raises: ImageNameError
        """
        if self.digest is not None and not _DIGEST.fullmatch(self.digest):
            raise errors.ImageNameError('the digest is malformed')
        return self

    @property
    def followed(self) -> str:
        """What an installed machine is updated from: the tag, if any.

        Containers tools refuse names that have a tag and a digest.
        """
        if self.tag:
            return f'{self.name}:{self.tag}'
        return str(self)

    def __str__(self) -> str:
        tag = f':{self.tag}' if self.tag else ''
        digest = f'@{self.digest}' if self.digest else ''
        return f'{self.name}{tag}{digest}'

    def lies_in(self, scope: str) -> bool:
        """Tell whether the image is of a registry, or below a repository.

        :param scope: such as ``quay.io`` or ``quay.io/fedora``.
        """
        return self.name == scope or self.name.startswith(
            scope.rstrip('/') + '/')


def _without_scheme(text: str) -> str:
    scheme, colon, name = text.strip().partition('://')
    if colon:
        if scheme.lower() not in SCHEMES:
            raise errors.ImageNameError(
                f'images of scheme "{_shown(scheme)}" cannot be deployed: '
                'give oci://registry/repository:tag')
        return name
    head = text.strip().partition('/')[0]
    for other in ('containers-storage', 'docker-archive', 'docker-daemon',
                  'oci-archive', 'oci', 'dir', 'ostree', 'docker'):
        if head.startswith(f'{other}:') and not head[
                len(other) + 1:].isdigit():
            raise errors.ImageNameError(
                f'images of transport "{other}:" cannot be deployed: the '
                'machine has none of its own, give '
                'oci://registry/repository:tag')
    return text.strip()


def _shown(text: str) -> str:
    """Return what may be shown of a malformed name."""
    return text.rpartition('@')[2][:100]
