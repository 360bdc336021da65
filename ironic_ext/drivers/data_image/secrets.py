# SPDX-License-Identifier: Apache-2.0

"""Keeps the secrets of data images out of what Ironic logs and shows.

Ironic masks passwords by their keys. It does not know that files can be
secret, and looks into no lists, such as those of steps: it logs their
arguments, and repeats them in last_error when a step fails.
"""

import collections.abc
import logging
import typing

from ironic_ext.images import href as hrefs

_MASK = '***'
_PASSTHRU = 'data_image'
_STEP = 'attach_data_image'
#: Of Ironic: requests of JSON RPC on level DEBUG, and steps.
LOGS = ('ironic.common.json_rpc.server', 'ironic.conductor.cleaning',
        'ironic.conductor.deployments', 'ironic.conductor.manager',
        'ironic.conductor.servicing', 'ironic.conductor.steps',
        'ironic.conductor.utils')
_FLOWS = ('clean', 'deploy', 'service')


class _Mask(logging.Filter):
    """Takes the secrets of data images out of log records' arguments."""

    def filter(self, record: logging.LogRecord) -> bool:
        if isinstance(record.args, collections.abc.Mapping):
            record.args = masked(record.args)
        elif record.args:
            record.args = tuple(masked(value) for value in record.args)
        return True


#: Keeps the secrets of data images out of a log.
MASK = _Mask()


def log_step_flow_history(stock: collections.abc.Callable[..., None],
                          *args: typing.Any, **kwargs: typing.Any) -> None:
    """Write the history of a node's steps, without secrets.

    :param stock: Ironic's, which takes all the other arguments.
    """
    stock(*(masked(value) for value in args),
          **{key: masked(value) for key, value in kwargs.items()})


def masked(value: typing.Any) -> typing.Any:
    """Return a value with every data image in it masked."""
    if isinstance(value, list):
        return [masked(item) for item in value]
    if not isinstance(value, collections.abc.Mapping):
        return value
    return {key: (_masked_spec(item) if _is_spec(value, key)
                  else masked(item)) for key, item in value.items()}


def _is_spec(parent: collections.abc.Mapping[str, typing.Any],
             key: object) -> bool:
    return (key == 'info' and parent.get('driver_method') == _PASSTHRU
            or key == 'args' and parent.get('step') == _STEP)


def _masked_spec(spec: typing.Any) -> typing.Any:
    if not isinstance(spec, collections.abc.Mapping):
        return spec
    shown = dict(spec)
    for key in ('url', 'checksum'):
        if isinstance(shown.get(key), str) and '://' in shown[key]:
            shown[key] = hrefs.redacted(shown[key])
    if shown.get('password') is not None:
        shown['password'] = _MASK
    files = shown.get('files')
    if isinstance(files, collections.abc.Mapping):
        shown['files'] = {path: _MASK for path in files}
    elif files is not None:
        shown['files'] = _MASK
    return shown


def forget_step(node: typing.Any) -> None:
    """Mask the arguments of the step that a node is at.

    Its node shows them, and Ironic puts them into last_error if it fails.
    The node is saved if there is something to mask.
    """
    changed = False
    for flow in _FLOWS:
        step = getattr(node, f'{flow}_step') or {}
        hidden = masked(step)
        if hidden == step:
            continue
        changed = True
        setattr(node, f'{flow}_step', hidden)
        for key in (f'{flow}_steps', f'user_{flow}_steps'):
            steps = node.driver_internal_info.get(key)
            if steps:
                node.set_driver_internal_info(key, [
                    masked(other) if _same(other, step) else other
                    for other in steps])
    if changed:
        node.save()


def _same(step: typing.Any, other: typing.Any) -> bool:
    """Tell whether two steps do the same; others still need their own."""
    return all(step.get(key) == other.get(key)
               for key in ('interface', 'step', 'args'))
