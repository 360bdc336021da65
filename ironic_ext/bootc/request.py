# SPDX-License-Identifier: Apache-2.0

"""What the agent is asked to install: the arguments of ``bootc_install``.

The conductor makes an ``InstallRequest`` of a node, the agent reads it from
the arguments of its deploy step. An operator may give those of the step by
hand, too (see ``ARGSINFO``), where Ironic's ``custom-agent`` deploys.
"""

import collections.abc
import dataclasses
import typing

from ironic_ext.bootc import credentials
from ironic_ext.bootc import errors
from ironic_ext.bootc import options as install_options
from ironic_ext.bootc import reference
from ironic_ext.bootc import sealing

#: Name of the deploy step, in the deploy interface and in the agent.
STEP = 'bootc_install'

#: What an operator may give the step. No secrets: Ironic shows steps.
ARGSINFO = {
    'image': {
        'description': 'Bootable container to install, '
                       'oci://registry/repository[:tag][@digest]; by '
                       'default image_source of instance_info.',
        'required': False},
    'options': {
        'description': 'Options of the installation, a JSON object as '
                       'instance_info/bootc; it goes before that one.',
        'required': False},
}

#: Where the image may lie on its way to the disk.
STORES = ('auto', 'memory', 'zram', 'disk')
#: Which images the signature policy lets in.
POLICIES = ('accept', 'sigstore', 'gpg', 'reject-unknown')


@dataclasses.dataclass(frozen=True)
class Trust:
    """How the registry is reached, and what it is believed by."""

    #: Certificates of its authorities, PEM; None for the system's.
    ca: str | None = None
    #: Take any certificate, and HTTP.
    insecure: bool = False
    #: "host[:port][/path]" to ask before the registry, in this order; each
    #: stands for the registry (not for a repository of it).
    mirrors: tuple[str, ...] = ()
    #: URL of a proxy; may hold a password.
    proxy: str | None = dataclasses.field(default=None, repr=False)
    #: Hosts and domains to reach without it, parted by commas.
    no_proxy: str | None = None


@dataclasses.dataclass(frozen=True)
class SignaturePolicy:
    """Which images may be installed (containers-policy.json(5)).

    ``sigstore`` and ``gpg`` want a signature by one of ``keys``, and
    ``reject-unknown`` wants the image to lie in one of ``scopes``.
    """

    kind: str = 'accept'
    #: Public keys: PEM for sigstore, ASCII-armoured for gpg.
    keys: tuple[str, ...] = ()
    #: "registry" or "registry/repository"; for sigstore and gpg they are
    #: where the policy is asked for at all, none of them means everywhere.
    scopes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.kind not in POLICIES:
            raise errors.OptionError(
                f'the signature policy is {self.kind!r:.80}, and not one of '
                + ', '.join(POLICIES))
        if self.kind in ('sigstore', 'gpg') and not self.keys:
            raise errors.OptionError(
                f'the signature policy "{self.kind}" needs a public key')


@dataclasses.dataclass(frozen=True)
class Size:
    """How large the image is, as far as the registry tells; bytes."""

    #: Sum of the layers as they are downloaded.
    compressed: int = 0
    #: Estimate of the layers unpacked; 0 where nothing is known.
    unpacked: int = 0
    #: Estimate of the largest of them unpacked; 0 where nothing is known.
    largest: int = 0


@dataclasses.dataclass(frozen=True)
class Store:
    """Where the agent may keep the image while it installs it."""

    kind: str = 'auto'
    #: Whether that may be the disk that is installed to.
    allow_target_disk: bool = False
    #: Path of a disk that the image may lie on, as a rule one of
    #: /dev/disk; what is on it is lost.
    device: str | None = None

    def __post_init__(self) -> None:
        if self.kind not in STORES:
            raise errors.OptionError(
                f'the store is {self.kind!r:.80}, and not one of '
                + ', '.join(STORES))
        if self.device is not None and (
                not isinstance(self.device, str)
                or not self.device.startswith('/dev/')
                or '..' in self.device.split('/')):
            raise errors.OptionError(
                f'the disk for the image is {self.device!r:.80}, which is '
                'no path in /dev')


@dataclasses.dataclass(frozen=True)
class InstallRequest:
    """One image for one machine."""

    #: As a rule "registry/repository@digest"; only what an operator asks
    #: for by hand has no digest yet.
    image: reference.Reference
    #: Name for ``--target-imgref``, which updates follow.
    imgref: str
    options: install_options.Options = install_options.Options()
    trust: Trust = Trust()
    policy: SignaturePolicy = SignaturePolicy()
    size: Size = Size()
    store: Store = Store()
    node_uuid: str = ''
    credential: credentials.Credential | None = dataclasses.field(
        default=None, repr=False)
    #: A URL, or base64 of a gzipped image, as Ironic has it.
    configdrive: str | None = dataclasses.field(default=None, repr=False)

    def arguments(self, token: str) -> dict[str, typing.Any]:
        """Return the arguments of the step, fit for JSON and for logs.

        :param token: the agent's; seals what is secret.
        """
        trust = dataclasses.asdict(self.trust)
        secrets = {'proxy': trust.pop('proxy'),
                   'configdrive': self.configdrive,
                   'auth': self.credential and self.credential.to_dict()}
        return {'image': str(self.image), 'imgref': self.imgref,
                'options': self.options.to_dict(),
                'trust': _listed(trust),
                'policy': _listed(dataclasses.asdict(self.policy)),
                'size': dataclasses.asdict(self.size),
                'store': dataclasses.asdict(self.store),
                'node_uuid': self.node_uuid,
                'sealed': sealing.seal(secrets, token)}

    @classmethod
    def parse(cls, arguments: collections.abc.Mapping[str, typing.Any],
              token: str | None = None) -> typing.Self:
        """Read the arguments of the step, the conductor's or a person's.

        :param token: the agent's, for what is sealed.
        :raises: BootcError
        """
        given = dict(arguments)
        image = reference.Reference.parse(given.pop('image', None))
        secrets: dict[str, typing.Any] = {}
        sealed = given.pop('sealed', None)
        if sealed is not None:
            if not isinstance(sealed, str):
                raise errors.OptionError(
                    f'argument "sealed" of step {STEP} is no text')
            if not token:
                raise errors.BootcError(
                    'this agent has no token to unseal the secrets of the '
                    'deployment with')
            secrets = sealing.unseal(sealed, token)
        secret = given.pop('pull_secret', None) or secrets.get('auth')
        found = cls(
            image=image,
            imgref=reference.Reference.parse(
                given.pop('imgref', None) or str(image)).followed,
            options=install_options.Options.parse(
                given.pop('options', None)).checked(),
            trust=_of(Trust, 'trust', given,
                      proxy=secrets.get('proxy')),
            policy=_of(SignaturePolicy, 'policy', given),
            size=_of(Size, 'size', given),
            store=_of(Store, 'store', given),
            node_uuid=str(given.pop('node_uuid', None) or ''),
            credential=secret and credentials.Credential.parse(
                secret, image.registry),
            configdrive=_text('configdrive', given.pop(
                'configdrive', None) or secrets.get('configdrive')))
        if given:
            raise errors.OptionError(
                f'step {STEP} has no argument '
                + ', '.join(f'"{name!s:.80}"' for name in given))
        require_auth(found.options, found.credential)
        return found


def require_auth(options: install_options.Options,
                 credential: credentials.Credential | None) -> None:
    """Make sure that there is a secret to leave on the machine.

    :raises: OptionError
    """
    if options.update_auth and credential is None:
        raise errors.OptionError(
            'bootc option "update_auth" is set, and there is no secret for '
            'the registry to leave on the machine: give image_pull_secret')


T = typing.TypeVar('T')


def _listed(values: dict[str, typing.Any]) -> dict[str, typing.Any]:
    return {name: [*value] if isinstance(value, tuple) else value
            for name, value in values.items()}


def _text(name: str, value: object) -> str | None:
    if value is None or isinstance(value, str):
        return value
    raise errors.OptionError(f'argument "{name}" of step {STEP} is no text')


def _of(kind: type[T], name: str, given: dict[str, typing.Any],
        **more: typing.Any) -> T:
    """Take an argument out and make a dataclass of it."""
    values = given.pop(name, None) or {}
    if not isinstance(values, collections.abc.Mapping):
        raise errors.OptionError(f'argument "{name}" of step {STEP} is no '
                                 'JSON object')
    values = {key: tuple(value) if isinstance(value, list) else value
              for key, value in {**values, **more}.items()}
    hints = typing.get_type_hints(kind)
    for key, value in values.items():
        if key not in hints or not _is(value, hints[key]):
            raise errors.OptionError(
                f'argument "{name}" of step {STEP} has a field "{key!s:.80}" '
                'that it does not know, or that is of another type')
    return kind(**values)


def _is(value: object, hint: typing.Any) -> bool:
    """Tell whether a value is of a type that the dataclasses here have."""
    if hint == tuple[str, ...]:
        return isinstance(value, tuple) and all(
            isinstance(item, str) for item in value)
    if hint is int:
        return type(value) is int and value >= 0
    return isinstance(value, hint)
