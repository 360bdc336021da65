# SPDX-License-Identifier: Apache-2.0

"""``openstack baremetal node boot show``: what will the machine boot?"""

import argparse
import typing

from ironic_ext.cli.osc import fields
from ironic_ext.cli.osc import nodes
from ironic_ext.cli.osc import shown

_NEXT_BOOT = nodes.Passthru('next_boot', 'the next boot', ('vendor',))

_FIELDS = (
    fields.Field('node', 'node'),
    fields.Field('next_boot', 'text'),
    fields.Field('device', 'device'),
    fields.Field('image', 'image'),
    fields.Field('once', 'once'),
    fields.Field('chosen', 'chosen'),
    # What makes it boot that.
    fields.Field('takes', 'takes'),
    fields.Field('on_record', 'recorded'),
    fields.Field('bmc_boot_device', 'bmc.boot_device'),
    fields.Field('bmc_medium', 'bmc.medium'),
    fields.Field('error', 'error'))


class ShowNodeBoot(shown.Show):
    """Show what a node boots at its next reset, as its BMC shows it"""

    all_fields = _FIELDS

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Add the node."""
        return nodes.add_node(super().get_parser(prog_name))

    def resource(self, parsed_args: argparse.Namespace) -> fields.Resource:
        """Ask the conductor, which asks the BMC.

        :raises: CommandError when the node's interfaces cannot tell
        """
        manager: typing.Any = self.app.client_manager
        found = _NEXT_BOOT.call(manager.baremetal, parsed_args.node, 'GET')
        return {**found, 'node': parsed_args.node}
