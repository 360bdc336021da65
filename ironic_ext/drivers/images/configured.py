# SPDX-License-Identifier: Apache-2.0

"""How a conductor gets at images: ironic.conf, and what a node says.

Credentials of a node's user (instance_info) and of the operator (driver_info,
ironic.conf) are never mixed: whoever chooses the URL, or the certificates to
trust, could else collect the operator's.
"""

import collections.abc
import dataclasses
import enum
import functools
import os
import typing

from ironic.common import context as ironic_context
from ironic.common import exception
from ironic.common.glance_service import image_service as glance_service
from ironic.common.glance_service import service_utils
from ironic.common import image_service
from ironic.conf import CONF
from oslo_utils import strutils
import requests

from ironic_ext import conf
from ironic_ext.drivers.walls import certificates
from ironic_ext.drivers.walls import owners
from ironic_ext.images import configured
from ironic_ext.images import errors
from ironic_ext.images import href as hrefs
from ironic_ext.images import settings as image_settings

conf.register_opts(CONF)

_USER = 'image_server_user'
_PASSWORD = 'image_server_password'
_TOKEN = 'image_server_token'
_VERIFY = 'image_server_verify_ca'
_CA = 'image_server_ca'
_CERT = 'image_server_client_cert'
_KEY = 'image_server_private_key'
#: Ironic's own key: "user:password", or a token alone.
_PULL_SECRET = 'image_pull_secret'

#: Keys whose values are masked by Ironic wherever it shows a node.
SECRET_KEYS = (_PASSWORD, _TOKEN, _KEY, _PULL_SECRET)

Info = collections.abc.Mapping[str, typing.Any]


@dataclasses.dataclass(frozen=True)
class _Login:
    """A user with a password; without a user it is a bearer token."""

    user: str
    secret: str = dataclasses.field(repr=False)


class Reach(enum.Enum):
    """How far an href may lead, by who chose it and what becomes of it."""

    #: ironic.conf and the catalog: no fence.
    OPERATOR = 'operator'
    #: An image that a node names.
    IMAGE = 'image'
    #: What a node names to be put, as it is, into an image.
    CONTENT = 'content'


def settings_for(node: typing.Any, context: typing.Any, *,
                 user_access: bool = True, reach: Reach = Reach.IMAGE
                 ) -> image_settings.Settings:
    """Return how images of a node are fetched.

    :param node: None for what belongs to no node.
    :param context: request context, for Glance.
    :param user_access: whether what instance_info says counts: not for an
        image that only the operator chooses, such as a deploy ISO.
    :param reach: whose choice the hrefs are.
    :raises: ImageAccessError when the node's keys make no sense.
    """
    operator = _Info('driver_info', node.driver_info if node else {})
    user = _Info('instance_info',
                 node.instance_info if node and user_access else {})
    for key in (_CERT, _KEY):
        if user.text(key):
            raise errors.ImageAccessError(
                f'instance_info/{key} is a path on the conductor: only '
                'driver_info may have it')
    verify = user.verification(paths=False)
    login = user.login()
    access = image_settings.Access(
        verify=_first(verify, operator.verification(paths=True),
                      configured.verify_from(CONF)),
        ca=user.text(_CA) or operator.text(_CA))
    configuration = configured.settings_from(
        CONF, access, glance=functools.partial(_image_proxy, context))
    if reach is Reach.OPERATOR or (not user_access and owners.is_standalone()):
        configuration = configured.with_catalog(CONF, configuration)
    settings = dataclasses.replace(
        _within(configuration, reach, owners.project(node)), session=_session,
        glance_permits=functools.partial(_permitted_image, context))
    if login is None and verify is None and not user.text(_CA):
        certificate, private = operator.client_certificate()
        return dataclasses.replace(
            settings, access=dataclasses.replace(
                access, client_cert=certificate, client_key=private),
            default_access=functools.partial(
                _operators_access, operator.login()))
    return dataclasses.replace(settings, access=_with(access, login))


def _within(settings: image_settings.Settings, reach: Reach, project: str
            ) -> image_settings.Settings:
    """Return settings that lead as far as they may.

    :param project: that uses the node.
    """
    settings = dataclasses.replace(settings, wall=dataclasses.replace(
        settings.wall, closed=(*settings.wall.closed,
                               *image_service.BLOCKED_FILE_URL_PATHS)))
    if reach is Reach.OPERATOR:
        return settings
    settings = dataclasses.replace(settings, fence=owners.fence(),
                                   project=project)
    if reach is Reach.IMAGE:
        return settings
    allowed = CONF.ext_images.owner_file_paths
    if allowed is None and owners.is_standalone():
        return settings
    return dataclasses.replace(
        settings, allowed_paths=tuple(allowed or ()),
        paths_option='[ext_images]owner_file_paths')


class _Info:
    """What driver_info or instance_info says of access to images."""

    def __init__(self, name: str, values: Info) -> None:
        self._name = name
        self._values = values

    def text(self, key: str) -> str | None:
        """Return a value, None when it is missing or empty.

        :raises: ImageAccessError
        """
        value = self._values.get(key)
        if value is not None and not isinstance(value, str):
            raise errors.ImageAccessError(
                f'{self._name}/{key} must be a text')
        return value or None

    def path(self, key: str) -> str | None:
        """Return a value that is PEM or, standalone, an absolute path.

        :raises: ImageAccessError
        """
        value = self.text(key)
        if value is None or '-----BEGIN' in value:
            return value
        if not owners.is_standalone():
            raise errors.ImageAccessError(
                f'{self._name}/{key} is a path: give the PEM itself. Paths '
                'of the conductor are for ironic.conf alone, as owners may '
                'write driver_info')
        if not os.path.isabs(value):
            raise errors.ImageAccessError(
                f'{self._name}/{key} must be PEM, or an absolute path on the '
                'conductor')
        return value

    def certificates(self, key: str) -> str | None:
        """Return a value that is PEM, or the path of certificates.

        :raises: ImageAccessError
        """
        value = self.path(key)
        if value is not None:
            try:
                certificates.of(value)
            except certificates.NotCertificatesError as exc:
                raise errors.ImageAccessError(
                    f'{self._name}/{key} {exc}') from exc
        return value

    def client_certificate(self) -> tuple[str | None, str | None]:
        """Return a client certificate and its key, as PEM.

        What a path leads to is read here, within the wall, and nowhere else.
        The key may lie with the certificate.

        :raises: ImageAccessError
        """
        certificate, key = self.path(_CERT), self.path(_KEY)
        name = _CERT
        try:
            found = certificates.of(certificate) if certificate else None
            name = _KEY
            text = key or certificate
            return found, certificates.key_of(text) if text else None
        except certificates.NotCertificatesError as exc:
            raise errors.ImageAccessError(
                f'{self._name}/{name} {exc}') from exc

    def login(self) -> _Login | None:
        """Return the credentials, if there are any.

        :raises: ImageAccessError
        """
        user, password = self.text(_USER), self.text(_PASSWORD)
        token = self.text(_TOKEN)
        if token and (user or password):
            raise errors.ImageAccessError(
                f'{self._name} has {_TOKEN} as well as {_USER} or '
                f'{_PASSWORD}: give one of them')
        if password and not user:
            raise errors.ImageAccessError(
                f'{self._name} has {_PASSWORD}, but no {_USER}')
        if token:
            return _Login('', token)
        if user:
            return _Login(user, password or '')
        if secret := self.text(_PULL_SECRET):
            name, colon, rest = secret.partition(':')
            return _Login(name, rest) if colon else _Login('', secret)
        return None

    def verification(self, paths: bool) -> bool | str | None:
        """Return whether, or by which bundle, servers are verified.

        :param paths: whether it may name a file of the conductor.
        :raises: ImageAccessError
        """
        value = self._values.get(_VERIFY)
        if value is None:
            return None
        try:
            return bool(strutils.bool_from_string(value, strict=True))
        except ValueError:
            pass
        if not paths:
            raise errors.ImageAccessError(
                f'{self._name}/{_VERIFY} must be true or false; give CA '
                f'certificates as PEM in {_CA}')
        if not owners.is_standalone() or '-----BEGIN' in str(value):
            raise errors.ImageAccessError(
                f'{self._name}/{_VERIFY} must be true or false; give CA '
                f'certificates as PEM in {_CA}')
        return self.certificates(_VERIFY)


def _first(*values: bool | str | None) -> bool | str:
    return next(value for value in values if value is not None)


def _with(access: image_settings.Access, login: _Login | None
          ) -> image_settings.Access:
    if login is None:
        return access
    return dataclasses.replace(
        access, username=login.user or None,
        password=login.secret if login.user else None,
        token=None if login.user else login.secret)


# What the operator has for servers that ironic.conf does not exclude.

def _operators_access(login: _Login | None, href: str
                      ) -> tuple[str, str] | None:
    """Return user and password for an href; no user means a token."""
    # Ironic 35 and older know no such restriction.
    permitted = getattr(image_service, 'is_host_auth_permitted',
                        lambda href: True)
    # Ironic logs the href that it judges.
    if not permitted(hrefs.redacted(href)):
        return None
    if login is not None:
        return login.user, login.secret
    if CONF.deploy.image_server_auth_strategy != 'http_basic':
        return None
    user = CONF.deploy.image_server_user
    password = CONF.deploy.image_server_password
    if not user or not password:
        raise errors.ImageAccessError(
            '[deploy]image_server_auth_strategy is http_basic, but '
            '[deploy]image_server_user or image_server_password is not set')
    return user, password


def _session() -> requests.Session:
    # Ironic 36 and later have TLS settings for image servers.
    build = getattr(image_service, '_build_webserver_session',
                    requests.Session)
    found: requests.Session = build()
    return found


# Glance

class _GlanceLogin(glance_service.GlanceImageService):
    """Ironic's own way to log in: [glance], and the user's token."""

    @glance_service.check_image_service
    def proxy(self) -> typing.Any:
        return self.client


def _context(context: typing.Any) -> typing.Any:
    return context or ironic_context.get_admin_context()


def _image_proxy(context: typing.Any) -> typing.Any:
    try:
        return _GlanceLogin(context=_context(context)).proxy()
    except exception.ConfigInvalid as exc:
        raise errors.HrefError(
            'there is no Glance: [glance] of ironic.conf is not set up'
        ) from exc
    except exception.IronicException as exc:
        raise errors.ImageAccessError(
            f'cannot log in to Glance ({type(exc).__name__}): check [glance] '
            'of ironic.conf') from exc


def _permitted_image(context: typing.Any, image: typing.Any) -> bool:
    # Without the user's token the conductor sees every project's images.
    return bool(service_utils.is_image_available(_context(context), image))
