# SPDX-License-Identifier: Apache-2.0

"""``ironic-boot-server``: ISOs, configs and hosts over HTTP.

Reads ironic.conf ([ext_server], [ext_ironic], [ext_catalog], [ext_images])
and needs nothing but Ironic's API.
"""

import collections.abc
import ipaddress
import logging
import signal
import sys
import threading

from oslo_config import cfg
from oslo_log import log
from oslo_policy import opts as policy_opts
from oslo_policy import policy

from ironic_ext import catalog
from ironic_ext.catalog import store
from ironic_ext.cli import version
from ironic_ext import conf as options
from ironic_ext.conf import state
from ironic_ext import host_records
from ironic_ext.images import configured
from ironic_ext.server.mirror import ironic_api
from ironic_ext.server import service

LOG = logging.getLogger(__name__)

PROG = 'ironic-boot-server'

_CLI_OPTS = [
    cfg.BoolOpt('upgrade',
                default=False,
                help='Make or change the tables in [ext_catalog]connection '
                     'to what this version needs, and end. SQLite does not '
                     'need it.'),
]


def load(arguments: collections.abc.Sequence[str] | None = None
         ) -> cfg.ConfigOpts:
    """Read the command line and the configuration files.

    :raises: SystemExit for --help and for usage errors.
    """
    conf = cfg.ConfigOpts()
    options.register_opts(conf)
    configured.register_ironic_opts(conf)
    ironic_api.register_opts(conf)
    # A policy.yaml of Ironic's next to ironic.conf has other rules.
    policy_opts.set_defaults(conf, 'ext-server-policy.yaml')
    conf.register_cli_opts(_CLI_OPTS)
    log.register_options(conf)
    conf(arguments, project='ironic', prog=PROG, version=version.text(),
         description='Serve ISOs, boot configs and hosts: to operators, and '
                     'to machines that boot.')
    log.setup(conf, PROG)
    for name in ('alembic', 'keystoneauth', 'urllib3'):
        logging.getLogger(name).setLevel(logging.WARNING)
    # With each look at Ironic it warns of a Keystone that is away, which is
    # told once as the reason why hosts are not up to date.
    logging.getLogger('keystoneauth.identity').setLevel(logging.ERROR)
    return conf


def main(arguments: collections.abc.Sequence[str] | None = None) -> int:
    """Serve until SIGTERM; return the exit code."""
    try:
        conf = load(arguments)
        state.settle(conf)
        warn_of_open_door(conf)
        if conf.upgrade:
            _upgrade(conf.ext_catalog.connection)
            return 0
        server = service.BootServer(conf)
        stopping = threading.Thread(target=server.stop, daemon=True)
        for number in (signal.SIGTERM, signal.SIGINT):
            # Not in the handler: it may interrupt who holds a lock.
            signal.signal(number, lambda *_signal: _once(stopping))
        server.run()
    except (cfg.Error, catalog.CatalogError, host_records.RecordsError,
            policy.PolicyNotAuthorized, policy.InvalidRuleDefault, OSError,
            ValueError) as exc:
        print(f'{PROG}: {exc}', file=sys.stderr)
        return 1
    return 0


def _upgrade(connection: str) -> None:
    """Make or change all tables.

    :raises: CatalogError, RecordsError
    """
    # The catalog comes last: hosts' records note whether it was there.
    host_records.HostRecords(connection).upgrade()
    store.Catalog(connection).upgrade()


def warn_of_open_door(conf: cfg.ConfigOpts) -> None:
    """Say so where everybody on the network may do everything."""
    group = conf.ext_server
    if group.auth_strategy != 'noauth':
        return
    try:
        private = ipaddress.ip_address(group.host_ip).is_loopback
    except ValueError:
        private = group.host_ip == 'localhost'
    if not private:
        LOG.warning(
            '[ext_server]auth_strategy is noauth and [ext_server]host_ip is '
            '%s: whoever reaches port %s may switch machines, change what '
            'they boot, and read configs. Set http_basic or keystone, or '
            'listen on 127.0.0.1', group.host_ip, group.port)


def _once(thread: threading.Thread) -> None:
    if thread.ident is None:
        thread.start()
