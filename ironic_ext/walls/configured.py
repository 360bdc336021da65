# SPDX-License-Identifier: Apache-2.0

"""The walls as a configuration has them.

Whatever a setting names as a file or directory is no image: keys, databases,
policies, caches, what is published. So a setting that a later release adds
is behind the wall, too, and none has to be listed.
"""

import collections.abc
import ipaddress
import os
import typing
from urllib import parse as urlparse

from oslo_config import cfg
import sqlalchemy
from sqlalchemy import exc as sql_errors

from ironic_ext.conf import state
from ironic_ext.walls import addresses
from ironic_ext.walls import paths

# As ironic/common/image_service.py has them, BLOCKED_FILE_URL_PATHS.
_SYSTEM = ('/dev', '/sys', '/proc', '/boot', '/run', '/etc')
_BESIDE = ('', *state.BESIDE)
# Where older releases had state; until it is moved it is there.
_OLD_STATE = tuple(f'{place.old}{end}' for place in state.PLACES
                   for end in (_BESIDE if place.is_database else ('',)))
# Directories with images, or with everything: not for the wall.
_NOT_PRIVATE = {
    ('conductor', 'file_url_allowed_paths'), ('deploy', 'http_root'),
    ('ext_images', 'owner_file_paths'), ('ext_catalog', 'iso_dir'),
    ('pxe', 'images_path'), ('', 'state_path'), ('', 'pybasedir'),
    ('', 'bindir'), ('', 'tempdir')}
# State of the suite: no allowed path opens it.
_STATE = (('ext_state', 'dir'), ('ext_images', 'cache_dir'),
          ('ext_media', 'overlay_dir'), ('ext_san', 'export_dir'),
          ('ext_catalog', 'iso_dir'))
# What Ironic has below http_root beside directories of nodes.
_PUBLISHED = ('redfish', 'ilo', 'irmc', 'idrac', 'boot_iso', 'pxelinux.cfg',
              'grub', 'grub.cfg', 'boot.ipxe', 'master_images',
              'ext-sanboot')
_PUBLISHED_BY = (('deploy', 'http_image_subdir'), ('pxe', 'pxe_config_subdir'),
                 ('ext_boot', 'publish_subdir'))
_DATABASES = ('connection', 'slave_connection')
_PORTS = {'mysql': 3306, 'mariadb': 3306, 'postgresql': 5432,
          'rabbit': 5672, 'amqp': 5672, 'kafka': 9092}
_LISTENERS = (('api', 'host_ip', 'port'), ('ext_server', 'host_ip', 'port'),
              ('ext_server', 'metrics_host_ip', 'metrics_port'),
              ('ext_media', 'metrics_host_ip', 'metrics_port'))
_RPC = ('json_rpc', 'ironic_networking_json_rpc')
_MEMCACHED = (('cache', 'memcache_servers'),
              ('keystone_authtoken', 'memcached_servers'))

Setting = tuple[str, str, typing.Any]


def wall_of(conf: typing.Any, *, catalog: bool = False) -> paths.Wall:
    """Return the wall around this host's files.

    :param conf: oslo.config's, with any options.
    :param catalog: whether the ISOs of the catalog are open.
    """
    closed = [*_SYSTEM, *_OLD_STATE]
    guarded = []
    for group, name, value in _settings(conf):
        if name in _DATABASES:
            path = _sqlite(value)
            closed += [f'{path}{end}' for end in _BESIDE] if path else []
        elif (group, name) in _STATE:
            closed.append(value)
        elif (group, name) in _NOT_PRIVATE:
            continue
        elif name == 'config_file':
            closed.append(value)
            guarded.append(os.path.dirname(value))
        elif os.path.isabs(value):
            # What is no directory (yet) is the name of a file.
            (guarded if os.path.isdir(value) else closed).append(value)
    published = {*_PUBLISHED}
    published.update(filter(None, (_value(conf, group, name)
                                   for group, name in _PUBLISHED_BY)))
    iso_dir = _value(conf, 'ext_catalog', 'iso_dir')
    return paths.Wall(
        _real(closed), _real(guarded),
        _real(filter(None, (_value(conf, 'deploy', 'http_root'),
                            _value(conf, 'pxe', 'images_path')))),
        frozenset(published),
        _real([iso_dir]) if catalog and iso_dir else ())


def certificate_wall_of(conf: typing.Any) -> paths.Wall:
    """Return the wall around files that are no certificates.

    Whoever reads them takes certificates alone, which are public, so that
    it is enough to keep away from devices and from the suite's state.
    """
    closed = ['/dev', '/sys', '/proc', *_OLD_STATE]
    for group, name, value in _settings(conf):
        if name in _DATABASES:
            path = _sqlite(value)
            closed += [f'{path}{end}' for end in _BESIDE] if path else []
        elif (group, name) in _STATE:
            closed.append(value)
    return paths.Wall(_real(closed))


def fence_of(conf: typing.Any, *, strict: bool) -> addresses.Fence:
    """Return the fence around what this host reaches.

    :param strict: whether owners are others than the operator: loopback
        and the networks of the configuration are closed then.
    """
    group = conf.ext_images
    return addresses.Fence(
        loopback=not strict,
        denied=_networks(group.denied_networks) if strict else (),
        allowed=_networks(group.allowed_networks),
        services=frozenset(_services(conf)))


def _settings(conf: typing.Any) -> collections.abc.Iterator[Setting]:
    """Yield group, name and value of every text in a configuration."""
    def texts(group: str, name: str, value: typing.Any
              ) -> collections.abc.Iterator[Setting]:
        for text in value if isinstance(value, (list, tuple)) else [value]:
            if isinstance(text, str) and text:
                yield group, name, text

    for name in conf:
        value = conf[name]
        if isinstance(value, collections.abc.Mapping) and not isinstance(
                value, dict):
            for inner in value:
                try:
                    yield from texts(name, inner, value[inner])
                except cfg.Error:
                    # It stands for an option that this process has not.
                    continue
        else:
            yield from texts('', name, value)


def _value(conf: typing.Any, group: str, name: str) -> typing.Any:
    found = conf if not group else conf[group] if group in conf else {}
    return found[name] if name in found else None


def _sqlite(url: str) -> str | None:
    try:
        found = sqlalchemy.make_url(url)
    except sql_errors.ArgumentError:
        return None
    path = found.database or ''
    if not found.drivername.startswith('sqlite') or not path:
        return None
    # SQLite's own URIs: "file:/path?mode=ro".
    path = path.removeprefix('file:').partition('?')[0]
    return path if os.path.isabs(path) else None


def _real(names: collections.abc.Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(os.path.realpath(name) for name in names))


def _networks(texts: collections.abc.Iterable[str]
              ) -> tuple[addresses.Network, ...]:
    try:
        return tuple(ipaddress.ip_network(text, strict=False)
                     for text in texts)
    except ValueError as exc:
        raise cfg.ConfigFileValueError(
            f'a network of [ext_images] is none: {exc}') from exc


def _services(conf: typing.Any
              ) -> collections.abc.Iterator[tuple[str, int]]:
    """Yield host and port of what obeys whoever reaches it."""
    listeners = list(_LISTENERS)
    if _value(conf, '', 'rpc_transport') == 'json-rpc':
        listeners += [(group, 'host_ip', 'port') for group in _RPC]
    for group, host, port in listeners:
        if _value(conf, group, port):
            yield (_value(conf, group, host) or '0.0.0.0',
                   int(_value(conf, group, port)))
    for group, name, value in _settings(conf):
        if name in (*_DATABASES, 'transport_url') and '://' in value:
            yield from _of_url(value)
        elif (group, name) in _MEMCACHED:
            yield from _of_url(f'memcached://{value}', 11211)


def _of_url(url: str, default: int = 0
            ) -> collections.abc.Iterator[tuple[str, int]]:
    """Yield the servers of a URL that may name several."""
    scheme, _colons, rest = url.partition('://')
    port = _PORTS.get(scheme.partition('+')[0], default)
    for part in rest.partition('/')[0].split(','):
        try:
            found = urlparse.urlsplit(f'//{part}')
            if found.hostname and (found.port or port):
                yield found.hostname, found.port or port
        except ValueError:
            continue
