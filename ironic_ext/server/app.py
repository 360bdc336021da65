# SPDX-License-Identifier: Apache-2.0

"""The WSGI application: which path is which resource."""

import dataclasses
import functools
import typing

import falcon
from oslo_config import cfg

from ironic_ext.catalog import iso_files
from ironic_ext.catalog import resources
from ironic_ext.catalog import store
from ironic_ext.node import tokens
from ironic_ext.server.machines import answers as machine_answers
from ironic_ext.server.machines import resources as machine_resources
from ironic_ext.server.mirror import catalog as catalog_mirror
from ironic_ext.server.mirror import host_index
from ironic_ext.server.mirror import host_poller
from ironic_ext.server.mirror import ironic_api
from ironic_ext.server import page_files
from ironic_ext.server.rest import access
from ironic_ext.server.rest import catalog as catalog_resources
from ironic_ext.server.rest import hosts as host_resources
from ironic_ext.server.rest import iso_imports
from ironic_ext.server.rest import openapi
from ironic_ext.server.rest import previews
from ironic_ext.server.rest import statuses
from ironic_ext.server.rest import watches

_App: typing.TypeAlias = 'falcon.App[typing.Any, typing.Any]'

API = '/api/v1'
ISOS, CONFIGS = f'{API}/iscsi-cdroms', f'{API}/bootconfigs'
HOSTS = f'{API}/baremetalhosts'
NAMESPACED = f'{API}/namespaces/{{namespace}}/baremetalhosts'


@dataclasses.dataclass(frozen=True)
class Parts:
    """What the application is made of."""

    catalog: store.Catalog
    mirror: catalog_mirror.CatalogMirror
    index: host_index.HostIndex
    poller: host_poller.HostPoller
    ironic: ironic_api.IronicApi
    imports: iso_imports.IsoImports
    directory: iso_files.IsoDirectory
    signer: tokens.Tokens
    answers: machine_answers.Answers


def make(conf: cfg.ConfigOpts, parts: Parts) -> access.Application:
    """Return the application.

    :raises: what oslo.policy raises for bad rules
    """
    options = conf.ext_server
    guard = access.Access(conf)
    app = falcon.App(middleware=[_Headers(options.auth_strategy)])
    app.req_options.strip_url_path_trailing_slash = False
    app.req_options.auto_parse_qs_csv = False
    app.req_options.keep_blank_qs_values = True
    statuses.add_handlers(app)
    streams = watches.Watches(options.max_watches,
                              options.bookmark_interval)
    limit = options.max_body_size << 10
    hosts = host_resources.Hosts(parts.index, parts.poller, parts.ironic,
                                 parts.mirror)
    _add_catalog(app, parts, guard, streams, limit, hosts)
    url = (options.public_url or '').rstrip('/')
    for path, resource in {
            HOSTS: host_resources.HostList(hosts, guard, streams),
            NAMESPACED: host_resources.HostList(hosts, guard, streams),
            NAMESPACED + '/{name}': host_resources.HostItem(
                hosts, guard, limit),
            NAMESPACED + '/{name}/power': host_resources.HostPower(
                hosts, guard, limit),
            NAMESPACED + '/{name}/token': host_resources.HostToken(
                hosts, guard, parts.signer, options.token_lifetime, url),
    }.items():
        app.add_route(path, resource)
    _add_machines(app, parts, hosts)
    app.add_route('/openapi.json', openapi.OpenApi())
    page = page_files.PageFiles()
    app.add_route('/', page)
    app.add_route('/page/{name}', page)
    return access.guarded(app, conf)


def _add_catalog(app: _App, parts: Parts, guard: access.Access,
                 streams: watches.Watches, limit: int,
                 hosts: host_resources.Hosts) -> None:
    def ending() -> bool:
        return parts.index.feed.closed

    made: typing.Any
    for kind, path in ((resources.ISCSICdrom, ISOS),
                       (resources.BootConfig, CONFIGS)):
        made = catalog_resources.Resources(
            kind, path, parts.catalog, parts.mirror, parts.index,
            parts.imports)
        app.add_route(path, catalog_resources.CatalogList(
            made, guard, streams, limit, ending))
        app.add_route(path + '/{name}', catalog_resources.CatalogItem(
            made, guard, limit))
        if kind is resources.ISCSICdrom:
            app.add_route(path + '/{name}/upload', iso_imports.Upload(
                parts.imports, made.get, parts.directory, guard))
            app.add_route(path + '/{name}/status',
                          catalog_resources.CdromStatus(made, guard, limit))
    preview = previews.Preview(
        functools.partial(parts.catalog.get, resources.BootConfig),
        hosts.named, guard, limit)
    app.add_route(f'{CONFIGS}/{{name}}/preview', _Only(get=preview.on_get))
    app.add_route(f'{API}/preview', _Only(post=preview.on_post))
    app.add_route(f'{API}/formats', previews.Formats(guard))


def _add_machines(app: _App, parts: Parts, hosts: host_resources.Hosts
                  ) -> None:
    config = machine_resources.MachineConfig(parts.answers)
    complete = machine_resources.BootComplete(parts.answers, hosts)
    for path, resource in {
            f'{API}/bootconfig': config,
            f'{API}/bootconfig/{{path:path}}': config,
            '/t/{token}': config,
            '/t/{token}/{path:path}': config,
            f'{API}/boot-complete': complete,
            '/ipxe': machine_resources.Ipxe(parts.answers),
            '/healthz': machine_resources.Health(
                parts.index.loaded.is_set, parts.catalog.revision),
    }.items():
        app.add_route(path, resource)


class _Only:
    """A resource of functions of others."""

    def __init__(self, **responders: typing.Any) -> None:
        for method, responder in responders.items():
            setattr(self, f'on_{method}', responder)


class _Headers:
    """What goes with every answer."""

    def __init__(self, strategy: str) -> None:
        self._challenge = access.challenge(strategy)

    def process_response(self, req: falcon.Request, resp: falcon.Response,
                         resource: object, succeeded: bool) -> None:
        """Add the headers."""
        resp.set_header('X-Content-Type-Options', 'nosniff')
        if req.path.startswith('/api/') and not resp.get_header(
                'Cache-Control'):
            resp.set_header('Cache-Control', 'no-cache')
        if resp.status_code == 401:
            resp.set_header('WWW-Authenticate', self._challenge)
