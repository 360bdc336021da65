# SPDX-License-Identifier: Apache-2.0

"""Base images as the conductor is configured to get them.

How far a download is stands on the node that waits for it, and in Ironic's
metrics.
"""

import collections.abc
import dataclasses
import datetime
import time
import typing

from ironic.common import metrics_utils
from ironic.conf import CONF
from ironic import objects
from oslo_log import log

from ironic_ext.drivers.images import configured as ironic_images
from ironic_ext import images
from ironic_ext.images import configured

LOG = log.getLogger(__name__)
METRICS = metrics_utils.get_metrics_logger(__name__)

#: In driver_internal_info, while an image is being downloaded for a node.
PROGRESS_KEY = 'ext_image_progress'
_WRITE_SECONDS = 5.0
# Of the 60 s after which the API gives the conductor up (rpc_response_timeout)
# enough is left for the BMC.
_API_SECONDS = 10.0

Reach = ironic_images.Reach
ServiceFor = collections.abc.Callable[[str], images.ImageService]


def store(task: typing.Any, access: images.Access | None = None,
          service_for: ServiceFor | None = None, *,
          user_access: bool = True, patient: bool = True,
          reach: Reach = Reach.IMAGE) -> images.ImageStore:
    """Return the conductor's store of base images, as a node may use it.

    :param task: of the node; its progress is shown there.
    :param access: instead of the node's own.
    :param service_for: as in ImageStore.
    :param user_access: whether credentials in instance_info count: not for
        an image that only the operator chooses.
    :param patient: False where somebody waits for an API answer: a server
        that fails is not tried again, one that is slow is given up.
    :param reach: whose choice the href is.
    :raises: ImageAccessError when the node's credentials make no sense.
    """
    settings = ironic_images.settings_for(task.node, task.context,
                                          user_access=user_access,
                                          reach=reach)
    if access is not None:
        # The operator's credentials are not for such an image.
        settings = dataclasses.replace(
            settings, access=access, default_access=lambda href: None)
    if not patient:
        settings = dataclasses.replace(
            settings, retries=0,
            connect_timeout=min(settings.connect_timeout, _API_SECONDS),
            stall_timeout=min(settings.stall_timeout, _API_SECONDS))
    return configured.store_from(CONF, settings, service_for=service_for,
                                 observer=ProgressOnNode(task))


class ProgressOnNode:
    """An observer that writes to driver_internal_info, and to metrics.

    A task without the node's lock writes nothing to the node.

    :param clock: seconds, monotonic.
    """

    def __init__(self, task: typing.Any, *,
                 clock: collections.abc.Callable[[], float] = time.monotonic
                 ) -> None:
        self._task = task
        self._clock = clock
        self._began_at: float | None = None
        self._since = ''
        self._write_at = 0.0
        self._written = False

    def __call__(self, progress: images.Progress) -> None:
        """Note how far a download is."""
        now = self._clock()
        if progress.phase in ('done', 'failed'):
            self._end(progress, now)
            return
        if self._began_at is None:
            self._began_at = self._write_at = now
            self._since = datetime.datetime.now(datetime.UTC).isoformat(
                timespec='seconds')
        METRICS.send_gauge('rate', progress.rate)
        if now >= self._write_at:
            self._write_at = now + _WRITE_SECONDS
            self._save({'image': progress.href, 'phase': progress.phase,
                        'received': progress.received,
                        'size': progress.size, 'percent': progress.percent,
                        'rate': round(progress.rate), 'since': self._since})

    def _end(self, progress: images.Progress, now: float) -> None:
        failed = progress.phase == 'failed'
        if failed:
            METRICS.send_counter('failed', 1)
        elif self._began_at is None:
            METRICS.send_counter('hit', 1)
        else:
            METRICS.send_counter('downloaded', 1)
            METRICS.send_counter('bytes', progress.received)
            METRICS.send_timer('download', (now - self._began_at) * 1000)
        # Also what a conductor that died has left.
        if self._written or (PROGRESS_KEY in
                             self._task.node.driver_internal_info):
            self._save(None)
        self._began_at = None

    def _save(self, facts: dict[str, typing.Any] | None) -> None:
        if self._task.shared:
            return
        try:
            # Another object than the task's own, whose changes must not be
            # saved before their time.
            node = objects.Node.get_by_id(self._task.context,
                                          self._task.node.id)
            if facts is None:
                node.del_driver_internal_info(PROGRESS_KEY)
                self._task.node.del_driver_internal_info(PROGRESS_KEY)
            else:
                node.set_driver_internal_info(PROGRESS_KEY, facts)
            node.save()
            self._written = facts is not None
        except Exception as exc:
            # A download is not to fail for that.
            LOG.warning('Cannot write the progress of a download to node '
                        '%(node)s: %(error)s',
                        {'node': self._task.node.uuid, 'error': exc})
