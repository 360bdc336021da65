# SPDX-License-Identifier: Apache-2.0

"""Every place where Ironic itself is changed, and the one way to do that.

Done when a conductor makes the first hardware type of this suite; patching.py
says how. doc/source has the page for operators.
"""

import functools
import types
import typing

from ironic.common import driver_factory
from ironic.conf import CONF
from ironic.drivers import drac
from ironic.drivers.modules.redfish import boot as redfish_boot
from ironic.drivers import redfish
from oslo_log import log

from ironic_ext.drivers.bmc import sessions
from ironic_ext.drivers.bmc import slots
from ironic_ext.drivers.boot import leaving
from ironic_ext.drivers.boot import published_script
from ironic_ext.drivers.bootc import deploy
from ironic_ext.drivers.data_image import ends
from ironic_ext.drivers.data_image import secrets
from ironic_ext.drivers.images import ironic_services
from ironic_ext.drivers.patching import Body
from ironic_ext.drivers.patching import Filtered
from ironic_ext.drivers.patching import MisfitError
from ironic_ext.drivers.patching import Patch
from ironic_ext.drivers.patching import Replaced
from ironic_ext.drivers.patching import Wrapped
from ironic_ext.drivers.records import interfaces

LOG = log.getLogger(__name__)

#: Boot interfaces that boot ``boot_iso`` with the node's config.
_ISO_BOOTS = frozenset((interfaces.REDFISH_ISO, interfaces.ISO_SANBOOT))
#: Stock types by their classes.
_STOCK_CLASSES = {redfish.RedfishHardware: 'redfish',
                  drac.IDRACHardware: 'idrac'}
#: Types of this suite -> the stock type whose publisher settings they use.
_STOCK_TYPES = {'redfish-ext': 'redfish', 'idrac-ext': 'idrac'}


# Small changes; those of more than some lines lie in their rooms.

def update_image_type(stock: Body, context: typing.Any, node: typing.Any
                      ) -> bool:
    """Have start_deploy() save a node that boots an ISO of its own."""
    return stock(context, node) or bool(
        interfaces.of(node, 'boot') in _ISO_BOOTS
        and node.instance_info.get('boot_iso'))


def update_driver_config(stock: Body, handler: typing.Any, driver: str,
                         *args: typing.Any, **kwargs: typing.Any) -> None:
    """Give types of this suite what the stock type has."""
    stock(handler, _STOCK_TYPES.get(driver, driver), *args, **kwargs)


def get_interface(stock: Body, hw_type: typing.Any, interface_type: str,
                  interface_name: str) -> typing.Any:
    """Give nodes of stock types what takes the place of stock interfaces.

    :raises: what Ironic does for an interface that does not fit the type.
    """
    found = stock(hw_type, interface_type, interface_name)
    ours = interfaces.replacement(_STOCK_CLASSES.get(type(hw_type), ''),
                                  interface_type, interface_name)
    if ours is None:
        return found
    return driver_factory.interfaces(interface_type)[ours]


def _tell_replaced() -> None:
    """Say loudly which nodes have other interfaces than their names say."""
    for driver, kind, name, ours in interfaces.wanted():
        if interfaces.enabled(kind, ours):
            LOG.warning('Nodes of the hardware type %(driver)s with '
                        '%(kind)s interface %(name)s have %(ours)s of '
                        'ironic-ext in its place: [ext_boot]replace_stock',
                        {'driver': driver, 'kind': kind, 'name': name,
                         'ours': ours})
        else:
            LOG.error('[ext_boot]replace_stock is to put %(ours)s in the '
                      'place of %(name)s, but enabled_%(kind)s_interfaces '
                      'does not have it: add it. Until then Ironic\'s own '
                      'is used', {'ours': ours, 'name': name, 'kind': kind})


def _sessions(stock: typing.Any) -> types.SimpleNamespace:
    if not isinstance(stock, types.ModuleType):
        raise MisfitError('Redfish sessions do not use hashlib any more')
    return sessions.remembering(stock)


def _services(stock: typing.Any) -> dict[str, type]:
    return {**_table(stock), **ironic_services.services()}


def _containers(stock: typing.Any) -> dict[str, type]:
    return {'docker': deploy.ContainerImages, **_table(stock)}


def _table(stock: typing.Any) -> dict[str, type]:
    if not isinstance(stock, dict):
        raise MisfitError('the table of image services is none any more')
    return stock


def _glance(stock: typing.Any) -> type:
    ours = ironic_services.GlanceImageService
    if not (isinstance(stock, type) and issubclass(ours, stock)):
        raise MisfitError('the image service of Glance is another one')
    return ours


def _boot_script(stock: typing.Any) -> Body:
    code = getattr(stock, '__code__', None)
    if code is None or 'ipxe_boot_script' not in code.co_names:
        raise MisfitError('[pxe]ipxe_boot_script is written in another way')
    return functools.partial(published_script.create_boot_script, stock)


def _publishes_by_type() -> bool:
    return not hasattr(redfish_boot.RedfishVirtualMediaBoot,
                       'image_publisher_settings')


_SCHEMES = 'ironic.common.image_service:protocol_mapping'

IMAGE_SERVICES = Patch(
    name='Image services',
    targets=(
        Replaced(_SCHEMES, _services),
        Replaced('ironic.common.image_service:GlanceImageService', _glance)),
    reason='Ironic\'s own image services neither resume nor try again, and '
           'read an image twice to verify it. It has no way to register '
           'others: they are in a table, and the service of Glance is told '
           'by the name of its class.',
    releases='35 to 39',
    loss='Kernels, ramdisks and image_source are fetched by Ironic\'s own '
         'image services, although [ext_images]replace_ironic_image_services '
         'is set.',
    wanted=lambda: CONF.ext_images.replace_ironic_image_services)

CONTAINERS = Patch(
    name='Container images',
    targets=(Replaced(_SCHEMES, _containers),),
    reason='Ironic asks an image service about every image_source before a '
           'deploy interface sees it, and knows none for docker://.',
    releases='35 to 39',
    loss='Nodes with deploy interface bootc-ext need oci:// in image_source; '
         'docker:// is refused.')

PATCHES: tuple[Patch, ...] = (
    IMAGE_SERVICES,
    CONTAINERS,
    Patch(
        name='End of an instance',
        targets=(Wrapped(
            'ironic.conductor.manager:ConductorManager._do_node_tear_down',
            ('self', 'task'), ends.tear_down),),
        reason='No management interface is told that an instance is torn '
               'down, and a data image is for any boot and deploy '
               'interface.',
        releases='35 to 39',
        loss='A data image is not detached when its instance is torn down, '
             'but when a look of [ext_data_image]reconcile_interval finds '
             'the node without one; an instance that is deployed sooner '
             'still sees it.'),
    Patch(
        name='End of a node',
        targets=(Wrapped('ironic.objects.node:Node.destroy', ('self',),
                         ends.destroy),),
        reason='No interface is told that a node is deleted; its drivers are '
               'not even loaded then.',
        releases='35 to 39',
        loss='The data image of a node that is deleted stays in its drive, '
             'and readable: detach data images before nodes are deleted.'),
    Patch(
        name='End of the boot of a node',
        targets=(Wrapped('ironic.objects.node:Node.destroy', ('self',),
                         leaving.destroy),),
        reason='No interface is told that a node is deleted. An active one '
               'in maintenance is deleted without being torn down.',
        releases='35 to 39',
        loss='The boot medium of a node that is deleted while it is active '
             'stays in its drive, and readable until its token expires: '
             'undeploy nodes before they are deleted.'),
    Patch(
        name='Rebuild of nodes with a boot_iso',
        targets=(Wrapped('ironic.conductor.utils:update_image_type',
                         ('context', 'node'), update_image_type),),
        reason='start_deploy() ends with an UnboundLocalError '
               '("auto_lessee") when a rebuild\'s node has no image_source, '
               'since update_image_type() then returns False. It returns '
               'True for nodes of redfish-iso and iso-sanboot with a '
               'boot_iso, which only saves the node once more.',
        releases='35 to 39',
        loss='Where that is not mended, "node rebuild" fails for nodes with '
             'a boot_iso: undeploy and deploy them instead.'),
    Patch(
        name='iPXE boot script',
        targets=(Replaced('ironic.common.pxe_utils:create_ipxe_boot_script',
                          _boot_script),),
        reason='boot.ipxe leaves iPXE with success when the script of a node '
               'has ended, and a UEFI firmware shows its menu then instead '
               'of going on with the disk. Where iso-sanboot is enabled, the '
               'default of [pxe]ipxe_boot_script is a script that leaves '
               'with an error on UEFI.',
        releases='35 to 39',
        loss='Machines with UEFI firmware and boot interface iso-sanboot '
             'that are to boot from their disk may end in the menu of their '
             'firmware.'),
    Patch(
        name='Interfaces of stock types',
        targets=(Wrapped(
            'ironic.common.driver_factory:get_interface',
            ('hw_type', 'interface_type', 'interface_name'),
            get_interface),),
        reason='A hardware type accepts the very classes that it lists, so '
               'clients that name Ironic\'s own types and interfaces '
               '(Metal3, bifrost) never get this suite\'s. With '
               '[ext_boot]replace_stock they do.',
        releases='35 to 39',
        loss='[ext_boot]replace_stock does nothing: nodes have Ironic\'s own '
             'interfaces.',
        wanted=lambda: bool(CONF.ext_boot.replace_stock)),
    Patch(
        name='Publisher settings',
        targets=(Wrapped('ironic.drivers.modules.image_utils:ImageHandler'
                         '.update_driver_config', ('self', 'driver'),
                         update_driver_config),),
        reason='The settings to publish images by are found by the name of '
               'the hardware type, and only stock names are known. From 36 '
               'on the boot interface has them, and nothing is changed.',
        releases='35',
        loss='Ironic cannot publish images of its own, such as those of '
             'boot interface redfish-virtual-media, for nodes of redfish-ext '
             'and idrac-ext.',
        wanted=_publishes_by_type),
    Patch(
        name='Keys of Redfish sessions',
        targets=(Replaced('ironic.drivers.modules.redfish.utils:hashlib',
                          _sessions),),
        reason='The key of a cached session is derived from the password by '
               '600,000 rounds of PBKDF2 each time a BMC is asked for '
               'anything, which takes some tenths of a second of CPU. What '
               'was derived is kept in the process instead.',
        releases='35 to 39',
        loss='Looking at data images takes some tenths of a second of CPU '
             'for each node and look.'),
    Patch(
        name='Secrets in the history of steps',
        targets=(Wrapped('ironic.conductor.utils:log_step_flow_history',
                         ('node', 'flow', 'steps'),
                         secrets.log_step_flow_history),),
        reason='Ironic masks passwords by their keys, and does not know that '
               'files of a data image are secret.',
        releases='35 to 39',
        loss='Files of data images that are attached by steps, and secrets '
             'in their URLs, are in the history of the node: switch '
             '[conductor]record_step_flows_in_history and '
             'log_step_flows_to_syslog off.'),
    *(Patch(
        name='Secrets of data images in the log',
        targets=(Filtered(module, secrets.MASK),),
        reason='Ironic logs the arguments of steps, and on level DEBUG the '
               'requests of JSON RPC; it masks passwords by their keys, not '
               'in lists, and no files.',
        releases='35 to 39',
        loss='Where another module logs in its place, files and passwords '
             'of data images may be in the log.')
      for module in secrets.LOGS),
    *(Patch(
        name='URLs of images in the log',
        targets=(Filtered(module, slots.HIDE_URLS),),
        reason='sushy logs the requests to BMCs on level DEBUG, and errors '
               'of BMCs that repeat them: with the URLs of images, which '
               'are secret. It masks passwords alone.',
        releases='35 to 39 (sushy 5.14)',
        loss='Where another module logs in its place, URLs of images may be '
             'in the log, by which they can be read until the boot or the '
             'attachment ends.')
      for module in slots.SUSHY_LOGS),
)


@functools.cache
def install() -> None:
    """Change Ironic, once in a process.

    Ironic makes hardware types one after the other, under a lock.
    """
    for patch in PATCHES:
        patch.install()
    _tell_replaced()
