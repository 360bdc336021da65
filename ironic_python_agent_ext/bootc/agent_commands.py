# SPDX-License-Identifier: Apache-2.0

"""The agent's own record of the command that runs: progress in, secrets out.

ironic-python-agent 11 to 13 keeps a command's arguments, prints them to its
log, and gives a deploy step back with its result.
"""

import collections.abc
import logging
import threading
import typing

from ironic_python_agent import errors as agent_errors
from ironic_python_agent.extensions import base

from ironic_ext.bootc import errors
from ironic_python_agent_ext.bootc import progress

#: Arguments of the steps that nobody is shown.
SECRETS = frozenset((
    'auth', 'configdrive', 'image_pull_secret', 'oci_pull_secret', 'proxy',
    'pull_secret', 'sealed'))
MASK = '***'

# Loggers that print arguments: of all commands, and of deploy steps.
_LOGGERS = ('ironic_python_agent.extensions.base',
            'ironic_python_agent.extensions.deploy',
            'ironic_python_agent.extensions.service')


def masked(value: typing.Any) -> typing.Any:
    """Return a copy without what is secret in it, at any depth."""
    if isinstance(value, collections.abc.Mapping):
        return {key: MASK if key in SECRETS and item else masked(item)
                for key, item in value.items()}
    if isinstance(value, tuple):
        return tuple(masked(item) for item in value)
    if isinstance(value, list):
        return [masked(item) for item in value]
    return value


def _wipe(value: typing.Any) -> None:
    """Overwrite what is secret, at any depth, where it stands."""
    if isinstance(value, dict):
        for key, item in value.items():
            if key in SECRETS and item:
                value[key] = MASK
            else:
                _wipe(item)
    elif isinstance(value, list):
        for item in value:
            _wipe(item)


class _Filter(logging.Filter):
    """Masks arguments of log records."""

    def filter(self, record: logging.LogRecord) -> bool:
        if isinstance(record.args, (collections.abc.Mapping, tuple)):
            record.args = masked(record.args)
        return True


def mask_logs() -> None:
    """Have the agent's loggers print no secret from now on."""
    for name in _LOGGERS:
        logger = logging.getLogger(name)
        if not any(isinstance(found, _Filter) for found in logger.filters):
            logger.addFilter(_Filter())


class RunningCommand:
    """The agent's record of the command that this thread works on."""

    def __init__(self, agent: typing.Any) -> None:
        """Look for the record.

        :param agent: an ExecuteCommandMixin; None outside an agent.
        """
        self._agent = agent
        self._record: typing.Any = None
        if agent is None:
            return
        # The lock is held until the record is where it is looked for.
        with agent.command_lock:
            records = [*agent.command_results.values()]
        if records and isinstance(records[-1], base.AsyncCommandResult):
            self._record = records[-1]

    def hide_secrets(self) -> None:
        """Take secrets out of the record, and so out of its result."""
        if self._record is not None:
            parameters = self._record.command_params
            with self._record.command_state_lock:
                # The node is the agent's own, and in no result.
                _wipe(parameters.get('step'))
                for name in SECRETS & parameters.keys():
                    parameters[name] = MASK

    def show(self, moment: progress.Progress) -> None:
        """Put a moment where the command's status is asked for."""
        record = self._record
        if record is None:
            return
        with record.command_state_lock:
            if record.command_status == base.AgentCommandStatus.RUNNING:
                record.command_result = {'progress': moment.to_dict()}

    def call_attention(self) -> None:
        """Have the conductor look at the command soon."""
        # A stand-alone agent has nobody to tell.
        if getattr(self._agent, 'heartbeater', None) is not None:
            self._agent.force_heartbeat()


class Reporter:
    """Tells log, status and conductor of an install's moments."""

    #: Seconds between two lines of the log in one phase.
    EVERY = 15.0

    def __init__(self, command: RunningCommand,
                 log: collections.abc.Callable[[str, dict[str, str]], None]
                 ) -> None:
        self._command = command
        self._log = log
        self._lock = threading.Lock()
        self._phase: str | None = None
        self._logged = 0.0

    def __call__(self, moment: progress.Progress) -> None:
        self._command.show(moment)
        with self._lock:
            new = moment.phase != self._phase
            if not new and moment.elapsed - self._logged < self.EVERY:
                return
            self._phase, self._logged = moment.phase, moment.elapsed
        self._log('bootc install: %(moment)s', {'moment': str(moment)})
        if new:
            self._command.call_attention()


class InstallFailed(agent_errors.RESTError):
    """What the conductor is told of a failure: one sentence."""

    message = 'The bootable container was not deployed'

    def __init__(self, cause: errors.BootcError) -> None:
        super().__init__(str(cause))
        # So that a caller knows the kind without reading the sentence.
        self.type = type(cause).__name__
