# SPDX-License-Identifier: Apache-2.0

"""Ironic's API as far as the boot server needs it.

By a session of keystoneauth, so that Ironic may want Keystone's tokens, a
password or nothing ([ext_ironic]auth_type).
"""

import collections.abc
import datetime
import json
import threading
import typing
from urllib import parse as urlparse

from keystoneauth1 import adapter
from keystoneauth1 import exceptions
from keystoneauth1 import http_basic
from keystoneauth1 import loading
from keystoneauth1 import plugin
from oslo_config import cfg

from ironic_ext.conf import ironic
from ironic_ext.node import boot_state
from ironic_ext.node import data_image as host_data_images
from ironic_ext.node import host as hosts
from ironic_ext.server import errors

GROUP = ironic.GROUP.name
#: Inventories, network_data and all fields of hosts.FIELDS.
_MICROVERSION = '1.81'
#: Parsing a page holds up all threads: some milliseconds for as many nodes.
_PAGE = 50
#: Of UUIDs alone: as many as Ironic gives at most ([api]max_limit).
_UUIDS = 1000
_PORT_FIELDS = ('uuid', 'address', 'node_uuid', 'created_at', 'updated_at')

#: Before all that has a time.
EPOCH = datetime.datetime.fromtimestamp(0, datetime.UTC)

Node = dict[str, typing.Any]


def register_opts(conf: cfg.ConfigOpts) -> None:
    """Register [ext_ironic]."""
    loading.register_auth_conf_options(conf, GROUP)
    loading.register_session_conf_options(conf, GROUP)
    loading.register_adapter_conf_options(conf, GROUP)
    conf.set_default('service_type', ironic.SERVICE_TYPE, group=GROUP)


def connect(conf: cfg.ConfigOpts) -> 'IronicApi':
    """Return the API that [ext_ironic] names; asks nothing yet.

    :raises: ValueError
    """
    auth, session = login(conf)
    _require_place(conf, auth)
    try:
        return IronicApi(loading.load_adapter_from_conf_options(
            conf, GROUP, session=session, auth=auth))
    except exceptions.ClientException as exc:
        raise ValueError(f'[{GROUP}]: {exc}') from exc


def _require_place(conf: cfg.ConfigOpts, auth: typing.Any) -> None:
    """Refuse what does not say where Ironic is, or who asks it.

    :raises: ValueError
    """
    url = conf[GROUP].endpoint_override
    if isinstance(auth, plugin.FixedEndpointPlugin):
        url = url or auth.endpoint
    if not url and (auth is None
                    or isinstance(auth, plugin.FixedEndpointPlugin)):
        raise ValueError(
            f'[{GROUP}] does not say where Ironic is: set auth_type = none '
            'and endpoint_override to the URL of an Ironic without a login, '
            'auth_type = http_basic, username and password as well for one '
            'with passwords, or auth_type = password, auth_url, username, '
            'password, user_domain_name and system_scope = all for Keystone')
    if url and not is_url(url):
        raise ValueError(
            f'[{GROUP}]endpoint_override must be a URL of http or https, '
            'such as http://192.0.2.1:6385')
    if isinstance(auth, http_basic.HTTPBasicAuth) and not (
            auth.username and auth.password):
        raise ValueError(
            f'[{GROUP}]auth_type is http_basic: set username and password, '
            'too')


def is_url(text: str) -> bool:
    """Tell whether something is a URL of a web service."""
    try:
        parts = urlparse.urlsplit(text)
        return parts.scheme in ('http', 'https') and bool(
            parts.hostname) and parts.port != 0
    except ValueError:
        return False


def login(conf: cfg.ConfigOpts) -> tuple[typing.Any, typing.Any]:
    """Return the login that [ext_ironic] names, and a session with it.

    :raises: ValueError
    """
    try:
        auth = loading.load_auth_from_conf_options(conf, GROUP)
        session = loading.load_session_from_conf_options(conf, GROUP,
                                                         auth=auth)
    except exceptions.ClientException as exc:
        raise ValueError(f'[{GROUP}]: {exc}') from exc
    if session.timeout is None:
        session.timeout = 60
    return auth, session


def place(conf: cfg.ConfigOpts) -> str:
    """Return what tells one Ironic from another; nothing secret."""
    return json.dumps([conf[GROUP].get(name) for name in (
        'endpoint_override', 'auth_url', 'region_name') if name in conf[
            GROUP]])


class IronicApi:
    """The API. Thread-safe; everything raises IronicError."""

    def __init__(self, client: adapter.Adapter) -> None:
        """Take an adapter of keystoneauth."""
        self._client = client
        self._counting = threading.Lock()
        self._requests = 0

    @property
    def requests(self) -> int:
        """How many were made."""
        return self._requests

    def is_narrow(self) -> bool:
        """Tell whether it is the login of a project, which sees few nodes.

        :raises: IronicError
        """
        auth: typing.Any = self._client.session.auth
        if not hasattr(auth, 'get_access'):
            return False
        try:
            return not auth.get_access(self._client.session).system_scoped
        except exceptions.ClientException as exc:
            raise errors.IronicError(
                f'Keystone does not answer: {type(exc).__name__}') from exc

    def public_url(self) -> str:
        """Return the public endpoint that Keystone's catalog has.

        :returns: '' for none, and without Keystone.
        :raises: IronicError
        """
        session: typing.Any = self._client.session
        if not hasattr(session.auth, 'get_access'):
            return ''
        try:
            return session.get_endpoint(
                service_type=self._client.service_type, interface='public',
                region_name=self._client.region_name) or ''
        except exceptions.ClientException as exc:
            raise errors.IronicError(
                f'Keystone does not answer: {type(exc).__name__}') from exc

    def nodes(self, *, newest: str = '', page: int = _PAGE
              ) -> collections.abc.Iterator[Node]:
        """Return nodes, with hosts.FIELDS, a page at a time.

        :param newest: ``created_at`` or ``updated_at`` to have the newest
            by that first.
        """
        # Only whole nodes come with the times when they changed.
        for node in self._list('nodes', '/v1/nodes/detail?', newest, page):
            yield _bare(node)

    def uuids(self, after: str = '') -> tuple[list[str], bool]:
        """Return the UUIDs of a thousand nodes or fewer, and if more follow.

        :param after: the last one of the page before.
        :raises: NotFoundError, BadRequestError when that one is gone
        """
        found = self._call('GET', f'/v1/nodes?fields=uuid&limit={_UUIDS}'
                           + (f'&marker={after}' if after else ''))
        try:
            return ([node['uuid'] for node in found['nodes']],
                    bool(found.get('next')))
        except (LookupError, TypeError) as exc:
            raise errors.IronicError(
                'Ironic\'s list of nodes cannot be understood') from exc

    def ports(self, *, newest: str = '', page: int = _PAGE, node: str = ''
              ) -> collections.abc.Iterator[Node]:
        """Return ports: uuid, address, node_uuid and times.

        :param node: UUID of the one whose ports are wanted alone.
        :raises: NotFoundError when that is not there
        """
        return self._list('ports', '/v1/ports?fields='
                          f'{",".join(_PORT_FIELDS)}&'
                          + (f'node={node}&' if node else ''), newest, page)

    def node(self, uuid: str) -> Node:
        """Return a node with hosts.FIELDS.

        :raises: NotFoundError
        """
        return _bare(self._call('GET', f'/v1/nodes/{uuid}'))

    def inventory(self, uuid: str) -> Node | None:
        """Return what an inspection found, None for nothing."""
        try:
            found: Node = self._call('GET', f'/v1/nodes/{uuid}/inventory')
            return found
        except errors.NotFoundError:
            return None

    def has_console(self, uuid: str) -> bool:
        """Tell whether a node's console is enabled; no BMC is asked.

        :raises: NotFoundError
        """
        return self._call('GET', f'/v1/nodes/{uuid}?fields=console_enabled'
                          ).get('console_enabled') is True

    def console(self, uuid: str) -> typing.Any:
        """Return what Ironic says of a node's console, None for none.

        A conductor may ask the BMC, and end who is at the console.

        :raises: NotFoundError, BadRequestError
        """
        # What is said may let in whoever reads it: nothing of it is logged.
        return self._call('GET', f'/v1/nodes/{uuid}/states/console',
                          log=False).get('console_info')

    def bound(self, mac: str) -> set[str]:
        """Return the ids of Neutron's ports that a MAC is bound to.

        :param mac: as hosts.mac() writes it.
        """
        found = self._call('GET', f'/v1/ports?address={mac}'
                                  '&fields=address,internal_info')
        return {str(value) for port in found.get('ports', ())
                for key, value in (port.get('internal_info') or {}).items()
                if key.endswith('_vif_port_id')}

    def set_instance_info(self, uuid: str, values: collections.abc.Mapping[
            str, typing.Any]) -> Node:
        """Change keys of a node's instance_info.

        :param values: None removes a key that must be there.
        :returns: the whole node.
        :raises: NotFoundError, ConflictError
        """
        return _bare(self._call('PATCH', f'/v1/nodes/{uuid}', [
            {'op': 'remove', 'path': f'/instance_info/{key}'}
            if value is None else
            {'op': 'add', 'path': f'/instance_info/{key}', 'value': value}
            for key, value in values.items()]))

    def set_power(self, uuid: str, target: str) -> None:
        """Ask for a power state.

        :raises: NotFoundError, ConflictError, BadRequestError
        """
        self._call('PUT', f'/v1/nodes/{uuid}/states/power',
                   {'target': target})

    def set_provision_state(self, uuid: str, target: str) -> None:
        """Ask for a provision state, such as ``active`` or ``rebuild``.

        :raises: NotFoundError, ConflictError, BadRequestError
        """
        self._call('PUT', f'/v1/nodes/{uuid}/states/provision',
                   {'target': target})

    def set_data_image(self, uuid: str, wanted: collections.abc.Mapping[
            str, typing.Any] | None) -> None:
        """Ask for a data image, or for none.

        :raises: NotFoundError, ConflictError, BadRequestError
        """
        try:
            # What is asked for has passwords: nothing of it is logged.
            self._call('DELETE' if wanted is None else 'PUT',
                       f'/v1/nodes/{uuid}/vendor_passthru?method=data_image',
                       wanted, log=False)
        except errors.BadRequestError as exc:
            if 'No handler for method' not in str(exc):
                raise
            raise errors.ConflictError(
                f'node {uuid} takes no data images: they need the vendor '
                'and management interfaces redfish-ext') from exc

    def _list(self, kind: str, query: str, newest: str, page: int
              ) -> collections.abc.Iterator[Node]:
        query += f'limit={page}'
        if newest:
            query += f'&sort_key={newest}&sort_dir=desc'
        marker = ''
        while True:
            answer = self._call('GET', query + marker)
            items = answer.get(kind)
            if not isinstance(items, list):
                raise errors.IronicError(
                    f'Ironic\'s list of {kind} cannot be understood')
            yield from items
            if not answer.get('next') or not items:
                return
            marker = f'&marker={items[-1]["uuid"]}'

    def _call(self, method: str, path: str, body: object = None,
              **options: typing.Any) -> typing.Any:
        with self._counting:
            self._requests += 1
        try:
            answer = self._client.request(
                path, method, json=body, raise_exc=False,
                headers={'X-OpenStack-Ironic-API-Version': _MICROVERSION,
                         'Accept': 'application/json'},
                endpoint_filter={'version': None}, **options)
        except exceptions.ClientException as exc:
            raise errors.IronicError(_unanswered(exc)) from exc
        if answer.status_code >= 400:
            raise _failure(answer)
        try:
            return answer.json() if answer.content else None
        except ValueError as exc:
            raise errors.IronicError(
                'what answers as Ironic\'s API sends no JSON: see '
                f'[{GROUP}]endpoint_override') from exc


def time_of(value: typing.Any) -> datetime.datetime | None:
    """Return a time as Ironic writes it, None for what is none."""
    try:
        found = datetime.datetime.fromisoformat(value)
    except (TypeError, ValueError):
        return None
    return found if found.tzinfo else found.replace(tzinfo=datetime.UTC)


def changed_at(item: Node) -> datetime.datetime:
    """Return when a node or a port was changed or made last."""
    return max(time_of(item.get('updated_at')) or EPOCH,
               time_of(item.get('created_at')) or EPOCH)


def _bare(node: Node) -> Node:
    """Return what is wanted of a node; driver_info is not kept.

    One key of it says how configs reach the machine.
    """
    return {**{name: node.get(name) for name in hosts.FIELDS},
            'boot': boot_state.of(node.get('driver_internal_info')),
            hosts.DELIVERY_KEY: (node.get('driver_info') or {}).get(
                hosts.DELIVERY_KEY),
            'boot_generation': boot_state.generation(
                node.get('driver_internal_info')),
            'data_image': host_data_images.kept(node)}


def _unanswered(exc: exceptions.ClientException) -> str:
    """Return who did not answer; what the exception says can name users."""
    if isinstance(exc, exceptions.DiscoveryFailure):
        return f'Keystone does not answer: look at [{GROUP}]auth_url'
    if isinstance(exc, exceptions.Unauthorized):
        return f'Keystone refuses the login of [{GROUP}]'
    if isinstance(exc, exceptions.EndpointNotFound):
        return ('Keystone\'s catalog has no Ironic: look at '
                f'[{GROUP}]region_name and valid_interfaces, or set '
                'endpoint_override')
    return f'Ironic\'s API does not answer: {type(exc).__name__}'


def _failure(answer: typing.Any) -> errors.ServerError:
    said = ''
    try:
        said = answer.json()['error_message']
        if isinstance(said, str):
            said = json.loads(said)
        said = said.get('faultstring') or ''
    except (ValueError, LookupError, TypeError, AttributeError):
        pass
    said = ' '.join(str(said).split())[:500] or f'HTTP {answer.status_code}'
    kind: type[errors.ServerError] = {
        400: errors.BadRequestError, 404: errors.NotFoundError,
        409: errors.ConflictError}.get(answer.status_code,
                                       errors.IronicError)
    return kind(f'Ironic refuses: {said}')
