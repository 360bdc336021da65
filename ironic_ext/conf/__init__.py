# SPDX-License-Identifier: Apache-2.0

"""Options of the suite in ironic.conf, one module for each group.

Ironic itself looks into a group named after the hardware type for
``verify_ca``.
"""

from oslo_config import cfg

from ironic_ext.conf import boot
from ironic_ext.conf import bootc
from ironic_ext.conf import catalog
from ironic_ext.conf import data_image
from ironic_ext.conf import images
from ironic_ext.conf import ironic
from ironic_ext.conf import media
from ironic_ext.conf import san
from ironic_ext.conf import server
from ironic_ext.conf import state

# Ironic's get_verify_ca() fails for a type that has no such group.
_VERIFY_CA_OPTS = [
    cfg.StrOpt('verify_ca',
               default='${redfish.verify_ca}',
               help='Path of the CA certificates to verify the BMC by where '
                    'redfish_verify_ca in driver_info is missing or True. '
                    'As a rule the one of [redfish].'),
]

_ALL = (
    (state.GROUP, state.OPTS),
    (images.GROUP, images.OPTS),
    (boot.GROUP, boot.OPTS),
    (bootc.GROUP, bootc.OPTS),
    (media.GROUP, media.OPTS),
    (data_image.GROUP, data_image.OPTS),
    (catalog.GROUP, catalog.OPTS),
    (server.GROUP, server.OPTS),
    (san.GROUP, san.OPTS),
    (cfg.OptGroup('redfish-ext', title='Hardware type redfish-ext'),
     _VERIFY_CA_OPTS),
    (cfg.OptGroup('idrac-ext', title='Hardware type idrac-ext'),
     _VERIFY_CA_OPTS),
)


def register_opts(conf: cfg.ConfigOpts) -> None:
    """Register the options of the suite in ``conf``."""
    for group, opts in _ALL:
        conf.register_group(group)
        conf.register_opts(opts, group=group)


def list_opts() -> list[tuple[cfg.OptGroup, list[cfg.Opt]]]:
    """Return the options by group, for ``oslo-config-generator``."""
    return [*((group, list(opts)) for group, opts in _ALL),
            (ironic.GROUP, ironic.options())]
