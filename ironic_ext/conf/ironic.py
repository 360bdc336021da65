# SPDX-License-Identifier: Apache-2.0

"""Options of ``[ext_ironic]``: the boot server's login to Ironic.

They are keystoneauth's, which is loaded by who lists them: the conductor
reads none of them.
"""

import copy

from oslo_config import cfg

GROUP = cfg.OptGroup('ext_ironic',
                     title='The login of the boot server to Ironic')

#: Values of auth_type whose options are listed. keystoneauth has others.
_TYPES = ('password', 'v3applicationcredential', 'http_basic', 'none')
SERVICE_TYPE = 'baremetal'


def options() -> list[cfg.Opt]:
    """Return the options, one of a name."""
    from keystoneauth1 import loading
    found: dict[str, cfg.Opt] = {}
    for option in (
            *loading.get_auth_common_conf_options(),
            *loading.get_session_conf_options(),
            *loading.get_adapter_conf_options(include_deprecated=False),
            *(option for name in _TYPES
              for option in loading.get_auth_plugin_conf_options(name))):
        found.setdefault(option.dest, copy.copy(option))
    found['service_type'].default = SERVICE_TYPE
    return list(found.values())
