# SPDX-License-Identifier: Apache-2.0

"""What machines ask for: their config, their iPXE script, to be done.

No login: see identity.py for who is who. Answers are not to be stored by
anybody, since the next one may be another.
"""

import collections.abc
import datetime
import typing

import falcon

from ironic_ext.server import errors
from ironic_ext.server.machines import answers as machine_answers
from ironic_ext.server.rest import conventions
from ironic_ext.server.rest import hosts as host_resources


def _asked(req: falcon.Request, token: str = '') -> machine_answers.Asked:
    """Return what a request says of who asks.

    :param token: of the path.
    :raises: BadRequestError
    """
    return machine_answers.Asked(
        token or conventions.text(req, 'token'), conventions.text(req, 'mac'),
        req.get_header('X-RHN-Provisioning-MAC-0') or '',
        req.env.get('REMOTE_ADDR', ''),
        req.env.get('HTTP_X_FORWARDED_FOR', ''))


def _answer(resp: falcon.Response, answer: machine_answers.Answer) -> None:
    resp.content_type, resp.data = answer


class MachineConfig:
    """The config of whoever asks, and its files by their paths."""

    def __init__(self, answers: machine_answers.Answers) -> None:
        """Take what answers."""
        self._answers = answers

    def on_get(self, req: falcon.Request, resp: falcon.Response,
               token: str = '', path: str = '') -> None:
        """Serve a file; the primary one without a path."""
        resp.set_header('Cache-Control', 'no-store')
        _answer(resp, self._answers.config(_asked(req, token), path))


class Ipxe:
    """The iPXE script of a host."""

    def __init__(self, answers: machine_answers.Answers) -> None:
        """Take what answers."""
        self._answers = answers

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Serve it: ``?mac=${mac}``; a host that nobody knows is told."""
        resp.set_header('Cache-Control', 'no-store')
        _answer(resp, self._answers.script(_asked(req)))


class BootComplete:
    """Where an installed system reports that it runs."""

    def __init__(self, answers: machine_answers.Answers,
                 shared: host_resources.Hosts) -> None:
        """Take what is needed."""
        self._answers = answers
        self._shared = shared

    def on_post(self, req: falcon.Request, resp: falcon.Response,
                token: str = '') -> None:
        """Leave boot mode "once": the host boots from its disk now."""
        asked = _asked(req, token)
        if not asked.token:
            # An address or a MAC, anybody on the network can have.
            raise errors.UnauthorizedError(
                'give the token of the machine: '
                '/api/v1/boot-complete?token=...')
        host = self._answers.host(asked)
        now = datetime.datetime.now(datetime.UTC)
        self._shared.complete(host, now.strftime('%Y-%m-%dT%H:%M:%SZ'))
        resp.status = falcon.HTTP_204


class Health:
    """Whether the server serves."""

    def __init__(self, is_loaded: collections.abc.Callable[[], bool],
                 check: collections.abc.Callable[[], typing.Any]) -> None:
        """Take what is needed.

        :param is_loaded: whether the hosts are known.
        :param check: raises when the database fails.
        """
        self._is_loaded = is_loaded
        self._check = check

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Tell."""
        self._check()
        if not self._is_loaded():
            raise errors.UnavailableError(
                'Ironic did not tell its nodes yet')
        resp.content_type = machine_answers.PLAIN
        resp.text = 'ok\n'
