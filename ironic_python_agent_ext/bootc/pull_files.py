# SPDX-License-Identifier: Apache-2.0

"""The files that podman reads, made for one pull and in one private place.

containers.conf(5), containers-storage.conf(5), containers-registries.conf(5),
containers-policy.json(5), containers-registries.d(5), containers-certs.d(5).
Nothing is written below /etc or a home directory, so that neither what is
there counts, nor anything stays.
"""

import collections.abc
import dataclasses
import json
import os
import pathlib
import typing

from ironic_ext.bootc import request as requests
from ironic_python_agent_ext.bootc import machine as machines

#: Where podman keeps images, also when bootc calls it from inside its
#: container by way of PID 1's mounts: podman's defaults, therefore.
GRAPH = pathlib.Path('/var/lib/containers')
GRAPH_ROOT = GRAPH / 'storage'
#: Where bootc has its image unpacked, layer by layer: by its own choice that
#: of PID 1's mounts, so that something else in its container is no help.
TEMPORARY = pathlib.Path('/var/tmp')
RUN_ROOT = pathlib.Path('/run/containers/storage')

_OPEN_FILES = 1 << 20
_PROCESSES = 1 << 20


@dataclasses.dataclass(frozen=True)
class Files:
    """Files to write, and what tells podman of them."""

    #: Content by path.
    contents: collections.abc.Mapping[pathlib.Path, str] = (
        dataclasses.field(repr=False))
    #: Flags of ``podman pull``.
    flags: tuple[str, ...] = ()
    #: Variables of podman's environment.
    variables: collections.abc.Mapping[str, str] = dataclasses.field(
        default_factory=dict, repr=False)

    def write(self) -> None:
        """Write the files, which nobody but root can read."""
        for path, content in self.contents.items():
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            number = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL
                             | os.O_NOFOLLOW, 0o600)
            with os.fdopen(number, 'w') as file:
                file.write(content)


def for_every_call(machine: machines.Machine, directory: pathlib.Path
                   ) -> Files:
    """Return what each call of podman needs, secrets apart."""
    containers = directory / 'containers.conf'
    storage = directory / 'storage.conf'
    return Files(
        {containers: _containers_conf(machine), storage: _storage_conf()},
        variables={'CONTAINERS_CONF': str(containers),
                   'CONTAINERS_STORAGE_CONF': str(storage)})


def for_parts(directory: pathlib.Path) -> Files:
    """Return what has a pull fetch layers of zstd:chunked by file.

    They go straight to their place then, instead of lying there packed, too.
    """
    path = directory / 'storage.conf'
    return Files(
        {path: _storage_conf()
         + '[storage.options]\n'
           'pull_options = {enable_partial_images = "true"}\n'},
        variables={'CONTAINERS_STORAGE_CONF': str(path)})


def for_pull(request: requests.InstallRequest, directory: pathlib.Path
             ) -> Files:
    """Return what the pull needs, with the secrets of the registry."""
    home = directory / 'home'
    registries = directory / 'registries.conf'
    policy = directory / 'policy.json'
    contents = {registries: _registries_conf(request)}
    flags = [f'--signature-policy={policy}']
    # podman looks below a home for registries.d, logins and keys.
    variables = {'CONTAINERS_REGISTRIES_CONF': str(registries),
                 'HOME': str(home), 'GNUPGHOME': str(home / 'gnupg')}
    if request.policy.kind == 'sigstore':
        # Where GPG signatures lie, says the ramdisk's own registries.d.
        contents[home / '.config/containers/registries.d/default.yaml'] = (
            'default-docker:\n  use-sigstore-attachments: true\n')
    keys = _keys(request.policy, directory / 'keys')
    contents |= keys
    contents[policy] = _policy(request.policy, [*map(str, keys)])
    if request.credential is not None:
        auth = directory / 'auth.json'
        contents[auth] = json.dumps(request.credential.to_dict())
        flags.append(f'--authfile={auth}')
    if request.trust.ca is not None:
        certificates = directory / 'certs'
        contents[certificates / 'ca.crt'] = request.trust.ca
        flags.append(f'--cert-dir={certificates}')
    return Files(contents, tuple(flags), variables | _proxy(request.trust))


def _keys(policy: requests.SignaturePolicy, directory: pathlib.Path
          ) -> dict[pathlib.Path, str]:
    if policy.kind == 'gpg':
        # Older podman takes one file alone, of any number of keys.
        return {directory / 'keys.asc': '\n'.join(policy.keys)}
    return {directory / f'{number}.pub': key
            for number, key in enumerate(policy.keys)}


def _containers_conf(machine: machines.Machine) -> str:
    """Return the settings that work without systemd, and in an initramfs.

    Limits stay below the hard ones of the agent: more cannot be had. The
    host's network is used since bootc wants none of its own.
    """
    files = min(machine.open_files, _OPEN_FILES)
    processes = min(machine.processes, _PROCESSES)
    lines = [
        '[containers]',
        f'default_ulimits = ["nofile={files}:{files}", '
        f'"nproc={processes}:{processes}"]',
        'netns = "host"',
        'log_size_max = 1048576',
        '[engine]',
        'events_logger = "none"',
    ]
    if not machine.systemd:
        lines.append('cgroup_manager = "cgroupfs"')
    if machine.initramfs:
        lines.append('no_pivot_root = true')
    return '\n'.join(lines) + '\n'


def _storage_conf() -> str:
    return ('[storage]\n'
            'driver = "overlay"\n'
            f'graphroot = {_quoted(str(GRAPH_ROOT))}\n'
            f'runroot = {_quoted(str(RUN_ROOT))}\n')


def _registries_conf(request: requests.InstallRequest) -> str:
    trust = request.trust
    lines = ['unqualified-search-registries = []',
             'short-name-mode = "enforcing"',
             '[[registry]]',
             f'prefix = {_quoted(request.image.registry)}',
             f'location = {_quoted(request.image.registry)}']
    if trust.insecure:
        lines.append('insecure = true')
    for mirror in trust.mirrors:
        lines += ['[[registry.mirror]]', f'location = {_quoted(mirror)}']
        if trust.insecure:
            lines.append('insecure = true')
    return '\n'.join(lines) + '\n'


def _policy(policy: requests.SignaturePolicy, keys: list[str]) -> str:
    """Return the signature policy as containers-policy.json(5) has it."""
    accept: list[dict[str, typing.Any]] = [
        {'type': 'insecureAcceptAnything'}]
    refuse: list[dict[str, typing.Any]] = [{'type': 'reject'}]
    if policy.kind == 'accept':
        return json.dumps({'default': accept})
    if policy.kind == 'reject-unknown':
        return json.dumps({'default': refuse, 'transports': {
            'docker': {scope: accept for scope in policy.scopes}}})
    wanted = _signed(policy.kind, keys)
    if not policy.scopes:
        return json.dumps({'default': refuse,
                           'transports': {'docker': {'': wanted}}})
    return json.dumps({'default': accept, 'transports': {
        'docker': {scope: wanted for scope in policy.scopes}}})


def _signed(kind: str, keys: list[str]) -> list[dict[str, typing.Any]]:
    rule: dict[str, typing.Any] = (
        {'type': 'signedBy', 'keyType': 'GPGKeys'} if kind == 'gpg'
        else {'type': 'sigstoreSigned'})
    rule |= {'keyPath': keys[0]} if len(keys) == 1 else {'keyPaths': keys}
    # The image is pulled by its digest, and signed by a tag.
    return [rule | {'signedIdentity': {'type': 'matchRepository'}}]


def _proxy(trust: requests.Trust) -> dict[str, str]:
    found = {}
    if trust.proxy:
        found = {name: trust.proxy for name in ('HTTPS_PROXY', 'HTTP_PROXY')}
    if trust.no_proxy:
        found['NO_PROXY'] = trust.no_proxy
    return found


def _quoted(text: str) -> str:
    """Return a TOML basic string."""
    return json.dumps(text)
