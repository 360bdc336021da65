# SPDX-License-Identifier: Apache-2.0

"""Deploying and rebuilding hosts: what makes one boot what is chosen for it.

Ironic does it, and says of a node when it cannot be done.
"""

import falcon

from ironic_ext import catalog
from ironic_ext.node import next_boot
from ironic_ext.server.rest import bodies
from ironic_ext.server.rest import conventions
from ironic_ext.server.rest import hosts
from ironic_ext.server.rest import policies

#: What may be asked for, and what Ironic calls that.
TARGETS = {next_boot.Takes.DEPLOY.value: 'active',
           next_boot.Takes.REBUILD.value: 'rebuild'}


class HostProvision:
    """The path by which a host is deployed or rebuilt.

    :param limit: bytes of a body.
    """

    def __init__(self, shared: hosts.Hosts, limit: int) -> None:
        self._shared = shared
        self._limit = limit

    def on_post(self, req: falcon.Request, resp: falcon.Response,
                namespace: str, name: str) -> None:
        """Ask for one of them: ``{"target": "rebuild"}``."""
        self._shared.require(req, policies.PROVISION, namespace, name)
        body = bodies.document(req, self._limit)
        if not (isinstance(body, dict) and set(body) == {'target'}
                and body['target'] in TARGETS):
            raise catalog.InvalidError(catalog.Problem(
                'target', 'must be the only field, and one of '
                + ', '.join(TARGETS)))
        entry = self._shared.provision(req, namespace, name,
                                       TARGETS[body['target']])
        resp.status = falcon.HTTP_202
        conventions.answer(resp, entry.document, entry.version)
