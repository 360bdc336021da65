# SPDX-License-Identifier: Apache-2.0

"""The resource BareMetalHost: list, show, watch, change, power, token."""

import dataclasses
import threading
import typing

import falcon

from ironic_ext import catalog
from ironic_ext import host_records
from ironic_ext.node import host as hosts
from ironic_ext.node import tokens
from ironic_ext.server import errors
from ironic_ext.server.mirror import catalog as catalog_mirror
from ironic_ext.server.mirror import feed as feeds
from ironic_ext.server.mirror import host_index
from ironic_ext.server.mirror import host_poller
from ironic_ext.server.mirror import host_records as record_mirror
from ironic_ext.server.mirror import ironic_api
from ironic_ext.server.rest import access
from ironic_ext.server.rest import bodies
from ironic_ext.server.rest import conventions
from ironic_ext.server.rest import host_changes
from ironic_ext.server.rest import policies
from ironic_ext.server.rest import watches

#: Changes of one host at a time, host by host.
_LOCKS = 64


class Hosts:
    """What the resources below share."""

    def __init__(self, index: host_index.HostIndex,
                 poller: host_poller.HostPoller, api: ironic_api.IronicApi,
                 mirror: catalog_mirror.CatalogMirror,
                 records: record_mirror.RecordMirror, guard: access.Access
                 ) -> None:
        self._records = records
        self.guard = guard
        self.index = index
        self._poller = poller
        self._api = api
        self._mirror = mirror
        self._locks = [threading.Lock() for _number in range(_LOCKS)]

    def get(self, namespace: str, name: str) -> host_index.Entry:
        """Return the host of a name.

        :raises: NotFoundError, UnavailableError
        """
        found = self.index.get(conventions.name(namespace),
                               conventions.name(name))
        if found is None:
            self.require_loaded()
            raise _not_found(namespace, name)
        return found

    def seen(self, req: falcon.Request, namespace: str, name: str
             ) -> host_index.Entry:
        """Return a host, if it is there for who asks.

        :raises: UnauthorizedError, NotFoundError, UnavailableError
        """
        # Who has not logged in is told that alone.
        sees = self.guard.sees(req)
        sees('', '')
        entry = self.get(namespace, name)
        if not sees(entry.host.owner, entry.host.lessee):
            raise _not_found(namespace, name)
        return entry

    def named(self, req: falcon.Request, text: str) -> hosts.Host:
        """Return the host that ``name`` or ``namespace/name`` means.

        :raises: as seen() does
        """
        namespace, slash, name = text.partition('/')
        if not slash:
            namespace, name = hosts.DEFAULT_NAMESPACE, text
        return self.seen(req, namespace, name).host

    def require(self, req: falcon.Request, rule: str, namespace: str,
                name: str) -> host_index.Entry:
        """Return a host with which somebody may do something.

        :raises: as seen() does, and ForbiddenError
        """
        entry = self.seen(req, namespace, name)
        self.guard.require(req, rule, entry.host)
        return entry

    def require_loaded(self) -> None:
        """Refuse to conclude anything from hosts that are not known yet.

        :raises: UnavailableError
        """
        if not self.index.loaded.is_set():
            raise errors.UnavailableError(
                'Ironic did not tell its nodes yet: try again in a moment')

    def change(self, req: falcon.Request, namespace: str, name: str,
               body: object, merge: bool) -> host_index.Entry:
        """Change what a host boots.

        :param merge: whether ``body`` is a merge patch.
        """
        uuid = self.get(namespace, name).host.uuid
        with self._locks[hash(uuid) % _LOCKS]:
            # As Ironic has it, not as it was some seconds ago.
            entry = self._poller.refresh(uuid)
            # Of whoever has it by now.
            self.guard.require(req, policies.HOSTS_WRITE, entry.host)
            wanted = conventions.wanted_version(body)
            if wanted and wanted != entry.version:
                raise errors.ConflictError(
                    f'host {name} was changed by somebody else: it has '
                    f'resource version {entry.version}; read it again')
            conventions.require_match(req, entry.version)
            spec, patch = (
                host_changes.patched(entry.host, body) if merge else
                (host_changes.replaced(entry.host, body), None))
            # What another server stored a moment ago counts, too.
            self._mirror.follow()
            changes = host_changes.planned(
                entry.host, spec, patch, lookup=self._mirror)
            address = host_changes.address(spec)
            if address != entry.host.address:
                self.guard.require(req, policies.ADDRESS, entry.host)
            image = host_changes.data_image(entry.host, spec, patch)
            if conventions.dry_run(req):
                return dataclasses.replace(
                    entry, document=hosts.encoded(
                        entry.host, entry.version, spec=spec))
            if image is not None:
                # First: conductors judge it, and what they refuse is to
                # leave the host as it is.
                self._api.set_data_image(uuid, image.wanted)
                entry = self._poller.refresh(uuid)
            if changes:
                entry = self._changed(entry.host, changes)
            return self._declared(entry, address)

    def _declared(self, entry: host_index.Entry, address: str
                  ) -> host_index.Entry:
        """Note the address of a host.

        :raises: RecordsError
        """
        if address == entry.host.address:
            return entry
        # The index has it, once this returns.
        self._records.declare(entry.host.uuid, address)
        return self.index.get(*entry.host.key) or entry

    def _changed(self, host: hosts.Host, changes: dict[str, typing.Any]
                 ) -> host_index.Entry:
        """Change keys of a node's instance_info."""
        changed = self._poller.note(
            self._api.set_instance_info(host.uuid, changes))
        if hosts.ISO_KEY in changes and changes[hosts.ISO_KEY] is None:
            # To boot from its disk is the end of what it booted.
            self._end_tokens(
                host, self._records.of(host.uuid).generation)
        return changed

    def token_generation(self, host: hosts.Host) -> tokens.Generation:
        """Return the generation of a token for a host, as of now.

        :raises: NotFoundError, IronicError
        """
        return self._records.generation(self.now(host))

    def complete(self, host: hosts.Host, generation: tokens.Generation,
                 when: str) -> hosts.Host:
        """Note that a host runs what it was to boot once; return it.

        :param generation: of the token that says so, which is over then.
        :raises: GoneError when another boot came since
        """
        with self._locks[hash(host.uuid) % _LOCKS]:
            now = self._poller.refresh(host.uuid).host
            if generation not in ((0, 0), self._records.generation(now)):
                # Between the machine's question and this one to Ironic.
                raise errors.GoneError(
                    'the boot that the token was for is over')
            if now.boot_mode != hosts.ONCE:
                return now
            if not now.completed:
                now = self._poller.note(self._api.set_instance_info(
                    now.uuid, {hosts.COMPLETED_KEY: when})).host
            self._end_tokens(now, generation.server)
            return now

    def now(self, host: hosts.Host) -> hosts.Host:
        """Return a host as Ironic has it now.

        :raises: NotFoundError, IronicError
        """
        return self._poller.refresh(host.uuid).host

    def _end_tokens(self, host: hosts.Host, generation: int) -> None:
        """End a generation of a host's tokens, unless that was done.

        :raises: UnavailableError
        """
        try:
            self._records.end(host.uuid, generation=generation,
                              above=host.token_generation)
        except host_records.RecordsError as exc:
            raise errors.UnavailableError(str(exc)) from exc

    def provision(self, req: falcon.Request, namespace: str, name: str,
                  target: str) -> host_index.Entry:
        """Ask for a provision state.

        :raises: as require() does, and what Ironic says
        """
        host = self.now(self.get(namespace, name).host)
        # Of whoever has it by now.
        self.guard.require(req, policies.PROVISION, host)
        self._api.set_provision_state(host.uuid, target)
        return self._poller.refresh(host.uuid)

    def set_power(self, namespace: str, name: str, target: str
                  ) -> host_index.Entry:
        """Ask for a power state."""
        uuid = self.get(namespace, name).host.uuid
        self._api.set_power(uuid, target)
        return self._poller.refresh(uuid)

    def events(self, since: int) -> tuple[list[feeds.Event], int]:
        """Return what changed: see watches.Source."""
        reached = self.index.feed.last
        found = self.index.feed.after(since)
        return found, found[-1].number if found else max(since, reached)


class HostList:
    """All hosts, or those of a namespace."""

    def __init__(self, shared: Hosts, streams: watches.Watches) -> None:
        self._shared = shared
        self._guard = shared.guard
        self._streams = streams

    def on_get(self, req: falcon.Request, resp: falcon.Response,
               namespace: str = '') -> None:
        """List hosts, or watch them."""
        self._guard.require(req, policies.HOSTS_LIST)
        if namespace:
            conventions.name(namespace)
        self._shared.require_loaded()
        index = self._shared.index
        if conventions.flag(req, 'watch'):
            self._watch(req, resp, namespace)
            return
        token = conventions.text(req, 'continue')
        version, *after = (conventions.parse_continued(token, 3) if token
                           else ('', '', ''))
        limit = conventions.limit(req)
        found, more, now = index.page(
            namespace=namespace, search=conventions.text(req, 'search'),
            after=(after[0], after[1]), limit=limit,
            sees=self._guard.sees(req))
        # A watch from the first page's version misses nothing.
        version = version or now
        conventions.answer_list(
            resp, hosts.KIND + 'List', version,
            (entry.document for entry in found),
            conventions.continued((version, *found[-1].host.key))
            if more else '', index.feed.staleness)

    def _watch(self, req: falcon.Request, resp: falcon.Response,
               namespace: str) -> None:
        index = self._shared.index
        since = conventions.text(req, 'resourceVersion')
        initial: list[bytes] = []
        sees = self._guard.sees(req)
        if since in ('', '0'):
            found, _more, since = index.page(
                namespace=namespace, limit=len(index) + 1000, sees=sees)
            initial = [entry.document for entry in found]
        self._streams.begin(
            req, resp, watches.Source(
                hosts.KIND, lambda: index.feed, self._shared.events,
                lambda since: True, index.version_at,
                lambda: index.feed.closed, namespace,
                is_for=lambda event: sees(*event.whose)),
            index.number_of(since), initial)


class HostItem:
    """The path of one host.

    :param limit: bytes of a body.
    """

    def __init__(self, shared: Hosts, limit: int) -> None:
        self._shared = shared
        self._limit = limit

    def on_get(self, req: falcon.Request, resp: falcon.Response,
               namespace: str, name: str) -> None:
        """Show what the host boots, and its state."""
        entry = self._shared.seen(req, namespace, name)
        conventions.answer(resp, entry.document, entry.version)

    def on_patch(self, req: falcon.Request, resp: falcon.Response,
                 namespace: str, name: str) -> None:
        """Change it by a merge patch (RFC 7386)."""
        self._change(req, resp, namespace, name, merge=True)

    def on_put(self, req: falcon.Request, resp: falcon.Response,
               namespace: str, name: str) -> None:
        """Replace the spec of the host."""
        self._change(req, resp, namespace, name, merge=False)

    def _change(self, req: falcon.Request, resp: falcon.Response,
                namespace: str, name: str, merge: bool) -> None:
        self._shared.require(req, policies.HOSTS_WRITE, namespace, name)
        entry = self._shared.change(
            req, namespace, name, bodies.document(req, self._limit), merge)
        conventions.answer(resp, entry.document, entry.version)


class HostPower:
    """The power of a host, which nothing else switches."""

    def __init__(self, shared: Hosts, limit: int) -> None:
        self._shared = shared
        self._limit = limit

    def on_post(self, req: falcon.Request, resp: falcon.Response,
                namespace: str, name: str) -> None:
        """Ask for a state: ``{"target": "power on"}``."""
        self._shared.require(req, policies.POWER, namespace, name)
        target = _target(bodies.document(req, self._limit))
        entry = self._shared.set_power(namespace, name, target)
        resp.status = falcon.HTTP_202
        conventions.answer(resp, entry.document, entry.version)


class HostToken:
    """Tokens by which a host's machine is known.

    :param lifetime: seconds.
    :param public_url: of this server, without a "/" at the end.
    """

    def __init__(self, shared: Hosts, signer: tokens.Tokens, lifetime: int,
                 public_url: str) -> None:
        self._shared = shared
        self._signer = signer
        self._lifetime = lifetime
        self._url = public_url

    def on_post(self, req: falcon.Request, resp: falcon.Response,
                namespace: str, name: str) -> None:
        """Make a token of the host, and say when it ends."""
        host = self._shared.require(
            req, policies.TOKENS, namespace, name).host
        token, ends = self._signer.new(host.uuid, self._lifetime,
                                       self._shared.token_generation(host))
        body: dict[str, typing.Any] = {
            'token': token, 'path': f'/t/{token}/', 'expires': ends}
        if self._url:
            body['url'] = f'{self._url}/t/{token}/'
        resp.status = falcon.HTTP_201
        resp.set_header('Cache-Control', 'no-store')
        conventions.answer(resp, body)


def _not_found(namespace: str, name: str) -> errors.NotFoundError:
    return errors.NotFoundError(
        f'{hosts.KIND} "{namespace}/{name}" does not exist')


def _target(body: object) -> str:
    if (isinstance(body, dict) and set(body) == {'target'}
            and body['target'] in host_changes.POWER_TARGETS):
        return str(body['target'])
    raise catalog.InvalidError(catalog.Problem(
        'target', 'must be the only field, and one of '
        + ', '.join(host_changes.POWER_TARGETS)))
