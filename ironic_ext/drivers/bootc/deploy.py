# SPDX-License-Identifier: Apache-2.0

"""Deploy interface ``bootc-ext``: install a bootable container.

The conductor finds the image out and pins it, the agent's part of this suite
pulls and installs it; Ironic's ``custom-agent`` is what boots the agent.
"""

import collections.abc
import dataclasses
import types
import typing
from urllib import parse as urlparse

from ironic.common import exception
from ironic.common import image_service
from ironic.conductor import configdrive_utils
from ironic.conductor import task_manager
from ironic.conf import CONF
from ironic.drivers import base
from ironic.drivers.modules import agent
from ironic.drivers.modules import agent_base
from oslo_log import log
import requests

from ironic_ext.bootc import errors
from ironic_ext.bootc import reference
from ironic_ext.bootc import registry
from ironic_ext.bootc import request
from ironic_ext import conf
from ironic_ext.drivers.bootc import wishes
from ironic_ext.drivers.walls import owners
from ironic_ext import walls

LOG = log.getLogger(__name__)

conf.register_opts(CONF)

#: Key of driver_internal_info: what the tag meant when the deploy began.
PIN = 'ext_bootc'

_SCHEMES = tuple(f'{scheme}://' for scheme in reference.SCHEMES)


class ContainerImages(image_service.BaseImageService):
    """Lets Ironic take ``docker://`` for the name of an image.

    It asks image services about every image_source, and knows no such one.
    """

    def validate_href(self, image_href: str) -> types.SimpleNamespace:
        """Refuse what names no image.

        :returns: what Ironic looks at of a web server's answer.
        :raises: ImageRefValidationFailed
        """
        try:
            image = reference.Reference.parse(image_href)
        except errors.ImageNameError as exc:
            raise exception.ImageRefValidationFailed(
                image_href='docker://', reason=str(exc)) from exc
        return types.SimpleNamespace(url=str(image), headers={})

    def show(self, image_href: str) -> dict[str, typing.Any]:
        """Return that there is nothing to be known."""
        self.validate_href(image_href)
        return {'size': None, 'updated_at': None, 'properties': {}}

    def download(self, image_href: str, image_file: typing.Any,
                 *args: typing.Any, **kwargs: typing.Any) -> None:
        """Refuse: only machines download containers.

        :raises: ImageDownloadFailed
        """
        raise exception.ImageDownloadFailed(
            image_href='docker://',
            reason='only deploy interface bootc-ext deploys containers')


class BootcDeploy(agent.CustomAgentDeploy):
    """Installs the container that ``image_source`` names."""

    def get_properties(self) -> dict[str, str]:
        """Return what driver_info may say, with descriptions."""
        return {**super().get_properties(), **wishes.PROPERTIES}

    def validate(self, task: typing.Any) -> None:
        """Ask the registry whether this can be deployed.

        Before a deployment, when Ironic has the node for itself, it also
        pins the image: what is validated is what will be installed.

        :raises: InvalidParameterValue, MissingParameterValue
        """
        super().validate(task)
        node = task.node
        if not node.instance_info.get('image_source'):
            raise exception.MissingParameterValue(
                'instance_info/image_source is missing: give '
                'oci://registry/repository:tag')
        try:
            wish = wishes.wish_of(node)
            found = _ask(node, wish)
        except errors.BootcError as exc:
            raise exception.InvalidParameterValue(str(exc)) from exc
        if not task.shared:
            _pin(node, wish, found)

    def supports_deploy(self, task: typing.Any) -> bool:
        """Tell Ironic's ``autodetect`` whether this is what a node needs.

        Nodes with options of this interface, or an image of ``docker://``,
        are for no other, so that its validation tells what is wrong.
        """
        info = task.node.instance_info
        source = str(info.get('image_source') or '').lower()
        if not source.startswith(_SCHEMES):
            return False
        if info.get('bootc') or not source.startswith('oci://'):
            return True
        try:
            _ask(task.node, wishes.wish_of(task.node))
        except errors.BootcError as exc:
            LOG.info('Node %(node)s is not known to have a bootable '
                     'container: %(reason)s',
                     {'node': task.node.uuid, 'reason': exc})
            return False
        return True

    @base.deploy_step(priority=80, argsinfo={
        'options': request.ARGSINFO['options']})
    @task_manager.require_exclusive_lock
    def bootc_install(self, task: typing.Any, options: typing.Any = None
                      ) -> str:
        """Have the agent install the image.

        :param options: go before those in instance_info.
        :returns: state to wait in.
        :raises: InstanceDeployFailure
        """
        node = task.node
        token = node.driver_internal_info.get('agent_secret_token')
        if not token:
            raise exception.InstanceDeployFailure(
                f'the agent of node {node.uuid} has no token, which its '
                'secrets are sealed with: boot it anew')
        if not agent_base.find_step(task, 'deploy', 'deploy', request.STEP):
            raise exception.InstanceDeployFailure(
                f'the agent of node {node.uuid} has no deploy step '
                f'{request.STEP}: put the agent part of ironic-ext into its '
                'ramdisk')
        try:
            wish = wishes.wish_of(node, options)
            pinned = _pinned(node, wish) or _pin(node, wish,
                                                 _ask(node, wish))
        except errors.BootcError as exc:
            raise exception.InstanceDeployFailure(str(exc)) from exc
        asked = request.InstallRequest(
            image=wish.image.pinned(pinned['digest']),
            imgref=wish.image.followed, options=wish.options,
            trust=wish.trust, policy=wish.policy,
            size=request.Size(**pinned['size']), store=wish.store,
            node_uuid=node.uuid, credential=wish.credential,
            configdrive=configdrive_utils.get_configdrive_image(node))
        LOG.info('Node %(node)s installs %(name)s, which is %(image)s',
                 {'node': node.uuid, 'name': wish.image,
                  'image': asked.image})
        state: str = agent_base.execute_step(
            task, {'interface': 'deploy', 'step': request.STEP,
                   'args': asked.arguments(token)}, 'deploy')
        return state

    @task_manager.require_exclusive_lock
    def tear_down(self, task: typing.Any) -> str:
        """Tear the deployment down, and forget what its tag meant."""
        state: str = super().tear_down(task)
        task.node.del_driver_internal_info(PIN)
        task.node.save()
        return state


def _ask(node: typing.Any, wish: wishes.Wish) -> registry.Image:
    """Ask the registry for an image that the node can run.

    :raises: BootcError
    """
    return registry.require_bootable(
        wish.image, node.properties.get('cpu_arch'), trust=wish.trust,
        credential=wish.credential, timeout=CONF.ext_bootc.registry_timeout,
        send=_sent_within_the_fence)


def _sent_within_the_fence(adapter: typing.Any, request: typing.Any,
                           **options: typing.Any) -> typing.Any:
    """Ask registries, and whom they send to, where an owner may lead.

    :raises: RegistryError
    """
    # A registry that ironic.conf names is the operator's choice.
    asked = urlparse.urlsplit(request.url)
    known = asked.netloc in _configured_hosts()
    try:
        options['proxies'] = _pinned_proxies(adapter, options['proxies'])
        return walls.send(adapter, request,
                          None if known else owners.fence(), **options)
    except OSError as exc:
        if isinstance(exc, requests.RequestException):
            raise
        raise _unresolved(asked.hostname, exc) from None
    except walls.Refused as exc:
        raise errors.RegistryError(
            f'the registry is not asked: {exc}. '
            '[ext_images]allowed_networks of ironic.conf says which '
            'addresses are open') from None


def _unresolved(host: str | None, exc: OSError) -> errors.RegistryError:
    return errors.RegistryError(
        f'the registry is not asked: {host} cannot be resolved: '
        f'{exc.strerror or exc}')


def _pinned_proxies(adapter: typing.Any,
                    proxies: collections.abc.Mapping[str, str]
                    ) -> dict[str, str]:
    """Let a node's proxy be at the address that is judged here.

    A name server could tell another one when it is asked again.

    :raises: Refused, RegistryError
    """
    found = {}
    for scheme, proxy in proxies.items():
        found[scheme] = proxy
        if proxy != wishes.configured_proxy():
            host = urlparse.urlsplit(proxy).hostname
            try:
                found[scheme] = walls.pinned(proxy, owners.fence())
            except OSError as exc:
                raise _unresolved(f'the proxy {host}', exc) from None
            # TLS is still spoken with the one of that name.
            adapter.proxy_names[found[scheme]] = host
    return found


def _configured_hosts() -> set[str]:
    """Return "host[:port]" of the registries that ironic.conf names."""
    settings = CONF.ext_bootc
    return {place.rpartition('=')[2].strip().partition('/')[0] for place in (
        *settings.mirrors, *settings.insecure_registries,
        *settings.allowed_registries)}


def _pin(node: typing.Any, wish: wishes.Wish, found: registry.Image
         ) -> dict[str, typing.Any]:
    """Remember which image the name means."""
    pin = {'image': str(wish.image), 'digest': found.reference.digest,
           'size': dataclasses.asdict(found.size)}
    node.set_driver_internal_info(PIN, pin)
    node.save()
    return pin


def _pinned(node: typing.Any, wish: wishes.Wish
            ) -> dict[str, typing.Any] | None:
    """Return what the name means in this deployment, if that is known."""
    pin = node.driver_internal_info.get(PIN)
    if pin and pin['image'] == str(wish.image):
        return typing.cast(dict[str, typing.Any], pin)
    return None
