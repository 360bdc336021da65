# SPDX-License-Identifier: Apache-2.0

"""``ironic-media-server``: serves customised images without making them.

Reads ironic.conf ([ext_media] and [ext_images]) as the conductor does, and
needs nothing but the database and the image store of its host.
"""

import collections.abc
import contextlib
import dataclasses
import functools
import logging
import os
import sys

from oslo_config import cfg
from oslo_log import log

from ironic_ext.cli import version
from ironic_ext import conf as options
from ironic_ext.conf import state
from ironic_ext.images import configured
from ironic_ext.images import registry
from ironic_ext.images import settings as image_settings
from ironic_ext.media import bases
from ironic_ext.media import housekeeping
from ironic_ext.media import records
from ironic_ext.media import replica
from ironic_ext.media.stream import contract
from ironic_ext.media.stream import server
from ironic_ext.media.stream import settings as server_settings
from ironic_ext import walls

PROG = 'ironic-media-server'

LOG = logging.getLogger(__name__)

#: Seconds to wait for a byte of a base that is elsewhere.
_HASTE = 20

_CLI_OPTS = [
    cfg.BoolOpt('upgrade',
                default=False,
                help='Make or change the tables in [ext_media]connection to '
                     'what this version needs, and end. SQLite does not '
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
    conf.register_cli_opts(_CLI_OPTS)
    log.register_options(conf)
    conf(arguments, project='ironic', prog=PROG, version=version.text(),
         description='Serve customised ISO images to BMCs, straight from '
                     'their base images.')
    log.setup(conf, PROG)
    # Of its steps at each start only the failures are of interest.
    logging.getLogger('alembic').setLevel(logging.WARNING)
    return conf


def settings_from(conf: cfg.ConfigOpts) -> server_settings.ServerSettings:
    """Return what [ext_media] says of the server.

    :raises: ValueError
    """
    group = conf.ext_media
    tls = None
    if group.use_ssl:
        if not group.cert_file:
            raise ValueError('[ext_media]use_ssl needs [ext_media]cert_file '
                             'and, unless it is in there, key_file')
        tls = server_settings.TlsSettings(
            group.cert_file, group.key_file, ciphers=group.tls_ciphers,
            minimum_version='TLSv'
            + group.tls_minimum_version.replace('.', '_'))
    return server_settings.ServerSettings(
        host=group.host_ip, port=group.port, workers=group.workers or 0,
        tls=tls, metrics_host=group.metrics_host_ip,
        metrics_port=group.metrics_port or None,
        max_connections=group.max_connections,
        max_client_connections=group.max_client_connections,
        send_timeout=group.send_timeout, min_rate=group.min_rate,
        stop_timeout=group.stop_timeout)


def connect(conf: cfg.ConfigOpts
            ) -> tuple[contract.Media, contract.Bases]:
    """Open the database and the image store, in each process.

    :raises: RecordsError, OSError
    """
    known = records.MediaRecords(conf.ext_media.connection)
    overlays = replica.Overlays(conf.ext_media.overlay_dir, known)
    settings = configured.settings_from(conf, reader='the media server')
    operators = _way(conf, configured.with_catalog(conf, settings),
                     strict=False)
    store = configured.store_from(conf, settings)
    housekeeping.sweep_now_and_then(
        lambda: housekeeping.sweep(store, known, overlays),
        os.path.join(conf.ext_media.overlay_dir, 'sweep.lock'))
    return (replica.ReplicaMedia(known, overlays),
            bases.StoreBases(known.sources, operators,
                             _way(conf, settings, strict=True)))


def _way(conf: cfg.ConfigOpts, settings: image_settings.Settings, *,
         strict: bool) -> bases.Way:
    """Return how far this host goes.

    Conductors judged what the records name; a name may have another address
    by now.

    :param strict: for what an owner of nodes has chosen.
    """
    settings = dataclasses.replace(
        settings, fence=walls.fence_of(conf, strict=strict))
    # A reader waits for what is read from a source, the store's download
    # goes on beside it.
    hasty = dataclasses.replace(
        settings, retries=min(settings.retries, 1),
        stall_timeout=min(settings.stall_timeout, _HASTE))
    return bases.Way(
        configured.store_from(conf, settings),
        functools.partial(registry.service_for, settings=hasty))


def main(arguments: collections.abc.Sequence[str] | None = None) -> int:
    """Serve until SIGTERM; return the exit code."""
    try:
        conf = load(arguments)
        state.settle(conf)
        with contextlib.closing(records.MediaRecords(
                conf.ext_media.connection)) as known:
            if conf.upgrade:
                known.upgrade()
                return 0
            # What is wrong is to be told here, not by each worker in turn.
            known.live(['0' * 32])
            replica.Overlays(conf.ext_media.overlay_dir, known)
        server.run(settings_from(conf), functools.partial(connect, conf))
    except (cfg.Error, records.RecordsError, OSError, ValueError) as exc:
        print(f'{PROG}: {exc}', file=sys.stderr)
        return 1
    return 0
