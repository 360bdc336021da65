# SPDX-License-Identifier: Apache-2.0

"""The application (ASGI): which path is which resource.

Machines are answered by coroutines, operators by Falcon behind a bridge.
"""

import asyncio
import collections
import collections.abc
import concurrent.futures
import dataclasses
import functools
import re
import typing
import urllib.parse

import falcon
from oslo_config import cfg

from ironic_ext import catalog
from ironic_ext.catalog import iso_files
from ironic_ext.catalog import resources
from ironic_ext.catalog import store
from ironic_ext.config_formats import delivery as ways
from ironic_ext.node import tokens
from ironic_ext.server import answers
from ironic_ext.server import errors
from ironic_ext.server.http import exchange
from ironic_ext.server.machines import boot_complete
from ironic_ext.server.machines import configs
from ironic_ext.server.machines import guesses
from ironic_ext.server.machines import identity
from ironic_ext.server.machines import ipxe
from ironic_ext.server.mirror import catalog as catalog_mirror
from ironic_ext.server.mirror import history as histories
from ironic_ext.server.mirror import host_index
from ironic_ext.server.mirror import host_poller
from ironic_ext.server.mirror import host_records as record_mirror
from ironic_ext.server.mirror import ironic_api
from ironic_ext.server.rest import access
from ironic_ext.server.rest import bridge
from ironic_ext.server.rest import catalog as catalog_resources
from ironic_ext.server.rest import host_history
from ironic_ext.server.rest import host_links
from ironic_ext.server.rest import hosts as host_resources
from ironic_ext.server.rest import iso_imports
from ironic_ext.server.rest import openapi
from ironic_ext.server.rest import owned
from ironic_ext.server.rest import page_files
from ironic_ext.server.rest import previews
from ironic_ext.server.rest import provisioning
from ironic_ext.server.rest import referrers
from ironic_ext.server.rest import watches
from ironic_ext.server import statuses
from ironic_ext.server import threads

_App: typing.TypeAlias = 'falcon.App[typing.Any, typing.Any]'

API = '/api/v1'
_CONFIG, _COMPLETE = f'{API}/bootconfig', f'{API}/boot-complete'
_FILES = _CONFIG + '/'
#: What machines can ask for.
MACHINES = (_CONFIG, _CONFIG + '/{path}', '/t/{token}', '/t/{token}/{path}',
            _COMPLETE, '/ipxe', '/healthz', '/readyz')
#: Where these answers begin that nobody is to store, errors as well.
_NOT_STORED = (_FILES, '/t/', '/ipxe/')
_MAX_TEXT = 4096
#: What Anaconda says of each network card, and of how many it is believed.
_CARD, _MAX_CARDS = b'x-rhn-provisioning-mac-', 32
_PLAIN = re.compile('(?:mac|token)=[A-Za-z0-9:._~-]+')
ISOS, CONFIGS = f'{API}/iscsi-cdroms', f'{API}/bootconfigs'
HOSTS = f'{API}/baremetalhosts'
NAMESPACED = f'{API}/namespaces/{{namespace}}/baremetalhosts'


@dataclasses.dataclass(frozen=True)
class Parts:
    """What the application is made of.

    :ivar machine_pool: for machines, who are not to wait for operators.
    """

    catalog: store.Catalog
    mirror: catalog_mirror.CatalogMirror
    index: host_index.HostIndex
    poller: host_poller.HostPoller
    ironic: ironic_api.IronicApi
    records: record_mirror.RecordMirror
    history: histories.HistoryWriter
    imports: iso_imports.IsoImports
    directory: iso_files.IsoDirectory
    signer: tokens.Tokens
    pool: concurrent.futures.Executor
    machine_pool: concurrent.futures.Executor
    lessees: identity.Lessees | None = None
    rules: identity.Rules = identity.Rules()
    links: configs.Links = lambda host: {}
    delivery: str = ways.INJECT


class _NotAtHandError(Exception):
    """An answer has to be waited for."""


class Application:
    """Answers machines itself, and has the rest answered.

    :ivar answered: how often, see figures.Answered; for one thread.
    """

    def __init__(self, machines: 'Machines', at_hand: 'Machines',
                 operators: bridge.Bridge, sender: answers.Sender) -> None:
        """Take who answers machines, and who answers operators.

        :param at_hand: raises _NotAtHandError where ``machines`` waits.
        """
        self._machines = machines
        self._at_hand = at_hand
        self._operators = operators
        self._sender = sender
        self.answered: collections.Counter[
            tuple[str, int]] = collections.Counter()

    def at_once(self, scope: exchange.Scope) -> exchange.Made | None:
        """Return an answer that needs no waiting; None for all others.

        What machines ask for when they boot is mostly in memory, and many
        of them ask at once: a task for each costs more than its answer.
        """
        answering = self._at_hand.answer(scope)
        try:
            # It goes on to its end, or to what it would have to wait for.
            answering.send(None)
        except StopIteration as end:
            answer: answers.Answer | None = end.value
        except _NotAtHandError:
            return None
        except Exception as exc:
            answer = _failed(exc, scope)
        else:
            answering.close()
            return None
        if answer is None or not isinstance(answer.data, bytes):
            return None
        self.answered['machine', answer.status] += 1
        return (answer.status, self._sender.block(
            answer, answer.data, scope['path']), answer.data)

    async def __call__(self, scope: exchange.Scope,
                       receive: exchange.Receive, send: exchange.Send
                       ) -> None:
        """Answer a request; see ASGI.

        :raises: ConnectionError when the client is gone
        """
        who = 'machine'
        try:
            answer = await self._machines.answer(scope)
            if answer is None:
                who = 'operator'
                answer = await self._operators.answer(scope, receive)
        except ConnectionError:
            raise
        except Exception as exc:
            answer = _failed(exc, scope)
        self.answered[who, answer.status] += 1
        await self._sender.send(answer, scope['path'], send)


class Machines:
    """What machines ask for, by path."""

    def __init__(self, parts: Parts, hosts: boot_complete.Hosts,
                 made: configs.Configs, row: guesses.Guesses,
                 run: identity.Run) -> None:
        """Take the parts, and the hosts that reports change.

        :param row: where those who guess wait.
        :param run: runs what may wait.
        """
        self._run = run
        finder = identity.Finder(
            parts.index, parts.signer, parts.records, parts.lessees,
            self._run, parts.rules, functools.partial(_refresh, parts), row)
        mirror, kept = parts.mirror, parts.mirror.at_hand
        note = parts.history.note_fetched
        self._config = configs.MachineConfig(finder, made, self._run, note)
        self._ipxe = ipxe.Ipxe(finder, mirror, kept, self._run, note)
        self._complete = boot_complete.BootComplete(finder, hosts, self._run)
        self._index = parts.index
        self._check = parts.catalog.revision
        self._proxies = parts.rules.proxies

    async def answer(self, scope: exchange.Scope) -> answers.Answer | None:
        """Return the answer; None to what is not for machines.

        :raises: ServerError, CatalogError
        """
        path = scope['path']
        if path.startswith('/t/'):
            token, _slash, file = path[3:].partition('/')
            if not token:
                return answers.failure(statuses.unknown_path())
            return _refused(scope, 'GET') or await self._config.get(
                self._asked(scope, token), file)
        if path == _CONFIG or path.startswith(_FILES):
            return _refused(scope, 'GET') or await self._config.get(
                self._asked(scope), path[len(_FILES):])
        if path == '/ipxe':
            return _refused(scope, 'GET') or await self._ipxe.get(
                self._asked(scope))
        if path == _COMPLETE:
            return _refused(scope, 'POST') or await self._complete.post(
                self._asked(scope))
        if path in ('/healthz', '/readyz'):
            return _refused(scope, 'GET') or await self._health(
                for_machines=path == '/readyz')
        return None

    def _asked(self, scope: exchange.Scope, token: str = ''
               ) -> identity.Asked:
        """Return what a request says of who asks.

        :param token: of the path.
        :raises: BadRequestError
        """
        query = _query(scope['query_string'])
        macs: list[str] = []
        forwarded: list[str] = []
        for name, value in scope['headers']:
            if not name.startswith(b'x-'):
                continue
            if name == b'x-forwarded-for':
                forwarded.append(value.decode('latin-1'))
            elif name.startswith(_CARD) and len(macs) < _MAX_CARDS:
                macs.append(value.decode('latin-1'))
        return identity.Asked(
            token or query.get('token', ''), query.get('mac', ''),
            tuple(macs), identity.source_address(
                scope['client'][0], ','.join(forwarded), self._proxies))

    async def _health(self, *, for_machines: bool) -> answers.Answer:
        """Tell whether the server works, or even can answer machines.

        Who looks does so all the time: what is wrong is logged by others.
        """
        try:
            await self._run(self._check)
            if for_machines and not self._index.loaded.is_set():
                raise errors.UnavailableError(
                    'Ironic did not tell its nodes yet')
            if for_machines and self._index.problem:
                raise errors.UnavailableError(self._index.problem)
        except (catalog.CatalogError, errors.UnavailableError) as exc:
            return answers.failure(statuses.of(exc))
        return answers.Answer(b'ok\n', answers.PLAIN)


def make(conf: cfg.ConfigOpts, parts: Parts) -> Application:
    """Return the application, of machines' and operators' parts.

    :raises: what oslo.policy raises for bad rules
    """
    hosts = host_resources.Hosts(parts.index, parts.poller, parts.ironic,
                                 parts.mirror, parts.records,
                                 access.Access(conf))
    made = configs.Configs(parts.mirror, parts.mirror.at_hand, parts.links,
                           parts.delivery)
    row = guesses.Guesses()
    return Application(
        Machines(parts, hosts, made, row,
                 functools.partial(_run, parts.machine_pool)),
        Machines(parts, hosts, made, row.without_waiting(_NotAtHandError),
                 _wait_for_nothing),
        bridge.Bridge(operators(conf, parts, hosts),
                      functools.partial(access.guarded, conf=conf),
                      threads.Threads(parts.pool), functools.partial(
                          identity.source_address,
                          proxies=parts.rules.proxies)),
        answers.Sender(access.challenge(conf.ext_server.auth_strategy)))


def operators(conf: cfg.ConfigOpts, parts: Parts,
              hosts: host_resources.Hosts) -> _App:
    """Return what operators use, as WSGI.

    :raises: what oslo.policy raises for bad rules
    """
    options = conf.ext_server
    guard = hosts.guard
    app = falcon.App()
    app.req_options.strip_url_path_trailing_slash = False
    app.req_options.auto_parse_qs_csv = False
    app.req_options.keep_blank_qs_values = True
    statuses.add_handlers(app)
    streams = watches.Watches(options.max_watches,
                              options.bookmark_interval, parts.pool,
                              options.judge_interval)
    limit = options.max_body_size << 10
    _add_catalog(app, parts, guard, streams, limit, hosts)
    url = (options.public_url or '').rstrip('/')
    for path, resource in {
            HOSTS: host_resources.HostList(hosts, streams),
            NAMESPACED: host_resources.HostList(hosts, streams),
            NAMESPACED + '/{name}': host_resources.HostItem(
                hosts, limit),
            NAMESPACED + '/{name}/history': host_history.HostHistory(
                hosts, parts.history),
            NAMESPACED + '/{name}/links': host_links.HostLinks(
                hosts, parts.ironic, options.ironic_public_url),
            NAMESPACED + '/{name}/console': host_links.HostConsole(
                hosts, parts.ironic),
            NAMESPACED + '/{name}/power': host_resources.HostPower(
                hosts, limit),
            NAMESPACED + '/{name}/provision': provisioning.HostProvision(
                hosts, limit),
            NAMESPACED + '/{name}/token': host_resources.HostToken(
                hosts, parts.signer, options.token_lifetime, url),
    }.items():
        app.add_route(path, resource)
    app.add_route('/openapi.json', openapi.OpenApi())
    page = page_files.PageFiles()
    app.add_route('/', page)
    app.add_route('/page/{name}', page)
    return app


def _add_catalog(app: _App, parts: Parts, guard: access.Access,
                 streams: watches.Watches, limit: int,
                 hosts: host_resources.Hosts) -> None:
    def ending() -> bool:
        return parts.index.feed.closed

    own = owned.Owned(guard, parts.directory.has)
    made: typing.Any
    for kind, path in ((resources.ISCSICdrom, ISOS),
                       (resources.BootConfig, CONFIGS)):
        made = catalog_resources.Resources(
            kind, path, own, parts.catalog, parts.mirror, parts.index,
            parts.imports, referrers.Referrers(
                guard, own, parts.index, parts.mirror))
        app.add_route(path, catalog_resources.CatalogList(
            made, guard, streams, limit, ending))
        app.add_route(path + '/{name}', catalog_resources.CatalogItem(
            made, guard, limit))
        if kind is resources.ISCSICdrom:
            app.add_route(path + '/{name}/upload', iso_imports.Upload(
                parts.imports, made.get, parts.directory, guard, own))
            app.add_route(path + '/{name}/fetch', iso_imports.Fetch(
                parts.imports, made.get, guard, own))
            app.add_route(path + '/{name}/status',
                          catalog_resources.CdromStatus(made, guard, limit))
    # The last one made is of the configs.
    preview = previews.Preview(made.get, hosts.named, guard, own, limit)
    app.add_route(f'{CONFIGS}/{{name}}/preview', _Only(get=preview.on_get))
    app.add_route(f'{API}/preview', _Only(post=preview.on_post))
    app.add_route(f'{API}/formats', previews.Formats(guard))


class _Only:
    """A resource of functions of others."""

    def __init__(self, **responders: typing.Any) -> None:
        for method, responder in responders.items():
            setattr(self, f'on_{method}', responder)


def _failed(error: Exception, scope: exchange.Scope) -> answers.Answer:
    """Return the answer to a request that failed."""
    path = scope['path']
    return answers.of_error(
        error, scope['method'], path, headers=answers.NO_STORE
        if f'{path}/'.startswith(_NOT_STORED) else ())


async def _wait_for_nothing(function: collections.abc.Callable[
        ..., identity.Result], *arguments: typing.Any) -> identity.Result:
    """Run nothing that may wait."""
    raise _NotAtHandError


async def _run(pool: concurrent.futures.Executor,
               function: collections.abc.Callable[..., identity.Result],
               *arguments: typing.Any) -> identity.Result:
    return await asyncio.get_running_loop().run_in_executor(
        pool, function, *arguments)


def _refresh(parts: Parts, uuid: str) -> None:
    """Learn what Ironic and the records have of a host now.

    :raises: NotFoundError, IronicError, RecordsError
    """
    parts.records.follow()
    parts.poller.refresh(uuid)


def _refused(scope: exchange.Scope, method: str) -> answers.Answer | None:
    """Return the answer to another method than the one there is.

    HEAD is answered as GET is; the server leaves the body out.
    """
    if scope['method'] == method or (
            method == 'GET' and scope['method'] == 'HEAD'):
        return None
    methods = 'GET, HEAD' if method == 'GET' else method
    allowed = [(b'allow', f'{methods}, OPTIONS'.encode())]
    if scope['method'] == 'OPTIONS':
        return answers.Answer(headers=allowed)
    return answers.failure(statuses.unknown_method(), headers=allowed)


def _query(text: bytes) -> dict[str, str]:
    """Return the parameters of a query.

    :raises: BadRequestError
    """
    if not text:
        return {}
    found: dict[str, str] = {}
    query = text.decode('latin-1')
    if len(query) <= _MAX_TEXT and _PLAIN.fullmatch(query):
        # Most machines say one thing, and as it is.
        name, _equals, value = query.partition('=')
        return {name: value}
    for name, value in urllib.parse.parse_qsl(query, keep_blank_values=True):
        if name in ('token', 'mac') and (name in found
                                         or len(value) > _MAX_TEXT):
            raise errors.BadRequestError(
                f'{name} must be given once, with at most {_MAX_TEXT} '
                'characters')
        found[name] = value
    return found
