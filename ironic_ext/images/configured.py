# SPDX-License-Identifier: Apache-2.0

"""Settings and the store as [ext_images] of ironic.conf has them.

Without Ironic, so that the media server and the command line share them with
the conductor; what a node has to say is in drivers/images.
"""

import collections.abc
import contextlib
import dataclasses
import typing

from oslo_config import cfg
from oslo_utils import strutils

from ironic_ext.images import settings as image_settings
from ironic_ext.images.store import image_store as store
from ironic_ext import walls

_MIB = 1 << 20

# Ironic's own options, as ironic/conf/{conductor,default}.py have them.
_IRONIC_OPTS = (
    ('conductor', cfg.ListOpt('file_url_allowed_paths',
                              default=['/var/lib/ironic'])),
    (None, cfg.StrOpt('webserver_verify_ca', default='True')),
    # What the walls have to know of.
    (None, cfg.StrOpt('rpc_transport', default='oslo')),
    (None, cfg.StrOpt('transport_url', secret=True)),
    ('api', cfg.StrOpt('host_ip', default='0.0.0.0')),
    ('api', cfg.PortOpt('port', default=6385)),
    ('database', cfg.StrOpt('connection', secret=True)),
    ('deploy', cfg.StrOpt('http_image_subdir', default='agent_images')),
    ('deploy', cfg.StrOpt('http_root', default='/httpboot')),
    ('json_rpc', cfg.StrOpt('host_ip', default='::')),
    ('json_rpc', cfg.PortOpt('port', default=8089)),
    ('pxe', cfg.StrOpt('images_path', default='/var/lib/ironic/images/')),
    ('pxe', cfg.StrOpt('tftp_root', default='/tftpboot')))


def register_ironic_opts(conf: cfg.ConfigOpts) -> None:
    """Register what is read here of Ironic's own options.

    Only for processes that do not load Ironic.
    """
    for group, opt in _IRONIC_OPTS:
        with contextlib.suppress(cfg.DuplicateOptError):
            conf.register_opt(opt, group=group)


def settings_from(conf: cfg.ConfigOpts,
                  access: image_settings.Access | None = None, *,
                  glance: collections.abc.Callable[[], typing.Any] | None
                  = None, reader: str = 'the conductor'
                  ) -> image_settings.Settings:
    """Return the settings of the image services.

    :param conf: with the options of ironic_ext.conf and Ironic's own.
    :param access: by default nothing but the certificates that Ironic
        trusts.
    :param glance: as in Settings; so is ``reader``.
    """
    options = conf.ext_images
    return image_settings.Settings(
        reader=reader,
        access=access or image_settings.Access(verify=verify_from(conf)),
        connect_timeout=options.connection_timeout,
        stall_timeout=options.stall_timeout,
        retries=options.retries, retry_interval=options.retry_interval,
        min_rate=options.min_rate * 1024, rate_window=options.rate_window,
        connections=options.connections,
        allowed_paths=tuple(conf.conductor.file_url_allowed_paths),
        wall=walls.wall_of(conf),
        allow_md5=options.allow_md5, glance=glance)


def with_catalog(conf: cfg.ConfigOpts, settings: image_settings.Settings
                 ) -> image_settings.Settings:
    """Return settings for images that only the operator chooses.

    file:// leads to the ISOs of the catalog then, wherever they are.
    """
    return dataclasses.replace(
        settings, wall=walls.wall_of(conf, catalog=True), allowed_paths=(
            *settings.allowed_paths, conf.ext_catalog.iso_dir),
        paths_option=f'{settings.paths_option}, or, for an ISO of the '
        'catalog, set [ext_catalog]iso_dir on this host as the boot server '
        'has it',
        missing_hint='; an ISO that was uploaded is on the host of the boot '
        'server that took it, unless [ext_catalog]iso_dir is a directory '
        'that all hosts share')


def verify_from(conf: cfg.ConfigOpts) -> bool | str:
    """Return how Ironic verifies web servers: as in Access."""
    value: str = conf.webserver_verify_ca
    try:
        return bool(strutils.bool_from_string(value, strict=True))
    except ValueError:
        return value


def store_from(conf: cfg.ConfigOpts, settings: image_settings.Settings,
               root: str | None = None, **options: typing.Any
               ) -> store.ImageStore:
    """Return the image store of this host.

    :param root: its directory, if not that of the configuration.
    :param options: others of ImageStore.
    """
    group = conf.ext_images
    return store.ImageStore(
        root or group.cache_dir, settings,
        max_size=group.cache_size * _MIB,
        project_share=_share(group), max_age=group.cache_max_age,
        min_free=group.min_free_space * _MIB,
        max_image_size=group.max_image_size * _MIB,
        lock_timeout=group.lock_timeout, **options)


def _share(group: typing.Any) -> int | None:
    if group.project_share == 100:
        return None
    return int(group.cache_size * _MIB * group.project_share // 100) or None
