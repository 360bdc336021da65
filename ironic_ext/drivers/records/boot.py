# SPDX-License-Identifier: Apache-2.0

"""The record of a boot and its end, in driver_internal_info."""

import time
import typing

from ironic_ext.node import boot_state


def load(node: typing.Any) -> boot_state.BootState:
    """Return where the boot of a node stands."""
    return boot_state.of(node.driver_internal_info)


def exists(node: typing.Any) -> bool:
    """Tell whether this suite has prepared the boot of a node."""
    return boot_state.KEY in (node.driver_internal_info or {})


def save(node: typing.Any, state: boot_state.BootState) -> None:
    """Write that to the node, and save the node."""
    node.set_driver_internal_info(boot_state.KEY, state.to_json())
    node.save()


def generation(node: typing.Any) -> int:
    """Return the generation of a node's tokens."""
    return boot_state.generation(node.driver_internal_info)


def end_tokens(node: typing.Any) -> None:
    """End all tokens that the node's machine was given until now."""
    node.set_driver_internal_info(
        boot_state.GENERATION_KEY,
        boot_state.following(generation(node), time.time()))
    node.save()


def ask_end(node: typing.Any, state: boot_state.BootState) -> None:
    """Write that a boot is over, and end its tokens, in one go."""
    node.set_driver_internal_info(boot_state.KEY, state.to_json())
    end_tokens(node)


def remove(node: typing.Any) -> None:
    """Remove the record of a node, if any, and end its tokens."""
    if exists(node):
        node.del_driver_internal_info(boot_state.KEY)
    end_tokens(node)


def begin(node: typing.Any, mode: str, delivery: str, interface: str
          ) -> None:
    """Begin a boot anew: what was deployed before has no say any more.

    :param delivery: how the config is to reach the machine.
    :param interface: the boot interface that prepares it.
    """
    info = dict(node.instance_info)
    if info.pop(boot_state.COMPLETED_KEY, None):
        node.instance_info = info
    iso, config = boot_state.choice(node.instance_info)
    save(node, boot_state.BootState(
        mode, begun=generation(node), delivery=delivery, iso=iso,
        config=config, interface=interface))
