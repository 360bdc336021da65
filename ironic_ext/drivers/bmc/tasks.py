# SPDX-License-Identifier: Apache-2.0

"""What became of a request that a BMC works on in the background.

DSP0266, section 12.2: the request is answered with 202, and a Task ends with
success or with messages that say why not. sushy does not hand out the answer,
so the tasks that have begun since are looked at.
"""

import typing

from oslo_log import log
import sushy

LOG = log.getLogger(__name__)

_FAILED = frozenset((
    sushy.TASK_STATE_EXCEPTION, sushy.TASK_STATE_KILLED,
    sushy.TASK_STATE_CANCELLED))
#: A BMC that begins more tasks than that is not asked about all of them.
_MAX_TASKS = 8


class Watch:
    """The tasks that begin after it was made.

    :param slot: virtual media resource that something is asked of.
    """

    def __init__(self, slot: typing.Any) -> None:
        self._slot = slot
        self._tasks = None
        self._before: frozenset[str] = frozenset()
        try:
            self._tasks = slot.root.get_task_service().tasks
            self._before = frozenset(self._tasks.members_identities)
        except (AttributeError, sushy.exceptions.SushyError) as exc:
            # Many have no tasks, some show them to administrators alone.
            LOG.debug('The tasks of the BMC of slot %(slot)s are not known: '
                      '%(error)s', {'slot': slot.identity, 'error': exc})

    def failure(self) -> str | None:
        """Return what the BMC says of a task that failed.

        :returns: None as long as none did.
        """
        if self._tasks is None:
            return None
        try:
            self._tasks.refresh(force=True)
            new = [identity for identity in self._tasks.members_identities
                   if identity not in self._before]
            for identity in new[-_MAX_TASKS:]:
                task = self._tasks.get_member(identity)
                if task.task_state in _FAILED and self._is_ours(task):
                    return _said(task)
        except (AttributeError, sushy.exceptions.SushyError) as exc:
            LOG.debug('The tasks of the BMC of slot %(slot)s cannot be read '
                      'now: %(error)s',
                      {'slot': self._slot.identity, 'error': exc})
        return None

    def _is_ours(self, task: typing.Any) -> bool:
        """Tell whether a task is about the slot, as far as it says so."""
        payload = (task.json or {}).get('Payload')
        target = payload.get('TargetUri') if isinstance(payload, dict) else ''
        return not target or str(target).startswith(self._slot.path)


def _said(task: typing.Any) -> str:
    said = [str(message.message or message.message_id)
            for message in task.messages or ()
            if message.message or message.message_id]
    return ' '.join(said) or f'its task ended as {task.task_state.value}'
