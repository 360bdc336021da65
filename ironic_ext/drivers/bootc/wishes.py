# SPDX-License-Identifier: Apache-2.0

"""What a node and ironic.conf say of a bootable container to deploy.

What the node's user says (instance_info) is the image, its secret and the
options; what is believed, and by which way it is reached, is the operator's
(driver_info, ironic.conf).
"""

import collections.abc
import dataclasses
import typing
from urllib import parse as urlparse

from ironic.common import image_service
from ironic.conf import CONF
from oslo_utils import strutils

from ironic_ext.bootc import credentials
from ironic_ext.bootc import errors
from ironic_ext.bootc import options
from ironic_ext.bootc import reference
from ironic_ext.bootc import registry_session
from ironic_ext.bootc import request
from ironic_ext import conf
from ironic_ext.drivers.walls import certificates
from ironic_ext.drivers.walls import owners
from ironic_ext import walls

conf.register_opts(CONF)

_OPTIONS = 'bootc'
_SECRET = 'image_pull_secret'
# Stock Ironic's own options of its bootc interface.
_STOCK_KEYS = 'bootc_authorized_keys'
_STOCK_LUKS = 'bootc_tpm2_luks'
_CA = 'bootc_ca'
_INSECURE = 'bootc_insecure'
_MIRRORS = 'bootc_mirrors'
_PROXY = 'bootc_proxy'
_PROXY_PASSWORD = 'bootc_proxy_password'
_NO_PROXY = 'bootc_no_proxy'
_POLICY = 'bootc_signature_policy'
_KEYS = 'bootc_signature_keys'
_SCOPES = 'bootc_signature_scopes'
_STORE = 'bootc_store'
_STORE_DEVICE = 'bootc_store_device'
_STORE_TARGET = 'bootc_store_target_disk'

#: What driver_info may say, for ``baremetal driver property list``.
PROPERTIES = {
    _SECRET: 'Secret for the registry: user:password, an "auth" of Docker\'s '
             'config.json or that file, or an identity token. The one in '
             'instance_info goes first. Optional.',
    _CA: 'Certificates to believe registries by, PEM, or, without '
         'Keystone, a path of them on the conductor. Optional.',
    _INSECURE: 'Whether certificates of registries are not verified, and '
               'HTTP is spoken where they know nothing else. Optional.',
    _MIRRORS: 'Mirrors to ask before the registry, a list or parted by '
              'commas: "registry=mirror[/path]" or "mirror[/path]". '
              'Optional.',
    _PROXY: 'URL of the proxy to registries, without a password. Optional.',
    _PROXY_PASSWORD: 'Password for that proxy. Optional.',
    _NO_PROXY: 'Hosts and domains to reach without it, parted by commas. '
               'Optional.',
    _POLICY: 'Which images may be installed: accept, sigstore, gpg or '
             'reject-unknown. Optional.',
    _KEYS: 'Public keys for sigstore (PEM) or gpg (ASCII-armoured), a text '
           'or a list. Optional.',
    _SCOPES: 'Registries or repositories that the policy is about, a list '
             'or parted by commas. Optional.',
    _STORE: 'Where an image lies while it is installed: auto, memory, zram '
            'or disk. Optional.',
    _STORE_DEVICE: 'Path of a disk that it may lie on; what is on that disk '
                   'is lost. Optional.',
    _STORE_TARGET: 'Whether it may lie on the disk that is installed to. '
                   'Optional.',
}

Info = collections.abc.Mapping[str, typing.Any]


@dataclasses.dataclass(frozen=True)
class Wish:
    """An image for a node, and all that asking for it takes."""

    image: reference.Reference
    options: options.Options
    trust: request.Trust
    policy: request.SignaturePolicy
    store: request.Store
    credential: credentials.Credential | None = dataclasses.field(repr=False)


def wish_of(node: typing.Any, given: object = None) -> Wish:
    """Return what is to be deployed to a node.

    :param given: options of a deploy step, which go before the node's.
    :raises: BootcError
    """
    image = reference.Reference.parse(node.instance_info.get('image_source'))
    _require_allowed(image)
    trust = _trust(node.driver_info, image)
    policy = _policy(node.driver_info)
    if policy.kind == 'reject-unknown' and not any(
            image.lies_in(scope) for scope in policy.scopes):
        raise errors.SignatureError(
            f'the signature policy lets no image of {image.name} in: it '
            'knows ' + (', '.join(policy.scopes)[:500] or 'none'))
    wanted = _options(node.instance_info, given)
    credential = _credential(node, image, trust, wanted)
    request.require_auth(wanted, credential)
    return Wish(image, wanted, trust, policy, _store(node.driver_info),
                credential)


def _require_allowed(image: reference.Reference) -> None:
    allowed = CONF.ext_bootc.allowed_registries
    if allowed and not any(image.lies_in(scope) for scope in allowed):
        raise errors.ImageNameError(
            f'images of {image.name} may not be deployed here: allowed are '
            + ', '.join(allowed)[:500])


# Options

def _options(instance_info: Info, given: object) -> options.Options:
    wanted: dict[str, typing.Any] = {}
    if instance_info.get(_STOCK_KEYS):
        wanted['authorized_keys'] = instance_info[_STOCK_KEYS]
    if options.stock_flag(_STOCK_LUKS, instance_info.get(_STOCK_LUKS)):
        wanted['block_setup'] = 'tpm2-luks'
    for source in (instance_info.get(_OPTIONS), given):
        # Judges each by itself, so that a bad one does not hide.
        options.Options.parse(source)
        wanted.update(typing.cast(dict[str, typing.Any], source or {}))
    return options.Options.parse(wanted).checked()


# Trust

def _trust(driver_info: Info, image: reference.Reference) -> request.Trust:
    return request.Trust(
        ca=_ca(driver_info),
        insecure=(_flag(driver_info, _INSECURE) or
                  image.registry in CONF.ext_bootc.insecure_registries),
        mirrors=_mirrors(driver_info, image), proxy=_proxy(driver_info),
        no_proxy=(_text(driver_info, _NO_PROXY)
                  or _text(driver_info, 'image_no_proxy')
                  or CONF.ext_bootc.no_proxy))


def _ca(driver_info: Info) -> str | None:
    text = _text(driver_info, _CA)
    name = f'driver_info/{_CA}' if text else '[ext_bootc]ca_file'
    try:
        if text is not None:
            return certificates.of(text)
        path = CONF.ext_bootc.ca_file
        return certificates.of_file(path) if path else None
    except certificates.NotCertificatesError as exc:
        raise errors.OptionError(f'{name} {exc}') from None


def _mirrors(driver_info: Info, image: reference.Reference
             ) -> tuple[str, ...]:
    found = []
    for entry in (_listed(driver_info, _MIRRORS)
                  or CONF.ext_bootc.mirrors):
        registry, equals, mirror = entry.rpartition('=')
        place = mirror.strip().rstrip('/')
        try:
            reference.Reference.parse(f'{place}/repository')
        except errors.ImageNameError:
            raise errors.OptionError(
                f'mirror "{entry[:100]}" is none: give '
                'registry=mirror[:port][/path]') from None
        if not equals or registry.strip() == image.registry:
            found.append(place)
    return tuple(found)


def _proxy(driver_info: Info) -> str | None:
    url = _text(driver_info, _PROXY)
    if url is None:
        url = (_text(driver_info, 'image_https_proxy')
               or _text(driver_info, 'image_http_proxy')
               or CONF.ext_bootc.proxy)
        if not url:
            return None
        url, parts = _proxy_url(url)
        if url != configured_proxy():
            _require_open(parts)
        return url
    url, parts = _proxy_url(url)
    _require_open(parts)
    if parts.password is not None:
        raise errors.OptionError(
            f'driver_info/{_PROXY} holds a password, which Ironic would '
            f'show: give it as {_PROXY_PASSWORD}')
    password = _text(driver_info, _PROXY_PASSWORD)
    if password is None:
        return url
    if not parts.username:
        raise errors.OptionError(
            f'driver_info has {_PROXY_PASSWORD}, but no user: give '
            f'{_PROXY} as http://user@host:port')
    user, _at, host = parts.netloc.rpartition('@')
    quoted = urlparse.quote(password, safe='')
    return urlparse.urlunsplit(
        parts._replace(netloc=f'{user.rstrip(":")}:{quoted}@{host}'))


def configured_proxy() -> str | None:
    """Return the proxy that ironic.conf names, as nodes have it."""
    url = CONF.ext_bootc.proxy
    return _proxy_url(url)[0] if url else None


def _require_open(parts: urlparse.SplitResult) -> None:
    """Let no proxy of a node lead to what is closed to its owner.

    :raises: OptionError
    """
    try:
        owners.fence().addresses(
            parts.hostname or '', parts.port or (
                443 if parts.scheme == 'https' else 80))
    except walls.Refused as exc:
        raise errors.OptionError(
            f'the proxy for registries is not used: {exc}. '
            '[ext_images]allowed_networks of ironic.conf says which '
            'addresses are open') from None
    except OSError:
        pass  # the machine may know the name; nobody can be reached by it


def _proxy_url(text: str) -> tuple[str, urlparse.SplitResult]:
    # As Ironic takes it, too: without a scheme.
    url = text if '://' in text else f'http://{text}'
    try:
        parts = urlparse.urlsplit(url)
        if parts.scheme in ('http', 'https') and parts.hostname:
            _ = parts.port
            return url, parts
    except ValueError:
        pass
    raise errors.OptionError(
        'the proxy for registries is no http:// or https:// URL')


# Signatures

def _policy(driver_info: Info) -> request.SignaturePolicy:
    kind = _text(driver_info, _POLICY)
    if kind is not None:
        found = request.SignaturePolicy(
            kind, _key_texts(driver_info), _listed(driver_info, _SCOPES))
    else:
        settings = CONF.ext_bootc
        found = request.SignaturePolicy(
            settings.signature_policy,
            tuple(_read(path, '[ext_bootc]signature_keys')
                  for path in settings.signature_keys),
            tuple(settings.signature_scopes))
    for key in found.keys:
        if 'PUBLIC KEY' not in key:
            raise errors.OptionError(
                'a key of the signature policy is no public key: it begins '
                'with "-----BEGIN PUBLIC KEY-----", or for gpg with '
                '"-----BEGIN PGP PUBLIC KEY BLOCK-----"')
    return found


def _key_texts(driver_info: Info) -> tuple[str, ...]:
    value = driver_info.get(_KEYS) or ()
    texts = (value,) if isinstance(value, str) else value
    if not isinstance(texts, (list, tuple)) or not all(
            isinstance(text, str) for text in texts):
        raise errors.OptionError(
            f'driver_info/{_KEYS} is neither text nor a list of texts')
    return tuple(texts)


# Store

def _store(driver_info: Info) -> request.Store:
    return request.Store(
        _text(driver_info, _STORE) or CONF.ext_bootc.store,
        _flag(driver_info, _STORE_TARGET), _text(driver_info, _STORE_DEVICE))


# Credentials

def _credential(node: typing.Any, image: reference.Reference,
                trust: request.Trust, wanted: options.Options
                ) -> credentials.Credential | None:
    """Return what the image, or its mirrors, are to be shown.

    The operator's goes where ironic.conf permits it alone: the user chooses
    the registry. What says itself which registry it is for goes there.
    """
    secret = node.instance_info.get(_SECRET)
    if secret:
        found = credentials.Credential.parse(secret, image.registry)
    else:
        home = image.registry if _permitted(image) else ''
        secret = (node.driver_info.get(_SECRET) or _configured_file()
                  or _configured_pair())
        if not secret:
            return None
        found = credentials.Credential.parse(secret, home)
    places = [image]
    for mirror in trust.mirrors:
        host, repository = registry_session.location(mirror, image)
        places.append(dataclasses.replace(
            image, registry=host, repository=repository))
    if wanted.update_auth and wanted.target_transport in (None, 'registry'):
        places.append(reference.Reference.parse(
            wanted.target_imgref or str(image)))
    return found.narrowed(places)


def _permitted(image: reference.Reference) -> bool:
    # Ironic 35 and older know no such restriction.
    permitted = getattr(image_service, 'is_host_auth_permitted',
                        lambda href: True)
    return bool(permitted(f'oci://{image}'))


def _configured_file() -> str | None:
    path = CONF.oci.authentication_config
    return _read(path, '[oci]authentication_config') if path else None


def _configured_pair() -> str | None:
    user, password = (CONF.deploy.image_server_user,
                      CONF.deploy.image_server_password)
    return f'{user}:{password}' if user and password else None


# Values

def _text(info: Info, key: str) -> str | None:
    value = info.get(key)
    if value is not None and not isinstance(value, str):
        raise errors.OptionError(f'driver_info/{key} must be a text')
    return value or None


def _flag(info: Info, key: str) -> bool:
    try:
        return bool(strutils.bool_from_string(info.get(key, False),
                                              strict=True))
    except ValueError:
        raise errors.OptionError(
            f'driver_info/{key} must be true or false') from None


def _listed(info: Info, key: str) -> tuple[str, ...]:
    value = info.get(key) or ()
    entries = value.split(',') if isinstance(value, str) else value
    if not isinstance(entries, (list, tuple)) or not all(
            isinstance(entry, str) for entry in entries):
        raise errors.OptionError(f'driver_info/{key} must be a list of texts')
    return tuple(entry.strip() for entry in entries if entry.strip())


def _read(path: str, name: str) -> str:
    try:
        with open(path, encoding='utf-8') as file:
            return file.read()
    except (OSError, UnicodeError) as exc:
        raise errors.OptionError(
            f'{name} cannot be read: {type(exc).__name__}') from None
