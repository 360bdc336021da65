# SPDX-License-Identifier: Apache-2.0

"""The iPXE script of a node, where machines of Ironic's ipxe look for it.

That is ``pxelinux.cfg/<MAC>`` below [deploy]http_root. Whoever can reach
that web server and knows the MAC can read it, as with Ironic's own boot
from volumes: see secret_script for what is not for everybody.
"""

import collections.abc
import contextlib
import hashlib
import os
import typing

from ironic.common import dhcp_factory
from ironic.common import pxe_utils
from ironic.common import utils
from ironic.conf import CONF

from ironic_ext import blocks

_BOOT_SCRIPT = os.path.join(os.path.dirname(__file__), 'boot.ipxe')


def create_boot_script(stock: collections.abc.Callable[[], None]) -> None:
    """Write what all machines of Ironic's ipxe run first.

    That of this suite, unless the operator has one of their own.

    :param stock: Ironic's function for that.
    """
    if 'iso-sanboot' in CONF.enabled_boot_interfaces:
        CONF.set_default('ipxe_boot_script', _BOOT_SCRIPT, group='pxe')
    stock()


def write(task: typing.Any, text: str) -> str:
    """Write the script of a node, and lead its machine there.

    A machine that boots at this moment gets the old one or the new one.

    :returns: the digest to recognise it by.
    :raises: OSError, and what the DHCP provider raises
    """
    pxe_utils.create_ipxe_boot_script()
    path = _path(task.node)
    for folder in (os.path.dirname(path), _folder()):
        # One that is there may have an operator's own permissions.
        if not os.path.isdir(folder):
            pxe_utils.ensure_tree(folder)
    # The lock of the node keeps others out, and a conductor that was killed
    # here must not leave a script of another name to be read.
    with blocks.replacing(path, CONF.pxe.file_permission or 0o644,
                          temporary=f'{path}.part') as fd:
        blocks.write_all(fd, text.encode())
    for port in task.ports:
        if port.pxe_enabled or CONF.neutron.add_all_ports:
            _link(path, _link_of(port))
    _update_dhcp(task)
    return _digest(text)


def is_written(node: typing.Any, digest: str) -> bool:
    """Tell whether a node has the script of that digest."""
    try:
        with open(_path(node)) as file:
            return _digest(file.read()) == digest
    except (OSError, UnicodeDecodeError):
        return False


def remove(task: typing.Any) -> None:
    """Remove the script of a node; the DHCP options are Ironic's to clean.

    An agent's files are in the same place and go, too.
    """
    for port in task.ports:
        # Of a conductor that was killed.
        utils.unlink_without_raise(_temporary(_link_of(port)))
    pxe_utils.clean_up_pxe_config(task, ipxe_enabled=True)


def _path(node: typing.Any) -> str:
    path: str = pxe_utils.get_pxe_config_file_path(node.uuid,
                                                   ipxe_enabled=True)
    return path


def _folder() -> str:
    """Return where the links are, as iPXE asks for them by MAC."""
    return os.path.join(str(CONF.deploy.http_root),
                        str(CONF.pxe.pxe_config_subdir))


def _link_of(port: typing.Any) -> str:
    return os.path.join(_folder(), port.address.replace(':', '-').lower())


def _temporary(link: str) -> str:
    return f'{link}.part'


def _link(path: str, link: str) -> None:
    """Make a link, also in the place of another, which is there till then."""
    temporary = _temporary(link)
    with contextlib.suppress(FileNotFoundError):
        os.unlink(temporary)
    os.symlink(os.path.relpath(path, os.path.dirname(link)), temporary)
    os.rename(temporary, link)


def _update_dhcp(task: typing.Any) -> None:
    """Tell the DHCP provider what Ironic's ipxe tells it."""
    options = [option for version in (4, 6)
               for option in pxe_utils.dhcp_options_for_instance(
                   task, ipxe_enabled=True, ip_version=version)]
    dhcp_factory.DHCPFactory().update_dhcp(task, options)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
