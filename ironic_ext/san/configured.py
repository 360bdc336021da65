# SPDX-License-Identifier: Apache-2.0

"""Settings of targets as [ext_san] of ironic.conf has them."""

import ipaddress
import shlex

from oslo_config import cfg

from ironic_ext.san import contract
from ironic_ext.san import errors
from ironic_ext.san import location
from ironic_ext.san import settings as san_settings

_MIB = 1 << 20


def settings_from(conf: cfg.ConfigOpts) -> san_settings.Settings:
    """Return the settings.

    :param conf: with the options of ironic_ext.conf.
    :raises: SanError naming the option that makes no sense.
    """
    san = conf.ext_san
    return san_settings.Settings(
        root=san.export_dir,
        portal=location.Portal.parse(san.portal) if san.portal else None,
        portals=tuple(_by_network(text) for text in san.portals),
        iqn_prefix=san.iqn_prefix, chap=san.chap,
        networks=tuple(_network(text, 'allowed_networks')
                       for text in san.allowed_networks),
        min_free=san.min_free_space * _MIB,
        root_helper=tuple(shlex.split(san.root_helper)),
        control_port=san.tgt_control_port, timeout=float(san.timeout))


def targets_from(conf: cfg.ConfigOpts, name: str | None = None
                 ) -> contract.Targets:
    """Return the site's targets.

    :param name: of a back end other than the site's.
    :raises: SanError
    """
    return contract.open_targets(name or conf.ext_san.targets,
                                 settings_from(conf))


def _by_network(text: str) -> tuple[san_settings.Network, location.Portal]:
    network, equals, portal = text.partition('=')
    if not equals:
        raise errors.SanError(
            f'[ext_san]portals: "{text}" is not NETWORK=PORTAL')
    return _network(network, 'portals'), location.Portal.parse(portal)


def _network(text: str, option: str) -> san_settings.Network:
    try:
        return ipaddress.ip_network(text.strip(), strict=False)
    except ValueError as exc:
        raise errors.SanError(
            f'[ext_san]{option}: {exc}') from exc
