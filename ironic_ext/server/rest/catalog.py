# SPDX-License-Identifier: Apache-2.0

"""The resources ISCSICdrom and BootConfig: list, show, watch, change."""

import collections.abc
import dataclasses
import json
import typing

import falcon

from ironic_ext import catalog
from ironic_ext.catalog import merge
from ironic_ext.catalog import resources
from ironic_ext.catalog import rules
from ironic_ext.catalog import selector
from ironic_ext.catalog import store
from ironic_ext import config_formats
from ironic_ext.server import errors
from ironic_ext.server.mirror import catalog as catalog_mirror
from ironic_ext.server.mirror import host_index
from ironic_ext.server.rest import access
from ironic_ext.server.rest import bodies
from ironic_ext.server.rest import conventions
from ironic_ext.server.rest import iso_imports
from ironic_ext.server.rest import owned
from ironic_ext.server.rest import policies
from ironic_ext.server.rest import referrers
from ironic_ext.server.rest import watches

#: How often a merge patch is tried when others write at the same time.
_TRIES = 5
#: What an administrator may say of an ISO's status: where its target is.
_TARGET = ('targetIQN', 'portalIP', 'portalPort', 'lun')

R = typing.TypeVar('R', resources.ISCSICdrom, resources.BootConfig)


class Resources(typing.Generic[R]):
    """What the resources below share, for one kind.

    :param path: of the list, such as ``/api/v1/bootconfigs``.
    :param owned: judges whose the resources are.
    :param users: tells who uses them.
    """

    def __init__(self, kind: type[R], path: str, owned: owned.Owned,
                 catalog: store.Catalog,
                 mirror: catalog_mirror.CatalogMirror,
                 index: host_index.HostIndex,
                 imports: iso_imports.IsoImports,
                 users: referrers.Referrers) -> None:
        self.kind: type[R] = kind
        self.path = path
        self.owned = owned
        self.mirror = mirror
        self._catalog = catalog
        self._index = index
        self._imports = imports
        self._users = users

    def get(self, req: falcon.Request, name: str) -> R:
        """Return a resource with its data, if it is there for who asks.

        :raises: NotFoundError, ForbiddenError
        """
        found = self._catalog.get(self.kind, conventions.name(name))
        self.owned.require_seen(req, found)
        return found

    def page(self, req: falcon.Request, labels: str, limit: int, after: str
             ) -> store.Page[R]:
        """Return a page of a list."""
        return self._catalog.page(self.kind, labels=labels, limit=limit,
                                  after=after,
                                  project=self.owned.project(req))

    def create(self, req: falcon.Request, document: object) -> R:
        """Add the resource of a document.

        :raises: InvalidError, ConfigError, AlreadyExistsError,
            ForbiddenError
        """
        return self._added(req, self._parsed(document), document)

    def replace(self, req: falcon.Request, name: str, document: object
                ) -> tuple[R, bool]:
        """Replace one, or add it; tell which."""
        wanted = self._parsed(document, name)
        current = self._catalog.find(self.kind, conventions.name(name))
        if current is None:
            # A version that the client saw is none of nothing.
            conventions.require_match(req, '')
            return self._added(req, wanted, document), True
        self.owned.require_own(req, current)
        wanted = self.owned.kept(req, wanted, document, current)
        sure = conventions.require_match(
            req, current.metadata.resource_version)
        return self._replaced(req, current, wanted, sure), False

    def patch(self, req: falcon.Request, name: str, patch: object) -> R:
        """Change one by a merge patch."""
        if not isinstance(patch, dict):
            raise _invalid('', 'the patch must be an object')
        tries = _TRIES
        while True:
            tries -= 1
            current = self.get(req, name)
            self.owned.require_own(req, current)
            sure = conventions.require_match(
                req, current.metadata.resource_version)
            expected = conventions.wanted_version(patch)
            if expected not in ('', current.metadata.resource_version):
                raise errors.ConflictError(
                    f'{self.kind.kind} "{name}" was changed by somebody '
                    'else; read it again')
            document = merge.patched(resources.document(current), patch)
            wanted = self.owned.kept(
                req, self._parsed(document, name), document, current)
            try:
                return self._replaced(req, current, wanted, sure,
                                      exactly=True)
            except catalog.ConflictError:
                if not tries or sure or expected:
                    raise

    def set_target(self, req: falcon.Request, name: str, patch: object
                   ) -> R:
        """Change where an ISO's target is, by a merge patch.

        :raises: InvalidError, NotFoundError
        """
        status = patch.get('status') if isinstance(patch, dict) else None
        if not isinstance(status, dict) or set(status) - {*_TARGET}:
            raise _invalid('status', 'must be given, with nothing but '
                           + ', '.join(_TARGET))
        current = self.get(req, name)
        self.owned.require_own(req, current)
        document = resources.document(current)
        wanted = resources.parse(merge.patched(
            document, {'status': status}), resources.ISCSICdrom)
        assert isinstance(current, resources.ISCSICdrom)
        assert isinstance(wanted, resources.ISCSICdrom)
        changed = self._catalog.set_status(current, wanted.status)
        self.mirror.follow()
        return typing.cast(typing.Any, changed)  # type: ignore[no-any-return]

    def delete(self, req: falcon.Request, name: str) -> R:
        """Delete one that nobody uses.

        :raises: NotFoundError, InUseError, PreconditionError
        """
        current = self.get(req, name)
        self.owned.require_own(req, current)
        sure = conventions.require_match(
            req, current.metadata.resource_version)
        self._require_hosts()
        try:
            gone = self._catalog.delete(
                self.kind, name, expected=current.metadata.resource_version
                if sure else '', referrers=self._users.of(current))
        except catalog.InUseError as exc:
            raise self._users.error(req, current, exc.referrers) from exc
        self.mirror.follow()
        if isinstance(gone, resources.ISCSICdrom):
            self._imports.forget(gone)
        return gone

    def _replaced(self, req: falcon.Request, current: R, wanted: R,
                  sure: bool, exactly: bool = False) -> R:
        """Store what is wanted.

        :param sure: whether a change by others since is a failed
            precondition of the client's.
        :param exactly: only if it is still what it was.
        """
        if isinstance(current, resources.ISCSICdrom):
            self._require_free(req, current, wanted)
        if conventions.dry_run(req):
            return dataclasses.replace(
                wanted, metadata=dataclasses.replace(
                    current.metadata, labels=wanted.metadata.labels))
        version = wanted.metadata.resource_version
        if sure or exactly:
            version = current.metadata.resource_version
        try:
            return self._changed(self._catalog.replace(
                dataclasses.replace(wanted, metadata=dataclasses.replace(
                    wanted.metadata, resource_version=version))))
        except catalog.ConflictError as exc:
            if sure:
                raise errors.PreconditionError(str(exc)) from exc
            raise

    def _added(self, req: falcon.Request, wanted: R, document: object) -> R:
        wanted = self.owned.added(req, wanted, document)
        if conventions.dry_run(req):
            return wanted
        return self._changed(self._catalog.create(
            wanted, own_file=bool(self.owned.project(req))))

    def _changed(self, resource: R) -> R:
        self.mirror.follow()
        if isinstance(resource, resources.ISCSICdrom):
            self._imports.submit(resource)
        return resource

    def _parsed(self, document: object, name: str = '') -> R:
        if (isinstance(document, dict) and name
                and isinstance(document.get('metadata', {}), dict)):
            # The path has it already.
            document = {**document, 'metadata': {
                'name': name, **document.get('metadata', {})}}
        found = resources.parse(document, self.kind)
        if name and found.metadata.name != name:
            raise _invalid('metadata.name', f'must be "{name[:253]}", as in '
                                            'the path')
        if isinstance(found, resources.BootConfig):
            config_formats.check(found.spec)
        return typing.cast(R, found)

    def _require_free(self, req: falcon.Request,
                      current: resources.ISCSICdrom,
                      wanted: resources.ISCSICdrom) -> None:
        """Refuse to take a config from an ISO while a host has both.

        Or to change what the ISO is while hosts have it.
        """
        taken = {*current.spec.boot_configs} - {*wanted.spec.boot_configs}
        moved = any(
            getattr(current.spec, field) != getattr(wanted.spec, field)
            for field in ('iso_file', 'url', 'checksum'))
        if not taken and not moved:
            return
        self._require_hosts()
        users = (self._users.of(current) if moved else [
            title for config in taken
            for title in self._users.of_pair(current, config)])
        if users:
            raise self._users.error(
                req, current, users, '' if moved else
                ' with a config that it would no longer list '
                f'({rules.listed(sorted(taken))})')

    def _require_hosts(self) -> None:
        if not self._index.loaded.is_set():
            raise errors.UnavailableError(
                'Ironic did not tell its nodes yet, so who uses this is '
                'not known: try again in a moment')


class CatalogList(typing.Generic[R]):
    """All of a kind.

    :param limit: bytes of a body.
    :param ending: whether the server stops.
    """

    def __init__(self, shared: Resources[R], guard: access.Access,
                 streams: watches.Watches, limit: int,
                 ending: collections.abc.Callable[[], bool]) -> None:
        self._shared: Resources[R] = shared
        self._guard = guard
        self._streams = streams
        self._limit = limit
        self._ending = ending

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        """List or watch, without data."""
        self._guard.require(req, policies.CATALOG_READ)
        labels = conventions.text(req, 'labelSelector')
        kind = self._shared.kind.kind
        if conventions.flag(req, 'watch'):
            self._watch(req, resp, labels)
            return
        page = self._shared.page(req, labels, conventions.limit(req),
                                 conventions.text(req, 'continue'))
        conventions.answer_list(resp, kind + 'List', str(page.revision),
                                map(_encoded, page.items), page.following,
                                self._shared.mirror.feed.staleness)

    def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Create a resource; its name must be new."""
        self._guard.require(req, policies.CATALOG_WRITE)
        made = self._shared.create(req, bodies.document(req, self._limit))
        resp.status = falcon.HTTP_201
        resp.location = f'{self._shared.path}/{made.metadata.name}'
        _answer(resp, made)

    def _watch(self, req: falcon.Request, resp: falcon.Response,
               labels: str) -> None:
        terms = selector.parse(labels)
        mirror = self._shared.mirror
        version = conventions.text(req, 'resourceVersion')
        initial: list[bytes] = []
        if version in ('', '0'):
            after, since = '', None
            while True:
                page = self._shared.page(req, labels,
                                         conventions.MAX_LIMIT, after)
                since = page.revision if since is None else since
                initial += map(_encoded, page.items)
                after = page.following
                if not after:
                    break
        elif version.isascii() and version.isdecimal() and len(version) < 19:
            since = int(version)
        else:
            raise errors.GoneError('that resource version is none of this '
                                   'catalog: list the resources again')
        self._streams.begin(
            req, resp, watches.Source(
                self._shared.kind.kind, lambda: mirror.feed, mirror.events,
                mirror.is_at_hand, str, self._ending, labels=terms,
                sees=self._shared.owned.sees(req)),
            since, initial)


class CatalogItem(typing.Generic[R]):
    """One of a kind."""

    def __init__(self, shared: Resources[R], guard: access.Access,
                 limit: int) -> None:
        self._shared: Resources[R] = shared
        self._guard = guard
        self._limit = limit

    def on_get(self, req: falcon.Request, resp: falcon.Response, name: str
               ) -> None:
        """Show it; its data to those who may see it."""
        self._guard.require(req, policies.CATALOG_READ)
        found: resources.Resource = self._shared.get(req, name)
        if not (self._guard.allows(req, policies.SECRETS)
                and self._shared.owned.is_own(req, found)):
            found = resources.redacted(found)
        _answer(resp, found)

    def on_put(self, req: falcon.Request, resp: falcon.Response, name: str
               ) -> None:
        """Replace or create it."""
        self._guard.require(req, policies.CATALOG_WRITE)
        found, made = self._shared.replace(
            req, name, bodies.document(req, self._limit))
        if made:
            resp.status = falcon.HTTP_201
        _answer(resp, found)

    def on_patch(self, req: falcon.Request, resp: falcon.Response, name: str
                 ) -> None:
        """Change it by a merge patch (RFC 7386)."""
        self._guard.require(req, policies.CATALOG_WRITE)
        _answer(resp, self._shared.patch(
            req, name, bodies.document(req, self._limit)))

    def on_delete(self, req: falcon.Request, resp: falcon.Response,
                  name: str) -> None:
        """Delete a resource that nothing refers to."""
        self._guard.require(req, policies.CATALOG_WRITE)
        gone = self._shared.delete(req, name)
        conventions.answer(resp, {
            'apiVersion': 'v1', 'kind': 'Status', 'status': 'Success',
            'details': {'kind': gone.kind, 'name': name}})


class CdromStatus:
    """Where the target of an ISO is, which somebody else has made."""

    def __init__(self, shared: Resources[resources.ISCSICdrom],
                 guard: access.Access, limit: int) -> None:
        self._shared = shared
        self._guard = guard
        self._limit = limit

    def on_patch(self, req: falcon.Request, resp: falcon.Response, name: str
                 ) -> None:
        """Change it by a merge patch: ``{"status": {"targetIQN": ...}}``."""
        self._guard.require(req, policies.CATALOG_WRITE)
        _answer(resp, self._shared.set_target(
            req, name, bodies.document(req, self._limit)))


def _answer(resp: falcon.Response, resource: resources.Resource) -> None:
    conventions.answer(resp, resources.document(resource),
                       resource.metadata.resource_version)


def _encoded(resource: resources.Resource) -> bytes:
    return json.dumps(resources.document(resource),
                      separators=(',', ':')).encode()


def _invalid(field: str, reason: str) -> catalog.InvalidError:
    return catalog.InvalidError(catalog.Problem(field, reason))
