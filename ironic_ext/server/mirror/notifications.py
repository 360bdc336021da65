# SPDX-License-Identifier: Apache-2.0

"""Listens to Ironic's notifications, by oslo.messaging.

They are hints at what to look at: nothing that they say of a node is taken
from them. Who has no topics to listen to needs none of this, nor
oslo.messaging.
"""

import contextlib
import logging
import threading
import time
import typing
import uuid

from oslo_config import cfg
import oslo_messaging as messaging

from ironic_ext.server.mirror import follower
from ironic_ext.server.mirror import hints

LOG = logging.getLogger(__name__)

#: As Ironic has it, unless ironic.conf says otherwise.
_EXCHANGE = 'ironic'
#: Messages in memory before they are looked at.
_PREFETCHED = 16
#: baremetal.OBJECT.ACTION.STATUS, and the longest that is looked at.
_PARTS = 4
_LONGEST = 255
#: What oslo.messaging says while its server is away, and of messages that
#: nobody understands, it says once in so many seconds.
_QUIET = 600.0
_LOGS = ('oslo.messaging._drivers.impl_rabbit',
         'oslo_messaging.notify.dispatcher', 'oslo_messaging.notify.listener')
#: Kinds of messages that are told apart.
_KINDS = 100
#: Seconds that the end of a connection may take: with its server away there
#: is none.
_PATIENCE = 1.0


def read(event_type: typing.Any, payload: typing.Any
         ) -> tuple[str, hints.What] | None:
    """Return the UUID of the node that a notification is about, and what.

    :returns: None for what says nothing of a node that has changed, or
        cannot be understood.
    """
    if not isinstance(event_type, str) or len(event_type) > _LONGEST:
        return None
    parts = event_type.split('.')
    if len(parts) != _PARTS or parts[0] != 'baremetal' or parts[1] not in (
            'node', 'port'):
        return None
    _baremetal, kind, action, status = parts
    # Nothing has changed yet, but for a state that begins.
    if status == 'start' and action != 'provision_set':
        return None
    data = (payload.get('ironic_object.data')
            if isinstance(payload, dict) else None)
    name = data.get('uuid' if kind == 'node' else 'node_uuid') if isinstance(
        data, dict) else None
    try:
        if not isinstance(name, str) or str(uuid.UUID(name)) != name:
            return None
    except ValueError:
        return None
    what = hints.What.PORTS if kind == 'port' else hints.What.NODE
    return name, what | (
        hints.What.GONE if action == 'delete' else hints.What.NODE)


class Endpoint:
    """What oslo.messaging calls with each notification, by its priority."""

    def __init__(self, heard: hints.Hints) -> None:
        self._heard = heard

    def info(self, _context: typing.Any, _publisher: typing.Any,
             event_type: typing.Any, payload: typing.Any,
             _metadata: typing.Any) -> None:
        """Note the node that it is about."""
        found = read(event_type, payload)
        if found is not None:
            self._heard.add(*found)

    #: Notifications of what failed: a node has changed then, too.
    warn = error = info


class Listener(follower.Follower):
    """Listens in threads of its own, and again after each interruption."""

    def __init__(self, server: typing.Any, topics: list[str]) -> None:
        """Take a listener of oslo.messaging that has not been started."""
        super().__init__('notifications')
        self._server = server
        self._topics = topics

    def run(self) -> None:
        """Listen until it is time to go."""
        try:
            # It returns when the server is there.
            self._server.start(override_pool_size=1)
            LOG.info('Ironic\'s notifications are listened to: %s',
                     ', '.join(self._topics))
            self.ending.wait()
            self._server.stop()
            self._server.wait()
        except Exception:
            LOG.exception('Ironic\'s notifications are not heard: what '
                          'changes is found every '
                          '[ext_server]poll_interval seconds')

    def stop(self) -> None:
        """Listen no more, in a moment."""
        self.ending.set()
        if self._thread.is_alive():
            self._thread.join(_PATIENCE)


class Sparse(logging.Filter):
    """Lets each kind of message through once in a while.

    :param seconds: that the same one is kept back then.
    """

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self._seconds = seconds
        self._said: dict[str, float] = {}
        self._lock = threading.Lock()

    def filter(self, record: logging.LogRecord) -> bool:
        """Tell whether it is to be logged."""
        if record.levelno < logging.WARNING:
            return True
        # Not the text with its values: those are seconds and ports.
        kind, now = str(record.msg), time.monotonic()
        with self._lock:
            if now - self._said.get(kind, -self._seconds) < self._seconds:
                return False
            if len(self._said) >= _KINDS:
                self._said.clear()
            self._said[kind] = now
        return True


def transport(conf: cfg.ConfigOpts) -> typing.Any:
    """Return the way that messages of Ironic come.

    It is said as Ironic has it: [DEFAULT]transport_url, or
    [oslo_messaging_notifications]transport_url.

    :raises: ValueError
    """
    # The same files, read anew: the suite has a look at some options of
    # oslo.messaging itself, as other ones.
    own = cfg.ConfigOpts()
    own([], default_config_files=list(conf.config_file),
        default_config_dirs=list(conf.config_dir))
    messaging.set_transport_defaults(_EXCHANGE)
    try:
        found = messaging.get_notification_transport(own)
    except (messaging.MessagingException, ValueError) as exc:
        # Its text may have the URL, and so the password.
        raise ValueError(
            '[ext_server]notification_topics is set, and notifications '
            'cannot be listened to: look at [DEFAULT]transport_url and '
            '[oslo_messaging_notifications]transport_url '
            f'({type(exc).__name__})') from None
    with contextlib.suppress(cfg.NoSuchOptError, cfg.NoSuchGroupError):
        own.set_default('rabbit_qos_prefetch_count', _PREFETCHED,
                        'oslo_messaging_rabbit')
    return found


def connect(conf: cfg.ConfigOpts, heard: hints.Hints) -> Listener:
    """Return what listens to [ext_server]notification_topics.

    :raises: ValueError
    """
    topics = list(conf.ext_server.notification_topics)
    server = messaging.get_notification_listener(
        transport(conf), [messaging.Target(topic=topic) for topic in topics],
        [Endpoint(heard)], executor='threading',
        pool=conf.ext_server.notification_pool or None)
    for log in map(logging.getLogger, _LOGS):
        if not any(isinstance(each, Sparse) for each in log.filters):
            log.addFilter(Sparse(_QUIET))
    return Listener(server, topics)
