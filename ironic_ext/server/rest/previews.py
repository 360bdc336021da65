# SPDX-License-Identifier: Apache-2.0

"""Configs as a host would get them, without booting it."""

import collections.abc
import typing

import falcon

from ironic_ext import catalog
from ironic_ext.catalog import resources
from ironic_ext import config_formats
from ironic_ext.node import host as hosts
from ironic_ext.node import tokens
from ironic_ext.server.rest import access
from ironic_ext.server.rest import bodies
from ironic_ext.server.rest import conventions
from ironic_ext.server.rest import owned
from ironic_ext.server.rest import policies


class Preview:
    """A config, rendered for ``?host=`` (a name, or namespace/name)."""

    def __init__(self,
                 get: collections.abc.Callable[
                     [falcon.Request, str], catalog.BootConfig],
                 find: collections.abc.Callable[
                     [falcon.Request, str], hosts.Host],
                 guard: access.Access, own: owned.Owned, limit: int
                 ) -> None:
        self._get = get
        self._own = own
        self._find = find
        self._guard = guard
        self._limit = limit

    def on_get(self, req: falcon.Request, resp: falcon.Response, name: str
               ) -> None:
        """Show a config of the catalog."""
        self._guard.require(req, policies.SECRETS)
        found = self._get(req, name)
        self._own.require_own(req, found)
        self._answer(req, resp, found.spec)

    def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Show a config that is not stored."""
        self._guard.require(req, policies.CATALOG_WRITE)
        self._guard.require(req, policies.SECRETS)
        found = resources.parse(bodies.document(req, self._limit),
                                catalog.BootConfig)
        assert isinstance(found, catalog.BootConfig)
        self._answer(req, resp, found.spec)

    def _answer(self, req: falcon.Request, resp: falcon.Response,
                spec: catalog.BootConfigSpec) -> None:
        name = conventions.text(req, 'host')
        facts: collections.abc.Mapping[str, typing.Any] = (
            {**self._find(req, name).facts, **tokens.links('URL', 'TOKEN')}
            if name else {})
        config = config_formats.resolve(spec, facts)
        resp.set_header('Cache-Control', 'no-store')
        conventions.answer(resp, {
            'format': spec.format, 'primary': config.primary,
            'files': dict(config.files), 'contentTypes': {
                path: config.content_type(path) for path in config.files}})


class Formats:
    """The formats of configs that are installed."""

    def __init__(self, guard: access.Access) -> None:
        self._guard = guard

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        """List the names of the formats."""
        self._guard.require(req, policies.CATALOG_READ)
        conventions.answer(resp, {'items': config_formats.names()})
